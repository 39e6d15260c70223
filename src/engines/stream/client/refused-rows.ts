// Rows that a proxy could not take, since a controller of a later version says more in them -> what of the objects is left out for it,
// as an engine says it of rows that it has. What was held of such a row is served on, and that is said, too.
import type { Fault, LeftOut } from '../../../routing/engine.ts';
import type { BindReport, Cluster, Rule } from '../../../routing/model.ts';
import type { WireTable } from '../rows/tables.ts';
import type { HeldRows } from './held-rows.ts';

type RowTable = Exclude<WireTable, 'revision'>;

/** As the version of a row: of no controller, so that the real one comes with each new stream. */
const STAND_IN = 'stand-in';

interface Refused {
  readonly table: RowTable;
  readonly name: string;
  readonly reason: string;
  /** On which stream it came. */
  readonly stream: number;
}

export class RefusedRows {
  readonly #rows = new Map<string, Refused>();
  #stream = 0;

  /** Another stream. What goes while there is none is not told, but what is still refused comes again. */
  begin(): void {
    this.#stream++;
  }

  set(table: RowTable, name: string, reason: string, held: HeldRows): void {
    this.#rows.set(`${table} ${name}`, { table, name, reason, stream: this.#stream });
    if (table !== 'rules' || held.rows(table).has(name)) return;
    const row = standInFor(name);
    if (row !== undefined) held.put(table, name, { version: STAND_IN, row });
  }

  /** It was taken, or is gone. */
  delete(table: RowTable, name: string): void {
    this.#rows.delete(`${table} ${name}`);
  }

  /** Everything that the stream had to say came. */
  settle(): void {
    for (const [key, { stream }] of this.#rows) if (stream !== this.#stream) this.#rows.delete(key);
  }

  leftOut(held: HeldRows): readonly LeftOut[] {
    const found: LeftOut[] = [];
    const clusters = new Map<string, Refused>();
    const endpoints = new Map<string, Refused>();
    for (const refused of this.#rows.values()) {
      const { table, name } = refused;
      if (table === 'hostEntries') found.push(ofEntries(refused, held));
      else if (table === 'endpoints') endpoints.set(name, refused);
      else if (table !== 'binds' && table !== 'placements')
        found.push({ table, key: name, faults: [fault(refused, held)] });
      if (table === 'clusters') clusters.set(name, refused);
    }
    if (clusters.size + endpoints.size === 0) return found;
    for (const [key, { row }] of held.rows('clusters')) {
      const its = endpoints.get((row as Cluster).endpoints);
      if (its !== undefined && !clusters.has(key)) clusters.set(key, its);
    }
    for (const { row } of held.rows('rules').values()) found.push(...ofBackends(row as Rule, clusters, held));
    return found;
  }

  /** Where nothing listens for it. */
  failed(held: HeldRows): readonly BindReport[] {
    return [...this.#rows.values()].flatMap((refused) => {
      const { table, name, reason } = refused;
      const isLost = (table === 'binds' || table === 'placements') && !isKept(refused, held);
      return isLost ? [{ bind: name, state: 'failed', code: 'EREFUSED', message: reason }] : [];
    });
  }
}

/** By `frontend|hostname|rule`; a rule has some for each of its hosts. */
function ofEntries(refused: Refused, held: HeldRows): LeftOut {
  const [, hostname = '', ...rest] = refused.name.split('|');
  const rule = rest.join('|');
  const onOthers = [...held.rows('hostEntries').keys()].some((name) => name.endsWith(`|${rule}`));
  const { effect, reason } = fault(refused, held);
  const where = hostname === '' ? 'its matches' : `its matches of ${hostname}`;
  const row = { effect: onOthers ? 'differs' : effect, reason: `${where}: ${reason}` } as const;
  return { table: 'rules', key: rule, faults: [row] };
}

/** What is said of clusters is said of the rules that lead there. */
function ofBackends({ key, action }: Rule, clusters: ReadonlyMap<string, Refused>, held: HeldRows): readonly LeftOut[] {
  if (action.kind !== 'forward') return [];
  const backends = action.backends.map(({ target }) =>
    target.kind === 'cluster' ? clusters.get(target.cluster) : undefined,
  );
  const refused = [...new Set(backends.flatMap((each) => each ?? []))];
  if (refused.length === 0) return [];
  const isLost = backends.every((each) => each !== undefined && !isKept(each, held));
  const faults = refused.map((each): Fault => ({
    effect: isLost ? 'dropped' : 'differs',
    reason: `its backend: ${fault(each, held).reason}`,
  }));
  return [{ table: 'rules', key, faults }];
}

function fault(refused: Refused, held: HeldRows): Fault {
  return isKept(refused, held)
    ? { effect: 'differs', reason: `${refused.reason}; it is served as it was before` }
    : { effect: 'dropped', reason: refused.reason };
}

function isKept({ table, name }: Refused, held: HeldRows): boolean {
  const there = held.rows(table).get(name);
  return there !== undefined && there.version !== STAND_IN;
}

/**
 * What is meant for a rule goes to no other one, which may let in whom this one keeps out: it is answered 500, as a rule of which
 * something cannot be honoured. Rules of streams have none after them.
 */
function standInFor(key: string): Rule | undefined {
  const [, route = '', index = ''] = key.split('|');
  const [kind = '', namespace = '', name = ''] = route.split('/');
  if (kind !== 'HTTPRoute' && kind !== 'GRPCRoute') return undefined;
  const object = { group: 'gateway.networking.k8s.io', kind, namespace, name };
  return {
    key,
    protocol: kind === 'HTTPRoute' ? 'http' : 'grpc',
    filters: [],
    timeouts: {},
    action: { kind: 'respond', status: 500 },
    origin: { object, path: `spec.rules[${index}]` },
  };
}
