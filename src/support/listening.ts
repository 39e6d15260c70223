// Whether a port is to be had: found by listening there for a moment.
import { createSocket } from 'node:dgram';
import net from 'node:net';

export interface ListeningPlace {
  readonly address: string;
  readonly port: number;
  /** Default tcp. */
  readonly transport?: 'tcp' | 'udp';
}

/** Without sharing the port. Resolves with the error of the operating system, or null when it listened. */
export function tryToListen({ address, port, transport }: ListeningPlace): Promise<NodeJS.ErrnoException | null> {
  return new Promise((resolve) => {
    if (transport === 'udp') {
      const socket = createSocket(net.isIPv6(address) ? 'udp6' : 'udp4');
      socket.once('error', (error) => socket.close(() => resolve(error)));
      socket.bind({ address, port, exclusive: true }, () => socket.close(() => resolve(null)));
      return;
    }
    const server = net.createServer();
    server.once('error', resolve);
    server.listen({ host: address, port, exclusive: true }, () => server.close(() => resolve(null)));
  });
}

export interface NamedPlace extends ListeningPlace {
  /** What is to listen there: `…/tcp`, `…/udp`. */
  readonly bind: string;
}

/** Milliseconds between two looks at a port that another program has. */
const LOOK_AGAIN = 5000;

/** Places that another program has, which are looked at again from time to time. */
export class TakenPlaces<P extends NamedPlace> {
  readonly #again: (places: readonly P[]) => void;
  readonly #places = new Map<string, P>();
  readonly #interval: number;
  #timer: NodeJS.Timeout | null = null;

  /** @param again told of all of them, once for each time that a place was found to be taken */
  constructor(again: (places: readonly P[]) => void, interval: number = LOOK_AGAIN) {
    this.#again = again;
    this.#interval = interval;
  }

  get size(): number {
    return this.#places.size;
  }

  has(place: P): boolean {
    return this.#places.get(place.bind) === place;
  }

  /** Whether a place of that name is among them. */
  awaits(bind: string): boolean {
    return this.#places.has(bind);
  }

  /** Resolves with the error of the operating system, and with null when nobody else has it. */
  async try(place: P): Promise<NodeJS.ErrnoException | null> {
    const { bind, address, port } = place;
    const error = await tryToListen({ address, port, transport: transportOf(bind) });
    if (error === null) return null;
    this.#places.set(bind, place);
    this.#timer ??= setTimeout(() => this.#look(), this.#interval).unref();
    return error;
  }

  forget(bind: string): void {
    this.#places.delete(bind);
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#places.clear();
  }

  #look(): void {
    this.#timer = null;
    if (this.#places.size > 0) this.#again([...this.#places.values()]);
  }
}

/** Whether both are sockets of the same port. */
export function meet(a: NamedPlace, b: NamedPlace): boolean {
  return a.port === b.port && transportOf(a.bind) === transportOf(b.bind);
}

function transportOf(bind: string): 'tcp' | 'udp' {
  return bind.endsWith('/udp') ? 'udp' : 'tcp';
}
