// What engines say that they leave out, by row -> by who reads it: a route reads one row for all of its rules, a policy one for all
// clusters of its backend.
import type { Changes } from '../incremental/table.ts';
import { Source } from '../incremental/table.ts';
import type { LeftOut } from '../routing/engine.ts';
import { readerOf } from '../translate/left-out.ts';

export class LeftOutRows {
  /** By `readerOf`. */
  readonly table: Source<readonly LeftOut[]> = new Source<readonly LeftOut[]>('left out');

  apply(row: LeftOut, changes: Changes): void {
    const reader = readerOf(row);
    const others = (this.table.get(reader) ?? []).filter(
      ({ table, key, gateway }) => table !== row.table || key !== row.key || gateway !== row.gateway,
    );
    const rows = row.faults.length === 0 ? others : [...others, row].toSorted((a, b) => (a.key < b.key ? -1 : 1));
    if (rows.length === 0) this.table.delete(reader, changes);
    else this.table.apply(reader, rows, changes);
  }

  /** Everything that is said now. */
  all(): readonly LeftOut[] {
    return [...this.table.keys()].flatMap((key) => this.table.get(key) ?? []);
  }
}
