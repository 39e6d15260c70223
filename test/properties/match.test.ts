// The compiled matcher against the oracle, on generated models and requests; built at once and piece by piece.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Entry, Match, PathMatch, ValueMatch, VirtualHost } from '../../src/routing/model.ts';
import { HostTable } from '../../src/routing/match/frontends.ts';
import { VirtualHostMatcher } from '../../src/routing/match/matcher.ts';
import { compareEntries, decidingStep } from '../../src/routing/match/precedence.ts';
import { oracle, type OracleRequest } from '../oracle/oracle.ts';

const hostname = fc.constantFrom(
  '',
  'example.com',
  '*.example.com',
  'a.example.com',
  '*.a.example.com',
  'b.a.example.com',
);
const element = fc.constantFrom('a', 'b', 'ab', 'Svc', '', 'c', '%C3%A9');
const path = fc.array(element, { minLength: 1, maxLength: 4 }).map((elements) => `/${elements.join('/')}`);
/** Now and then a rank of a dialect of its own, which goes above the path. */
const explicit = fc.option(fc.integer({ min: -1, max: 3 }), { freq: 3, nil: undefined });
/** Enough prefixes in some models to have them looked up by length. */
const many = { maxLength: 40, size: 'max' } as const;
const pathMatch: fc.Arbitrary<PathMatch> = fc.oneof(
  path.map((value) => ({ type: 'exact', value }) as const),
  path.map((value) => ({ type: 'prefix', value: value.length > 1 ? value.replace(/\/$/, '') || '/' : '/' }) as const),
  fc.constantFrom('/a.*', '/(a|b)/.*', '/[ab]+', '.*').map((value) => ({ type: 'regex', value }) as const),
  fc.constantFrom('a', 'b').map((value) => ({ type: 'grpc-method', value }) as const),
);
const valueMatch: fc.Arbitrary<ValueMatch> = fc.record({
  type: fc.constantFrom('exact', 'regex'),
  name: fc.constantFrom('x', 'y'),
  value: fc.constantFrom('1', '2'),
});
const values = fc.uniqueArray(valueMatch, { maxLength: 2, selector: (value) => value.name });
const match: fc.Arbitrary<Match> = fc
  .record({
    grpc: fc.boolean(),
    path: pathMatch,
    method: fc.option(fc.constantFrom('GET', 'POST')),
    headers: values,
    query: values,
  })
  .map(({ grpc, method, path: taken, headers, query }) => ({
    protocol: grpc || taken.type === 'grpc-method' ? 'grpc' : 'http',
    path: taken,
    headers,
    query,
    ...(method === null ? {} : { method }),
  }));

/** Hosts of one frontend; every entry has a rank of its own. */
const model: fc.Arbitrary<VirtualHost[]> = fc
  .uniqueArray(
    fc.record({
      hostname,
      matches: fc.array(
        fc.record({
          match,
          created: fc.constantFrom('', '2024-05-01T00:00:00Z', '2025-05-01T00:00:00Z'),
          original: hostname,
          explicit,
        }),
        many,
      ),
      ranked: fc.boolean(),
    }),
    {
      maxLength: 4,
      selector: (host) => host.hostname,
    },
  )
  .map((hosts) =>
    hosts.map((host) => ({
      key: `f|${host.hostname}`,
      frontend: 'f',
      hostname: host.hostname,
      entries: host.matches.map((each, at) => ({
        rule: `g|r${at}|0`,
        match: each.match,
        rank: {
          hostname: each.original,
          created: each.created,
          route: `ns/r${String(at).padStart(2, '0')}`,
          rule: 0,
          match: at,
          ...(host.ranked && each.explicit !== undefined ? { explicit: each.explicit } : {}),
        },
      })),
    })),
  );

const request: fc.Arbitrary<OracleRequest> = fc.record({
  host: fc.constantFrom('example.com', 'a.example.com', 'b.a.example.com', 'c.b.a.example.com', 'other.org'),
  path,
  method: fc.constantFrom('GET', 'POST'),
  grpc: fc.boolean(),
  headers: fc.dictionary(fc.constantFrom('x', 'y'), fc.constantFrom('1', '2'), { noNullPrototype: true }),
  query: fc.dictionary(fc.constantFrom('x', 'y'), fc.constantFrom('1', '2'), { noNullPrototype: true }),
});

function compile(hosts: readonly VirtualHost[]): HostTable<VirtualHostMatcher> {
  const table = new HostTable<VirtualHostMatcher>();
  for (const host of hosts) {
    const matcher = new VirtualHostMatcher();
    for (const entry of host.entries) matcher.insert(entry);
    table.set(host.hostname, matcher);
  }
  return table;
}

function ask(table: HostTable<VirtualHostMatcher>, asked: OracleRequest): Entry | undefined {
  const lazily = {
    ...asked,
    header: (name: string) => asked.headers[name],
    query: (name: string) => asked.query[name],
  };
  return table.find(asked.host, (matcher) => matcher.match(lazily));
}

test('the compiled matcher takes what the oracle takes', () => {
  fc.assert(
    fc.property(model, fc.array(request, { minLength: 1, maxLength: 12 }), (hosts, requests) => {
      const table = compile(hosts);
      for (const asked of requests) assert.deepEqual(ask(table, asked), oracle(hosts, asked));
    }),
    { numRuns: 400 },
  );
});

test('a matcher changed piece by piece is the one built at once', () => {
  fc.assert(
    fc.property(model, model, fc.array(request, { minLength: 1, maxLength: 6 }), (first, second, requests) => {
      const table = compile(first);
      const before = new Map(first.map((host) => [host.hostname, host.entries]));
      for (const host of second) {
        const matcher = table.get(host.hostname) ?? new VirtualHostMatcher();
        for (const entry of host.entries) matcher.insert(entry);
        for (const entry of before.get(host.hostname) ?? []) matcher.remove(entry);
        before.delete(host.hostname);
        table.set(host.hostname, matcher);
      }
      for (const gone of before.keys()) table.delete(gone);
      for (const asked of requests) assert.deepEqual(ask(table, asked), oracle(second, asked));
    }),
    { numRuns: 300 },
  );
});

test('the order of entries is total, and its steps are those that explain names', () => {
  fc.assert(
    fc.property(model, fc.infiniteStream(fc.nat()), (hosts, keys) => {
      for (const { entries } of hosts) {
        for (const a of entries) {
          for (const b of entries) {
            assert.equal(Math.sign(compareEntries(a, b)) + Math.sign(compareEntries(b, a)), 0);
            assert.equal(decidingStep(a, b) === undefined, a === b);
          }
        }
        // One order whatever the order of arrival: it has no cycles.
        const shuffled = entries.map((entry) => ({ entry, key: keys.next().value })).sort((a, b) => a.key - b.key);
        assert.deepEqual(shuffled.map(({ entry }) => entry).sort(compareEntries), entries.toSorted(compareEntries));
      }
    }),
    { numRuns: 60 },
  );
});
