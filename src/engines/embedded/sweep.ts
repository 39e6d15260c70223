// Deadlines of seconds: every half second all connections of a worker are looked at, so that a connection arms nothing and
// moving its deadline is one write. A deadline is met up to half a second late.
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

  constructor() {
    this.#timer = setInterval(() => {
      const now = performance.now();
      this.now = now;
      for (const each of this.#all) each.sweep(now);
    }, PERIOD);
    this.#timer.unref();
  }

  add(one: Swept): void {
    this.#all.add(one);
  }

  delete(one: Swept): void {
    this.#all.delete(one);
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
