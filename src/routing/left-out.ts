// What an engine says that it leaves out, change by change -> all that it says now.
import type { LeftOut } from './engine.ts';

export class StandingLeftOut {
  /** By table and key. */
  readonly #rows = new Map<string, LeftOut>();

  /** As `EngineEvents.onLeftOut` tells it: a row without faults is withdrawn. */
  take(rows: readonly LeftOut[]): void {
    for (const row of rows) {
      const name = `${row.table} ${row.key}`;
      if (row.faults.length === 0) this.#rows.delete(name);
      else this.#rows.set(name, row);
    }
  }

  all(): readonly LeftOut[] {
    return [...this.#rows.values()];
  }
}
