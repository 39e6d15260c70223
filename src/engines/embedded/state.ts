// Updates -> the routing of one worker: rows become objects that point at each other, so that a request follows pointers. The
// objects of keys that stay are kept, so that connections, counters and requests in flight live through every change.
import { HostTable, judge } from '../../routing/match/frontends.ts';
import { normalizeHost } from '../../routing/match/hostnames.ts';
import { VirtualHostMatcher } from '../../routing/match/matcher.ts';
import type { MatchRequest } from '../../routing/match/conditions.ts';
import { isPreflight } from '../../routing/filters/cors.ts';
import { matchPreflight } from '../../routing/match/preflight.ts';
import type { Bind, Cluster, EndpointSet, Entry, Frontend, Rule } from '../../routing/model.ts';
import type { RowChanges, Update, VirtualHostChange } from '../../routing/update.ts';
import { compileListener, type ListenerPlan } from './auth/check-plan.ts';
import { LiveCluster, LiveEndpoints } from './balance.ts';
import { budgetFor } from './budget.ts';
import type { FrontendSeries, RouteSeries } from './metrics.ts';
import { compileRule, routeOf, type RulePlan } from './plan.ts';
import type { Client } from './sides.ts';
import type { Thread } from './thread.ts';
import { validationOf } from './tls/client-trust.ts';

/** Who keeps clusters from being forgotten. */
interface ClusterUser {
  clusters: readonly LiveCluster[];
}

/** A rule as entries refer to it. */
export class RuleSlot implements ClusterUser {
  readonly key: string;
  /** null: no such row (yet). */
  plan: RulePlan | null = null;
  /** Entries that refer to it. */
  users = 0;
  clusters: readonly LiveCluster[] = [];

  constructor(key: string) {
    this.key = key;
  }
}

/** What the matcher is given and gives back. */
export interface LiveEntry extends Entry {
  readonly slot: RuleSlot;
  readonly series: RouteSeries;
}

export class LiveFrontend {
  row: Frontend;
  /** false: a host came, or is left, without the frontend's own row. */
  known = false;
  /** Of its filters; null: it has none. */
  plan: ListenerPlan | null = null;
  clusters: readonly LiveCluster[] = [];
  readonly hosts: HostTable<VirtualHostMatcher> = new HostTable();
  readonly series: FrontendSeries;
  /** Requests that no route takes. */
  readonly unrouted: RouteSeries;

  constructor(row: Frontend, thread: Thread) {
    this.row = row;
    this.series = thread.metrics.frontendSeries(row.key);
    this.unrouted = thread.metrics.routeSeries(row.key, '');
  }

  get hostname(): string {
    return this.row.hostname;
  }

  /** What it asks of its clients, '' = nothing. */
  get validation(): string {
    return validationOf(this.row.tls);
  }

  get insists(): boolean {
    const { tls } = this.row;
    return tls?.mode === 'terminate' && tls.clients?.mode === 'require';
  }
}

export class LiveBind {
  row: Bind;
  frontends: HostTable<LiveFrontend> = new HostTable();
  /** Some of its listeners are for streams over TLS: the name decides before a word of TLS is said. */
  named = false;

  constructor(row: Bind) {
    this.row = row;
  }
}

/** Entries for streams ask nothing of it. */
const anyStream: MatchRequest = {
  path: '/',
  method: '',
  grpc: false,
  header: () => undefined,
  query: () => undefined,
};

const MISDIRECTED = 421;
const NOT_FOUND = 404;

export class State {
  readonly binds: Map<string, LiveBind> = new Map();
  /** Grows whenever `frontendOf` may give another answer. */
  epoch = 0;
  readonly #thread: Thread;
  readonly #frontends = new Map<string, LiveFrontend>();
  readonly #rules = new Map<string, RuleSlot>();
  readonly #clusters = new Map<string, LiveCluster>();
  readonly #endpoints = new Map<string, LiveEndpoints>();
  #asked: MatchRequest | null = null;
  /** One function for all requests: nothing is allocated to ask. */
  readonly #ask = (matcher: VirtualHostMatcher): Entry | undefined => matcher.match(this.#asked as MatchRequest);

  constructor(thread: Thread) {
    this.#thread = thread;
  }

  // ---- For requests.

  /** The frontend that serves a host on a client's connection, or the status that says why there is none. */
  frontendOf(client: Client, host: string): LiveFrontend | 404 | 421 {
    const bind = this.binds.get(client.bind);
    if (bind === undefined) return NOT_FOUND;
    const frontend = this.#ownerOf(bind, client, host);
    if (typeof frontend === 'number') return frontend;
    // A listener that insists on certificates of its clients, reached on the connection of another, or on one from before.
    return frontend.insists && frontend.validation !== client.validation ? MISDIRECTED : frontend;
  }

  #ownerOf({ frontends }: LiveBind, client: Client, host: string): LiveFrontend | 404 | 421 {
    const connection = client.serverName === undefined ? undefined : frontends.lookUp(normalizeHost(client.serverName));
    if (connection === undefined) return frontends.lookUp(host) ?? NOT_FOUND;
    const judgement = judge(frontends, connection, host);
    if (judgement.outcome === 'serve') return judgement.frontend;
    return judgement.outcome === 'misdirected' ? MISDIRECTED : NOT_FOUND;
  }

  /** The entry that takes a request, from the most specific virtual host that covers its host and has one. */
  match(frontend: LiveFrontend, host: string, request: MatchRequest): LiveEntry | undefined {
    if (request.method !== 'OPTIONS') return this.#find(frontend, host, request);
    const announced = request.header('access-control-request-method');
    if (!isPreflight('OPTIONS', request.header('origin'), announced)) return this.#find(frontend, host, request);
    const find = (each: MatchRequest): LiveEntry | undefined => this.#find(frontend, host, each);
    return matchPreflight(find, request, announced as string, hasCors) as LiveEntry | undefined;
  }

  #find(frontend: LiveFrontend, host: string, request: MatchRequest): LiveEntry | undefined {
    this.#asked = request;
    return frontend.hosts.find(host, this.#ask) as LiveEntry | undefined;
  }

  /** The entry that takes a connection, or the datagrams of a client. @param host normalised, '' where there are no names */
  streamEntry(frontend: LiveFrontend, host: string): LiveEntry | undefined {
    return this.#find(frontend, host, anyStream);
  }

  /** Every rule that there is, or that an entry refers to. */
  ruleSlots(): Iterable<RuleSlot> {
    return this.#rules.values();
  }

  // ---- For updates.

  /** Make before break: what others name is set before they are, and deleted after them. */
  apply(update: Update): void {
    this.#thread.credentials.apply(update);
    for (const row of update.endpoints?.set ?? []) this.#setEndpoints(row);
    for (const row of update.clusters?.set ?? []) this.#setCluster(row);
    for (const row of update.rules?.set ?? []) this.#setRule(row);
    for (const row of update.frontends?.set ?? []) this.#setFrontend(row);
    const left: { readonly frontend: string; readonly route: string }[] = [];
    for (const change of update.virtualHosts ?? []) this.#changeHost(change, left);
    // After all hosts have what came: the counters of a route that was only changed go on.
    for (const { frontend, route } of left) this.#thread.metrics.releaseRoute(frontend, route);
    const stale = this.#changeBinds(update.binds);
    for (const { bind } of update.frontends?.set ?? []) stale.add(bind);
    for (const key of update.frontends?.delete ?? []) {
      const frontend = this.#frontends.get(key);
      if (frontend === undefined) continue;
      stale.add(frontend.row.bind);
      this.#deleteFrontend(frontend);
    }
    for (const key of stale) this.#tabulate(key);
    if (stale.size > 0 || (update.binds?.delete.length ?? 0) > 0) this.epoch++;
    for (const key of update.rules?.delete ?? []) this.#deleteRule(key);
    for (const key of update.clusters?.delete ?? []) this.#deleteCluster(key);
    for (const key of update.endpoints?.delete ?? []) this.#deleteEndpoints(key);
  }

  /** Idle connections to backends. */
  close(): void {
    for (const endpoints of this.#endpoints.values()) endpoints.update(undefined, this.#thread);
  }

  #setEndpoints(row: EndpointSet): void {
    this.#endpointsOf(row.key).update(row, this.#thread);
  }

  #endpointsOf(key: string): LiveEndpoints {
    let endpoints = this.#endpoints.get(key);
    if (endpoints === undefined) this.#endpoints.set(key, (endpoints = new LiveEndpoints()));
    return endpoints;
  }

  #deleteEndpoints(key: string): void {
    const endpoints = this.#endpoints.get(key);
    endpoints?.update(undefined, this.#thread);
    if (endpoints?.users === 0) this.#endpoints.delete(key);
  }

  #clusterOf(key: string): LiveCluster {
    let cluster = this.#clusters.get(key);
    if (cluster === undefined) this.#clusters.set(key, (cluster = new LiveCluster(key)));
    return cluster;
  }

  #setCluster(row: Cluster): void {
    const cluster = this.#clusterOf(row.key);
    const endpoints = this.#endpointsOf(row.endpoints);
    endpoints.users++;
    if (cluster.row !== undefined) cluster.endpoints.users--;
    const { backends } = this.#thread.credentials;
    const before = cluster.tls;
    cluster.row = row;
    cluster.tls = row.tls === undefined ? null : backends.acquire(row.tls, row.protocol);
    if (before !== null) backends.release(before);
    cluster.endpoints = endpoints;
    cluster.budget = budgetFor(row.retryBudget, cluster.budget);
  }

  #deleteCluster(key: string): void {
    const cluster = this.#clusters.get(key);
    if (cluster === undefined) return;
    if (cluster.row !== undefined) cluster.endpoints.users--;
    cluster.row = undefined;
    if (cluster.tls !== null) this.#thread.credentials.backends.release(cluster.tls);
    cluster.tls = null;
    if (cluster.users === 0) this.#clusters.delete(key);
  }

  #slotOf(key: string): RuleSlot {
    let slot = this.#rules.get(key);
    if (slot === undefined) this.#rules.set(key, (slot = new RuleSlot(key)));
    return slot;
  }

  #setRule(row: Rule): void {
    const slot = this.#slotOf(row.key);
    this.#using(slot, (cluster) => {
      slot.plan = compileRule(row, cluster);
    });
  }

  /** What `compile` asks for is kept for as long as its user stands. */
  #using(user: ClusterUser, compile: (cluster: (key: string) => LiveCluster) => void): void {
    const clusters = new Set<LiveCluster>();
    compile((key) => {
      const cluster = this.#clusterOf(key);
      clusters.add(cluster);
      return cluster;
    });
    for (const cluster of clusters) cluster.users++;
    this.#releaseClusters(user);
    user.clusters = [...clusters];
  }

  #deleteRule(key: string): void {
    const slot = this.#rules.get(key);
    if (slot === undefined) return;
    this.#releaseClusters(slot);
    slot.plan = null;
    if (slot.users === 0) this.#rules.delete(key);
  }

  #releaseClusters(user: ClusterUser): void {
    for (const cluster of user.clusters) {
      cluster.users--;
      if (cluster.users === 0 && cluster.row === undefined) this.#clusters.delete(cluster.key);
    }
    user.clusters = [];
  }

  #setFrontend(row: Frontend): void {
    const frontend = this.#frontends.get(row.key) ?? new LiveFrontend(row, this.#thread);
    frontend.row = row;
    frontend.known = true;
    this.#using(frontend, (cluster) => {
      frontend.plan = compileListener(row.filters ?? [], cluster);
    });
    this.#frontends.set(row.key, frontend);
  }

  #deleteFrontend(frontend: LiveFrontend): void {
    frontend.known = false;
    this.#releaseClusters(frontend);
    this.#forget(frontend);
  }

  #forget(frontend: LiveFrontend): void {
    if (frontend.hosts.size > 0) return;
    this.#frontends.delete(frontend.row.key);
    this.#thread.metrics.releaseFrontend(frontend.row.key);
  }

  /** @param left takes the routes of the entries that left */
  #changeHost(change: VirtualHostChange, left: { frontend: string; route: string }[]): void {
    let frontend = this.#frontends.get(change.frontend);
    if (frontend === undefined) {
      frontend = new LiveFrontend(placeholder(change.frontend), this.#thread);
      this.#frontends.set(change.frontend, frontend);
    }
    let matcher = frontend.hosts.get(change.hostname);
    if (matcher === undefined) frontend.hosts.set(change.hostname, (matcher = new VirtualHostMatcher()));
    for (const entry of change.removed) {
      const { size } = matcher;
      matcher.remove(entry);
      if (matcher.size === size) continue;
      left.push({ frontend: change.frontend, route: routeOf(entry.rule) });
      const slot = this.#slotOf(entry.rule);
      slot.users--;
      if (slot.users <= 0 && slot.plan === null) this.#rules.delete(slot.key);
    }
    for (const entry of change.inserted) {
      const slot = this.#slotOf(entry.rule);
      slot.users++;
      const series = this.#thread.metrics.routeSeries(change.frontend, routeOf(entry.rule));
      const live: LiveEntry = { ...entry, slot, series };
      matcher.insert(live);
    }
    if (matcher.size > 0) return;
    frontend.hosts.delete(change.hostname);
    if (!frontend.known) this.#forget(frontend);
  }

  /** Returns the keys of those whose table of frontends has to be made anew. */
  #changeBinds(binds: RowChanges<Bind> | undefined): Set<string> {
    const stale = new Set<string>();
    for (const row of binds?.set ?? []) {
      const bind = this.binds.get(row.key);
      if (bind === undefined) this.binds.set(row.key, new LiveBind(row));
      else bind.row = row;
      stale.add(row.key);
    }
    for (const key of binds?.delete ?? []) this.binds.delete(key);
    return stale;
  }

  #tabulate(key: string): void {
    const bind = this.binds.get(key);
    if (bind === undefined) return;
    const table = new HostTable<LiveFrontend>();
    for (const name of bind.row.frontends) {
      const frontend = this.#frontends.get(name);
      if (frontend?.known === true) table.set(frontend.hostname, frontend);
    }
    bind.frontends = table;
    bind.named = [...table.values()].some(({ row }) => row.protocol === 'TLS');
  }
}

function hasCors(entry: Entry): boolean {
  return ((entry as LiveEntry).slot.plan?.cors ?? null) !== null;
}

/** For hosts that came before their frontend. */
function placeholder(key: string): Frontend {
  return {
    key,
    bind: '',
    gateway: '',
    listener: '',
    protocol: 'HTTP',
    port: 0,
    hostname: '',
    publicPorts: {},
    origin: { object: { group: '', kind: '', namespace: '', name: '' }, path: '' },
  };
}
