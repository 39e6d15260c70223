// What an engine is, whichever serves: updates of the model in, reports of binds and metrics out.
import type { BindReport } from './model.ts';
import type { Update } from './update.ts';

/** A row, or a part of one, that an engine cannot serve and has left out, while all the rest is served. */
export interface LeftOut {
  readonly table: 'rules' | 'entries' | 'certificates' | 'trustBundles' | 'frontends' | 'clusters';
  /** Of the row; of an entry that of its rule. */
  readonly key: string;
  /** A clause for people: what is wrong. */
  readonly reason: string;
}

/** What whoever starts an engine hears of it. */
export interface EngineEvents {
  readonly onReport: (report: BindReport) => void;
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
