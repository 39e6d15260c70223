// A client's connection and one to a backend, joined octet by octet: TCP listeners, and TLS listeners whether they terminate or not.
// Each side may stop the other (back-pressure), close its half, or break off; nothing of the content is looked at. Which route
// takes it is state.ts, the connection to the backend dial.ts.
import type net from 'node:net';
import { performance } from 'node:perf_hooks';
import type { LiveCluster, LiveEndpoint } from '../balance.ts';
import { dial } from '../dial.ts';
import { chooseBackend } from '../plan.ts';
import type { Client, Failure } from '../sides.ts';
import type { LiveEntry, LiveFrontend } from '../state.ts';
import type { ClientConnection, Thread } from '../thread.ts';
import { recordStream } from './record-stream.ts';

/** Read from a backend at once. */
const READ = 65_536;
/** Other endpoints that are tried when one cannot be reached. */
const FAILOVERS = 2;

export interface StreamOptions {
  readonly frontend: LiveFrontend;
  /** What the route is looked for by; '' where there are no names. */
  readonly host: string;
  /** Octets are TLS already, and are not wrapped once more. */
  readonly passthrough: boolean;
}

export class Stream implements ClientConnection {
  readonly client: Client;
  readonly #thread: Thread;
  readonly #frontend: LiveFrontend;
  readonly #passthrough: boolean;
  readonly #entry: LiveEntry | undefined;
  readonly #socket: net.Socket;
  readonly #started: number = performance.now();
  #cluster: LiveCluster | null = null;
  #endpoint: LiveEndpoint | null = null;
  #backend: net.Socket | null = null;
  /** The backend is there; before, the client waits. */
  #joined = false;
  #attempts = 0;
  #failure: Failure | 'no-route' | 'no-backend' | 'no-endpoint' | '' = '';
  #detail = '';
  #sent = 0;
  #received = 0;
  #ended = false;
  #draining = false;
  #deadline = Number.POSITIVE_INFINITY;
  #memory: Buffer | null = null;
  /** The memory is still referred to by a write. */
  #renew = false;

  constructor(thread: Thread, socket: net.Socket, client: Client, options: StreamOptions) {
    this.client = client;
    this.#thread = thread;
    this.#socket = socket;
    this.#frontend = options.frontend;
    this.#passthrough = options.passthrough;
    this.#entry = thread.state.streamEntry(options.frontend, options.host);
    options.frontend.series.streams++;
    options.frontend.series.activeStreams++;
    thread.open(this);
    socket.pause();
    socket.on('close', () => this.#over());
    const plan = this.#entry?.slot.plan ?? null;
    if (plan === null) {
      this.#refuse('no-route');
      return;
    }
    const backend = chooseBackend(plan);
    this.#cluster = backend?.cluster ?? null;
    if (this.#cluster?.row === undefined) this.#refuse('no-backend');
    else this.#connect();
  }

  #refuse(failure: 'no-route' | 'no-backend' | 'no-endpoint'): void {
    this.#failure = failure;
    this.#reset(this.#socket);
  }

  /** With a reset where there is a connection of our own: the client must not take it for the end of a message. */
  #reset(socket: net.Socket): void {
    if ('encrypted' in socket) socket.destroy();
    else socket.resetAndDestroy();
  }

  // ---- The backend.

  #connect(): void {
    const cluster = this.#cluster as LiveCluster;
    const { row } = cluster;
    const endpoint = cluster.endpoints.pick(performance.now(), this.#endpoint);
    if (endpoint === undefined || row === undefined) {
      this.#refuse('no-endpoint');
      return;
    }
    this.#endpoint = endpoint;
    endpoint.active++;
    this.#attempts++;
    // Each socket has to be given memory of its own: "the same again" is nothing to one that had none, and what it read would
    // stay with Node, while the client is sent whatever stands in ours.
    this.#memory = null;
    const { tls: _, ...plain } = row;
    const way = this.#passthrough ? { row: plain, tls: null } : { row, tls: cluster.tls };
    const { socket } = dial(endpoint.endpoint, { ...way, client: this.client }, this.#thread, {
      onread: { buffer: () => this.#nextMemory(), callback: (size) => this.#fromBackend(size) },
      ready: () => this.#join(),
      failed: (failure, detail) => this.#unreached(endpoint, failure, detail),
    });
    this.#backend = socket;
  }

  #unreached(endpoint: LiveEndpoint, failure: Failure, detail: string): void {
    endpoint.active--;
    this.#backend = null;
    // It was given up on our side, which is not the endpoint's fault.
    if (this.#socket.destroyed) return;
    this.#thread.metrics.failed(failure);
    this.#failure = failure;
    this.#detail = detail;
    if (failure !== 'tls') endpoint.unreachable(performance.now());
    const again = failure !== 'tls' && this.#attempts <= FAILOVERS && this.#cluster?.hasChoice === true;
    if (again) this.#connect();
    else this.#reset(this.#socket);
  }

  #join(): void {
    const backend = this.#backend as net.Socket;
    const socket = this.#socket;
    if (this.#ended) {
      backend.destroy();
      return;
    }
    this.#joined = true;
    this.#failure = '';
    this.#endpoint?.reached();
    this.#touch();
    backend.on('drain', () => socket.resume());
    backend.on('end', () => socket.end());
    backend.on('close', (broken) => {
      (this.#endpoint as LiveEndpoint).active--;
      this.#backend = null;
      if (broken) this.#reset(socket);
      else if (!socket.writableEnded) socket.end();
    });
    socket.on('data', (octets: Buffer) => this.#fromClient(backend, octets));
    socket.on('drain', () => backend.resume());
    // A client that said nothing may have closed its half meanwhile: Node tells so even while the socket is paused.
    if (socket.readableEnded) backend.end();
    else socket.on('end', () => backend.end());
    socket.resume();
  }

  #fromClient(backend: net.Socket, octets: Buffer): void {
    this.#received += octets.length;
    this.#touch();
    if (!backend.write(octets)) this.#socket.pause();
  }

  /** Undefined: the same again, which costs Node less than to be given it. */
  #nextMemory(): Uint8Array | undefined {
    if (this.#memory !== null && !this.#renew) return undefined;
    this.#renew = false;
    this.#memory = Buffer.allocUnsafeSlow(READ);
    return this.#memory;
  }

  #fromBackend(size: number): boolean {
    const socket = this.#socket;
    this.#sent += size;
    this.#touch();
    const room = socket.write((this.#memory as Buffer).subarray(0, size));
    if (socket.writableLength > 0) this.#renew = true;
    if (!room) this.#backend?.pause();
    return true;
  }

  // ---- Time, and the end.

  #touch(): void {
    if (this.#draining) return;
    const { sweeper, limits } = this.#thread;
    this.#deadline = sweeper.read() + limits.tunnelTimeout;
  }

  sweep(now: number): void {
    if (now > this.#deadline) this.destroy();
  }

  /** There is no telling when a stream has said everything: it has as long as requests in flight have. */
  drain(): void {
    const { sweeper, limits } = this.#thread;
    this.#deadline = Math.min(this.#deadline, sweeper.read() + limits.drainTimeout);
    this.#draining = true;
  }

  /** Cut off: neither side must take it for the end of what the other said. */
  destroy(): void {
    this.#reset(this.#socket);
    if (this.#joined && this.#backend !== null) this.#reset(this.#backend);
    else this.#backend?.destroy();
  }

  #over(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#thread.closed(this);
    this.#frontend.series.activeStreams--;
    const backend = this.#backend;
    // A client that broke off breaks the backend's connection too; one that said everything leaves it to answer.
    if (backend !== null && !this.#joined) backend.destroy();
    else if (backend !== null && !backend.writableEnded) this.#reset(backend);
    else backend?.destroySoon();
    recordStream(this.#thread, {
      client: this.client,
      scheme: this.#frontend.row.protocol === 'TLS' ? 'tls' : 'tcp',
      name: this.client.serverName ?? '',
      started: this.#started,
      sent: this.#sent,
      received: this.#received,
      frontend: this.#frontend,
      entry: this.#entry,
      endpoint: this.#endpoint,
      attempts: this.#attempts,
      failure: this.#failure,
      detail: this.#detail,
    });
  }
}
