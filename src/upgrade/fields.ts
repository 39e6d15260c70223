// What the check of an object's fields found → problems of the written object.
import type { FieldProblem, Validation } from '../api/validate.ts';
import type { ProblemKind } from '../routing/problem.ts';
import type { Notes } from './upgraded.ts';

/** @param pathOf where a field of what was checked stands in what was written */
export function sayFieldProblems(notes: Notes, result: Validation, pathOf: (path: string) => string = same): void {
  for (const problem of result.ok ? result.warnings : [...result.problems, ...result.warnings]) {
    const path = pathOf(problem.path);
    notes.say(path, kindOf(problem, path));
  }
}

function kindOf({ kind, message, rule, meant }: FieldProblem, path: string): ProblemKind {
  if (kind !== 'unknown-field') return { code: 'InvalidField', message, rule };
  return { code: 'UnknownField', field: path, ...(meant === undefined ? {} : { meant }) };
}

function same(path: string): string {
  return path;
}
