// What one stream is sent as one: what stood when the batch began, by stages, and what the node is expected to ask for meanwhile.
import type { Refusal, ResourceName } from './resource.ts';
import type { Chunk, Subscription } from './subscription.ts';

export interface Batch {
  readonly revision: number;
  /** Chunks by stage and type. */
  readonly stages: readonly Map<Subscription, Chunk[]>[];
  stage: number;
  /** What the node is expected to ask for, by key. */
  readonly asked: Map<string, ResourceName>;
  readonly refusals: Refusal[];
}

export function add(stage: Map<Subscription, Chunk[]>, subscription: Subscription, chunks: readonly Chunk[]): void {
  const there = stage.get(subscription);
  if (there === undefined) stage.set(subscription, [...chunks]);
  else there.push(...chunks);
}

/** The node has acknowledged a chunk, so that it waits for none of it any more. */
export function arrived({ asked }: Batch, typeUrl: string, { set, remove }: Chunk): void {
  asked.delete(`${typeUrl} *`);
  for (const { name } of set) asked.delete(`${typeUrl} ${name}`);
  for (const name of remove) asked.delete(`${typeUrl} ${name}`);
}
