// Tables of rows and the record of which rows changed in a batch. Source is the table that the outside world fills.
import { equal } from '../support/equal.ts';

export interface Table<T> {
  readonly name: string;
  readonly size: number;
  get(key: string): T | undefined;
  keys(): Iterable<string>;
}

/** Keys that changed in one batch, by table. */
export class Changes {
  readonly #keys = new Map<Table<unknown>, Set<string>>();

  mark(table: Table<unknown>, key: string): void {
    const keys = this.#keys.get(table);
    if (keys) keys.add(key);
    else this.#keys.set(table, new Set([key]));
  }

  of(table: Table<unknown>): ReadonlySet<string> {
    return this.#keys.get(table) ?? none;
  }

  tables(): Iterable<[Table<unknown>, ReadonlySet<string>]> {
    return this.#keys;
  }

  get empty(): boolean {
    return this.#keys.size === 0;
  }
}

const none: ReadonlySet<string> = new Set();

/** Reads a row of another table and records that this computation depends on it, present or not. */
export type Read = <T>(table: Table<T>, key: string) => T | undefined;

export interface Stage {
  readonly name: string;
  update(changes: Changes): void;
}

/** Rows put in from outside. A row equal to the one it replaces is no change. */
export class Source<T> implements Table<T> {
  readonly name: string;
  readonly #rows = new Map<string, T>();

  constructor(name: string) {
    this.name = name;
  }

  get size(): number {
    return this.#rows.size;
  }

  get(key: string): T | undefined {
    return this.#rows.get(key);
  }

  keys(): Iterable<string> {
    return this.#rows.keys();
  }

  apply(key: string, row: T, changes: Changes): void {
    if (equal(this.#rows.get(key), row)) return;
    this.#rows.set(key, row);
    changes.mark(this, key);
  }

  delete(key: string, changes: Changes): void {
    if (this.#rows.delete(key)) changes.mark(this, key);
  }
}

/** Brings the stages up to date, in the order given. */
export function settle(stages: readonly Stage[], changes: Changes): Changes {
  if (!changes.empty) for (const stage of stages) stage.update(changes);
  return changes;
}
