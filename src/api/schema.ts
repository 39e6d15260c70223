// Structural schemas of CRDs, compiled to a tree that checks a value, fills in defaults and drops unknown fields in one
// walk, as the API server does. CEL rules are checked afterwards, and only on a value that has the right structure.
import { equal } from '../support/equal.ts';
import { compileCel, type CelCheck, type CelRule } from './cel.ts';

export interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly nullable?: boolean;
  readonly pattern?: string;
  readonly format?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
  readonly 'x-kubernetes-list-type'?: string;
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-validations'?: readonly CelRule[];
}

/** What is wrong with a field; `rule` is the keyword of the schema or the text of the CEL rule. */
export interface FieldProblem {
  readonly kind: 'invalid' | 'unknown-field';
  readonly path: string;
  readonly rule: string;
  readonly message: string;
}

export interface Checked {
  readonly value: unknown;
  readonly problems: readonly FieldProblem[];
  readonly warnings: readonly FieldProblem[];
}

export interface CompiledSchema {
  /** @param path where the value stands, for messages: `spec` */
  check(value: unknown, path: string): Checked;
}

export function compileSchema(schema: Schema): CompiledSchema {
  const root = compile(schema);
  return {
    check(value, path) {
      const walk = new Walk();
      const checked = walk.visit(root, value, { parent: undefined, step: path });
      if (walk.problems.length === 0) walk.checkRules(root, checked, { parent: undefined, step: path });
      return { value: checked, problems: walk.problems, warnings: walk.warnings };
    },
  };
}

interface Node {
  readonly schema: Schema;
  readonly properties: ReadonlyMap<string, Node> | undefined;
  readonly defaults: readonly (readonly [name: string, value: unknown])[];
  readonly values: Node | undefined;
  readonly items: Node | undefined;
  readonly pattern: RegExp | undefined;
  readonly rules: readonly { readonly rule: CelRule; readonly check: CelCheck }[];
  /** Whether this node or one below it has CEL rules. */
  readonly ruled: boolean;
}

function compile(schema: Schema): Node {
  const properties =
    schema.properties &&
    new Map(Object.entries(schema.properties).map(([name, property]) => [name, compile(property)]));
  const values = typeof schema.additionalProperties === 'object' ? compile(schema.additionalProperties) : undefined;
  const items = schema.items && compile(schema.items);
  const rules = (schema['x-kubernetes-validations'] ?? []).flatMap((rule) => {
    const check = compileCel(rule.rule);
    return check === undefined ? [] : [{ rule, check }];
  });
  return {
    schema,
    properties,
    defaults: Object.entries(schema.properties ?? {}).flatMap(([name, property]) =>
      property.default === undefined ? [] : [[name, property.default] as const],
    ),
    values,
    items,
    pattern: schema.pattern === undefined ? undefined : new RegExp(schema.pattern, 'u'),
    rules,
    ruled: rules.length > 0 || [values, items, ...(properties?.values() ?? [])].some((node) => node?.ruled === true),
  };
}

interface Path {
  readonly parent: Path | undefined;
  readonly step: string | number;
}

function pathText(path: Path): string {
  const { parent, step } = path;
  if (parent === undefined) return String(step);
  const before = pathText(parent);
  if (typeof step === 'number') return `${before}[${step}]`;
  return before === '' ? step : `${before}.${step}`;
}

type Plain = Record<string, unknown>;

function isPlain(value: unknown): value is Plain {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Deeper than any schema; JSON from a stranger may be deeper still. */
const deepest = 128;

class Walk {
  readonly problems: FieldProblem[] = [];
  readonly warnings: FieldProblem[] = [];
  #depth = 0;

  visit(node: Node, value: unknown, path: Path): unknown {
    const { schema } = node;
    if (value === null && schema.nullable === true) return null;
    if (schema['x-kubernetes-int-or-string'] === true) return this.#intOrString(value, path);
    switch (schema.type) {
      case 'object':
        return isPlain(value) ? this.#object(node, value, path) : this.#wrongType(schema.type, value, path);
      case 'array':
        return Array.isArray(value) ? this.#array(node, value, path) : this.#wrongType(schema.type, value, path);
      case 'string':
        return typeof value === 'string' ? this.#string(node, value, path) : this.#wrongType(schema.type, value, path);
      case 'integer':
      case 'number':
        if (typeof value !== 'number' || (schema.type === 'integer' && !Number.isInteger(value)))
          return this.#wrongType(schema.type, value, path);
        return this.#number(schema, value, path);
      case 'boolean':
        return typeof value === 'boolean' ? value : this.#wrongType(schema.type, value, path);
      default:
        return value;
    }
  }

  checkRules(node: Node, value: unknown, path: Path): void {
    if (!node.ruled) return;
    for (const { rule, check } of node.rules) {
      if (!check(value))
        this.#problem(path, rule.rule, rule.message ?? `does not satisfy ${rule.rule}`, rule.fieldPath);
    }
    if (Array.isArray(value)) {
      const { items } = node;
      if (items?.ruled === true) value.forEach((item, at) => this.checkRules(items, item, { parent: path, step: at }));
    } else if (isPlain(value)) {
      for (const [name, inner] of Object.entries(value)) {
        const property = node.properties?.get(name) ?? node.values;
        if (property?.ruled === true) this.checkRules(property, inner, { parent: path, step: name });
      }
    }
  }

  #object(node: Node, value: Plain, path: Path): unknown {
    const { schema, properties, values } = node;
    if (properties === undefined && values === undefined) return value;
    if (++this.#depth > deepest) return this.#tooDeep(path);
    const result: Plain = {};
    for (const name of Object.keys(value)) {
      const given = value[name];
      const property = properties?.get(name) ?? values;
      if (property === undefined) {
        if (schema['x-kubernetes-preserve-unknown-fields'] === true) result[name] = given;
        else this.#unknownField(name, node, path);
      } else if (name === '__proto__') {
        this.#problem({ parent: path, step: name }, 'key', 'is not allowed as a key');
      } else if (given !== null || property.schema.nullable === true || values !== undefined) {
        result[name] = this.visit(property, given, { parent: path, step: name });
      }
    }
    for (const [name, standard] of node.defaults) {
      if (result[name] !== undefined) continue;
      const property = properties?.get(name);
      if (property !== undefined)
        result[name] = this.visit(property, structuredClone(standard), { parent: path, step: name });
    }
    for (const name of schema.required ?? []) {
      if (result[name] === undefined && !this.#alreadyWrong(path, name))
        this.#problem({ parent: path, step: name }, 'required', 'is required');
    }
    const size = Object.keys(result).length;
    if (schema.minProperties !== undefined && size < schema.minProperties)
      this.#problem(path, 'minProperties', `must have at least ${schema.minProperties} entries`);
    if (schema.maxProperties !== undefined && size > schema.maxProperties)
      this.#problem(path, 'maxProperties', `has ${size} entries, at most ${schema.maxProperties} are allowed`);
    this.#depth--;
    return result;
  }

  /** A field of the wrong type was left out of the result, and has been reported as that. */
  #alreadyWrong(path: Path, name: string): boolean {
    if (this.problems.length === 0) return false;
    const text = pathText({ parent: path, step: name });
    return this.problems.some((problem) => problem.path === text);
  }

  #array(node: Node, value: readonly unknown[], path: Path): unknown {
    const { schema, items } = node;
    if (++this.#depth > deepest) return this.#tooDeep(path);
    if (schema.maxItems !== undefined && value.length > schema.maxItems) {
      this.#problem(path, 'maxItems', `has ${value.length} items, at most ${schema.maxItems} are allowed`);
      this.#depth--;
      return undefined;
    }
    if (schema.minItems !== undefined && value.length < schema.minItems)
      this.#problem(path, 'minItems', `must have at least ${schema.minItems} item${schema.minItems === 1 ? '' : 's'}`);
    const result =
      items === undefined ? [...value] : value.map((item, at) => this.visit(items, item, { parent: path, step: at }));
    this.#unique(schema, result, path);
    this.#depth--;
    return result;
  }

  /** list-type set: no two items alike; list-type map: no two items with the same keys. */
  #unique(schema: Schema, items: readonly unknown[], path: Path): void {
    const type = schema['x-kubernetes-list-type'];
    if (type !== 'set' && type !== 'map') return;
    const keys = schema['x-kubernetes-list-map-keys'] ?? [];
    const identity = (item: unknown): unknown =>
      type === 'set' ? item : keys.map((key) => (isPlain(item) ? item[key] : undefined));
    const seen = new Map<string, unknown>();
    items.forEach((item, at) => {
      const id = identity(item);
      const text = JSON.stringify(id) ?? '';
      if (seen.has(text) && equal(seen.get(text), id))
        this.#problem(
          { parent: path, step: at },
          `list-type=${type}`,
          `repeats ${text}; every item must be different${type === 'map' ? ` in ${keys.join(', ')}` : ''}`,
        );
      seen.set(text, id);
    });
  }

  #string(node: Node, value: string, path: Path): unknown {
    const { schema } = node;
    if (schema.enum !== undefined && !schema.enum.includes(value)) {
      this.#problem(
        path,
        'enum',
        `is ${quote(value)}; must be one of ${schema.enum.map((each) => String(each)).join(', ')}`,
      );
      return value;
    }
    const { length } = value;
    if (schema.maxLength !== undefined && length > schema.maxLength && codePoints(value) > schema.maxLength) {
      this.#problem(
        path,
        'maxLength',
        `is ${codePoints(value)} characters long, at most ${schema.maxLength} are allowed`,
      );
      return value;
    }
    if (schema.minLength !== undefined && codePoints(value) < schema.minLength)
      this.#problem(
        path,
        'minLength',
        schema.minLength === 1 ? 'must not be empty' : `must have at least ${schema.minLength} characters`,
      );
    else if (node.pattern !== undefined && !node.pattern.test(value))
      this.#problem(path, 'pattern', `is ${quote(value)}; must match ${schema.pattern}`);
    else if (schema.format === 'date-time' && Number.isNaN(Date.parse(value)))
      this.#problem(path, 'format', `is ${quote(value)}; must be a date and time (RFC 3339)`);
    return value;
  }

  #number(schema: Schema, value: number, path: Path): unknown {
    if (schema.enum !== undefined && !schema.enum.includes(value))
      this.#problem(path, 'enum', `is ${value}; must be one of ${schema.enum.map((each) => String(each)).join(', ')}`);
    if (schema.minimum !== undefined && value < schema.minimum)
      this.#problem(path, 'minimum', `is ${value}; must be at least ${schema.minimum}`);
    if (schema.maximum !== undefined && value > schema.maximum)
      this.#problem(path, 'maximum', `is ${value}; must be at most ${schema.maximum}`);
    return value;
  }

  #intOrString(value: unknown, path: Path): unknown {
    return typeof value === 'string' || Number.isInteger(value)
      ? value
      : this.#wrongType('integer or string', value, path);
  }

  #wrongType(wanted: string, value: unknown, path: Path): undefined {
    const given =
      value === null
        ? 'null'
        : Array.isArray(value)
          ? 'an array'
          : typeof value === 'object'
            ? 'an object'
            : `${typeof value} ${quote(value)}`;
    this.#problem(path, 'type', `must be ${/^[aio]/.test(wanted) ? 'an' : 'a'} ${wanted}, is ${given}`);
    return undefined;
  }

  #tooDeep(path: Path): undefined {
    this.#depth--;
    this.#problem(path, 'depth', `is nested more than ${deepest} levels deep`);
    return undefined;
  }

  #unknownField(name: string, node: Node, path: Path): void {
    const known = [...(node.properties?.keys() ?? [])];
    const meant =
      known.find((each) => each.toLowerCase() === name.toLowerCase()) ?? known.find((each) => oneEditApart(each, name));
    this.warnings.push({
      kind: 'unknown-field',
      path: pathText({ parent: path, step: name }),
      rule: 'unknown field',
      message: `is not a field of ${pathText(path) || 'this kind'} and is ignored${meant === undefined ? '' : `; did you mean ${meant}?`}`,
    });
  }

  #problem(path: Path, rule: string, message: string, fieldPath?: string): void {
    this.problems.push({ kind: 'invalid', path: `${pathText(path)}${fieldPath ?? ''}`, rule, message });
  }
}

function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}…"` : text;
}

function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

/** One letter added, left out or replaced. */
function oneEditApart(a: string, b: string): boolean {
  const [short, long] = a.length <= b.length ? [a, b] : [b, a];
  if (short.length < 3 || long.length - short.length > 1) return false;
  let at = 0;
  while (at < short.length && short[at] === long[at]) at++;
  return short.length === long.length
    ? short.slice(at + 1) === long.slice(at + 1)
    : short.slice(at) === long.slice(at + 1);
}
