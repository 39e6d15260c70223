// Expanded: each input row becomes any number of rows of its own, with keys that no other input row gives. What did not
// change within a row keeps its identity and wakes nobody.
import { equal } from '../support/equal.ts';
import type { Changes, Stage, Table } from './table.ts';

export class Expanded<In, Out> implements Table<Out>, Stage {
  readonly name: string;
  readonly #input: Table<In>;
  readonly #split: (row: In, key: string) => Iterable<readonly [key: string, row: Out]>;
  readonly #rows = new Map<string, Out>();
  readonly #keysOf = new Map<string, readonly string[]>();

  constructor(
    name: string,
    input: Table<In>,
    split: (row: In, key: string) => Iterable<readonly [key: string, row: Out]>,
  ) {
    this.name = name;
    this.#input = input;
    this.#split = split;
  }

  get size(): number {
    return this.#rows.size;
  }

  get(key: string): Out | undefined {
    return this.#rows.get(key);
  }

  keys(): Iterable<string> {
    return this.#rows.keys();
  }

  update(changes: Changes): void {
    // Deletions go first, so that a key may move from one input row to another within a batch.
    const after = new Map<string, Map<string, Out>>();
    for (const key of changes.of(this.#input)) {
      const row = this.#input.get(key);
      const rows = new Map(row === undefined ? [] : this.#split(row, key));
      for (const old of this.#keysOf.get(key) ?? []) {
        if (!rows.has(old) && this.#rows.delete(old)) changes.mark(this, old);
      }
      after.set(key, rows);
    }
    for (const [key, rows] of after) {
      for (const [at, row] of rows) this.#set(at, row, changes);
      if (rows.size === 0) this.#keysOf.delete(key);
      else this.#keysOf.set(key, [...rows.keys()]);
    }
  }

  #set(key: string, row: Out, changes: Changes): void {
    if (this.#rows.has(key) && equal(this.#rows.get(key), row)) return;
    this.#rows.set(key, row);
    changes.mark(this, key);
  }
}
