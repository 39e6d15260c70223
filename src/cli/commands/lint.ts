// portolan lint: what is wrong with the manifests, as text, JSON, SARIF, or annotations for GitHub.
import { stringify } from 'yaml';
import type { Origin } from '../../routing/origin.ts';
import { nameOf } from '../../routing/origin.ts';
import type { Finding, LintReport } from '../../tools/lint/finding.ts';
import { lint } from '../../tools/lint/lint.ts';
import { toSarif } from '../../tools/lint/sarif.ts';
import type { Locate } from '../../tools/lint/sarif.ts';
import type { Run } from '../main.ts';
import { Model } from '../model/model.ts';
import { engineOf, modelOptions } from '../model/options.ts';
import { DevCertificates } from '../run/dev-certificates.ts';
import { findingLines, formatCounts, formatLocation, fromFile, ranks } from '../said.ts';
import { Paint, printable } from '../terminal.ts';
import { version } from '../version.ts';

export const run: Run = async (args) => {
  const model = new Model({ ...modelOptions(args), ...engineOf(args), serving: false });
  if (args.on('dev-certificates')) model.add(new DevCertificates(false));
  await model.load();
  const fromFiles = model.source.problems().map(fromFile);
  const places = new Map(fromFiles.map(({ problem, location }) => [problem.at, location]));
  const locate: Locate = (origin) => places.get(origin) ?? model.source.locate(origin.object, origin.path);
  const { findings, counts } = lint(
    model.pipeline,
    fromFiles.map(({ problem }) => problem),
  );
  const order = (a: Finding, b: Finding): number =>
    ranks[a.severity] - ranks[b.severity] || model.source.compare(a.at.object, b.at.object);
  const report = { findings: findings.toSorted(order), counts };
  process.stdout.write(formatted(args.text('output') ?? 'text', report, locate));
  if (args.text('output') === 'text') process.stderr.write(summary(model, report));
  model.close();
  return report.counts.error > 0 ? 1 : 0;
};

function formatted(format: string, report: LintReport, locate: Locate): string {
  switch (format) {
    case 'json':
      return `${JSON.stringify(json(report, locate), undefined, 2)}\n`;
    case 'sarif':
      return `${JSON.stringify(toSarif(report, locate, version()), undefined, 2)}\n`;
    case 'github':
      return report.findings.map((finding) => annotation(finding, locate(finding.at))).join('');
    default:
      return text(report, locate);
  }
}

function text(report: LintReport, locate: Locate): string {
  const paint = new Paint(process.stdout);
  return report.findings
    .map((finding) => {
      const { severity, at, message, fix, apply, related } = finding;
      const lines = [findingLines({ severity, at, location: locate(at), message, fix }, paint)];
      for (const { at, message } of related)
        lines.push(`  ${paint.dim(printable(`${placeOf(at, locate)}: ${message}`))}`);
      if (apply !== undefined) lines.push(`  ${paint.green('apply:')}`, indented(printable(stringify(apply))));
      return `${lines.join('\n')}\n`;
    })
    .join('');
}

function summary(model: Model, { counts }: LintReport): string {
  const objects = `${model.source.size} object${model.source.size === 1 ? '' : 's'}`;
  const said = formatCounts(counts);
  return said === '' ? `${objects}: no errors, no warnings\n` : `${objects}: ${said}\n`;
}

function indented(text: string): string {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => `    ${line}`)
    .join('\n');
}

function placeOf(at: Origin, locate: Locate): string {
  const location = locate(at);
  const object = `${nameOf(at.object)}${at.path === '' ? '' : ` ${at.path}`}`;
  return location === undefined ? object : `${formatLocation(location)}  ${object}`;
}

function json({ findings, counts }: LintReport, locate: Locate): unknown {
  const place = (at: Origin): object => ({ object: at.object, path: at.path, ...locate(at) });
  return {
    findings: findings.map(({ severity, code, at, message, fix, apply, related }) => ({
      severity,
      code,
      ...place(at),
      message,
      ...(fix === undefined ? {} : { fix }),
      ...(apply === undefined ? {} : { apply }),
      ...(related.length === 0 ? {} : { related: related.map(({ at, message }) => ({ ...place(at), message })) }),
    })),
    counts,
  };
}

const levels = { error: 'error', warning: 'warning', info: 'notice' } as const;

/** A workflow command: https://docs.github.com/actions/reference/workflow-commands-for-github-actions. */
function annotation({ severity, code, at, message, fix }: Finding, location: ReturnType<Locate>): string {
  const place = location === undefined ? {} : { file: location.file, line: location.line, col: location.column };
  const properties = Object.entries({ ...place, title: code }).map(
    ([name, value]) => `${name}=${property(String(value))}`,
  );
  const object = at.object.kind === 'File' ? '' : `${nameOf(at.object)}: `;
  return `::${levels[severity]} ${properties.join(',')}::${data(`${object}${message}${fix === undefined ? '' : `\n${fix}`}`)}\n`;
}

function data(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function property(text: string): string {
  return data(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}
