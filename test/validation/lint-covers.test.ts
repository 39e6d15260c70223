// What lint takes to be certain about matches, held to the naive matcher: what covers, what overlaps, what is never reached.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareEntries } from '../../src/routing/match/precedence.ts';
import type { Entry, Match, PathMatch, ValueMatch } from '../../src/routing/model.ts';
import { covers, overlaps, pathIdentity } from '../../src/tools/lint/covers.ts';
import { EarlierEntries } from '../../src/tools/lint/earlier-entries.ts';
import { oracle, type OracleRequest } from '../oracle/oracle.ts';

const paths = ['/', '/a', '/a/', '/a/b', '/ab', '/a/b/c', '/b', '/Svc/a'];
const pathMatch: fc.Arbitrary<PathMatch> = fc.oneof(
  fc.constantFrom(...paths).map((value) => ({ type: 'exact', value }) as const),
  fc.constantFrom('/', '/a', '/a/b', '/ab', '/b').map((value) => ({ type: 'prefix', value }) as const),
  fc
    .constantFrom('.*', '/.*', '/a.*', '/a/.*', '/a/b', '(?i)/A/.*')
    .map((value) => ({ type: 'regex', value }) as const),
  fc.constantFrom('a', 'b').map((value) => ({ type: 'grpc-method', value }) as const),
);
const value: fc.Arbitrary<ValueMatch> = fc.record({
  type: fc.constantFrom('exact', 'regex'),
  name: fc.constantFrom('x', 'y'),
  value: fc.constantFrom('1', '2', '[12]', '1|2'),
});
const values = fc.uniqueArray(value, { maxLength: 2, selector: ({ name }) => name });
const match: fc.Arbitrary<Match> = fc
  .record({
    protocol: fc.constantFrom('http', 'http', 'grpc'),
    path: pathMatch,
    method: fc.option(fc.constantFrom('GET', 'POST'), { nil: undefined, freq: 2 }),
    headers: values,
    query: values,
  })
  .map(({ protocol, path, method, headers, query }) => ({
    protocol: path.type === 'grpc-method' ? 'grpc' : protocol,
    path,
    headers,
    query,
    ...(method === undefined ? {} : { method }),
  }));
/** Now and then one that is made of the other by adding to it. */
const pair: fc.Arbitrary<readonly [Match, Match]> = fc
  .tuple(match, match, fc.boolean())
  .map(([a, b, derived]) => [a, derived ? { ...b, ...a, headers: [...a.headers, ...b.headers], query: a.query } : b]);
const asked = fc.dictionary(fc.constantFrom('x', 'y'), fc.constantFrom('1', '2', '[12]'), { noNullPrototype: true });
const request: fc.Arbitrary<OracleRequest> = fc
  .record({
    host: fc.constant('example.com'),
    path: fc.constantFrom(...paths, '/A/x', '/Svc/b'),
    method: fc.constantFrom('GET', 'POST'),
    grpc: fc.boolean(),
    headers: asked,
    query: asked,
  })
  .map((request) => (request.grpc ? { ...request, method: 'POST' } : request));

function entryOf(match: Match, at = 0): Entry {
  const route = `ns/r${String(at).padStart(2, '0')}`;
  return { rule: `g|HTTPRoute/${route}|0`, match, rank: { hostname: '', created: '', route, rule: 0, match: 0 } };
}

/** What the naive matcher says of one match. */
function takes(match: Match, request: OracleRequest): boolean {
  return oracle([{ key: 'f|', frontend: 'f', hostname: '', entries: [entryOf(match)] }], request) !== undefined;
}

test('what is covered is taken by what covers it', () => {
  let covered = 0;
  fc.assert(
    fc.property(pair, fc.array(request, { minLength: 12, maxLength: 12 }), ([a, b], requests) => {
      if (!covers(a, b)) return;
      covered++;
      for (const each of requests) if (takes(b, each)) assert.ok(takes(a, each), JSON.stringify(each));
    }),
    { numRuns: 1500 },
  );
  assert.ok(covered > 300, `only ${covered} pairs were covered`);
});

test('what overlaps is taken by both for some request', () => {
  const all: OracleRequest[] = [];
  const some = [undefined, '1', '2'];
  for (const path of [...paths, '/A/x', '/Svc/b'])
    for (const [method, grpc] of [
      ['GET', false],
      ['POST', false],
      ['POST', true],
    ] as const)
      for (const hx of some)
        for (const hy of some)
          all.push({ host: '', path, method, grpc, headers: defined({ x: hx, y: hy }), query: {} });
  let overlapping = 0;
  const plain = match.map((each): Match => ({
    ...each,
    query: [],
    headers: each.headers.filter(({ type, value }) => type === 'regex' || value.length === 1),
  }));
  fc.assert(
    fc.property(plain, plain, (a, b) => {
      if (pathIdentity(a.path) !== pathIdentity(b.path) || !overlaps(a, b)) return;
      overlapping++;
      assert.ok(all.some((each) => takes(a, each) && takes(b, each)));
    }),
    { numRuns: 1500 },
  );
  assert.ok(overlapping > 20, `only ${overlapping} pairs overlapped`);
});

function defined(values: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  );
}

test('the index of earlier entries finds one exactly when a look at all of them would', () => {
  fc.assert(
    fc.property(fc.array(match, { maxLength: 30 }), match, (matches, wanted) => {
      const index = new EarlierEntries();
      matches.forEach((each, at) => index.add(entryOf(each, at)));
      const found = index.covering(wanted);
      assert.equal(
        found !== undefined,
        matches.some((each) => covers(each, wanted)),
      );
      if (found !== undefined) assert.ok(covers(found.match, wanted));
    }),
    { numRuns: 1500 },
  );
});

test('an entry that an earlier one covers never takes a request', () => {
  fc.assert(
    fc.property(
      fc.array(match, { minLength: 2, maxLength: 20 }),
      fc.array(request, { minLength: 8, maxLength: 8 }),
      (matches, requests) => {
        const entries = matches.map(entryOf).toSorted(compareEntries);
        const host = { key: 'f|', frontend: 'f', hostname: '', entries };
        const index = new EarlierEntries();
        const dead = new Set(
          entries.filter((entry) => {
            const covered = index.covering(entry.match) !== undefined;
            index.add(entry);
            return covered;
          }),
        );
        for (const each of requests) {
          const winner = oracle([host], each);
          assert.ok(winner === undefined || !dead.has(winner));
        }
      },
    ),
    { numRuns: 400 },
  );
});
