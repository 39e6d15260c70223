// BoundListener, what is attached to it and what engines say → its entry in the status of a Gateway or ListenerSet.
import type { BoundListener } from '../routing/bound.ts';
import type { BindReport } from '../routing/model.ts';
import type { Subject } from './conditions.ts';
import { conditionOf, fails, holds } from './conditions.ts';
import type { Condition } from './object-status.ts';

export interface ListenerFacts {
  /** How many routes are attached to the listener of this key. */
  readonly attached: (frontend: string) => number;
  readonly report: (bind: string) => BindReport | undefined;
  /** Whether Programmed waits for an engine to report that the port is served. */
  readonly awaitEngine: boolean;
}

export function isValid({ frontend, problems }: BoundListener): boolean {
  return frontend !== undefined && problems.every(({ code }) => code !== 'PortUnavailable');
}

export function isServing({ frontend, problems }: BoundListener, { awaitEngine, report }: ListenerFacts): boolean {
  if (frontend === undefined || problems.some(({ code }) => code === 'NotProgrammed')) return false;
  return !awaitEngine || report(frontend.bind)?.state === 'serving';
}

export function listenerStatus(listener: BoundListener, facts: ListenerFacts, subject: Subject): unknown {
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
  facts: ListenerFacts,
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
  const own = conditionOf('Programmed', listener.problems, subject);
  if (own !== undefined) return own;
  if (isServing(listener, facts)) return holds('Programmed', 'Programmed', 'The listener is served', subject);
  return fails('Programmed', 'Pending', 'The listener is not served yet', subject);
}
