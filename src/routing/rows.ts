// Updates -> everything that stands, to be given to whoever comes late: a worker that is started again, the first Envoy of a
// gateway. Rows are shared with the pipeline, not copied.
import { compareEntries } from './match/precedence.ts';
import type { Entry } from './model.ts';
import type { RowChanges, Update, VirtualHostChange } from './update.ts';

interface Host {
  readonly frontend: string;
  readonly hostname: string;
  /** The only one, as of most hosts, or all by what tells the entries of a host apart. */
  readonly entries: Entry | Map<string, Entry>;
}

type Tables = Omit<Required<Update>, 'version' | 'virtualHosts'>;
type Row<K extends keyof Tables> = Tables[K] extends RowChanges<infer T> ? T : never;

export class Rows {
  version = 0;
  readonly #tables: { readonly [K in keyof Tables]: Map<string, Row<K>> } = {
    binds: new Map(),
    placements: new Map(),
    frontends: new Map(),
    rules: new Map(),
    clusters: new Map(),
    endpoints: new Map(),
    certificates: new Map(),
    trustBundles: new Map(),
  };
  readonly #hosts = new Map<string, Host>();

  apply(update: Update): void {
    this.version = update.version;
    merge(this.#tables.binds, update.binds);
    merge(this.#tables.frontends, update.frontends);
    merge(this.#tables.rules, update.rules);
    merge(this.#tables.clusters, update.clusters);
    merge(this.#tables.endpoints, update.endpoints);
    merge(this.#tables.certificates, update.certificates);
    merge(this.#tables.trustBundles, update.trustBundles);
    for (const row of update.placements?.set ?? []) this.#tables.placements.set(row.bind, row);
    for (const key of update.placements?.delete ?? []) this.#tables.placements.delete(key);
    for (const change of update.virtualHosts ?? []) this.#change(change);
  }

  placement(bind: string): Row<'placements'> | undefined {
    return this.#tables.placements.get(bind);
  }

  placements(): Iterable<Row<'placements'>> {
    return this.#tables.placements.values();
  }

  /** Everything, as one update. */
  all(): Update {
    const { binds, placements, frontends, rules, clusters, endpoints, certificates, trustBundles } = this.#tables;
    return {
      version: this.version,
      binds: every(binds),
      placements: every(placements),
      frontends: every(frontends),
      rules: every(rules),
      clusters: every(clusters),
      endpoints: every(endpoints),
      certificates: every(certificates),
      trustBundles: every(trustBundles),
      virtualHosts: [...this.#hosts].map(([key, { frontend, hostname, entries }]) => ({
        key,
        frontend,
        hostname,
        removed: [],
        inserted: entries instanceof Map ? [...entries.values()].sort(compareEntries) : [entries],
      })),
    };
  }

  #change({ key, frontend, hostname, removed, inserted }: VirtualHostChange): void {
    const host = this.#hosts.get(key);
    const entries = host?.entries instanceof Map ? host.entries : new Map<string, Entry>();
    if (host !== undefined && !(host.entries instanceof Map)) entries.set(entryKey(host.entries), host.entries);
    for (const entry of removed) entries.delete(entryKey(entry));
    for (const entry of inserted) entries.set(entryKey(entry), entry);
    const [first] = entries.values();
    if (first === undefined) this.#hosts.delete(key);
    else this.#hosts.set(key, { frontend, hostname, entries: entries.size === 1 ? first : entries });
  }
}

function merge<T extends { readonly key: string }>(into: Map<string, T>, changes: RowChanges<T> | undefined): void {
  for (const row of changes?.set ?? []) into.set(row.key, row);
  for (const key of changes?.delete ?? []) into.delete(key);
}

function every<T>(rows: Map<string, T>): RowChanges<T> {
  return { set: [...rows.values()], delete: [] };
}

function entryKey({ rule, rank }: Entry): string {
  return `${rule}|${rank.match}|${rank.hostname}`;
}
