// Derived: at most one output row per input row, computed by a pure function again whenever the row or anything it read
// changed. A row computed as `undefined` is no row.
import { equal } from '../support/equal.ts';
import type { Changes, Read, Stage, Table } from './table.ts';

/** Tables and keys in turn, each pair once: most rows read a handful, for which a list is smaller and faster than maps. */
type Reads = (Table<unknown> | string)[];
/** Of most rows there is one, for which a set would be four times as large as the rest of its entry. */
type Readers = string | Set<string>;

export class Derived<In, Out> implements Table<Out>, Stage {
  readonly name: string;
  readonly #input: Table<In>;
  readonly #compute: (input: In, read: Read, key: string) => Out | undefined;
  readonly #rows = new Map<string, Out>();
  readonly #readsOf = new Map<string, Reads>();
  readonly #readersOf = new Map<Table<unknown>, Map<string, Readers>>();

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
    const found = new Map<string, string[]>();
    for (const [table, at] of pairs(this.#readsOf.get(key) ?? [])) {
      const keys = found.get(table.name);
      if (keys) keys.push(at);
      else found.set(table.name, [at]);
    }
    return found;
  }

  update(changes: Changes): void {
    const dirty = new Set(changes.of(this.#input));
    for (const [table, readers] of this.#readersOf) {
      for (const key of changes.of(table)) {
        const found = readers.get(key);
        if (typeof found === 'string') dirty.add(found);
        else for (const reader of found ?? []) dirty.add(reader);
      }
    }
    for (const key of dirty) this.#refresh(key, changes);
  }

  #refresh(key: string, changes: Changes): void {
    const input = this.#input.get(key);
    const reads: Reads = [];
    const row = input === undefined ? undefined : this.#compute(input, recording(reads), key);
    this.#remember(key, reads);
    if (row === undefined) {
      if (this.#rows.delete(key)) changes.mark(this, key);
      return;
    }
    // Cut-off: an equal row wakes nobody downstream, and keeping the old one keeps its identity.
    const before = this.#rows.get(key);
    if (before !== undefined && equal(before, row)) return;
    this.#rows.set(key, row);
    changes.mark(this, key);
  }

  #remember(key: string, reads: Reads): void {
    const before = this.#readsOf.get(key) ?? nothing;
    if (sameReads(before, reads)) return;
    for (let i = 0; i < before.length; i += 2) this.#leave(before[i] as Table<unknown>, before[i + 1] as string, key);
    for (let i = 0; i < reads.length; i += 2) this.#enter(reads[i] as Table<unknown>, reads[i + 1] as string, key);
    if (reads.length === 0) this.#readsOf.delete(key);
    // A list that grew has room for more than it will ever need.
    else this.#readsOf.set(key, reads.slice());
  }

  #enter(table: Table<unknown>, at: string, reader: string): void {
    let byKey = this.#readersOf.get(table);
    if (byKey === undefined) this.#readersOf.set(table, (byKey = new Map<string, Readers>()));
    const readers = byKey.get(at);
    if (readers === undefined) byKey.set(at, reader);
    else if (typeof readers !== 'string') readers.add(reader);
    else if (readers !== reader) byKey.set(at, new Set([readers, reader]));
  }

  #leave(table: Table<unknown>, at: string, reader: string): void {
    const byKey = this.#readersOf.get(table);
    const readers = byKey?.get(at);
    if (byKey === undefined || readers === undefined) return;
    if (typeof readers !== 'string') readers.delete(reader);
    if (typeof readers === 'string' ? readers === reader : readers.size === 0) byKey.delete(at);
    if (byKey.size === 0) this.#readersOf.delete(table);
  }
}

const nothing: Reads = [];

/** From how many reads on a row's own set of them is quicker than a search through the list. */
const manyReads = 32;

function recording(reads: Reads): Read {
  let seen: Map<Table<unknown>, Set<string>> | undefined;
  return (table, key) => {
    if (reads.length < manyReads ? !includes(reads, table, key) : isNew((seen ??= indexOf(reads)), table, key)) {
      reads.push(table, key);
    }
    return table.get(key);
  };
}

function includes(reads: Reads, table: Table<unknown>, key: string): boolean {
  for (let i = 0; i < reads.length; i += 2) if (reads[i] === table && reads[i + 1] === key) return true;
  return false;
}

function indexOf(reads: Reads): Map<Table<unknown>, Set<string>> {
  const seen = new Map<Table<unknown>, Set<string>>();
  for (const [table, key] of pairs(reads)) isNew(seen, table, key);
  return seen;
}

function isNew(seen: Map<Table<unknown>, Set<string>>, table: Table<unknown>, key: string): boolean {
  const keys = seen.get(table);
  if (keys === undefined) seen.set(table, new Set([key]));
  else if (keys.has(key)) return false;
  else keys.add(key);
  return true;
}

function sameReads(a: Reads, b: Reads): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}

function* pairs(reads: Reads): Iterable<[table: Table<unknown>, key: string]> {
  for (let i = 0; i < reads.length; i += 2) yield [reads[i] as Table<unknown>, reads[i + 1] as string];
}
