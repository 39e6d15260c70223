// CORS (GEP-1767, Fetch standard): the answer to a preflight, and the headers of an actual response.
import type { Cors } from '../filters.ts';
import type { FieldLines } from './header-changes.ts';

export interface CompiledCors {
  readonly cors: Cors;
  readonly anyOrigin: boolean;
  readonly exact: ReadonlySet<string>;
  /** `https://*.example.com:8443` in parts. */
  readonly wildcards: readonly { readonly scheme: string; readonly suffix: string; readonly port: string }[];
}

export function compileCors(cors: Cors): CompiledCors {
  const wildcards = cors.allowOrigins
    .filter((origin) => origin !== '*' && origin.includes('*'))
    .map(splitOrigin)
    .filter((parts) => parts !== undefined)
    .map((parts) => ({ scheme: parts.scheme, suffix: parts.host.slice(1), port: parts.port }));
  return {
    cors,
    anyOrigin: cors.allowOrigins.includes('*'),
    exact: new Set(cors.allowOrigins.filter((origin) => !origin.includes('*')).map(canonical)),
    wildcards,
  };
}

/** Scheme, host and port must agree, default ports filled in; a wildcard stands for any number of labels. */
export function allowsOrigin(compiled: CompiledCors, origin: string): boolean {
  if (compiled.anyOrigin || compiled.exact.has(canonical(origin))) return true;
  const parts = splitOrigin(origin);
  if (parts === undefined) return false;
  return compiled.wildcards.some(
    (each) =>
      each.scheme === parts.scheme &&
      each.port === parts.port &&
      parts.host.length > each.suffix.length &&
      parts.host.endsWith(each.suffix),
  );
}

export interface PreflightRequest {
  readonly origin: string;
  /** Access-Control-Request-Method and -Headers. */
  readonly method: string;
  readonly headers: string | undefined;
}

/** Whether a request is a preflight: OPTIONS with Origin and Access-Control-Request-Method. */
export function isPreflight(method: string, origin: string | undefined, requestMethod: string | undefined): boolean {
  return method === 'OPTIONS' && origin !== undefined && requestMethod !== undefined;
}

/** The headers of the 204 that answers a preflight; none but Vary when the origin is not allowed. */
export function preflightHeaders(compiled: CompiledCors, request: PreflightRequest): FieldLines {
  const vary = ['Vary', 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers'];
  if (!allowsOrigin(compiled, request.origin)) return vary;
  const { cors } = compiled;
  const lines = [...originLines(compiled, request.origin)];
  const methods = allowedMethods(cors, request.method);
  if (methods !== '') lines.push('Access-Control-Allow-Methods', methods);
  const headers = allowedHeaders(cors, request.headers);
  if (headers !== '') lines.push('Access-Control-Allow-Headers', headers);
  // Means nothing to a browser here, but the official conformance tests look for it.
  lines.push(...exposedLines(cors), 'Access-Control-Max-Age', String(cors.maxAge));
  return [...lines, ...vary];
}

/** The headers that an actual response gets, in place of the backend's own of these names. */
export function corsHeaders(compiled: CompiledCors, origin: string): FieldLines {
  const vary = compiled.anyOrigin && !compiled.cors.allowCredentials ? [] : ['Vary', 'Origin'];
  if (!allowsOrigin(compiled, origin)) return vary;
  return [...originLines(compiled, origin), ...exposedLines(compiled.cors), ...vary];
}

/** Lower-case names of response headers that are the gateway's to say once a rule has a CORS filter. */
export const corsResponseHeaders: ReadonlySet<string> = new Set([
  'access-control-allow-origin',
  'access-control-allow-credentials',
  'access-control-allow-methods',
  'access-control-allow-headers',
  'access-control-expose-headers',
  'access-control-max-age',
]);

function originLines(compiled: CompiledCors, origin: string): FieldLines {
  const { allowCredentials } = compiled.cors;
  const value = compiled.anyOrigin && !allowCredentials ? '*' : origin;
  return [
    'Access-Control-Allow-Origin',
    value,
    ...(allowCredentials ? ['Access-Control-Allow-Credentials', 'true'] : []),
  ];
}

function exposedLines({ exposeHeaders, allowCredentials }: Cors): FieldLines {
  // Fetch standard: with credentials `*` is a header name, not a wildcard, so it would promise what it does not give.
  const exposed = allowCredentials ? exposeHeaders.filter((name) => name !== '*') : exposeHeaders;
  return exposed.length > 0 ? ['Access-Control-Expose-Headers', exposed.join(', ')] : [];
}

function allowedMethods(cors: Cors, requested: string): string {
  if (!cors.allowMethods.includes('*')) return cors.allowMethods.join(', ');
  return cors.allowCredentials ? requested : '*';
}

function allowedHeaders(cors: Cors, requested: string | undefined): string {
  if (!cors.allowHeaders.includes('*')) return cors.allowHeaders.join(', ');
  return cors.allowCredentials ? (requested ?? '') : '*';
}

function splitOrigin(
  origin: string,
): { readonly scheme: string; readonly host: string; readonly port: string } | undefined {
  const scheme = origin.indexOf('://');
  if (scheme < 0) return undefined;
  const name = origin.slice(0, scheme).toLowerCase();
  const authority = origin.slice(scheme + 3).toLowerCase();
  const colon = authority.lastIndexOf(':');
  const port = colon > authority.lastIndexOf(']') ? authority.slice(colon + 1) : '';
  const host = port === '' ? authority : authority.slice(0, colon);
  return { scheme: name, host, port: port !== '' ? port : name === 'https' ? '443' : name === 'http' ? '80' : '' };
}

function canonical(origin: string): string {
  const parts = splitOrigin(origin);
  return parts === undefined ? origin : `${parts.scheme}://${parts.host}:${parts.port}`;
}
