// ExternalAuth (GEP-1494), the parts that do not depend on how the service is spoken to: what it is told of a request, and what its
// answer changes in the request. The engine asks, explain only shows.
import type { ExternalAuth } from '../filters.ts';
import { toOctets } from '../match/octets.ts';
import { decodeParameter } from '../match/query.ts';
import { type FieldLines, type HeaderPlan, isFieldName, isUntouchableHeader, withoutFields } from './header-changes.ts';
import { writtenPath } from './path-change.ts';

/** Always told, beside host, method, path and length, which are no plain fields. */
const alwaysTold: ReadonlySet<string> = new Set(['authorization']);

/** They describe the content of the answer: copied onto the request they would be false of its own content. */
const describesContent: ReadonlySet<string> = new Set([
  'content-encoding',
  'content-language',
  'content-location',
  'content-range',
  'content-type',
]);

/** Answers that say nothing about the request's framing may still name what only the gateway decides. */
const neverGiven: ReadonlySet<string> = new Set(['http2-settings']);

/** What `askedTarget` puts in front of paths, whatever a user wrote: '' or an absolute path without a slash at its end. */
export function askedPrefix(path: string): string {
  const written = path === '' ? '' : writtenPath(path);
  return written.endsWith('/') ? written.slice(0, -1) : written;
}

/** The path and query that a service over HTTP is asked with. @param target origin form, or `*` */
export function askedTarget(prefix: string, target: string): string {
  if (target === '*') return prefix === '' ? '*' : prefix;
  return prefix + target;
}

/** The field lines of a request that the service is told, as they are. Host, framing and length are not among them. */
export function toldFields(auth: ExternalAuth, lines: FieldLines): FieldLines {
  const { headers } = auth;
  if (headers === undefined) return lines;
  const told = new Set(headers);
  const list: string[] = [];
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const name = (lines[i] as string).toLowerCase();
    if (told.has(name) || (auth.check.protocol === 'http' && alwaysTold.has(name))) {
      list.push(lines[i] as string, lines[i + 1] as string);
    }
  }
  return list;
}

/**
 * What the answer of a service over HTTP changes in the request. What it gives replaces what the client sent; of fields that are
 * listed and that it does not give, the client's go, since only the service may say them.
 * @param answer its field lines
 */
export function givenFields(listed: readonly string[] | undefined, answer: FieldLines): HeaderPlan {
  const dropped = new Set((listed ?? []).filter(isGiven));
  const appended: string[] = [];
  for (let i = 0; i + 1 < answer.length; i += 2) {
    const name = (answer[i] as string).toLowerCase();
    if (!isGiven(name) || (listed === undefined ? describesContent.has(name) : !dropped.has(name))) continue;
    dropped.add(name);
    appended.push(answer[i] as string, answer[i + 1] as string);
  }
  return { dropped, appended };
}

/** A change of one header, as ext_authz says it. */
export interface HeaderMutation {
  readonly name: string;
  /** One character per octet. */
  readonly value: string;
  readonly action: 'set' | 'append' | 'add-if-absent' | 'set-if-present';
}

/** Mutations in their order, then removals, as one plan for `lines`. Host and what frames the message stay as they are. */
export function planMutations(
  lines: FieldLines,
  mutations: readonly HeaderMutation[],
  removed: readonly string[],
): HeaderPlan {
  const dropped = new Set<string>();
  let appended: string[] = [];
  const present = namesOf(lines);
  for (const { name, value, action } of mutations) {
    const lower = name.toLowerCase();
    if (!isGiven(lower)) continue;
    const known = present.has(lower);
    if ((action === 'add-if-absent' && known) || (action === 'set-if-present' && !known)) continue;
    if (action !== 'append') {
      dropped.add(lower);
      appended = withoutFields(appended, new Set([lower]));
    }
    appended.push(name, value);
    present.add(lower);
  }
  for (const name of removed.map((each) => each.toLowerCase())) {
    if (!isGiven(name)) continue;
    dropped.add(name);
    appended = withoutFields(appended, new Set([name]));
  }
  return { dropped, appended };
}

function namesOf(lines: FieldLines): Set<string> {
  const names = new Set<string>();
  for (let i = 0; i < lines.length; i += 2) names.add((lines[i] as string).toLowerCase());
  return names;
}

/** @param name in lower case */
function isGiven(name: string): boolean {
  return isFieldName(name) && !isUntouchableHeader(name) && !neverGiven.has(name);
}

/** Query parameters as ext_authz changes them: those of the names go, then these come. */
export interface QueryChange {
  readonly removed: readonly string[];
  readonly set: readonly { readonly name: string; readonly value: string }[];
}

/** @param query with its `?`, or ''; what is not changed stays as it was sent */
export function changeQuery(query: string, { removed, set }: QueryChange): string {
  if (removed.length === 0 && set.length === 0) return query;
  const gone = new Set([...removed, ...set.map(({ name }) => name)]);
  const parts = query.length > 1 ? query.slice(1).split('&') : [];
  const kept = parts.filter((part) => !gone.has(nameOf(part)));
  // Of several values for one name the last counts: parameters are set, not added.
  const values = new Map(set.map(({ name, value }) => [name, value]));
  for (const [name, value] of values) kept.push(`${encode(name)}=${encode(value)}`);
  return kept.length === 0 ? '' : `?${kept.join('&')}`;
}

function nameOf(part: string): string {
  const equals = part.indexOf('=');
  return decodeParameter(equals < 0 ? part : part.slice(0, equals));
}

/** Unlike encodeURIComponent it throws on nothing. */
function encode(text: string): string {
  let encoded = '';
  for (const octet of toOctets(text.toWellFormed())) {
    encoded += /[A-Za-z0-9\-._~]/.test(octet)
      ? octet
      : `%${octet.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}
