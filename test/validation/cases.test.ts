// Every CEL rule of every kind refuses something and accepts something, with the words and at the field of the API server.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kindsOf, type Channel, type Kind } from '../../src/api/kinds.ts';
import type { Schema } from '../../src/api/schema.ts';
import { validate, type FieldProblem } from '../../src/api/validate.ts';
import { baseOf, loadCases, type Case } from './cases.ts';

const cases = loadCases();
const channels = ['standard', 'experimental'] as const;

/** Rules that cannot be broken on their own, with the reason. */
const unbreakable: ReadonlyMap<string, string> = new Map([
  ["self.type in ['Exact','PathPrefix'] || self.type == 'RegularExpression'", 'the enum of type refuses first'],
]);

for (const [name, group] of Map.groupBy(cases, ({ file, kind, channel }) => `${file}: ${kind}, ${channel} channel`)) {
  test(name, () => {
    assert.deepEqual(
      group.flatMap((one) => differences(one)),
      [],
    );
  });
}

for (const channel of channels) {
  for (const kind of kindsOf(channel).values()) {
    if (!kind.group.startsWith('gateway.')) continue;
    test(`every rule of ${kind.kind} has cases in the ${channel} channel`, () => {
      const mine = cases.filter((each) => each.channel === channel && each.kind === kind.kind);
      const refused = new Set(mine.flatMap(brokenRules));
      const base = baseOf(kind.kind, channel);
      assert.ok(base !== undefined && validate(base, channel).ok, 'the base object is accepted');
      const accepted = new Set(
        mine.filter(({ problems }) => problems.length === 0).flatMap(({ object }) => rulesMet(kind, object)),
      );
      const rules = rulesOf(kind).filter((rule) => !rule.includes('oldSelf'));
      assert.deepEqual(
        {
          neverRefuse: rules.filter((rule) => !refused.has(rule) && !unbreakable.has(rule)),
          neverAccept: rules.filter((rule) => !accepted.has(rule)),
        },
        { neverRefuse: [], neverAccept: [] },
      );
    });
  }
}

test('a rule on changes says nothing of an object that is created', () => {
  const rules = channels.flatMap((channel: Channel) => [...kindsOf(channel).values()].flatMap(rulesOf));
  assert.deepEqual([...new Set(rules.filter((rule) => rule.includes('oldSelf')))], ['self == oldSelf']);
});

/** What was not found although it should be, and the other way round. */
function differences({ name, object, channel, problems }: Case): string[] {
  const result = validate(object, channel);
  const found = result.ok ? [] : result.problems;
  const fits = (wanted: Case['problems'][number], { path, message }: FieldProblem): boolean =>
    wanted.path === path && message.includes(wanted.says);
  const missing = problems.filter((wanted) => !found.some((problem) => fits(wanted, problem)));
  const unexpected = found.filter((problem) => !problems.some((wanted) => fits(wanted, problem)));
  return [
    ...missing.map(({ path, says }) => `${name}: not found: ${path} ${says}`),
    ...unexpected.map(({ path, message }) => `${name}: not expected: ${path} ${message}`),
  ];
}

function brokenRules({ object, channel }: Case): string[] {
  const result = validate(object, channel);
  return result.ok ? [] : result.problems.map(({ rule }) => rule);
}

function specOf(kind: Kind): Schema {
  return kind.versions.find(({ name }) => name === kind.current)?.schema.properties?.['spec'] ?? {};
}

/** Status is not the user's to write, and is not validated. */
function rulesOf(kind: Kind): string[] {
  const found = new Set<string>();
  const walk = (schema: Schema): void => {
    for (const { rule } of schema['x-kubernetes-validations'] ?? []) found.add(rule);
    for (const each of Object.values(schema.properties ?? {})) walk(each);
    if (schema.items !== undefined) walk(schema.items);
    if (typeof schema.additionalProperties === 'object') walk(schema.additionalProperties);
  };
  walk(specOf(kind));
  return [...found];
}

/** The rules of the fields that the object has. */
function rulesMet(kind: Kind, object: unknown): string[] {
  const found: string[] = [];
  const walk = (schema: Schema, value: unknown): void => {
    if (value === undefined) return;
    for (const { rule } of schema['x-kubernetes-validations'] ?? []) found.push(rule);
    if (Array.isArray(value)) {
      for (const item of value) walk(schema.items ?? {}, item);
    } else if (typeof value === 'object' && value !== null) {
      for (const [name, each] of Object.entries(value)) walk(schema.properties?.[name] ?? {}, each);
    }
  };
  walk(specOf(kind), (object as { readonly spec?: unknown }).spec);
  return found;
}
