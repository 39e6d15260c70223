// Keeps what is served in step with the files: changes, reports of the engine and what clients ask for come in as events,
// and one at a time becomes model, placements and updates for the engine.
import type { LeftOut } from '../../routing/engine.ts';
import type { BindReport } from '../../routing/model.ts';
import type { Update } from '../../routing/update.ts';
import { HostResolver } from '../../sources/dns/resolver.ts';
import type { FileChange } from '../../sources/files/source.ts';
import { equal } from '../../support/equal.ts';
import type { Model } from '../model/model.ts';
import { mergeUpdates } from '../../pipeline/merged-update.ts';
import type { PortPlan } from './ports.ts';

/** What a session needs of an engine. */
export interface ServingEngine {
  /** Resolves when all workers serve it. */
  apply(update: Update): Promise<void>;
}

export interface SessionEvents {
  /** After a change on disk is served. `took`: milliseconds since the first file event. */
  readonly onChange: (change: FileChange | undefined, took: number) => void;
  /** Listeners came, went or moved. */
  readonly onMoved: () => void;
}

export class Session {
  readonly #model: Model;
  readonly #ports: PortPlan;
  readonly #engine: ServingEngine;
  readonly #events: SessionEvents;
  /** Of hosts outside that XBackends name. */
  readonly #resolver: HostResolver;
  #queue: Promise<void> = Promise.resolve();
  #changes: FileChange[] = [];
  #reports: BindReport[] = [];
  #leftOut: LeftOut[] = [];
  #scheduled = false;
  #started = false;
  #closed = false;

  constructor(parts: {
    readonly model: Model;
    readonly ports: PortPlan;
    readonly engine: ServingEngine;
    readonly events: SessionEvents;
  }) {
    this.#model = parts.model;
    this.#ports = parts.ports;
    this.#engine = parts.engine;
    this.#events = parts.events;
    this.#resolver = new HostResolver({
      resolved: (hostname, addresses) => {
        this.#model.pipeline.resolve(hostname, addresses);
        this.#schedule();
      },
    });
  }

  /** The first configuration, as a whole. The model is loaded. Resolves when it is served. */
  async start(): Promise<void> {
    await this.#place();
    await this.#model.settle();
    await this.#engine.apply(this.#model.pipeline.snapshot());
    // Said at the start, too.
    this.#heedLeftOut();
    const update = await this.#model.settle();
    if (update !== undefined) await this.#engine.apply(update);
    this.#started = true;
    this.#schedule();
  }

  /** What the engine says of a bind. */
  report(report: BindReport): void {
    this.#reports.push(report);
    this.#schedule();
  }

  /** What the engine does not serve. */
  leaveOut(rows: readonly LeftOut[]): void {
    this.#leftOut.push(...rows);
    this.#schedule();
  }

  /** Files changed. */
  take(change: FileChange): void {
    this.#changes.push(change);
    this.#schedule();
  }

  /** Something that the model is made from changed, but no file. */
  refresh(): void {
    this.#schedule();
  }

  /** Resolves when everything that came in before is served. */
  async idle(): Promise<void> {
    await this.#queue;
  }

  close(): void {
    this.#closed = true;
    this.#resolver.close();
  }

  #schedule(): void {
    if (this.#scheduled || !this.#started) return;
    this.#scheduled = true;
    this.#queue = this.#queue.then(() => this.#turn());
  }

  /** Everything that came in since the last turn, as one change. */
  async #turn(): Promise<void> {
    this.#scheduled = false;
    if (this.#closed) return;
    const reports = this.#reports;
    const changes = this.#changes;
    this.#reports = [];
    this.#changes = [];
    for (const report of reports) this.#heed(report);
    this.#heedLeftOut();
    for (const change of changes) this.#model.take(change);
    const change = merged(changes);
    const updates = [await this.#model.settle()];
    const moved = await this.#place();
    if (moved) updates.push(await this.#model.settle());
    const update = mergeUpdates(updates.filter((update) => update !== undefined));
    if (update !== undefined) await this.#engine.apply(update);
    this.#resolver.want(this.#model.pipeline.tables.wantedHosts.keys());
    if (moved) this.#events.onMoved();
    const since = change?.since ?? performance.now();
    this.#events.onChange(change, performance.now() - since);
  }

  #heedLeftOut(): void {
    this.#model.pipeline.leaveOut(this.#leftOut);
    this.#leftOut = [];
  }

  /** A port that was taken between the probe and the engine moves on; anything else becomes a condition. */
  #heed(report: BindReport): void {
    const bind = this.#model.pipeline.tables.binds.get(report.bind);
    if (report.state === 'failed' && report.code === 'EADDRINUSE' && bind !== undefined && this.#ports.refuse(bind))
      return;
    this.#model.pipeline.report(report);
  }

  /** Says whether any placement changed. */
  async #place(): Promise<boolean> {
    const { tables } = this.#model.pipeline;
    const binds = [...tables.binds.keys()].flatMap((key) => tables.binds.get(key) ?? []);
    const before = this.#ports.placed;
    const placed = await this.#ports.place(binds);
    if (equal(before, placed)) return false;
    this.#model.pipeline.place(placed.map(({ bind, address, port }) => ({ bind, address, port })));
    return true;
  }
}

/** For people: what changed, in the order in which it came. */
function merged(changes: readonly FileChange[]): FileChange | undefined {
  const [first, ...rest] = changes;
  if (first === undefined || rest.length === 0) return first;
  return {
    applied: changes.flatMap(({ applied }) => applied),
    deleted: changes.flatMap(({ deleted }) => deleted),
    files: [...new Set(changes.flatMap(({ files }) => files))],
    since: first.since,
  };
}
