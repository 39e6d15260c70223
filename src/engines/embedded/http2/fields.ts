// Field lists of HTTP/2: as one row of strings (what Node gives and takes) and as the object that some of Node's calls
// insist on; and the checks of pseudo-header fields that nghttp2 leaves to us (RFC 9113 section 8.3).
import type { OutgoingHttpHeaders } from 'node:http2';
import { isAuthority, targetPath, targetQuery } from '../http1/octets.ts';
import { mayTrail } from '../http1/trailers.ts';
import { type FieldList, noFields } from '../sides.ts';

/** Connection-specific fields, which RFC 9113 section 8.2.2 forbids; and those that the framing speaks for. */
const framed: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
]);

/** Says its own by other means than a field. @param name in lower case */
export function isFramingField(name: string): boolean {
  return framed.has(name);
}

/** Trailers that may pass, names in lower case. */
export function trailerFields(raw: readonly string[]): FieldList {
  if (raw.length === 0) return noFields;
  const fields: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = (raw[i] as string).toLowerCase();
    if (!name.startsWith(':') && mayTrail(name)) fields.push(name, raw[i + 1] as string);
  }
  return fields;
}

/** For interim responses and trailers: repeated names become arrays. */
export function fieldObject(fields: FieldList): OutgoingHttpHeaders {
  const object: Record<string, string | string[]> = Object.create(null) as Record<string, string | string[]>;
  for (let i = 0; i < fields.length; i += 2) {
    const name = (fields[i] as string).toLowerCase();
    const value = fields[i + 1] as string;
    const earlier = object[name];
    if (isFramingField(name)) continue;
    if (earlier === undefined) object[name] = value;
    else if (typeof earlier === 'string') object[name] = [earlier, value];
    else earlier.push(value);
  }
  return object;
}

/** As http1/parser.ts takes it: `/…` of legal octets without fragment, or `*`, which goes with OPTIONS only. */
export function isTarget(target: string, method: string): boolean {
  if (target.charCodeAt(0) !== 0x2f) return target === '*' && method === 'OPTIONS';
  let table = targetPath;
  for (let i = 1; i < target.length; i++) {
    const c = target.charCodeAt(i);
    if (c === 0x3f) table = targetQuery;
    else if (c > 0x7e || table[c] === 0) return false;
  }
  return true;
}

/** As http1/parser.ts takes a Host. Names seen before are not looked at again. */
export function isHost(host: string): boolean {
  if (knownHosts.has(host)) return true;
  if (host.length > 262) return false;
  const octets = Buffer.from(host);
  // Shorter than its octets: not ASCII.
  if (octets.length !== host.length || !isAuthority(octets, 0, octets.length)) return false;
  if (knownHosts.size >= KNOWN_HOSTS) knownHosts.clear();
  knownHosts.add(host);
  return true;
}

const KNOWN_HOSTS = 1024;
const knownHosts = new Set<string>();
