// Which ports of which Services routes and listeners name, and what is spoken to them, whether the Services exist or not: read
// from the rows of the model that changed, so that a change among thousands of routes costs what it touches.
import type { Changes } from '../../incremental/table.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { BoundGateway, BoundRoute } from '../../routing/bound.ts';
import type { Cluster } from '../../routing/model.ts';
import type { Origin } from '../../routing/origin.ts';
import type { Problem } from '../../routing/problem.ts';
import { compareText } from '../../support/sorted.ts';

export interface WantedPort {
  readonly port: number;
  readonly transport: 'TCP' | 'UDP';
  /** A port that requests and streams go to counts as one of requests. */
  readonly spoken: 'http' | 'stream';
}

/** v1alpha1 let the port be left out: that of the Service counts, and of a presumed one this. */
const usualPort = 80;

export class WantedBackends {
  readonly #pipeline: Pipeline;
  /** By row: what it wants, as `namespace/service:port/transport/spoken`. */
  readonly #byRow = new Map<string, readonly string[]>();
  readonly #counts = new Map<string, number>();
  #byService: ReadonlyMap<string, readonly WantedPort[]> | undefined;

  constructor(pipeline: Pipeline) {
    this.#pipeline = pipeline;
  }

  /** To be told of everything that a settle changed. */
  note(changes: Changes): void {
    const { clusters, gateways, routes } = this.#pipeline.tables;
    for (const key of changes.of(clusters)) {
      const cluster = clusters.get(key);
      this.#replace(`cluster ${key}`, cluster === undefined ? [] : wantedBy(cluster));
    }
    for (const key of changes.of(gateways)) {
      const gateway = gateways.get(key);
      const problems = gateway === undefined ? [] : problemsOfFilters(gateway);
      this.#replace(`gateway ${key}`, this.#missingIn(problems, spokenBy['HTTPRoute'] as Spoken));
    }
    for (const key of changes.of(routes)) {
      const route = routes.get(key);
      this.#replace(`route ${key}`, route === undefined ? [] : this.#missingOf(route));
    }
  }

  /** Ports by `namespace/service`, in order. */
  byService(): ReadonlyMap<string, readonly WantedPort[]> {
    this.#byService ??= groupPorts(this.#counts.keys());
    return this.#byService;
  }

  /** Of a route that is attached nowhere nothing is wanted: its references were not looked at. */
  #missingOf(route: BoundRoute): readonly string[] {
    const spoken = spokenBy[route.ref.kind];
    const problems = route.parents.flatMap((parent) => parent.problems);
    return spoken === undefined ? [] : this.#missingIn(problems, spoken);
  }

  #missingIn(problems: readonly Problem[], { transport, spoken }: Spoken): readonly string[] {
    const missing = new Set<string>();
    for (const problem of problems) {
      if (problem.code !== 'BackendNotFound' || problem.backend.kind !== 'Service') continue;
      const { namespace, name } = problem.backend;
      const port = problem.port ?? this.#portBeside(problem.at) ?? usualPort;
      missing.add(`${namespace}/${name}:${port}/${transport}/${spoken}`);
    }
    return [...missing];
  }

  /** The port that was written with the name of a Service that does not exist: in any of the dialects. */
  #portBeside({ object, path }: Origin): number | undefined {
    let node: unknown = this.#pipeline.object(object);
    let found: number | undefined;
    for (const step of path.match(/[^.[\]]+/g) ?? []) {
      node = fields(node)[step];
      found = portIn(node) ?? found;
    }
    return found;
  }

  #replace(row: string, wanted: readonly string[]): void {
    for (const name of this.#byRow.get(row) ?? []) this.#count(name, -1);
    for (const name of wanted) this.#count(name, 1);
    if (wanted.length === 0) this.#byRow.delete(row);
    else this.#byRow.set(row, wanted);
  }

  #count(name: string, by: number): void {
    const count = (this.#counts.get(name) ?? 0) + by;
    if (count > 0) this.#counts.set(name, count);
    else this.#counts.delete(name);
    if (count === 0 || count === by) this.#byService = undefined;
  }
}

type Spoken = Omit<WantedPort, 'port'>;

const spokenBy: Readonly<Record<string, Spoken>> = {
  HTTPRoute: { transport: 'TCP', spoken: 'http' },
  GRPCRoute: { transport: 'TCP', spoken: 'http' },
  TLSRoute: { transport: 'TCP', spoken: 'stream' },
  TCPRoute: { transport: 'TCP', spoken: 'stream' },
  UDPRoute: { transport: 'UDP', spoken: 'stream' },
};

function wantedBy({ backend, protocol }: Cluster): readonly string[] {
  if (backend.kind !== 'Service') return [];
  const transport = protocol === 'udp' ? 'UDP' : 'TCP';
  const spoken = protocol === 'udp' || protocol === 'tcp' ? 'stream' : 'http';
  return [`${backend.namespace}/${backend.name}:${backend.port}/${transport}/${spoken}`];
}

/** What the filters of listeners ask, and do not find. */
function problemsOfFilters({ listeners, listenerSets }: BoundGateway): readonly Problem[] {
  const all = [...listeners, ...listenerSets.flatMap((set) => set.listeners)];
  return all.flatMap(({ problems }) =>
    problems.flatMap((problem) => (problem.code === 'InvalidListenerFilterRef' ? [problem.problem] : [])),
  );
}

function groupPorts(names: Iterable<string>): ReadonlyMap<string, readonly WantedPort[]> {
  const groups = new Map<string, WantedPort[]>();
  for (const name of names) {
    const colon = name.lastIndexOf(':');
    const [port = '', transport, spoken] = name.slice(colon + 1).split('/');
    const wanted: WantedPort = {
      port: Number(port),
      transport: transport === 'UDP' ? 'UDP' : 'TCP',
      spoken: spoken === 'stream' ? 'stream' : 'http',
    };
    const ports = groups.get(name.slice(0, colon));
    if (ports === undefined) groups.set(name.slice(0, colon), [wanted]);
    else ports.push(wanted);
  }
  for (const [service, ports] of groups) groups.set(service, distinct(ports));
  return groups;
}

function distinct(ports: readonly WantedPort[]): WantedPort[] {
  const found = new Map<string, WantedPort>();
  for (const each of ports) {
    const socket = `${each.port}/${each.transport}`;
    if (found.get(socket)?.spoken !== 'http') found.set(socket, each);
  }
  return [...found.values()].sort((a, b) => a.port - b.port || compareText(a.transport, b.transport));
}

/** `port: 80`, v1alpha1's `port` beside `serviceName`, an Ingress's `port.number` and `service.port.number`. */
function portIn(node: unknown): number | undefined {
  const { port, service } = fields(node);
  for (const value of [port, fields(port)['number'], fields(fields(service)['port'])['number']]) {
    if (typeof value === 'number' && Number.isInteger(value) && value > 0 && value < 65_536) return value;
  }
  return undefined;
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
