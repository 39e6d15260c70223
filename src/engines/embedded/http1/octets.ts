// Which octets may stand where (RFC 9110 section 5.6.2, RFC 3986), as tables, and comparison of octets with a lower-case
// ASCII string. Shared by the head parser, the chunk scanner and the checks of HTTP/2 pseudo-headers.

export const TAB = 0x09;
export const LF = 0x0a;
export const CR = 0x0d;
export const SP = 0x20;
export const COMMA = 0x2c;
export const COLON = 0x3a;
export const SEMICOLON = 0x3b;

/** token: method, field name, connection option. */
export const token: Uint8Array = tableOf("!#$%&'*+-.^_`|~", true);
/** field-value: visible, space, tab and obs-text (0x80-0xff); no other control. */
export const fieldValue: Uint8Array = new Uint8Array(256)
  .fill(1, 0x20)
  .fill(0, 0x7f, 0x80)
  .fill(1, TAB, TAB + 1);
/**
 * Path of a target: RFC 3986 pchar and `/`, and what browsers send unencoded all the same: `|^[]{}`. Not `\`, which some
 * servers take for a slash, nor quotes, angle brackets, controls or anything above ASCII.
 */
export const targetPath: Uint8Array = tableOf("-._~!$&'()*+,;=:@/%|^[]{}", true);
/** Query of a target: any visible ASCII but `#"<>` (the WHATWG query set). */
export const targetQuery: Uint8Array = tableOf("-._~!$&'()*+,;=:@/?%|^[]{}\\`", true);
/** Registered name or IPv4 address. Stricter than RFC 3986: no sub-delims, no percent-encoding; no real host has them. */
export const hostName: Uint8Array = tableOf('-._~', true);

function tableOf(marks: string, alphanumeric: boolean): Uint8Array {
  const table = new Uint8Array(256);
  for (let i = 0; i < marks.length; i++) table[marks.charCodeAt(i)] = 1;
  if (alphanumeric) table.fill(1, 0x30, 0x3a).fill(1, 0x41, 0x5b).fill(1, 0x61, 0x7b);
  return table;
}

/** @param lower a lower-case ASCII string; letters of `buf` compare without case */
export function equalsIgnoringCase(buf: Uint8Array, start: number, end: number, lower: string): boolean {
  if (end - start !== lower.length) return false;
  for (let i = 0; i < lower.length; i++) {
    const want = lower.charCodeAt(i);
    const is = buf[start + i] as number;
    if (is !== want && !(want >= 0x61 && want <= 0x7a && is + 32 === want)) return false;
  }
  return true;
}

/** Both runs of `length` octets consist of token octets. */
export function sameIgnoringCase(buf: Uint8Array, a: number, b: number, length: number): boolean {
  for (let i = 0; i < length; i++) {
    if (lowerCase(buf[a + i] as number) !== lowerCase(buf[b + i] as number)) return false;
  }
  return true;
}

export function lowerCase(octet: number): number {
  return octet >= 0x41 && octet <= 0x5a ? octet + 32 : octet;
}

/** uri-host [ ":" port ] with an IPv6 literal in brackets; the port may be empty and is at most 65535. */
export function isAuthority(buf: Uint8Array, start: number, end: number): boolean {
  let i = start;
  if (i < end && buf[i] === 0x5b) {
    for (i++; i < end && isAddressOctet(buf[i] as number); i++);
    if (i >= end || buf[i] !== 0x5d || i - start < 3) return false;
    i++;
  } else {
    while (i < end && hostName[buf[i] as number] !== 0) i++;
    if (i === start) return false;
  }
  if (i === end) return true;
  if (buf[i] !== COLON || end - i > 6) return false;
  let port = 0;
  for (i++; i < end; i++) {
    const digit = (buf[i] as number) - 0x30;
    if (digit < 0 || digit > 9) return false;
    port = port * 10 + digit;
  }
  return port <= 65535;
}

function isAddressOctet(octet: number): boolean {
  const lower = octet | 0x20;
  return (octet >= 0x30 && octet <= 0x3a) || (lower >= 0x61 && lower <= 0x66) || octet === 0x2e;
}
