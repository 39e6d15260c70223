// Binds and placements -> listening sockets of one worker. A socket that did not change is not touched; one that moved listens
// at the new place before the old one closes; clients of one that is gone are drained.
import type { Frontend, Placement } from '../../routing/model.ts';
import type { Update } from '../../routing/update.ts';
import { Entrance } from './entrance.ts';
import { FlowListener } from './l4/flows.ts';
import type { WorkerReport } from './messages.ts';
import type { LiveBind } from './state.ts';
import type { Thread } from './thread.ts';
import { Certificates, type MissingName } from './tls/certificates.ts';
import { Termination } from './tls/termination.ts';

/** Between two attempts to listen where it failed. */
const RETRY = 5000;
const BACKLOG = 4096;

interface Socket {
  readonly placement: Placement;
  readonly security: 'none' | 'tls';
  /** Closing waits for nobody. */
  readonly server: { readonly close: () => void };
  readonly termination: Termination | null;
  serving: boolean;
}

export interface ListenerOptions {
  /** Other workers listen at the same places. */
  readonly shared: boolean;
  readonly ticketKeys: Buffer;
  readonly report: (report: WorkerReport) => void;
  readonly missingName: MissingName | undefined;
}

export class Listeners {
  readonly #thread: Thread;
  readonly #shared: boolean;
  readonly #report: (report: WorkerReport) => void;
  readonly #certificates: Certificates;
  readonly #placements = new Map<string, Placement>();
  readonly #sockets = new Map<string, Socket>();
  readonly #retries = new Map<string, NodeJS.Timeout>();
  #settled: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(thread: Thread, options: ListenerOptions) {
    this.#thread = thread;
    this.#shared = options.shared;
    this.#report = options.report;
    this.#certificates = new Certificates(options.ticketKeys, options.missingName);
  }

  /**
   * To be called after the state has the update. Resolved when everything that it and the ones before it ask for listens or
   * has failed.
   */
  apply(update: Update): Promise<void> {
    const changed = this.#take(update);
    // One after the other: two updates may move the same bind.
    this.#settled = this.#settled.then(() => Promise.all(changed.map((bind) => this.#settle(bind)))).then(ignore);
    return this.#settled;
  }

  /** Returns the keys of the binds that may have to move. */
  #take(update: Update): string[] {
    for (const row of update.certificates?.set ?? []) this.#certificates.set(row);
    for (const key of update.certificates?.delete ?? []) this.#certificates.delete(key);
    for (const row of update.placements?.set ?? []) this.#placements.set(row.bind, row);
    for (const key of update.placements?.delete ?? []) this.#placements.delete(key);
    const changed = new Set<string>();
    for (const row of update.binds?.set ?? []) changed.add(row.key);
    for (const key of update.binds?.delete ?? []) changed.add(key);
    for (const row of update.placements?.set ?? []) changed.add(row.bind);
    for (const key of update.placements?.delete ?? []) changed.add(key);
    for (const row of update.frontends?.set ?? []) changed.add(row.bind);
    if (update.certificates !== undefined || update.trustBundles !== undefined)
      for (const socket of this.#sockets.values()) socket.termination?.refresh();
    return [...changed];
  }

  /** Accepts nothing more. */
  close(): void {
    this.#closed = true;
    for (const timer of this.#retries.values()) clearTimeout(timer);
    this.#retries.clear();
    for (const { server } of this.#sockets.values()) server.close();
    this.#sockets.clear();
  }

  async #settle(key: string): Promise<void> {
    clearTimeout(this.#retries.get(key));
    this.#retries.delete(key);
    const bind = this.#thread.state.binds.get(key);
    const placement = this.#placements.get(key);
    const current = this.#sockets.get(key);
    if (this.#closed) return;
    if (bind === undefined || placement === undefined) {
      if (current !== undefined) this.#retire(key, current);
      return;
    }
    current?.termination?.update(rowsOf(bind));
    const { address, port } = placement;
    const stays =
      current !== undefined &&
      current.security === bind.row.security &&
      current.placement.address === address &&
      current.placement.port === port;
    if (stays && current.serving) return;
    await this.#open(bind, placement, current);
  }

  async #open(bind: LiveBind, placement: Placement, old: Socket | undefined): Promise<void> {
    const { key, transport } = bind.row;
    const { address, port } = placement;
    const listen = (): Promise<NodeJS.ErrnoException | null> =>
      transport === 'udp' ? this.#listenForDatagrams(bind, placement) : this.#listen(bind, placement);
    let error = await listen();
    if (error?.code === 'EADDRINUSE' && old !== undefined && old.placement.port === port) {
      // Two addresses may exclude each other (0.0.0.0 and 127.0.0.1): then the old socket has to go first.
      // Closing does not wait for the clients that it has.
      old.server.close();
      error = await listen();
    }
    if (error === null) {
      old?.server.close();
      this.#report({ bind: key, address, port, state: 'serving' });
      return;
    }
    this.#report({ bind: key, address, port, state: 'failed', code: error.code ?? 'unknown', message: error.message });
    if (this.#placements.get(key) !== placement) return;
    this.#retries.set(
      key,
      setTimeout(() => {
        this.#settled = this.#settled.then(() => this.#settle(key));
      }, RETRY).unref(),
    );
  }

  #listen(bind: LiveBind, placement: Placement): Promise<NodeJS.ErrnoException | null> {
    const { key, security } = bind.row;
    const termination =
      security === 'tls' ? new Termination(this.#certificates, this.#thread.credentials.authorities) : null;
    termination?.update(rowsOf(bind));
    const server = new Entrance(this.#thread, key, termination).createServer();
    const { limits, metrics } = this.#thread;
    server.maxConnections = limits.connections;
    server.on('drop', () => metrics.counts.connectionsRefused++);
    const socket: Socket = { placement, security, server, termination, serving: false };
    return new Promise((resolve) => {
      const refused = (error: NodeJS.ErrnoException): void => resolve(error);
      server.once('error', refused);
      const { address: host, port } = placement;
      server.listen({ host, port, backlog: BACKLOG, reusePort: this.#shared, exclusive: true }, () => {
        server.off('error', refused);
        // Out of file descriptors, for one: the next connection may do better.
        server.on('error', ignore);
        socket.serving = true;
        this.#sockets.set(key, socket);
        resolve(null);
      });
    });
  }

  async #listenForDatagrams(bind: LiveBind, placement: Placement): Promise<NodeJS.ErrnoException | null> {
    const { key, security } = bind.row;
    const server = new FlowListener(this.#thread, key, placement, this.#shared);
    const error = await server.listen();
    if (error === null) this.#sockets.set(key, { placement, security, server, termination: null, serving: true });
    return error;
  }

  #retire(key: string, socket: Socket): void {
    this.#sockets.delete(key);
    socket.server.close();
    for (const connection of this.#thread.connections) if (connection.client.bind === key) connection.drain();
  }
}

function rowsOf(bind: LiveBind): Iterable<Frontend> {
  return [...bind.frontends.values()].map((frontend) => frontend.row);
}

function ignore(): void {
  // 'close' follows where there is something to do.
}
