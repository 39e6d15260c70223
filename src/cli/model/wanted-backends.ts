// Which ports of which Services routes name, whether the Services exist or not: read from the rows of the model that
// changed, so that a change among thousands of routes costs what it touches.
import type { Changes } from '../../incremental/table.ts';
import type { Tables } from '../../pipeline/tables.ts';
import type { BoundRoute } from '../../routing/bound.ts';

export class WantedBackends {
  readonly #tables: Tables;
  /** By row: what it wants, as `namespace/service:port`. */
  readonly #byRow = new Map<string, readonly string[]>();
  readonly #counts = new Map<string, number>();
  #byService: ReadonlyMap<string, readonly number[]> | undefined;

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  /** To be told of everything that a settle changed. */
  note(changes: Changes): void {
    const { clusters, routes } = this.#tables;
    for (const key of changes.of(clusters)) {
      const backend = clusters.get(key)?.backend;
      const wanted = backend?.kind === 'Service' ? [`${backend.namespace}/${backend.name}:${backend.port}`] : [];
      this.#replace(`cluster ${key}`, wanted);
    }
    for (const key of changes.of(routes)) {
      const route = routes.get(key);
      this.#replace(`route ${key}`, route === undefined ? [] : missingOf(route));
    }
  }

  /** Ports by `namespace/service`, in order. */
  byService(): ReadonlyMap<string, readonly number[]> {
    this.#byService ??= groupPorts(this.#counts.keys());
    return this.#byService;
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

/** Of a route that is attached nowhere nothing is wanted: its references were not looked at. */
function missingOf(route: BoundRoute): readonly string[] {
  const missing = new Set<string>();
  for (const { problems } of route.parents) {
    for (const problem of problems) {
      if (problem.code !== 'BackendNotFound' || problem.port === undefined || problem.backend.kind !== 'Service') continue;
      missing.add(`${problem.backend.namespace}/${problem.backend.name}:${problem.port}`);
    }
  }
  return [...missing];
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
