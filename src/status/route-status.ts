// BoundRoute → status of a route: an entry for each parentRef that leads to a Gateway of ours, as the user wrote it.
import type { BoundParent, BoundRoute } from '../routing/bound.ts';
import type { Subject } from './conditions.ts';
import { conditionOf, firstGeneration, holds } from './conditions.ts';
import type { Condition, ObjectStatus } from './object-status.ts';
import { subjectOf } from './object-status.ts';

export function routeStatus(bound: BoundRoute, controllerName: string): ObjectStatus {
  const subject = { ref: bound.ref, generation: bound.generation ?? firstGeneration };
  return {
    ...subjectOf(bound),
    status: {
      parents: bound.parents
        .filter(({ outcome }) => outcome !== 'unmanaged')
        .map((parent) => ({
          parentRef: parent.parentRef,
          controllerName,
          conditions: conditionsOf(parent, subject),
        })),
    },
  };
}

function conditionsOf({ problems }: BoundParent, subject: Subject): readonly Condition[] {
  const accepted =
    conditionOf('Accepted', problems, subject) ?? holds('Accepted', 'Accepted', 'The route is accepted', subject);
  const resolved =
    conditionOf('ResolvedRefs', problems, subject) ??
    holds('ResolvedRefs', 'ResolvedRefs', 'All references are resolved', subject);
  const partially = accepted.status === 'True' ? conditionOf('PartiallyInvalid', problems, subject) : undefined;
  return partially === undefined ? [accepted, resolved] : [accepted, resolved, partially];
}
