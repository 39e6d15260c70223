// BoundGateway, what is attached to it, where it is placed and what engines say → status of a Gateway.
import type { BoundGateway, BoundListener } from '../routing/bound.ts';
import type { BindReport, Placement } from '../routing/model.ts';
import type { Subject } from './conditions.ts';
import { conditionOf, fails, firstGeneration, holds, pending } from './conditions.ts';
import type { Condition, ObjectStatus } from './object-status.ts';

export interface GatewayFacts {
  /** How many routes are attached to the listener of this key. */
  readonly attached: (frontend: string) => number;
  readonly placement: (bind: string) => Placement | undefined;
  readonly report: (bind: string) => BindReport | undefined;
  /** Whether Programmed waits for an engine to report that the port is served. */
  readonly awaitEngine: boolean;
}

export function gatewayStatus(bound: BoundGateway, facts: GatewayFacts): ObjectStatus | undefined {
  if (!bound.managed) return undefined;
  const subject = { ref: bound.ref, generation: bound.generation ?? firstGeneration };
  const listeners = bound.listeners.map((listener) => listenerStatus(listener, facts, subject));
  const accepted = acceptedOf(bound, subject);
  const addresses = addressesOf(bound, facts);
  return {
    ref: bound.ref,
    status: {
      ...(addresses.length === 0 ? {} : { addresses }),
      conditions: [accepted, programmedOf(bound, facts, accepted, subject)],
      listeners,
    },
  };
}

function isValid({ frontend, problems }: BoundListener): boolean {
  return frontend !== undefined && problems.every(({ code }) => code !== 'PortUnavailable');
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

function isServing({ frontend }: BoundListener, { awaitEngine, report }: GatewayFacts): boolean {
  return frontend !== undefined && (!awaitEngine || report(frontend.bind)?.state === 'serving');
}

/** Where the Gateway can be reached; not known before it is placed. */
function addressesOf({ binds }: BoundGateway, { placement }: GatewayFacts): readonly { type: string; value: string }[] {
  const values = new Set(binds.flatMap(({ key }) => placement(key)?.address ?? []));
  return [...values].map((value) => ({ type: 'IPAddress', value }));
}

function listenerStatus(listener: BoundListener, facts: GatewayFacts, subject: Subject): unknown {
  const { problems } = listener;
  const resolved =
    conditionOf('ResolvedRefs', problems, subject) ??
    holds('ResolvedRefs', 'ResolvedRefs', 'All references are resolved', subject);
  const conflicted = conditionOf('Conflicted', problems, subject);
  const accepted = conditionOf('Accepted', problems, subject) ?? acceptedOrConflicted(conflicted, subject);
  const overlapping = conditionOf('OverlappingTLSConfig', problems, subject);
  return {
    name: listener.name,
    attachedRoutes: facts.attached(listener.key),
    supportedKinds: listener.supportedKinds,
    conditions: [
      accepted,
      listenerProgrammed(listener, facts, { accepted, resolved, subject }),
      resolved,
      ...(conflicted === undefined ? [] : [conflicted]),
      ...(overlapping === undefined ? [] : [overlapping]),
    ],
  };
}

/** The conformance tests want the reason of a conflict on Accepted and Programmed as well. */
function acceptedOrConflicted(conflicted: Condition | undefined, subject: Subject): Condition {
  if (conflicted !== undefined) return fails('Accepted', conflicted.reason, conflicted.message, subject);
  return holds('Accepted', 'Accepted', 'The listener is accepted', subject);
}

function listenerProgrammed(
  listener: BoundListener,
  facts: GatewayFacts,
  { accepted, resolved, subject }: { accepted: Condition; resolved: Condition; subject: Subject },
): Condition {
  if (accepted.status === 'False') {
    const isConflict = accepted.reason === 'HostnameConflict' || accepted.reason === 'ProtocolConflict';
    return fails('Programmed', isConflict ? accepted.reason : 'Invalid', accepted.message, subject);
  }
  if (listener.frontend === undefined) {
    const message = resolved.status === 'False' ? resolved.message : 'The Gateway is not accepted';
    return fails('Programmed', 'Invalid', message, subject);
  }
  if (isServing(listener, facts)) return holds('Programmed', 'Programmed', 'The listener is served', subject);
  return fails('Programmed', 'Pending', 'The listener is not served yet', subject);
}
