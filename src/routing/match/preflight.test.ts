import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Entry, Match } from '../model.ts';
import type { MatchRequest } from './conditions.ts';
import { VirtualHostMatcher } from './matcher.ts';
import { matchPreflight } from './preflight.ts';

const preflight: MatchRequest = {
  path: '/a',
  method: 'OPTIONS',
  grpc: false,
  header: () => undefined,
  query: () => undefined,
};

function ask(matches: Readonly<Record<string, Partial<Match>>>, withCors: readonly string[], method: string) {
  const matcher = new VirtualHostMatcher();
  Object.entries(matches).forEach(([rule, match], at) => {
    const entry: Entry = {
      rule,
      match: { protocol: 'http', path: { type: 'prefix', value: '/' }, headers: [], query: [], ...match },
      rank: { hostname: '', created: '', route: 'ns/r', rule: at, match: 0 },
    };
    matcher.insert(entry);
  });
  return matchPreflight(
    (request) => matcher.match(request),
    preflight,
    method,
    (entry) => withCors.includes(entry.rule),
  )?.rule;
}

test('the rule of the announced request judges its preflight', () => {
  assert.equal(ask({ put: { method: 'PUT' }, rest: {} }, ['put', 'rest'], 'PUT'), 'put');
  assert.equal(ask({ put: { method: 'PUT' }, rest: {} }, ['put', 'rest'], 'GET'), 'rest');
  assert.equal(ask({ put: { method: 'PUT' } }, ['put'], 'PUT'), 'put');
  assert.equal(ask({ put: { method: 'PUT' } }, ['put'], 'DELETE'), undefined);
});

test('without a CORS filter there a preflight is a request like any other', () => {
  assert.equal(ask({ put: { method: 'PUT' }, rest: {} }, ['rest'], 'PUT'), 'rest');
  assert.equal(ask({ put: { method: 'PUT' }, rest: {} }, [], 'PUT'), 'rest');
  assert.equal(ask({ put: { method: 'PUT' } }, [], 'PUT'), undefined);
});

test('a match on OPTIONS wants to answer by itself', () => {
  assert.equal(ask({ options: { method: 'OPTIONS' }, put: { method: 'PUT' } }, ['put'], 'PUT'), 'options');
});
