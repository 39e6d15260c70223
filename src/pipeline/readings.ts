// Readings of the tables: everything that is wrong, and everything that is presumed.
import type { Table } from '../incremental/table.ts';
import type { Presumed } from '../routing/bound.ts';
import { nameOf } from '../routing/origin.ts';
import type { Problem } from '../routing/problem.ts';
import { compareText } from '../support/sorted.ts';
import type { Tables } from './tables.ts';

/** In the order of the tables, with repetitions. */
export function* problemsOf(tables: Tables): Iterable<Problem> {
  for (const row of rowsOf(tables.objectProblems)) yield* row;
  for (const row of rowsOf(tables.classes)) yield* row.problems;
  for (const row of rowsOf(tables.gateways)) {
    yield* row.problems;
    for (const listener of row.listeners) yield* listener.problems;
    for (const set of row.listenerSets) {
      yield* set.problems;
      for (const listener of set.listeners) yield* listener.problems;
    }
  }
  for (const row of rowsOf(tables.routes)) {
    yield* row.problems;
    for (const parent of row.parents) yield* parent.problems;
  }
  for (const row of rowsOf(tables.policies)) yield* row.problems;
}

/** GatewayClasses that only Gateways name, and namespaces that no Namespace object stands for. */
export function presumedOf(tables: Tables, namespaces: Table<unknown>): readonly Presumed[] {
  const found: Presumed[] = [];
  const because = new Map<string, string>();
  const classUsers = new Map<string, string>();
  for (const { ref, className } of rowsOf(tables.gateways)) {
    if (!classUsers.has(className)) classUsers.set(className, nameOf(ref));
    if (!because.has(ref.namespace)) because.set(ref.namespace, nameOf(ref));
  }
  for (const { ref, presumed, managed } of rowsOf(tables.classes)) {
    if (presumed && managed) found.push({ ref, because: `${classUsers.get(ref.name) ?? 'a Gateway'} names it` });
  }
  for (const { ref } of [...rowsOf(tables.listenerSets), ...rowsOf(tables.routes)]) {
    if (!because.has(ref.namespace)) because.set(ref.namespace, nameOf(ref));
  }
  for (const [name, user] of [...because].toSorted(([a], [b]) => compareText(a, b))) {
    if (namespaces.get(name) !== undefined) continue;
    found.push({ ref: { group: '', kind: 'Namespace', namespace: '', name }, because: `${user} is in it` });
  }
  return found;
}

/** In the order of their keys, so that nothing depends on when a row came. */
function* rowsOf<T>(table: Table<T>): Iterable<T> {
  for (const key of [...table.keys()].toSorted(compareText)) {
    const row = table.get(key);
    if (row !== undefined) yield row;
  }
}
