// A client's connection over HTTP/2: each stream becomes an exchange of its own. Framing, header compression and flow control
// are Node's (nghttp2); limits, deadlines and draining are decided here, streams are stream.ts.
import http2 from 'node:http2';
import type net from 'node:net';
import type { Client } from '../sides.ts';
import type { ClientConnection, Thread } from '../thread.ts';
import { CONNECTION_WINDOW, OVERHEAD_BURST, OVERHEAD_FACTOR, OVERHEAD_RATE, serverOptions } from './settings.ts';
import { Http2Stream } from './stream.ts';

/** For a client to take the last frames and close its side. */
const LINGER = 2000;

export class Http2Downstream implements ClientConnection {
  readonly client: Client;
  readonly thread: Thread;
  /** Octets of requests that were taken, and of content in both directions. */
  useful = 0;
  readonly #socket: net.Socket;
  readonly #started: number;
  readonly #session: http2.ServerHttp2Session;
  readonly #streams = new Set<Http2Stream>();
  /** While there is no stream: for the first request, or the next. */
  #deadline: number;
  /** For the client to acknowledge our SETTINGS, which bind it only then (RFC 9113 section 6.5.3). */
  #settingsDeadline: number;

  /** @param octets what was read of the connection already, from the preface on */
  constructor(thread: Thread, socket: net.Socket, client: Client, octets?: Buffer) {
    this.client = client;
    this.thread = thread;
    this.#socket = socket;
    this.#started = thread.sweeper.read();
    this.#deadline = this.#settingsDeadline = this.#started + thread.limits.headTimeout;
    if (octets !== undefined) {
      // Flowing, it would hand them to listeners that are gone.
      socket.pause();
      socket.unshift(octets);
    }
    const session = http2.performServerHandshake(socket, serverOptions(thread.limits));
    this.#session = session;
    session.setLocalWindowSize(CONNECTION_WINDOW);
    session.on('stream', (stream, _headers, flags, raw) => this.#accept(stream, flags, raw));
    session.on('localSettings', () => {
      this.#settingsDeadline = Number.POSITIVE_INFINITY;
    });
    session.on('error', ignore);
    session.on('close', () => thread.closed(this));
    socket.on('end', () => this.#ended());
    thread.open(this);
    if (thread.draining) this.drain();
  }

  /** A stream is over. */
  forget(stream: Http2Stream): void {
    this.#streams.delete(stream);
    if (this.#streams.size > 0) return;
    this.#deadline = this.thread.sweeper.now + (this.#session.closed ? 0 : this.thread.limits.idleTimeout);
  }

  /**
   * GOAWAY with the last stream that is served: what the client sent behind it is ignored, and its to send again elsewhere (RFC
   * 9113 section 6.8). A notice beforehand would lose more than it saves: nghttp2 ignores new streams after any GOAWAY of
   * Node's.
   */
  drain(): void {
    this.#session.close();
    if (this.#streams.size === 0) this.#deadline = this.thread.sweeper.now;
  }

  destroy(): void {
    this.#session.destroy();
    // A session that was closed in good order waits for its last octets to be taken, by whoever takes nothing for ever.
    this.#socket.destroy();
  }

  sweep(now: number): void {
    for (const stream of this.#streams) stream.sweep(now);
    if (this.#floods(now)) {
      this.thread.metrics.refused('http2-flood');
      this.#session.destroy(new Error('flood'), http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
    } else if (now > this.#settingsDeadline) {
      this.#session.destroy(new Error('no SETTINGS'), http2.constants.NGHTTP2_SETTINGS_TIMEOUT);
    } else if (this.#streams.size === 0 && now > this.#deadline) {
      if (!this.#session.closed) this.drain();
      else if (now > this.#deadline + LINGER) this.destroy();
    }
  }

  /** Most of what it sends is of no use to anybody. */
  #floods(now: number): boolean {
    const allowed = OVERHEAD_BURST + (OVERHEAD_RATE * (now - this.#started)) / 1000 + OVERHEAD_FACTOR * this.useful;
    const surplus = this.#socket.bytesRead - allowed;
    // Content that waits for its backend came in the windows that we gave.
    return surplus > 0 && surplus > (this.#session.state.effectiveRecvDataLength ?? 0);
  }

  /** The client will send no more: what it left half sent is void; responses under way are still for it. */
  #ended(): void {
    for (const stream of this.#streams) stream.cutShort();
    this.drain();
  }

  #accept(stream: http2.ServerHttp2Stream, flags: number, raw: readonly string[]): void {
    // Reset before its turn came.
    if (stream.destroyed || stream.aborted) {
      stream.on('error', ignore);
      return;
    }
    const ended = (flags & http2.constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    const accepted = new Http2Stream(this, stream);
    this.#streams.add(accepted);
    accepted.begin(raw, ended);
  }
}

function ignore(): void {
  // 'close' follows, and says what there is to say.
}
