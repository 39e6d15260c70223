// CORS (routing/filters/cors.ts) -> variants of a route by what the request says of its origin: a preflight is answered by the route
// itself, and a response gets the headers that the origin calls for.
import type { Cors } from '../../../routing/filters.ts';
import { type CompiledCors, corsResponseHeaders, compileCors } from '../../../routing/filters/cors.ts';
import { isFieldName } from '../../../routing/filters/header-changes.ts';
import type { Message } from '../tree.ts';
import { literal, raw } from './header-changes.ts';
import { quoted } from './match.ts';

/** A condition on headers, and what a route with it says in its response. */
export interface CorsVariant {
  readonly headers: readonly Message[];
  /** Of the response: what goes, what comes. */
  readonly remove: readonly string[];
  readonly add: readonly Message[];
}

const ORIGIN = '%REQ(origin)%';
const gone = [...corsResponseHeaders];

/** What answers a preflight, 204. @param method that the match asks for; undefined: any */
export function preflightVariants(given: Cors, method: string | undefined): readonly CorsVariant[] {
  const cors = readable(given);
  const compiled = compileCors(cors);
  const asked = [
    { name: ':method', string_match: { exact: 'OPTIONS' } },
    { name: 'origin', present_match: true },
    method === undefined
      ? { name: 'access-control-request-method', present_match: true }
      : { name: 'access-control-request-method', string_match: { exact: method } },
  ];
  const vary = added('vary', 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers');
  const lines = [
    ...originLines(compiled),
    ...listLine('access-control-allow-methods', cors.allowMethods, cors, '%REQ(access-control-request-method)%'),
    ...listLine('access-control-allow-headers', cors.allowHeaders, cors, '%REQ(access-control-request-headers)%'),
    ...exposedLines(cors),
    added('access-control-max-age', String(cors.maxAge)),
    vary,
  ];
  const allowed = allowedOrigins(compiled);
  return [
    { headers: [...asked, ...(allowed === undefined ? [] : [allowed])], remove: [], add: lines },
    ...(allowed === undefined ? [] : [{ headers: asked, remove: [], add: [vary] }]),
  ];
}

/** What other requests with an origin get; those without one are not among them. */
export function originVariants(given: Cors): readonly CorsVariant[] {
  const cors = readable(given);
  const compiled = compileCors(cors);
  const vary = compiled.anyOrigin && !cors.allowCredentials ? [] : [added('vary', 'Origin')];
  const asked = { name: 'origin', present_match: true };
  const allowed = allowedOrigins(compiled);
  const lines = [...originLines(compiled), ...exposedLines(cors), ...vary];
  return [
    { headers: [allowed ?? asked], remove: gone, add: lines },
    ...(allowed === undefined ? [] : [{ headers: [asked], remove: gone, add: vary }]),
  ];
}

/** Without what cannot be written in a header. */
function readable(cors: Cors): Cors {
  return {
    ...cors,
    allowOrigins: cors.allowOrigins.filter((origin) => /^[\x21-\x7e]+$/.test(origin)),
    allowMethods: cors.allowMethods.filter(isFieldName),
    allowHeaders: cors.allowHeaders.filter(isFieldName),
    exposeHeaders: cors.exposeHeaders.filter(isFieldName),
  };
}

function added(name: string, value: string): Message {
  return raw(name, literal(value));
}

function originLines({ anyOrigin, cors }: CompiledCors): readonly Message[] {
  return [
    raw('access-control-allow-origin', anyOrigin && !cors.allowCredentials ? '*' : ORIGIN),
    ...(cors.allowCredentials ? [added('access-control-allow-credentials', 'true')] : []),
  ];
}

function exposedLines({ exposeHeaders, allowCredentials }: Cors): readonly Message[] {
  const exposed = allowCredentials ? exposeHeaders.filter((name) => name !== '*') : exposeHeaders;
  return exposed.length > 0 ? [added('access-control-expose-headers', exposed.join(', '))] : [];
}

/** @param asked what the preflight asks for, which is given back where `*` would be a name */
function listLine(name: string, allowed: readonly string[], cors: Cors, asked: string): readonly Message[] {
  if (!allowed.includes('*')) return allowed.length > 0 ? [added(name, allowed.join(', '))] : [];
  return cors.allowCredentials ? [{ ...raw(name, asked), keep_empty_value: false }] : [added(name, '*')];
}

/** A condition on Origin; undefined: every one is allowed. */
function allowedOrigins({ anyOrigin, exact, wildcards }: CompiledCors): Message | undefined {
  if (anyOrigin) return undefined;
  const patterns = [
    ...[...exact].map((origin) => originPattern(origin)),
    ...wildcards.map(
      ({ scheme, suffix, port }) => `${quoted(scheme)}://.+${quoted(suffix)}${portPattern(scheme, port)}`,
    ),
  ];
  // Of an empty list none is allowed.
  const regex = patterns.length === 0 ? '[^\\s\\S]' : `(?i)(?:${patterns.join('|')})`;
  return { name: 'origin', string_match: { safe_regex: { regex } } };
}

/** @param origin with its port, as compileCors has it; what is no URL (`null`) to the letter */
function originPattern(origin: string): string {
  const [, scheme = '', host = '', port = ''] = /^([^:]+):\/\/(.*):(\d*)$/.exec(origin) ?? [];
  return host === '' ? quoted(origin) : `${quoted(scheme)}://${quoted(host)}${portPattern(scheme, port)}`;
}

function portPattern(scheme: string, port: string): string {
  const known = scheme === 'https' ? '443' : scheme === 'http' ? '80' : '';
  if (port === '') return '';
  return port === known ? `(?::${port})?` : `:${port}`;
}
