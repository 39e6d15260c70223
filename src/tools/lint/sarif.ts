// A lint report as SARIF 2.1.0, the form that code hosts and editors read.
import { nameOf, type Origin } from '../../routing/origin.ts';
import type { Severity } from '../../routing/problem.ts';
import { lintCodes, type Finding, type LintReport } from './finding.ts';

/** Where an origin stands in a file; 1-based. */
export interface Location {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}
export type Locate = (origin: Origin) => Location | undefined;

const levels: Readonly<Record<Severity, 'error' | 'warning' | 'note'>> = {
  error: 'error',
  warning: 'warning',
  info: 'note',
};

/** `version` is Portolan's. Findings without a file (presumed objects) keep their logical location alone. */
export function toSarif(report: LintReport, locate: Locate, version: string): Readonly<Record<string, unknown>> {
  const codes = [...new Set(report.findings.map((finding) => finding.code))].toSorted();
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'portolan',
            version,
            rules: codes.map((id) => ({ id, shortDescription: { text: lintCodes[id] ?? id } })),
          },
        },
        results: report.findings.map((finding) => result(finding, codes.indexOf(finding.code), locate)),
      },
    ],
  };
}

function result(finding: Finding, ruleIndex: number, locate: Locate): Readonly<Record<string, unknown>> {
  return {
    ruleId: finding.code,
    ruleIndex,
    level: levels[finding.severity],
    message: { text: finding.fix === undefined ? finding.message : `${finding.message}\n${finding.fix}` },
    locations: [place(finding.at, locate)],
    ...(finding.related.length > 0
      ? {
          relatedLocations: finding.related.map((related, id) => ({
            id,
            ...place(related.at, locate),
            message: { text: related.message },
          })),
        }
      : {}),
  };
}

function place(origin: Origin, locate: Locate): Readonly<Record<string, unknown>> {
  const found = locate(origin);
  return {
    ...(found === undefined
      ? {}
      : {
          physicalLocation: {
            artifactLocation: { uri: encodeURI(found.file) },
            region: { startLine: found.line, startColumn: found.column },
          },
        }),
    logicalLocations: [
      { fullyQualifiedName: `${nameOf(origin.object)}${origin.path === '' ? '' : ` ${origin.path}`}`, kind: 'object' },
    ],
  };
}
