// The field names that the proxy itself reads or rewrites, as small numbers: the parser recognises them while it passes
// over a head, so that nobody compares names afterwards.

export const OTHER = 0;
export const HOST = 1;
export const CONNECTION = 2;
export const CONTENT_LENGTH = 3;
export const TRANSFER_ENCODING = 4;
export const TE = 5;
export const TRAILER = 6;
export const UPGRADE = 7;
export const KEEP_ALIVE = 8;
export const PROXY_CONNECTION = 9;
export const HTTP2_SETTINGS = 10;
export const EXPECT = 11;
export const X_FORWARDED_FOR = 12;
export const X_FORWARDED_PROTO = 13;
export const X_FORWARDED_HOST = 14;
export const X_FORWARDED_PORT = 15;
export const FORWARDED = 16;
export const X_REQUEST_ID = 17;
export const TRACEPARENT = 18;
export const ORIGIN = 19;
export const CONTENT_TYPE = 20;
export const DATE = 21;

/** Lower-case name by number. */
export const fieldNames: readonly string[] = [
  '',
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'te',
  'trailer',
  'upgrade',
  'keep-alive',
  'proxy-connection',
  'http2-settings',
  'expect',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-forwarded-port',
  'forwarded',
  'x-request-id',
  'traceparent',
  'origin',
  'content-type',
  'date',
];

/** The number of a name in lower case; undefined for names without one. */
export const fieldIds: ReadonlyMap<string, number> = new Map(fieldNames.map((name, id) => [name, id]));

const LONGEST = 17;
const SLOTS = 32;

// Slot = length and last letter; the few names that share a slot are chained. The names once more as octets, a row each.
const slots = new Uint8Array((LONGEST + 1) * SLOTS);
const chain = new Uint8Array(SLOTS);
const spelling = new Uint8Array(SLOTS * SLOTS);
for (let id = 1; id < fieldNames.length; id++) {
  const name = fieldNames[id] as string;
  const slot = name.length * SLOTS + (name.charCodeAt(name.length - 1) & 31);
  chain[id] = slots[slot] as number;
  slots[slot] = id;
  for (let i = 0; i < name.length; i++) spelling[id * SLOTS + i] = name.charCodeAt(i);
}

/**
 * The number of the name at `start..end`, which must consist of token octets: among them only capitals turn into letters
 * by | 0x20, and nothing else turns into `-` or a digit.
 */
export function fieldIdOf(buf: Uint8Array, start: number, end: number): number {
  const length = end - start;
  if (length > LONGEST) return 0;
  let id = slots[length * SLOTS + ((buf[end - 1] as number) & 31)] as number;
  while (id !== 0) {
    const row = id * SLOTS;
    let i = 0;
    while (i < length && ((buf[start + i] as number) | 0x20) === spelling[row + i]) i++;
    if (i === length) break;
    id = chain[id] as number;
  }
  return id;
}
