// Path changes of the model -> one substitution of RE2 over the path, which Envoy applies and keeps the query (changePath in
// routing/filters is the meaning).
import { RE2JS } from 're2js';
import type { PathChange } from '../../../routing/filters.ts';
import { changePath, writtenPath } from '../../../routing/filters/path-change.ts';
import { toOctets } from '../../../routing/match/octets.ts';
import { pathKey } from '../../../routing/match/conditions.ts';
import type { Message } from '../tree.ts';
import { quoted } from './match.ts';

/** A RegexMatchAndSubstitute; undefined: nothing changes. Of several only what can be said as one (`combined`). */
export function pathSubstitution(changes: readonly PathChange[]): Message | undefined {
  const change = combined(changes);
  if (change === undefined) return undefined;
  const { pattern, substitution } = substitutionOf(change);
  return { pattern: { regex: pattern }, substitution };
}

/** Changes one after the other as a single one: what is behind a change of the whole path is known before any request comes. */
export function combined(changes: readonly PathChange[]): PathChange | undefined {
  let all: PathChange | undefined;
  for (const change of changes) {
    if (all?.type === 'full' && change.type !== 'full') {
      all = { type: 'full', value: changePath(writtenPath(all.value), change) };
    } else if (all?.type === 'prefix' && change.type === 'prefix') {
      all = joined(all, change);
    } else {
      all = change;
    }
  }
  return all;
}

/** Of two prefixes: the second where the first leaves it, else the first. */
function joined(first: PathChange & { type: 'prefix' }, second: PathChange & { type: 'prefix' }): PathChange {
  const left = writtenPath(first.value);
  const replaced = changePath(left, second);
  return replaced === left ? first : { type: 'prefix', prefix: first.prefix, value: replaced };
}

interface Substitution {
  readonly pattern: string;
  readonly substitution: string;
}

function substitutionOf(change: PathChange): Substitution {
  switch (change.type) {
    case 'full':
      return { pattern: '(?s)^.*$', substitution: plain(writtenPath(change.value)) };
    case 'prefix': {
      const prefix = quoted(pathKey({ type: 'prefix', value: change.prefix }));
      const value = writtenPath(change.value);
      const base = plain(value.endsWith('/') ? value.slice(0, -1) : value);
      // Nothing in front: the slash between is the first one of the path.
      if (base === '') return { pattern: `(?s)^${prefix}(?:/(.*))?$`, substitution: String.raw`/\1` };
      return { pattern: `(?s)^${prefix}(/.*)?$`, substitution: String.raw`${base}\1` };
    }
    case 'regex':
      return {
        pattern: `^(?:${change.pattern})(?s:.*)$`,
        substitution: captures(plain(visible(change.value)), groupsOf(change.pattern)),
      };
    default:
      return change satisfies never;
  }
}

/** `$1` as RE2 writes it; a group that is not there is empty. */
function captures(value: string, groups: number): string {
  return value.replaceAll(/\$(\d)/g, (_, group: string) => (Number(group) <= groups ? `\\${group}` : ''));
}

function groupsOf(pattern: string): number {
  try {
    return RE2JS.compile(pattern).groupCount();
  } catch {
    // Reported when it was translated, and left out before it comes here.
    return 0;
  }
}

/** What no path may contain, percent-encoded. */
function visible(text: string): string {
  return toOctets(text).replaceAll(/[^\x21-\x7e]|[?#]/g, percentEncoded);
}

function percentEncoded(octet: string): string {
  return `%${octet.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}

/** What RE2 puts in as it is. */
function plain(text: string): string {
  return text.replaceAll('\\', String.raw`\\`);
}
