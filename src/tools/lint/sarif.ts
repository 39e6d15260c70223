// A lint report as SARIF 2.1.0, the form that code hosts and editors read.
import { createHash } from 'node:crypto';
import { nameOf, refKey, type Origin } from '../../routing/origin.ts';
import { severityOf, type ProblemCode, type Severity } from '../../routing/problem.ts';
import { lintCodes, type Finding, type LintCode, type LintReport } from './finding.ts';

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
        tool: { driver: { name: 'portolan', version, rules: codes.map(ruleOf) } },
        columnKind: 'utf16CodeUnits',
        results: report.findings.map((finding) => resultOf(finding, codes.indexOf(finding.code), locate)),
      },
    ],
  };
}

function ruleOf(id: Finding['code']): Readonly<Record<string, unknown>> {
  const text = isLintCode(id) ? lintCodes[id] : `${inWords(id)}.`;
  const level = isLintCode(id) ? {} : { defaultConfiguration: { level: levels[severityOf[id]] } };
  return { id, shortDescription: { text }, ...level };
}

function isLintCode(code: ProblemCode | LintCode): code is LintCode {
  return Object.hasOwn(lintCodes, code);
}

/** `BackendNotFound` -> `Backend not found`. */
function inWords(code: string): string {
  return code.replaceAll(/(?<=[a-z])[A-Z](?=[a-z])/g, (letter) => ` ${letter.toLowerCase()}`);
}

function resultOf(finding: Finding, ruleIndex: number, locate: Locate): Readonly<Record<string, unknown>> {
  const { code, severity, at, message, fix, related } = finding;
  const said = `${nameOf(at.object)}: ${message}`;
  return {
    ruleId: code,
    ruleIndex,
    level: levels[severity],
    message: { text: fix === undefined ? said : `${said}\n${fix}` },
    locations: [placeOf(at, locate)],
    // The same finding has the same print wherever its object moves to.
    partialFingerprints: { 'portolan/v1': fingerprint(finding) },
    ...(related.length === 0
      ? {}
      : {
          relatedLocations: related.map((each, id) => ({
            id,
            ...placeOf(each.at, locate),
            message: { text: `${nameOf(each.at.object)}: ${each.message}` },
          })),
        }),
  };
}

function fingerprint({ code, at, message }: Finding): string {
  return createHash('sha256')
    .update(`${code}\n${refKey(at.object)}\n${at.path}\n${message}`)
    .digest('hex')
    .slice(0, 32);
}

function placeOf(origin: Origin, locate: Locate): Readonly<Record<string, unknown>> {
  const found = locate(origin);
  const path = origin.path === '' ? '' : ` ${origin.path}`;
  return {
    ...(found === undefined
      ? {}
      : {
          physicalLocation: {
            artifactLocation: { uri: uriOf(found.file) },
            region: { startLine: found.line, startColumn: found.column },
          },
        }),
    logicalLocations: [{ fullyQualifiedName: `${nameOf(origin.object)}${path}`, kind: 'object' }],
  };
}

/** A relative reference for a relative path (RFC 3986 section 4.2), a file URI for an absolute one. */
function uriOf(file: string): string {
  const encoded = file.split('/').map(encodeURIComponent).join('/');
  return file.startsWith('/') ? `file://${encoded}` : encoded;
}
