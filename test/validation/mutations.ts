// Bases (whole objects that are accepted) + a seed → mutated objects, by their schemas: wrong types, limits and one past them, what is
// required taken out, fields that do not exist, patterns and unions broken, duplicates, nulls, odd keys. A mutation is written down
// as a path and a short form of a value, so that thousands of objects fit into a file.
import { kindOf, type Channel } from '../../src/api/kinds.ts';
import { groupOf, versionOf, type KubeObject } from '../../src/api/objects.ts';
import { compilePattern } from '../../src/api/patterns.ts';
import type { Schema } from '../../src/api/schema.ts';
import { fieldNames, keys, labels, numbers, words } from './values.ts';

export type Step = string | number;

/** `value` is as in cases.ts: { $repeat, value }, { $text, length }, { $absent: true }. */
export interface Mutation {
  readonly at: readonly Step[];
  readonly value: unknown;
}

/** A stream of numbers from a seed (mulberry32): the same on every machine. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to `end` - 1. */
  roll(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % end;
  }

  of<T>(items: readonly T[]): T {
    return items[this.roll(items.length)] as T;
  }
}

/** One to three mutations of the object; they are applied one after the other (`mutated`). */
export function mutationsOf(base: KubeObject, channel: Channel, dice: Dice): Mutation[] {
  const found: Mutation[] = [];
  const count = dice.of([1, 1, 1, 2, 2, 3]);
  for (let n = 0; n < count; n++) {
    const object = mutated(base, found);
    found.push(...(dice.roll(12) === 0 ? metadataMutation(dice) : bodyMutation(object, channel, dice)));
  }
  return found;
}

export function mutated(base: KubeObject, mutations: readonly Mutation[]): KubeObject {
  const object = structuredClone(base);
  for (const { at, value } of mutations) put(object, at, expanded(value));
  return object;
}

/** Into what stands there; where the way is blocked by a value of another type nothing is put. */
function put(object: unknown, at: readonly Step[], value: unknown): void {
  let holder = object as Record<Step, unknown>;
  for (const [n, step] of at.entries()) {
    if (typeof holder !== 'object' || holder === null || Array.isArray(holder) !== (typeof step === 'number')) return;
    if (n < at.length - 1) holder = (holder[step] ??= typeof at[n + 1] === 'number' ? [] : {}) as Record<Step, unknown>;
    else if (value === undefined && Array.isArray(holder)) holder.splice(step as number, 1);
    else if (value === undefined) delete holder[step];
    else Object.defineProperty(holder, step, { value, enumerable: true, configurable: true, writable: true });
  }
}

function expanded(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(expanded);
  if (typeof value !== 'object' || value === null) return value;
  if ('$absent' in value) return undefined;
  if ('$repeat' in value && 'value' in value)
    return Array.from({ length: Number(value.$repeat) }, (_, n) => numbered(expanded(value.value), n));
  if ('$text' in value && 'length' in value) return textOf(String(value.$text), Number(value.length));
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, expanded(each)]));
}

function textOf(part: string, length: number): string {
  const letters = Array.from(part);
  return Array.from({ length }, (_, n) => letters[n % letters.length]).join('');
}

function numbered(value: unknown, n: number): unknown {
  if (typeof value === 'string') return value.replaceAll('#', String(n));
  if (Array.isArray(value)) return value.map((each) => numbered(each, n));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, numbered(each, n)]));
}

function metadataMutation(dice: Dice): Mutation[] {
  const at = ['metadata', dice.of(['name', 'labels', 'labels', 'annotations', 'annotations', 'other'])];
  switch (at[1]) {
    case 'name':
      return [{ at, value: dice.of<unknown>([...labels, { $text: 'a', length: 253 }, { $text: 'a', length: 254 }]) }];
    case 'other':
      return [{ at: ['metadata', dice.of(fieldNames)], value: dice.of<unknown>(['a', 1, true, {}]) }];
    default: {
      const text = dice.of<unknown>([...labels, ...labels, 1, true, null, {}, { $text: 'x', length: 300_000 }]);
      if (at[1] === 'labels' && typeof text === 'object' && text !== null && '$text' in text) return [];
      if (dice.roll(8) === 0) return [{ at, value: dice.of<unknown>([null, {}, [], 'a', 1, { a: 'b' }]) }];
      return [{ at: [...at, dice.of(keys)], value: text }];
    }
  }
}

interface Site {
  readonly schema: Schema;
  readonly at: readonly Step[];
  readonly value: unknown;
  readonly parent: Schema;
}

function bodyMutation(object: KubeObject, channel: Channel, dice: Dice): Mutation[] {
  const kind = kindOf(groupOf(object.apiVersion), object.kind, channel);
  const schema = kind?.versions.find(({ name }) => name === versionOf(object.apiVersion))?.schema;
  if (schema === undefined) return [];
  const { site, made } = descend(schema, object, dice);
  return [...made, ...mutateAt(site, dice)];
}

const outside: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'metadata', 'status']);

/** A random walk down the schema; what is absent on the way is made, so that every field is reached in the end. */
function descend(root: Schema, object: KubeObject, dice: Dice): { readonly site: Site; readonly made: Mutation[] } {
  const made: Mutation[] = [];
  let site: Site = { schema: root, at: [], value: object, parent: root };
  for (let depth = 0; depth < 14; depth++) {
    const { schema, at, value } = site;
    if (depth > 1 && dice.roll(6) === 0) break;
    const next = step(schema, value, depth === 0, dice);
    if (next === undefined) break;
    let below = (value as Record<Step, unknown> | undefined)?.[next.step];
    if (below === undefined || below === null) {
      below = fitting(next.schema, dice, 2);
      made.push({ at: [...at, next.step], value: below });
    }
    site = { schema: next.schema, at: [...at, next.step], value: below, parent: schema };
  }
  return { site, made };
}

function step(
  schema: Schema,
  value: unknown,
  atRoot: boolean,
  dice: Dice,
): { readonly step: Step; readonly schema: Schema } | undefined {
  if (schema.items !== undefined) {
    if (!Array.isArray(value) || value.length === 0) return { step: 0, schema: schema.items };
    return { step: dice.roll(Math.min(value.length, 4)), schema: schema.items };
  }
  if (typeof schema.additionalProperties === 'object')
    return { step: dice.of(keys), schema: schema.additionalProperties };
  const names = Object.keys(schema.properties ?? {}).filter((name) => !atRoot || !outside.has(name));
  if (names.length === 0 || (value !== undefined && (typeof value !== 'object' || value === null))) return undefined;
  // What is there is gone into more often than what is not.
  const present = names.filter((name) => value !== undefined && Object.hasOwn(value, name));
  const name = present.length > 0 && dice.roll(2) === 0 ? dice.of(present) : dice.of(names);
  return { step: name, schema: schema.properties?.[name] ?? {} };
}

function mutateAt({ schema, at, value }: Site, dice: Dice): Mutation[] {
  if (at.length === 0) return [];
  const roll = dice.roll(20);
  if (roll === 0) return [{ at, value: null }];
  if (roll === 1) return [{ at, value: dice.of<unknown>(['a', 1, 1.5, true, {}, [], [1], { a: 'b' }, '', 0]) }];
  if (roll <= 3) return [{ at, value: { $absent: true } }];
  if (roll <= 7) return [{ at, value: fitting(schema, dice, 3) }];
  switch (schema.type) {
    case 'object':
      return objectMutation(schema, at, value, dice);
    case 'array':
      return arrayMutation(schema, at, value, dice);
    case 'string':
      return [{ at, value: dice.of(textsFor(schema, dice)) }];
    case 'integer':
    case 'number':
      return [{ at, value: dice.of(numbersFor(schema)) }];
    default:
      return [{ at, value: dice.of<unknown>([...words, ...numbers]) }];
  }
}

function objectMutation(schema: Schema, at: readonly Step[], value: unknown, dice: Dice): Mutation[] {
  if (typeof schema.additionalProperties === 'object') {
    const most = schema.maxProperties;
    if (most !== undefined && dice.roll(4) === 0) {
      const entries = Array.from({ length: most + dice.roll(2) }, (_, n) => [
        `k${n}`,
        fitting({ type: 'string' }, dice, 0),
      ]);
      return [{ at, value: Object.fromEntries(entries) as unknown }];
    }
    return [{ at: [...at, dice.of(keys)], value: fitting(schema.additionalProperties, dice, 1) }];
  }
  const names = Object.keys(schema.properties ?? {});
  const present = names.filter((name) => typeof value === 'object' && value !== null && Object.hasOwn(value, name));
  const roll = dice.roll(4);
  // A kind outside the Gateway API has fields that are not read: of those nothing is claimed.
  if (roll === 0 && schema['x-kubernetes-preserve-unknown-fields'] !== true)
    return [{ at: [...at, dice.of(fieldNames)], value: dice.of<unknown>(['a', 1, null, {}, [], { a: { b: 1 } }]) }];
  if (roll === 1 && present.length > 0) return [{ at: [...at, dice.of(present)], value: { $absent: true } }];
  if (names.length === 0) return [];
  const name = dice.of(names);
  return [{ at: [...at, name], value: fitting(schema.properties?.[name] ?? {}, dice, 2) }];
}

function arrayMutation(schema: Schema, at: readonly Step[], value: unknown, dice: Dice): Mutation[] {
  const items = schema.items ?? {};
  const length = Array.isArray(value) ? value.length : 0;
  switch (dice.roll(6)) {
    case 0:
      return [{ at, value: [] }];
    case 1:
      return [
        { at: [...at, length], value: length > 0 ? structuredClone((value as unknown[])[dice.roll(length)]) : null },
      ];
    case 2: {
      const most = schema.maxItems ?? 20;
      return [{ at, value: { $repeat: most + dice.roll(2), value: numberedItem(items, dice) } }];
    }
    case 3:
      return [{ at, value: [fitting(items, dice, 2), null] }];
    default:
      return [{ at: [...at, length], value: fitting(items, dice, 3) }];
  }
}

/** An item that is another one each time it is repeated. */
function numberedItem(items: Schema, dice: Dice): unknown {
  const item = fitting(items, dice, 1);
  if (items.type === 'string' && items.enum === undefined) return 'a#.example.com';
  if (typeof item !== 'object' || item === null || Array.isArray(item)) return item;
  return { ...item, ...(Object.hasOwn(items.properties ?? {}, 'name') ? { name: 'n#' } : {}) };
}

/** Of the right structure, mostly. */
function fitting(schema: Schema, dice: Dice, depth: number): unknown {
  if (schema['x-kubernetes-int-or-string'] === true) return dice.of<unknown>([80, '80', 'http', '', 0, 70_000, -1]);
  switch (schema.type) {
    case 'object':
      return fittingObject(schema, dice, depth);
    case 'array':
      return Array.from({ length: dice.of([1, 1, 1, 2, 3]) }, () => fitting(schema.items ?? {}, dice, depth - 1));
    case 'string':
      return dice.of(fittingTexts(schema));
    case 'integer':
    case 'number': {
      const { minimum = 0, maximum = 65_535 } = schema;
      return dice.of([minimum, maximum, ...numbers.filter((n) => Number.isInteger(n) && n >= minimum && n <= maximum)]);
    }
    case 'boolean':
      return dice.roll(2) === 0;
    default:
      return dice.of<unknown>(['a', 1, true]);
  }
}

function fittingObject(schema: Schema, dice: Dice, depth: number): unknown {
  const { properties = {}, required = [], additionalProperties } = schema;
  if (typeof additionalProperties === 'object')
    return { [dice.of(keys)]: fitting(additionalProperties, dice, depth - 1) };
  const result: Record<string, unknown> = {};
  for (const [name, property] of Object.entries(properties)) {
    if (outside.has(name) && properties['spec'] !== undefined) continue;
    if (required.includes(name) || (depth > 0 && dice.roll(3) === 0)) result[name] = fitting(property, dice, depth - 1);
  }
  return result;
}

const fits = new Map<string, readonly string[]>();

function fittingTexts(schema: Schema): readonly string[] {
  if (schema.enum !== undefined) return schema.enum as readonly string[];
  const { pattern, minLength = 0, maxLength = Infinity } = schema;
  const key = `${minLength} ${maxLength} ${pattern}`;
  let found = fits.get(key);
  if (found === undefined) {
    const accepts = pattern === undefined ? (): boolean => true : compilePattern(pattern);
    const good = words.filter((word) => word.length >= minLength && word.length <= maxLength && accepts(word));
    fits.set(key, (found = good.length === 0 ? ['a'] : good));
  }
  return found;
}

/** Words, and texts as long as is allowed and one longer, of which some letters are two units of UTF-16. */
function textsFor({ maxLength, minLength, enum: values }: Schema, dice: Dice): readonly unknown[] {
  const length = (most: number): unknown[] =>
    [most, most + 1].map((length) => ({ $text: dice.of(['a', 'a', '/a', 'a.', '\u{1f600}', 'ü', 'a-']), length }));
  return [
    ...words,
    ...(values ?? []),
    ...(maxLength === undefined || maxLength > 5000 ? [] : Array.from({ length: 12 }, () => length(maxLength)).flat()),
    ...(minLength === undefined || minLength < 2 ? [] : length(minLength - 1)),
  ];
}

function numbersFor({ minimum = 0, maximum = 65_535 }: Schema): readonly unknown[] {
  return [...numbers, minimum - 1, minimum, maximum, maximum + 1, minimum + 0.5, '80', -0];
}
