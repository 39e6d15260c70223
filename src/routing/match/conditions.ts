// The conditions of one match, compiled: path, method, headers and query parameters. The matcher asks them in order of
// precedence; explain asks them one by one to say which failed.
import type { Match, PathMatch, ValueMatch } from '../model.ts';
import { fromOctets, toOctets } from './octets.ts';
import { normalizePath } from './path.ts';
import { compileRegex, type Regex } from './regex.ts';

/** What is asked of a request. `header` and `query` are called only when an entry has a condition on them. */
export interface MatchRequest {
  /** Normalised (path.ts), without the query; `*` of an asterisk-form target. */
  readonly path: string;
  readonly method: string;
  /** POST with content-type application/grpc, or one of its `+` and `;` forms: `isGrpc`. */
  readonly grpc: boolean;
  /** One character per octet; lines of one name joined by `, ` (RFC 9110 section 5.3). @param name in lower case. */
  header(name: string): string | undefined;
  /** The first value of a query parameter, decoded (query.ts). */
  query(name: string): string | undefined;
}

/** Whether a request is gRPC: what entries of GRPCRoutes take. gRPC-Web has a content type of its own and is not. */
export function isGrpc(method: string, contentType: string | undefined): boolean {
  if (method !== 'POST' || contentType === undefined || !/^application\/grpc/i.test(contentType)) return false;
  const next = contentType.charAt('application/grpc'.length);
  return next === '' || next === '+' || next === ';' || next === ' ';
}

/** Whether one match takes the request. */
export function takes(match: Match, request: MatchRequest): boolean {
  return takesPath(match.path, request.path) && takesRest(compileMatch(match), request);
}

/** Whether the path of a match takes a normalised path. */
export function takesPath(match: PathMatch, path: string): boolean {
  switch (match.type) {
    case 'exact':
      return path === pathKey(match);
    case 'regex':
      return compileRegex(match.value).test(path);
    case 'grpc-method':
      return methodOf(path) === match.value;
    case 'prefix':
      return startsWithElements(path, pathKey(match));
    default:
      return match satisfies never;
  }
}

/** Whether one condition on a value holds; `value` is undefined when the request has none. */
export function takesValue(match: ValueMatch, value: string | undefined): boolean {
  return satisfies(compileCondition(match, same), value);
}

export interface Condition {
  readonly name: string;
  readonly value: string;
  readonly regex: Regex | undefined;
}

export interface CompiledMatch {
  readonly grpc: boolean;
  readonly method: string | undefined;
  readonly headers: readonly Condition[];
  readonly query: readonly Condition[];
}

export function compileMatch(match: Match): CompiledMatch {
  return {
    grpc: match.protocol === 'grpc',
    method: match.method,
    headers: compileConditions(match.headers, toOctets),
    query: compileConditions(match.query, same),
  };
}

/** Everything but the path. */
export function takesRest(match: CompiledMatch, request: MatchRequest): boolean {
  if (match.grpc && !request.grpc) return false;
  if (match.method !== undefined && match.method !== request.method) return false;
  for (let i = 0; i < match.headers.length; i++) {
    const wanted = match.headers[i] as Condition;
    const value = request.header(wanted.name);
    if (!satisfies(wanted, value === undefined || wanted.regex === undefined ? value : fromOctets(value))) return false;
  }
  for (let i = 0; i < match.query.length; i++) {
    const wanted = match.query[i] as Condition;
    if (!satisfies(wanted, request.query(wanted.name))) return false;
  }
  return true;
}

/** The form in which paths are compared: as requests' paths are normalised, prefixes without a trailing slash (`/` is ''). */
export function pathKey(match: PathMatch): string {
  if (match.type === 'grpc-method' || match.type === 'regex') return match.value;
  const path = normalizePath(match.value) ?? match.value;
  return match.type === 'prefix' && path.endsWith('/') ? path.slice(0, -1) : path;
}

/** `Method` of `/Service/Method`; '' when the path is not of that form. */
export function methodOf(path: string): string {
  const slash = path.indexOf('/', 1);
  return slash < 0 || path.includes('/', slash + 1) ? '' : path.slice(slash + 1);
}

/** Element by element: `/a` is the beginning of /a, /a/ and /a/b, not of /ab; '' is that of every path, `*` included. */
export function startsWithElements(path: string, prefix: string): boolean {
  const { length } = prefix;
  if (length === 0) return true;
  if (path.length < length || (path.length > length && path.charCodeAt(length) !== SLASH)) return false;
  return path.startsWith(prefix);
}

const SLASH = 47;

/** Of most matches there are none, and all of those have one list. */
const noConditions: readonly Condition[] = [];

function compileConditions(matches: readonly ValueMatch[], form: (value: string) => string): readonly Condition[] {
  return matches.length === 0 ? noConditions : matches.map((match) => compileCondition(match, form));
}

function compileCondition(match: ValueMatch, form: (value: string) => string): Condition {
  const regex = match.type === 'regex' ? compileRegex(match.value) : undefined;
  return { name: match.name, value: regex === undefined ? form(match.value) : match.value, regex };
}

function satisfies(wanted: Condition, value: string | undefined): boolean {
  if (value === undefined) return false;
  return wanted.regex === undefined ? value === wanted.value : wanted.regex.test(value);
}

function same(value: string): string {
  return value;
}
