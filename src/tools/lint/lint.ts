// The model -> findings: every problem that translation met, in words, and what only the whole shows: matches that are
// never reached, routes that claim the same requests or streams, redirects without end, certificates that expire, references and
// grants that lead nowhere.
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { refKey } from '../../routing/origin.ts';
import { describe } from '../../routing/problem-text.ts';
import { severityOf, type Problem } from '../../routing/problem.ts';
import { compareText } from '../../support/sorted.ts';
import { lintCertificates } from './certificates.ts';
import { lintExpiry } from './expiry.ts';
import type { Finding, LintReport } from './finding.ts';
import { MissingGrants, unusedGrants } from './grants.ts';
import { lintGroups } from './groups.ts';
import { lintRedirects } from './redirects.ts';
import { shadowedMatches } from './shadowed-matches.ts';
import { shadowedStreams } from './streams.ts';
import { lintTraffic } from './traffic.ts';
import { UnknownFields } from './unknown-fields.ts';

/**
 * @param more problems from outside the model: files that do not parse, objects given twice
 * @param now in ms since the epoch
 */
export function lint(pipeline: Pipeline, more: readonly Problem[] = [], now: number = Date.now()): LintReport {
  const { tables } = pipeline;
  const objects = [...pipeline.objects()];
  const findings = [
    ...problemFindings(pipeline, [...more, ...pipeline.problems()]),
    ...shadowedMatches(tables),
    ...shadowedStreams(tables),
    ...lintTraffic(tables),
    ...lintRedirects(tables),
    ...lintCertificates(tables),
    ...lintExpiry(tables, now),
    ...lintGroups(objects),
    ...unusedGrants(objects),
  ].toSorted(compareFindings);
  const counts = { error: 0, warning: 0, info: 0 };
  for (const finding of findings) counts[finding.severity]++;
  return { findings, counts };
}

function problemFindings(pipeline: Pipeline, problems: readonly Problem[]): Finding[] {
  const grants = new MissingGrants(problems, pipeline.objects());
  const fields = new UnknownFields(pipeline);
  return problems.map((problem) => {
    const apply = problem.code === 'RefNotPermitted' ? grants.grantFor(problem) : undefined;
    const better = problem.code === 'UnknownField' ? fields.fix(problem) : undefined;
    return {
      severity: severityOf[problem.code],
      code: problem.code,
      at: problem.at,
      ...describe(problem),
      ...(better === undefined ? {} : { fix: better }),
      ...(apply === undefined ? {} : { apply }),
      related: [],
    };
  });
}

function compareFindings(a: Finding, b: Finding): number {
  return (
    compareText(refKey(a.at.object), refKey(b.at.object)) ||
    compareText(a.at.path, b.at.path) ||
    compareText(a.code, b.code) ||
    compareText(a.message, b.message)
  );
}
