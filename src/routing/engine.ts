// What an engine is, whichever serves: updates of the model in, reports of binds and metrics out.
import type { Update } from './update.ts';

export interface Engine {
  /**
   * Resolved when the update is in force and each bind that it names listens or has been reported as failed. Updates are applied in
   * the order of the calls; one need not wait for the other.
   */
  apply(update: Update): Promise<void>;
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
