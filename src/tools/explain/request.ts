// A question as people type it → the request that a client would send: the URL taken apart without touching its path, the
// headers as octets of the wire, and what was presumed on the way.
import type { HeaderValue } from '../../routing/filters.ts';
import { isFieldName, isFieldValue } from '../../routing/filters/header-changes.ts';
import { isGrpc, type MatchRequest } from '../../routing/match/conditions.ts';
import { normalizeHost } from '../../routing/match/hostnames.ts';
import { toOctets } from '../../routing/match/octets.ts';
import { normalizeTarget } from '../../routing/match/path.ts';
import { queryParameter } from '../../routing/match/query.ts';
import type { ExplainedRequest, Question } from './explanation.ts';

export interface AskedRequest {
  readonly described: ExplainedRequest;
  /** undefined: the target is refused with 400. */
  readonly matched?: MatchRequest;
}

/** A sentence without a full stop: why the question is none. */
export interface Misasked {
  readonly misasked: string;
}

export function readQuestion(question: Question): AskedRequest | Misasked {
  const parts = /^([a-z]+):\/\/([^/?#]*)([^#]*)(#.*)?$/is.exec(question.url);
  const scheme = schemes.get((parts?.[1] ?? '').toLowerCase());
  if (parts === null || scheme === undefined) {
    return { misasked: `${question.url} is not a URL of http, https, grpc, grpcs, tls, tcp or udp` };
  }
  if (!isFieldName(question.method)) return { misasked: `${question.method} is not a method` };
  const [, , authority = '', written = '', fragment] = parts;
  const place = splitAuthority(authority);
  if (place === undefined) return { misasked: `${authority} is not a host with or without a port` };
  for (const { name, value } of question.headers) {
    if (!isFieldName(name) || !isFieldValue(value)) return { misasked: `${name}: ${value} is not a header` };
  }
  const notes: string[] = [];
  if (fragment !== undefined) notes.push(`clients do not send the fragment ${fragment}`);
  const target = encodeTyped(written.startsWith('/') ? written : `/${written}`);
  if (target !== written && written !== '') notes.push(`clients send the path as ${target}`);
  return ask({ ...scheme, ...place, authority, target, notes }, question);
}

interface Parts {
  readonly scheme: 'http' | 'https';
  readonly grpc: boolean;
  readonly name: string;
  readonly port?: number;
  readonly authority: string;
  readonly target: string;
  readonly notes: string[];
}

const schemes: ReadonlyMap<string, { readonly scheme: 'http' | 'https'; readonly grpc: boolean }> = new Map([
  ['http', { scheme: 'http', grpc: false }],
  ['https', { scheme: 'https', grpc: false }],
  ['grpc', { scheme: 'http', grpc: true }],
  ['grpcs', { scheme: 'https', grpc: true }],
]);

function ask(parts: Parts, question: Question): AskedRequest {
  const { notes, target } = parts;
  const headers = question.headers.filter(({ name }) => name.toLowerCase() !== 'host');
  const host = question.headers.find(({ name }) => name.toLowerCase() === 'host')?.value.trim();
  let { method } = question;
  if (parts.grpc) {
    if (method !== 'POST') notes.push(`gRPC calls are POST, not ${method}`);
    method = 'POST';
    if (!headers.some(({ name }) => name.toLowerCase() === 'content-type')) {
      headers.push({ name: 'content-type', value: 'application/grpc' });
      notes.push('content-type: application/grpc comes with the URL’s scheme');
    }
  }
  const header = headerReader(headers);
  const normal = normalizeTarget(target);
  const grpc = isGrpc(method, header('content-type'));
  const sni = parts.scheme === 'https' ? (question.sni ?? serverName(parts.name)) : undefined;
  const authority = host ?? parts.authority;
  const described: ExplainedRequest = {
    method,
    scheme: parts.scheme,
    authority,
    host: normalizeHost(authority),
    ...(parts.port === undefined ? {} : { port: parts.port }),
    target,
    ...(normal === undefined ? {} : { path: normal.path }),
    query: normal?.query ?? '',
    grpc,
    // '' asks about a client that sends none.
    ...(sni === undefined || sni === '' ? {} : { sni: normalizeHost(sni) }),
    headers,
    notes,
  };
  if (normal === undefined) return { described };
  const query = (name: string): string | undefined => queryParameter(normal.query, name);
  return { described, matched: { path: normal.path, method, grpc, header, query } };
}

/** As the engine reads it: lines of one name joined, Cookie with `; `, in octets. */
function headerReader(headers: readonly HeaderValue[]): (name: string) => string | undefined {
  const values = new Map<string, string>();
  for (const { name, value } of headers) {
    const key = name.toLowerCase();
    const before = values.get(key);
    const octets = toOctets(value.trim());
    values.set(key, before === undefined ? octets : `${before}${key === 'cookie' ? '; ' : ', '}${octets}`);
  }
  return (name) => values.get(name);
}

export function splitAuthority(authority: string): { readonly name: string; readonly port?: number } | undefined {
  const parts = /^(\[[0-9a-f:.]+\]|[a-z0-9\-._~*]+)(?::(\d{1,5}))?$/i.exec(authority);
  if (parts === null) return undefined;
  const [, name = '', written] = parts;
  if (written === undefined) return { name };
  const port = Number(written);
  return port > 0 && port <= 65_535 ? { name, port } : undefined;
}

/** RFC 6066 section 3: addresses are no server names. */
export function serverName(host: string): string | undefined {
  return host.startsWith('[') || /^\d+\.\d+\.\d+\.\d+$/.test(host) ? undefined : host;
}

/** Spaces and what is beyond ASCII, as browsers and HTTP libraries encode them. */
function encodeTyped(target: string): string {
  return toOctets(target).replaceAll(
    /[^\u0021-\u007e]/g,
    (octet) => `%${octet.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
}
