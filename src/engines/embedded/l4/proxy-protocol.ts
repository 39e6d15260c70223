// The PROXY protocol, versions 1 and 2 (haproxy.org, doc/proxy-protocol.txt): whose connection this really is, in front of its first
// octets. Reading is strict: what is not exactly a header is none.
import net from 'node:net';
import type { Client } from '../sides.ts';

export interface Peer {
  readonly address: string;
  readonly port: number;
}

export type ProxyHeader =
  /** More octets are needed. */
  | { readonly state: 'incomplete' }
  | { readonly state: 'invalid' }
  /** @param size octets of the header. Without a source the connection is the peer's own (LOCAL, UNKNOWN). */
  | { readonly state: 'complete'; readonly size: number; readonly source?: Peer };

const incomplete: ProxyHeader = { state: 'incomplete' };
const invalid: ProxyHeader = { state: 'invalid' };

const SIGNATURE: Buffer = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
/** Fixed part of version 2. */
const FIXED = 16;
/** Of addresses and extensions of version 2: proxies in use send a few hundred. */
const LONGEST = 4096;
/** The longest line of version 1, with its end. */
const LONGEST_LINE = 107;
const V1: Buffer = Buffer.from('PROXY ', 'latin1');

/** @param octets all that came so far, from the first octet on */
export function readProxyHeader(octets: Buffer): ProxyHeader {
  if (begins(octets, SIGNATURE)) return octets.length < FIXED ? incomplete : readBinary(octets);
  return begins(octets, V1) ? readLine(octets) : invalid;
}

/** In front of a datagram: all of it or none, and in version 2, the only one that is for datagrams. */
export function readDatagramHeader(octets: Buffer): ProxyHeader {
  if (octets.length < FIXED || !begins(octets, SIGNATURE)) return invalid;
  const header = readBinary(octets);
  return header.state === 'incomplete' ? invalid : header;
}

/** As far as there is anything, it is the beginning. */
function begins(octets: Buffer, beginning: Buffer): boolean {
  const size = Math.min(octets.length, beginning.length);
  return octets.compare(beginning, 0, size, 0, size) === 0;
}

function readBinary(octets: Buffer): ProxyHeader {
  const command = octets[12] as number;
  if (command !== 0x20 && command !== 0x21) return invalid;
  const length = octets.readUInt16BE(14);
  if (length > LONGEST) return invalid;
  const size = FIXED + length;
  if (octets.length < size) return incomplete;
  if (command === 0x20) return { state: 'complete', size };
  const family = octets[13] as number;
  switch (family) {
    case 0x11:
    case 0x12:
      if (length < 12) return invalid;
      return complete(size, octets.subarray(16, 20).join('.'), octets.readUInt16BE(24));
    case 0x21:
    case 0x22:
      if (length < 36) return invalid;
      return complete(size, groupsOf(octets.subarray(16, 32)), octets.readUInt16BE(48));
    default:
      // Families that are not of the internet, and those that nobody knows: as if it were the peer's own.
      return { state: 'complete', size };
  }
}

function groupsOf(octets: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => octets.readUInt16BE(2 * i).toString(16)).join(':');
  return new net.SocketAddress({ address: groups, family: 'ipv6' }).address;
}

function complete(size: number, address: string, port: number): ProxyHeader {
  return { state: 'complete', size, source: { address, port } };
}

function readLine(octets: Buffer): ProxyHeader {
  const end = octets.indexOf('\r\n', 0, 'latin1');
  if (end < 0) return octets.length >= LONGEST_LINE ? invalid : incomplete;
  const size = end + 2;
  if (size > LONGEST_LINE) return invalid;
  const line = octets.toString('latin1', V1.length, end);
  if (line === 'UNKNOWN' || line.startsWith('UNKNOWN ')) return { state: 'complete', size };
  const [family, source = '', destination = '', from = '', to = '', more] = line.split(' ');
  const version = family === 'TCP4' ? 4 : family === 'TCP6' ? 6 : 0;
  if (version === 0 || more !== undefined) return invalid;
  if (net.isIP(source) !== version || net.isIP(destination) !== version) return invalid;
  const port = portOf(from);
  return port === undefined || portOf(to) === undefined ? invalid : complete(size, source, port);
}

function portOf(text: string): number | undefined {
  const port = /^(0|[1-9]\d{0,4})$/.test(text) ? Number(text) : 65_536;
  return port > 65_535 ? undefined : port;
}

/** @param client null: the connection is our own */
export function proxyHeader(version: 'v1' | 'v2', client: Client | null, transport: 'tcp' | 'udp' = 'tcp'): Buffer {
  const local = client === null ? undefined : localOf(client);
  const family = client === null || local === undefined ? 0 : net.isIP(client.address);
  const known = family !== 0 && local !== undefined && net.isIP(local.address) === family;
  if (version === 'v1') {
    if (!known || client === null) return Buffer.from('PROXY UNKNOWN\r\n', 'latin1');
    const ports = `${client.port} ${local.port}`;
    return Buffer.from(`PROXY TCP${family} ${client.address} ${local.address} ${ports}\r\n`, 'latin1');
  }
  const length = known ? (family === 4 ? 12 : 36) : 0;
  const header = Buffer.alloc(FIXED + length);
  SIGNATURE.copy(header);
  header[12] = known ? 0x21 : 0x20;
  header.writeUInt16BE(length, 14);
  if (!known || client === null) return header;
  header[13] = (family === 4 ? 0x10 : 0x20) | (transport === 'tcp' ? 1 : 2);
  const width = family === 4 ? 4 : 16;
  writeAddress(header, FIXED, client.address);
  writeAddress(header, FIXED + width, local.address);
  header.writeUInt16BE(client.port, FIXED + 2 * width);
  header.writeUInt16BE(local.port, FIXED + 2 * width + 2);
  return header;
}

function localOf({ localAuthority }: Client): Peer | undefined {
  const colon = localAuthority.lastIndexOf(':');
  const host = localAuthority.slice(0, colon).replace(/^\[|\]$/g, '');
  return net.isIP(host) === 0 ? undefined : { address: host, port: Number(localAuthority.slice(colon + 1)) };
}

function writeAddress(into: Buffer, at: number, address: string): void {
  if (net.isIPv4(address)) {
    address.split('.').forEach((part, i) => (into[at + i] = Number(part)));
    return;
  }
  const [head = '', tail] = address.split('%')[0]?.split('::') ?? [];
  const left = wordsOf(head);
  const right = tail === undefined ? [] : wordsOf(tail);
  left.forEach((word, i) => into.writeUInt16BE(word, at + 2 * i));
  right.forEach((word, i) => into.writeUInt16BE(word, at + 16 - 2 * (right.length - i)));
}

/** The end of an IPv6 address may be written as an IPv4 address. */
function wordsOf(text: string): readonly number[] {
  if (text === '') return [];
  return text.split(':').flatMap((part) => {
    if (!part.includes('.')) return [Number.parseInt(part, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}
