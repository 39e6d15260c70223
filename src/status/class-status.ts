// BoundClass → status of a GatewayClass.
import type { BoundClass } from '../routing/bound.ts';
import { conditionOf, firstGeneration, holds } from './conditions.ts';
import type { Channel } from './features.ts';
import { supportedFeatures } from './features.ts';
import type { ObjectStatus } from './object-status.ts';

/** Undefined for a class that is not an object, or not ours. */
export function classStatus(bound: BoundClass, channel: Channel): ObjectStatus | undefined {
  if (bound.presumed || !bound.managed) return undefined;
  const generation = bound.generation ?? firstGeneration;
  const accepted =
    conditionOf('Accepted', bound.problems, generation) ??
    holds('Accepted', 'Accepted', 'Portolan serves Gateways of this class', generation);
  return {
    ref: bound.ref,
    status: {
      conditions: [accepted],
      supportedFeatures: supportedFeatures('embedded', channel).map((name) => ({ name })),
    },
  };
}
