// The first octets of a TLS connection -> the server name that the client asks for (RFC 8446 section 4.1.2, RFC 6066 section 3),
// before anything is answered. Nothing is verified: OpenSSL, or the backend, judges the rest.

/** Octets of a ClientHello with the headers of its records. Those of browsers have some 2000. */
export const LONGEST_HELLO = 16_384;

export type ClientHello =
  /** More octets are needed. */
  | { readonly state: 'incomplete' }
  /** No TLS, or no ClientHello first, or one that is too long or out of order. */
  | { readonly state: 'invalid' }
  /** @param serverName as sent; '' = none */
  | { readonly state: 'complete'; readonly serverName: string };

const incomplete: ClientHello = { state: 'incomplete' };
const invalid: ClientHello = { state: 'invalid' };

const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const HOST_NAME = 0;
const RECORD_HEADER = 5;
const LONGEST_RECORD = 16_384;
/** Type and length of a handshake message; version and random of the ClientHello. */
const MESSAGE_HEADER = 4;
const FIXED = 34;

/** @param octets all that came so far, from the first octet on */
export function readClientHello(octets: Buffer): ClientHello {
  const message = messageIn(octets);
  return 'state' in message ? message : serverNameOf(message);
}

/** The ClientHello itself, which may be spread over several records. */
function messageIn(octets: Buffer): Buffer | ClientHello {
  const pieces: Buffer[] = [];
  let size = 0;
  let wanted = MESSAGE_HEADER;
  for (let at = 0; size < wanted;) {
    if (at > LONGEST_HELLO) return invalid;
    if (at < octets.length && octets[at] !== HANDSHAKE) return invalid;
    if (at + 1 < octets.length && octets[at + 1] !== 3) return invalid;
    if (octets.length - at < RECORD_HEADER) return incomplete;
    const length = octets.readUInt16BE(at + 3);
    if (length === 0 || length > LONGEST_RECORD) return invalid;
    const piece = octets.subarray(at + RECORD_HEADER, at + RECORD_HEADER + length);
    pieces.push(piece);
    const before = size;
    size += piece.length;
    if (before < MESSAGE_HEADER && size >= MESSAGE_HEADER) {
      const start = Buffer.concat(pieces);
      if (start[0] !== CLIENT_HELLO) return invalid;
      wanted = MESSAGE_HEADER + start.readUIntBE(1, 3);
      if (wanted > LONGEST_HELLO) return invalid;
    }
    if (size < wanted && piece.length < length) return octets.length > LONGEST_HELLO ? invalid : incomplete;
    at += RECORD_HEADER + length;
  }
  return Buffer.concat(pieces).subarray(MESSAGE_HEADER, wanted);
}

function serverNameOf(hello: Buffer): ClientHello {
  let at = FIXED;
  // Session id, cipher suites, compression methods.
  for (const width of [1, 2, 1]) {
    const end = endOfVector(hello, at, width);
    if (end < 0) return invalid;
    at = end;
  }
  if (at === hello.length) return { state: 'complete', serverName: '' };
  if (endOfVector(hello, at, 2) !== hello.length) return invalid;
  at += 2;
  while (at < hello.length) {
    const end = at + 2 > hello.length ? -1 : endOfVector(hello, at + 2, 2);
    if (end < 0) return invalid;
    if (hello.readUInt16BE(at) === SERVER_NAME) return nameIn(hello.subarray(at + 4, end));
    at = end;
  }
  return { state: 'complete', serverName: '' };
}

/** Of the ServerNameList; more than one name of a type is not allowed, and nobody knows another type. */
function nameIn(list: Buffer): ClientHello {
  if (endOfVector(list, 0, 2) !== list.length || list.length < 5 || list[2] !== HOST_NAME) return invalid;
  if (endOfVector(list, 3, 2) !== list.length) return invalid;
  return { state: 'complete', serverName: list.toString('latin1', 5) };
}

/** Where a vector ends whose length stands in `width` octets at `at`; -1 when it does not fit. */
function endOfVector(octets: Buffer, at: number, width: number): number {
  if (at + width > octets.length) return -1;
  const end = at + width + octets.readUIntBE(at, width);
  return end > octets.length ? -1 : end;
}
