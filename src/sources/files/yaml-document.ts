// The text of one YAML document → its value as kubectl reads it, or the first error; and a field path → where it stands in
// that text. The complete parser: block-yaml.ts is the fast way through it for the usual manifest.
import { Schema, isAlias, isMap, isScalar, isSeq, parseDocument } from 'yaml';
import type { Document, Node, ScalarTag } from 'yaml';
import { readBlockYaml } from './block-yaml.ts';
import { resolvePlain } from './plain-scalar.ts';

export type Reading =
  | { readonly ok: true; readonly value: unknown }
  /** `offset` into the text. */
  | { readonly ok: false; readonly message: string; readonly offset: number };

/** Values that a document may come to when its aliases are written out. */
const maxValues = 2_000_000;
const maxDepth = 100;

export function readYaml(text: string): Reading {
  const fast = readBlockYaml(text);
  return fast === undefined ? readWithLibrary(text) : { ok: true, value: fast.value };
}

/** The slow way; apart for the test that compares the two. */
export function readWithLibrary(text: string): Reading {
  try {
    const document = parse(text);
    const error = document.errors[0];
    if (error !== undefined) {
      return { ok: false, message: plainWords(error.message), offset: Math.min(error.pos[0], text.trimEnd().length) };
    }
    return { ok: true, value: new Conversion().value(document.contents, 0) };
  } catch (error) {
    if (error instanceof Refused) return { ok: false, message: error.message, offset: error.offset };
    // The parser recurses: a text nested deep enough ends its stack.
    const message = error instanceof RangeError ? 'is nested too deeply' : (error as Error).message;
    return { ok: false, message, offset: 0 };
  }
}

/**
 * The offset of the field of `path` (as in Origin: `spec.rules[1].name`) or of the nearest field around it that is
 * written. Keys that hold dots are found too: the longest key that fits wins.
 */
export function offsetOf(text: string, path: string): number {
  try {
    const document = remembered(text);
    let node: Node | null = document.contents;
    let offset = node?.range?.[0] ?? 0;
    let rest = path;
    while (rest !== '') {
      const step = stepInto(document, node, rest);
      if (step === undefined) break;
      ({ node, offset, rest } = step);
    }
    return offset;
  } catch {
    return 0;
  }
}

/** Several places are often asked for in one document after the other. */
let last: { readonly text: string; readonly document: Document.Parsed } | undefined;

function remembered(text: string): Document.Parsed {
  if (last?.text !== text) last = { text, document: parse(text) };
  return last.document;
}

const anyPlain: ScalarTag = {
  default: true,
  tag: 'tag:yaml.org,2002:plain',
  test: /^/,
  resolve: (text) => resolvePlain(text),
};

/** `!!int "5"`: an explicit tag resolves the text and insists on the type. */
function explicit(name: string, fits: (value: unknown) => boolean): ScalarTag {
  return {
    default: false,
    tag: `tag:yaml.org,2002:${name}`,
    resolve(text, onError) {
      const value = resolvePlain(text);
      if (!fits(value)) onError(`Cannot read this as ${name}`);
      return value;
    },
  };
}

const schema: Schema = new Schema({
  schema: 'failsafe',
  customTags: [
    anyPlain,
    explicit('null', (value) => value === null),
    explicit('bool', (value) => typeof value === 'boolean'),
    explicit('int', (value) => Number.isInteger(value)),
    explicit('float', (value) => typeof value === 'number'),
  ],
});

function parse(text: string): Document.Parsed {
  // Repeated keys are found in the conversion: the parser's own check is quadratic.
  return parseDocument(text, { schema, prettyErrors: false, uniqueKeys: false, logLevel: 'silent' });
}

class Refused extends Error {
  readonly offset: number;
  constructor(message: string, node: Node) {
    super(message);
    this.offset = node.range?.[0] ?? 0;
  }
}

interface Anchored {
  readonly value: unknown;
  readonly count: number;
}

/** Nodes to values, in document order, so that an alias finds what was last anchored before it. */
class Conversion {
  readonly #anchors = new Map<string, Anchored | 'open'>();
  #count = 0;

  value(node: unknown, depth: number): unknown {
    if (++this.#count > maxValues) throw new Refused('comes to too many values', node as Node);
    if (depth > maxDepth) throw new Refused('is nested too deeply', node as Node);
    if (node === null) return null;
    if (isAlias(node)) return this.#alias(node.source, node);
    const { anchor } = node as { anchor?: string };
    if (anchor === undefined) return this.#content(node as Node, depth);
    const before = this.#count;
    this.#anchors.set(anchor, 'open');
    const value = this.#content(node as Node, depth);
    this.#anchors.set(anchor, { value, count: this.#count - before });
    return value;
  }

  #alias(name: string, node: Node): unknown {
    const anchored = this.#anchors.get(name);
    if (anchored === undefined) throw new Refused(`unknown anchor *${name}`, node);
    if (anchored === 'open') throw new Refused(`the anchor &${name} contains itself`, node);
    // The value is shared, but whoever walks it walks it again.
    this.#count += anchored.count;
    if (this.#count > maxValues) throw new Refused('comes to too many values when its aliases are written out', node);
    return anchored.value;
  }

  #content(node: Node, depth: number): unknown {
    if (isMap(node)) return this.#map(node.items, depth);
    if (isSeq(node)) return node.items.map((item) => this.value(item, depth + 1));
    if (!isScalar(node)) throw new Refused('is not a value', node);
    const { value } = node;
    if (typeof value === 'number' && !Number.isFinite(value)) throw new Refused('is not a number in JSON', node);
    return value;
  }

  #map(pairs: readonly { key: unknown; value: unknown }[], depth: number): Record<string, unknown> {
    const record: Record<string, unknown> = {};
    const written = new Set<string>();
    const merged: unknown[] = [];
    for (const { key, value } of pairs) {
      if (isScalar(key) && key.value === '<<' && (key.type === undefined || key.type === 'PLAIN')) {
        merged.push(...this.#mergeSources(value, depth));
        continue;
      }
      const name = this.#key(key, depth);
      if (written.has(name)) throw new Refused(`the key ${JSON.stringify(name)} stands here twice`, key as Node);
      written.add(name);
      put(record, name, this.value(value, depth + 1));
    }
    for (const source of merged) {
      for (const [name, value] of Object.entries(source as object))
        if (!Object.hasOwn(record, name)) put(record, name, value);
    }
    return record;
  }

  #mergeSources(node: unknown, depth: number): readonly unknown[] {
    const value = this.value(node, depth + 1);
    const sources: readonly unknown[] = Array.isArray(value) ? value : [value];
    for (const source of sources) {
      if (typeof source !== 'object' || source === null || Array.isArray(source)) {
        throw new Refused('a merge (<<) takes a map or a list of maps', node as Node);
      }
    }
    return sources;
  }

  /** Keys become text, as JSON wants it: `80:` is "80", and `on:` is "true". */
  #key(key: unknown, depth: number): string {
    const value = this.value(key, depth + 1);
    if (typeof value === 'string') return value;
    if (typeof value === 'number' || typeof value === 'boolean') return String(value);
    throw new Refused('this cannot be a key', key as Node);
  }
}

function put(record: Record<string, unknown>, name: string, value: unknown): void {
  if (name !== '__proto__') record[name] = value;
  else Object.defineProperty(record, name, { value, enumerable: true, configurable: true, writable: true });
}

function plainWords(message: string): string {
  return message.charAt(0).toLowerCase() + message.slice(1);
}

interface Step {
  readonly node: Node | null;
  readonly offset: number;
  readonly rest: string;
}

function stepInto(document: Document.Parsed, from: Node | null, path: string): Step | undefined {
  const node = isAlias(from) ? from.resolve(document) : from;
  if (isSeq(node)) {
    const [whole, index] = /^\[(\d+)\]\.?/.exec(path) ?? [];
    const item = index === undefined ? undefined : (node.items[Number(index)] as Node | null | undefined);
    if (whole === undefined || item === undefined || item === null) return undefined;
    return { node: item, offset: item.range?.[0] ?? 0, rest: path.slice(whole.length) };
  }
  if (!isMap(node)) return undefined;
  let best: (Step & { length: number }) | undefined;
  for (const { key, value } of node.items) {
    if (!isScalar(key)) continue;
    const name = String(key.value);
    const next = path[name.length];
    if (!path.startsWith(name) || (next !== undefined && next !== '.' && next !== '[')) continue;
    if (best !== undefined && best.length >= name.length) continue;
    const rest = path.slice(name.length + (next === '.' ? 1 : 0));
    best = { node: value as Node | null, offset: key.range?.[0] ?? 0, rest, length: name.length };
  }
  return best;
}
