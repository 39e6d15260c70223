// Changes → Update: the rows that changed, for engines. An engine that starts later is given everything first.
import type { Changes, Table } from '../incremental/table.ts';
import { compareEntries } from '../routing/match/precedence.ts';
import type { Entry } from '../routing/model.ts';
import type { RowChanges, Update, VirtualHostChange } from '../routing/update.ts';
import type { Tables } from './tables.ts';

/** What changed since the last update; without tables when nothing did that an engine is told. */
export function updateOf(changes: Changes, tables: Tables, deltas: Deltas): Omit<Update, 'version'> {
  return withoutAbsent({
    binds: rows(tables.binds, changes.of(tables.binds)),
    placements: rows(tables.placements, changes.of(tables.placements)),
    frontends: rows(tables.frontends, changes.of(tables.frontends)),
    virtualHosts: hosts(changes.of(tables.virtualHosts), deltas),
    rules: rows(tables.rules, changes.of(tables.rules)),
    clusters: rows(tables.clusters, changes.of(tables.clusters)),
    endpoints: rows(tables.endpoints, changes.of(tables.endpoints)),
    certificates: rows(tables.certificates, changes.of(tables.certificates)),
    trustBundles: rows(tables.trustBundles, changes.of(tables.trustBundles)),
  });
}

/** Everything that stands, as one update for an engine that has nothing yet. */
export function snapshot(tables: Tables, version: number): Update {
  const everything = withoutAbsent({
    binds: rows(tables.binds, tables.binds.keys()),
    placements: rows(tables.placements, tables.placements.keys()),
    frontends: rows(tables.frontends, tables.frontends.keys()),
    virtualHosts: hosts(tables.virtualHosts.keys(), (key) => ({
      inserted: tables.virtualHosts.get(key) ?? [],
      removed: [],
    })),
    rules: rows(tables.rules, tables.rules.keys()),
    clusters: rows(tables.clusters, tables.clusters.keys()),
    endpoints: rows(tables.endpoints, tables.endpoints.keys()),
    certificates: rows(tables.certificates, tables.certificates.keys()),
    trustBundles: rows(tables.trustBundles, tables.trustBundles.keys()),
  });
  return { version, ...everything };
}

type Deltas = (key: string) => { readonly inserted: readonly Entry[]; readonly removed: readonly Entry[] };

function rows<T>(table: Table<T>, keys: Iterable<string>): RowChanges<T> | undefined {
  const set: T[] = [];
  const gone: string[] = [];
  for (const key of keys) {
    const row = table.get(key);
    if (row === undefined) gone.push(key);
    else set.push(row);
  }
  return set.length === 0 && gone.length === 0 ? undefined : { set, delete: gone };
}

function hosts(keys: Iterable<string>, deltas: Deltas): readonly VirtualHostChange[] | undefined {
  const changes: VirtualHostChange[] = [];
  for (const key of keys) {
    const { inserted, removed } = deltas(key);
    const bar = key.lastIndexOf('|');
    changes.push({
      key,
      frontend: key.slice(0, bar),
      hostname: key.slice(bar + 1),
      removed: removed.toSorted(compareEntries),
      inserted: inserted.toSorted(compareEntries),
    });
  }
  return changes.length === 0 ? undefined : changes;
}

type Possible<T> = { readonly [K in keyof T]: T[K] | undefined };

function withoutAbsent(update: Possible<Omit<Update, 'version'>>): Omit<Update, 'version'> {
  return Object.fromEntries(Object.entries(update).filter(([, rows]) => rows !== undefined));
}
