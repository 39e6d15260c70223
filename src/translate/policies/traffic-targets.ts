// An XBackendTrafficPolicy beside others with the same targets → everything that is wrong with it.
import type { ObjectRef } from '../../routing/origin.ts';
import type { Problem } from '../../routing/problem.ts';
import type { BoundTrafficPolicy } from './traffic.ts';

export interface TrafficSurroundings {
  /** Policies for that backend, in the order of their precedence. */
  readonly rivals: (backend: string) => readonly BoundTrafficPolicy[];
  readonly exists: (ref: ObjectRef) => boolean;
}

export function judgeTrafficPolicy(
  bound: BoundTrafficPolicy,
  { rivals, exists }: TrafficSurroundings,
): readonly Problem[] {
  const problems: Problem[] = [];
  const lost = bound.targets.flatMap(({ backend, origin }) => {
    const [first] = rivals(backend);
    return first === undefined || first.key === bound.key ? [] : [{ rival: first.ref, origin }];
  });
  for (const { rival, origin } of lost) {
    if (lost.length === bound.targets.length) problems.push({ code: 'PolicyConflict', at: origin, other: rival });
    else {
      const message = `${rival.kind} ${rival.namespace}/${rival.name} has the same target and comes first`;
      problems.push({ code: 'IgnoredField', at: origin, message });
    }
  }
  for (const { ref, origin } of bound.targets) {
    if (!exists(ref)) problems.push({ code: 'TargetNotFound', at: origin, target: ref });
  }
  return [...problems, ...bound.problems];
}
