// Addresses of Gateways with data planes of their own: what is asked of load balancers and of Services, what they give, and what is said.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { list, record } from '../../src/support/untrusted.ts';
import type { FakeApiServer, Stored } from './cluster-fixture.ts';
import { addressesOf, definition, experimental } from './cluster-objects.ts';
import { eventually } from '../eventually.ts';
import {
  name,
  serverWith,
  world,
  ready,
  startReplica,
  gateway,
  conditions,
  bringUp,
  provided,
  programmed,
} from './provisioned-world.ts';

const experimentalGateways = experimental(definition('Gateway', 'gateways'));

test('addresses that are asked for go into the Service, and those that it does not get are said', async (t) => {
  const asked = { type: 'IPAddress', value: '192.0.2.7' };
  const { server } = await world(t, gateway({ addresses: [asked, { type: 'IPAddress', value: '192.0.2.8' }] }));
  await provided(server);
  assert.equal(record(server.get('Service', name)?.['spec'])['loadBalancerIP'], '192.0.2.7');
  bringUp(server);
  await programmed(server, 'AddressNotUsable');
  server.apply(gateway({ addresses: [asked] }));
  await programmed(server);
  assert.deepEqual(addressesOf(server), ['IPAddress 192.0.2.7']);
});

const inner = { type: 'IPAddress', routability: 'Cluster' };

/** As Kubernetes does when it takes a Service. */
function giveClusterIP(server: FakeApiServer, ip: string): void {
  const service = server.get('Service', name) as Stored;
  server.apply({ ...service, spec: { ...record(service['spec']), clusterIP: ip, clusterIPs: [ip] } });
}

function routabilities(server: FakeApiServer): readonly string[] {
  return list(record(server.get('Gateway', 'gw')?.['status'])['addresses']).map((address) => {
    const { value, routability } = record(address);
    return `${String(value)} ${String(routability)}`;
  });
}

test('GatewayAddressRoutabilityCluster: who asks for addresses within the cluster only gets a Service that leads nowhere else', async (t) => {
  const { server } = await world(t, experimentalGateways, gateway({ addresses: [inner] }));
  await provided(server);
  assert.equal(record(server.get('Service', name)?.['spec'])['type'], 'ClusterIP');
  giveClusterIP(server, '10.96.0.9');
  bringUp(server);
  await programmed(server);
  assert.deepEqual(routabilities(server), ['10.96.0.9 Cluster']);
  assert.ok(conditions(server).includes('AddressesAssigned=True AddressesAssigned'));
  const claimed = list(record(server.get('GatewayClass', 'portolan')?.['status'])['supportedFeatures']);
  assert.ok(claimed.some((feature) => record(feature)['name'] === 'GatewayAddressRoutabilityCluster'));
  // One more of them than there are, and one from outside: there is a load balancer again.
  server.apply(gateway({ addresses: [inner, inner, { type: 'IPAddress' }] }));
  await eventually(() => record(server.get('Service', name)?.['spec'])['type'] === 'LoadBalancer', 'the load balancer');
  await eventually(() => routabilities(server).join(', ') === '10.96.0.9 Cluster, 192.0.2.7 ', 'both addresses');
  assert.ok(conditions(server).includes('AddressesAssigned=False PartiallyAssigned'), 'one is missing');
  assert.ok(conditions(server).includes('Programmed=True Programmed'));
});

test('GatewayAddressRoutabilityCluster: an address within the cluster is asked for when the Service is made, and no other is said to be it', async (t) => {
  const server = await serverWith(t, experimentalGateways, gateway({ addresses: [{ ...inner, value: '10.96.0.5' }] }));
  // However often it is asked for: once more may be under way when the first answer comes.
  server.refuse = (method, path, body) =>
    method === 'PATCH' && path.endsWith(`/services/${name}`) && body.includes('10.96.0.5')
      ? { status: 422, message: 'spec.clusterIPs: Invalid value: ["10.96.0.5"]: provided IP is already allocated' }
      : undefined;
  await ready(startReplica(t, server));
  await provided(server);
  assert.equal(record(server.get('Service', name)?.['spec'])['clusterIP'], undefined, 'not asked for any more');
  giveClusterIP(server, '10.96.0.9');
  bringUp(server);
  await programmed(server, 'AddressNotAssigned');
  assert.ok(conditions(server).includes('AddressesAssigned=False NotAssigned'));
  const said = list(record(server.get('Gateway', 'gw')?.['status'])['conditions']).map(
    (each) => record(each)['message'],
  );
  assert.match(
    said.join('\n'),
    /spec\.addresses\[0\]: address 10\.96\.0\.5 of routability Cluster cannot be given here/,
  );
  assert.deepEqual(routabilities(server), []);
  server.apply(gateway({ addresses: [{ ...inner, value: '10.96.0.9' }] }));
  await programmed(server);
  assert.deepEqual(routabilities(server), ['10.96.0.9 Cluster']);
});

test('an address that the load balancer does not give is said, and the next one asked for', async (t) => {
  const [bad, good] = ['192.0.2.1', '192.0.2.7'].map((value) => ({ type: 'IPAddress', value }));
  const { server } = await world(t, gateway({ addresses: [bad, good] }));
  await provided(server);
  const asked = (): unknown => record(server.get('Service', name)?.['spec'])['loadBalancerIP'];
  assert.equal(asked(), '192.0.2.1');
  const made = server.get('Deployment', name) as Stored;
  server.apply({ ...made, status: { replicas: 1, readyReplicas: 1 } });
  await programmed(server, 'AddressNotUsable');
  await eventually(() => asked() === '192.0.2.7', 'the next');
  bringUp(server);
  server.apply(gateway({ addresses: [good] }));
  await programmed(server);
  assert.deepEqual(addressesOf(server), ['IPAddress 192.0.2.7']);
  // Alone it is asked for again and again, since load balancers never say no.
  server.apply(gateway({ addresses: [bad] }));
  await eventually(() => asked() === '192.0.2.1', 'the only one');
});
