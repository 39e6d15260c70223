// Retry budgets (GEP-3388): whether a backend may get one more retry, counted over sliding intervals by this worker. A few additions
// per request, no timers.
import type { RetryBudget } from '../../routing/model.ts';

/** Parts of an interval that are forgotten one by one; what is counted is up to one part more than the interval. */
const PARTS = 16;

/** A count of the last `interval` milliseconds. */
export class SlidingCount {
  total = 0;
  readonly #width: number;
  readonly #parts: Float64Array = new Float64Array(PARTS + 1);
  #tick = 0;

  /** @param interval milliseconds, at least 1 */
  constructor(interval: number) {
    this.#width = Math.max(1, interval) / PARTS;
  }

  /** @param now of performance.now(), never less than before */
  add(now: number): void {
    this.forget(now);
    const at = this.#tick % this.#parts.length;
    this.#parts[at] = (this.#parts[at] as number) + 1;
    this.total++;
  }

  /** Lets go of what is too long ago. */
  forget(now: number): void {
    const tick = Math.floor(now / this.#width);
    const parts = this.#parts;
    const steps = Math.min(tick - this.#tick, parts.length);
    for (let i = 1; i <= steps; i++) {
      const at = (tick - steps + i) % parts.length;
      this.total -= parts[at] as number;
      parts[at] = 0;
    }
    if (steps > 0) this.#tick = tick;
  }
}

export class BudgetCounter {
  readonly row: RetryBudget;
  readonly #requests: SlidingCount;
  readonly #retries: SlidingCount;
  /** Over the interval of the minimum. */
  readonly #recent: SlidingCount;

  constructor(row: RetryBudget) {
    this.row = row;
    this.#requests = new SlidingCount(row.interval);
    this.#retries = new SlidingCount(row.interval);
    this.#recent = new SlidingCount(row.minimum.interval);
  }

  /** A request goes to the backend for the first time. */
  requested(now: number): void {
    this.#requests.add(now);
  }

  /** Whether one more retry may go to the backend; if so it is counted. */
  allows(now: number): boolean {
    const { percent, minimum } = this.row;
    this.#requests.forget(now);
    this.#retries.forget(now);
    this.#recent.forget(now);
    const share = this.#retries.total + 1 <= (this.#requests.total * percent) / 100;
    if (!share && this.#recent.total + 1 > minimum.count) return false;
    this.#retries.add(now);
    this.#recent.add(now);
    return true;
  }
}

/** The counter of a cluster whose row changed: the same one while the budget is the same. */
export function budgetFor(row: RetryBudget | undefined, before: BudgetCounter | null): BudgetCounter | null {
  if (row === undefined) return null;
  return before !== null && JSON.stringify(before.row) === JSON.stringify(row) ? before : new BudgetCounter(row);
}
