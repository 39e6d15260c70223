// BoundClass → status of a GatewayClass.
import type { BoundClass } from '../routing/bound.ts';
import type { Engines } from '../routing/parameters.ts';
import type { Subject } from './conditions.ts';
import { conditionOf, firstGeneration, holds } from './conditions.ts';
import type { Channel, Engine } from './features.ts';
import { supportedFeatures } from './features.ts';
import type { Condition, ObjectStatus } from './object-status.ts';

export interface ClassStatusOptions {
  /** What serves where parameters do not say it. */
  readonly engine: Engine;
  /** What they may say; absent: nothing that counts. */
  readonly engines?: Engines | undefined;
  readonly channel: Channel;
}

/**
 * Undefined for a class that is not an object, or not ours.
 * @param told what is known of the API server: `group/kind` of what it has (absent: everything), and kinds that may not be read
 */
export function classStatus(
  bound: BoundClass,
  { engine, engines, channel }: ClassStatusOptions,
  told: { readonly kinds?: readonly string[] | undefined; readonly forbidden?: readonly string[] | undefined } = {},
): ObjectStatus | undefined {
  if (bound.presumed || !bound.managed) return undefined;
  const subject = { ref: bound.ref, generation: bound.generation ?? firstGeneration };
  const accepted =
    conditionOf('Accepted', bound.problems, subject) ??
    holds('Accepted', 'Accepted', 'Portolan serves Gateways of this class', subject);
  const provisioned = engines !== undefined && 'deployed' in engines;
  const serving = provisioned ? (bound.parameters?.engine ?? engine) : engine;
  const around = { kinds: told.kinds, provisioned };
  const version = versionOf(bound, subject);
  return {
    ref: bound.ref,
    status: {
      conditions: [accepted, version, incomplete(told.forbidden ?? [], subject)].filter(
        (condition) => condition !== undefined,
      ),
      supportedFeatures: supportedFeatures(serving, channel, around).map((name) => ({ name })),
    },
  };
}

/** Only where something is missing. */
function incomplete(forbidden: readonly string[], subject: Subject): Condition | undefined {
  if (forbidden.length === 0) return undefined;
  const message = `${forbidden.join(', ')} may not be read: what was read of them last counts, or nothing. See the roles of the controller`;
  return { ...holds('portolan.dev/Complete', 'KindsNotRead', message, subject), status: 'False' };
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
