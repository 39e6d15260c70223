import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RE2JS } from 're2js';
import { kindsOf } from './kinds.ts';
import { compilePattern, known } from './patterns.ts';
import type { Schema } from './schema.ts';

/** Characters that the patterns tell apart, and some that engines see differently. */
const characters = fc.constantFrom(..."aZ09-._~*/:%$!#[] \t\n\r\\`|+(é\u2028\u{1f600}@=Ff&'".match(/./gsu)!);
const pieces = fc.constantFrom(
  'a',
  'example',
  '.com',
  '*.',
  '/',
  '%2F',
  '%g',
  'a b',
  '-',
  'A1',
  '10s',
  '1h',
  'ms',
  '::',
);
const texts = fc.array(fc.oneof(characters, pieces), { maxLength: 8 }).map((parts) => parts.join(''));

for (const [pattern, { equal }] of known) {
  if (equal === undefined) continue;
  test(`the equal of ${pattern}`, () => {
    const re2 = RE2JS.compile(pattern);
    const accepts = compilePattern(pattern);
    fc.assert(
      fc.property(texts, (text) => accepts(text) === re2.test(text)),
      { numRuns: 1500 },
    );
  });

  test(`${pattern} takes linear time`, () => {
    const accepts = compilePattern(pattern);
    for (const part of ['a', 'a.', 'a-', 'a\t', '!', '%aa', '*.']) {
      const started = performance.now();
      assert.equal(accepts(`${part.repeat(50_000)}\u0000`), false);
      assert.ok(performance.now() - started < 500, `${part} repeated`);
    }
  });
}

test('a pattern of RE2 that JavaScript does not have, or sees differently', () => {
  assert.equal(compilePattern(String.raw`^(?i)\.?[a-z_]+$`)('.FOO'), true);
  assert.equal(compilePattern('a.c')('a\u2028c'), true);
  // Exponential on a backtracking engine.
  assert.equal(compilePattern('^(a+)+$')(`${'a'.repeat(5000)}!`), false);
});

test('every pattern with words or an equal stands in a schema', () => {
  const found = new Set<string>();
  const walk = (schema: Schema): void => {
    if (schema.pattern !== undefined) found.add(schema.pattern);
    for (const each of Object.values(schema.properties ?? {})) walk(each);
    if (schema.items !== undefined) walk(schema.items);
    if (typeof schema.additionalProperties === 'object') walk(schema.additionalProperties);
  };
  for (const kind of kindsOf('experimental').values()) for (const { schema } of kind.versions) walk(schema);
  assert.deepEqual(
    [...known.keys()].filter((pattern) => !found.has(pattern)),
    [],
  );
});
