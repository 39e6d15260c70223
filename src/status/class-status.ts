// BoundClass → status of a GatewayClass.
import type { BoundClass } from '../routing/bound.ts';
import type { Subject } from './conditions.ts';
import { conditionOf, firstGeneration, holds } from './conditions.ts';
import type { Channel, Engine } from './features.ts';
import { supportedFeatures } from './features.ts';
import type { Condition, ObjectStatus } from './object-status.ts';

/**
 * Undefined for a class that is not an object, or not ours.
 * @param kinds `group/kind` of what the API server has; absent: everything
 */
export function classStatus(
  bound: BoundClass,
  { engine, channel }: { readonly engine: Engine; readonly channel: Channel },
  kinds?: readonly string[],
): ObjectStatus | undefined {
  if (bound.presumed || !bound.managed) return undefined;
  const subject = { ref: bound.ref, generation: bound.generation ?? firstGeneration };
  const accepted =
    conditionOf('Accepted', bound.problems, subject) ??
    holds('Accepted', 'Accepted', 'Portolan serves Gateways of this class', subject);
  const version = versionOf(bound, subject);
  return {
    ref: bound.ref,
    status: {
      conditions: version === undefined ? [accepted] : [accepted, version],
      supportedFeatures: supportedFeatures(engine, channel, kinds).map((name) => ({ name })),
    },
  };
}

/** Only where the versions of the CRDs are known. */
function versionOf({ bundleVersions, problems }: BoundClass, subject: Subject): Condition | undefined {
  if (bundleVersions.length === 0) return undefined;
  const message = `CRDs of ${bundleVersions.join(', ')} are installed`;
  return (
    conditionOf('SupportedVersion', problems, subject) ??
    holds('SupportedVersion', 'SupportedVersion', message, subject)
  );
}
