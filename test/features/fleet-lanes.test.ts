// Nodes of one gateway that do not agree on what they can take, as Envoys of several versions: nobody pays for what another one refuses,
// and nobody stays behind. What a real Envoy does when it is told to come again is in fleet-envoy.test.ts.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { envoyDialect } from '../../src/engines/envoy/dialect.ts';
import { order, types } from '../../src/engines/envoy/names.ts';
import { type Fleet, type FleetOptions, startFleet } from '../../src/engines/stream/fleet/fleet.ts';
import type { TlsMaterial } from '../../src/engines/stream/credentials.ts';
import type { LeftOut } from '../../src/routing/engine.ts';
import type { BindReport } from '../../src/routing/model.ts';
import { Rows } from '../../src/routing/rows.ts';
import type { Update } from '../../src/routing/update.ts';
import { everything, modelOf, ruleOf } from './fleet-fixture.ts';
import { gatewayMaterial, RawClient, serverMaterial } from './stream-fixture.ts';
import { type Authority, authority } from './tls-certificates.ts';
import { eventually } from '../eventually.ts';

const gateway = 'ns/mine';
const bind = `${gateway}:80/tcp`;

let ca: Authority;
before(async () => {
  ca = await authority('fleet');
});

const opened: { close(): unknown }[] = [];
after(async () => {
  for (const each of opened) await each.close();
});

interface Setting {
  readonly fleet: Fleet;
  readonly reports: BindReport[];
  readonly leftOut: LeftOut[];
  readonly logged: string[];
}

async function fleetWith(more: Partial<FleetOptions> = {}): Promise<Setting> {
  const material = await serverMaterial(ca);
  const setting: Omit<Setting, 'fleet'> = { reports: [], leftOut: [], logged: [] };
  const fleet = await startFleet({
    address: '127.0.0.1',
    port: 0,
    credentials: () => material,
    onReport: (_, report) => setting.reports.push(report),
    onLeftOut: (rows) => setting.leftOut.push(...rows),
    log: ({ message }) => setting.logged.push(message),
    dialect: envoyDialect(),
    ...more,
  });
  opened.push(fleet);
  return { fleet, ...setting };
}

/** Comes back with what it has when its stream ends, as Envoys do. */
class Node {
  /** Octets as text and version, by type and name. */
  readonly have = new Map<string, Map<string, { readonly text: string; readonly version: string }>>();
  /** Names of what it took, response by response, since it was cleared. */
  readonly took: string[][] = [];
  streams = 0;
  /** Told of each state that is in force. */
  onState: () => void = () => {};
  readonly #id: string;
  readonly #cannotStand: string;
  readonly #connect: () => RawClient;
  #client: RawClient | undefined;
  #closed = false;

  constructor(id: string, to: { readonly port: number; readonly material: TlsMaterial }, cannotStand: string) {
    this.#id = id;
    this.#cannotStand = cannotStand;
    for (const typeUrl of order) this.have.set(typeUrl, new Map());
    this.#connect = () =>
      new RawClient(`127.0.0.1:${to.port}`, to.material, {
        refusal: ({ typeUrl, resources, removed }) => {
          const texts = resources.map(({ bytes }) => Buffer.from(bytes).toString('latin1'));
          if (texts.some((text) => text.includes(this.#cannotStand))) return `there is ${this.#cannotStand} in it`;
          const rows = this.have.get(typeUrl);
          resources.forEach(({ name, version }, at) => rows?.set(name, { text: texts[at] ?? '', version }));
          for (const name of removed) rows?.delete(name);
          if (resources.length + removed.length > 0) this.took.push(resources.map(({ name }) => name));
          this.onState();
          return undefined;
        },
      });
    this.#begin();
  }

  #begin(): void {
    if (this.#closed) return;
    const client = this.#connect();
    this.#client = client;
    this.streams++;
    for (const typeUrl of order) {
      const versions = [...(this.have.get(typeUrl) ?? [])].map(([name, { version }]) => [name, version] as const);
      client.ask(typeUrl, [], { node: { id: this.#id, agent: 'test 1' }, initialVersions: new Map(versions) });
    }
    void client.ended.then(() => {
      client.close();
      setTimeout(() => this.#begin(), 20);
    });
  }

  /** Of routes. */
  serves(word: string): boolean {
    return [...(this.have.get(types.routes)?.values() ?? [])].some(({ text }) => text.includes(word));
  }

  close(): void {
    this.#closed = true;
    this.#client?.close();
  }
}

async function nodeOf({ port }: Fleet, id: string, cannotStand = 'nothing at all'): Promise<Node> {
  const node = new Node(id, { port, material: await gatewayMaterial(ca, gateway) }, cannotStand);
  opened.push(node);
  return node;
}

function model(): Update {
  const rows = new Rows();
  rows.apply({ version: 1, ...modelOf({ gateway, port: 1, backendPort: 2, routes: 4 }) });
  return rows.all();
}

function rule(name: string, value: string): Update {
  return { version: 2, rules: everything(ruleOf(gateway, name, `${gateway}|ns/${name}:80|`, value)) };
}

const row = { table: 'rules', key: `${gateway}|HTTPRoute/ns/r1|0`, gateway } as const;

test('what one of several refuses is left out for that one alone, and told, until the row is another one', async () => {
  const leader = await fleetWith();
  const { fleet, reports, logged } = await fleetWith({ apartFor: 300, absence: 10_000 });
  fleet.relayTo(`127.0.0.1:${leader.fleet.port}`);
  const { leftOut } = leader;
  await fleet.apply(model());
  const [good, odd] = [await nodeOf(fleet, 'good'), await nodeOf(fleet, 'odd', 'poison')];
  await eventually(() => reports.length === 1 && odd.serves('/r0'), 'both have everything');
  await fleet.apply(rule('r0', 'zero'));
  await eventually(() => good.serves('zero') && odd.serves('zero'), 'both have a change');
  good.took.length = 0;
  good.onState = () => assert.ok(good.serves('zero'));
  odd.onState = () => assert.ok(odd.serves('zero'), 'what it had stays in force while somebody is looked for');
  await fleet.apply(rule('r1', 'poison'));
  await eventually(() => leftOut.length === 1, 'it is told');
  assert.deepEqual(leftOut, [{ ...row, faults: [{ effect: 'dropped', reason: 'there is poison in it' }] }]);
  assert.ok(good.serves('poison') && !odd.serves('poison'));
  assert.equal(good.took.length, 1, 'it was told of the change, and of nothing else');
  assert.equal(logged.filter((line) => line.includes('refused')).length, 2, logged.join('\n'));
  // It does not stay behind.
  await fleet.apply(rule('r2', 'second'));
  await eventually(() => good.serves('second') && odd.serves('second'), 'both have what came since');
  await new Promise((resolve) => setTimeout(resolve, 400));
  assert.deepEqual([good.streams, odd.streams], [1, 2], 'told apart for as long as something is left out');
  await fleet.apply(rule('r1', 'mended'));
  await eventually(() => leftOut.length === 2, 'it is withdrawn');
  assert.deepEqual(leftOut.at(-1), { ...row, faults: [] });
  await eventually(() => good.serves('mended') && odd.serves('mended'), 'both have it');
  odd.took.length = 0;
  await eventually(() => odd.streams === 3, 'it is no longer told apart');
  await eventually(() => fleet.nodes(gateway).every(({ revision }) => revision > 0), 'it is back');
  assert.deepEqual(odd.took, [], 'with all that there is');
  await fleet.apply(rule('r3', 'third'));
  await eventually(() => good.serves('third') && odd.serves('third'), 'both have what comes');
  assert.equal(fleet.nodes(gateway).length, 2);
  assert.deepEqual([reports, leftOut.length, good.streams], [[{ bind, state: 'serving' }], 2, 1]);
});

test('a second one that refuses something else is told apart with the first, and so is one that comes later', async () => {
  const { fleet, reports, leftOut } = await fleetWith({ absence: 10_000 });
  await fleet.apply(model());
  const good = await nodeOf(fleet, 'good');
  const [one, two] = [await nodeOf(fleet, 'one', 'poison'), await nodeOf(fleet, 'two', 'dirt')];
  await eventually(() => reports.length === 1 && one.serves('/r0') && two.serves('/r0'), 'all have everything');
  await fleet.apply(rule('r1', 'poison'));
  await eventually(() => leftOut.length === 1, 'the first is told');
  await fleet.apply(rule('r2', 'dirt'));
  await eventually(() => leftOut.length === 2, 'the second is told');
  assert.deepEqual(
    leftOut.map(({ key, faults }) => [key, faults[0]?.reason]),
    [
      [row.key, 'there is poison in it'],
      [row.key.replace('r1', 'r2'), 'there is dirt in it'],
    ],
  );
  const late = await nodeOf(fleet, 'late', 'dirt');
  await eventually(
    () => late.streams === 2 && late.serves('/r0') && !late.serves('dirt'),
    'the third has all the rest',
  );
  await fleet.apply(rule('r3', 'third'));
  const all = [good, one, two, late];
  await eventually(() => all.every((node) => node.serves('third')), 'all have what came since');
  assert.deepEqual(
    all.map((node) => [node.serves('poison'), node.serves('dirt')]),
    [
      [true, true],
      [false, false],
      [false, false],
      [false, false],
    ],
  );
});

test('one that comes when the others have gone, and refuses what they took, has the rest all the same', async () => {
  const { fleet, reports, leftOut } = await fleetWith({ absence: 10_000 });
  await fleet.apply(model());
  const old = await nodeOf(fleet, 'same');
  await eventually(() => reports.length === 1);
  await fleet.apply(rule('r1', 'poison'));
  old.close();
  await eventually(() => fleet.nodes(gateway).length === 0);
  const next = await nodeOf(fleet, 'same', 'poison');
  await eventually(() => leftOut.length === 1, 'it is told');
  assert.deepEqual(leftOut, [{ ...row, faults: [{ effect: 'dropped', reason: 'there is poison in it' }] }]);
  assert.ok(next.serves('/r0') && !next.serves('poison'));
});
