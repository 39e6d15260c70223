// Update -> one update per gateway, with the rows that this gateway needs and no others: its own rows, and those that all
// gateways share (endpoints, certificates, trust bundles) for as long as rows of its own refer to them. Costs in proportion to
// what changed. Rows are passed on as they are, not copied.
import type { Cluster, Frontend } from '../../routing/model.ts';
import type { RowChanges, Update, VirtualHostChange } from '../../routing/update.ts';

export interface GatewayPart {
  /** `namespace/name` */
  readonly gateway: string;
  readonly update: Update;
  /** Nothing is left of it: the gateway is gone, or it has no accepted listener. */
  readonly empty: boolean;
}

type OwnTable = 'binds' | 'placements' | 'frontends' | 'rules' | 'clusters';
type SharedTable = 'endpoints' | 'certificates' | 'trustBundles';
type RowOf<T extends OwnTable | SharedTable> = NonNullable<Update[T]> extends RowChanges<infer Row> ? Row : never;

interface Reference {
  readonly table: SharedTable;
  readonly key: string;
}

/** The rows of one table that one update brings to one gateway. */
interface Draft {
  readonly set: unknown[];
  readonly delete: string[];
}

interface Part {
  readonly tables: Map<OwnTable | SharedTable, Draft>;
  readonly virtualHosts: VirtualHostChange[];
}

interface GatewayRows {
  readonly binds: Set<string>;
  readonly frontends: Map<string, Frontend>;
  readonly clusters: Map<string, Cluster>;
}

/** The rows of one shared table, and who refers to each. */
interface Shared {
  readonly rows: Map<string, unknown>;
  /** How many rows of a gateway refer to a key, which need not stand there. */
  readonly users: Map<string, Map<string, number>>;
}

/** What was so before an update, of one shared row and one gateway. */
interface Before {
  readonly reference: Reference;
  readonly gateway: string;
  readonly held: boolean;
}

export class Partition {
  readonly #gateways = new Map<string, GatewayRows>();
  readonly #shared: Readonly<Record<SharedTable, Shared>> = {
    endpoints: { rows: new Map(), users: new Map() },
    certificates: { rows: new Map(), users: new Map() },
    trustBundles: { rows: new Map(), users: new Map() },
  };

  /** Only the gateways of which something changed. */
  apply(update: Update): readonly GatewayPart[] {
    const parts = new Map<string, Part>();
    // By table, key and gateway: what may have come to be held, or to be held no more.
    const touched = new Map<string, Before>();
    this.#splitOwn(update, parts);
    this.#refer(update, touched);
    this.#splitShared(update, parts, touched);
    return [...parts].map(([gateway, part]) => ({
      gateway,
      update: { version: update.version, ...assembled(part) },
      empty: this.#tidy(gateway),
    }));
  }

  #splitOwn(update: Update, parts: Map<string, Part>): void {
    distribute('binds', update.binds, parts, { keyOf: ({ key }) => key, gatewayOf: gatewayOfBind });
    distribute('placements', update.placements, parts, { keyOf: ({ bind }) => bind, gatewayOf: gatewayOfBind });
    distribute('frontends', update.frontends, parts, { keyOf: ({ key }) => key, gatewayOf: gatewayOfFrontend });
    distribute('rules', update.rules, parts, { keyOf: ({ key }) => key, gatewayOf: gatewayOfScoped });
    distribute('clusters', update.clusters, parts, { keyOf: ({ key }) => key, gatewayOf: gatewayOfScoped });
    for (const change of update.virtualHosts ?? []) {
      partOf(parts, gatewayOfFrontend(change.frontend)).virtualHosts.push(change);
    }
    for (const { key } of update.binds?.set ?? []) this.#rowsOf(gatewayOfBind(key)).binds.add(key);
    for (const key of update.binds?.delete ?? []) this.#rowsOf(gatewayOfBind(key)).binds.delete(key);
  }

  /** Counts who refers to what from now on. */
  #refer(update: Update, touched: Map<string, Before>): void {
    const count = (gateway: string, references: readonly Reference[], by: 1 | -1): void => {
      for (const reference of references) {
        this.#touch(touched, gateway, reference);
        const { users } = this.#shared[reference.table];
        let counts = users.get(reference.key);
        if (counts === undefined) users.set(reference.key, (counts = new Map()));
        const left = (counts.get(gateway) ?? 0) + by;
        if (left > 0) counts.set(gateway, left);
        else counts.delete(gateway);
        if (counts.size === 0) users.delete(reference.key);
      }
    };
    const replace = <T>(
      rows: Map<string, T>,
      key: string,
      row: T | undefined,
      change: (row: T, by: 1 | -1) => void,
    ): void => {
      const before = rows.get(key);
      if (row !== undefined) change(row, 1);
      if (before !== undefined) change(before, -1);
      if (row === undefined) rows.delete(key);
      else rows.set(key, row);
    };
    const frontend = (key: string, row: Frontend | undefined): void => {
      const gateway = gatewayOfFrontend(key);
      replace(this.#rowsOf(gateway).frontends, key, row, (row, by) => count(gateway, referencesOfFrontend(row), by));
    };
    const cluster = (key: string, row: Cluster | undefined): void => {
      const gateway = gatewayOfScoped(key);
      replace(this.#rowsOf(gateway).clusters, key, row, (row, by) => count(gateway, referencesOfCluster(row), by));
    };
    for (const row of update.frontends?.set ?? []) frontend(row.key, row);
    for (const key of update.frontends?.delete ?? []) frontend(key, undefined);
    for (const row of update.clusters?.set ?? []) cluster(row.key, row);
    for (const key of update.clusters?.delete ?? []) cluster(key, undefined);
  }

  #splitShared(update: Update, parts: Map<string, Part>, touched: Map<string, Before>): void {
    const changed = new Set<unknown>();
    for (const table of sharedTables) {
      const { rows, users } = this.#shared[table];
      const note = (key: string): void => {
        for (const gateway of users.get(key)?.keys() ?? []) this.#touch(touched, gateway, { table, key });
      };
      for (const key of update[table]?.delete ?? []) {
        note(key);
        rows.delete(key);
      }
      for (const row of update[table]?.set ?? []) {
        note(row.key);
        rows.set(row.key, row);
        changed.add(row);
      }
    }
    for (const { reference, gateway, held } of touched.values()) {
      const { table, key } = reference;
      const row = this.#isHeld(gateway, reference) ? this.#shared[table].rows.get(key) : undefined;
      if (row !== undefined && (!held || changed.has(row))) draftOf(parts, gateway, table).set.push(row);
      if (row === undefined && held) draftOf(parts, gateway, table).delete.push(key);
    }
  }

  #touch(touched: Map<string, Before>, gateway: string, reference: Reference): void {
    const name = `${reference.table} ${reference.key} ${gateway}`;
    if (touched.has(name)) return;
    touched.set(name, { reference, gateway, held: this.#isHeld(gateway, reference) });
  }

  #isHeld(gateway: string, { table, key }: Reference): boolean {
    const { rows, users } = this.#shared[table];
    return rows.has(key) && users.get(key)?.has(gateway) === true;
  }

  #rowsOf(gateway: string): GatewayRows {
    let rows = this.#gateways.get(gateway);
    if (rows === undefined) {
      this.#gateways.set(gateway, (rows = { binds: new Set(), frontends: new Map(), clusters: new Map() }));
    }
    return rows;
  }

  /** Forgets a gateway that has nothing; says whether that is so. */
  #tidy(gateway: string): boolean {
    const rows = this.#gateways.get(gateway);
    if (rows !== undefined && rows.binds.size + rows.frontends.size + rows.clusters.size > 0) return false;
    this.#gateways.delete(gateway);
    return true;
  }
}

const sharedTables: readonly SharedTable[] = ['endpoints', 'certificates', 'trustBundles'];

/** `namespace/name:port/transport` */
export function gatewayOfBind(key: string): string {
  return key.slice(0, key.lastIndexOf(':'));
}

/** `namespace/name/…` */
export function gatewayOfFrontend(key: string): string {
  return key.slice(0, key.indexOf('/', key.indexOf('/') + 1));
}

/** `namespace/name|…`: rules and clusters. */
export function gatewayOfScoped(key: string): string {
  return key.slice(0, key.indexOf('|'));
}

function referencesOfFrontend({ tls }: Frontend): readonly Reference[] {
  if (tls?.mode !== 'terminate') return [];
  return [
    ...tls.certificates.map((key): Reference => ({ table: 'certificates', key })),
    ...(tls.clients?.authorities ?? []).map((key): Reference => ({ table: 'trustBundles', key })),
  ];
}

function referencesOfCluster({ endpoints, tls }: Cluster): readonly Reference[] {
  const references: Reference[] = [{ table: 'endpoints', key: endpoints }];
  if (tls?.certificate !== undefined) references.push({ table: 'certificates', key: tls.certificate });
  if (tls !== undefined && tls.authorities !== 'system') {
    for (const key of tls.authorities) references.push({ table: 'trustBundles', key });
  }
  return references;
}

function distribute<T extends OwnTable>(
  table: T,
  changes: Update[T],
  parts: Map<string, Part>,
  { keyOf, gatewayOf }: { readonly keyOf: (row: RowOf<T>) => string; readonly gatewayOf: (key: string) => string },
): void {
  const { set, delete: gone } = (changes ?? { set: [], delete: [] }) as RowChanges<RowOf<T>>;
  for (const row of set) draftOf(parts, gatewayOf(keyOf(row)), table).set.push(row);
  for (const key of gone) draftOf(parts, gatewayOf(key), table).delete.push(key);
}

function partOf(parts: Map<string, Part>, gateway: string): Part {
  let part = parts.get(gateway);
  if (part === undefined) parts.set(gateway, (part = { tables: new Map(), virtualHosts: [] }));
  return part;
}

function draftOf(parts: Map<string, Part>, gateway: string, table: OwnTable | SharedTable): Draft {
  const { tables } = partOf(parts, gateway);
  let draft = tables.get(table);
  if (draft === undefined) tables.set(table, (draft = { set: [], delete: [] }));
  return draft;
}

function assembled({ tables, virtualHosts }: Part): Omit<Update, 'version'> {
  return { ...Object.fromEntries(tables), ...(virtualHosts.length > 0 && { virtualHosts }) };
}
