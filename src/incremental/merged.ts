// Merged: several tables read as one. A key that stands in more than one is served from the first of them.
import type { Changes, Stage, Table } from './table.ts';

export class Merged<T> implements Table<T>, Stage {
  readonly name: string;
  readonly #tables: readonly Table<T>[];

  constructor(name: string, tables: readonly Table<T>[]) {
    this.name = name;
    this.#tables = tables;
  }

  get size(): number {
    return new Set(this.keys()).size;
  }

  get(key: string): T | undefined {
    for (const table of this.#tables) {
      const row = table.get(key);
      if (row !== undefined) return row;
    }
    return undefined;
  }

  *keys(): Iterable<string> {
    const seen = new Set<string>();
    for (const table of this.#tables) {
      for (const key of table.keys()) {
        if (seen.has(key)) continue;
        seen.add(key);
        yield key;
      }
    }
  }

  update(changes: Changes): void {
    for (const table of this.#tables) for (const key of changes.of(table)) changes.mark(this, key);
  }
}
