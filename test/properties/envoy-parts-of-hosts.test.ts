// Whatever came and went before, each path finds in Envoy's tables the routes that take it, in the order of precedence: by tables of
// several hosts, by those of one host, by all parts of one, and by none that nobody leads to. And a number of parts stays for a while.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { codec } from '../../src/engines/envoy/encode.ts';
import { HostEntries, partOfPath, type Split, type Splitting } from '../../src/engines/envoy/host-entries.ts';
import { defaultLimits } from '../../src/engines/envoy/limits.ts';
import { messageOf, types } from '../../src/engines/envoy/names.ts';
import { shardOf, tableName } from '../../src/engines/envoy/route-tables.ts';
import { Translation } from '../../src/engines/envoy/translation.ts';
import type { Message } from '../../src/engines/envoy/tree.ts';
import { takesPath } from '../../src/routing/match/conditions.ts';
import { compareEntries } from '../../src/routing/match/precedence.ts';
import type { Entry, PathMatch } from '../../src/routing/model.ts';
import type { Update } from '../../src/routing/update.ts';
import { entryOf, ruleOf, updateOf } from '../features/engine-fixture.ts';

const BIND = 'test/gateway:80/tcp';
const FRONTEND = 'test/gateway/http';
const hosts = ['a.test', 'b.test', '*.test', ''] as const;
const splitting: Splitting = { from: 4, share: 3, parts: [2, 4, 8], crowd: 2 };

const paths: readonly PathMatch[] = [
  { type: 'prefix', value: '/' },
  { type: 'regex', value: '/a/.*' },
  ...['/a', '/b', '/a/b', '/a/c', '/b/c', '/c/d', '/a/b/c', '/a/b/d', '/b/c/d', '/c/d/e', '/d/e/f', '/e/f/g'].flatMap(
    (value): readonly PathMatch[] => [
      { type: 'prefix', value },
      { type: 'exact', value },
    ],
  ),
];
const asked = ['/', '/a', '/a/b', '/a/b/c', '/a/b/c/d', '/b/c', '/b/c/d/e', '/c/d/e', '/d/e/f', '/e/f/g', '/f'];

interface Row {
  readonly host: string;
  readonly entry: Entry;
}

/** Each of them is there or not. */
const rows: readonly Row[] = hosts.flatMap((host) =>
  paths.map((path, index): Row => {
    const key = `test/gateway|HTTPRoute/test/${host.replace('*', 'any') || 'every'}-${index}|0`;
    return { host, entry: { ...entryOf({ host, match: { path } }, key, index), rule: key } };
  }),
);

function changeOf(toggled: readonly number[], standing: Set<number>): Update {
  const came: Row[] = [];
  const went: Row[] = [];
  for (const index of new Set(toggled)) {
    const row = rows[index] as Row;
    if (standing.delete(index)) went.push(row);
    else {
      standing.add(index);
      came.push(row);
    }
  }
  return {
    version: 2,
    rules: {
      set: came.map(({ entry }) => ruleOf({ backends: [{ to: 'x' }] }, entry.rule)),
      delete: went.map(({ entry }) => entry.rule),
    },
    virtualHosts: hosts.flatMap((hostname) => {
      const of = (list: readonly Row[]): readonly Entry[] =>
        list.flatMap(({ host, entry }) => (host === hostname ? entry : []));
      const [inserted, removed] = [of(came), of(went)];
      if (inserted.length + removed.length === 0) return [];
      return [{ key: `${FRONTEND}|${hostname}`, frontend: FRONTEND, hostname, inserted, removed }];
    }),
  };
}

/** Of the tables that stand, decoded. */
class Tables {
  readonly #bytes = new Map<string, Uint8Array>();
  readonly #decoded = new WeakMap<Uint8Array, readonly Message[]>();
  readonly visited = new Set<string>();

  apply(changes: ReturnType<Translation['apply']>): void {
    for (const { typeUrl, set, remove } of [...changes.values()].flat()) {
      if (typeUrl !== types.routes) continue;
      for (const name of remove) assert.ok(this.#bytes.delete(name), name);
      for (const { name, bytes } of set) this.#bytes.set(name, bytes);
    }
  }

  names(): readonly string[] {
    return [...this.#bytes.keys()];
  }

  /** The rules of the routes that a request can meet, in their order; undefined: no such host. */
  rulesFor(host: string, path: string): readonly string[] | undefined {
    const found = this.#host(tableName(BIND, shardOf(host)), host) ?? this.#host(tableName(BIND, 'patterns'), host);
    if (found === undefined) return undefined;
    const told = (found['metadata'] as { filter_metadata: Record<string, Message> }).filter_metadata;
    const { parts, depth, of } = Object.values(told)[0] ?? {};
    if (typeof parts !== 'string') return rulesIn(found);
    const split: Split = { depth: Number(depth), parts: Number(of) };
    for (let part = 0; part < split.parts; part++) this.visited.add(`${parts}${part}`);
    const inPart = this.#host(`${parts}${partOfPath(path, split)}`, host);
    assert.ok(inPart !== undefined, `${host}${path} leads nowhere`);
    return rulesIn(inPart);
  }

  #host(table: string, host: string): Message | undefined {
    const bytes = this.#bytes.get(table);
    if (bytes === undefined) return undefined;
    this.visited.add(table);
    const decoded = (): unknown => codec.decode(messageOf(types.routes), bytes)['virtual_hosts'] ?? [];
    const all = this.#decoded.get(bytes) ?? (decoded() as readonly Message[]);
    this.#decoded.set(bytes, all);
    const named = (domain: string): Message | undefined =>
      all.find(({ domains }) => (domains as readonly string[]).includes(domain));
    return named(host) ?? named(`*${host.slice(host.indexOf('.'))}`) ?? named('*');
  }
}

function rulesIn({ routes }: Message): readonly string[] {
  return (routes as readonly { name: string }[]).map(({ name }) => name.slice(0, name.lastIndexOf('|')));
}

/** What takes the path, the first first. */
function expected(standing: ReadonlySet<number>, host: string, path: string): readonly string[] {
  const order = host === '' ? [''] : [...new Set([host, '*.test', ''])];
  return [...standing]
    .map((index) => rows[index] as Row)
    .filter((row) => order.includes(row.host) && takesPath(row.entry.match.path, path))
    .sort((a, b) => order.indexOf(a.host) - order.indexOf(b.host) || compareEntries(a.entry, b.entry))
    .map(({ entry }) => entry.rule);
}

test('each path finds its routes in their order, whatever came and went', () => {
  const steps = fc.array(fc.array(fc.nat(rows.length - 1), { minLength: 1, maxLength: 30 }), {
    minLength: 1,
    maxLength: 8,
  });
  let inParts = 0;
  fc.assert(
    fc.property(steps, (changes) => {
      const tables = new Tables();
      const common = { trustedHops: 0, requestIds: true, sharesPorts: false, accessLog: '', systemTrust: '' };
      const translation = new Translation({ ...common, limits: defaultLimits, splitting });
      tables.apply(translation.apply(updateOf({ port: 8080, routes: [] })));
      const standing = new Set<number>();
      for (const toggled of changes) {
        tables.apply(translation.apply(changeOf(toggled, standing)));
        tables.visited.clear();
        for (const host of ['a.test', 'b.test', 'c.test', 'other']) {
          for (const path of asked) {
            const found = tables.rulesFor(host, path) ?? [];
            const taking = found.filter((rule) => {
              const row = rows.find(({ entry }) => entry.rule === rule);
              return row !== undefined && takesPath(row.entry.match.path, path);
            });
            const of = host === 'other' ? '' : host === 'c.test' ? '*.test' : host;
            assert.deepEqual(taking, expected(standing, of, path), `${host}${path}`);
          }
        }
        const known = tables.names().filter((name) => name.includes('/host/'));
        inParts += known.length;
        for (const name of known) assert.ok(tables.visited.has(name), `nobody leads to ${name}`);
      }
    }),
    { numRuns: 60 },
  );
  assert.ok(inParts > 100);
});

test('a host that grows and shrinks by one at an edge stays in as many parts', () => {
  const entries = new HostEntries();
  const placed = Array.from({ length: 40 }, (_, at) => ({
    entry: entryOf({ host: 'a.test', path: `/at-${at}/b/c` }, `rule-${at}`, at),
    hostname: 'a.test',
    routes: undefined,
    named: false,
    told: false,
  }));
  const parts = (): number | undefined => entries.split([], splitting)?.parts;
  const seen = (from: number, to: number): ReadonlyMap<number, number | undefined> => {
    const found = new Map<number, number | undefined>();
    for (let at = from; at < to; at++) {
      entries.insert(placed[at] as (typeof placed)[number]);
      found.set(entries.size, parts());
    }
    for (let at = from - 1; at >= to; at--) {
      entries.remove((placed[at] as (typeof placed)[number]).entry);
      found.set(entries.size, parts());
    }
    return found;
  };
  const edges = (found: ReadonlyMap<number, number | undefined>): unknown =>
    [...found].filter(([size, each], at, all) => at === 0 || each !== all[at - 1]?.[1] || size === 0);
  // Twice and four times as many from 4 and 8 entries on.
  assert.deepEqual(edges(seen(0, 40)), [
    [1, undefined],
    [4, 4],
    [8, 8],
  ]);
  assert.deepEqual(edges(seen(40, 8)), [[39, 8]]);
  assert.deepEqual(edges(seen(8, 7)), [[7, 8]]);
  assert.deepEqual(edges(seen(7, 9)), [[8, 8]]);
  assert.deepEqual(edges(seen(9, 0)), [
    [8, 8],
    [3, undefined],
    [0, undefined],
  ]);
  // What comes back stands where it stood.
  seen(0, 40);
  assert.deepEqual(
    entries.all().map(({ entry }) => entry.rule),
    placed
      .map(({ entry }) => entry)
      .sort(compareEntries)
      .map(({ rule }) => rule),
  );
});
