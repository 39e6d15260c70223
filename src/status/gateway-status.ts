// BoundGateway, what is attached to it, where it is placed and what engines say → status of a Gateway.
import type { BoundGateway, BoundListener } from '../routing/bound.ts';
import type { BindReport, Placement } from '../routing/model.ts';
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
  const generation = bound.generation ?? firstGeneration;
  const listeners = bound.listeners.map((listener) => listenerStatus(listener, facts, generation));
  const accepted = acceptedOf(bound, generation);
  const addresses = addressesOf(bound, facts);
  return {
    ref: bound.ref,
    status: {
      ...(addresses.length === 0 ? {} : { addresses }),
      conditions: [accepted, programmedOf(bound, facts, accepted, generation)],
      listeners,
    },
  };
}

function isValid({ frontend, problems }: BoundListener): boolean {
  return frontend !== undefined && problems.every(({ code }) => code !== 'PortUnavailable');
}

function acceptedOf({ listeners, problems }: BoundGateway, generation: number): Condition {
  const own = conditionOf('Accepted', problems, generation);
  if (own !== undefined) return own;
  const invalid = listeners.filter((listener) => !isValid(listener)).map(({ name }) => name);
  if (invalid.length === 0) return holds('Accepted', 'Accepted', 'The Gateway is accepted', generation);
  const several = invalid.length > 1;
  const message = `Not served: listener${several ? 's' : ''} ${invalid.join(', ')}; see ${several ? 'their' : 'its'} conditions`;
  return invalid.length < listeners.length
    ? holds('Accepted', 'ListenersNotValid', message, generation)
    : fails('Accepted', 'ListenersNotValid', message, generation);
}

function programmedOf(bound: BoundGateway, facts: GatewayFacts, accepted: Condition, generation: number): Condition {
  if (accepted.status === 'Unknown') return pending('Programmed', accepted.message, generation);
  if (accepted.status === 'False') return fails('Programmed', 'Invalid', accepted.message, generation);
  const own = conditionOf('Programmed', bound.problems, generation);
  if (own !== undefined) return own;
  const waiting = bound.listeners.filter((listener) => isValid(listener) && !isServing(listener, facts));
  if (waiting.length === 0) return holds('Programmed', 'Programmed', 'The Gateway is served', generation);
  return fails('Programmed', 'Pending', `Not yet served: ${waiting.map(({ name }) => name).join(', ')}`, generation);
}

function isServing({ frontend }: BoundListener, { awaitEngine, report }: GatewayFacts): boolean {
  return frontend !== undefined && (!awaitEngine || report(frontend.bind)?.state === 'serving');
}

/** Where the Gateway can be reached; not known before it is placed. */
function addressesOf({ binds }: BoundGateway, { placement }: GatewayFacts): readonly { type: string; value: string }[] {
  const values = new Set(binds.flatMap(({ key }) => placement(key)?.address ?? []));
  return [...values].map((value) => ({ type: 'IPAddress', value }));
}

function listenerStatus(listener: BoundListener, facts: GatewayFacts, generation: number): unknown {
  const { problems } = listener;
  const resolved =
    conditionOf('ResolvedRefs', problems, generation) ??
    holds('ResolvedRefs', 'ResolvedRefs', 'All references are resolved', generation);
  const conflicted = conditionOf('Conflicted', problems, generation);
  const accepted = conditionOf('Accepted', problems, generation) ?? acceptedOrConflicted(conflicted, generation);
  const overlapping = conditionOf('OverlappingTLSConfig', problems, generation);
  return {
    name: listener.name,
    attachedRoutes: facts.attached(listener.key),
    supportedKinds: listener.supportedKinds,
    conditions: [
      accepted,
      listenerProgrammed(listener, facts, { accepted, resolved, generation }),
      resolved,
      ...(conflicted === undefined ? [] : [conflicted]),
      ...(overlapping === undefined ? [] : [overlapping]),
    ],
  };
}

/** The conformance tests want the reason of a conflict on Accepted and Programmed as well. */
function acceptedOrConflicted(conflicted: Condition | undefined, generation: number): Condition {
  if (conflicted !== undefined) return fails('Accepted', conflicted.reason, conflicted.message, generation);
  return holds('Accepted', 'Accepted', 'The listener is accepted', generation);
}

function listenerProgrammed(
  listener: BoundListener,
  facts: GatewayFacts,
  { accepted, resolved, generation }: { accepted: Condition; resolved: Condition; generation: number },
): Condition {
  if (accepted.status === 'False') {
    const isConflict = accepted.reason === 'HostnameConflict' || accepted.reason === 'ProtocolConflict';
    return fails('Programmed', isConflict ? accepted.reason : 'Invalid', accepted.message, generation);
  }
  if (listener.frontend === undefined) {
    const message = resolved.status === 'False' ? resolved.message : 'The Gateway is not accepted';
    return fails('Programmed', 'Invalid', message, generation);
  }
  if (isServing(listener, facts)) return holds('Programmed', 'Programmed', 'The listener is served', generation);
  return fails('Programmed', 'Pending', 'The listener is not served yet', generation);
}
