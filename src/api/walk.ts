// The walk of a value along a compiled schema, as the API server does it: unknown fields are dropped, defaults filled in,
// every field is checked, and then the CEL rules, unless something was found that makes them pointless. What lacks nothing stays the
// same object: an API server has filled in defaults already, and thousands of copies would be kept.
import { isRecord, type UnknownRecord } from '../support/untrusted.ts';
import { celMessage, type CelRule } from './cel/rules.ts';
import { codePoints } from './cel/values.ts';
import { formats } from './formats.ts';
import { patternWords } from './patterns.ts';
import type { Checked, FieldProblem, Node, Schema } from './schema.ts';
import { count, described, oneOf, quote, similar } from './words.ts';

/** The API server evaluates no rules on an object with a problem of these kinds. */
export const fatal: ReadonlySet<string> = new Set([
  'required',
  'type',
  'enum',
  'format',
  'maxLength',
  'maxItems',
  'maxProperties',
]);

/** Of a list that is too long anyway. */
const MOST_ITEMS = 4096;

export class Walk {
  readonly #problems: FieldProblem[] = [];
  readonly #warnings: FieldProblem[] = [];
  readonly #path: (string | number)[];
  #fatal = false;

  /** @param path where the value stands */
  constructor(path: readonly (string | number)[] = []) {
    this.#path = [...path];
  }

  /** @param ruled whether CEL rules are evaluated */
  check(node: Node, value: unknown, ruled = true): Checked {
    const checked = this.#visit(node, value);
    if (ruled && !this.#fatal) this.#checkRules(node, checked);
    return { value: checked, problems: this.#problems, warnings: this.#warnings };
  }

  #visit(node: Node, value: unknown): unknown {
    const { schema } = node;
    if (value === null && schema.nullable === true) return null;
    const checked = this.#visitTyped(node, value);
    // Of the wrong type it is undefined.
    if (node.branches !== undefined && checked !== undefined) this.#checkBranches(node, checked);
    return checked;
  }

  #visitTyped(node: Node, value: unknown): unknown {
    const { schema } = node;
    if (schema['x-kubernetes-int-or-string'] === true) {
      if (typeof value === 'string') return this.#string(node, value);
      return Number.isInteger(value) ? value : this.#mistyped('integer or string', value);
    }
    switch (schema.type) {
      case 'object':
        return isRecord(value) ? this.#object(node, value) : this.#mistyped('object', value);
      case 'array':
        return Array.isArray(value) ? this.#array(node, value) : this.#mistyped('array', value);
      case 'string':
        return typeof value === 'string' ? this.#string(node, value) : this.#mistyped('string', value);
      case 'integer':
        return isInteger(value) ? this.#number(schema, value) : this.#mistyped('integer', value);
      case 'number':
        return typeof value === 'number' ? this.#number(schema, value) : this.#mistyped('number', value);
      case 'boolean':
        return typeof value === 'boolean' ? value : this.#mistyped('boolean', value);
      default:
        return this.#untyped(node, value);
    }
  }

  /** A branch of oneOf and the like: it constrains what has the type for it. */
  #untyped(node: Node, value: unknown): unknown {
    const { enum: values } = node.schema;
    if (values !== undefined && typeof value !== 'string' && typeof value !== 'number')
      this.#problem('enum', `must be ${oneOf(values)}`);
    if (isRecord(value)) return this.#object(node, value);
    if (Array.isArray(value)) return this.#array(node, value);
    if (typeof value === 'string') return this.#string(node, value);
    if (typeof value === 'number') return this.#number(node.schema, value);
    return value;
  }

  #object(node: Node, value: UnknownRecord): unknown {
    const { schema, properties, values, defaults } = node;
    const result: Record<string, unknown> = {};
    let isSame = true;
    for (const name of Object.keys(value)) {
      const given = value[name];
      let checked: unknown;
      const property = properties.get(name) ?? values;
      if (property === undefined) {
        if (node.open) checked = given;
        else this.#unknownField(name, node);
      } else if (given === null && property === values && property.standard !== undefined) {
        checked = property.standard;
      } else if (given !== undefined && (given !== null || property.schema.nullable === true)) {
        // A null that may not be one counts as absent.
        this.#path.push(name);
        // Of the wrong type it stays as it is: branches look at it.
        checked = this.#visit(property, given) ?? given;
        this.#path.pop();
      }
      if (checked !== undefined) put(result, name, checked);
      if (checked !== given || checked === undefined) isSame = false;
    }
    for (const [name, standard] of defaults) {
      if (Object.hasOwn(result, name)) continue;
      result[name] = standard;
      isSame = false;
    }
    for (const name of schema.required ?? []) {
      if (!Object.hasOwn(result, name)) this.#problem('required', 'is required', name);
    }
    if (schema.minProperties !== undefined || schema.maxProperties !== undefined) this.#countFields(schema, result);
    return isSame ? value : result;
  }

  #countFields({ minProperties = 0, maxProperties = Infinity }: Schema, value: UnknownRecord): void {
    const { length } = Object.keys(value);
    if (length < minProperties) this.#problem('minProperties', `must have at least ${count(minProperties, 'entry')}`);
    if (length > maxProperties)
      this.#problem('maxProperties', `has ${count(length, 'entry')}, at most ${maxProperties} are allowed`);
  }

  #array(node: Node, value: readonly unknown[]): unknown {
    const { schema, items } = node;
    const { length } = value;
    if (schema.maxItems !== undefined && length > schema.maxItems) {
      this.#problem('maxItems', `has ${count(length, 'item')}, at most ${schema.maxItems} are allowed`);
      // Its items are not looked at: there may be millions.
      if (length > MOST_ITEMS) return undefined;
    }
    if (schema.minItems !== undefined && length < schema.minItems)
      this.#problem('minItems', `must have at least ${count(schema.minItems, 'item')}`);
    if (items === undefined) return value;
    const result = value.map((item, at) => {
      this.#path.push(at);
      const given = item === null && items.schema.nullable !== true ? (items.standard ?? null) : item;
      const checked = this.#visit(items, given);
      this.#path.pop();
      return checked ?? given;
    });
    this.#checkUnique(schema, result);
    return result.every((item, at) => item === value[at]) ? value : result;
  }

  /** list-type set: no two items alike; list-type map: no two items with the same keys. */
  #checkUnique(schema: Schema, items: readonly unknown[]): void {
    const type = schema['x-kubernetes-list-type'];
    if ((type !== 'set' && type !== 'map') || items.length < 2) return;
    // The API server compares nothing where one of them is no object.
    if (type === 'map' && !items.every(isRecord)) return;
    const keys = schema['x-kubernetes-list-map-keys'] ?? [];
    const times = new Map<string, number>();
    items.forEach((item, at) => {
      const id = type === 'set' ? item : keys.map((key) => (isRecord(item) ? item[key] : undefined));
      // A key of the wrong type has been reported as that.
      if (
        id === undefined ||
        (isRecord(item) && keys.some((key) => Object.hasOwn(item, key) && item[key] === undefined))
      )
        return;
      const text = JSON.stringify(id);
      const before = times.get(text) ?? 0;
      times.set(text, before + 1);
      if (before !== 1) return;
      const which =
        type === 'set' ? quote(item) : keys.map((key, n) => `${key} ${quote((id as unknown[])[n])}`).join(', ');
      this.#problem(`list-type=${type}`, `repeats ${which}; no two items may have the same`, at);
    });
  }

  #string(node: Node, value: string): string {
    const { schema, accepts } = node;
    const { minLength = 0, maxLength = Infinity } = schema;
    if (schema.enum !== undefined && !schema.enum.includes(value))
      this.#problem('enum', `is ${quote(value)}; must be ${oneOf(schema.enum)}`);
    if (value.length > maxLength && codePoints(value) > maxLength) {
      this.#problem('maxLength', `is ${codePoints(value)} characters long, at most ${maxLength} are allowed`);
      return value;
    }
    if (value.length < minLength || (minLength > 1 && codePoints(value) < minLength))
      this.#problem('minLength', minLength === 1 ? 'must not be empty' : `must have at least ${minLength} characters`);
    else if (accepts?.(value) === false) {
      const { pattern = '' } = schema;
      const words = patternWords(pattern);
      this.#problem('pattern', `is ${quote(value)}; must ${words === undefined ? `match ${pattern}` : `be ${words}`}`);
    }
    const format = schema.format === undefined ? undefined : formats[schema.format];
    if (format?.accepts(value) === false) this.#problem('format', `is ${quote(value)}; must be ${format.words}`);
    return value;
  }

  #number(schema: Schema, value: number): number {
    if (schema.format === 'int32' && Math.trunc(value) !== (value | 0))
      this.#problem('int32', `is ${value}; must be an integer of 32 bits`);
    if (schema.enum !== undefined && !schema.enum.includes(value))
      this.#problem('enum', `is ${value}; must be ${oneOf(schema.enum)}`);
    if (schema.minimum !== undefined && value < schema.minimum)
      this.#problem('minimum', `is ${value}; must be at least ${schema.minimum}`);
    if (schema.maximum !== undefined && value > schema.maximum)
      this.#problem('maximum', `is ${value}; must be at most ${schema.maximum}`);
    return value;
  }

  #checkBranches({ branches }: Node, value: unknown): void {
    if (branches === undefined) return;
    const { allOf, anyOf, oneOf, not } = branches;
    const complaints = (branch: Node): readonly FieldProblem[] => new Walk(this.#path).check(branch, value).problems;
    for (const branch of allOf) this.#adopt(complaints(branch));
    if (anyOf.length > 0) this.#checkAnyOf(anyOf, value, anyOf.map(complaints));
    if (oneOf.length > 0) {
      const found = oneOf.map(complaints);
      const fit = found.filter(({ length }) => length === 0).length;
      if (fit === 0) this.#adopt(nearest(found));
      else if (fit > 1) this.#problem('oneOf', 'fits several forms of which it must be exactly one');
    }
    if (not !== undefined && complaints(not).length === 0) this.#problem('not', `must not be ${quote(value)}`);
  }

  #checkAnyOf(branches: readonly Node[], value: unknown, found: readonly (readonly FieldProblem[])[]): void {
    if (found.some(({ length }) => length === 0)) return;
    const words = branches.map(({ schema }) => formats[schema.format ?? '']?.words);
    if (words.includes(undefined)) this.#adopt(nearest(found));
    else this.#problem('format', `is ${quote(value)}; must be ${words.join(' or ')}`);
  }

  #checkRules(node: Node, value: unknown): void {
    for (const { rule, check } of node.rules) if (!check(value)) this.#broken(rule, value);
    const { items, values } = node;
    if (isRecord(value)) {
      for (const [name, property] of node.ruled)
        if (Object.hasOwn(value, name)) this.#checkRulesOf(property, value[name], name);
      if (values !== undefined) for (const name of Object.keys(value)) this.#checkRulesOf(values, value[name], name);
    } else if (items !== undefined && Array.isArray(value)) {
      value.forEach((item, at) => this.#checkRulesOf(items, item, at));
    }
  }

  #checkRulesOf(node: Node, value: unknown, step: string | number): void {
    if (value === null) return;
    this.#path.push(step);
    this.#checkRules(node, value);
    this.#path.pop();
  }

  #broken(rule: CelRule, value: unknown): void {
    this.#problem(rule.rule, celMessage(rule, value), rule.fieldPath?.replace(/^\./, ''));
  }

  #mistyped(wanted: string, value: unknown): undefined {
    const article = /^[aio]/.test(wanted) ? 'an' : 'a';
    this.#problem('type', `must be ${article} ${wanted}, is ${described(value)}`);
    return undefined;
  }

  #unknownField(name: string, node: Node): void {
    const parent = pathText(this.#path);
    const meant = similar(name, node.properties.keys());
    this.#warnings.push({
      kind: 'unknown-field',
      path: pathText([...this.#path, name]),
      rule: 'unknown field',
      ...(meant === undefined ? {} : { meant }),
      message: `is not a field of ${parent === '' ? 'this kind' : parent} and is ignored${meant === undefined ? '' : `; did you mean ${meant}?`}`,
    });
  }

  #problem(rule: string, message: string, step?: string | number): void {
    if (fatal.has(rule)) this.#fatal = true;
    const path = pathText(step === undefined ? this.#path : [...this.#path, step]);
    this.#problems.push({ kind: 'invalid', path, rule, message });
  }

  #adopt(problems: readonly FieldProblem[]): void {
    this.#fatal ||= problems.some(({ rule }) => fatal.has(rule));
    // The branches repeat what the schema itself says.
    const known = ({ path, rule }: FieldProblem): boolean =>
      this.#problems.some((problem) => problem.path === path && problem.rule === rule);
    this.#problems.push(...problems.filter((problem) => !known(problem)));
  }
}

/** Of 64 bits: what is beyond is a float to the API server. */
function isInteger(value: unknown): value is number {
  return Number.isInteger(value) && Math.abs(value as number) < 2 ** 63;
}

/** What the branch that fits best complains of is the most useful thing to say. */
function nearest(found: readonly (readonly FieldProblem[])[]): readonly FieldProblem[] {
  return found.toSorted((a, b) => a.length - b.length)[0] ?? [];
}

/** As kubectl prints it: `spec.rules[0].matches`. */
function pathText(steps: readonly (string | number)[]): string {
  let text = '';
  for (const step of steps) text += typeof step === 'number' ? `[${step}]` : text === '' ? step : `.${step}`;
  return text;
}

/** An own property, whatever its name: assigning to `__proto__` would set the prototype. */
function put(record: Record<string, unknown>, name: string, value: unknown): void {
  if (name === '__proto__')
    Object.defineProperty(record, name, { value, enumerable: true, configurable: true, writable: true });
  else record[name] = value;
}
