// What an engine has after it applied Updates: only from what they say.
import assert from 'node:assert/strict';
import { compareEntries } from '../../src/routing/match/precedence.ts';
import type { Entry } from '../../src/routing/model.ts';
import type { RowChanges, Update } from '../../src/routing/update.ts';

const tables = ['binds', 'frontends', 'rules', 'clusters', 'endpoints', 'certificates'] as const;

export class Replica {
  readonly #rows = new Map<string, unknown>();
  readonly #hosts = new Map<string, readonly Entry[]>();

  apply(update: Update): this {
    for (const table of tables) this.#applyRows(table, update[table]);
    for (const { key, frontend, hostname, removed, inserted } of update.virtualHosts ?? []) {
      assert.equal(key, `${frontend}|${hostname}`);
      assert.deepEqual(inserted, inserted.toSorted(compareEntries));
      const texts = new Set(removed.map((entry) => JSON.stringify(entry)));
      const before = this.#hosts.get(key) ?? [];
      const left = before.filter((entry) => !texts.has(JSON.stringify(entry)));
      assert.equal(left.length, before.length - removed.length, 'what is removed was there');
      const entries = [...left, ...inserted].toSorted(compareEntries);
      if (entries.length === 0) this.#hosts.delete(key);
      else this.#hosts.set(key, entries);
    }
    return this;
  }

  /** Sorted by table and key. */
  rows(): unknown {
    const hosts = [...this.#hosts].map(([key, entries]): [string, unknown] => [`hosts ${key}`, entries]);
    return [...this.#rows, ...hosts].toSorted(([a], [b]) => (a < b ? -1 : 1));
  }

  #applyRows(table: string, changes: RowChanges<{ readonly key: string }> | undefined): void {
    for (const key of changes?.delete ?? []) {
      assert.ok(this.#rows.delete(`${table} ${key}`), `${table} ${key} was there to be deleted`);
    }
    for (const row of changes?.set ?? []) this.#rows.set(`${table} ${row.key}`, row);
  }
}
