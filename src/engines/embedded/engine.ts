// The embedded engine as the main thread sees it: updates in, reports of binds and metrics out. Traffic never touches this
// thread: workers (worker.ts) serve, each with all of the configuration; one that dies is started again.
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import type { Engine as AnyEngine } from '../../routing/engine.ts';
import type { Placement } from '../../routing/model.ts';
import type { Update } from '../../routing/update.ts';
import { meet, TakenPlaces } from '../../support/listening.ts';
import { exposition, sumSnapshots } from './exposition.ts';
import type { MetricsSnapshot } from './metrics.ts';
import { defaultLimits, type EngineOptions, type WorkerOptions } from './options.ts';
import { Reports } from './reports.ts';
import { Rows } from '../../routing/rows.ts';
import { SESSION_KEY } from './sessions.ts';
import { WorkerHandle } from './worker-handle.ts';

export interface Engine extends AnyEngine {
  /** Other keys of sessions from now on: the first seals, all of them open. @throws RangeError for one of another size, or none */
  renewSessionKeys(keys: readonly Uint8Array[]): void;
}

/** Throws the error of the operating system when the access log cannot be opened; RangeError for a session key of another size. */
export function startEngine(options: EngineOptions = {}): Engine {
  return new EmbeddedEngine(options);
}

/** Systems on which several threads can listen on one port and share its connections evenly. */
const sharesPorts: ReadonlySet<string> = new Set(['linux', 'freebsd']);

class EmbeddedEngine implements Engine {
  readonly #rows = new Rows();
  readonly #workers: readonly WorkerHandle[];
  readonly #reports: Reports;
  readonly #shared: boolean;
  readonly #drainTimeout: number;
  /** Placements whose port another program has, so that no worker was told of them. */
  readonly #taken: TakenPlaces<Placement>;
  #crashes = 0;
  /** What workers counted that are no more. */
  #retired: MetricsSnapshot[] = [];
  #queue: Promise<void> = Promise.resolve();

  constructor(options: EngineOptions) {
    const wanted = Math.max(1, Math.trunc(options.workers ?? 1));
    const count = sharesPorts.has(process.platform) ? wanted : 1;
    const limits = { ...defaultLimits, ...options.limits };
    const accessLog = options.accessLog ?? '';
    if (accessLog !== '' && accessLog !== '-') fs.closeSync(fs.openSync(accessLog, 'a', 0o640));
    const settings: WorkerOptions = {
      limits,
      trustedHops: options.trustedHops ?? 0,
      requestIds: options.requestIds ?? true,
      accessLog,
      shared: count > 1,
      ticketKeys: randomBytes(48),
      sessionKeys: sessionKeys(options.sessionKeys ?? []),
      asksNames: options.onMissingName !== undefined,
    };
    // Of isolates that are made from now on: a proxy's garbage is young, and rarer collections cost less (measured: a tenth
    // of the time of a request) for some 30 MiB per worker.
    setFlagsFromString(`--min-semi-space-size=${Math.max(1, Math.trunc(options.youngSpace ?? 16))}`);
    this.#shared = count > 1;
    this.#drainTimeout = limits.drainTimeout;
    this.#taken = new TakenPlaces(
      (set) => void this.apply({ version: this.#rows.version, placements: { set, delete: [] } }),
    );
    this.#reports = new Reports(count, options.onReport ?? ignore);
    this.#workers = Array.from({ length: count }, (_, index) => {
      const worker: WorkerHandle = new WorkerHandle(settings, {
        all: () => JSON.stringify(this.#workerView(this.#rows.all())),
        reported: (report) => this.#reports.take(index, report),
        missingName: (certificates, name) => options.onMissingName?.(certificates, name),
        crashed: (error, last) => {
          this.#crashes++;
          if (last !== null) this.#retired = [sumSnapshots([...this.#retired, last])];
          this.#reports.forget(index);
          options.onCrash?.(error);
        },
      });
      return worker;
    });
  }

  apply(update: Update): Promise<void> {
    const applied = this.#queue.then(() => this.#apply(update));
    // Only sending is in order; waiting for workers is not part of the queue.
    this.#queue = applied.then((sent) => void sent);
    return applied.then(({ acknowledged }) => acknowledged);
  }

  async #apply(update: Update): Promise<{ readonly acknowledged: Promise<void> }> {
    this.#rows.apply(update);
    for (const key of update.placements?.delete ?? []) this.#forget(key);
    for (const row of update.placements?.set ?? []) this.#reports.expect(row);
    if (this.#shared && update.placements !== undefined) await this.#probe(update.placements.set);
    return { acknowledged: this.#send(this.#workerView(update)) };
  }

  async #send(update: Update): Promise<void> {
    const text = JSON.stringify(update);
    await Promise.all(this.#workers.map((worker) => worker.update(text)));
  }

  #forget(bind: string): void {
    this.#taken.forget(bind);
    this.#reports.drop(bind);
  }

  /** Without placements whose port another program has. */
  #workerView(update: Update): Update {
    if (this.#taken.size === 0 || update.placements === undefined) return update;
    const { set, delete: gone } = update.placements;
    const held = set.filter((row) => this.#taken.has(row)).map((row) => row.bind);
    const placements = { set: set.filter((row) => !this.#taken.has(row)), delete: [...gone, ...held] };
    return { ...update, placements };
  }

  /**
   * Workers that share ports would also share them with another program of the same user that does: so each new place is tried
   * once without sharing.
   */
  async #probe(rows: readonly Placement[]): Promise<void> {
    for (const row of rows) {
      this.#taken.forget(row.bind);
      const ours = [...this.#rows.placements()].some(
        (other) => other.bind !== row.bind && meet(other, row) && this.#reports.isServing(other.bind),
      );
      if (ours || this.#reports.servesAt(row)) continue;
      const error = await this.#taken.try(row);
      if (error !== null) this.#reports.refuse(row, error);
    }
  }

  renewSessionKeys(keys: readonly Uint8Array[]): void {
    if (keys.length === 0) throw new RangeError('there is no session key');
    const renewed = sessionKeys(keys);
    for (const worker of this.#workers) worker.renewSessionKeys(renewed);
  }

  async metrics(): Promise<string> {
    const snapshots = await Promise.all(this.#workers.map((worker) => worker.metrics()));
    const known = snapshots.filter((snapshot) => snapshot !== null);
    const running = this.#workers.filter((worker) => worker.running).length;
    return exposition(sumSnapshots([...this.#retired, ...known]), { running, crashes: this.#crashes });
  }

  /** Of HTTP/1.1, whose clients may otherwise be in the middle of a request when their connection ends; HTTP/2 says which were served. */
  retire(): void {
    for (const worker of this.#workers) worker.retire();
  }

  async drain(deadline: number = this.#drainTimeout): Promise<void> {
    this.#taken.close();
    await this.#queue;
    await Promise.all(this.#workers.map((worker) => worker.drain(deadline)));
    await this.close();
  }

  async close(): Promise<void> {
    this.#taken.close();
    await Promise.all(this.#workers.map((worker) => worker.close()));
  }
}

function sessionKeys(given: readonly Uint8Array[]): readonly Uint8Array[] {
  for (const key of given)
    if (key.length !== SESSION_KEY) throw new RangeError(`session keys have ${SESSION_KEY} octets`);
  return given.length > 0 ? given : [randomBytes(SESSION_KEY)];
}

function ignore(): void {
  // Nobody wants to know.
}
