// Octets of single elements of a head -> numbers: method, version, Content-Length, and why a line or a
// Transfer-Encoding is refused. The parser's smaller, stateless half.
import * as octet from './octets.ts';
import * as refusal from './refusals.ts';

const { COLON, COMMA, LF, SP, TAB } = octet;

/** The number that parser.ts gives a method; 0 for any that it does not know. Methods are case-sensitive. */
export function methodAt(buf: Uint8Array, start: number, end: number): number {
  switch (end - start) {
    case 3:
      return spells(buf, start, 'GET') ? 1 : spells(buf, start, 'PUT') ? 4 : 0;
    case 4:
      return spells(buf, start, 'POST') ? 3 : spells(buf, start, 'HEAD') ? 2 : 0;
    case 5:
      return spells(buf, start, 'PATCH') ? 9 : spells(buf, start, 'TRACE') ? 8 : 0;
    case 6:
      return spells(buf, start, 'DELETE') ? 5 : 0;
    case 7:
      return spells(buf, start, 'OPTIONS') ? 7 : spells(buf, start, 'CONNECT') ? 6 : 0;
    default:
      return 0;
  }
}

function spells(buf: Uint8Array, start: number, word: string): boolean {
  for (let i = 0; i < word.length; i++) if (buf[start + i] !== word.charCodeAt(i)) return false;
  return true;
}

/** `HTTP/1.0` and `HTTP/1.1` in eight octets: the minor version, else a refusal. */
export function versionAt(buf: Uint8Array, at: number): number {
  const major = (buf[at + 5] as number) - 0x30;
  const minor = (buf[at + 7] as number) - 0x30;
  const wellFormed = spells(buf, at, 'HTTP/') && buf[at + 6] === 0x2e;
  if (!wellFormed || major < 0 || major > 9 || minor < 0 || minor > 9) return refusal.BAD_VERSION;
  return major === 1 && minor <= 1 ? minor : refusal.UNSUPPORTED_VERSION;
}

/** 1*DIGIT up to 2^53 - 1, else -1. */
export function lengthAt(buf: Uint8Array, start: number, end: number): number {
  if (end === start || end - start > 20) return -1;
  let length = 0;
  for (let i = start; i < end; i++) {
    const digit = (buf[i] as number) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
  }
  return length <= Number.MAX_SAFE_INTEGER ? length : -1;
}

/** Why an octet cannot begin a field line. */
export function lineRefusal(first: number): number {
  if (first === SP || first === TAB) return refusal.OBS_FOLD;
  if (first === LF) return refusal.BARE_LF;
  return first === COLON ? refusal.EMPTY_NAME : refusal.BAD_NAME;
}

/**
 * RFC 9112 section 6.1: 501 for codings that we do not know, when `chunked` is the last and only there; 400 for all else,
 * since the end of the body cannot be told.
 */
export function encodingRefusal(buf: Uint8Array, start: number, end: number): number {
  let codings = 0;
  let chunkedAt = 0;
  for (let i = start; i <= end; i++) {
    const from = i;
    while (i < end && buf[i] !== COMMA) i++;
    let first = from;
    let last = i;
    while (first < last && (buf[first] === SP || buf[first] === TAB)) first++;
    while (last > first && (buf[last - 1] === SP || buf[last - 1] === TAB)) last--;
    codings++;
    if (octet.equalsIgnoringCase(buf, first, last, 'chunked')) {
      if (chunkedAt !== 0) return refusal.BAD_TRANSFER_ENCODING;
      chunkedAt = codings;
    }
  }
  return codings > 1 && chunkedAt === codings ? refusal.UNKNOWN_TRANSFER_ENCODING : refusal.BAD_TRANSFER_ENCODING;
}

/**
 * RFC 9110 section 7.2: Host must be identical to the authority of an absolute target. Letter case and the scheme's
 * default port aside; anything else could route one request in two ways.
 * @param target where the authority begins in `buf`, right behind `http://` or `https://`; it ends at `/`, `?` or space
 */
export function authorityAgrees(buf: Uint8Array, start: number, end: number, target: number): boolean {
  let targetEnd = target;
  while (buf[targetEnd] !== 0x2f && buf[targetEnd] !== 0x3f && buf[targetEnd] !== SP) targetEnd++;
  // The `s` of https stands four octets before the authority.
  const port = octet.lowerCase(buf[target - 4] as number) === 0x73 ? ':443' : ':80';
  const a = withoutPort(buf, start, end, port);
  const b = withoutPort(buf, target, targetEnd, port);
  return a - start === b - target && octet.sameIgnoringCase(buf, start, target, a - start);
}

function withoutPort(buf: Uint8Array, start: number, end: number, port: string): number {
  if (end > start && buf[end - 1] === COLON) return end - 1;
  return octet.equalsIgnoringCase(buf, Math.max(start, end - port.length), end, port) ? end - port.length : end;
}
