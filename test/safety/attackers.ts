// Clients that mean no good, by the dozen: connections that say what they are told to and otherwise nothing.
import net from 'node:net';
import tls from 'node:tls';

export interface Attacker {
  readonly socket: net.Socket;
  /** Octets that came back. */
  received: number;
  /** The first of them, in latin1. */
  text: string;
  /** The connection is over, seen from here. */
  closed: boolean;
}

/** Opens so many connections at once and sends `first` on each. Resolved when all are open. */
export async function attackers(
  count: number,
  port: number,
  first: string | Buffer = '',
  open: (port: number) => net.Socket = plain,
): Promise<readonly Attacker[]> {
  const all: Attacker[] = [];
  // Not more at a time than a listen queue holds.
  while (all.length < count) {
    const some = Math.min(500, count - all.length);
    const sockets = Array.from({ length: some }, () => open(port));
    all.push(...(await Promise.all(sockets.map((socket) => ready(socket, first)))));
  }
  return all;
}

function ready(socket: net.Socket, first: string | Buffer): Promise<Attacker> {
  const attacker: Attacker = { socket, received: 0, text: '', closed: false };
  socket.on('data', (octets) => {
    attacker.received += octets.length;
    if (attacker.text.length < 4096) attacker.text += octets.toString('latin1');
  });
  return new Promise((resolve) => {
    const opened = socket instanceof tls.TLSSocket ? 'secureConnect' : 'connect';
    socket.on('error', () => {});
    socket.on('close', () => {
      attacker.closed = true;
      resolve(attacker);
    });
    socket.once(opened, () => {
      if (first !== '') socket.write(first, 'latin1');
      resolve(attacker);
    });
  });
}

/** Sees the other side end, and ends itself. */
export function plain(port: number): net.Socket {
  return net.connect({ port, host: '127.0.0.1', noDelay: true });
}

/** Goes on when the other side has ended. */
export function stubborn(port: number): net.Socket {
  return net.connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
}

export function secure(protocol: 'h2' | 'http/1.1'): (port: number) => net.Socket {
  return (port) =>
    tls.connect({
      port,
      host: '127.0.0.1',
      servername: 'safe.test',
      ALPNProtocols: [protocol],
      rejectUnauthorized: false,
    });
}

/** Resolved when all connections are over; rejected when some are not in time. @param time milliseconds */
export async function ends(all: readonly Attacker[], time: number): Promise<void> {
  const end = performance.now() + time;
  while (all.some(({ closed }) => !closed)) {
    if (performance.now() > end) {
      const open = all.filter(({ closed }) => !closed).length;
      throw new Error(`${open} of ${all.length} connections still open after ${time} ms`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Calls `send` on every connection that is open, every `pause` milliseconds until none is, or the time is over. */
export async function trickle(
  all: readonly Attacker[],
  pause: number,
  time: number,
  send: (socket: net.Socket) => void,
): Promise<void> {
  const end = performance.now() + time;
  while (performance.now() < end && all.some(({ closed }) => !closed)) {
    for (const { socket, closed } of all) if (!closed && socket.writable) send(socket);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

export function leave(all: readonly Attacker[]): void {
  for (const { socket } of all) socket.destroy();
}
