// The order of the matches of one virtual host: section "rules.matches" of HTTPRouteSpec and GRPCRouteSpec, step by step.
// What the spec leaves open is decided here and told in docs/semantics.md.
import { compareText } from '../../support/sorted.ts';
import type { Entry, PathMatch } from '../model.ts';
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

/** A total order over the entries of one virtual host: negative when `a` goes first, 0 for the same match of the same rule. */
export function compareEntries(a: Entry, b: Entry): number {
  for (let i = 0; i < steps.length; i++) {
    const order = (steps[i] as Step).compare(a, b);
    if (order !== 0) return order;
  }
  return 0;
}

/** The first step that tells the two apart; undefined when none does. */
export function decidingStep(a: Entry, b: Entry): PrecedenceStep | undefined {
  return steps.find((step) => step.compare(a, b) !== 0)?.name;
}

interface Step {
  readonly name: PrecedenceStep;
  readonly compare: (a: Entry, b: Entry) => number;
}

const steps: readonly Step[] = [
  // By length and then by text: two hostnames of one length are never of one host, but the order has to be total.
  {
    name: 'hostname',
    compare: ({ rank: { hostname: a } }, { rank: { hostname: b } }) =>
      a === b ? 0 : compareSpecificity(a, b) || compareText(a, b),
  },
  { name: 'explicit', compare: (a, b) => (b.rank.explicit ?? 0) - (a.rank.explicit ?? 0) },
  { name: 'protocol', compare: (a, b) => protocolOrder(b) - protocolOrder(a) },
  { name: 'path', compare: (a, b) => pathOrder(b.match.path) - pathOrder(a.match.path) },
  { name: 'pathLength', compare: (a, b) => pathLength(b.match.path) - pathLength(a.match.path) },
  { name: 'grpcMethod', compare: (a, b) => grpcMethodLength(b.match.path) - grpcMethodLength(a.match.path) },
  { name: 'method', compare: (a, b) => Number(b.match.method !== undefined) - Number(a.match.method !== undefined) },
  { name: 'headers', compare: (a, b) => b.match.headers.length - a.match.headers.length },
  { name: 'query', compare: (a, b) => b.match.query.length - a.match.query.length },
  { name: 'created', compare: (a, b) => compareAges(a.rank.created, b.rank.created) },
  { name: 'route', compare: (a, b) => compareText(a.rank.route, b.rank.route) },
  // Two kinds of route may share a namespace, a name and an index; the key of the rule names the kind.
  { name: 'rule', compare: (a, b) => a.rank.rule - b.rank.rule || compareText(a.rule, b.rule) },
  { name: 'match', compare: (a, b) => a.rank.match - b.rank.match },
];

/** The older first; a route without an age (from a file) comes after those that have one, which an API server stored. */
function compareAges(a: string, b: string): number {
  if (a === b) return 0;
  const left = ageOf(a);
  const right = ageOf(b);
  return left === right ? 0 : left - right;
}

/** As a time and not as text: RFC 3339 can write one instant in several ways. */
function ageOf(created: string): number {
  const known = ages.get(created);
  if (known !== undefined) return known;
  const time = Date.parse(created);
  const age = Number.isNaN(time) ? Number.MAX_SAFE_INTEGER : time;
  if (ages.size >= keptAges) ages.clear();
  ages.set(created, age);
  return age;
}

/** Parsed ages: comparing is what sorted lists spend their time on. */
const ages = new Map<string, number>();
const keptAges = 16_384;

function protocolOrder({ match }: Entry): number {
  return match.protocol === 'grpc' ? 1 : 0;
}

/**
 * GRPCRoute asks for the most characters of the service, then of the method. Its paths give that order by themselves:
 * service and method are an exact path, a service is a prefix, a method alone has no character of a service.
 */
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

/** Characters of the path; a trailing slash of a prefix does not count. Two exact paths of one request are the same. */
function pathLength(path: PathMatch): number {
  if (path.type === 'grpc-method') return 0;
  const { value } = path;
  return path.type === 'prefix' && value.endsWith('/') ? value.length - 1 : value.length;
}

function grpcMethodLength(path: PathMatch): number {
  return path.type === 'grpc-method' ? path.value.length : 0;
}
