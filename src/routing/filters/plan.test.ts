import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Filter, PathChange } from '../filters.ts';
import { compileHeaderChanges } from './header-changes.ts';
import { changePath } from './path-change.ts';
import { compileFilters } from './plan.ts';
import { redirectLocation, redirectPorts } from './redirect.ts';
import { isMirrored, pickByWeight, shares } from './shares.ts';

const origin = { object: { group: '', kind: 'HTTPRoute', namespace: 'n', name: 'r' }, path: '' };

test('filters of the rule go before those of the backend', () => {
  const rule: Filter[] = [
    { origin, kind: 'request-headers', set: [{ name: 'x-a', value: 'rule' }], add: [], remove: [] },
    { origin, kind: 'rewrite', hostname: 'rule.example', path: { type: 'prefix', prefix: '/v1', value: '/v2' } },
    { origin, kind: 'mirror', cluster: 'c', numerator: 1, denominator: 2 },
  ];
  const backend: Filter[] = [
    { origin, kind: 'request-headers', set: [], add: [{ name: 'X-A', value: 'backend' }], remove: [] },
    { origin, kind: 'rewrite', path: { type: 'prefix', prefix: '/v2', value: '/v3' } },
  ];
  const plan = compileFilters(rule, backend);
  assert.deepEqual(plan.request.appended, ['x-a', 'rule', 'X-A', 'backend']);
  assert.deepEqual([...plan.request.dropped], ['x-a']);
  assert.deepEqual(plan.response.appended, []);
  assert.equal(plan.hostname, 'rule.example');
  assert.equal(plan.paths.reduce(changePath, '/v1/x'), '/v3/x');
  assert.equal(plan.mirrors.length, 1);
  assert.equal(plan.cors, undefined);
});

const changes: readonly [what: string, path: string, change: PathChange, expected: string][] = [
  ['what no path may contain is encoded', '/a', { type: 'full', value: '/b c\r\nX: 1' }, '/b%20c%0D%0AX:%201'],
  ['a question mark begins no query', '/a', { type: 'full', value: '/b?x=1#y' }, '/b%3Fx=1%23y'],
  ['Unicode goes as UTF-8', '/a', { type: 'full', value: '/café' }, '/caf%C3%A9'],
  ['an encoding stays, a lone % does not', '/a', { type: 'full', value: '/100%/%2f' }, '/100%25/%2F'],
  ['dot segments are removed', '/a', { type: 'full', value: '/b/../c' }, '/c'],
  ['a slash is put in front', '/a', { type: 'full', value: 'b' }, '/b'],
  ['nothing is the root', '/a', { type: 'full', value: '' }, '/'],
  ['the prefix / takes every path', '/foo/bar', { type: 'prefix', prefix: '/', value: '/xyz' }, '/xyz/foo/bar'],
  ['a path without the prefix stays', '/foobar', { type: 'prefix', prefix: '/foo', value: '/xyz' }, '/foobar'],
  ['a prefix is compared as paths are', '/caf%C3%A9/x', { type: 'prefix', prefix: '/caf%c3%a9', value: '/c' }, '/c/x'],
  ['groups build no dot segment', '/a/x.y.', { type: 'regex', pattern: '/a/x(.)y(.)', value: '/b/$1$2/c' }, '/c'],
  ['a broken expression changes nothing', '/a', { type: 'regex', pattern: '(', value: '/b' }, '/a'],
  ['an expression begins at the beginning', '/x/a', { type: 'regex', pattern: '/a', value: '/b' }, '/x/a'],
];
for (const [what, path, change, expected] of changes)
  test(`path change: ${what}`, () => assert.equal(changePath(path, change), expected));

test('header values beyond ASCII go as UTF-8; names that are none are left out', () => {
  const plan = compileHeaderChanges([
    {
      set: [{ name: 'x-city', value: 'Zürich €' }],
      add: [{ name: 'x y', value: '1' }],
      remove: [],
    },
  ]);
  assert.equal(Buffer.from(plan.appended[1] as string, 'latin1').toString('utf8'), 'Zürich €');
  assert.equal(plan.appended.length, 2);
});

test('a set that cannot be written does not remove what is there', () => {
  const plan = compileHeaderChanges([{ set: [{ name: 'x-a', value: 'b\n' }], add: [], remove: [] }]);
  assert.equal(plan.dropped.size, 0);
});

test('a redirect without a host is relative and never names one', () => {
  const asked = { scheme: 'http', authority: '', query: '?q', listenerPort: 80, publicPorts: {} } as const;
  assert.equal(redirectLocation({ status: 302, origin }, { ...asked, path: '/a' }), '/a?q');
  assert.equal(redirectLocation({ status: 302, origin }, { ...asked, path: '//evil.org/a' }), '/.//evil.org/a?q');
});

test('both ports of a redirect', () => {
  const asked = { listenerPort: 80, publicPorts: { '443': 8443, '80': 8080 } };
  assert.deepEqual(redirectPorts({ status: 302, origin, scheme: 'https' }, asked), { declared: 443, local: 8443 });
  assert.deepEqual(redirectPorts({ status: 302, origin }, asked), { declared: 80, local: 8080 });
  assert.deepEqual(redirectPorts({ status: 302, origin, port: 9000 }, asked), { declared: 9000, local: 9000 });
});

test('weights: each backend its share, none with 0', () => {
  const weights = [1, 0, 3];
  const counts = [0, 0, 0];
  for (let i = 0; i < 400; i++) {
    const at = pickByWeight(weights, 4, i / 400);
    counts[at] = (counts[at] ?? 0) + 1;
  }
  assert.deepEqual(counts, [100, 0, 300]);
  assert.deepEqual(shares(weights), [0.25, 0, 0.75]);
  assert.equal(pickByWeight([0, 0], 0, 0.5), -1);
  assert.equal(pickByWeight([], 0, 0), -1);
  assert.deepEqual(shares([0, 0]), [0, 0]);
});

test('mirrors: the fraction of the requests', () => {
  const mirrored = (numerator: number, denominator: number) =>
    Array.from({ length: 100 }, (_, i) => isMirrored({ numerator, denominator }, i / 100)).filter(Boolean).length;
  assert.equal(mirrored(20, 100), 20);
  assert.equal(mirrored(1, 2), 50);
  assert.equal(mirrored(0, 100), 0);
  assert.equal(mirrored(100, 100), 100);
});
