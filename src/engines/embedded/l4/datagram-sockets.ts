// Where a UDP listener is placed -> sockets. An answer has to leave from the address that was asked, or the client does not take it
// for one. A socket for every address of the machine leaves that to the routes of the system, so each of those addresses gets a
// socket of its own (a datagram goes to the most specific one), and the one for all takes what is left. What is in the datagrams
// is for flows.ts.
import dgram from 'node:dgram';
import net from 'node:net';
import os from 'node:os';
import type { Placement } from '../../../routing/model.ts';

/** Octets that the system keeps for us between two turns. */
const BUFFER = 4_194_304;
/** Of a machine. Beyond, they share the socket for all: nodes may have thousands of virtual ones. */
const MOST_ADDRESSES = 64;
/** Where several sockets may be at one port, and the most specific one gets what comes. */
const layered: ReadonlySet<string> = new Set(['linux']);

export interface Local {
  readonly socket: dgram.Socket;
  /** That clients ask; `0.0.0.0` or `::` when it is not known which. */
  readonly address: string;
}

export interface DatagramOptions {
  /** Other workers receive at the same place. */
  readonly shared: boolean;
  readonly take: (octets: Buffer, from: dgram.RemoteInfo, local: Local) => void;
  /** The address is no longer one of the machine's; nothing can be sent from there. */
  readonly gone: (local: Local) => void;
}

export class DatagramSockets {
  readonly #placement: Placement;
  readonly #options: DatagramOptions;
  /** By address; the placement's own is among them. */
  readonly #locals = new Map<string, Local>();
  readonly #every: boolean;
  #closed = false;

  constructor(placement: Placement, options: DatagramOptions) {
    this.#placement = placement;
    this.#options = options;
    this.#every = isUnspecified(placement.address) && layered.has(process.platform);
  }

  /** Resolves to null when it listens. */
  async listen(): Promise<NodeJS.ErrnoException | null> {
    const { address } = this.#placement;
    // Sockets of ours that share a port would share it with those of others, too.
    const refused = this.#every && !this.#options.shared ? await this.#tryAlone() : null;
    const error = refused ?? (await this.#open(address));
    if (error === null) await this.refresh();
    return error;
  }

  /** Addresses of the machine come and go. */
  async refresh(): Promise<void> {
    if (!this.#every || this.#closed) return;
    const own = ownAddresses(this.#placement.address);
    for (const [address, local] of this.#locals) {
      if (address === this.#placement.address || own.has(address)) continue;
      this.#locals.delete(address);
      this.#options.gone(local);
      local.socket.close();
    }
    // One that cannot be had (not usable yet, or with another program) is served by the socket for all.
    await Promise.all([...own].filter((address) => !this.#locals.has(address)).map((address) => this.#open(address)));
  }

  close(): void {
    this.#closed = true;
    for (const { socket } of this.#locals.values()) socket.close();
    this.#locals.clear();
  }

  async #tryAlone(): Promise<NodeJS.ErrnoException | null> {
    const socket = createSocket(this.#placement.address, false);
    const error = await bind(socket, this.#placement);
    await new Promise<void>((resolve) => socket.close(() => resolve()));
    return error;
  }

  async #open(address: string): Promise<NodeJS.ErrnoException | null> {
    const socket = createSocket(address, this.#options.shared || this.#every);
    const error = await bind(socket, { ...this.#placement, address });
    if (error !== null || this.#closed || this.#locals.has(address)) {
      socket.close();
      return error;
    }
    // Of a client that is gone: there is nobody to tell.
    socket.on('error', ignore);
    enlarge(socket);
    const local: Local = { socket, address };
    this.#locals.set(address, local);
    socket.on('message', (octets, from) => this.#options.take(octets, from, local));
    return null;
  }
}

/** Addresses are numbers already: nothing is looked up. */
export function createSocket(address: string, reusePort: boolean): dgram.Socket {
  return dgram.createSocket({ type: net.isIPv6(address) ? 'udp6' : 'udp4', reusePort, lookup: asIs });
}

function asIs(address: string, _options: unknown, done: (error: null, address: string, family: number) => void): void {
  done(null, address, address.includes(':') ? 6 : 4);
}

function bind(socket: dgram.Socket, { address, port }: Placement): Promise<NodeJS.ErrnoException | null> {
  return new Promise((resolve) => {
    socket.once('error', resolve);
    socket.bind({ address, port, exclusive: true }, () => {
      socket.off('error', resolve);
      resolve(null);
    });
  });
}

function isUnspecified(address: string): boolean {
  return address === '0.0.0.0' || (net.isIPv6(address) && /^[0:]+$/.test(address));
}

/** @param unspecified `0.0.0.0` has those of IPv4, `::` all of them */
function ownAddresses(unspecified: string): Set<string> {
  const all = Object.entries(interfaces()).flatMap(([name, addresses = []]) =>
    addresses
      .filter(({ family }) => family === 'IPv4' || net.isIPv6(unspecified))
      .map(({ address, scopeid }) => (scopeid === undefined || scopeid === 0 ? address : `${address}%${name}`)),
  );
  return new Set(all.slice(0, MOST_ADDRESSES));
}

function interfaces(): NodeJS.Dict<os.NetworkInterfaceInfo[]> {
  try {
    return os.networkInterfaces();
  } catch {
    // Not allowed to ask, or out of descriptors.
    return {};
  }
}

/** As far as the system allows it. */
function enlarge(socket: dgram.Socket): void {
  try {
    socket.setRecvBufferSize(BUFFER);
    socket.setSendBufferSize(BUFFER);
  } catch {
    // It stays as it is.
  }
}

function ignore(): void {
  // A datagram may be lost.
}
