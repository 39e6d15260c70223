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

/** What several say, as one: of a row there are the faults that each of them finds. */
export function together(...said: readonly (readonly LeftOut[])[]): readonly LeftOut[] {
  const rows = new Map<string, LeftOut>();
  for (const row of said.flat()) {
    const name = `${row.table} ${row.key}`;
    rows.set(name, { ...row, faults: [...(rows.get(name)?.faults ?? []), ...row.faults] });
  }
  return [...rows.values()];
}
