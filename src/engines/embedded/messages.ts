// What the main thread and a worker say to each other. Plain data: it is cloned on the way.
import type { Update } from '../../routing/update.ts';
import type { MetricsSnapshot } from './metrics.ts';

export type ToWorker =
  /** To be applied as one and acknowledged with the same sequence number. */
  | { readonly kind: 'update'; readonly sequence: number; readonly update: Update }
  | { readonly kind: 'metrics'; readonly request: number }
  /** @param deadline milliseconds */
  | { readonly kind: 'drain'; readonly deadline: number };

export type FromWorker =
  /** The update is in force; each bind that it names listens, or was reported as failed. */
  | { readonly kind: 'applied'; readonly sequence: number }
  | { readonly kind: 'bind'; readonly report: WorkerReport }
  | { readonly kind: 'metrics'; readonly request: number; readonly snapshot: MetricsSnapshot }
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
