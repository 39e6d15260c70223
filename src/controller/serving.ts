// What the loop of the controller asks of the ways to serve Gateways: in this process (all-in-one.ts), or by data planes of their own
// (provisioned.ts).
import type { Changes } from '../incremental/table.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { LeftOut } from '../routing/engine.ts';
import type { BindReport } from '../routing/model.ts';
import type { Engines } from '../routing/parameters.ts';
import type { Update } from '../routing/update.ts';
import type { KubeClient } from '../sources/cluster/client.ts';
import type { ClusterChange, ClusterSource } from '../sources/cluster/source.ts';
import type { WatchedKind } from '../sources/cluster/watched.ts';
import type { Owner } from './infrastructure/owned.ts';
import type { LogEntry } from './log.ts';

/** As the embedded engine has it (engine.ts). */
export interface DataPlane {
  /** Resolved when the update is in force, as far as there is anybody to put it in force. */
  apply(update: Update): Promise<void>;
  /** Prometheus text format. */
  metrics(): Promise<string>;
  /** @param deadline milliseconds for what is in flight */
  drain(deadline: number): Promise<void>;
  close(): Promise<void>;
}

export interface Serving {
  readonly plane: DataPlane;
  /** What it waits for before Gateways can be served. */
  waiting(): readonly string[];
  start(): void;
  /** What came from the cluster, before the pipeline settles on it. */
  observe(change: ClusterChange): void;
  /**
   * Facts of where Gateways are served. Says whether any is new.
   * @param changes undefined: of all Gateways
   */
  place(pipeline: Pipeline, changes: Changes | undefined): boolean;
  /** Gives the Gateway what it needs. Only where this replica writes. */
  provide(owner: Owner): void;
  /** It is gone, not ours any more, or left out of what is read, which looks as if it were gone: what it was given goes, too. */
  withdraw(gateway: string): void;
  /** Gateways with data planes that are up, of which something is to be heard. */
  expected(pipeline: Pipeline): Iterable<string>;
  /** This replica writes now, or does not any more. */
  lead(leads: boolean): void;
  /** HOST:PORT of the stream of the replica that leads; undefined: nobody does, or it tells none. */
  follow(leader: string | undefined): void;
  close(): Promise<void>;
}

export interface ServingPorts {
  readonly client: KubeClient;
  readonly source: ClusterSource;
  readonly leads: () => boolean;
  readonly report: (report: BindReport) => void;
  /** What a data plane does not serve. */
  readonly leftOut: (rows: readonly LeftOut[]) => void;
  /** There is something to place. */
  readonly changed: () => void;
  readonly log: (entry: LogEntry) => void;
}

/** How Gateways are served. */
export interface Mode {
  /** Read in addition to what the pipeline needs. */
  readonly kinds: readonly WatchedKind[];
  /** What serves: classes say what it supports. */
  readonly engine: 'embedded' | 'envoy';
  /** Which of them parameters may name. */
  readonly engines: Engines;
  readonly begin: (ports: ServingPorts) => Serving;
}
