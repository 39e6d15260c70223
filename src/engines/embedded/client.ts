// A socket that was accepted -> what is known of the client behind it.
import net from 'node:net';
import type { Client } from './sides.ts';

/** @param serverName of the TLS handshake */
export function clientOf(
  socket: net.Socket,
  bind: string,
  scheme: 'http' | 'https',
  serverName: string | undefined,
): Client {
  const address = withoutMapping(socket.remoteAddress ?? '');
  const local = withoutMapping(socket.localAddress ?? '');
  const host = net.isIPv6(local) ? `[${local}]` : local;
  return {
    bind,
    scheme,
    serverName,
    address,
    port: socket.remotePort ?? 0,
    localAuthority: `${host}:${socket.localPort ?? 0}`,
    forwarded: `X-Forwarded-For: ${address}\r\nX-Forwarded-Proto: ${scheme}\r\n`,
  };
}

/** IPv4 over a dual-stack socket is reported as ::ffff:1.2.3.4. */
export function withoutMapping(address: string): string {
  return address.startsWith('::ffff:') && net.isIPv4(address.slice(7)) ? address.slice(7) : address;
}
