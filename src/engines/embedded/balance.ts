// The endpoints of a backend at run time, and which of them takes a request: ready ones, the less loaded of two chosen at random,
// and for a while none that could not be reached. Load and failures are those that this worker saw.
import type { Cluster, Endpoint, EndpointSet } from '../../routing/model.ts';
import type { BudgetCounter } from './budget.ts';
import { EndpointPools } from './endpoint-pools.ts';
import type { Client, Connector } from './sides.ts';
import type { Thread } from './thread.ts';
import type { BackendTls } from './tls/backend-tls.ts';

export class LiveEndpoint {
  readonly endpoint: Endpoint;
  /** Attempts under way. */
  active = 0;
  /** Failures to connect in a row. */
  failures = 0;
  /** Of performance.now(). */
  skippedUntil = 0;
  readonly #thread: Thread;
  readonly #pools: EndpointPools;

  constructor(endpoint: Endpoint, thread: Thread) {
    this.endpoint = endpoint;
    this.#thread = thread;
    this.#pools = new EndpointPools(endpoint, thread);
  }

  /** The connections that requests to a cluster (one with a row) may use. @param client whom a PROXY header names, null: nobody */
  connector(cluster: LiveCluster, client: Client | null): Connector {
    return this.#pools.poolFor(cluster.row as Cluster, cluster.tls, client);
  }

  reached(): void {
    this.failures = 0;
    this.skippedUntil = 0;
  }

  /** Left out for a while, twice as long with each failure in a row. */
  unreachable(now: number): void {
    const { skipTimeout, longestSkip } = this.#thread.limits;
    // Attempts that were under way together count as one.
    if (now < this.skippedUntil) return;
    this.skippedUntil = now + Math.min(longestSkip, skipTimeout * 2 ** Math.min(this.failures, 20));
    this.failures++;
  }

  close(): void {
    this.#pools.close();
  }
}

/** The endpoints of one EndpointSet; stays the same object while its row changes. */
export class LiveEndpoints {
  /** Clusters that refer to it. */
  users = 0;
  /** Those that take new requests. */
  usable: readonly LiveEndpoint[] = [];
  /** Those that take requests of sessions that they have: the ready ones, and those that still serve on their way out. */
  lasting: readonly LiveEndpoint[] = [];
  #all = new Map<string, LiveEndpoint>();

  /** Endpoints that stay keep their connections and counters; those that left take no new requests and close when idle. */
  update(row: EndpointSet | undefined, thread: Thread): void {
    const rows = (row?.endpoints ?? []).filter(({ port }) => port > 0 && port < 65_536);
    const next = new Map<string, LiveEndpoint>();
    for (const endpoint of rows) {
      const key = keyOf(endpoint);
      next.set(key, this.#all.get(key) ?? new LiveEndpoint(endpoint, thread));
    }
    const ready = rows.filter((endpoint) => endpoint.ready);
    // When none is ready, those that are on their way out but still serve: better than nothing (KEP-1669).
    const taken = ready.length > 0 ? ready : rows.filter((endpoint) => endpoint.serving && endpoint.terminating);
    this.usable = [...new Set(taken.map(keyOf))].map((key) => next.get(key) as LiveEndpoint);
    const lasting = rows.filter(({ ready, serving, terminating }) => ready || (serving && terminating));
    this.lasting = [...new Set(lasting.map(keyOf))].map((key) => next.get(key) as LiveEndpoint);
    for (const [key, endpoint] of this.#all) if (!next.has(key)) endpoint.close();
    this.#all = next;
  }

  /** The endpoint for a new attempt, if possible not `tried`, which failed; undefined when there is none. */
  pick(now: number, tried: LiveEndpoint | null): LiveEndpoint | undefined {
    const { usable } = this;
    const count = usable.length;
    if (count <= 1) return usable[0];
    const first = Math.trunc(Math.random() * count);
    // A second one that is not the first.
    const second = (first + 1 + Math.trunc(Math.random() * (count - 1))) % count;
    const a = usable[first] as LiveEndpoint;
    const b = usable[second] as LiveEndpoint;
    const takesA = a.skippedUntil <= now && a !== tried;
    const takesB = b.skippedUntil <= now && b !== tried;
    if (takesA && takesB) return a.active <= b.active ? a : b;
    if (takesA) return a;
    return takesB ? b : this.#pickAny(now, tried, first);
  }

  /** One after the other from `start` on; of those that are all being skipped, the one whose turn comes first. */
  #pickAny(now: number, tried: LiveEndpoint | null, start: number): LiveEndpoint {
    const { usable } = this;
    let best = usable[start] as LiveEndpoint;
    for (let i = 0; i < usable.length; i++) {
      const each = usable[(start + i) % usable.length] as LiveEndpoint;
      if (each.skippedUntil <= now && each !== tried) return each;
      if (best === tried || (each !== tried && each.skippedUntil < best.skippedUntil)) best = each;
    }
    return best;
  }
}

function keyOf({ id, address, port }: Endpoint): string {
  return `${id} ${address} ${port}`;
}

/** A cluster as rules refer to it; stays the same object while its row changes. */
export class LiveCluster {
  readonly key: string;
  row: Cluster | undefined;
  /** Of its row, as is the budget; state.ts sees to it. */
  tls: BackendTls | null = null;
  budget: BudgetCounter | null = null;
  endpoints: LiveEndpoints = new LiveEndpoints();
  /** Rules that refer to it. */
  users = 0;

  constructor(key: string) {
    this.key = key;
  }

  /** As LiveEndpoints.pick; none when the cluster is no more. */
  pick(now: number, tried: LiveEndpoint | null): LiveEndpoint | undefined {
    return this.row === undefined ? undefined : this.endpoints.pick(now, tried);
  }

  /** It is spoken to over HTTP/2. */
  get multiplexed(): boolean {
    const protocol = this.row?.protocol;
    return protocol === 'h2c' || protocol === 'h2';
  }

  /** More than one endpoint takes requests. */
  get hasChoice(): boolean {
    return this.endpoints.usable.length > 1;
  }
}
