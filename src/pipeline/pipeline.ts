// From objects to the model: every stage, in order. Read `buildStages` from top to bottom; what a stage computes is in the
// file that it is imported from. Objects come in by `apply` and `delete`, facts from outside by `place` and `report`, and
// `settle` brings all tables up to date at once.
import type { KubeObject } from '../api/objects.ts';
import type { Grouped } from '../incremental/grouped.ts';
import type { Stage, Table } from '../incremental/table.ts';
import { Changes, settle, Source } from '../incremental/table.ts';
import type { BoundRoute, Presumed } from '../routing/bound.ts';
import type { BindReport, Entry, Exposure, Placement } from '../routing/model.ts';
import type { LeftOut } from '../routing/engine.ts';
import type { ObjectRef } from '../routing/origin.ts';
import type { Parameters } from '../routing/parameters.ts';
import { distinctProblems } from '../routing/problem-order.ts';
import type { Problem } from '../routing/problem.ts';
import type { Update } from '../routing/update.ts';
import type { ClassOptions } from '../translate/gateways/classes.ts';
import { Checks } from '../translate/native.ts';
import { currentObjects } from './current.ts';
import { gatewayStages } from './gateway-stages.ts';
import { LeftOutRows } from './left-out.ts';
import { modelStages } from './model-stages.ts';
import { objectProblemStage, policyStage } from './object-stages.ts';
import { policyStages } from './policy-stages.ts';
import { presumedOf, problemsOf } from './readings.ts';
import { referenceStages } from './reference-stages.ts';
import { routeStages } from './route-stages.ts';
import type { Named } from './sources.ts';
import { Sources } from './sources.ts';
import type { Add, Facts, Resolution } from './stage-list.ts';
import { statusStages } from './status-stages.ts';
import type { Tables } from './tables.ts';
import { snapshot, updateOf } from './update.ts';

export interface PipelineOptions extends ClassOptions {
  /** The channel of the CRDs that objects are validated by. */
  readonly channel: 'standard' | 'experimental';
  /** Whose features the classes claim. */
  readonly engine: 'embedded' | 'envoy';
  /** Whether Programmed waits for a report of the engine; false where there is none (status from files, tests). */
  readonly awaitEngine: boolean;
  /** Whether endpoints may be addresses of this machine. Absent: as `presume`, which is for running from files. */
  readonly loopbackEndpoints?: boolean;
}

export interface Settled {
  readonly changes: Changes;
  /** For engines. Its version grows only when there is something in it. */
  readonly update: Update;
}

export class Pipeline {
  readonly tables: Tables;
  readonly #sources = new Sources();
  readonly #placements = new Source<Placement>('placements');
  readonly #reports = new Source<BindReport>('reports');
  readonly #leftOut = new LeftOutRows();
  readonly #resolutions = new Source<Resolution>('resolutions');
  readonly #exposures = new Source<Exposure>('exposures');
  readonly #lastParameters = new Source<Parameters>('last parameters');
  readonly #servedKinds = new Source<readonly string[]>('served kinds');
  readonly #forbiddenKinds = new Source<readonly string[]>('forbidden kinds');
  readonly #checks: Checks;
  readonly #stages: Stages;
  readonly #options: PipelineOptions;
  #changes = new Changes();
  #version = 0;

  constructor(options: PipelineOptions) {
    this.#options = options;
    this.#checks = new Checks(options.channel);
    const facts = {
      placements: this.#placements,
      reports: this.#reports,
      leftOut: this.#leftOut.table,
      resolutions: this.#resolutions,
      exposures: this.#exposures,
      lastParameters: this.#lastParameters,
      servedKinds: this.#servedKinds,
      forbiddenKinds: this.#forbiddenKinds,
    };
    this.#stages = buildStages({ sources: this.#sources, checks: this.#checks, facts }, options);
    this.tables = this.#stages.tables;
  }

  /**
   * Takes effect with the next `settle`. Of objects with the same kind, namespace and name the last one counts. The object
   * is checked by its schema here, which takes longer than all stages together: who applies many can show how far it is.
   */
  apply(object: KubeObject): void {
    if (this.#sources.apply(object, this.#changes)) this.#checks.check(object);
  }

  delete(object: Named): void {
    this.#sources.delete(object, this.#changes);
  }

  /** Replaces all placements: where binds are really served. */
  place(placements: readonly Placement[]): void {
    const placed = new Set(placements.map(({ bind }) => bind));
    for (const key of this.#placements.keys()) {
      if (!placed.has(key)) this.#placements.delete(key, this.#changes);
    }
    for (const placement of placements) this.#placements.apply(placement.bind, placement, this.#changes);
  }

  /** An engine's word on a bind. It counts for as long as the bind stands. */
  report(report: BindReport): void {
    this.#reports.apply(report.bind, report, this.#changes);
  }

  /** Nobody speaks for a bind any more. */
  unreport(bind: string): void {
    this.#reports.delete(bind, this.#changes);
  }

  /** An engine's word on what it does not serve of some rows. It counts until it says something else. */
  leaveOut(rows: readonly LeftOut[]): void {
    for (const row of rows) this.#leftOut.apply(row, this.#changes);
  }

  /** Everything that engines leave out now. */
  leftOut(): readonly LeftOut[] {
    return this.#leftOut.all();
  }

  /** What DNS says of a host that is wanted (`tables.wantedHosts`); without addresses, when it says nothing. */
  resolve(hostname: string, addresses: readonly string[]): void {
    this.#resolutions.apply(hostname, { hostname, addresses }, this.#changes);
  }

  /** Where a Gateway can be reached; it counts until another takes its place. */
  expose(exposure: Exposure): void {
    this.#exposures.apply(exposure.gateway, exposure, this.#changes);
  }

  unexpose(gateway: string): void {
    this.#exposures.delete(gateway, this.#changes);
  }

  /** What a Gateway is served with when its parameters go wrong; undefined forgets it. */
  keepParameters(gateway: string, parameters: Parameters | undefined): void {
    if (parameters === undefined) this.#lastParameters.delete(gateway, this.#changes);
    else this.#lastParameters.apply(gateway, parameters, this.#changes);
  }

  /** The kinds (`group/kind`) that the API server has: features of others are not claimed. Before it is said, all are. */
  serveKinds(kinds: Iterable<string>): void {
    this.#servedKinds.apply('all', [...kinds].toSorted(), this.#changes);
  }

  /** Kinds (`httproutes.gateway.networking.k8s.io`) that the API server does not let us read: classes tell it. */
  forbidKinds(kinds: Iterable<string>): void {
    this.#forbiddenKinds.apply('all', [...kinds].toSorted(), this.#changes);
  }

  settle(): Settled {
    const changes = settle(this.#stages.stages, this.#changes);
    this.#changes = new Changes();
    this.#forgetReports(changes);
    for (const host of changes.of(this.tables.wantedHosts)) {
      if (this.tables.wantedHosts.get(host) === undefined) this.#resolutions.delete(host, this.#changes);
    }
    const update = updateOf(changes, this.tables, (key) => this.#stages.virtualHosts.delta(key));
    if (Object.keys(update).length > 0) this.#version++;
    return { changes, update: { version: this.#version, ...update } };
  }

  /** Everything that engines are fed, for one that starts now; later updates continue from it. */
  snapshot(): Update {
    return snapshot(this.tables, this.#version);
  }

  /** The object as it was written. */
  object(ref: ObjectRef): KubeObject | undefined {
    return this.#sources.find(ref);
  }

  /** Every object as it was written. */
  objects(): Iterable<KubeObject> {
    return this.#sources.objects();
  }

  /** What was not given and is taken to exist, since it is needed. */
  presumed(): readonly Presumed[] {
    return this.#options.presume ? presumedOf(this.tables, this.#stages.namespaces) : [];
  }

  /** All problems, each once, in a stable order. */
  problems(): readonly Problem[] {
    return distinctProblems([...problemsOf(this.tables)]);
  }

  /** A bind that comes back later starts without the word on the one that went. */
  #forgetReports(changes: Changes): void {
    for (const bind of changes.of(this.tables.binds)) {
      if (this.tables.binds.get(bind) === undefined) this.#reports.delete(bind, this.#changes);
    }
  }
}

interface Stages {
  readonly stages: readonly Stage[];
  readonly tables: Tables;
  /** The same table as in `tables`, with its deltas. */
  readonly virtualHosts: Grouped<BoundRoute, Entry>;
  readonly namespaces: Table<unknown>;
}

interface Inputs {
  readonly sources: Sources;
  readonly checks: Checks;
  readonly facts: Facts;
}

/** The order in which tables are brought up to date: nothing is read before it has been. */
function buildStages({ sources, checks, facts }: Inputs, options: PipelineOptions): Stages {
  const stages: Stage[] = [];
  const add: Add = (stage) => {
    stages.push(stage);
    return stage;
  };
  // Old vintages and other dialects become current objects, and every object is checked.
  const current = currentObjects({ sources, checks, channel: options.channel }, add);
  // What is referred to, reduced to what others depend on: Services, grants, namespaces, certificates.
  const references = referenceStages(current, sources.others, options, add);
  // Listeners that are accepted or not; and what each Gateway offers to routes.
  const { classes, gateways, listenerSets, orphans, offers } = gatewayStages(
    { current, references, facts, options },
    add,
  );
  // Attachments, rules and entries, for each route and parent.
  const { routes, attached } = routeStages({ current, references, offers, facts, options }, add);
  const loopback = options.loopbackEndpoints ?? options.presume;
  // What engines are fed.
  const model = modelStages({ gateways, routes, references, facts, loopback }, add);
  const policies = policyStage(sources, add);
  const { judged, problems: policyProblems } = policyStages({ clusters: model.clusters, references, facts }, add);
  const statuses = statusStages(
    {
      classes,
      gateways,
      listenerSets,
      routes,
      attached,
      policies: judged,
      ingresses: current.ingresses,
      facts,
      options,
    },
    add,
  );
  const found = [...current.problems, references.sliceProblems, references.serviceProblems, orphans, policyProblems];
  const objectProblems = objectProblemStage(found, add);
  const tables = {
    classes,
    gateways,
    listenerSets,
    routes,
    attached,
    policies,
    objectProblems,
    ...model,
    ...facts,
    statuses,
  };
  return { stages, tables, virtualHosts: model.virtualHosts, namespaces: references.namespaces };
}
