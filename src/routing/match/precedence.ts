// The order of the matches of one virtual host: section "rules.matches" of HTTPRouteSpec and GRPCRouteSpec, step by step.
// What the spec leaves open is decided here and told in docs/semantics.md.
import { compareText } from '../../support/sorted.ts';
import type { Entry, Match, PathMatch } from '../model.ts';
import { compareSpecificity } from './hostnames.ts';

/** The steps by which one match goes before another, in order; explain names the step at which a runner-up lost. */
export type PrecedenceStep =
  | 'hostname'
  | 'explicit'
  | 'protocol'
  | 'path'
  | 'pathLength'
  | 'grpcMethod'
  | 'method'
  | 'headers'
  | 'query'
  | 'created'
  | 'route'
  | 'rule'
  | 'match';

export const precedenceSteps: Readonly<Record<PrecedenceStep, string>> = {
  hostname: 'the more specific route hostname',
  explicit: 'the order of its own dialect',
  protocol: 'a GRPCRoute before an HTTPRoute',
  path: 'an exact path before a regular expression before a prefix',
  pathLength: 'the longer path',
  grpcMethod: 'the longer gRPC method',
  method: 'a match on the method',
  headers: 'more header matches',
  query: 'more query parameter matches',
  created: 'the older route',
  route: 'the name of the route, by the alphabet',
  rule: 'the earlier rule of the route',
  match: 'the earlier match of the rule',
};

/** A total order over the entries of one virtual host: negative when `a` goes first. */
export function compareEntries(a: Entry, b: Entry): number {
  const { rank: x } = a;
  const { rank: y } = b;
  return (
    (x.hostname === y.hostname ? 0 : compareSpecificity(x.hostname, y.hostname)) ||
    (y.explicit ?? 0) - (x.explicit ?? 0) ||
    compareMatches(a.match, b.match) ||
    compareAges(x.created, y.created) ||
    compareText(x.route, y.route) ||
    x.rule - y.rule ||
    x.match - y.match ||
    // Two routes of one name and different kinds; and two hostnames of one length.
    compareText(a.rule, b.rule) ||
    compareText(x.hostname, y.hostname)
  );
}

function compareMatches(a: Match, b: Match): number {
  return (
    protocolOrder(b) - protocolOrder(a) ||
    pathOrder(b.path) - pathOrder(a.path) ||
    pathLength(b.path) - pathLength(a.path) ||
    grpcMethodLength(b.path) - grpcMethodLength(a.path) ||
    Number(b.method !== undefined) - Number(a.method !== undefined) ||
    b.headers.length - a.headers.length ||
    b.query.length - a.query.length
  );
}

/** The first step that tells the two apart. */
export function decidingStep(a: Entry, b: Entry): PrecedenceStep {
  const { rank: x } = a;
  const { rank: y } = b;
  if (compareSpecificity(x.hostname, y.hostname) !== 0) return 'hostname';
  if ((x.explicit ?? 0) !== (y.explicit ?? 0)) return 'explicit';
  if (a.match.protocol !== b.match.protocol) return 'protocol';
  if (pathOrder(a.match.path) !== pathOrder(b.match.path)) return 'path';
  if (pathLength(a.match.path) !== pathLength(b.match.path)) return 'pathLength';
  if (grpcMethodLength(a.match.path) !== grpcMethodLength(b.match.path)) return 'grpcMethod';
  if ((a.match.method === undefined) !== (b.match.method === undefined)) return 'method';
  if (a.match.headers.length !== b.match.headers.length) return 'headers';
  if (a.match.query.length !== b.match.query.length) return 'query';
  if (compareAges(x.created, y.created) !== 0) return 'created';
  if (x.route !== y.route) return 'route';
  return x.rule === y.rule ? 'match' : 'rule';
}

/** The older first; a route without an age (from a file) after those that have one. */
function compareAges(a: string, b: string): number {
  return a === '' || b === '' ? Number(a === '') - Number(b === '') : compareText(a, b);
}

function protocolOrder(match: Match): number {
  return match.protocol === 'grpc' ? 1 : 0;
}

function pathOrder(path: PathMatch): number {
  switch (path.type) {
    case 'exact':
      return 2;
    case 'regex':
      return 1;
    case 'prefix':
    case 'grpc-method':
      return 0;
    default:
      return path satisfies never;
  }
}

/** Characters of the path; a trailing slash of a prefix does not count. */
function pathLength(path: PathMatch): number {
  if (path.type === 'grpc-method') return 0;
  const { value } = path;
  return path.type === 'prefix' && value.endsWith('/') ? value.length - 1 : value.length;
}

function grpcMethodLength(path: PathMatch): number {
  return path.type === 'grpc-method' ? path.value.length : 0;
}
