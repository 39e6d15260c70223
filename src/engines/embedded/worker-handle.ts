// One worker thread as the main thread holds it: messages with their answers, and its restart when it dies.
import { Worker } from 'node:worker_threads';
import type { FromWorker, ToWorker, WorkerReport } from './messages.ts';
import type { MetricsSnapshot } from './metrics.ts';
import type { WorkerOptions } from './options.ts';

export interface WorkerEvents {
  /** All of the configuration as JSON, for a worker that starts. */
  all(): string;
  reported(report: WorkerReport): void;
  missingName(certificates: readonly string[], name: string): void;
  /** It is started again by itself. @param last its counters when they were last asked for */
  crashed(error: Error, last: MetricsSnapshot | null): void;
}

/** A worker that is busy answers late; one that does not answer at all is left out. */
const METRICS_TIMEOUT = 2000;
/** Before a worker that died is started again: at first, doubling, and at most; it starts from the first after a calm minute. */
const FIRST_RESTART = 50;
const LONGEST_RESTART = 5000;
const CALM = 60_000;
/** Beyond the deadline of draining. */
const GRACE = 1000;

export class WorkerHandle {
  #options: WorkerOptions;
  readonly #events: WorkerEvents;
  #worker: Worker;
  #running = true;
  #closing = false;
  #sequence = 0;
  #request = 0;
  #started = performance.now();
  #restartAfter = FIRST_RESTART;
  #restart: NodeJS.Timeout | null = null;
  #last: MetricsSnapshot | null = null;
  readonly #unacknowledged = new Map<number, () => void>();
  readonly #questions = new Map<number, (snapshot: MetricsSnapshot | null) => void>();
  #drained: () => void = ignore;

  constructor(options: WorkerOptions, events: WorkerEvents) {
    this.#options = options;
    this.#events = events;
    this.#worker = this.#start();
  }

  get running(): boolean {
    return this.#running;
  }

  /** @param update as JSON. Resolved when it is in force; if the worker dies meanwhile, when its successor has all of the configuration. */
  update(update: string): Promise<void> {
    if (this.#closing) return Promise.resolve();
    const sequence = ++this.#sequence;
    return new Promise((resolve) => {
      this.#unacknowledged.set(sequence, resolve);
      if (this.#running) this.#tell({ kind: 'update', sequence, update });
    });
  }

  renewSessionKeys(keys: readonly Uint8Array[]): void {
    // A worker that is started again begins with them.
    this.#options = { ...this.#options, sessionKeys: keys };
    if (this.#running && !this.#closing) this.#tell({ kind: 'session-keys', keys });
  }

  metrics(): Promise<MetricsSnapshot | null> {
    if (!this.#running || this.#closing) return Promise.resolve(null);
    const request = ++this.#request;
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#answer(request, this.#last), METRICS_TIMEOUT);
      this.#questions.set(request, (snapshot) => {
        clearTimeout(timer);
        resolve(snapshot);
      });
      this.#tell({ kind: 'metrics', request });
    });
  }

  retire(): void {
    if (this.#running && !this.#closing) this.#tell({ kind: 'retire' });
  }

  async drain(deadline: number): Promise<void> {
    this.#closing = true;
    if (!this.#running) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, deadline + GRACE);
      this.#drained = (): void => {
        clearTimeout(timer);
        resolve();
      };
      this.#tell({ kind: 'drain', deadline });
    });
  }

  async close(): Promise<void> {
    this.#closing = true;
    if (this.#restart !== null) clearTimeout(this.#restart);
    this.#running = false;
    await this.#worker.terminate();
    this.#giveUp();
  }

  #start(): Worker {
    const { url } = import.meta;
    const entry = new URL(url.endsWith('.ts') ? './worker.ts' : './worker.js', url);
    const worker = new Worker(entry, { workerData: this.#options, name: 'portolan-proxy' });
    let failure: Error | null = null;
    worker.on('message', (message: FromWorker) => this.#hear(message));
    worker.on('error', (error: unknown) => {
      failure = error instanceof Error ? error : new Error(String(error));
    });
    worker.on('exit', (code) => this.#exited(failure ?? new Error(`a worker ended with code ${code}`)));
    return worker;
  }

  #exited(error: Error): void {
    this.#drained();
    if (this.#closing) return;
    this.#running = false;
    this.#events.crashed(error, this.#last);
    this.#last = null;
    for (const request of this.#questions.keys()) this.#answer(request, null);
    const now = performance.now();
    if (now - this.#started > CALM) this.#restartAfter = FIRST_RESTART;
    this.#restart = setTimeout(() => this.#startAgain(), this.#restartAfter);
    this.#restartAfter = Math.min(LONGEST_RESTART, this.#restartAfter * 2);
  }

  #startAgain(): void {
    this.#restart = null;
    this.#started = performance.now();
    this.#worker = this.#start();
    this.#running = true;
    // Acknowledges all that the dead one did not.
    this.#tell({ kind: 'update', sequence: this.#sequence, update: this.#events.all() });
  }

  #tell(message: ToWorker): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread is no window
    this.#worker.postMessage(message);
  }

  #hear(message: FromWorker): void {
    switch (message.kind) {
      case 'applied':
        this.#acknowledge(message.sequence);
        break;
      case 'bind':
        this.#events.reported(message.report);
        break;
      case 'metrics':
        this.#last = message.snapshot;
        this.#answer(message.request, message.snapshot);
        break;
      case 'missing-name':
        this.#events.missingName(message.certificates, message.name);
        break;
      case 'drained':
        this.#drained();
        break;
      default:
        message satisfies never;
    }
  }

  /** A worker applies updates in order, so one that is in force stands for all before it. */
  #acknowledge(sequence: number): void {
    for (const [waiting, resolve] of this.#unacknowledged) {
      if (waiting > sequence) continue;
      this.#unacknowledged.delete(waiting);
      resolve();
    }
  }

  #answer(request: number, snapshot: MetricsSnapshot | null): void {
    const resolve = this.#questions.get(request);
    this.#questions.delete(request);
    resolve?.(snapshot);
  }

  #giveUp(): void {
    for (const resolve of this.#unacknowledged.values()) resolve();
    this.#unacknowledged.clear();
    for (const request of this.#questions.keys()) this.#answer(request, null);
    this.#drained();
  }
}

function ignore(): void {
  // Nobody waits.
}
