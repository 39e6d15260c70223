// Readings of single objects beside the model: what is wrong with each, and what policies target.
import type { KubeObject } from '../api/objects.ts';
import { Derived } from '../incremental/derived.ts';
import { Grouped } from '../incremental/grouped.ts';
import type { Table } from '../incremental/table.ts';
import type { BoundPolicy } from '../routing/bound.ts';
import { compareProblems } from '../routing/problem-order.ts';
import type { Problem } from '../routing/problem.ts';
import { bindPolicy } from '../translate/policies/policy.ts';
import type { ObjectProblems } from './current.ts';
import type { Sources } from './sources.ts';
import type { Add } from './stage-list.ts';

export function objectProblemStage(checks: readonly Table<ObjectProblems>[], add: Add): Table<readonly Problem[]> {
  const inputs = checks.map((table) => ({ table, split: byObject }));
  return add(new Grouped('object problems', inputs, compareProblems));
}

/** Objects of kinds that no other stage reads, when they have a target. */
export function policyStage(sources: Sources, add: Add): Table<BoundPolicy> {
  return add(
    new Derived('policies', sources.others, (object: KubeObject, read) =>
      bindPolicy(object, (ref) => {
        const { table, key } = sources.place(ref);
        return read(table, key) !== undefined;
      }),
    ),
  );
}

function byObject({ key, problems }: ObjectProblems): Iterable<readonly [string, Problem]> {
  return problems.map((problem) => [key, problem] as const);
}
