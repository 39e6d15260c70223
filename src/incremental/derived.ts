// Derived: at most one output row per input row, computed by a pure function again whenever the row or anything it read
// changed. A row computed as `undefined` is no row.
import { equal } from '../support/equal.ts';
import type { Changes, Read, Stage, Table } from './table.ts';

type Reads = Map<Table<unknown>, Set<string>>;

export class Derived<In, Out> implements Table<Out>, Stage {
  readonly name: string;
  readonly #input: Table<In>;
  readonly #compute: (input: In, read: Read, key: string) => Out | undefined;
  readonly #rows = new Map<string, Out>();
  readonly #readsOf = new Map<string, Reads>();
  readonly #readersOf = new Map<Table<unknown>, Map<string, Set<string>>>();

  constructor(name: string, input: Table<In>, compute: (input: In, read: Read, key: string) => Out | undefined) {
    this.name = name;
    this.#input = input;
    this.#compute = compute;
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

  /** What the row of `key` read when it was last computed: `table -> keys`. */
  reads(key: string): ReadonlyMap<string, readonly string[]> {
    const reads = this.#readsOf.get(key) ?? new Map<Table<unknown>, Set<string>>();
    return new Map([...reads].map(([table, keys]) => [table.name, [...keys]]));
  }

  update(changes: Changes): void {
    const dirty = new Set(changes.of(this.#input));
    for (const [table, readers] of this.#readersOf) {
      for (const key of changes.of(table)) for (const reader of readers.get(key) ?? []) dirty.add(reader);
    }
    for (const key of dirty) this.#refresh(key, changes);
  }

  #refresh(key: string, changes: Changes): void {
    const input = this.#input.get(key);
    if (input === undefined) {
      this.#remember(key, undefined);
      if (this.#rows.delete(key)) changes.mark(this, key);
      return;
    }
    const reads: Reads = new Map();
    const row = this.#compute(
      input,
      (table, at) => {
        const keys = reads.get(table);
        if (keys) keys.add(at);
        else reads.set(table, new Set([at]));
        return table.get(at);
      },
      key,
    );
    this.#remember(key, reads);
    if (row === undefined) {
      if (this.#rows.delete(key)) changes.mark(this, key);
      return;
    }
    // Cut-off: an equal row wakes nobody downstream, and keeping the old one keeps its identity.
    if (this.#rows.has(key) && equal(this.#rows.get(key), row)) return;
    this.#rows.set(key, row);
    changes.mark(this, key);
  }

  #remember(key: string, reads: Reads | undefined): void {
    for (const [table, keys] of this.#readsOf.get(key) ?? []) {
      const readers = this.#readersOf.get(table);
      if (readers === undefined) continue;
      const now = reads?.get(table);
      for (const at of keys) {
        if (now?.has(at) === true) continue;
        const set = readers.get(at);
        set?.delete(key);
        if (set?.size === 0) readers.delete(at);
      }
      if (readers.size === 0) this.#readersOf.delete(table);
    }
    if (reads === undefined || reads.size === 0) {
      this.#readsOf.delete(key);
      return;
    }
    for (const [table, keys] of reads) {
      let readers = this.#readersOf.get(table);
      if (readers === undefined) this.#readersOf.set(table, (readers = new Map<string, Set<string>>()));
      for (const at of keys) {
        const set = readers.get(at);
        if (set) set.add(key);
        else readers.set(at, new Set([key]));
      }
    }
    this.#readsOf.set(key, reads);
  }
}
