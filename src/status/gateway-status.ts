// BoundGateway, what is attached to it, where it is placed and what engines say → status of a Gateway.
import type { BoundGateway } from '../routing/bound.ts';
import type { Placement } from '../routing/model.ts';
import type { Subject } from './conditions.ts';
import { conditionOf, fails, firstGeneration, holds, pending } from './conditions.ts';
import { acceptedSet } from './listener-set-status.ts';
import type { ListenerFacts } from './listener-status.ts';
import { isServing, isValid, listenerStatus } from './listener-status.ts';
import type { Condition, ObjectStatus } from './object-status.ts';

export interface GatewayFacts extends ListenerFacts {
  readonly placement: (bind: string) => Placement | undefined;
}

export function gatewayStatus(bound: BoundGateway, facts: GatewayFacts): ObjectStatus | undefined {
  if (!bound.managed) return undefined;
  const subject = { ref: bound.ref, generation: bound.generation ?? firstGeneration };
  const listeners = bound.listeners.map((listener) => listenerStatus(listener, facts, subject));
  const accepted = acceptedOf(bound, subject);
  const addresses = addressesOf(bound, facts);
  const sets = bound.listenerSets.filter((set) => acceptedSet(set, subject).status === 'True').length;
  return {
    ref: bound.ref,
    status: {
      ...(addresses.length === 0 ? {} : { addresses }),
      conditions: [accepted, programmedOf(bound, facts, accepted, subject), ...referencesOf(bound, subject)],
      listeners,
      ...(sets === 0 ? {} : { attachedListenerSets: sets }),
    },
  };
}

function acceptedOf({ listeners, problems }: BoundGateway, subject: Subject): Condition {
  const own = conditionOf('Accepted', problems, subject);
  if (own !== undefined) return own;
  const invalid = listeners.filter((listener) => !isValid(listener)).map(({ name }) => name);
  if (invalid.length === 0) return holds('Accepted', 'Accepted', 'The Gateway is accepted', subject);
  const several = invalid.length > 1;
  const message = `Not served: listener${several ? 's' : ''} ${invalid.join(', ')}; see ${several ? 'their' : 'its'} conditions`;
  return invalid.length < listeners.length
    ? holds('Accepted', 'ListenersNotValid', message, subject)
    : fails('Accepted', 'ListenersNotValid', message, subject);
}

function programmedOf(bound: BoundGateway, facts: GatewayFacts, accepted: Condition, subject: Subject): Condition {
  if (accepted.status === 'Unknown') return pending('Programmed', accepted.message, subject);
  if (accepted.status === 'False') return fails('Programmed', 'Invalid', accepted.message, subject);
  const own = conditionOf('Programmed', bound.problems, subject);
  if (own !== undefined) return own;
  const waiting = bound.listeners.filter((listener) => isValid(listener) && !isServing(listener, facts));
  if (waiting.length === 0) return holds('Programmed', 'Programmed', 'The Gateway is served', subject);
  return fails('Programmed', 'Pending', `Not yet served: ${waiting.map(({ name }) => name).join(', ')}`, subject);
}

/** Of references outside its listeners, and only where something is to be said. */
function referencesOf({ clientCertificate, problems }: BoundGateway, subject: Subject): readonly Condition[] {
  const resolved =
    conditionOf('ResolvedRefs', problems, subject) ??
    (clientCertificate === undefined
      ? undefined
      : holds('ResolvedRefs', 'ResolvedRefs', 'All references are resolved', subject));
  const insecure = conditionOf('InsecureFrontendValidationMode', problems, subject);
  return [resolved, insecure].filter((condition) => condition !== undefined);
}

/** Where the Gateway can be reached; not known before it is placed. */
function addressesOf({ binds }: BoundGateway, { placement }: GatewayFacts): readonly { type: string; value: string }[] {
  const values = new Set(binds.flatMap(({ key }) => placement(key)?.address ?? []));
  return [...values].map((value) => ({ type: 'IPAddress', value }));
}
