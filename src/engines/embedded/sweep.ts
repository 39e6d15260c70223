// Deadlines of seconds: every half second all connections of a worker are looked at, so that a connection arms nothing and
// moving its deadline is one write. A deadline is met up to half a second late, and where it was set by an old `now` as much early.
import { performance } from 'node:perf_hooks';

export interface Swept {
  /** @param now of `Sweeper.now` */
  sweep(now: number): void;
}

const PERIOD = 500;

export class Sweeper {
  /** performance.now() as of the last sweep or of whoever read the clock last: good for deadlines of seconds. */
  now: number = performance.now();
  readonly #all = new Set<Swept>();
  readonly #timer: NodeJS.Timeout;
  #closed = false;

  constructor() {
    this.#timer = setInterval(() => {
      const now = this.read();
      // What waits in sockets is read before: that the loop stood still is nobody's silence.
      setImmediate(() => this.#sweep(now)).unref();
    }, PERIOD);
    this.#timer.unref();
  }

  add(one: Swept): void {
    this.#all.add(one);
  }

  delete(one: Swept): void {
    this.#all.delete(one);
  }

  /** Reads the clock: where a short deadline begins, or nobody has read it lately. */
  read(): number {
    this.now = performance.now();
    return this.now;
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
  }

  #sweep(now: number): void {
    if (this.#closed) return;
    for (const each of this.#all) each.sweep(now);
  }
}
