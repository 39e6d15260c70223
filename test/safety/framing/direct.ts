// A data path without sockets on the client's side, in this thread: octets arrive in exactly the pieces that a test gives, and
// thousands of connections cost little. Backends are real.
import type net from 'node:net';
import { duplexPair, type Duplex } from 'node:stream';
import { clientOf } from '../../../src/engines/embedded/client.ts';
import { Http1Downstream } from '../../../src/engines/embedded/http1/downstream.ts';
import { defaultLimits, type Limits } from '../../../src/engines/embedded/options.ts';
import { Thread } from '../../../src/engines/embedded/thread.ts';
import { updateOf, type World } from '../../features/engine-fixture.ts';

export class Direct {
  readonly #thread: Thread;

  constructor(world: Omit<World, 'port'>, limits: Partial<Limits> = {}) {
    this.#thread = new Thread({
      limits: { ...defaultLimits, ...limits },
      trustedHops: 0,
      requestIds: false,
      accessLog: '',
      shared: false,
      ticketKeys: new Uint8Array(48),
      sessionKeys: [new Uint8Array(32)],
      asksNames: false,
    });
    this.#thread.state.apply(updateOf({ ...world, port: 0 }));
  }

  /** A connection; `received` is everything that the client got so far, in latin1. */
  connect(): Conversation {
    const [ours, theirs] = duplexPair();
    const socket = Object.assign(theirs, { remoteAddress: '127.0.0.1', remotePort: 1, localAddress: '127.0.0.1' });
    theirs.on('error', () => {});
    const bind = 'test/gateway:80/tcp';
    void new Http1Downstream(
      this.#thread,
      socket as unknown as net.Socket,
      clientOf(socket as unknown as net.Socket, bind, 'http', undefined),
    );
    return new Conversation(ours, theirs);
  }

  close(): void {
    this.#thread.close();
  }
}

export class Conversation {
  received = '';
  readonly ended: Promise<string>;
  readonly #duplex: Duplex;

  /** @param other end, whose destruction ours does not hear of */
  constructor(duplex: Duplex, other: Duplex) {
    this.#duplex = duplex;
    duplex.on('error', () => {});
    duplex.on('data', (octets: Buffer) => {
      this.received += octets.toString('latin1');
    });
    this.ended = new Promise((resolve) => {
      const done = (): void => resolve(this.received);
      duplex.on('end', done);
      duplex.on('close', done);
      other.on('close', done);
    });
  }

  /** The other side sees one piece, before anything that is sent later. */
  async send(octets: string): Promise<void> {
    const written = new Promise<void>((resolve) => {
      this.#duplex.write(Buffer.from(octets, 'latin1'), () => resolve());
    });
    // The other side may be gone, or say no more and leave the rest unread.
    await Promise.race([written, this.ended]);
  }

  close(): void {
    this.#duplex.destroy();
  }
}
