// A stable order of problems: by object, then by field in the order of a reader, then by code.
import { compareText } from '../support/sorted.ts';
import { refKey } from './origin.ts';
import type { Problem } from './problem.ts';
import { sentence } from './problem-text.ts';

export function compareProblems(a: Problem, b: Problem): number {
  return (
    compareText(refKey(a.at.object), refKey(b.at.object)) ||
    comparePaths(a.at.path, b.at.path) ||
    compareText(a.code, b.code) ||
    compareText(sentence(a), sentence(b))
  );
}

/** Sorted, and each said once: several parents of a route find the same fault in its rules. */
export function distinctProblems(problems: readonly Problem[]): readonly Problem[] {
  const sorted = problems.toSorted(compareProblems);
  return sorted.filter((problem, index) => index === 0 || compareProblems(sorted[index - 1] as Problem, problem) !== 0);
}

/** `rules[2]` before `rules[10]`. */
function comparePaths(a: string, b: string): number {
  return a === b ? 0 : compareText(a.replaceAll(/\d+/g, padded), b.replaceAll(/\d+/g, padded));
}

function padded(digits: string): string {
  return digits.padStart(8, '0');
}
