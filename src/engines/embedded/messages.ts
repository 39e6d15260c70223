// What the main thread and a worker say to each other. Updates travel as JSON: written once for all workers, and cheaper than
// cloning rows; the rest is plain data, which is cloned.
import type { MetricsSnapshot } from './metrics.ts';

export type ToWorker =
  /** To be applied as one and acknowledged with the same sequence number. @param update an Update as JSON */
  | { readonly kind: 'update'; readonly sequence: number; readonly update: string }
  | { readonly kind: 'metrics'; readonly request: number }
  | { readonly kind: 'session-keys'; readonly keys: readonly Uint8Array[] }
  | { readonly kind: 'retire' }
  /** @param deadline milliseconds */
  | { readonly kind: 'drain'; readonly deadline: number };

export type FromWorker =
  /** The update is in force; each bind that it names listens, or was reported as failed. */
  | { readonly kind: 'applied'; readonly sequence: number }
  | { readonly kind: 'bind'; readonly report: WorkerReport }
  | { readonly kind: 'metrics'; readonly request: number; readonly snapshot: MetricsSnapshot }
  /** A client asked for a name that none of these certificates has; its handshake waits a moment for one. */
  | { readonly kind: 'missing-name'; readonly certificates: readonly string[]; readonly name: string }
  /** No connection is left. */
  | { readonly kind: 'drained' };

/** A worker's word on one bind at one place. */
export interface WorkerReport {
  readonly bind: string;
  readonly address: string;
  readonly port: number;
  readonly state: 'serving' | 'failed';
  readonly code?: string;
  readonly message?: string;
}
