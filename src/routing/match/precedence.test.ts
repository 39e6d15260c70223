import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Entry, Match, PathMatch, Rank } from '../model.ts';
import { compareEntries, decidingStep, type PrecedenceStep } from './precedence.ts';

type Short = Partial<Omit<Match, 'path'>> & Partial<Rank> & { readonly path?: PathMatch; readonly key?: string };

function entry({ protocol = 'http', path, method, headers = [], query = [], key = 'g|k|0', ...rank }: Short): Entry {
  return {
    rule: key,
    match: {
      protocol,
      path: path ?? { type: 'prefix', value: '/' },
      headers,
      query,
      ...(method === undefined ? {} : { method }),
    },
    rank: { hostname: '', created: '', route: 'ns/r', rule: 0, match: 0, ...rank },
  };
}

const one = { type: 'exact', name: 'a', value: '1' } as const;
const prefix = (value: string): PathMatch => ({ type: 'prefix', value });
const exact = (value: string): PathMatch => ({ type: 'exact', value });
const regex = (value: string): PathMatch => ({ type: 'regex', value });

/** The first goes before the second, by this step alone: everything that comes later speaks for the second. */
const rows: readonly [what: string, step: PrecedenceStep, first: Short, second: Short][] = [
  [
    'an exact hostname before a wildcard, although shorter',
    'hostname',
    { hostname: 'a.io' },
    { hostname: '*.example.com', explicit: 9 },
  ],
  ['the longer wildcard', 'hostname', { hostname: '*.b.c' }, { hostname: '*.c', path: exact('/') }],
  ['any hostname before none', 'hostname', { hostname: '*.c' }, { hostname: '', path: exact('/') }],
  ['a rank of its own dialect before the path', 'explicit', { explicit: 1 }, { path: exact('/') }],
  ['a negative rank after all others', 'explicit', { path: prefix('/') }, { explicit: -1, path: exact('/a') }],
  ['a rank of its own dialect before the protocol', 'explicit', { explicit: 1 }, { protocol: 'grpc' }],
  ['a GRPCRoute before an HTTPRoute', 'protocol', { protocol: 'grpc' }, { path: exact('/a') }],
  ['an exact path before a regular expression', 'path', { path: exact('/a') }, { path: regex('/[a-z]{1,9}') }],
  ['a regular expression before a prefix', 'path', { path: regex('/.') }, { path: prefix('/a/long/prefix') }],
  ['the longer regular expression', 'pathLength', { path: regex('/a.*') }, { path: regex('/.*'), method: 'GET' }],
  ['the longer prefix', 'pathLength', { path: prefix('/ab') }, { path: prefix('/a'), method: 'GET' }],
  ['a slash at the end does not count', 'method', { path: prefix('/ab'), method: 'GET' }, { path: prefix('/ab/') }],
  [
    'a gRPC service before a method of any service',
    'pathLength',
    { protocol: 'grpc', path: prefix('/S') },
    { protocol: 'grpc', path: { type: 'grpc-method', value: 'LongMethod' } },
  ],
  [
    'a gRPC method before none',
    'grpcMethod',
    { protocol: 'grpc', path: { type: 'grpc-method', value: 'M' } },
    { protocol: 'grpc', headers: [one] },
  ],
  ['a method before headers', 'method', { method: 'GET' }, { headers: [one, one] }],
  ['more headers before more parameters', 'headers', { headers: [one] }, { query: [one, one] }],
  ['more parameters before age', 'query', { query: [one] }, { created: '2020-01-01T00:00:00Z' }],
  [
    'the older route before the name',
    'created',
    { created: '2024-01-01T00:00:00Z', route: 'z/z' },
    { created: '2024-01-01T00:00:01Z', route: 'a/a' },
  ],
  [
    'ages are times, not texts',
    'created',
    { created: '2024-01-01T12:00:00+02:00', route: 'z/z' },
    { created: '2024-01-01T11:00:00Z', route: 'a/a' },
  ],
  [
    'a known age before an unknown one',
    'created',
    { created: '2030-01-01T00:00:00Z', route: 'z/z' },
    { created: '', route: 'a/a' },
  ],
  ['of two unknown ages the name', 'route', { route: 'a/b', rule: 7 }, { route: 'a/c' }],
  ['the earlier rule', 'rule', { rule: 1, match: 7 }, { rule: 2 }],
  ['two kinds of one name and rule, by the key', 'rule', { key: 'g|A|0', match: 1 }, { key: 'g|B|0' }],
  ['the earlier match', 'match', { match: 1 }, { match: 2 }],
];
for (const [what, step, first, second] of rows) {
  test(`precedence: ${what}`, () => {
    const [a, b] = [entry(first), entry(second)];
    assert.ok(compareEntries(a, b) < 0);
    assert.ok(compareEntries(b, a) > 0);
    assert.equal(decidingStep(a, b), step);
    assert.equal(decidingStep(b, a), step);
  });
}

test('precedence: the same match is no step', () => {
  assert.equal(compareEntries(entry({}), entry({})), 0);
  assert.equal(decidingStep(entry({}), entry({})), undefined);
});
