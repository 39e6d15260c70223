// Addresses of Gateways, as their specs ask for them and their statuses say them.
import type { Exposure, Placement } from './model.ts';

export interface Address {
  readonly type: string;
  readonly value: string;
}

/** GEP-5093: reached from within the cluster. */
export const clusterRoutability = 'Cluster';

/** Where a Gateway can be reached: at what is in front of it, else where its binds are placed. None: nothing is known yet. */
export function reachedAt(
  exposure: Exposure | undefined,
  placements: readonly (Placement | undefined)[],
): readonly Address[] {
  if (exposure !== undefined) return exposure.addresses;
  const placed = new Set(placements.flatMap((placement) => placement?.address ?? []));
  return [...placed].map((value) => ({ type: 'IPAddress', value }));
}
