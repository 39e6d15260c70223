// Nodes that ask a fleet for Envoy's types, spoken to by hand: who is given what, what is made for whom and when, and what becomes of
// what they say. What a real Envoy does with it is in fleet-envoy.test.ts.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { envoyDialect } from '../../src/engines/envoy/dialect.ts';
import { order, types } from '../../src/engines/envoy/names.ts';
import type { Dialect } from '../../src/engines/stream/fleet/dialect.ts';
import { type Fleet, type FleetOptions, startFleet } from '../../src/engines/stream/fleet/fleet.ts';
import { NO_PROXY } from '../../src/engines/stream/fleet/reports.ts';
import { codecs } from '../../src/engines/stream/rows/tables.ts';
import type { LeftOut } from '../../src/routing/engine.ts';
import type { BindReport, CertificateSet } from '../../src/routing/model.ts';
import { Rows } from '../../src/routing/rows.ts';
import type { Update } from '../../src/routing/update.ts';
import { entryOf, everything, FakeProxy, hostOf, modelOf, ruleOf } from './fleet-fixture.ts';
import { gatewayMaterial, materialOf, RawClient, type RawOptions, serverMaterial } from './stream-fixture.ts';
import { type Authority, authority, certificateFor } from './tls-certificates.ts';
import { eventually } from '../eventually.ts';

let ca: Authority;
let secrets: { readonly mine: CertificateSet; readonly yours: CertificateSet };
before(async () => {
  ca = await authority('fleet');
  secrets = {
    mine: await certificateFor('ns/mine-tls', ['mine.example']),
    yours: await certificateFor('ns/yours-tls', ['yours.example']),
  };
});

const opened: { close(): unknown }[] = [];
after(async () => {
  for (const each of opened) await each.close();
});

interface Setting {
  readonly fleet: Fleet;
  readonly reports: (readonly [gateway: string, report: BindReport])[];
  readonly logged: string[];
  /** Gateways for which a translation was begun. */
  readonly translated: string[];
}

async function fleetWith(more: Partial<FleetOptions> = {}): Promise<Setting> {
  const material = await serverMaterial(ca);
  const envoy = envoyDialect();
  const setting: Omit<Setting, 'fleet'> = { reports: [], logged: [], translated: [] };
  const dialect: Dialect = {
    ...envoy,
    translator: (gateway) => {
      setting.translated.push(gateway);
      return envoy.translator(gateway);
    },
  };
  const fleet = await startFleet({
    address: '127.0.0.1',
    port: 0,
    credentials: () => material,
    onReport: (gateway, report) => setting.reports.push([gateway, report]),
    log: ({ message }) => setting.logged.push(message),
    absence: 100,
    ackTimeout: 5000,
    dialect,
    ...more,
  });
  opened.push(fleet);
  return { fleet, ...setting };
}

/** Asks for everything, as an Envoy that names nothing. */
async function nodeOf(fleet: Fleet, gateway: string, options: RawOptions = {}): Promise<RawClient> {
  const node = new RawClient(`127.0.0.1:${fleet.port}`, await gatewayMaterial(ca, gateway), options);
  opened.push(node);
  for (const typeUrl of order) node.ask(typeUrl);
  return node;
}

function merged(...models: readonly Omit<Update, 'version'>[]): Update {
  const rows = new Rows();
  models.forEach((model, index) => rows.apply({ version: index + 1, ...model }));
  return rows.all();
}

function two(): Update {
  return merged(
    modelOf({ gateway: 'ns/mine', port: 1, backendPort: 2, routes: 3, certificate: secrets.mine }),
    modelOf({ gateway: 'ns/yours', port: 3, backendPort: 4, routes: 2, certificate: secrets.yours }),
  );
}

const bind = 'ns/mine:80/tcp';

function namesOf(node: RawClient, typeUrl: string): readonly string[] {
  return [...node.names].flatMap((name) => (name.startsWith(`${typeUrl} `) ? [name.slice(typeUrl.length + 1)] : []));
}

test('a node is given the resources of its own gateway: nothing of another one is ever on its wire', async () => {
  const { fleet } = await fleetWith();
  await fleet.apply(two());
  const node = await nodeOf(fleet, 'ns/mine');
  node.ask(types.secret, ['certificate/ns/yours-tls', 'certificate/ns/mine-tls'], {
    node: { id: 'ns/yours', agent: '' },
  });
  await eventually(() => order.every((typeUrl) => namesOf(node, typeUrl).length > 0), 'each type has come');
  assert.deepEqual(namesOf(node, types.listener), [bind]);
  assert.deepEqual(namesOf(node, types.secret), ['certificate/ns/mine-tls']);
  assert.equal(namesOf(node, types.cluster).length, 3);
  assert.equal(namesOf(node, types.endpoints).length, 3);
  const before = node.responses.length;
  // Something that the other gateway is told, and then something for both.
  const { certificate, privateKey } = await certificateFor('x', ['yours.example']);
  await fleet.apply({ version: 9, certificates: everything({ ...secrets.yours, certificate, privateKey }) });
  await fleet.apply({ version: 10, endpoints: { set: [], delete: ['ns/r0:80'] } });
  await eventually(() => node.responses.length > before, 'the shared change has come');
  const wire = node.responses.flatMap(({ resources }) =>
    resources.map(({ name, bytes }) => `${name} ${String(bytes)}`),
  );
  assert.ok(wire.some((text) => text.includes(secrets.mine.privateKey)));
  for (const text of wire) assert.doesNotMatch(text, /yours/);
  for (const key of [secrets.yours.privateKey, privateKey]) assert.ok(!wire.some((text) => text.includes(key)));
});

test('foreign, expired and missing certificates get nothing, and those of replicas neither', async () => {
  const { fleet, translated } = await fleetWith();
  await fleet.apply(two());
  const uris = ['spiffe://portolan.dev/gateway/ns/mine'];
  const other = await authority('theirs');
  const strangers = {
    missing: [{ ca: Buffer.from(ca.certificate) }, status.UNAVAILABLE],
    foreign: [
      { ...materialOf(other, await other.issue({ uris })), ca: Buffer.from(ca.certificate) },
      status.UNAVAILABLE,
    ],
    expired: [materialOf(ca, await ca.issue({ uris, expired: true })), status.UNAVAILABLE],
    replica: [await serverMaterial(ca), status.PERMISSION_DENIED],
    nobody: [materialOf(ca, await ca.issue({ names: ['ns.mine'] })), status.PERMISSION_DENIED],
  } as const;
  for (const [what, [material, code]] of Object.entries(strangers)) {
    const client = new RawClient(`127.0.0.1:${fleet.port}`, material).ask(types.listener).ask(types.secret);
    assert.equal((await client.ended).code, code, what);
    assert.deepEqual(client.responses, [], what);
    client.close();
  }
  assert.deepEqual(translated, []);
});

test('nothing is translated before the first node of a gateway, once for all of them, and not kept for long', async () => {
  const { fleet, translated } = await fleetWith({ keepTranslations: 50 });
  await fleet.apply(two());
  const proxy = new FakeProxy(fleet.port, await gatewayMaterial(ca, 'ns/mine'));
  opened.push(proxy);
  await proxy.until(() => proxy.revisions > 0);
  assert.deepEqual(translated, [], 'a proxy needs none');
  const nodes = [await nodeOf(fleet, 'ns/mine'), await nodeOf(fleet, 'ns/mine')];
  for (const node of nodes) await node.until(() => namesOf(node, types.listener).length === 1);
  assert.deepEqual(translated, ['ns/mine']);
  nodes[0]?.close();
  await eventually(() => fleet.nodes('ns/mine').length === 2);
  const third = await nodeOf(fleet, 'ns/mine');
  await third.until(() => namesOf(third, types.listener).length === 1);
  assert.deepEqual(translated, ['ns/mine'], 'it is kept while there is a node');
  nodes[1]?.close();
  third.close();
  await eventually(() => fleet.nodes('ns/mine').length === 1);
  await new Promise((resolve) => setTimeout(resolve, 100));
  // What changes meanwhile has to be in what the next one gets.
  const rule = ruleOf('ns/mine', 'late', 'ns/mine|ns/r0:80|');
  const late = {
    rules: everything(rule),
    virtualHosts: [hostOf('ns/mine', [entryOf('ns/mine', 'late', '/late')], 'late.example')],
  };
  await fleet.apply({ version: 7, ...late });
  const next = await nodeOf(fleet, 'ns/mine');
  const isThere = (): boolean =>
    next.responses.some(({ resources }) => resources.some(({ bytes }) => String(bytes).includes('late.example')));
  await next.until(isThere);
  assert.deepEqual(translated, ['ns/mine', 'ns/mine']);
});

test('what changes comes to all nodes; a gateway that goes is emptied, and one that comes back is there again', async () => {
  const { fleet } = await fleetWith();
  const node = await nodeOf(fleet, 'ns/mine');
  const mine = modelOf({ gateway: 'ns/mine', port: 1, backendPort: 2, routes: 2 });
  assert.equal(node.responses.length, 0);
  await fleet.apply(merged(mine));
  await node.until(() => namesOf(node, types.listener).length === 1 && namesOf(node, types.endpoints).length === 2);
  const change = modelOf({ gateway: 'ns/mine', port: 1, backendPort: 2, routes: 3 });
  await fleet.apply({ version: 2, ...change, virtualHosts: [] });
  assert.equal(namesOf(node, types.cluster).length, 3);
  const keys = (
    rows: { readonly set: readonly { readonly key: string }[] } | undefined,
  ): { set: []; delete: string[] } => ({
    set: [],
    delete: (rows?.set ?? []).map(({ key }) => key),
  });
  const gone: Update = {
    version: 3,
    binds: keys(change.binds),
    placements: { set: [], delete: [bind] },
    frontends: keys(change.frontends),
    rules: keys(change.rules),
    clusters: keys(change.clusters),
    endpoints: keys(change.endpoints),
    virtualHosts: (mine.virtualHosts ?? []).map((host) => ({ ...host, removed: host.inserted, inserted: [] })),
  };
  await fleet.apply(gone);
  await eventually(
    () => node.names.size === 0,
    () => [...node.names].join(', '),
  );
  await fleet.apply({ version: 4, ...mine });
  await eventually(() => namesOf(node, types.listener).length === 1 && namesOf(node, types.endpoints).length === 2);
});

test('settings that change are translated anew: only what differs travels, and what is left over goes', async () => {
  let trustedHops = 0;
  let withClusters = true;
  const envoy = envoyDialect({ settings: () => ({ trustedHops }) });
  const { fleet } = await fleetWith({
    dialect: {
      ...envoy,
      translator: async (gateway) => {
        const all = await envoy.translator(gateway);
        const left = withClusters ? order : order.filter((typeUrl) => typeUrl !== types.cluster);
        return {
          ...all,
          apply: (update) => all.apply(update).filter(({ typeUrl }) => left.includes(typeUrl as never)),
        };
      },
    },
  });
  await fleet.apply(two());
  const node = await nodeOf(fleet, 'ns/mine');
  await eventually(() => order.every((typeUrl) => namesOf(node, typeUrl).length > 0));
  node.responses.length = 0;
  trustedHops = 2;
  fleet.retranslate('ns/mine');
  fleet.retranslate('ns/nobody');
  await node.until(() => node.responses.length > 0);
  assert.deepEqual(
    node.responses.map(({ typeUrl, resources }) => [typeUrl, resources.map(({ name }) => name)]),
    [[types.listener, [bind]]],
  );
  withClusters = false;
  fleet.retranslate('ns/mine');
  await eventually(() => namesOf(node, types.cluster).length === 0);
  assert.equal(namesOf(node, types.listener).length, 1);
  // What changes is told by the new translation.
  withClusters = true;
  fleet.retranslate('ns/mine');
  await eventually(() => namesOf(node, types.cluster).length === 3);
  await fleet.apply({ version: 9, clusters: { set: [], delete: ['ns/mine|ns/r0:80|'] } });
  assert.equal(namesOf(node, types.cluster).length, 2);
});

test('after a restart of the controller nothing travels that a node has', async () => {
  const first = await fleetWith();
  const model = merged(modelOf({ gateway: 'ns/mine', port: 1, backendPort: 2, routes: 5, certificate: secrets.mine }));
  await first.fleet.apply(model);
  const node = await nodeOf(first.fleet, 'ns/mine');
  await eventually(() => order.every((typeUrl) => namesOf(node, typeUrl).length > 0));
  const versions = new Map<string, Map<string, string>>(order.map((typeUrl) => [typeUrl, new Map()]));
  for (const { typeUrl, resources } of node.responses) {
    for (const { name, version } of resources) versions.get(typeUrl)?.set(name, version);
  }
  await first.fleet.close();
  const second = await fleetWith();
  const again = new RawClient(`127.0.0.1:${second.fleet.port}`, await gatewayMaterial(ca, 'ns/mine'));
  opened.push(again);
  for (const typeUrl of order) again.ask(typeUrl, [], { initialVersions: versions.get(typeUrl) ?? new Map() });
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual(again.responses, [], 'before the rows have come nobody knows');
  await second.fleet.apply(model);
  await eventually(() => second.reports.length === 1);
  assert.deepEqual(second.reports, [['ns/mine', { bind, state: 'serving' }]], 'what it has from before is served');
  assert.deepEqual(
    again.responses.flatMap(({ resources, removed }) => [...resources, ...removed]),
    [],
  );
});

const key = '-----BEGIN PRIVATE KEY----- c2VjcmV0 -----END PRIVATE KEY-----';

test('a bind serves when its listener is acknowledged, and failed when that is refused, with the reason and no key', async () => {
  const { fleet, reports, logged } = await fleetWith();
  const words = `Proto constraint validation failed: ${key}`;
  const busy = 'error adding listener: cannot bind 0.0.0.0:80: Address already in use';
  let error: string | undefined = words;
  const node = await nodeOf(fleet, 'ns/mine', {
    refusal: ({ typeUrl, resources }) => (typeUrl === types.listener && resources.length > 0 ? error : undefined),
  });
  const model = modelOf({ gateway: 'ns/mine', port: 1, backendPort: 2, routes: 1 });
  await fleet.apply(merged(model));
  await eventually(() => reports.length === 1);
  const [[gateway, report] = []] = reports;
  assert.deepEqual([gateway, report?.bind, report?.state, report?.code], ['ns/mine', bind, 'failed', 'EREFUSED']);
  assert.equal(report?.message, 'the resource is not valid; the log of Envoy says why');
  assert.ok(logged.some((line) => line.includes('Envoy raw of ns/mine refused Listener ns/mine:80/tcp')));
  assert.ok(!logged.some((line) => line.includes('PRIVATE')));
  error = busy;
  const place = (port: number): Update => ({
    version: port,
    placements: everything({ bind, address: '0.0.0.0', port }),
  });
  await fleet.apply(place(80));
  await eventually(() => reports.length === 2);
  assert.deepEqual(reports.at(-1)?.[1].code, 'EADDRINUSE');
  error = undefined;
  await fleet.apply(place(81));
  await eventually(() => reports.length === 3);
  assert.deepEqual(reports.at(-1), ['ns/mine', { bind, state: 'serving' }]);
  node.close();
  await eventually(() => reports.length === 4);
  assert.equal(reports.at(-1)?.[1].code, NO_PROXY);
});

test('what Envoys cannot be told is told of the rows, as proxies tell it, and taken back', async () => {
  const told: LeftOut[] = [];
  const { fleet, reports } = await fleetWith({ onLeftOut: (rows) => told.push(...rows) });
  const bad = { ...secrets.mine, privateKey: 'no key' };
  await fleet.apply(merged(modelOf({ gateway: 'ns/mine', port: 1, backendPort: 2, routes: 1, certificate: bad })));
  assert.equal(told.length, 0, 'nobody has asked');
  const node = await nodeOf(fleet, 'ns/mine');
  await eventually(() => reports.length === 1);
  assert.deepEqual(
    told.map(({ table, key, gateway, faults }) => [table, key, gateway, faults.map(({ effect }) => effect)]),
    [['certificates', 'ns/mine-tls', 'ns/mine', ['dropped']]],
  );
  await fleet.apply({ version: 2, certificates: everything(secrets.mine) });
  await eventually(() => told.length === 2);
  assert.deepEqual(told.at(-1), { table: 'certificates', key: 'ns/mine-tls', gateway: 'ns/mine', faults: [] });
  assert.deepEqual(namesOf(node, types.secret), ['certificate/ns/mine-tls']);
  node.close();
});

test('a rule that a node refuses is left out and told, by way of the leader too; what comes meanwhile waits', async () => {
  const leftOut: LeftOut[] = [];
  const leader = await fleetWith({ onLeftOut: (rows) => leftOut.push(...rows) });
  const { fleet } = await fleetWith();
  fleet.relayTo(`127.0.0.1:${leader.fleet.port}`);
  const routes = new Map<string, string>();
  const node = await nodeOf(fleet, 'ns/mine', {
    refusal: ({ typeUrl, resources }) => {
      if (typeUrl !== types.routes) return undefined;
      const texts = resources.map(({ bytes }) => Buffer.from(bytes).toString('latin1'));
      if (texts.some((text) => text.includes('poison'))) return 'there is poison in it';
      resources.forEach(({ name }, index) => routes.set(name, texts[index] ?? ''));
      return undefined;
    },
  });
  const model = merged(modelOf({ gateway: 'ns/mine', port: 1, backendPort: 2, routes: 4 }));
  await fleet.apply(model);
  const rule = (name: string, value: string): Update => ({
    version: 2,
    rules: everything(ruleOf('ns/mine', name, `ns/mine|ns/${name}:80|`, value)),
  });
  const serves = (text: string): boolean => [...routes.values()].some((each) => each.includes(text));
  await Promise.all([
    fleet.apply(rule('r1', 'poison')),
    fleet.apply(rule('r2', 'second')),
    fleet.apply(rule('r3', 'third')),
  ]);
  await eventually(() => leftOut.length === 1);
  const row = { table: 'rules', key: 'ns/mine|HTTPRoute/ns/r1|0', gateway: 'ns/mine' } as const;
  assert.deepEqual(leftOut, [{ ...row, faults: [{ effect: 'dropped', reason: 'there is poison in it' }] }]);
  assert.ok(serves('second') && serves('third'));
  await fleet.apply(rule('r1', 'mended'));
  await eventually(() => leftOut.length === 2);
  assert.deepEqual(leftOut.at(-1), { ...row, faults: [] });
  assert.ok(serves('mended'));
  node.close();
});

test('a node that has not acknowledged its listener serves nothing yet', async () => {
  const { fleet, reports } = await fleetWith({ ackTimeout: 200 });
  const node = await nodeOf(fleet, 'ns/mine', { acknowledge: false });
  await fleet.apply(merged(modelOf({ gateway: 'ns/mine', port: 1, backendPort: 2, routes: 1 })));
  const acknowledge = (): void => {
    for (const { typeUrl, nonce } of node.responses.splice(0)) node.ask(typeUrl, [], { nonce });
  };
  await eventually(() => {
    if (node.names.has(`${types.listener} ${bind}`)) return true;
    acknowledge();
    return false;
  });
  await new Promise((resolve) => setTimeout(resolve, 150));
  assert.deepEqual(reports, []);
  await eventually(() => {
    acknowledge();
    return reports.length === 1;
  });
  assert.deepEqual(reports, [['ns/mine', { bind, state: 'serving' }]]);
});

test('the replica that leads hears of nodes of the others, and waits for what they have in force', async () => {
  const leader = await fleetWith();
  const follower = await fleetWith();
  const model = merged(modelOf({ gateway: 'ns/mine', port: 1, backendPort: 2, routes: 1 }));
  await Promise.all([leader.fleet.apply(model), follower.fleet.apply(model)]);
  await nodeOf(follower.fleet, 'ns/mine');
  await eventually(() => follower.reports.length === 1);
  follower.fleet.relayTo(`127.0.0.1:${leader.fleet.port}`);
  await eventually(() => leader.reports.length === 1);
  assert.deepEqual(leader.reports, [['ns/mine', { bind, state: 'serving' }]]);
  assert.deepEqual(leader.translated, []);
  for (const [what, change] of Object.entries({
    resources: { version: 2, rules: everything(ruleOf('ns/mine', 'r0', 'ns/mine|ns/r0:80|', '2')) },
    // A row that no resource shows.
    nothing: { version: 3, rules: everything(ruleOf('ns/mine', 'unused', 'ns/mine|ns/r0:80|')) },
  } satisfies Record<string, Update>)) {
    let done = false;
    const began = Date.now();
    const applied = leader.fleet.apply(change).then(() => {
      done = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(done, false, what);
    await follower.fleet.apply(change);
    await applied;
    assert.ok(Date.now() - began < 4000, what);
  }
});

test('one of a proxy and an Envoy is enough for a change to be in force, and both are told', async () => {
  const { fleet, logged } = await fleetWith({ ackTimeout: 10_000 });
  await fleet.apply(two());
  const proxy = new FakeProxy(fleet.port, await gatewayMaterial(ca, 'ns/mine'));
  opened.push(proxy);
  await proxy.until(() => proxy.revisions > 0);
  const mute = await nodeOf(fleet, 'ns/mine', { acknowledge: false });
  await mute.until(() => mute.responses.length > 0);
  const began = Date.now();
  const revisions = proxy.revisions;
  await fleet.apply({ version: 2, rules: everything(ruleOf('ns/mine', 'r0', 'ns/mine|ns/r0:80|', '2')) });
  assert.ok(Date.now() - began < 8000);
  assert.equal(proxy.revisions, revisions + 1);
  assert.deepEqual(logged, []);
});

test('a stream speaks one language: of the types of the other kind it is given nothing', async () => {
  const { fleet } = await fleetWith();
  await fleet.apply(two());
  const mixed = new RawClient(`127.0.0.1:${fleet.port}`, await gatewayMaterial(ca, 'ns/mine')).ask(types.listener);
  opened.push(mixed);
  mixed.ask(codecs.rules.typeUrl).ask(codecs.certificates.typeUrl);
  await mixed.until(() => namesOf(mixed, types.listener).length === 1);
  assert.deepEqual(namesOf(mixed, codecs.rules.typeUrl), []);
  assert.deepEqual(namesOf(mixed, codecs.certificates.typeUrl), []);
});

test('where nobody brings a dialect, Envoys are told that there is nothing', async () => {
  const material = await serverMaterial(ca);
  const fleet = await startFleet({
    address: '127.0.0.1',
    port: 0,
    credentials: () => material,
    onReport: () => {},
    log: () => {},
  });
  opened.push(fleet);
  await fleet.apply(two());
  const node = await nodeOf(fleet, 'ns/mine');
  await node.until(() => node.responses.length > 0);
  assert.equal(node.names.size, 0);
});
