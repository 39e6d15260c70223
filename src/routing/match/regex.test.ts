import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkRegex, compileRegex, leadingLiteral } from './regex.ts';

test('the whole value has to match', () => {
  assert.ok(compileRegex('/a[0-9]+').test('/a12'));
  assert.ok(!compileRegex('/a[0-9]+').test('/a12/b'));
  assert.ok(!compileRegex('/a[0-9]+').test('/x/a12'));
  assert.ok(compileRegex('a|ab').test('ab'));
  assert.ok(!compileRegex('a|b').test('ab'));
  assert.ok(compileRegex('^/a$').test('/a'));
});

test('letters in either case, beyond ASCII too', () => {
  assert.ok(compileRegex('(?i)/Some.*').test('/sOME/x'));
  assert.ok(!compileRegex('(?i)/some.*').test('/other'));
  assert.ok(!compileRegex('(?i)/some.*').test('/so'));
  // U+017F and U+212A fold to s and k.
  assert.ok(compileRegex('(?i)/some.*').test('/\u017fome'));
  assert.ok(compileRegex('(?i)k').test('\u212a'));
});

test('what is not RE2 is said, never thrown, and matches nothing', () => {
  for (const pattern of ['(', 'a)b', '[z-a]', '(?<=a)b', '\\1', 'a{2000}', 'x'.repeat(1025)]) {
    assert.notEqual(checkRegex(pattern), undefined, pattern.slice(0, 20));
    assert.ok(!compileRegex(pattern).test(pattern));
  }
  assert.equal(checkRegex('/users/[0-9]+(/.*)?'), undefined);
});

const literals: readonly [pattern: string, expected: string][] = [
  ['/api/v[0-9]+', '/api/v'],
  ['^/api/.*', '/api/'],
  ['/apis?/x', '/api'],
  ['/a+', '/'],
  ['/a{0,1}', '/'],
  ['/a*', '/'],
  ['/a(?i)*', '/'],
  ['/a\\Q\\E*', '/'],
  ['/a(b)*', '/a'],
  ['/a\\.b', '/a'],
  ['/a$', '/a'],
  ['/a|/b', ''],
  ['(?i)/Api/v[0-9]', '/api/v'],
  ['(?i)^/A', '/a'],
  ['(?i)a*', ''],
  ['(?s)/a', ''],
  ['\\/a', ''],
  ['', ''],
  ['/plain', '/plain'],
];
for (const [pattern, expected] of literals)
  test(`every match of ${pattern} begins with ${expected}`, () => assert.equal(leadingLiteral(pattern), expected));

test('a pattern made for backtracking takes no time to speak of', () => {
  const start = performance.now();
  assert.ok(!compileRegex('(a+)+b').test('a'.repeat(20_000)));
  assert.ok(performance.now() - start < 1000);
});
