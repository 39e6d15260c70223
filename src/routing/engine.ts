// What an engine is, whichever serves: updates of the model in, reports of binds and metrics out.
import type { BindReport } from './model.ts';
import type { Update } from './update.ts';

/**
 * What an engine does not serve of a row as it stands there, while all the rest is served. It replaces what the engine said of that row
 * before; a row that goes is told without faults.
 */
export interface LeftOut {
  readonly table: 'rules' | 'certificates' | 'trustBundles' | 'frontends' | 'clusters';
  readonly key: string;
  /** Whose data planes say it. Absent: those of all gateways that the row is for. */
  readonly gateway?: string;
  /** Empty: all of it is served as it stands. */
  readonly faults: readonly Fault[];
}

export interface Fault {
  /** `dropped`: it is not served. `differs`: it is served, and not quite as it was asked for. */
  readonly effect: 'dropped' | 'differs';
  /** Of a rule: the index of the match that it is about. Absent: the rule as a whole. */
  readonly match?: number;
  /** Of a rule: the field that it is about, below the rule. */
  readonly field?: string;
  /** A clause for people: what is wrong. */
  readonly reason: string;
}

/** What whoever starts an engine hears of it. */
export interface EngineEvents {
  readonly onReport: (report: BindReport) => void;
  /** Told before the update that it comes from is in force, and only of rows of which something else is to be said than before. */
  readonly onLeftOut?: (rows: readonly LeftOut[]) => void;
  /** Something for people to read. */
  readonly say: (text: string, severity: 'error' | 'warning') => void;
}

export interface Engine {
  /**
   * Resolved when the update is in force and each bind that it names listens or has been reported as failed. Updates are applied in
   * the order of the calls; one need not wait for the other.
   */
  apply(update: Update): Promise<void>;
  /** Nothing is served at present, whatever was reported. Absent: that cannot be. */
  isDown?(): boolean;
  /** It is going soon: everything is served, and kept connections are told to end with their next response. */
  retire(): void;
  /** In the text format of Prometheus. */
  metrics(): Promise<string>;
  /**
   * Accepts nothing more, lets requests in flight end, then closes. Resolved when nothing is left.
   * @param deadline milliseconds after which what is left is closed
   */
  drain(deadline?: number): Promise<void>;
  /** Closes everything at once. */
  close(): Promise<void>;
}
