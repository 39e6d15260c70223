// A fleet and proxies without engines: what each gateway's proxies have, what travels, and what becomes of what they say.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Fleet } from '../../src/engines/stream/fleet/fleet.ts';
import { type FleetOptions, startFleet } from '../../src/engines/stream/fleet/fleet.ts';
import { NO_PROXY } from '../../src/engines/stream/fleet/reports.ts';
import { Partition } from '../../src/engines/stream/partition.ts';
import { codecs } from '../../src/engines/stream/rows/tables.ts';
import { Rows } from '../../src/routing/rows.ts';
import type { LeftOut } from '../../src/routing/engine.ts';
import type { BindReport } from '../../src/routing/model.ts';
import type { Update } from '../../src/routing/update.ts';
import { entryOf, everything, FakeProxy, hostOf, modelOf, ruleOf } from './fleet-fixture.ts';
import { gatewayMaterial, RawClient, serverMaterial } from './stream-fixture.ts';
import { type Authority, authority, certificateFor } from './tls-certificates.ts';
import { eventually } from '../eventually.ts';
import { freePort } from '../free-port.ts';

let ca: Authority;
before(async () => {
  ca = await authority('fleet');
});

interface Told {
  readonly reports: (readonly [gateway: string, report: BindReport])[];
  readonly leftOut: LeftOut[];
  readonly logged: string[];
}

const opened: { close(): unknown }[] = [];
after(async () => {
  for (const each of opened) await each.close();
});

async function fleetWith(more: Partial<FleetOptions> = {}): Promise<{ readonly fleet: Fleet; readonly told: Told }> {
  const material = await serverMaterial(ca);
  const told: Told = { reports: [], leftOut: [], logged: [] };
  const fleet = await startFleet({
    address: '127.0.0.1',
    port: await freePort(),
    credentials: () => material,
    onReport: (gateway, report) => told.reports.push([gateway, report]),
    onLeftOut: (rows) => told.leftOut.push(...rows),
    log: ({ message }) => told.logged.push(message),
    absence: 100,
    ackTimeout: 3000,
    ...more,
  });
  opened.push(fleet);
  return { fleet, told };
}

async function proxyOf(fleet: Fleet, gateway: string, node = 'fake'): Promise<FakeProxy> {
  const proxy = new FakeProxy(fleet.port, await gatewayMaterial(ca, gateway), { node });
  opened.push(proxy);
  return proxy;
}

/** What a gateway has, told from scratch. */
function expected(update: Update, gateway: string): unknown {
  const rows = new Rows();
  const part = new Partition().apply(update).find((part) => part.gateway === gateway);
  if (part !== undefined) rows.apply(part.update);
  return sorted(rows);
}

/** The same for the same rows, in whatever order they came. */
function sorted(rows: Rows): unknown {
  const { version: _, virtualHosts = [], ...tables } = rows.all();
  const nameOf = (row: object): string => ('key' in row ? String(row.key) : (row as { bind: string }).bind);
  const lists = Object.entries(tables).map(([table, { set }]): [string, readonly object[]] => [table, set]);
  return [...lists, ['virtualHosts', virtualHosts] as const].map(([table, list]) => [
    table,
    Object.fromEntries(list.map((row) => [nameOf(row), row])),
  ]);
}

function merged(...models: readonly Omit<Update, 'version'>[]): Update {
  const rows = new Rows();
  models.forEach((model, index) => rows.apply({ version: index + 1, ...model }));
  return rows.all();
}

test('each proxy has the rows of its gateway, from the start and after each change', async () => {
  const { fleet } = await fleetWith();
  const certificate = await certificateFor('ns/mine', ['mine.example']);
  const mine = modelOf({ gateway: 'ns/mine', port: 1, backendPort: 2, routes: 5, certificate });
  const yours = modelOf({ gateway: 'ns/yours', port: 3, backendPort: 4, routes: 3 });
  const proxy = await proxyOf(fleet, 'ns/mine');
  await fleet.apply(merged(mine, yours));
  await proxy.until(() => proxy.revisions > 0);
  assert.deepEqual(sorted(proxy.rows), expected(merged(mine, yours), 'ns/mine'));
  const change: Update = {
    version: 9,
    rules: { set: [ruleOf('ns/mine', 'new', 'c')], delete: ['ns/mine|HTTPRoute/ns/r0|0'] },
    virtualHosts: [
      { ...hostOf('ns/mine', [entryOf('ns/mine', 'new', '/new')]), removed: [entryOf('ns/mine', 'r0', '/r0')] },
    ],
  };
  await fleet.apply(change);
  assert.deepEqual(sorted(proxy.rows), expected(merged(mine, yours, change), 'ns/mine'), 'applied when apply resolves');
  const late = await proxyOf(fleet, 'ns/yours');
  await late.until(() => late.revisions > 0);
  assert.deepEqual(sorted(late.rows), expected(merged(mine, yours), 'ns/yours'));
});

test('a certificate gets no row of another gateway, by whatever name it asks', async () => {
  const { fleet } = await fleetWith();
  const certificate = await certificateFor('ns/yours', ['yours.example']);
  await fleet.apply(
    merged(
      modelOf({ gateway: 'ns/mine', port: 1, backendPort: 2, routes: 2 }),
      modelOf({ gateway: 'ns/yours', port: 1, backendPort: 2, routes: 2, certificate }),
    ),
  );
  const thief = new RawClient(`127.0.0.1:${fleet.port}`, await gatewayMaterial(ca, 'ns/mine'));
  opened.push(thief);
  const all = Object.values(codecs);
  for (const { typeUrl } of all) {
    thief.ask(typeUrl, ['*', 'ns/yours', 'ns/yours:80/tcp', 'ns/yours/http'], { node: { id: 'ns/yours', agent: '' } });
  }
  await thief.until(() => thief.names.has(`${codecs.revision.typeUrl} revision`));
  assert.ok(thief.names.size > 5);
  const words = thief.responses.flatMap(({ resources }) => resources.map(({ name, bytes }) => name + String(bytes)));
  // Rows of the shared namespace are its own; what names the other gateway, or its key, is not.
  assert.ok(!words.some((text) => text.includes('yours') || text.includes('PRIVATE KEY')));
});

test('a change costs what it is, and a new connection what differs', async () => {
  const { fleet } = await fleetWith();
  const model = modelOf({ gateway: 'ns/mine', port: 1, backendPort: 2, routes: 1000 });
  await fleet.apply(merged(model));
  const proxy = await proxyOf(fleet, 'ns/mine');
  await proxy.until(() => proxy.revisions > 0);
  const whole = proxy.client.received;
  assert.ok(whole > 300_000, `${whole} octets`);
  await fleet.apply({ version: 2, rules: everything(ruleOf('ns/mine', 'r7', 'c', '2')) });
  const change = proxy.client.received - whole;
  assert.ok(change > 100 && change < 1500, `${change} octets for one rule`);
  const before = proxy.client.received;
  const { port } = fleet;
  await fleet.close();
  const second = await fleetWith({ port });
  await second.fleet.apply(
    merged(model, { rules: everything(ruleOf('ns/mine', 'r7', 'c', '2'), ruleOf('ns/mine', 'r8', 'c', '2')) }),
  );
  await proxy.until(() => proxy.revisions > 2);
  const again = proxy.client.received - before;
  assert.ok(again < 3000, `${again} octets on the new connection`);
  assert.equal(
    JSON.stringify([...proxy.rows.all().rules!.set].find(({ key }) => key.includes('/r8|'))).includes('"2"'),
    true,
  );
});

test('until a controller knows everything, proxies keep what they have; then a gateway that is gone is emptied', async () => {
  const { fleet } = await fleetWith();
  await fleet.apply(merged(modelOf({ gateway: 'ns/mine', port: 1, backendPort: 2, routes: 2 })));
  const proxy = await proxyOf(fleet, 'ns/mine');
  await proxy.until(() => proxy.revisions > 0);
  const { port } = fleet;
  await fleet.close();
  const second = await fleetWith({ port });
  await eventually(() => second.fleet.nodes('ns/mine').length > 0);
  assert.equal(proxy.rows.all().rules?.set.length, 2);
  await second.fleet.apply(merged(modelOf({ gateway: 'ns/other', port: 1, backendPort: 2, routes: 1 })));
  await proxy.until(() => proxy.inForce === '');
  assert.equal(proxy.rows.all().rules?.set.length, 0);
});

test('a row that a proxy cannot take is refused by name; the rest is in force', async () => {
  const { fleet, told } = await fleetWith();
  const proxy = await proxyOf(fleet, 'ns/mine');
  const model = merged(modelOf({ gateway: 'ns/mine', port: 1, backendPort: 2, routes: 4 }));
  const bad = {
    ...ruleOf('ns/mine', 'r2', 'c'),
    action: {
      kind: 'forward',
      backends: [{ weight: 1, target: { kind: 'cluster' }, filters: [], origin: ruleOf('ns/mine', 'r2', 'c').origin }],
    },
  };
  await fleet.apply({
    ...model,
    rules: everything(...model.rules!.set.filter(({ key }) => !key.includes('/r2|')), bad as never),
  });
  await proxy.until(() => proxy.revisions > 0);
  const rules = proxy.rows.all().rules?.set ?? [];
  const answers = rules.filter(({ action }) => action.kind === 'respond').map(({ key }) => key);
  assert.deepEqual([rules.length, answers], [4, [bad.key]], 'what is meant for it goes nowhere else');
  const [line = '', ...more] = told.logged;
  assert.match(line, /^proxy .* of ns\/mine refused rules ns\/mine\|HTTPRoute\/ns\/r2\|0: /);
  assert.match(line, /backend of a kind that this version does not know/);
  assert.deepEqual(more, []);
  await fleet.apply({ version: 3, rules: everything(ruleOf('ns/mine', 'r2', 'c')) });
  assert.equal(proxy.rows.all().rules?.set.length, 4);
});

const bind = 'ns/mine:80/tcp';
const serving: BindReport = { bind, state: 'serving' };
const failed: BindReport = { bind, state: 'failed', code: 'EADDRINUSE', message: 'taken' };

test('reports are summed up over the ready nodes of a gateway', async () => {
  const { fleet, told } = await fleetWith();
  await fleet.apply(merged(modelOf({ gateway: 'ns/mine', port: 1, backendPort: 2, routes: 1 })));
  const [one, two] = [await proxyOf(fleet, 'ns/mine', 'one'), await proxyOf(fleet, 'ns/mine', 'two')];
  one.say(false, failed);
  two.say(true, failed);
  await eventually(() => told.reports.length === 1);
  assert.deepEqual(told.reports.at(-1), ['ns/mine', failed]);
  one.say(true, serving);
  await eventually(() => told.reports.length === 2);
  assert.deepEqual(told.reports.at(-1), ['ns/mine', serving]);
  one.say(true, serving, { bind: 'ns/yours:80/tcp', state: 'serving' });
  one.close();
  await eventually(() => told.reports.length === 3);
  assert.deepEqual(told.reports.at(-1), ['ns/mine', failed], 'the other one is left');
  two.close();
  await eventually(() => told.reports.length === 4);
  assert.equal(told.reports.at(-1)?.[1].code, NO_PROXY);
  assert.ok(!told.reports.some(([gateway, { bind }]) => gateway !== 'ns/mine' || bind.includes('yours')));
});

test('a node that comes back by another connection in time was never away', async () => {
  const { fleet, told } = await fleetWith({ absence: 5000 });
  await fleet.apply(merged(modelOf({ gateway: 'ns/mine', port: 1, backendPort: 2, routes: 1 })));
  for (let times = 1; times <= 3; times++) {
    const proxy = await proxyOf(fleet, 'ns/mine', 'same');
    await proxy.until(() => proxy.revisions > 0);
    proxy.say(true, serving);
    await eventually(() => told.reports.length > 0);
    if (times === 3) proxy.say(true, failed);
    else proxy.close();
    await eventually(() => times === 3 || fleet.nodes('ns/mine').length === 0);
  }
  await eventually(() => told.reports.length === 2);
  assert.deepEqual(told.reports, [
    ['ns/mine', serving],
    ['ns/mine', failed],
  ]);
  assert.equal(fleet.proxies('ns/mine'), 1);
});

test('the replica that leads hears of the nodes of the others, for as long as these are there', async () => {
  const leader = await fleetWith();
  const follower = await fleetWith();
  const model = merged(modelOf({ gateway: 'ns/mine', port: 1, backendPort: 2, routes: 1 }));
  await Promise.all([leader.fleet.apply(model), follower.fleet.apply(model)]);
  const proxy = await proxyOf(follower.fleet, 'ns/mine');
  await proxy.until(() => proxy.revisions > 0);
  proxy.say(true, serving);
  follower.fleet.relayTo(`127.0.0.1:${leader.fleet.port}`);
  await eventually(() => leader.told.reports.length === 1);
  assert.deepEqual(leader.told.reports, [['ns/mine', serving]]);
  assert.equal(leader.fleet.proxies('ns/mine'), 1);
  // The leader waits for a node of the other replica.
  const change: Update = { version: 2, rules: everything(ruleOf('ns/mine', 'r0', 'c', '2')) };
  let done = false;
  const applied = leader.fleet.apply(change).then(() => {
    done = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(done, false);
  await follower.fleet.apply(change);
  proxy.say(true, serving);
  await applied;
  follower.fleet.relayTo(undefined);
  await eventually(() => leader.told.reports.length === 2);
  assert.equal(leader.told.reports.at(-1)?.[1].code, NO_PROXY);
});

test('what a ready node does not serve is told with its gateway, once, by way of the leader too, and withdrawn', async () => {
  const leader = await fleetWith();
  const follower = await fleetWith();
  const model = merged(modelOf({ gateway: 'ns/mine', port: 1, backendPort: 2, routes: 1 }));
  await Promise.all([leader.fleet.apply(model), follower.fleet.apply(model)]);
  const [one, two] = [await proxyOf(follower.fleet, 'ns/mine', 'one'), await proxyOf(leader.fleet, 'ns/mine', 'two')];
  follower.fleet.relayTo(`127.0.0.1:${leader.fleet.port}`);
  const faults = [
    { effect: 'dropped', match: 0, reason: 'it is odd' },
    { effect: 'differs', field: 'retry', reason: 'otherwise' },
  ] as const;
  const mine: LeftOut = { table: 'rules', key: 'ns/mine|HTTPRoute/ns/r0|0', faults };
  const certificate: LeftOut = {
    table: 'certificates',
    key: 'ns/one',
    faults: [{ effect: 'dropped', reason: 'short' }],
  };
  one.leaveOut(mine, certificate, { ...mine, key: 'ns/yours|HTTPRoute/ns/r0|0' });
  await eventually(() => leader.told.leftOut.length === 2 && follower.told.leftOut.length === 2);
  const gateway = 'ns/mine';
  assert.deepEqual(leader.told.leftOut, [
    { ...mine, gateway },
    { ...certificate, gateway },
  ]);
  two.leaveOut(mine, certificate);
  one.leaveOut(mine);
  await eventually(() => follower.told.leftOut.length === 3);
  assert.deepEqual(follower.told.leftOut.at(-1), { ...certificate, gateway, faults: [] });
  assert.equal(leader.told.leftOut.length, 2, 'another node says the same still');
  two.leaveOut();
  await eventually(() => leader.told.leftOut.length === 3);
  assert.deepEqual(leader.told.leftOut.at(-1), { ...certificate, gateway, faults: [] });
  // Nobody is left to say anything: what was said counts, until the next one says something else.
  one.close();
  two.close();
  await eventually(() => leader.fleet.proxies('ns/mine') === 0);
  assert.equal(leader.told.leftOut.length, 3);
  (await proxyOf(leader.fleet, 'ns/mine', 'three')).leaveOut();
  await eventually(() => leader.told.leftOut.length === 4);
  assert.deepEqual(leader.told.leftOut.at(-1), { ...mine, gateway, faults: [] });
});

test('a proxy may not relay, and a replica may not report or subscribe', async () => {
  const { fleet, told } = await fleetWith();
  const impostor = await fleetWith({ credentials: await gatewayCredentials('ns/mine') });
  impostor.fleet.relayTo(`127.0.0.1:${fleet.port}`);
  await eventually(() => impostor.told.logged.some((line) => line.includes('PERMISSION_DENIED')));
  assert.deepEqual(told.reports, []);
  const replica = new RawClient(`127.0.0.1:${fleet.port}`, await serverMaterial(ca)).ask(codecs.rules.typeUrl);
  assert.equal((await replica.ended).details, 'the certificate names no gateway');
  replica.close();
});

async function gatewayCredentials(gateway: string): Promise<FleetOptions['credentials']> {
  const material = await gatewayMaterial(ca, gateway);
  return () => material;
}
