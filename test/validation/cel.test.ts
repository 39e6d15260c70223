// The compiled CEL rules against cel-js, which evaluates the same text its own way: on every rule of the schemas and on
// values that have the right structure for the place where it stands, both say the same.
import assert from 'node:assert/strict';
import { isIPv4, isIPv6 } from 'node:net';
import { test } from 'node:test';
import { Environment } from '@marcbachmann/cel-js';
import fc from 'fast-check';
import { RE2JS } from 're2js';
import { celCheck } from '../../src/api/cel/rules.ts';
import { compileSchema } from '../../src/api/compile-schema.ts';
import { kindsOf } from '../../src/api/kinds.ts';
import { isDns1123Subdomain, isQualifiedName } from '../../src/api/names.ts';
import type { Schema } from '../../src/api/schema.ts';
import { valueOf } from './objects.ts';

/** Where each rule stands first. */
const rules = new Map<string, Schema>();
for (const channel of ['standard', 'experimental'] as const) {
  for (const kind of kindsOf(channel).values()) for (const { schema } of kind.versions) collect(schema);
}

function collect(schema: Schema): void {
  for (const { rule } of schema['x-kubernetes-validations'] ?? []) {
    if (!rule.includes('oldSelf') && !rules.has(rule)) rules.set(rule, schema);
  }
  for (const each of Object.values(schema.properties ?? {})) collect(each);
  if (schema.items !== undefined) collect(schema.items);
  if (typeof schema.additionalProperties === 'object') collect(schema.additionalProperties);
}

/** Stands for Kubernetes' `format` library, whose values have no counterpart in cel-js. */
class Formats {
  readonly name = 'format';
}

const environment = new Environment({ limits: { maxAstNodes: 10_000 } })
  .registerVariable('self', 'dyn')
  .registerType('Formats', Formats)
  .registerFunction('string.matchesRe2(string): bool', (text: string, pattern: string) =>
    RE2JS.compile(pattern).test(text),
  )
  .registerFunction('hasField(dyn, string): bool', (object: unknown, name: string) =>
    Object.hasOwn(object as object, name),
  )
  .registerFunction('isIP(string): bool', (text: string) => isIPv4(text) || (isIPv6(text) && !/^::ffff:/i.test(text)))
  .registerFunction('isDns1123Subdomain(string): bool', isDns1123Subdomain)
  .registerFunction('isQualifiedName(string): bool', isQualifiedName);

/** What cel-js spells differently or does not have. */
function spelt(rule: string): string {
  return rule
    .replaceAll(/\.__([a-z]+)__/g, '.$1')
    .replaceAll('.matches(', '.matchesRe2(')
    .replaceAll(/\bhas\(([\w.]+\[\d+\][\w.[\]]*)\.(\w+)\)/g, 'hasField($1, "$2")')
    .replaceAll(
      /!format\.(\w+)\(\)\.validate\((self\.split\('\/'\)\[0\]|\w+)\)\.hasValue\(\)/g,
      (_, name: string, of: string) => `is${name.charAt(0).toUpperCase()}${name.slice(1)}(${of})`,
    );
}

/** cel-js tells an int from a double by its JavaScript type. */
function ints(value: unknown): unknown {
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(ints);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, ints(each)]));
}

function witness(rule: string): (self: unknown) => boolean {
  const evaluate = environment.parse(spelt(rule));
  return (self) => {
    try {
      return evaluate({ self: ints(self) }) === true;
    } catch {
      return false;
    }
  };
}

for (const [rule, schema] of rules) {
  test(`cel-js agrees: ${rule.slice(0, 120)}`, () => {
    const check = celCheck({ rule });
    const witnessed = witness(rule);
    const structure = compileSchema(schema);
    let compared = 0;
    fc.assert(
      fc.property(valueOf(schema), (given) => {
        const { value, problems } = structure(given);
        // No rule is evaluated on a value of the wrong structure. cel-js takes a field called `constructor` for its own.
        if (problems.some(({ rule }) => structural.has(rule)) || JSON.stringify(value).includes('"constructor"'))
          return;
        compared++;
        assert.equal(check(value), witnessed(value));
      }),
      { numRuns: 80 },
    );
    assert.ok(compared > 10, `only ${compared} of 80 values had the right structure`);
  });
}

const structural: ReadonlySet<string> = new Set(['type', 'required', 'enum', 'maxItems', 'maxLength', 'maxProperties']);
