import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normalizePath, normalizeTarget } from './path.ts';

const cases: readonly [path: string, expected: string | undefined][] = [
  ['/', '/'],
  ['/a/b', '/a/b'],
  ['/a/./b', '/a/b'],
  ['/a/../b', '/b'],
  ['/../..', '/'],
  ['/a/..', '/'],
  ['/a/b/..', '/a/'],
  ['/a/.', '/a/'],
  ['/a/%2e%2E/b', '/b'],
  ['/a/%2e/b', '/a/b'],
  ['/a/.%2e/b', '/b'],
  ['/.well-known/x', '/.well-known/x'],
  ['/a/...', '/a/...'],
  ['/a..b', '/a..b'],
  ['//a//b', '//a//b'],
  ['/a%2Fb', '/a%2Fb'],
  ['/a%2fb', '/a%2fb'],
  ['/caf%C3%A9', '/caf%C3%A9'],
  ['', undefined],
  ['a', undefined],
  ['/a\\b', undefined],
  ['/a%5cb', undefined],
  ['/a%00', undefined],
  ['/a%0d%0a', undefined],
  ['/a%7f', undefined],
  ['/a%', undefined],
  ['/a%2', undefined],
  ['/a%zz', undefined],
  ['/a#b', undefined],
  ['/a b', undefined],
  ['/%c0%ae', undefined],
  ['/%e0%80%af', undefined],
  ['/%f0%80%80%af', undefined],
  ['/%e0%a4%b9', '/%e0%a4%b9'],
  ['/%ff', undefined],
];

for (const [path, expected] of cases)
  test(`normalizePath ${JSON.stringify(path)}`, () => assert.equal(normalizePath(path), expected));

test('the query is split off and left alone', () => {
  assert.deepEqual(normalizeTarget('/a/../b?x=/../y%00'), { path: '/b', query: '?x=/../y%00' });
  assert.deepEqual(normalizeTarget('/?'), { path: '/', query: '?' });
  assert.equal(normalizeTarget('/%?x'), undefined);
});
