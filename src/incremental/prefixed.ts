// Prefixed: several tables as one, the keys of each behind a prefix of its own. Holds no rows.
import type { Changes, Stage, Table } from './table.ts';

export class Prefixed<T> implements Table<T>, Stage {
  readonly name: string;
  /** Asked in order: where one prefix begins with another, the longer one goes first, and owns the keys behind it. */
  readonly #tables: readonly (readonly [prefix: string, table: Table<T>])[];

  constructor(name: string, tables: Readonly<Record<string, Table<T>>>) {
    this.name = name;
    this.#tables = Object.entries(tables);
  }

  get size(): number {
    return this.#tables.reduce((sum, [, table]) => sum + table.size, 0);
  }

  get(key: string): T | undefined {
    for (const [prefix, table] of this.#tables) {
      if (key.startsWith(prefix)) return table.get(key.slice(prefix.length));
    }
    return undefined;
  }

  *keys(): Iterable<string> {
    for (const [prefix, table] of this.#tables) for (const key of table.keys()) yield prefix + key;
  }

  update(changes: Changes): void {
    for (const [prefix, table] of this.#tables) {
      for (const key of changes.of(table)) changes.mark(this, prefix + key);
    }
  }
}
