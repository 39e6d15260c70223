// A resource that was refused -> the rows that it is made from and that can be left out of it; and rows by name -> an update that has them
// translated once more.
import type { LeftOut } from '../../../routing/engine.ts';
import type { Bind, CertificateSet, Cluster, Frontend, Rule, TrustBundle } from '../../../routing/model.ts';
import type { RowChanges, Update } from '../../../routing/update.ts';
import { bindOfTable, types } from '../names.ts';

/** `matches`: those of a rule, by `rule|index`, which take no request when they are left out. A rule is answered 500 then. */
export interface RowName {
  readonly table: LeftOut['table'] | 'matches';
  readonly key: string;
}

export function matchName(rule: string, match: number): string {
  return `${rule}|${match}`;
}

/** Everything that is translated, by key. */
export interface StandingRows {
  readonly binds: ReadonlyMap<string, Bind>;
  readonly frontends: ReadonlyMap<string, Frontend>;
  /** By frontend. */
  readonly hosts: ReadonlyMap<string, { matches(): Iterable<readonly [rule: string, match: number]> }>;
  readonly rules: ReadonlyMap<string, Rule>;
  readonly clusters: ReadonlyMap<string, Cluster>;
  readonly certificates: ReadonlyMap<string, CertificateSet>;
  readonly trustBundles: ReadonlyMap<string, TrustBundle>;
}

/** The smallest ones first; of a table of routes all rules of its port. */
export function suspectsIn(rows: StandingRows, typeUrl: string, name: string): readonly RowName[] {
  switch (typeUrl) {
    case types.secret:
      return secretRows(name);
    case types.cluster:
      return [...rows.clusters.keys()]
        .filter((key) => name === key || name.startsWith(`${key}|`))
        .map(named('clusters'));
    case types.endpoints:
      return [...rows.clusters.values()]
        .filter(({ endpoints }) => endpoints === name)
        .map(({ key }) => ({ table: 'clusters', key }));
    case types.listener:
      return bindRows(rows, name, false);
    case types.routes:
      return bindRows(rows, bindOfTable(name), true);
    default:
      return [];
  }
}

/** Copies: what was made of the rows before counts no more. */
export function rowsNamed(rows: StandingRows, names: readonly RowName[]): Update {
  const of = <T extends object>(table: RowName['table'], all: ReadonlyMap<string, T>): RowChanges<T> => ({
    set: names.flatMap((name) => (name.table === table ? copied(all.get(name.key)) : [])),
    delete: [],
  });
  const rules = new Set(
    names.flatMap(({ table, key }) => {
      if (table === 'matches') return [key.slice(0, key.lastIndexOf('|'))];
      return table === 'rules' ? [key] : [];
    }),
  );
  return {
    version: 0,
    rules: { set: [...rules].flatMap((key) => copied(rows.rules.get(key))), delete: [] },
    frontends: of('frontends', rows.frontends),
    clusters: of('clusters', rows.clusters),
    certificates: of('certificates', rows.certificates),
    trustBundles: of('trustBundles', rows.trustBundles),
  };
}

function copied<T extends object>(row: T | undefined): readonly T[] {
  return row === undefined ? [] : [{ ...row }];
}

function secretRows(name: string): readonly RowName[] {
  const slash = name.indexOf('/');
  const rest = name.slice(slash + 1);
  if (name.startsWith('certificate/')) return [{ table: 'certificates', key: rest }];
  return rest === '' ? [] : rest.split(',').map(named('trustBundles'));
}

/** Of streams the rules are in the listener, of requests in tables of their own. */
function bindRows({ binds, frontends, hosts }: StandingRows, bind: string, http: boolean): readonly RowName[] {
  const keys = binds.get(bind)?.frontends ?? [];
  const rules = new Set<string>();
  const matches = new Set<string>();
  for (const key of keys) {
    const protocol = frontends.get(key)?.protocol;
    if ((protocol === 'HTTP' || protocol === 'HTTPS') !== http) continue;
    for (const [rule, match] of hosts.get(key)?.matches() ?? []) {
      rules.add(rule);
      matches.add(matchName(rule, match));
    }
  }
  return [...[...rules].map(named('rules')), ...[...matches].map(named('matches')), ...keys.map(named('frontends'))];
}

function named(table: RowName['table']): (key: string) => RowName {
  return (key) => ({ table, key });
}
