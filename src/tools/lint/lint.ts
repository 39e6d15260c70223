// The model -> findings: every problem that translation met, in words, and what only the whole shows: matches that are
// never reached, routes that claim the same requests, grants that grant nothing.
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { refKey } from '../../routing/origin.ts';
import { describe } from '../../routing/problem-text.ts';
import { severityOf, type Problem } from '../../routing/problem.ts';
import { compareText } from '../../support/sorted.ts';
import type { Finding, LintReport } from './finding.ts';
import { grantFor, lintGrants } from './grants.ts';
import { shadowedMatches } from './shadowed-matches.ts';
import { lintTraffic } from './traffic.ts';

/** @param more problems from outside the model: files that do not parse, objects given twice */
export function lint(pipeline: Pipeline, more: readonly Problem[] = []): LintReport {
  const { tables } = pipeline;
  const findings = [
    ...[...more, ...pipeline.problems()].map(findingOf),
    ...shadowedMatches(tables),
    ...lintTraffic(tables),
    ...lintGrants(pipeline.objects(), tables),
  ].toSorted(compareFindings);
  const counts = { error: 0, warning: 0, info: 0 };
  for (const finding of findings) counts[finding.severity]++;
  return { findings, counts };
}

function findingOf(problem: Problem): Finding {
  return {
    severity: severityOf[problem.code],
    code: problem.code,
    at: problem.at,
    ...describe(problem),
    ...(problem.code === 'RefNotPermitted' ? { apply: grantFor(problem.from, problem.target) } : {}),
    related: [],
  };
}

function compareFindings(a: Finding, b: Finding): number {
  return (
    compareText(refKey(a.at.object), refKey(b.at.object)) ||
    compareText(a.at.path, b.at.path) ||
    compareText(a.code, b.code) ||
    compareText(a.message, b.message)
  );
}
