// The one form of a request's target: what is matched, authorised and forwarded. Percent-encodings of unreserved
// characters are decoded, the others written in upper case (RFC 3986 section 6.2.2), dot segments removed. Empty segments
// and encoded slashes stay as they are. What a backend might read as another path is refused (docs/semantics.md).

export interface Target {
  readonly path: string;
  /** With its `?`, as sent; '' without. */
  readonly query: string;
}

/** Splits an origin-form target and normalises its path; undefined when the request must be answered 400. */
export function normalizeTarget(target: string): Target | undefined {
  const mark = target.indexOf('?');
  const path = normalizePath(mark < 0 ? target : target.slice(0, mark));
  if (path === undefined) return undefined;
  if (mark < 0) return { path, query: '' };
  return isQuery(target, mark + 1) ? { path, query: target.slice(mark) } : undefined;
}

/**
 * The normalised path, the same string when nothing had to be done, or undefined when it is to be refused: not absolute,
 * a character that no URL has (control, space, `"#<>\`, beyond ASCII), an encoded control character or backslash, a broken
 * or overlong percent-encoding, a dot segment that ends at an encoded slash or at a `;`, encoded or not.
 */
export function normalizePath(path: string): string | undefined {
  if (path.charCodeAt(0) !== SLASH) return undefined;
  let plain = true;
  for (let i = 1; i < path.length; i++) {
    const code = path.charCodeAt(i);
    if (code > 127 || inPath[code] === 0) return undefined;
    if (code === PERCENT) {
      const byte = encoded(path, i);
      if (byte < SPACE || byte === BACKSLASH || byte === DELETE || neverInUtf8(byte, path, i + 3)) return undefined;
      plain = false;
      i += 2;
    } else if (code === DOT && path.charCodeAt(i - 1) === SLASH) {
      plain = false;
    }
  }
  return plain ? path : removeDotSegments(decodeUnreserved(path));
}

const SPACE = 32;
const PERCENT = 37;
const DOT = 46;
const SLASH = 47;
const BACKSLASH = 92;
const DELETE = 127;

const alphanumeric = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
/** RFC 3986 pchar and `/`, and what browsers send unencoded all the same. */
const inPath: Uint8Array = tableOf(`${alphanumeric}-._~!$&'()*+,;=:@/%|^[]{}`);
const inQuery: Uint8Array = tableOf(`${alphanumeric}-._~!$&'()*+,;=:@/?%|^[]{}\\\``);
const unreserved: Uint8Array = tableOf(`${alphanumeric}-._~`);

function tableOf(characters: string): Uint8Array {
  const table = new Uint8Array(128);
  for (const character of characters) table[character.charCodeAt(0)] = 1;
  return table;
}

function isQuery(target: string, from: number): boolean {
  for (let i = from; i < target.length; i++) {
    const code = target.charCodeAt(i);
    if (code > 127 || inQuery[code] === 0) return false;
  }
  return true;
}

/** Bytes that no UTF-8 text holds, and the first bytes of overlong forms (RFC 3629 section 3). */
function neverInUtf8(byte: number, path: string, next: number): boolean {
  if (byte < 0xc0) return false;
  if (byte < 0xc2 || byte > 0xf4) return true;
  if (byte !== 0xe0 && byte !== 0xf0) return false;
  const second = path.charCodeAt(next) === PERCENT ? encoded(path, next) : -1;
  return second < (byte === 0xe0 ? 0xa0 : 0x90);
}

/** The byte of a percent-encoding, or -1 when it is broken. */
function encoded(path: string, at: number): number {
  const high = hexDigit(path.charCodeAt(at + 1));
  const low = hexDigit(path.charCodeAt(at + 2));
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const lower = code | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

/** `%61` is `a` and `%c3` is `%C3` to every reader, so a match on one must take the other. */
function decodeUnreserved(path: string): string {
  if (!path.includes('%')) return path;
  return path.replaceAll(/%../g, (code) => {
    const byte = encoded(code, 0);
    return byte < 128 && unreserved[byte] === 1 ? String.fromCharCode(byte) : code.toUpperCase();
  });
}

/**
 * RFC 3986 section 5.2.4. Above the root there is nothing: `/..` is `/`. A segment that is a dot segment only to those who
 * decode `%2F` or cut off `;` parameters is refused: some servers do, and would leave the prefix that was matched.
 */
function removeDotSegments(path: string): string | undefined {
  if (!path.includes('/.') && !path.includes('%2F.')) return path;
  const kept: string[] = [];
  const segments = path.slice(1).split('/');
  for (const [index, segment] of segments.entries()) {
    if (hidesDots(segment)) return undefined;
    if (segment === '..') kept.pop();
    if (segment !== '.' && segment !== '..') kept.push(segment);
    else if (index === segments.length - 1) kept.push('');
  }
  return `/${kept.join('/')}`;
}

function hidesDots(segment: string): boolean {
  if (!segment.includes('%2F') && !segment.includes(';') && !segment.includes('%3B')) return false;
  return segment.split('%2F').some((part) => /^\.\.?(?:;|%3B|$)/.test(part));
}
