// The naive matcher, written from the text of the standard and sharing no code with the compiled one: which listener a
// request belongs to, and which entry of its virtual hosts takes it. Linear scans and sorts; slow and plain on purpose.
import { RE2JS } from 're2js';
import type { Entry, ValueMatch, VirtualHost } from '../../src/routing/model.ts';

export interface OracleRequest {
  readonly host: string;
  readonly path: string;
  readonly method: string;
  readonly grpc: boolean;
  readonly headers: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
}

/** Listener isolation: "a request is matched to the most specific listener", and to no other. */
export function oracleListener<L extends { readonly hostname: string }>(
  listeners: readonly L[],
  host: string,
): L | undefined {
  return listeners
    .filter((listener) => coversHost(listener.hostname, host))
    .toSorted((a, b) => specificity(b.hostname) - specificity(a.hostname))[0];
}

/** "Precedence must be given to the most characters in a matching non-wildcard hostname, then in any matching hostname." */
export function oracle(hosts: readonly VirtualHost[], request: OracleRequest): Entry | undefined {
  const candidates = hosts
    .filter((host) => coversHost(host.hostname, request.host))
    .toSorted((a, b) => specificity(b.hostname) - specificity(a.hostname));
  for (const host of candidates) {
    const takers = host.entries.filter((entry) => takesAll(entry, request));
    takers.sort((a, b) => firstDifference(order(a), order(b)));
    if (takers[0] !== undefined) return takers[0];
  }
  return undefined;
}

function coversHost(pattern: string, host: string): boolean {
  if (pattern === '') return true;
  if (!pattern.startsWith('*')) return pattern === host;
  const labels = pattern.split('.').slice(1);
  const given = host.split('.');
  return (
    given.length > labels.length && labels.every((label, at) => given[given.length - labels.length + at] === label)
  );
}

function specificity(pattern: string): number {
  return pattern !== '' && !pattern.startsWith('*') ? 1000 + pattern.length : pattern.length;
}

function takesAll({ match }: Entry, request: OracleRequest): boolean {
  if (match.protocol === 'grpc' && !request.grpc) return false;
  if (match.method !== undefined && match.method !== request.method) return false;
  const elements = request.path.split('/').slice(1);
  const { type, value } = match.path;
  if (type === 'exact' && request.path !== value) return false;
  if (type === 'regex' && !RE2JS.matches(value, request.path)) return false;
  if (type === 'grpc-method' && !(elements.length === 2 && elements[1] === value && value !== '')) return false;
  if (type === 'prefix') {
    const wanted = value.split('/').slice(1);
    if (wanted.at(-1) === '') wanted.pop();
    if (!wanted.every((element, at) => elements[at] === element)) return false;
  }
  return (
    match.headers.every((one) => holds(one, request.headers)) && match.query.every((one) => holds(one, request.query))
  );
}

function holds(match: ValueMatch, values: Readonly<Record<string, string>>): boolean {
  const value = values[match.name];
  if (value === undefined) return false;
  return match.type === 'exact' ? value === match.value : RE2JS.matches(match.value, value);
}

/** What the standard compares, each as "smaller goes first". */
function order({ match, rank }: Entry): readonly (number | string)[] {
  const { type, value } = match.path;
  const characters = type === 'prefix' ? value.replace(/\/$/, '').length : type === 'grpc-method' ? 0 : value.length;
  return [
    -specificity(rank.hostname),
    -(rank.explicit ?? 0),
    match.protocol === 'grpc' ? 0 : 1,
    type === 'exact' ? 0 : type === 'regex' ? 1 : 2,
    -characters,
    type === 'grpc-method' ? -value.length : 0,
    match.method === undefined ? 1 : 0,
    -match.headers.length,
    -match.query.length,
    rank.created === '' ? '~' : rank.created,
    rank.route,
    rank.rule,
    rank.match,
  ];
}

function firstDifference(a: readonly (number | string)[], b: readonly (number | string)[]): number {
  for (const [at, value] of a.entries()) {
    const other = b[at] as number | string;
    if (value !== other) return value < other ? -1 : 1;
  }
  return 0;
}
