// Gateways with data planes of their own, against an API server: what each is given, who brings it back, and what its status waits for.
// Their addresses: cluster-addresses.test.ts.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { list, record, texts } from '../../src/support/untrusted.ts';
import type { Stored } from './cluster-fixture.ts';
import { FakeApiServer } from './cluster-fixture.ts';
import { addressesOf, definition, gatewayClass, group } from './cluster-objects.ts';
import { eventually } from '../eventually.ts';
import {
  name,
  world,
  ready,
  serverWith,
  startReplica,
  gateway,
  config,
  withConfig,
  conditions,
  bringUp,
  provided,
  programmed,
} from './provisioned-world.ts';

test('a Gateway is given a Deployment, a Service, a ServiceAccount, a budget and an identity', async (t) => {
  const { server } = await world(
    t,
    gateway({ infrastructure: { labels: { team: 'edge' }, annotations: { note: 'x' } } }),
  );
  await provided(server);
  const kinds = ['Deployment', 'Service', 'ServiceAccount', 'PodDisruptionBudget', 'Secret'];
  const objects = kinds.map((kind) => server.get(kind, name) as Stored);
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
  server.apply(gateway({ infrastructure: { labels: { team: 'core' } } }));
  const marks = (): readonly string[] =>
    kinds.map((kind) => {
      const { labels, annotations } = record(server.get(kind, name)?.metadata);
      return `${texts(labels)['team']} ${texts(annotations)['note']}`;
    });
  const marked = kinds.map(() => 'core undefined');
  await eventually(() => marks().join() === marked.join(), 'the new marks').catch(() =>
    assert.deepEqual(marks(), marked),
  );
  assert.equal(texts(server.get('Secret', name)?.['data'])['tls.crt'], secret['tls.crt'], 'the same certificate');
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

test('a Gateway that is not selected any more loses everything, and is given it again when it is', async (t) => {
  const labelled = (tenant: string): Stored => ({
    ...gateway(),
    metadata: { name: 'gw', namespace: 'default', labels: { tenant } },
  });
  const server = await serverWith(t, labelled('a'));
  await ready(startReplica(t, server, { selection: { selector: 'tenant=a' } }));
  const kinds = ['Deployment', 'Service', 'ServiceAccount', 'PodDisruptionBudget', 'Secret'];
  const left = (): readonly string[] => kinds.filter((kind) => server.get(kind, name) !== undefined);
  await provided(server);
  server.apply(labelled('b'));
  await eventually(() => left().length === 0, 'nothing is left').catch(() => assert.deepEqual(left(), []));
  server.apply(labelled('a'));
  await eventually(() => left().length === kinds.length, 'all of it').catch(() => assert.deepEqual(left(), kinds));
});

test('what the cluster refuses of a Gateway that serves is told beside it, until it takes it', async (t) => {
  const { server } = await world(t, config({ replicas: 2 }), gateway(withConfig));
  await provided(server);
  bringUp(server, 2);
  await programmed(server);
  const refused = 'Deployment.apps "gw-portolan" is invalid: spec.template.labels';
  const told = (): unknown =>
    list(record(server.get('Gateway', 'gw')?.['status'])['conditions'])
      .map(record)
      .find(({ type }) => type === 'portolan.dev/Complete')?.['message'];
  server.refuse = (method, path) =>
    method === 'PATCH' && path.endsWith(`/deployments/${name}`) ? { status: 422, message: refused } : undefined;
  server.apply(config({ replicas: 3 }));
  await eventually(() => told() !== undefined, 'it is told');
  assert.equal(told(), `What was applied before stands, and this cannot be: ${refused}`);
  assert.ok(conditions(server).includes('portolan.dev/Complete=False NoResources'));
  assert.ok(conditions(server).includes('Programmed=True Programmed'));
  server.refuse = () => undefined;
  server.apply(config({ replicas: 2 }));
  await eventually(() => told() === undefined, 'it is taken back');
  // A rollout whose new Pods nobody lets in.
  const deployment = server.get('Deployment', name) as Stored;
  const conditionsOfPods = [
    { type: 'ReplicaFailure', status: 'True', message: 'pods "gw" is forbidden: exceeded quota' },
  ];
  server.apply({ ...deployment, status: { replicas: 2, readyReplicas: 2, conditions: conditionsOfPods } });
  await eventually(() => String(told()).endsWith(`Deployment default/${name}: ${conditionsOfPods[0]?.message}`), 'why');
  assert.ok(conditions(server).includes('Programmed=True Programmed'));
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
  const follower = startReplica(t, server, { authorization: 'follower' });
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

test('without CRDs of Gateway API it says so, and serves what comes with them later', async (t) => {
  const server = await FakeApiServer.start(t);
  server.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } });
  const { log } = await ready(startReplica(t, server));
  const said = (): boolean => log.some(({ message }) => message.startsWith('no CRDs of Gateway API are installed'));
  await eventually(said, 'that there are none');
  for (const object of [
    definition('GatewayClass', 'gatewayclasses', 'Cluster'),
    definition('Gateway', 'gateways'),
    definition('HTTPRoute', 'httproutes'),
    gatewayClass,
    gateway(),
  ])
    server.apply(object);
  await provided(server);
});
