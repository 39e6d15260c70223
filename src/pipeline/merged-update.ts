// Updates of several settles → one that leads to the same rows, so that an engine never serves a state in between: a
// route whose backend is only about to be presumed must not answer 500 for a moment.
import { compareEntries } from '../routing/match/precedence.ts';
import type { Entry } from '../routing/model.ts';
import type { RowChanges, Update, VirtualHostChange } from '../routing/update.ts';
import { equal } from '../support/equal.ts';

/** undefined when there is nothing in them. */
export function mergeUpdates(updates: readonly Update[]): Update | undefined {
  const last = updates.at(-1);
  if (last === undefined || updates.length === 1) return last;
  const hosts = mergeHosts(updates.flatMap(({ virtualHosts }) => virtualHosts ?? []));
  return {
    version: last.version,
    ...rows('binds', updates, ({ key }) => key),
    ...rows('placements', updates, ({ bind }) => bind),
    ...rows('frontends', updates, ({ key }) => key),
    ...(hosts.length === 0 ? {} : { virtualHosts: hosts }),
    ...rows('rules', updates, ({ key }) => key),
    ...rows('clusters', updates, ({ key }) => key),
    ...rows('endpoints', updates, ({ key }) => key),
    ...rows('certificates', updates, ({ key }) => key),
    ...rows('trustBundles', updates, ({ key }) => key),
  };
}

type RowTable = Exclude<keyof Update, 'version' | 'virtualHosts'>;
type RowOf<T extends RowTable> = NonNullable<Update[T]> extends RowChanges<infer Row> ? Row : never;

/** The last word on a row counts. */
function rows<T extends RowTable>(
  table: T,
  updates: readonly Update[],
  keyOf: (row: RowOf<T>) => string,
): Partial<Record<T, RowChanges<RowOf<T>>>> {
  const words = new Map<string, RowOf<T> | undefined>();
  for (const update of updates) {
    const changes = update[table] as RowChanges<RowOf<T>> | undefined;
    for (const key of changes?.delete ?? []) words.set(key, undefined);
    for (const row of changes?.set ?? []) words.set(keyOf(row), row);
  }
  if (words.size === 0) return {};
  const set: RowOf<T>[] = [];
  const gone: string[] = [];
  for (const [key, row] of words) {
    if (row === undefined) gone.push(key);
    else set.push(row);
  }
  return { [table]: { set, delete: gone } } as unknown as Partial<Record<T, RowChanges<RowOf<T>>>>;
}

/** Before all the updates there was `removed`, or nothing; behind them there is `inserted`, or nothing. */
interface Fate {
  removed?: Entry | undefined;
  inserted?: Entry | undefined;
}

function mergeHosts(changes: readonly VirtualHostChange[]): readonly VirtualHostChange[] {
  return [...Map.groupBy(changes, ({ key }) => key).values()]
    .map(mergeHost)
    .filter(({ removed, inserted }) => removed.length + inserted.length > 0);
}

function mergeHost(changes: readonly VirtualHostChange[]): VirtualHostChange {
  const fates = new Map<string, Fate>();
  const fateOf = (entry: Entry): Fate => {
    const key = `${entry.rule}|${entry.rank.route}|${entry.rank.rule}|${entry.rank.match}|${entry.rank.hostname}`;
    let fate = fates.get(key);
    if (fate === undefined) fates.set(key, (fate = {}));
    return fate;
  };
  for (const { removed, inserted } of changes) {
    for (const entry of removed) {
      const fate = fateOf(entry);
      if (fate.inserted === undefined) fate.removed = entry;
      else fate.inserted = undefined;
    }
    for (const entry of inserted) fateOf(entry).inserted = entry;
  }
  const removed: Entry[] = [];
  const inserted: Entry[] = [];
  for (const fate of fates.values()) {
    if (equal(fate.removed, fate.inserted)) continue;
    if (fate.removed !== undefined) removed.push(fate.removed);
    if (fate.inserted !== undefined) inserted.push(fate.inserted);
  }
  const { key, frontend, hostname } = changes[0] as VirtualHostChange;
  return { key, frontend, hostname, removed: removed.sort(compareEntries), inserted: inserted.sort(compareEntries) };
}
