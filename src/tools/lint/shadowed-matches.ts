// Matches that can never be reached, and matches that two routes claim alike. Sound, not complete: a finding is certain,
// but two regular expressions are only compared as text.
import type { Tables } from '../../pipeline/tables.ts';
import type { Entry, Match, PathMatch, ValueMatch } from '../../routing/model.ts';
import { at, nameOf, type Origin } from '../../routing/origin.ts';
import type { Finding } from './finding.ts';

export function shadowedMatches(tables: Tables): Finding[] {
  const seen = new Map<string, { readonly entry: Entry; hosts: number; covers: { host: string; by: Entry }[] }>();
  for (const host of tables.virtualHosts.keys()) {
    const entries = tables.virtualHosts.get(host) ?? [];
    const index = new PathIndex();
    for (const entry of entries) {
      const key = `${ruleName(entry)}/${entry.rank.match}`;
      let state = seen.get(key);
      if (state === undefined) seen.set(key, (state = { entry, hosts: 0, covers: [] }));
      state.hosts++;
      const by = index.candidates(entry.match.path).find((earlier) => covers(earlier.match, entry.match));
      if (by !== undefined) state.covers.push({ host, by });
      index.add(entry);
    }
  }
  const findings: Finding[] = [];
  for (const { entry, hosts, covers: found } of seen.values()) {
    const first = found[0];
    if (first === undefined) continue;
    findings.push(
      finding(tables, {
        entry,
        by: first.by,
        everywhere: found.length === hosts,
        hosts: found.map((each) => each.host),
      }),
    );
  }
  return findings;
}

/** The same rule of the same route, whatever the gateway. */
function ruleName(entry: Entry): string {
  return entry.rule.slice(entry.rule.indexOf('|') + 1);
}

interface Shadow {
  readonly entry: Entry;
  readonly by: Entry;
  readonly everywhere: boolean;
  readonly hosts: readonly string[];
}

function finding(tables: Tables, shadow: Shadow): Finding {
  const { entry, by } = shadow;
  const place = origin(tables, entry);
  const winner = origin(tables, by);
  const sameRule = ruleName(entry) === ruleName(by);
  const sameRoute = entry.rank.route === by.rank.route && place.object.kind === winner.object.kind;
  const alike = !sameRoute && covers(entry.match, by.match) && entry.rank.hostname === by.rank.hostname;
  const where = shadow.everywhere ? '' : ` on ${shadow.hosts.map(hostName).join(', ')}`;
  const related = [{ at: winner, message: `takes these requests first: ${describeMatch(by.match)}` }];
  if (sameRule) {
    return {
      severity: 'info',
      code: 'RedundantMatch',
      at: place,
      related,
      message: `${describeMatch(entry.match)} adds nothing${where}: another match of this rule takes the same requests.`,
      fix: 'Remove one of the two matches.',
    };
  }
  if (alike) {
    const why = entry.rank.created === by.rank.created ? 'its name comes first in the alphabet' : 'it is older';
    return {
      severity: 'warning',
      code: 'ConflictingMatch',
      at: place,
      related,
      message: `${nameOf(place.object)} and ${nameOf(winner.object)} both match ${describeMatch(entry.match)}${where}; ${nameOf(winner.object)} gets the requests, only because ${why}.`,
      fix: 'Give the two routes different hostnames, paths or headers, or merge them.',
    };
  }
  return {
    severity: shadow.everywhere ? 'warning' : 'info',
    code: 'ShadowedMatch',
    at: place,
    related,
    message: `${describeMatch(entry.match)} is never reached${where}: ${nameOf(winner.object)} takes all of it with ${describeMatch(by.match)}.`,
    fix: 'Remove this match, or make it more specific than the one that comes first.',
  };
}

function origin(tables: Tables, entry: Entry): Origin {
  const rule = tables.rules.get(entry.rule);
  if (rule === undefined) throw new Error(`no rule row for entry of ${entry.rule}`);
  // A rule of an upgraded object has an origin of its own shape, where `matches` need not exist.
  return rule.origin.path.startsWith('spec.rules') && !rule.origin.path.includes('http')
    ? at(rule.origin, 'matches', entry.rank.match)
    : rule.origin;
}

function hostName(key: string): string {
  const host = key.slice(key.indexOf('|') + 1);
  return `${host === '' ? 'any host' : host} (listener ${key.slice(0, key.indexOf('|'))})`;
}

/** Whether `a` takes every request that `b` takes. */
export function covers(a: Match, b: Match): boolean {
  return (
    (a.protocol === 'http' || b.protocol === 'grpc') &&
    (a.method === undefined || a.method === b.method || (b.protocol === 'grpc' && a.method === 'POST')) &&
    coversPath(a.path, b.path) &&
    coversValues(a.headers, b.headers) &&
    coversValues(a.query, b.query)
  );
}

function coversPath(a: PathMatch, b: PathMatch): boolean {
  if (a.type === 'prefix') {
    if (a.value === '/' || a.value === '') return true;
    if (b.type === 'exact' || b.type === 'prefix') return b.value === a.value || b.value.startsWith(`${a.value}/`);
    return false;
  }
  return a.type === b.type && a.value === b.value;
}

/** Each condition of `a` must stand among those of `b`. */
function coversValues(a: readonly ValueMatch[], b: readonly ValueMatch[]): boolean {
  return a.every((one) =>
    b.some((other) => one.type === other.type && one.name === other.name && one.value === other.value),
  );
}

/** Earlier entries by path, so that a host of thousands of rules costs one look-up per path element. */
class PathIndex {
  readonly #byPath = new Map<string, Entry[]>();

  add(entry: Entry): void {
    const key = pathKey(entry.match.path);
    const entries = this.#byPath.get(key);
    if (entries) entries.push(entry);
    else this.#byPath.set(key, [entry]);
  }

  /** Every earlier entry whose path could take all of `path`. */
  candidates(path: PathMatch): Entry[] {
    const keys = new Set([pathKey(path), 'prefix /']);
    if (path.type === 'exact' || path.type === 'prefix') {
      for (let end = path.value.length; end > 0; end = path.value.lastIndexOf('/', end - 1)) {
        keys.add(`prefix ${path.value.slice(0, end)}`);
      }
    }
    return [...keys].flatMap((key) => this.#byPath.get(key) ?? []);
  }
}

function pathKey(path: PathMatch): string {
  return `${path.type} ${path.type === 'prefix' && path.value === '' ? '/' : path.value}`;
}

/** `GET prefix /cart, header x-canary=1`, for people. */
export function describeMatch(match: Match): string {
  const parts = [`${match.method === undefined ? '' : `${match.method} `}${pathText(match.path)}`];
  for (const header of match.headers)
    parts.push(`header ${header.name}${header.type === 'exact' ? '=' : '~'}${header.value}`);
  for (const query of match.query) parts.push(`query ${query.name}${query.type === 'exact' ? '=' : '~'}${query.value}`);
  return parts.join(', ');
}

function pathText(path: PathMatch): string {
  switch (path.type) {
    case 'exact':
      return `path ${path.value}`;
    case 'prefix':
      return `prefix ${path.value === '' ? '/' : path.value}`;
    case 'regex':
      return `path ~ ${path.value}`;
    case 'grpc-method':
      return `gRPC method ${path.value}`;
    default:
      return path satisfies never;
  }
}
