// Gateways with data planes of their own, against an API server: what each is given, who brings it back, and what its status waits for.
// A stand-in for the stream acknowledges when the test says so; the real one is in cluster-proxies.test.ts.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { Controller } from '../../src/controller/controller.ts';
import type { Fleet, FleetOptions } from '../../src/controller/fleet-plane.ts';
import { FleetPlane } from '../../src/controller/fleet-plane.ts';
import type { LogEntry } from '../../src/controller/log.ts';
import { provisioned } from '../../src/controller/provisioned.ts';
import type { Update } from '../../src/routing/update.ts';
import { KubeClient } from '../../src/sources/cluster/client.ts';
import { list, record, texts } from '../../src/support/untrusted.ts';
import type { Stored } from './cluster-fixture.ts';
import { FakeApiServer } from './cluster-fixture.ts';
import {
  addressesOf,
  conditionsOf,
  definition,
  experimental,
  gatewayClass,
  gateway as gatewayAt,
  group,
} from './cluster-objects.ts';
import { eventually } from '../eventually.ts';

class StubFleet implements Fleet {
  readonly options: FleetOptions;
  readonly updates: Update[] = [];
  readonly relays: (string | undefined)[] = [];
  readonly retranslated: string[] = [];
  /** Acknowledges at once. */
  answers = true;
  #held: (() => void)[] = [];

  constructor(options: FleetOptions) {
    this.options = options;
  }

  async apply(update: Update): Promise<void> {
    this.updates.push(update);
    if (!this.answers) await new Promise<void>((resolve) => this.#held.push(resolve));
    for (const { bind } of update.placements?.set ?? []) this.options.onReport('', { bind, state: 'serving' });
  }

  acknowledge(): void {
    for (const resolve of this.#held.splice(0)) resolve();
  }

  reload(): void {
    // Its peers are not real.
  }

  retranslate(gateway: string): void {
    this.retranslated.push(gateway);
  }

  relayTo(address: string | undefined): void {
    this.relays.push(address);
  }

  nodes(): readonly { readonly gateway: string }[] {
    return [{ gateway: 'default/gw' }];
  }

  close(): Promise<void> {
    this.acknowledge();
    return Promise.resolve();
  }
}

interface World {
  readonly server: FakeApiServer;
  readonly controller: Controller;
  readonly fleet: () => StubFleet;
  readonly log: LogEntry[];
}

const name = 'gw-portolan';

const experimentalGateways = experimental(definition('Gateway', 'gateways'));

async function serverWith(t: TestContext, ...objects: readonly Stored[]): Promise<FakeApiServer> {
  const server = await FakeApiServer.start(t);
  for (const object of [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } },
    definition('GatewayClass', 'gatewayclasses', 'Cluster'),
    definition('Gateway', 'gateways'),
    definition('HTTPRoute', 'httproutes'),
    definition('GatewayConfig', 'gatewayconfigs', 'Namespaced', 'portolan.dev'),
    gatewayClass,
    ...objects,
  ])
    server.apply(object);
  return server;
}

async function world(t: TestContext, ...objects: readonly Stored[]): Promise<World> {
  const server = await serverWith(t, ...objects);
  return { server, ...(await ready(startReplica(t, server))) };
}

async function ready(replica: Omit<World, 'server'>): Promise<Omit<World, 'server'>> {
  await eventually(() => replica.controller.waiting().length === 0, 'the controller is ready');
  return replica;
}

/** @param authorization what it says to the server, which tells it from others */
function startReplica(t: TestContext, server: FakeApiServer, authorization?: string): Omit<World, 'server'> {
  const log: LogEntry[] = [];
  let fleet: StubFleet | undefined;
  const controller = new Controller({
    client: new KubeClient(
      authorization === undefined
        ? server.access
        : { ...server.access, credentials: () => Promise.resolve({ authorization }) },
    ),
    controllerName: 'portolan.dev/gateway-controller',
    mode: provisioned({
      image: 'portolan:test',
      controller: 'portolan-controller.portolan.svc:9443',
      namespace: 'portolan',
      patience: 300,
      uriOf: (key) => `spiffe://portolan.dev/gateway/${key}`,
      plane: (ports) =>
        new FleetPlane({
          start: (options) => Promise.resolve((fleet = new StubFleet(options))),
          names: ['portolan-controller.portolan.svc'],
          uri: 'spiffe://portolan.dev/controller',
          report: ports.report,
          changed: ports.changed,
          log: ports.log,
        }),
    }),
    namespace: 'portolan',
    electsLeader: true,
    streamAddress: '10.0.0.1:9443',
    log: (entry) => log.push(entry),
  });
  controller.start();
  t.after(() => controller.stop(0));
  return { controller, log, fleet: () => fleet as StubFleet };
}

function gateway(spec: object = {}): Stored {
  const object = gatewayAt(80);
  return { ...object, spec: { ...record(object['spec']), ...spec } };
}

function config(spec: object): Stored {
  return {
    apiVersion: 'portolan.dev/v1alpha1',
    kind: 'GatewayConfig',
    metadata: { name: 'own', namespace: 'default' },
    spec,
  };
}

const withConfig = {
  infrastructure: { parametersRef: { group: 'portolan.dev', kind: 'GatewayConfig', name: 'own' } },
};

function conditions(server: FakeApiServer): readonly string[] {
  return conditionsOf(server.get('Gateway', 'gw'));
}

/** As the controllers of Kubernetes and of the cloud would. */
function bringUp(server: FakeApiServer, ready = 1): void {
  const deployment = server.get('Deployment', name) as Stored;
  server.apply({ ...deployment, status: { replicas: 1, readyReplicas: ready } });
  const service = server.get('Service', name) as Stored;
  server.apply({ ...service, status: { loadBalancer: { ingress: [{ ip: '192.0.2.7' }] } } });
}

async function provided(server: FakeApiServer): Promise<void> {
  await eventually(() => server.get('PodDisruptionBudget', name) !== undefined, 'all is provided');
}

async function programmed(server: FakeApiServer, reason = 'Programmed'): Promise<void> {
  const wanted = `Programmed=${reason === 'Programmed' ? 'True' : 'False'} ${reason}`;
  await eventually(() => conditions(server).includes(wanted), wanted).catch(() =>
    assert.fail(`${wanted}, not ${conditions(server).join(', ')}`),
  );
}

test('a Gateway is given a Deployment, a Service, a ServiceAccount, a budget and an identity', async (t) => {
  const { server } = await world(
    t,
    gateway({ infrastructure: { labels: { team: 'edge' }, annotations: { note: 'x' } } }),
  );
  await provided(server);
  const objects = ['Deployment', 'Service', 'ServiceAccount', 'PodDisruptionBudget', 'Secret'].map(
    (kind) => server.get(kind, name) as Stored,
  );
  for (const { kind, metadata } of objects) {
    const labels = texts(metadata['labels']);
    assert.equal(labels['team'], 'edge', kind);
    assert.equal(labels['gateway.networking.k8s.io/gateway-name'], 'gw', kind);
    assert.equal(texts(metadata['annotations'])['note'], 'x', kind);
    assert.equal(record(list(metadata['ownerReferences'])[0])['name'], 'gw', kind);
  }
  const secret = texts(objects[4]?.['data']);
  assert.deepEqual(Object.keys(secret).toSorted(), [
    'ca.crt',
    'session-keys',
    'session-keys-since',
    'tls.crt',
    'tls.key',
  ]);
  const leaf = new X509Certificate(Buffer.from(secret['tls.crt'] ?? '', 'base64'));
  assert.equal(leaf.subjectAltName, 'URI:spiffe://portolan.dev/gateway/default/gw');
  const authority = texts(server.get('Secret', 'portolan-ca', 'portolan')?.['data']);
  assert.ok(leaf.verify(new X509Certificate(Buffer.from(authority['tls.crt'] ?? '', 'base64')).publicKey));
});

test('a Gateway is programmed when a Pod is ready, an address is there and the configuration is in force', async (t) => {
  const { server, controller } = await world(t, gateway());
  await provided(server);
  await programmed(server, 'Pending');
  bringUp(server, 0);
  await programmed(server, 'Pending');
  const deployment = server.get('Deployment', name) as Stored;
  const failing = { type: 'ReplicaFailure', status: 'True', message: 'exceeded quota: pods' };
  server.apply({ ...deployment, status: { replicas: 0, conditions: [failing] } });
  await programmed(server, 'NoResources');
  const programmedNow = list(record(server.get('Gateway', 'gw')?.['status'])['conditions']).map(record)[1];
  assert.equal(
    programmedNow?.['message'],
    'No Pod of Deployment default/gw-portolan is ready (0 of 0): exceeded quota: pods',
  );
  bringUp(server);
  await programmed(server);
  assert.deepEqual(addressesOf(server), ['IPAddress 192.0.2.7']);
  const service = server.get('Service', name) as Stored;
  server.apply({ ...service, status: { loadBalancer: {} } });
  await programmed(server, 'AddressNotAssigned');
  const metrics = await controller.metrics();
  assert.match(metrics, /^portolan_controller_leads 1$/m);
  assert.match(metrics, /^portolan_controller_data_planes\{gateway="default\/gw"\} 1$/m);
});

test('an edit is told when a data plane has it in force, and until then the old one stands', async (t) => {
  const { server, fleet } = await world(t, gateway());
  await provided(server);
  bringUp(server);
  await programmed(server);
  const before = server.get('Gateway', 'gw')?.['status'];
  fleet().answers = false;
  const sent = fleet().updates.length;
  server.apply(gateway({ listeners: [{ name: 'other', port: 80, protocol: 'HTTP', hostname: 'other.example' }] }));
  await eventually(() => fleet().updates.length > sent, 'the update');
  // What changes beside it does not tell it either.
  server.apply({
    ...gateway(),
    metadata: { ...server.get('Gateway', 'gw')?.metadata, name: 'gw', labels: { a: 'b' } },
    spec: server.get('Gateway', 'gw')?.['spec'],
  });
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.deepEqual(server.get('Gateway', 'gw')?.['status'], before);
  fleet().acknowledge();
  await eventually(
    () => record(list(record(server.get('Gateway', 'gw')?.['status'])['listeners'])[0])['name'] === 'other',
    'the new status',
  );
  assert.ok(conditions(server).includes('Programmed=True Programmed'));
});

test('parameters: what is asked for is in the objects, and when they go wrong everything stays as it was', async (t) => {
  const spec = { replicas: 3, service: { type: 'ClusterIP' }, proxy: { workers: 2, limits: { headBytes: 8192 } } };
  const { server } = await world(t, config(spec), gateway(withConfig));
  await provided(server);
  const deployment = record(server.get('Deployment', name)?.['spec']);
  assert.equal(deployment['replicas'], 3);
  const [container] = list(record(record(deployment['template'])['spec'])['containers']).map(record);
  const args = list(container?.['args']).join(' ');
  assert.match(
    args,
    /^proxy --controller portolan-controller\.portolan\.svc:9443 .*--workers 2 --limit head-bytes=8192$/,
  );
  const service = server.get('Service', name) as Stored;
  assert.equal(record(service['spec'])['type'], 'ClusterIP');
  server.apply({ ...service, spec: { ...record(service['spec']), clusterIP: '10.0.0.9', clusterIPs: ['10.0.0.9'] } });
  const made = server.get('Deployment', name) as Stored;
  server.apply({ ...made, status: { replicas: 3, readyReplicas: 3 } });
  await programmed(server);
  assert.deepEqual(addressesOf(server), ['IPAddress 10.0.0.9']);
  server.delete(config(spec));
  await eventually(() => conditions(server).includes('Accepted=False InvalidParameters'), 'it is said');
  assert.ok(conditions(server).includes('Programmed=True Programmed'));
  assert.equal(record(server.get('Deployment', name)?.['spec'])['replicas'], 3);
  server.apply(config({ replicas: 1 }));
  await eventually(() => record(server.get('Deployment', name)?.['spec'])['replicas'] === 1, 'the new parameters');
  await eventually(() => server.get('PodDisruptionBudget', name) === undefined, 'one Pod has no budget');
});

test('a controller that starts anew with wrong parameters goes on with the last good ones', async (t) => {
  const server = await FakeApiServer.start(t);
  const good = config({ replicas: 4 });
  for (const object of [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } },
    definition('GatewayClass', 'gatewayclasses', 'Cluster'),
    definition('Gateway', 'gateways'),
    definition('GatewayConfig', 'gatewayconfigs', 'Namespaced', 'portolan.dev'),
    gatewayClass,
    good,
    gateway(withConfig),
  ])
    server.apply(object);
  const first = startReplica(t, server);
  await provided(server);
  bringUp(server);
  await programmed(server);
  await first.controller.stop(0);
  server.delete(good);
  const second = startReplica(t, server);
  await eventually(() => second.controller.waiting().length === 0, 'the second is ready');
  await eventually(() => conditions(server).includes('Accepted=False InvalidParameters'), 'it is said');
  assert.equal(second.controller.pipeline?.tables.binds.size, 1);
  assert.ok(conditions(server).includes('Programmed=True Programmed'));
});

test('what somebody edits or deletes comes back; what belongs to somebody else is left alone', async (t) => {
  const { server } = await world(t, gateway());
  await provided(server);
  const service = server.get('Service', name) as Stored;
  server.apply({ ...service, spec: { ...record(service['spec']), ports: [] } });
  await eventually(() => list(record(server.get('Service', name)?.['spec'])['ports']).length === 1, 'the ports');
  server.delete(server.get('Deployment', name) as Stored);
  await eventually(() => server.get('Deployment', name) !== undefined, 'the Deployment');
  const foreign: Stored = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'taken-portolan', namespace: 'default' },
    spec: { type: 'ClusterIP', ports: [{ port: 1 }] },
  };
  server.apply(foreign);
  server.apply({ ...gateway(), metadata: { name: 'taken', namespace: 'default' } });
  const told = (): unknown =>
    list(record(server.get('Gateway', 'taken')?.['status'])['conditions']).map((each) => record(each)['message'])[1];
  const message = 'Service default/taken-portolan exists and does not belong to the Gateway: delete or rename it';
  await eventually(() => told() === message, message).catch(() => assert.equal(told(), message));
  assert.deepEqual(record(server.get('Service', 'taken-portolan')?.['spec']), foreign['spec']);
  assert.equal(server.get('Deployment', 'taken-portolan'), undefined);
});

test('a Gateway that is deleted and made again owns what it is given', async (t) => {
  const { server } = await world(t, gateway());
  await provided(server);
  const owned = (): readonly unknown[] =>
    ['Deployment', 'Service', 'ServiceAccount', 'PodDisruptionBudget', 'Secret'].map(
      (kind) => record(list(server.get(kind, name)?.metadata['ownerReferences'])[0])['uid'],
    );
  const kinds = ['Deployment', 'Service', 'ServiceAccount', 'PodDisruptionBudget', 'Secret'];
  const old = kinds.map((kind) => server.get(kind, name) as Stored);
  server.delete(gateway());
  server.apply({ ...gateway(), metadata: { name: 'gw', namespace: 'default', uid: 'second' } });
  // The garbage collector comes some time after.
  await new Promise((resolve) => setTimeout(resolve, 100));
  for (const object of old) server.delete(object);
  const second = ['second', 'second', 'second', 'second', 'second'];
  await eventually(() => owned().join() === second.join(), 'everything is owned by the second').catch(() =>
    assert.deepEqual(owned(), second),
  );
});

test('a Gateway that is not ours any more loses everything, and one of another class of ours moves', async (t) => {
  const second: Stored = { ...gatewayClass, metadata: { name: 'second' } };
  const { server } = await world(t, second, gateway());
  await provided(server);
  server.apply(gateway({ gatewayClassName: 'second' }));
  await eventually(() => server.get('Deployment', 'gw-second') !== undefined, 'under its new name');
  await eventually(() => server.get('Secret', name) === undefined, 'the old one is gone');
  assert.equal(server.get('Service', name), undefined);
  server.apply(gateway({ gatewayClassName: 'foreign' }));
  const left = (): readonly string[] =>
    ['Deployment', 'Service', 'ServiceAccount', 'PodDisruptionBudget', 'Secret'].filter(
      (kind) => server.get(kind, 'gw-second') !== undefined,
    );
  await eventually(() => left().length === 0, 'nothing is left').catch(() => assert.deepEqual(left(), []));
});

test('with replicas of 0 the data planes run elsewhere: what they report counts, and they are told the parameters', async (t) => {
  const spec = { replicas: 0, proxy: { trustedHops: 2 } };
  const { server, fleet } = await world(t, gateway(withConfig), config(spec));
  await eventually(() => server.get('Deployment', name) !== undefined, 'the Deployment is made');
  const service = (): Stored => server.get('Service', name) as Stored;
  await eventually(() => server.get('Service', name) !== undefined, 'the Service is made');
  assert.equal(record(server.get('Deployment', name)?.['spec'])['replicas'], 0);
  server.apply({ ...service(), status: { loadBalancer: { ingress: [{ ip: '192.0.2.7' }] } } });
  await programmed(server);
  assert.deepEqual(fleet().options.parameters('default/gw'), { trustedHops: 2 });
  const before = fleet().retranslated.length;
  server.apply(config({ ...spec, proxy: { trustedHops: 3 } }));
  await eventually(() => fleet().retranslated.length > before, 'they are told of another number');
  assert.deepEqual(fleet().options.parameters('default/gw'), { trustedHops: 3 });
  fleet().options.onReport('', { bind: 'default/gw:80/tcp', state: 'failed', code: 'ENOPROXY', message: 'none' });
  await eventually(() => !conditions(server).includes('Programmed=True Programmed'), 'nobody serves it any more');
});

test('of two replicas one writes, and the other passes on to it what data planes acknowledge', async (t) => {
  const { server, controller } = await world(t, gateway());
  await provided(server);
  await eventually(() => server.get('Secret', 'portolan-ca', 'portolan') !== undefined, 'the authority');
  const follower = startReplica(t, server, 'follower');
  await eventually(() => follower.controller.waiting().length === 0, 'the follower is ready');
  assert.ok(controller.leads && !follower.controller.leads);
  await eventually(() => follower.fleet().relays.includes('10.0.0.1:9443'), 'the relay');
  assert.equal(follower.fleet().updates.length > 0, true);
  const written = (): readonly string[] =>
    (server.writesBy.get('follower') ?? []).filter((write) => !write.includes('/leases'));
  assert.deepEqual(written(), []);
  await controller.stop(0);
  await eventually(() => follower.controller.leads, 'the follower leads');
  await eventually(() => written().length > 0, 'and writes');
  assert.equal(follower.fleet().relays.at(-1), undefined);
});

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

test('an Ingress is served by Pods in the namespace of the controller, and told its address', async (t) => {
  const { server } = await world(
    t,
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'IngressClass',
      metadata: { name: 'edge' },
      spec: { controller: 'portolan.dev/gateway-controller' },
    },
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: { name: 'shop', namespace: 'default' },
      spec: {
        ingressClassName: 'edge',
        rules: [
          {
            host: 'shop.example',
            http: {
              paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 'shop', port: { number: 80 } } } }],
            },
          },
        ],
      },
    },
  );
  const at = 'ingress-edge-edge';
  await eventually(() => server.get('PodDisruptionBudget', at, 'portolan') !== undefined, 'all is provided');
  const service = server.get('Service', at, 'portolan') as Stored;
  assert.equal(record(list(service.metadata['ownerReferences'])[0])['kind'], 'IngressClass');
  server.apply({ ...service, status: { loadBalancer: { ingress: [{ hostname: 'lb.example' }] } } });
  const told = (): unknown => record(server.get('Ingress', 'shop')?.['status'])['loadBalancer'];
  await eventually(() => record(told())['ingress'] !== undefined, 'the status of the Ingress');
  assert.deepEqual(told(), { ingress: [{ hostname: 'lb.example' }] });
  assert.equal(server.writes.filter((write) => write.includes('/gatewayclasses/edge')).length, 0);
});

test('the features of kinds that the API server lacks are not claimed', async (t) => {
  const { server } = await world(t, gateway());
  const features = (): readonly unknown[] =>
    list(record(server.get('GatewayClass', 'portolan')?.['status'])['supportedFeatures']).map(
      (feature) => record(feature)['name'],
    );
  await eventually(() => features().length > 0, 'the features');
  assert.ok(features().includes('HTTPRoute') && features().includes('GatewayPort8080'));
  assert.deepEqual(
    features().filter((feature) => /^(GRPCRoute|TLSRoute|ListenerSet|ClusterTrustBundle)/.test(String(feature))),
    [],
  );
  server.apply(definition('GRPCRoute', 'grpcroutes'));
  await eventually(() => features().includes('GRPCRoute'), 'the kind that came later');
  assert.equal(group, 'gateway.networking.k8s.io');
});
