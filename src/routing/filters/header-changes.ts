// RequestHeaderModifier and ResponseHeaderModifier on a list of field lines. Changes are compiled once per rule; names
// compare without case, and a header keeps the spelling that it came with.
import type { HeaderChanges } from '../filters.ts';
import { toOctets } from '../match/octets.ts';

/** Field lines in a row: name, value, name, value… with one character per octet, as they go on the wire. */
export type FieldLines = readonly string[];

export interface HeaderPlan {
  /** Lower-case names whose lines go: those removed and those set. */
  readonly dropped: ReadonlySet<string>;
  /** Lines to append after that, as name, value… `add` is a line of its own: RFC 9110 section 5.3 reads it as `old, new`. */
  readonly appended: FieldLines;
}

export const noHeaderChanges: HeaderPlan = { dropped: new Set(), appended: [] };

/** Headers that frame or route the message: a modifier may not touch them (Host has its own filter, URLRewrite). */
const untouchable: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

export function isUntouchableHeader(name: string): boolean {
  return untouchable.has(name.toLowerCase());
}

/**
 * Several modifiers in the order written, as one plan: later ones see what earlier ones did. What may not be changed, and
 * names and values that cannot be written, are left out; `isUntouchableHeader`, `isFieldName` and `isFieldValue` tell which.
 */
export function compileHeaderChanges(changes: readonly HeaderChanges[]): HeaderPlan {
  if (changes.length === 0) return noHeaderChanges;
  const dropped = new Set<string>();
  let appended: string[] = [];
  for (const change of changes) {
    const set = change.set.filter(isWritable);
    const gone = new Set([...change.remove, ...set.map((header) => header.name)].map((name) => name.toLowerCase()));
    for (const name of gone) if (!untouchable.has(name)) dropped.add(name);
    appended = withoutFields(appended, gone);
    for (const header of [...set, ...change.add.filter(isWritable)]) {
      appended.push(header.name, toOctets(header.value));
    }
  }
  return { dropped, appended };
}

function isWritable(header: { readonly name: string; readonly value: string }): boolean {
  return isFieldName(header.name) && !isUntouchableHeader(header.name) && isFieldValue(header.value);
}

/** The lines after the changes; the same list when there is nothing to do. */
export function changeHeaders(lines: FieldLines, plan: HeaderPlan): FieldLines {
  if (plan.dropped.size === 0 && plan.appended.length === 0) return lines;
  const kept = plan.dropped.size === 0 ? [...lines] : withoutFields(lines, plan.dropped);
  kept.push(...plan.appended);
  return kept;
}

/** The lines without those of the names, which are in lower case. */
export function withoutFields(lines: FieldLines, names: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const name = lines[i] as string;
    if (!names.has(name.toLowerCase())) kept.push(name, lines[i + 1] as string);
  }
  return kept;
}

/** A token (RFC 9110 section 5.6.2). */
export function isFieldName(name: string): boolean {
  return /^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/.test(name);
}

/** A field value that can be written (RFC 9110 section 5.5): no control characters but tab. Beyond ASCII it goes as UTF-8. */
export function isFieldValue(value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if ((code < 32 && code !== 9) || code === 127) return false;
  }
  return true;
}
