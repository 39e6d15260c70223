// Rows as they come -> what of them Envoy would refuse, or refused, or does otherwise: kept by row, asked by whoever translates, and told
// when it changes. What is blamed for a refusal (culprits.ts) is left out until its row is another one.
import type { Fault, LeftOut } from '../../../routing/engine.ts';
import type { Bind, CertificateSet, Entry, Frontend, Match, Rule } from '../../../routing/model.ts';
import type { Update } from '../../../routing/update.ts';
import { equal } from '../../../support/equal.ts';
import { differencesOfCluster, differencesOfFrontend, differencesOfRule } from './differences.ts';
import { refusedCertificate } from './certificates.ts';
import { refusedFrontend, refusedHost, refusedMatch, refusedRule } from './entries.ts';
import { matchName, type RowName } from './suspects.ts';

type Table = LeftOut['table'];

export class Faults {
  readonly #tell: (rows: readonly LeftOut[]) => void;
  readonly #screens: boolean;
  /** What was told last, by table and key. */
  readonly #told = new Map<string, string>();
  /** Those with expressions, which are compiled to be judged. */
  readonly #matches = new WeakMap<Match, string | null>();
  /** Why a rule has to be answered 500, by its key. */
  readonly #refused = new Map<string, string>();
  /** Matches that are left out, by rule and index of the match, and how many hosts have them. */
  readonly #lost = new Map<string, Map<number, { readonly reason: string; hosts: number }>>();
  readonly #certificates = new Map<string, string>();
  readonly #clusters = new Map<string, readonly Fault[]>();
  readonly #frontends = new Map<string, Frontend>();
  readonly #binds = new Map<string, Bind>();
  readonly #rows = new Map<string, Rule>();
  /** Why a row is left out whatever it says, by table and key. */
  readonly #blamed = new Map<string, string>();
  /** Left out while it is found out who is to blame, by table and key: nobody is told. */
  readonly #held = new Set<string>();
  /** Keys by table. */
  #stale = new Map<Table, Set<string>>();

  /**
   * @param tell only of rows of which something else is to be said than before
   * @param screens false: nothing is found wrong with any row
   */
  constructor(tell: (rows: readonly LeftOut[]) => void, screens = true) {
    this.#tell = tell;
    this.#screens = screens;
  }

  /** Before the update is translated. Followed by `settle`. */
  take(update: Update): void {
    this.#takeCertificates(update);
    this.#takeClusters(update);
    for (const row of update.binds?.set ?? []) this.#binds.set(row.key, row);
    for (const row of update.frontends?.set ?? []) {
      if (!equal(this.#frontends.get(row.key), row)) this.#renew('frontends', row.key);
      this.#frontends.set(row.key, row);
    }
    for (const key of update.frontends?.delete ?? []) {
      this.#renew('frontends', key);
      this.#frontends.delete(key);
    }
    for (const { key, frontends } of update.binds?.set ?? []) {
      for (const frontend of frontends) if (this.#binds.has(key)) this.#changed('frontends', frontend);
    }
    for (const key of update.binds?.delete ?? []) this.#binds.delete(key);
    for (const { key } of update.trustBundles?.set ?? []) this.#renew('trustBundles', key);
    for (const key of update.trustBundles?.delete ?? []) this.#renew('trustBundles', key);
    this.#takeRules(update);
  }

  /** Tells what changed. */
  settle(): void {
    const changed: LeftOut[] = [];
    for (const [table, keys] of this.#stale) {
      for (const key of keys) {
        const faults = this.#faultsOf(table, key);
        if (this.#isNews(table, key, faults)) changed.push({ table, key, faults });
      }
    }
    this.#stale = new Map();
    if (changed.length > 0) this.#tell(changed);
  }

  /** Other than what was told last. */
  #isNews(table: Table, key: string, faults: readonly Fault[]): boolean {
    if (faults.length + this.#told.size === 0) return false;
    const name = `${table} ${key}`;
    if (faults.length === 0) return this.#told.delete(name);
    const words = JSON.stringify(faults);
    if (this.#told.get(name) === words) return false;
    this.#told.set(name, words);
    return true;
  }

  /** Why nothing can be routed by it; undefined: it can. */
  ofEntry({ rule, rank, match }: Entry): string | undefined {
    if (this.#blamed.size + this.#held.size > 0) {
      const key = matchName(rule, rank.match);
      if (this.isOut('matches', key)) return this.#blamed.get(`matches ${key}`) ?? 'on trial';
    }
    return this.#ofMatch(match);
  }

  /** Why it is served with nothing. */
  ofHost(hostname: string): string | undefined {
    return this.#screens ? refusedHost(hostname) : undefined;
  }

  #ofMatch(match: Match): string | undefined {
    if (!this.#screens) return undefined;
    if (!hasExpressions(match)) return refusedMatch(match);
    let known = this.#matches.get(match);
    if (known === undefined) this.#matches.set(match, (known = refusedMatch(match) ?? null));
    return known ?? undefined;
  }

  /** Why the rule has to be answered 500. */
  ofRule({ key }: Pick<Rule, 'key'>): string | undefined {
    if (this.isOut('rules', key)) return this.#blamed.get(`rules ${key}`) ?? 'on trial';
    return this.#refused.get(key);
  }

  /** Why it is not sent. */
  ofCertificate({ key }: CertificateSet): string | undefined {
    if (this.isOut('certificates', key)) return this.#blamed.get(`certificates ${key}`) ?? 'on trial';
    return this.#certificates.get(key);
  }

  /** Leaves a row out until another one comes in its place, for a reason that is told. Followed by `settle`. */
  blame({ table, key }: RowName, reason: string): void {
    const name = `${table} ${key}`;
    this.#held.delete(name);
    this.#blamed.set(name, reason);
    if (table === 'clusters') this.#clusterChanged(key);
    if (table === 'matches') this.#changed('rules', key.slice(0, key.lastIndexOf('|')));
    else this.#changed(table, key);
  }

  /** Leaves a row out for a while (true), or no longer, and tells nobody. */
  hold({ table, key }: RowName, isHeld: boolean): void {
    if (isHeld) this.#held.add(`${table} ${key}`);
    else this.#held.delete(`${table} ${key}`);
  }

  /** No row is left out whatever it says. */
  get isClear(): boolean {
    return this.#blamed.size === 0;
  }

  /** Whether a row is left out whatever it says. */
  isOut(table: RowName['table'], key: string): boolean {
    if (this.#blamed.size + this.#held.size === 0) return false;
    const name = `${table} ${key}`;
    return this.#blamed.has(name) || this.#held.has(name);
  }

  #takeCertificates({ certificates }: Update): void {
    for (const row of certificates?.set ?? []) {
      this.#renew('certificates', row.key);
      const reason = this.#screens ? refusedCertificate(row) : undefined;
      if (reason === undefined) this.#certificates.delete(row.key);
      else this.#certificates.set(row.key, reason);
    }
    for (const key of certificates?.delete ?? []) {
      this.#renew('certificates', key);
      this.#certificates.delete(key);
    }
  }

  #takeClusters({ clusters }: Update): void {
    const changed = (key: string, found: readonly Fault[]): void => {
      const spoke = this.#clusters.has(key) || this.#blamed.has(`clusters ${key}`);
      this.#renew('clusters', key);
      if (found.length === 0) this.#clusters.delete(key);
      else this.#clusters.set(key, found);
      if (spoke || found.length > 0) this.#clusterChanged(key);
    };
    for (const row of clusters?.set ?? []) changed(row.key, differencesOfCluster(row));
    for (const key of clusters?.delete ?? []) changed(key, []);
  }

  #takeRules({ rules, virtualHosts }: Update): void {
    const nothingSaid = this.#told.size + this.#blamed.size + this.#clusters.size === 0;
    for (const row of rules?.set ?? []) {
      const reason = this.#screens ? refusedRule(row) : undefined;
      // Most: nothing was said of any row, and nothing is to be said of this one.
      const isFine = nothingSaid && reason === undefined && differencesOfRule(row).length === 0;
      if (!isFine && !equal(this.#rows.get(row.key), row)) this.#renew('rules', row.key);
      this.#rows.set(row.key, row);
      if (reason !== undefined) this.#refused.set(row.key, reason);
      else if (this.#refused.size > 0) this.#refused.delete(row.key);
    }
    for (const key of rules?.delete ?? []) {
      this.#renew('rules', key);
      this.#rows.delete(key);
      this.#refused.delete(key);
    }
    for (const { hostname, removed, inserted } of virtualHosts ?? []) {
      const refused = this.ofHost(hostname);
      for (const entry of removed) this.#count(entry, -1, refused);
      for (const entry of inserted) this.#count(entry, 1, refused);
      if (this.#blamed.size > 0) this.#renewMatches(removed, inserted);
    }
  }

  #count({ rule, rank, match }: Entry, by: number, refused: string | undefined): void {
    const reason = refused ?? this.#ofMatch(match);
    if (reason === undefined) return;
    let lost = this.#lost.get(rule);
    if (lost === undefined) this.#lost.set(rule, (lost = new Map()));
    const known = lost.get(rank.match);
    const hosts = (known?.hosts ?? 0) + by;
    if (hosts > 0) lost.set(rank.match, { reason, hosts });
    else lost.delete(rank.match);
    if (lost.size === 0) this.#lost.delete(rule);
    this.#changed('rules', rule);
  }

  /** Those that are there as they were before stay blamed. */
  #renewMatches(removed: readonly Entry[], inserted: readonly Entry[]): void {
    const after = new Map(inserted.map((entry) => [matchName(entry.rule, entry.rank.match), entry]));
    for (const entry of removed) {
      const name = matchName(entry.rule, entry.rank.match);
      if (equal(after.get(name), entry)) continue;
      if (this.#blamed.delete(`matches ${name}`)) this.#changed('rules', entry.rule);
    }
  }

  #renew(table: Table, key: string): void {
    if (this.#blamed.size > 0) this.#blamed.delete(`${table} ${key}`);
    this.#changed(table, key);
  }

  /** Something else may have to be told of it. */
  #changed(table: Table, key: string): void {
    const keys = this.#stale.get(table);
    if (keys === undefined) this.#stale.set(table, new Set([key]));
    else keys.add(key);
  }

  /** What is said of a cluster is said of the rules that lead there. */
  #clusterChanged(key: string): void {
    for (const rule of this.#rows.values()) if (clustersOf(rule).includes(key)) this.#changed('rules', rule.key);
  }

  #faultsOf(table: Table, key: string): readonly Fault[] {
    const blamed = this.#blamed.size === 0 ? undefined : this.#blamed.get(`${table} ${key}`);
    const own: readonly Fault[] = blamed === undefined ? [] : [dropped(blamed)];
    switch (table) {
      case 'rules': {
        const found = this.#faultsOfRule(key);
        return own.length === 0 ? found : [...own, ...found];
      }
      case 'certificates': {
        const reason = this.#certificates.get(key);
        return reason === undefined ? own : [...own, dropped(reason)];
      }
      case 'clusters':
        return [...own, ...(this.#clusters.get(key) ?? [])];
      case 'frontends':
        return [...own, ...this.#faultsOfFrontend(key)];
      case 'trustBundles':
        return own;
      default:
        return table satisfies never;
    }
  }

  #faultsOfRule(key: string): readonly Fault[] {
    const rule = this.#rows.get(key);
    if (rule === undefined) return [];
    const refused = this.#refused.get(key);
    const lost = this.#lost.get(key);
    // Most.
    if (refused === undefined && lost === undefined && this.#blamed.size + this.#clusters.size === 0)
      return differencesOfRule(rule);
    const matches = [...(lost ?? [])].toSorted(([a], [b]) => a - b);
    return [
      ...(refused === undefined ? [] : [dropped(refused)]),
      ...this.#blamedMatches(key),
      ...matches.map(([match, { reason }]): Fault => ({ effect: 'dropped', match, reason })),
      ...differencesOfRule(rule),
      ...this.#faultsOfBackends(rule),
    ];
  }

  #blamedMatches(rule: string): readonly Fault[] {
    const found: Fault[] = [];
    for (const [name, reason] of this.#blamed) {
      if (!name.startsWith(`matches ${rule}|`)) continue;
      found.push({ effect: 'dropped', match: Number(name.slice(name.lastIndexOf('|') + 1)), reason });
    }
    return found;
  }

  #faultsOfBackends(rule: Rule): readonly Fault[] {
    if (this.#clusters.size + this.#blamed.size === 0) return [];
    const keys = clustersOf(rule);
    const lost = keys.filter((key) => this.#blamed.has(`clusters ${key}`));
    const said = [...new Set(keys)].flatMap((key) =>
      // What has a field is said of the policy that it comes from.
      (this.#clusters.get(key) ?? []).filter(({ field }) => field === undefined),
    );
    const reasons = [...new Set(lost)].map((key) => `its backend: ${this.#blamed.get(`clusters ${key}`)}`);
    const effect = lost.length === keys.length ? 'dropped' : 'differs';
    return [...said, ...reasons.map((reason): Fault => ({ effect, reason }))];
  }

  #faultsOfFrontend(key: string): readonly Fault[] {
    const row = this.#frontends.get(key);
    if (row === undefined) return [];
    const refused = refusedFrontend(row);
    return [
      ...(refused === undefined ? [] : [dropped(refused)]),
      ...differencesOfFrontend(row, this.#binds.get(row.bind)),
    ];
  }
}

function hasExpressions({ path, headers, query }: Match): boolean {
  if (headers.length + query.length === 0) return path.type === 'regex';
  const isExpression = ({ type }: { readonly type: string }): boolean => type === 'regex';
  return isExpression(path) || headers.some(isExpression) || query.some(isExpression);
}

/** Of its backends, in their order. */
function clustersOf({ action }: Rule): readonly string[] {
  if (action.kind !== 'forward') return [];
  return action.backends.flatMap(({ target }) => (target.kind === 'cluster' ? [target.cluster] : []));
}

function dropped(reason: string): Fault {
  return { effect: 'dropped', reason };
}
