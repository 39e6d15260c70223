// The matches beside the one that takes a request: those that take it too and lost, at which step; those that would have
// won with one more condition; and, when nothing takes it, those that failed on the fewest.
import { takesPath, takesValue, type MatchRequest } from '../../routing/match/conditions.ts';
import { coversHost } from '../../routing/match/hostnames.ts';
import { fromOctets } from '../../routing/match/octets.ts';
import { compareEntries, decidingStep, precedenceSteps } from '../../routing/match/precedence.ts';
import type { Entry, Match, ValueMatch, VirtualHost } from '../../routing/model.ts';
import { at, type ObjectRef, type Origin } from '../../routing/origin.ts';
import type { Tables } from '../../pipeline/tables.ts';
import type { Candidate, FailedCondition, Miss, RunnerUp } from './explanation.ts';

/** How many of a kind are shown. */
const shown = 5;

export interface Winner {
  readonly entry: Entry;
  readonly virtualHost: VirtualHost;
}

export function describeCandidate(tables: Tables, entry: Entry, virtualHost: VirtualHost): Candidate {
  const rule = tables.rules.get(entry.rule);
  return {
    route: routeOf(tables, entry.rule),
    rule: entry.rule,
    ...(rule?.name === undefined ? {} : { ruleName: rule.name }),
    match: entry.match,
    hostname: entry.rank.hostname,
    virtualHost: virtualHost.hostname,
    listener: virtualHost.frontend,
    origin: rule === undefined ? { object: routeOf(tables, entry.rule), path: '' } : matchOrigin(rule.origin, entry),
  };
}

/** The route as its user wrote it. `gateway|kind/namespace/name|index` names it. */
export function routeOf(tables: Tables, rule: string): ObjectRef {
  const key = rule.slice(rule.indexOf('|') + 1, rule.lastIndexOf('|'));
  const [kind = '', namespace = '', name = ''] = key.split('/');
  return tables.routes.get(key)?.written ?? { group: 'gateway.networking.k8s.io', kind, namespace, name };
}

/** Rules of routes have a list of matches; what was upgraded from something else (an Ingress) has no field of its own. */
function matchOrigin(rule: Origin, entry: Entry): Origin {
  if (entry.match.protocol === 'stream') return rule;
  return /^spec\.rules\[\d+\]$/.test(rule.path) && rule.object.kind.endsWith('Route')
    ? at(rule, 'matches', entry.rank.match)
    : rule;
}

/** @param covering virtual hosts in the order in which they are asked */
export function runnersUp(
  tables: Tables,
  winner: Winner,
  covering: readonly VirtualHost[],
  request: MatchRequest,
): { readonly first: readonly RunnerUp[]; readonly total: number } {
  return runnersUpFor(tables, winner, covering, ({ match }) => failuresOf(match, request).length === 0);
}

/** @param takes whether an entry would take it, if none stood before */
export function runnersUpFor(
  tables: Tables,
  winner: Winner,
  covering: readonly VirtualHost[],
  takes: (entry: Entry) => boolean,
): { readonly first: readonly RunnerUp[]; readonly total: number } {
  const first: RunnerUp[] = [];
  let total = 0;
  for (const virtualHost of covering) {
    for (const entry of virtualHost.entries) {
      if (entry === winner.entry || !takes(entry)) continue;
      total++;
      if (first.length === shown) continue;
      const lostAt = virtualHost === winner.virtualHost ? decidingStep(winner.entry, entry) : 'virtual-host';
      // The same match twice: nothing tells them apart, and nothing has to.
      if (lostAt === undefined) continue;
      const because =
        lostAt === 'virtual-host' ? 'the more specific virtual host' : advantage(lostAt, winner.entry, entry);
      first.push({ ...describeCandidate(tables, entry, virtualHost), lostAt, because });
    }
  }
  return { first, total };
}

/** Matches that stand before the winner and fail on one condition other than the path. */
export function nearMisses(
  tables: Tables,
  winner: Winner,
  covering: readonly VirtualHost[],
  request: MatchRequest,
): readonly Miss[] {
  const found: Miss[] = [];
  for (const virtualHost of covering) {
    for (const entry of virtualHost.entries) {
      if (found.length === shown) return found;
      if (virtualHost === winner.virtualHost && compareEntries(entry, winner.entry) >= 0) return found;
      if (!takesPath(entry.match.path, request.path)) continue;
      const failed = failuresOf(entry.match, request);
      if (failed.length === 1) found.push({ ...describeCandidate(tables, entry, virtualHost), failed });
    }
    if (virtualHost === winner.virtualHost) return found;
  }
  return found;
}

export interface Elsewhere {
  readonly virtualHost: VirtualHost;
  /** Why none of its entries is asked; none for a virtual host that covers the host. */
  readonly failed: readonly FailedCondition[];
}

/** Of all entries of these virtual hosts, those that failed on the fewest conditions; of those, the nearest path. */
export function closest(tables: Tables, hosts: readonly Elsewhere[], request: MatchRequest): readonly Miss[] {
  const best: { entry: Entry; virtualHost: VirtualHost; failed: readonly FailedCondition[]; path: number }[] = [];
  for (const { virtualHost, failed: outside } of hosts) {
    for (const entry of virtualHost.entries) {
      const failed = [...outside, ...failuresOf(entry.match, request)];
      const last = best[shown - 1];
      if (last !== undefined && failed.length > last.failed.length) continue;
      best.push({ entry, virtualHost, failed, path: nearness(entry.match, request.path) });
      best.sort((a, b) => a.failed.length - b.failed.length || b.path - a.path);
      if (best.length > shown) best.pop();
    }
  }
  return best.map(({ entry, virtualHost, failed }) => ({ ...describeCandidate(tables, entry, virtualHost), failed }));
}

/** Streams for other names; those whose names end alike first. */
export function hostMisses(tables: Tables, hosts: readonly VirtualHost[], host: string): readonly Miss[] {
  return hosts
    .flatMap((virtualHost) => {
      const [entry] = virtualHost.entries;
      return entry === undefined || coversHost(virtualHost.hostname, host) ? [] : [{ entry, virtualHost }];
    })
    .toSorted((a, b) => sameEnd(b.virtualHost.hostname, host) - sameEnd(a.virtualHost.hostname, host))
    .slice(0, shown)
    .map(({ entry, virtualHost }) => ({
      ...describeCandidate(tables, entry, virtualHost),
      failed: [{ condition: 'hostname', expected: virtualHost.hostname, actual: host || 'no server name' }],
    }));
}

/** Characters that two names have in common at their ends. */
function sameEnd(a: string, b: string): number {
  let same = 0;
  while (same < a.length && same < b.length && a.at(-1 - same) === b.at(-1 - same)) same++;
  return same;
}

/** Every condition of a match that the request does not meet. */
export function failuresOf(match: Match, request: MatchRequest): readonly FailedCondition[] {
  const failed: FailedCondition[] = [];
  if (match.protocol === 'grpc' && !request.grpc) {
    const actual = `${request.method} ${request.header('content-type') ?? 'without content-type'}`;
    failed.push({ condition: 'protocol', expected: 'POST application/grpc', actual });
  }
  const { type, value } = match.path;
  if (!takesPath(match.path, request.path)) {
    failed.push({ condition: 'path', type, expected: value, actual: request.path });
  }
  if (match.method !== undefined && match.method !== request.method) {
    failed.push({ condition: 'method', expected: match.method, actual: request.method });
  }
  for (const header of match.headers) {
    const octets = request.header(header.name);
    const text = octets === undefined ? undefined : fromOctets(octets);
    if (!takesValue(header, text)) failed.push(failedValue('header', header, text));
  }
  for (const parameter of match.query) {
    const value = request.query(parameter.name);
    if (!takesValue(parameter, value)) failed.push(failedValue('query', parameter, value));
  }
  return failed;
}

function failedValue(condition: 'header' | 'query', match: ValueMatch, actual: string | undefined): FailedCondition {
  const { name, type, value } = match;
  return { condition, name, type, expected: value, ...(actual === undefined ? {} : { actual }) };
}

/** Leading characters that the path of a match and a path have in common; all of them when it takes it. */
function nearness({ path: match }: Match, path: string): number {
  if (takesPath(match, path)) return path.length;
  const value = match.type === 'grpc-method' ? '' : match.value;
  let same = 0;
  while (same < value.length && same < path.length && value.charAt(same) === path.charAt(same)) same++;
  return same;
}

function advantage(step: keyof typeof precedenceSteps, winner: Entry, loser: Entry): string {
  const words = precedenceSteps[step];
  const [won, lost] = [winner, loser].map((entry) => measure(step, entry));
  return won === undefined || lost === undefined ? words : `${words}: ${won} before ${lost}`;
}

/** What the step compares, as people would read it. */
function measure(step: keyof typeof precedenceSteps, { match, rank, rule }: Entry): string | undefined {
  switch (step) {
    case 'hostname':
      return rank.hostname === '' ? 'any host' : rank.hostname;
    case 'path':
      return match.path.type;
    case 'pathLength':
    case 'grpcMethod':
      return match.path.value;
    case 'headers':
      return String(match.headers.length);
    case 'query':
      return String(match.query.length);
    case 'created':
      return rank.created === '' ? 'unknown age' : rank.created;
    case 'route':
      return rank.route;
    case 'rule':
      return rule.slice(rule.indexOf('|') + 1).replace(/\|(\d+)$/, ' rule $1');
    case 'match':
      return `match ${rank.match}`;
    case 'explicit':
    case 'protocol':
    case 'method':
      return undefined;
    default:
      return step satisfies never;
  }
}
