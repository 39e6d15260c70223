// The one form of a request's path: what is matched, authorised and forwarded. Dot segments are removed, in plain and in
// percent-encoded spelling; nothing else is decoded, merged or re-encoded (docs/semantics.md), and what a backend might
// read differently is refused.

/** Splits an origin-form target and normalises its path; undefined when the request must be answered 400. */
export function normalizeTarget(target: string): { readonly path: string; readonly query: string } | undefined {
  const mark = target.indexOf('?');
  const path = normalizePath(mark < 0 ? target : target.slice(0, mark));
  return path === undefined ? undefined : { path, query: mark < 0 ? '' : target.slice(mark) };
}

/**
 * The normalised path, the same string when nothing had to be done, or undefined when it is to be refused: not absolute, a
 * backslash (plain or encoded), a control character or NUL (plain or encoded), a broken or overlong percent-encoding, `#`.
 */
export function normalizePath(path: string): string | undefined {
  if (path.charCodeAt(0) !== SLASH) return undefined;
  let dots = false;
  for (let i = 1; i < path.length; i++) {
    const code = path.charCodeAt(i);
    if (code === PERCENT) {
      const byte = encoded(path, i);
      if (byte < SPACE || byte === BACKSLASH || byte === DELETE || neverInUtf8(byte, path, i + 3)) return undefined;
      if (byte === DOT) dots = true;
      i += 2;
    } else if (code === DOT) {
      const before = path.charCodeAt(i - 1);
      if (before === SLASH || before === DOT) dots = true;
    } else if (code <= SPACE || code === DELETE || code === BACKSLASH || code === HASH) {
      return undefined;
    }
  }
  return dots ? removeDotSegments(path) : path;
}

const SPACE = 32;
const HASH = 35;
const PERCENT = 37;
const DOT = 46;
const SLASH = 47;
const BACKSLASH = 92;
const DELETE = 127;

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

/** RFC 3986 section 5.2.4, for `.` and `..` however they are spelt. Above the root there is nothing: `/..` is `/`. */
function removeDotSegments(path: string): string {
  const kept: string[] = [];
  const segments = path.slice(1).split('/');
  segments.forEach((segment, index) => {
    const last = index === segments.length - 1;
    const plain = segment.includes('%') ? segment.replaceAll(/%2e/gi, '.') : segment;
    if (plain === '..') kept.pop();
    if (plain === '.' || plain === '..') {
      if (last) kept.push('');
    } else {
      kept.push(segment);
    }
  });
  return `/${kept.join('/')}`;
}
