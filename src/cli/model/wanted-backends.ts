// Which ports of which Services routes name, whether the Services exist or not: read from the rows of the model that
// changed, so that a change among thousands of routes costs what it touches.
import type { Changes } from '../../incremental/table.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { BoundRoute } from '../../routing/bound.ts';
import type { Origin } from '../../routing/origin.ts';

/** v1alpha1 let the port be left out: that of the Service counts, and of a presumed one this. */
const usualPort = 80;

export class WantedBackends {
  readonly #pipeline: Pipeline;
  /** By row: what it wants, as `namespace/service:port`. */
  readonly #byRow = new Map<string, readonly string[]>();
  readonly #counts = new Map<string, number>();
  #byService: ReadonlyMap<string, readonly number[]> | undefined;

  constructor(pipeline: Pipeline) {
    this.#pipeline = pipeline;
  }

  /** To be told of everything that a settle changed. */
  note(changes: Changes): void {
    const { clusters, routes } = this.#pipeline.tables;
    for (const key of changes.of(clusters)) {
      const backend = clusters.get(key)?.backend;
      const wanted = backend?.kind === 'Service' ? [`${backend.namespace}/${backend.name}:${backend.port}`] : [];
      this.#replace(`cluster ${key}`, wanted);
    }
    for (const key of changes.of(routes)) {
      const route = routes.get(key);
      this.#replace(`route ${key}`, route === undefined ? [] : this.#missingOf(route));
    }
  }

  /** Ports by `namespace/service`, in order. */
  byService(): ReadonlyMap<string, readonly number[]> {
    this.#byService ??= groupPorts(this.#counts.keys());
    return this.#byService;
  }

  /** Of a route that is attached nowhere nothing is wanted: its references were not looked at. */
  #missingOf(route: BoundRoute): readonly string[] {
    const missing = new Set<string>();
    for (const { problems } of route.parents) {
      for (const problem of problems) {
        if (problem.code !== 'BackendNotFound' || problem.backend.kind !== 'Service') continue;
        const { namespace, name } = problem.backend;
        const port = problem.port ?? this.#portBeside(problem.at) ?? usualPort;
        missing.add(`${namespace}/${name}:${port}`);
      }
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

function groupPorts(names: Iterable<string>): ReadonlyMap<string, readonly number[]> {
  const groups = new Map<string, number[]>();
  for (const name of names) {
    const colon = name.lastIndexOf(':');
    const ports = groups.get(name.slice(0, colon));
    if (ports === undefined) groups.set(name.slice(0, colon), [Number(name.slice(colon + 1))]);
    else ports.push(Number(name.slice(colon + 1)));
  }
  for (const ports of groups.values()) ports.sort((a, b) => a - b);
  return groups;
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
