// BoundListenerSet → status of a ListenerSet (GEP-1713).
import type { BoundListenerSet } from '../routing/bound.ts';
import type { Subject } from './conditions.ts';
import { conditionOf, fails, firstGeneration, holds } from './conditions.ts';
import type { ListenerFacts } from './listener-status.ts';
import { isServing, isValid, listenerStatus } from './listener-status.ts';
import type { Condition, ObjectStatus } from './object-status.ts';
import { subjectOf } from './object-status.ts';

export function listenerSetStatus(bound: BoundListenerSet, facts: ListenerFacts): ObjectStatus {
  const subject = { ref: bound.ref, generation: bound.generation ?? firstGeneration };
  const accepted = acceptedSet(bound, subject);
  return {
    ...subjectOf(bound),
    status: {
      conditions: [accepted, programmedOf(bound, facts, accepted, subject)],
      ...(bound.listeners.length === 0
        ? {}
        : { listeners: bound.listeners.map((listener) => listenerStatus(listener, facts, subject)) }),
    },
  };
}

export function acceptedSet({ listeners, problems }: BoundListenerSet, subject: Subject): Condition {
  const own = conditionOf('Accepted', problems, subject);
  if (own !== undefined) return own;
  const invalid = listeners.filter((listener) => !isValid(listener)).map(({ name }) => name);
  if (invalid.length === 0) return holds('Accepted', 'Accepted', 'The ListenerSet is accepted', subject);
  const message = `Not served: ${invalid.join(', ')}; see the conditions of each`;
  return invalid.length < listeners.length
    ? holds('Accepted', 'ListenersNotValid', message, subject)
    : fails('Accepted', 'ListenersNotValid', message, subject);
}

function programmedOf(bound: BoundListenerSet, facts: ListenerFacts, accepted: Condition, subject: Subject): Condition {
  if (accepted.status === 'False') {
    const reason = accepted.reason === 'ParentNotAccepted' ? 'ParentNotProgrammed' : accepted.reason;
    return fails('Programmed', reason, accepted.message, subject);
  }
  const waiting = bound.listeners.filter((listener) => isValid(listener) && !isServing(listener, facts));
  if (waiting.length === 0) return holds('Programmed', 'Programmed', 'The ListenerSet is served', subject);
  return fails('Programmed', 'Pending', `Not yet served: ${waiting.map(({ name }) => name).join(', ')}`, subject);
}
