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
  ['/a/..b/.c', '/a/..b/.c'],
  // Empty segments stay; `..` takes back an empty one (RFC 3986 section 5.2.4).
  ['//a//b', '//a//b'],
  ['/a//../b', '/a/b'],
  // Encoded slashes stay encoded; what hides a dot segment behind one is refused.
  ['/a%2Fb', '/a%2Fb'],
  ['/a%2fb', '/a%2Fb'],
  ['/a/..%2fb', undefined],
  ['/a/b%2f..', undefined],
  ['/a/b%2f%2e%2e/c', undefined],
  ['/a/b%2f.', undefined],
  ['/a/b%2f..c', '/a/b%2F..c'],
  ['/a/..;/b', undefined],
  ['/a/.;x=1/b', undefined],
  ['/a/%2e%2e;/b', undefined],
  ['/a/..%3b/b', undefined],
  ['/a/.%2e%3Bx=1', undefined],
  ['/a/b%3b..', '/a/b%3B..'],
  ['/a;..;/b', '/a;..;/b'],
  ['/a;v=1/b', '/a;v=1/b'],
  // Encodings of unreserved characters are those characters; all others are written in upper case.
  ['/%61%7E%2Db', '/a~-b'],
  ['/caf%C3%A9', '/caf%C3%A9'],
  ['/caf%c3%a9', '/caf%C3%A9'],
  ['/%e0%a4%b9', '/%E0%A4%B9'],
  ['/a%20b%3b', '/a%20b%3B'],
  ['/%252e%252e/a', '/%252e%252e/a'],
  ['/a|b^[c]{d}', '/a|b^[c]{d}'],
  ['', undefined],
  ['a', undefined],
  ['*', undefined],
  ['/a\\b', undefined],
  ['/a%5cb', undefined],
  ['/a%00', undefined],
  ['/a%0d%0a', undefined],
  ['/a%7f', undefined],
  ['/a%', undefined],
  ['/a%2', undefined],
  ['/a%zz', undefined],
  ['/a%u002e', undefined],
  ['/a#b', undefined],
  ['/a b', undefined],
  ['/a"b', undefined],
  ['/caf\u00e9', undefined],
  ['/\u0661', undefined],
  ['/%c0%ae', undefined],
  ['/%e0%80%af', undefined],
  ['/%f0%80%80%af', undefined],
  ['/%ff', undefined],
];

for (const [path, expected] of cases)
  test(`normalizePath ${JSON.stringify(path)}`, () => assert.equal(normalizePath(path), expected));

test('the query is split off and left alone', () => {
  assert.deepEqual(normalizeTarget('/a/../b?x=/../y%00'), { path: '/b', query: '?x=/../y%00' });
  assert.deepEqual(normalizeTarget('/?'), { path: '/', query: '?' });
  assert.deepEqual(normalizeTarget('/?100%'), { path: '/', query: '?100%' });
  assert.equal(normalizeTarget('/%?x'), undefined);
});

test('a query with characters that no URL has is refused', () => {
  for (const bad of ['/?a#b', '/?a b', '/?"', '/?<', '/?\u0000', '/?\u00e9'])
    assert.equal(normalizeTarget(bad), undefined, bad);
});
