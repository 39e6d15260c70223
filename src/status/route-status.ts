// BoundRoute → status of a route: an entry for each parentRef that leads to a Gateway of ours, as the user wrote it.
import type { BoundParent, BoundRoute } from '../routing/bound.ts';
import { conditionOf, firstGeneration, holds } from './conditions.ts';
import type { Condition, ObjectStatus } from './object-status.ts';

export function routeStatus(bound: BoundRoute, controllerName: string): ObjectStatus {
  const generation = bound.generation ?? firstGeneration;
  return {
    ref: bound.ref,
    status: {
      parents: bound.parents
        .filter(({ outcome }) => outcome !== 'unmanaged')
        .map((parent) => ({
          parentRef: parent.parentRef,
          controllerName,
          conditions: conditionsOf(parent, generation),
        })),
    },
  };
}

function conditionsOf({ problems }: BoundParent, generation: number): readonly Condition[] {
  const accepted =
    conditionOf('Accepted', problems, generation) ?? holds('Accepted', 'Accepted', 'The route is accepted', generation);
  const resolved =
    conditionOf('ResolvedRefs', problems, generation) ??
    holds('ResolvedRefs', 'ResolvedRefs', 'All references are resolved', generation);
  const partially = accepted.status === 'True' ? conditionOf('PartiallyInvalid', problems, generation) : undefined;
  return partially === undefined ? [accepted, resolved] : [accepted, resolved, partially];
}
