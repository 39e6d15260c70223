// One connection to a backend over HTTP/2, by prior knowledge or, with TLS, by ALPN: opens streams while the backend's limits allow,
// notices its going away, and asks a silent one whether it still lives. Which connection takes which request is pool.ts.
import http2 from 'node:http2';
import type { Dial } from '../dial.ts';
import type { Failure, OutgoingRequest, Receiver, Upstream } from '../sides.ts';
import type { Thread } from '../thread.ts';
import type { Http2Pool } from './pool.ts';
import { BACKEND_STREAMS, clientOptions, CONNECTION_WINDOW } from './settings.ts';
import { Http2Upstream } from './upstream.ts';

/** Silence after which a request that was given up raises the question whether anybody is there. */
const SUSPICIOUS = 1000;
/** For the answer to that question. */
const PING_TIMEOUT = 5000;

export class Http2Connection {
  readonly thread: Thread;
  readonly session: http2.ClientHttp2Session;
  connected = false;
  closed = false;
  /** Why there is no connection, and what the system or OpenSSL said. */
  failure: Failure = 'refused';
  detail = '';
  /** The peer broke the protocol, or does not speak it. */
  broken = false;
  /** An exchange was completed, or at least begun, on it before. */
  proven = false;
  /** The last stream that the backend will process; from its GOAWAY. */
  lastStream: number = Number.POSITIVE_INFINITY;
  /** When the backend was last heard. */
  heard: number;
  readonly #pool: Http2Pool;
  readonly #dial: Dial;
  readonly #streams = new Set<Http2Upstream>();
  #capacity: number;
  #idleSince: number;
  #pingDeadline: number = Number.POSITIVE_INFINITY;

  constructor(pool: Http2Pool, thread: Thread) {
    this.#pool = pool;
    this.thread = thread;
    this.#capacity = pool.capacity;
    const { now } = thread.sweeper;
    this.heard = this.#idleSince = now;
    this.#dial = pool.dial({
      ready: ignore,
      failed: (failure, detail) => {
        this.failure = failure;
        this.detail = detail;
        this.session.destroy();
      },
    });
    this.session = http2.connect('http://backend', {
      ...clientOptions(thread.limits),
      createConnection: () => this.#dial.socket,
    });
    const { session } = this;
    session.on('connect', () => {
      this.connected = true;
      this.heard = thread.sweeper.now;
      if (!session.destroyed) session.setLocalWindowSize(CONNECTION_WINDOW);
    });
    session.on('remoteSettings', (settings) => {
      this.#capacity = pool.capacity = Math.max(
        1,
        Math.min(settings.maxConcurrentStreams ?? BACKEND_STREAMS, BACKEND_STREAMS),
      );
      this.heard = thread.sweeper.now;
    });
    session.on('goaway', (_code, lastStream) => {
      this.lastStream = lastStream;
      this.#pool.retire(this);
    });
    session.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ERR_HTTP2_ERROR') this.broken = true;
    });
    session.on('close', () => {
      this.closed = true;
      this.#pool.retire(this);
      thread.sweeper.delete(this);
    });
    thread.sweeper.add(this);
  }

  /** What OpenSSL said while nothing was exchanged yet: in TLS 1.3 a backend refuses our certificate after the handshake. */
  get alert(): string {
    return this.connected && !this.proven ? this.#dial.alert : '';
  }

  get idle(): boolean {
    return this.#streams.size === 0;
  }

  get roomy(): boolean {
    return this.#streams.size < this.#capacity && this.#pingDeadline === Number.POSITIVE_INFINITY;
  }

  open(request: OutgoingRequest, receiver: Receiver): Upstream {
    const upstream = new Http2Upstream(this, request, receiver);
    this.#streams.add(upstream);
    return upstream;
  }

  /** A stream is over. */
  forget(upstream: Http2Upstream): void {
    if (!this.#streams.delete(upstream)) return;
    if (this.connected) this.proven = true;
    this.#idleSince = this.thread.sweeper.now;
  }

  /** A request on it was given up: if nothing was heard for a while, the whole connection may be dead. */
  doubt(): void {
    const { now } = this.thread.sweeper;
    if (!this.connected || this.session.destroyed || this.#pingDeadline !== Number.POSITIVE_INFINITY) return;
    if (now - this.heard < SUSPICIOUS) return;
    this.#pingDeadline = now + PING_TIMEOUT;
    this.session.ping((error) => {
      if (error === null) this.#pingDeadline = Number.POSITIVE_INFINITY;
    });
  }

  /** No new streams; closes when the last one ends. */
  close(): void {
    if (!this.connected && this.idle) this.session.destroy();
    else this.session.close();
  }

  sweep(now: number): void {
    for (const upstream of this.#streams) upstream.sweep(now);
    if (now > this.#pingDeadline) {
      this.session.destroy();
    } else if (this.idle && this.session.closed) {
      // A closed session waits for the backend to close its half too, and some never do: it has as long again.
      if (now - this.#idleSince > 2 * this.thread.limits.poolTimeout) this.#dial.socket.destroy();
    } else if (this.idle && now - this.#idleSince > this.thread.limits.poolTimeout) {
      this.#pool.retire(this);
      this.session.close();
    }
  }
}

function ignore(): void {
  // The session says it.
}
