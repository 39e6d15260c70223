import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../api/objects.ts';
import type { Condition } from '../status/object-status.ts';
import { entryLimit } from '../translate/routes/entries.ts';
import { dump } from './dump.ts';
import type { PipelineOptions } from './pipeline.ts';
import { Pipeline } from './pipeline.ts';

const group = 'gateway.networking.k8s.io';

function pipelineWith(options: Partial<PipelineOptions>, ...objects: readonly KubeObject[]): Pipeline {
  const pipeline = new Pipeline({
    channel: 'standard',
    controllerName: 'portolan.dev/gateway-controller',
    classes: 'any',
    presume: true,
    engine: 'embedded',
    awaitEngine: false,
    ...options,
  });
  for (const object of objects) pipeline.apply(object);
  return pipeline;
}

function gateway(...listeners: readonly object[]): KubeObject {
  const all = listeners.length > 0 ? listeners : [{ name: 'http', port: 80, protocol: 'HTTP' }];
  return {
    apiVersion: `${group}/v1`,
    kind: 'Gateway',
    metadata: { name: 'gw', namespace: 'default' },
    spec: { gatewayClassName: 'portolan', listeners: all },
  };
}

function route(name: string, spec: object = {}): KubeObject {
  return {
    apiVersion: `${group}/v1`,
    kind: 'HTTPRoute',
    metadata: { name, namespace: 'default' },
    spec: { parentRefs: [{ name: 'gw' }], rules: [{ backendRefs: [{ name: 'web', port: 80 }] }], ...spec },
  };
}

const service: KubeObject = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'default' },
  spec: { ports: [{ port: 80, targetPort: 8080 }] },
};

function sliceAt(...addresses: readonly string[]): KubeObject {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'web-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    ports: [{ port: 8080 }],
    endpoints: addresses.map((address) => ({ addresses: [address] })),
  };
}

function gatewayConditions(pipeline: Pipeline): Readonly<Record<string, string>> {
  const status = pipeline.tables.statuses.get(`${group}/Gateway/default/gw`)?.status;
  const conditions = (status?.['conditions'] ?? []) as readonly Condition[];
  return Object.fromEntries(conditions.map(({ type, status, reason }) => [type, `${status} ${reason}`]));
}

function listenerConditions(pipeline: Pipeline, index = 0): Readonly<Record<string, string>> {
  const status = pipeline.tables.statuses.get(`${group}/Gateway/default/gw`)?.status;
  const listeners = (status?.['listeners'] ?? []) as readonly { readonly conditions: readonly Condition[] }[];
  const conditions = listeners[index]?.conditions ?? [];
  return Object.fromEntries(conditions.map(({ type, status, reason }) => [type, `${status} ${reason}`]));
}

test('nothing is computed before settle, and settling again changes nothing', () => {
  const pipeline = pipelineWith({}, gateway(), route('web'), service);
  assert.equal(pipeline.tables.binds.size, 0);
  const first = pipeline.settle();
  assert.equal(first.update.version, 1);
  assert.deepEqual(Object.keys(first.update).toSorted(), [
    'binds',
    'clusters',
    'endpoints',
    'frontends',
    'rules',
    'version',
    'virtualHosts',
  ]);
  const second = pipeline.settle();
  assert.deepEqual(second.update, { version: 1 });
  assert.equal(second.changes.empty, true);
});

test('an object that is applied again unchanged is no change', () => {
  const pipeline = pipelineWith({}, gateway(), route('web'), service);
  pipeline.settle();
  pipeline.apply(structuredClone(gateway()));
  pipeline.apply(structuredClone(route('web')));
  assert.deepEqual(pipeline.settle().update, { version: 1 });
});

test('pods that come and go touch endpoints and nothing else', () => {
  const pipeline = pipelineWith({}, gateway(), route('web'), service, sliceAt('10.0.0.1'));
  pipeline.settle();
  pipeline.apply(sliceAt('10.0.0.1', '10.0.0.2'));
  const { update, changes } = pipeline.settle();
  assert.deepEqual(Object.keys(update).toSorted(), ['endpoints', 'version']);
  assert.equal(update.endpoints?.set[0]?.endpoints.length, 2);
  assert.equal(changes.of(pipeline.tables.routes).size, 0);
  assert.equal(changes.of(pipeline.tables.statuses).size, 0);
});

test('one changed route of many changes its entries and rules and no others', () => {
  const routes = Array.from({ length: 50 }, (_, i) => route(`r${i}`));
  const pipeline = pipelineWith({}, gateway(), service, ...routes);
  pipeline.settle();
  pipeline.apply(
    route('r7', { rules: [{ matches: [{ path: { value: '/seven' } }], backendRefs: [{ name: 'web', port: 80 }] }] }),
  );
  const { update } = pipeline.settle();
  assert.deepEqual(Object.keys(update).toSorted(), ['version', 'virtualHosts']);
  const [host] = update.virtualHosts ?? [];
  assert.equal(update.virtualHosts?.length, 1);
  assert.deepEqual([host?.removed.length, host?.inserted.length], [1, 1]);
  assert.equal(host?.inserted[0]?.match.path.value, '/seven');
});

test('placements become public ports and addresses; routes are not woken', () => {
  const pipeline = pipelineWith({}, gateway(), route('web'), service);
  pipeline.settle();
  pipeline.place([{ bind: 'default/gw:80/tcp', address: '127.0.0.1', port: 8080 }]);
  const { update, changes } = pipeline.settle();
  assert.deepEqual(update.frontends?.set[0]?.publicPorts, { 80: 8080 });
  assert.deepEqual(update.placements?.set, [{ bind: 'default/gw:80/tcp', address: '127.0.0.1', port: 8080 }]);
  assert.equal(changes.of(pipeline.tables.routes).size, 0);
  const status = pipeline.tables.statuses.get(`${group}/Gateway/default/gw`)?.status;
  assert.deepEqual(status?.['addresses'], [{ type: 'IPAddress', value: '127.0.0.1' }]);
  pipeline.place([]);
  assert.deepEqual(pipeline.settle().update.placements?.delete, ['default/gw:80/tcp']);
});

test('Programmed waits for the engine where there is one', () => {
  const pipeline = pipelineWith({ awaitEngine: true }, gateway());
  pipeline.settle();
  assert.deepEqual(gatewayConditions(pipeline), { Accepted: 'True Accepted', Programmed: 'False Pending' });
  assert.equal(listenerConditions(pipeline)['Programmed'], 'False Pending');
  pipeline.report({ bind: 'default/gw:80/tcp', state: 'serving' });
  pipeline.settle();
  assert.deepEqual(gatewayConditions(pipeline), { Accepted: 'True Accepted', Programmed: 'True Programmed' });
  assert.equal(listenerConditions(pipeline)['Programmed'], 'True Programmed');
});

test('a port that cannot be opened is PortUnavailable on its listeners; the bind stays, so that it may be opened yet', () => {
  const pipeline = pipelineWith(
    { awaitEngine: true },
    gateway({ name: 'taken', port: 80, protocol: 'HTTP' }, { name: 'free', port: 81, protocol: 'HTTP' }),
  );
  pipeline.settle();
  pipeline.report({ bind: 'default/gw:80/tcp', state: 'failed', code: 'EADDRINUSE', message: 'address in use' });
  pipeline.report({ bind: 'default/gw:81/tcp', state: 'serving' });
  const { update } = pipeline.settle();
  assert.equal(update.binds, undefined);
  assert.equal(update.frontends, undefined);
  assert.equal(listenerConditions(pipeline)['Accepted'], 'False PortUnavailable');
  assert.equal(listenerConditions(pipeline, 1)['Programmed'], 'True Programmed');
  assert.deepEqual(gatewayConditions(pipeline), { Accepted: 'True ListenersNotValid', Programmed: 'True Programmed' });
  assert.deepEqual(
    pipeline.problems().map(({ code }) => code),
    ['PortUnavailable'],
  );
  pipeline.report({ bind: 'default/gw:80/tcp', state: 'serving' });
  pipeline.settle();
  assert.deepEqual(gatewayConditions(pipeline), { Accepted: 'True Accepted', Programmed: 'True Programmed' });
});

test('the word of an engine on a bind goes with the bind', () => {
  const pipeline = pipelineWith({ awaitEngine: true }, gateway());
  pipeline.settle();
  pipeline.report({ bind: 'default/gw:80/tcp', state: 'serving' });
  pipeline.settle();
  pipeline.delete(gateway());
  pipeline.settle();
  pipeline.apply(gateway());
  pipeline.settle();
  assert.equal(gatewayConditions(pipeline)['Programmed'], 'False Pending');
});

test('an address that the Gateway asks for and is not served on is AddressNotUsable', () => {
  const asking = { ...gateway(), spec: { ...(gateway()['spec'] as object), addresses: [{ value: '10.0.0.9' }] } };
  const pipeline = pipelineWith({}, asking);
  pipeline.settle();
  assert.equal(gatewayConditions(pipeline)['Programmed'], 'True Programmed', 'as long as nothing is placed');
  pipeline.place([{ bind: 'default/gw:80/tcp', address: '127.0.0.1', port: 8080 }]);
  pipeline.settle();
  assert.equal(gatewayConditions(pipeline)['Programmed'], 'False AddressNotUsable');
  pipeline.place([{ bind: 'default/gw:80/tcp', address: '10.0.0.9', port: 80 }]);
  pipeline.settle();
  assert.equal(gatewayConditions(pipeline)['Programmed'], 'True Programmed');
});

test('a grant that goes takes back what it allowed', () => {
  const grant: KubeObject = {
    apiVersion: `${group}/v1`,
    kind: 'ReferenceGrant',
    metadata: { name: 'open', namespace: 'other' },
    spec: { from: [{ group, kind: 'HTTPRoute', namespace: 'default' }], to: [{ group: '', kind: 'Service' }] },
  };
  const other = { ...service, metadata: { name: 'web', namespace: 'other' } };
  const crossing = route('web', { rules: [{ backendRefs: [{ name: 'web', namespace: 'other', port: 80 }] }] });
  const pipeline = pipelineWith({}, gateway(), crossing, other, grant);
  pipeline.settle();
  assert.equal(pipeline.tables.clusters.size, 1);
  pipeline.delete(grant);
  const { update } = pipeline.settle();
  assert.deepEqual(update.clusters?.delete, ['default/gw|other/web:80|http1']);
  assert.deepEqual(
    pipeline.problems().map(({ code }) => code),
    ['RefNotPermitted'],
  );
});

test('a route that would fill too many virtual hosts is refused, and serves nothing', () => {
  const listeners = Array.from({ length: 64 }, (_, i) => ({ name: `l${i}`, port: 1000 + i, protocol: 'HTTP' }));
  const hostnames = Array.from({ length: 16 }, (_, i) => `h${i}.example.com`);
  const matches = (count: number): object[] => Array.from({ length: count }, (_, i) => ({ path: { value: `/${i}` } }));
  const rules = (count: number): object[] => [{ matches: matches(count), backendRefs: [{ name: 'web', port: 80 }] }];
  assert.equal(entryLimit, 64 * 16 * 16);
  const pipeline = pipelineWith(
    {},
    gateway(...listeners),
    service,
    route('fits', { hostnames, rules: rules(16) }),
    route('too-large', { hostnames, rules: rules(17) }),
  );
  pipeline.settle();
  assert.deepEqual(
    pipeline.problems().map(({ code, at }) => `${code} ${at.object.name}`),
    ['TooManyEntries too-large'],
  );
  assert.equal(pipeline.tables.routes.get('HTTPRoute/default/fits')?.entries.length, entryLimit);
  assert.deepEqual(pipeline.tables.routes.get('HTTPRoute/default/too-large')?.entries, []);
  assert.equal(pipeline.tables.attached.get('default/gw/l0')?.length, 1);
});

test('what was written can be read back; a snapshot is all that stands', () => {
  const pipeline = pipelineWith({}, gateway(), route('web'), service);
  const { update } = pipeline.settle();
  assert.deepEqual(pipeline.object({ group, kind: 'HTTPRoute', namespace: 'default', name: 'web' }), route('web'));
  assert.equal(pipeline.object({ group, kind: 'HTTPRoute', namespace: 'default', name: 'nope' }), undefined);
  const bare = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web', namespace: 'default' } };
  pipeline.apply(bare);
  pipeline.settle();
  assert.deepEqual(pipeline.object({ group: 'apps', kind: 'Deployment', namespace: 'default', name: 'web' }), bare);
  assert.deepEqual(pipeline.snapshot(), update);
});

test('no key material in a dump', () => {
  const pipeline = pipelineWith({}, gateway());
  pipeline.settle();
  const certificates = {
    key: 'a/b',
    certificate: 'CERT',
    privateKey: 'KEY',
    names: [],
    notAfter: '',
    fingerprint: 'f',
  };
  const table = { name: 'certificates', size: 1, get: () => certificates, keys: () => ['a/b'] };
  const text = JSON.stringify(dump({ ...pipeline.tables, certificates: table }));
  assert.ok(text.includes('"fingerprint":"f"'));
  assert.doesNotMatch(text, /KEY|CERT/);
});
