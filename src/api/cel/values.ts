// What CEL expressions of CRDs compute with: JSON values as they are (an int is a JavaScript number, which holds every
// integer of these schemas exactly), durations as nanoseconds in a bigint, optionals, and `failure` for an evaluation that
// went wrong. Failures are values, not exceptions: `||`, `&&` and the macros absorb them, as the CEL specification wants.
import { equal } from '../../support/equal.ts';

export const failure: unique symbol = Symbol('CEL evaluation failed');

/** The result of `validate` of a format, and `oldSelf` where it is optional. */
export class Optional {
  static readonly none: Optional = new Optional(undefined, false);
  readonly present: boolean;
  readonly value: unknown;

  constructor(value: unknown, present = true) {
    this.value = value;
    this.present = present;
  }
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Optional);
}

/** The field of an object, or the key of a map; `failure` when there is none. */
export function select(value: unknown, field: string): unknown {
  if (!isRecord(value) || !Object.hasOwn(value, field)) return failure;
  const found = value[field];
  return found === undefined ? failure : found;
}

export function has(value: unknown, field: string): unknown {
  if (!isRecord(value)) return failure;
  return Object.hasOwn(value, field) && value[field] !== undefined;
}

export function index(value: unknown, at: unknown): unknown {
  if (typeof at === 'string') return select(value, at);
  if (!Array.isArray(value) || typeof at !== 'number' || !Number.isInteger(at)) return failure;
  return at >= 0 && at < value.length ? (value[at] as unknown) : failure;
}

export function contains(container: unknown, value: unknown): unknown {
  if (Array.isArray(container)) return container.some((item) => equalValues(item, value));
  if (isRecord(container) && typeof value === 'string') return Object.hasOwn(container, value);
  return failure;
}

export function equalValues(a: unknown, b: unknown): boolean {
  return a === b || (typeof a === 'object' && typeof b === 'object' && equal(a, b));
}

/** Below, above or at 0; undefined for values that have no order among each other. */
export function compare(a: unknown, b: unknown): number | undefined {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'bigint' && typeof b === 'bigint') return a < b ? -1 : a > b ? 1 : 0;
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b));
  return undefined;
}

export function add(a: unknown, b: unknown): unknown {
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  if (typeof a === 'string' && typeof b === 'string') return a + b;
  if (typeof a === 'bigint' && typeof b === 'bigint') return a + b;
  return failure;
}

/** What a macro runs over: the items of a list, the keys of a map. */
export function itemsOf(value: unknown): readonly unknown[] | typeof failure {
  if (Array.isArray(value)) return value;
  return isRecord(value) ? Object.keys(value) : failure;
}

/** Characters of a string, items of a list, keys of a map. */
export function size(value: unknown): unknown {
  if (typeof value === 'string') return codePoints(value);
  const items = itemsOf(value);
  return items === failure ? failure : items.length;
}

export function codePoints(text: string): number {
  let count = 0;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit >= 0xd800 && unit < 0xdc00 && (text.charCodeAt(at + 1) & 0xfc00) === 0xdc00) at++;
    count++;
  }
  return count;
}
