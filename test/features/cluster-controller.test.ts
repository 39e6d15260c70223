// The controller against an API server, with its data plane on loopback: statuses, what others wrote, conflicts, what is provided, and
// what happens while the server is away.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { AddressPool } from '../../src/controller/addresses.ts';
import { Controller } from '../../src/controller/controller.ts';
import { Faults } from '../../src/engines/envoy/screening/faults.ts';
import { startEngine } from '../../src/engines/embedded/engine.ts';
import type { Engine, EngineEvents } from '../../src/routing/engine.ts';
import { allInOne } from '../../src/controller/all-in-one.ts';
import type { LogEntry } from '../../src/controller/log.ts';
import { KubeClient } from '../../src/sources/cluster/client.ts';
import { list, record } from '../../src/support/untrusted.ts';
import type { UnknownRecord } from '../../src/support/untrusted.ts';
import type { Stored } from './cluster-fixture.ts';
import { FakeApiServer } from './cluster-fixture.ts';
import { conditionsOf, definition, gateway, gatewayClass, group } from './cluster-objects.ts';
import { ask } from './gateway-fixture.ts';
import { freePort } from '../free-port.ts';
import { eventually } from '../eventually.ts';

function route(parentRefs: readonly object[], status?: object): Stored {
  return {
    apiVersion: `${group}/v1`,
    kind: 'HTTPRoute',
    metadata: { name: 'web', namespace: 'default' },
    spec: { parentRefs, rules: [{ backendRefs: [{ name: 'web', port: 80 }] }] },
    ...(status === undefined ? {} : { status }),
  };
}

interface World {
  readonly server: FakeApiServer;
  readonly port: number;
  readonly log: LogEntry[];
  readonly controller: Controller;
}

async function world(t: TestContext, ...objects: readonly Stored[]): Promise<World> {
  return worldOf(t, await FakeApiServer.start(t), objects);
}

async function worldOf(
  t: TestContext,
  server: FakeApiServer,
  objects: readonly Stored[],
  start = startEmbedded,
): Promise<World> {
  const port = await freePort();
  server.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } });
  server.apply(definition('GatewayClass', 'gatewayclasses', 'Cluster'));
  server.apply(definition('Gateway', 'gateways'));
  server.apply(definition('HTTPRoute', 'httproutes'));
  server.apply(gatewayClass);
  server.apply(gateway(port));
  for (const object of objects) server.apply(object);
  const log: LogEntry[] = [];
  const controller = new Controller({
    client: new KubeClient(server.access),
    controllerName: 'portolan.dev/gateway-controller',
    mode: allInOne({ pool: new AddressPool('127.0.0.1'), engine: 'embedded', start }),
    namespace: 'portolan',
    electsLeader: true,
    log: (entry) => log.push(entry),
  });
  controller.start();
  t.after(() => controller.stop(0));
  await eventually(() => isProgrammed(server), 'the Gateway is programmed');
  return { server, port, log, controller };
}

function isProgrammed(server: FakeApiServer): boolean {
  return conditionsOf(server.get('Gateway', 'gw')).includes('Programmed=True Programmed');
}

function parentsOf(server: FakeApiServer): readonly UnknownRecord[] {
  return list(record(server.get('HTTPRoute', 'web')?.['status'])['parents']).map(record);
}

test('GatewayInfrastructure: a class is accepted, a Gateway programmed at an address, and what belongs to it is provided', async (t) => {
  const { server, port } = await world(t);
  assert.deepEqual(conditionsOf(server.get('GatewayClass', 'portolan')), [
    'Accepted=True Accepted',
    'SupportedVersion=True SupportedVersion',
  ]);
  const { status } = server.get('Gateway', 'gw') as { status?: unknown };
  assert.deepEqual(record(status)['addresses'], [{ type: 'IPAddress', value: '127.0.0.1' }]);
  await eventually(() => server.get('EndpointSlice', 'gw-portolan') !== undefined, 'all is provided');
  const service = server.get('Service', 'gw-portolan') as Stored;
  assert.deepEqual(record(service.metadata['labels']), {
    team: 'edge',
    'gateway.networking.k8s.io/gateway-name': 'gw',
    'gateway.networking.k8s.io/gateway-class-name': 'portolan',
    'app.kubernetes.io/managed-by': 'portolan',
  });
  const kept = JSON.stringify({ gateway: 'default/gw', parameters: {} });
  assert.deepEqual(service.metadata['annotations'], { note: 'x', 'portolan.dev/parameters': kept });
  assert.deepEqual(record(service['spec'])['ports'], [
    { name: `tcp-${port}`, port, protocol: 'TCP', targetPort: port },
  ]);
  assert.ok(server.get('ServiceAccount', 'gw-portolan') !== undefined);
  await eventually(() => finalizers(server).length === 1, 'the finalizer of the class');
  server.delete(gateway(port));
  await eventually(() => finalizers(server).length === 0, 'the finalizer goes with the last Gateway');
});

test('a Gateway whose parameters name another engine than the one that serves is told so, and served as before', async (t) => {
  const { server, port } = await world(t, definition('GatewayConfig', 'gatewayconfigs', 'Namespaced', 'portolan.dev'), {
    apiVersion: 'portolan.dev/v1alpha1',
    kind: 'GatewayConfig',
    metadata: { name: 'other', namespace: 'default' },
    spec: { engine: 'envoy' },
  });
  const plain = gateway(port);
  const infrastructure = { parametersRef: { group: 'portolan.dev', kind: 'GatewayConfig', name: 'other' } };
  server.apply({ ...plain, spec: { ...record(plain['spec']), infrastructure } });
  await eventually(
    () => conditionsOf(server.get('Gateway', 'gw')).includes('Accepted=False InvalidParameters'),
    'its parameters are refused',
  );
  assert.ok(isProgrammed(server));
  assert.equal((await ask({ port })).status, 404);
});

test('the finalizer of a class is written though its status was, at the same moment', async (t) => {
  const { server, port } = await world(t);
  await eventually(() => finalizers(server).length === 1, 'the finalizer of the class');
  let refused = 0;
  server.refuse = (method, path) => {
    if (method !== 'PATCH' || !path.endsWith('/gatewayclasses/portolan') || refused++ > 0) return undefined;
    return 409;
  };
  server.delete(gateway(port));
  await eventually(() => finalizers(server).length === 0, 'the finalizer goes, after a conflict that nobody tells of');
  assert.equal(refused, 2);
});

test('what the API server refuses for a while is written in the end, and said once: statuses and finalizers', async (t) => {
  const { server, port, log } = await world(t, route([{ name: 'gw' }]));
  await eventually(() => finalizers(server).length === 1 && parentsOf(server).length === 1, 'the first statuses');
  // As a server answers that has just started, and does not know its roles yet.
  server.refuse = (method) => (method === 'GET' ? undefined : 403);
  const said = (what: string): number => log.filter(({ message }) => message.includes(what)).length;
  server.delete(gateway(port));
  await eventually(() => said('the finalizer of GatewayClass portolan could not be written') === 1, 'it was given up');
  await eventually(() => said('the status of HTTPRoute default/web could not be written') === 1, 'that, too');
  server.refuse = () => undefined;
  await eventually(() => finalizers(server).length === 0, 'the finalizer goes, though nothing changed any more');
  await eventually(
    () => JSON.stringify(parentsOf(server)).includes('NoMatchingParent') || parentsOf(server).length === 0,
    'so does the status',
  );
});

function finalizers(server: FakeApiServer): readonly unknown[] {
  return list(server.get('GatewayClass', 'portolan')?.metadata['finalizers']);
}

const foreign = {
  parentRef: { name: 'theirs' },
  controllerName: 'example.com/other',
  conditions: [
    {
      type: 'Accepted',
      status: 'True',
      reason: 'Odd',
      message: '',
      lastTransitionTime: '2020-01-01T00:00:00Z',
      extra: 1,
    },
  ],
};

test('statuses of routes: what others wrote stays as it is, where it is; ours goes with its parentRef', async (t) => {
  const { server } = await world(t, route([{ name: 'gw' }], { parents: [foreign], other: true }));
  await eventually(() => parentsOf(server).length === 2, 'our entry');
  assert.deepEqual(parentsOf(server)[0], foreign);
  assert.equal(parentsOf(server)[1]?.['controllerName'], 'portolan.dev/gateway-controller');
  server.apply(route([{ name: 'gw', sectionName: 'nothing' }]));
  await eventually(() => record(parentsOf(server)[1]?.['parentRef'])['sectionName'] === 'nothing', 'the new parentRef');
  assert.equal(parentsOf(server).length, 2);
  server.apply(route([{ name: 'elsewhere' }]));
  await eventually(() => parentsOf(server).length === 1, 'our entry is gone');
  assert.deepEqual(record(server.get('HTTPRoute', 'web')?.['status']), { parents: [foreign], other: true });
});

test('one write for a change, none for what did not change, and a conflict is read and merged again', async (t) => {
  const { server, controller } = await world(t, route([{ name: 'gw' }]));
  await eventually(() => parentsOf(server).length === 1, 'the status of the route');
  const before = writesTo(server, 'httproutes');
  assert.ok(before <= 2);
  server.apply({ ...route([{ name: 'gw' }]), metadata: { name: 'web', namespace: 'default', labels: { a: 'b' } } });
  await eventually(() => controller.waiting().length === 0, 'ready');
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(writesTo(server, 'httproutes'), before, 'a label changes no status');
  let conflicts = 0;
  server.refuse = (method, path) =>
    method === 'PUT' && path.endsWith('/web/status') && conflicts++ === 0 ? 409 : undefined;
  server.apply(route([{ name: 'gw', port: 1 }]));
  await eventually(() => record(parentsOf(server)[0]?.['parentRef'])['port'] === 1, 'the status after the conflict');
  assert.ok(conflicts >= 2);
});

function writesTo(server: FakeApiServer, plural: string): number {
  return server.writes.filter((write) => write.includes(`/${plural}/`)).length;
}

test('with the API server away the data plane serves, and afterwards statuses are right', async (t) => {
  const service: Stored = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'default' },
    spec: { type: 'ExternalName', ports: [{ port: 80 }] },
  };
  const { server, port } = await world(t, service, route([{ name: 'gw' }]));
  await eventually(async () => (await ask({ port })).status === 500, 'the route answers');
  server.refuse = () => 500;
  server.cut();
  for (let i = 0; i < 20; i++) assert.equal((await ask({ port })).status, 500);
  server.delete(route([]));
  server.refuse = () => undefined;
  await eventually(async () => (await ask({ port })).status === 404, 'the change that was missed');
});

test('GatewayStaticAddresses and GatewayAddressEmpty: what is asked for is given, or said', async (t) => {
  const { server, port } = await world(t);
  const withAddresses = (...addresses: readonly object[]): Stored => {
    const object = gateway(port);
    return { ...object, spec: { ...record(object['spec']), addresses } };
  };
  const told = (): string => {
    const { addresses } = record(server.get('Gateway', 'gw')?.['status']);
    const values = list(addresses).map((address) => record(address)['value']);
    return `${conditionsOf(server.get('Gateway', 'gw')).join(', ')}; ${values.join(' ')}`;
  };
  const expected = async (text: string): Promise<void> => {
    await eventually(() => told() === text, text).catch(() => assert.equal(told(), text));
  };
  const usable = { type: 'IPAddress', value: '127.0.0.1' };
  server.apply(withAddresses(usable, { type: 'example.com/odd', value: 'x' }));
  await expected('Accepted=False UnsupportedAddress, Programmed=False Invalid; 127.0.0.1');
  server.apply(withAddresses(usable, { type: 'IPAddress', value: '192.0.2.1' }));
  await expected('Accepted=True Accepted, Programmed=False AddressNotUsable; 127.0.0.1');
  server.apply(withAddresses({ type: 'IPAddress' }));
  await expected('Accepted=True Accepted, Programmed=True Programmed; 127.0.0.1');
  server.apply(withAddresses(usable));
  await expected('Accepted=True Accepted, Programmed=True Programmed; 127.0.0.1');
});

test('a Gateway of another class is left alone, and one that changes its class loses what it was given', async (t) => {
  const { server, port } = await world(t);
  await eventually(() => server.get('EndpointSlice', 'gw-portolan') !== undefined, 'all is provided');
  server.apply(gateway(port, 'other'));
  await eventually(() => server.get('Service', 'gw-portolan') === undefined, 'the Service is gone');
  await assert.rejects(ask({ port }));
});

test('many routes one after the other cost few writes of the Gateway, and the last number is told', async (t) => {
  const { server } = await world(t);
  const before = writesTo(server, 'gateways');
  for (let n = 0; n < 40; n++) {
    server.apply({ ...route([{ name: 'gw' }]), metadata: { name: `many-${n}`, namespace: 'default' } });
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const attached = (): unknown =>
    record(list(record(server.get('Gateway', 'gw')?.['status'])['listeners'])[0])['attachedRoutes'];
  await eventually(() => attached() === 40, 'all are counted');
  assert.ok(writesTo(server, 'gateways') - before <= 4, `${writesTo(server, 'gateways') - before} writes`);
});

test('a kind that may not be read is named, holds up nothing, and is read once it may be', async (t) => {
  const forbid = (_: string, path: string): number | undefined => (path.endsWith('/referencegrants') ? 403 : undefined);
  const started = await FakeApiServer.start(t);
  started.refuse = forbid;
  const { server, controller, log } = await worldOf(t, started, [definition('ReferenceGrant', 'referencegrants')]);
  const conditions = (): readonly string[] => conditionsOf(server.get('GatewayClass', 'portolan'));
  await eventually(() => conditions().includes('portolan.dev/Complete=False KindsNotRead'), 'the class tells it');
  await eventually(
    () => controller.waiting().length === 0,
    () => controller.waiting().join(),
  );
  assert.match(controller.failing().join(), /^referencegrants\.gateway\.networking\.k8s\.io: refused with 403/);
  assert.equal(log.filter(({ message }) => message.startsWith('ReferenceGrant cannot be read')).length, 1);
  server.refuse = () => undefined;
  await eventually(() => !conditions().some((condition) => condition.includes('KindsNotRead')), 'all is read');
  assert.deepEqual(controller.failing(), []);
});

test('what an engine leaves out is in the status of the route, in as few writes as any change, until it is mended', async (t) => {
  const matching = (value: string): Stored => ({
    ...route([{ name: 'gw' }]),
    spec: {
      parentRefs: [{ name: 'gw' }],
      rules: [
        { matches: [{ path: { type: 'RegularExpression', value } }], backendRefs: [{ name: 'web', port: 80 }] },
        { matches: [{ path: { type: 'PathPrefix', value: '/fine' } }], backendRefs: [{ name: 'web', port: 80 }] },
      ],
    },
  });
  const objects = [matching(String.raw`/\x{10FFFF}`)];
  const { server, log } = await worldOf(t, await FakeApiServer.start(t), objects, startScreened);
  const types = (): readonly unknown[] =>
    list(parentsOf(server)[0]?.['conditions']).map((each) => record(each)['type']);
  await eventually(() => types().includes('PartiallyInvalid'), 'it is said');
  assert.ok(writesTo(server, 'httproutes') <= 2);
  const before = writesTo(server, 'httproutes');
  server.apply(matching('/[a]'));
  await eventually(() => types().length > 0 && !types().includes('PartiallyInvalid'), 'it is solved');
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.ok(writesTo(server, 'httproutes') - before <= 2);
  const told = log
    .filter(({ message }) => message.includes('rules default/gw|HTTPRoute/default/web|0'))
    .map(({ level }) => level);
  assert.deepEqual(told, ['warn', 'info'], 'once for each change');
});

/** The same, with the eyes of Envoy. */
async function startScreened(events: EngineEvents): Promise<Engine> {
  const engine = await startEmbedded(events);
  const faults = new Faults((rows) => events.onLeftOut?.(rows));
  return {
    apply: (update) => {
      faults.take(update);
      faults.settle();
      return engine.apply(update);
    },
    metrics: () => engine.metrics(),
    retire: () => engine.retire(),
    drain: (deadline) => engine.drain(deadline),
    close: () => engine.close(),
  };
}

/** The engine of this process. */
function startEmbedded({ onReport }: EngineEvents): Promise<Engine> {
  return Promise.resolve(startEngine({ onReport }));
}
