// What the kinds of routes do not have in common: their matches. Everything else of a route is translated by the same code,
// over the shape that all share. TLSRoute, TCPRoute and UDPRoute match every connection that comes to them.
import type { GRPCRoute, HTTPRoute, TCPRoute, TLSRoute, UDPRoute } from '../../api/generated/types.ts';
import type { Sourced } from '../../api/sourced.ts';
import { checkRegex } from '../../routing/match/regex.ts';
import type { Match, PathMatch, Rule, ValueMatch } from '../../routing/model.ts';

type HttpRule = HTTPRoute['spec']['rules'][number];
type HttpMatch = HttpRule['matches'][number];
type GrpcMatch = NonNullable<NonNullable<GRPCRoute['spec']['rules']>[number]['matches']>[number];

/** A rule without its matches. */
export type RuleSpec = Omit<HttpRule, 'matches'>;
export type FilterSpec = NonNullable<RuleSpec['filters']>[number];
export type BackendRefSpec = NonNullable<RuleSpec['backendRefs']>[number];
export type BackendFilterSpec = NonNullable<BackendRefSpec['filters']>[number];

export type StreamRoute = TLSRoute | TCPRoute | UDPRoute;
export type AnyRoute = HTTPRoute | GRPCRoute | StreamRoute;

/** A match that cannot be translated: no request can be known to fall under it. */
export interface Unmatchable {
  readonly path: string;
  readonly why: string;
}

export interface Dialect<Route extends AnyRoute = AnyRoute> {
  readonly kind: Route['kind'];
  readonly protocol: Rule['protocol'];
  /** What its backends are spoken to in, unless they say otherwise. */
  readonly backends: 'http' | 'grpc' | 'tcp' | 'udp';
  rules(sourced: Sourced<Route>): readonly RuleSpec[];
  /** The matches of a rule; a rule without any takes every request. */
  matches(sourced: Sourced<Route>, rule: number): readonly (Match | Unmatchable)[];
}

export const httpDialect: Dialect<HTTPRoute> = {
  kind: 'HTTPRoute',
  protocol: 'http',
  backends: 'http',
  rules: ({ object }) => object.spec.rules,
  matches: ({ object }, rule) => {
    const matches = object.spec.rules[rule]?.matches ?? [];
    return matches.length === 0 ? [everyHttpRequest] : matches.map(httpMatch);
  },
};

export const grpcDialect: Dialect<GRPCRoute> = {
  kind: 'GRPCRoute',
  protocol: 'grpc',
  backends: 'grpc',
  rules: ({ object }) => object.spec.rules ?? [],
  matches: ({ object }, rule) => {
    const matches = object.spec.rules?.[rule]?.matches ?? [];
    return matches.length === 0 ? [everyGrpcRequest] : matches.map(grpcMatch);
  },
};

export const tlsDialect: Dialect<TLSRoute> = streamDialect('TLSRoute', 'tcp');
export const tcpDialect: Dialect<TCPRoute> = streamDialect('TCPRoute', 'tcp');
export const udpDialect: Dialect<UDPRoute> = streamDialect('UDPRoute', 'udp');

function streamDialect<Route extends StreamRoute>(kind: Route['kind'], backends: 'tcp' | 'udp'): Dialect<Route> {
  return {
    kind,
    protocol: 'stream',
    backends,
    rules: ({ object }) => object.spec.rules,
    matches: () => [everyStream],
  };
}

const everything: PathMatch = { type: 'prefix', value: '/' };
const everyHttpRequest: Match = { protocol: 'http', path: everything, headers: [], query: [] };
const everyGrpcRequest: Match = { protocol: 'grpc', path: everything, headers: [], query: [] };
const everyStream: Match = { protocol: 'stream', path: everything, headers: [], query: [] };

export function isUnmatchable(match: Match | Unmatchable): match is Unmatchable {
  return 'why' in match;
}

function httpMatch(match: HttpMatch): Match | Unmatchable {
  const path = httpPath(match.path);
  if (path.type === 'regex') {
    const wrong = checkRegex(path.value);
    if (wrong !== undefined) return { path: 'path.value', why: `the path pattern ${path.value} ${wrong}` };
  }
  const headers = valueMatches('headers', match.headers ?? [], lowerCase);
  if (!Array.isArray(headers)) return headers as Unmatchable;
  const query = valueMatches('queryParams', match.queryParams ?? [], asWritten);
  if (!Array.isArray(query)) return query as Unmatchable;
  return { protocol: 'http', path, ...(match.method === undefined ? {} : { method: match.method }), headers, query };
}

function httpPath({ type, value }: HttpMatch['path']): PathMatch {
  switch (type) {
    case 'Exact':
      return { type: 'exact', value };
    case 'RegularExpression':
      return { type: 'regex', value };
    case 'PathPrefix':
      return { type: 'prefix', value: prefixOf(value) };
    default:
      return type satisfies never;
  }
}

/** `/abc/` is `/abc`: the trailing slash of a prefix does not count. */
export function prefixOf(value: string): string {
  return value.length > 1 && value.endsWith('/') ? value.slice(0, -1) : value;
}

/** Only the first of several matches on one name counts, as the spec demands. */
function valueMatches(
  field: 'headers' | 'queryParams',
  specs: readonly { readonly name: string; readonly type: 'Exact' | 'RegularExpression'; readonly value: string }[],
  nameOf: (name: string) => string,
): readonly ValueMatch[] | Unmatchable {
  const found = new Map<string, ValueMatch>();
  for (const [index, spec] of specs.entries()) {
    const name = nameOf(spec.name);
    if (found.has(name)) continue;
    if (spec.type === 'RegularExpression') {
      const wrong = checkRegex(spec.value);
      if (wrong !== undefined) {
        return { path: `${field}[${index}].value`, why: `the pattern ${spec.value} for ${spec.name} ${wrong}` };
      }
    }
    found.set(name, { type: spec.type === 'RegularExpression' ? 'regex' : 'exact', name, value: spec.value });
  }
  return found.size === 0 ? noValues : [...found.values()];
}

const noValues: readonly ValueMatch[] = [];

function lowerCase(name: string): string {
  return name.toLowerCase();
}

function asWritten(name: string): string {
  return name;
}

function grpcMatch(match: GrpcMatch): Match | Unmatchable {
  const path = grpcPath(match.method);
  if (path.type === 'regex') {
    const { service = '', method = '' } = match.method ?? {};
    const wrong = checkRegex(service) ?? checkRegex(method) ?? checkRegex(path.value);
    if (wrong !== undefined) return { path: 'method', why: `the gRPC method pattern ${path.value} ${wrong}` };
  }
  const headers = valueMatches('headers', match.headers ?? [], lowerCase);
  if (!Array.isArray(headers)) return headers as Unmatchable;
  return { protocol: 'grpc', path, headers, query: [] };
}

/** A gRPC request is a POST to `/{service}/{method}`. */
function grpcPath(spec: GrpcMatch['method']): PathMatch {
  const service = spec?.service ?? '';
  const method = spec?.method ?? '';
  if (service === '' && method === '') return everything;
  if (spec?.type === 'RegularExpression') return { type: 'regex', value: `/${partOf(service)}/${partOf(method)}` };
  if (service === '') return { type: 'grpc-method', value: method };
  return method === '' ? { type: 'prefix', value: `/${service}` } : { type: 'exact', value: `/${service}/${method}` };
}

function partOf(pattern: string): string {
  return pattern === '' ? '[^/]+' : `(?:${pattern})`;
}
