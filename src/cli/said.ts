// Everything that is wrong or worth saying, from the files and from the model, with the place in the files; and how it is
// printed: the place first, so that a terminal makes it a link, then the words, then the fix on a line of its own.
import { nameOf } from '../routing/origin.ts';
import type { Origin } from '../routing/origin.ts';
import { describe } from '../routing/problem-text.ts';
import { severityOf } from '../routing/problem.ts';
import type { Problem, Severity } from '../routing/problem.ts';
import type { FileProblem, FileSource, Location } from '../sources/files/source.ts';
import type { Model } from './model/model.ts';
import type { Paint } from './terminal.ts';
import { printable } from './terminal.ts';

export interface Said {
  readonly problem: Problem;
  /** Of problems that the files have themselves; those of objects are located when they are printed. */
  readonly location?: Location;
}

/** Errors first, then warnings, each in the order of the files. */
export function everythingSaid({ source, pipeline }: Model): readonly Said[] {
  const said: readonly Said[] = [
    ...source.problems().map(fromFile),
    ...pipeline.problems().map((problem) => ({ problem })),
  ];
  return said.toSorted(
    (a, b) => ranks[severity(a)] - ranks[severity(b)] || source.compare(a.problem.at.object, b.problem.at.object),
  );
}

export function fromFile(problem: FileProblem): Said {
  const { location, object, path } = problem;
  return { location, problem: { at: { object, path }, ...kindOf(problem) } };
}

export function severity({ problem }: Said): Severity {
  return severityOf[problem.code];
}

/** `shop.yaml:31:9`. */
export function formatLocation({ file, line, column }: Location): string {
  return `${file}:${line}:${column}`;
}

/** Lines without a line feed at the end. */
export function problemLines({ problem, location: known }: Said, source: FileSource, paint: Paint): string {
  const { message, fix } = describe(problem);
  const location = known ?? source.locate(problem.at.object, problem.at.path);
  return findingLines({ severity: severityOf[problem.code], at: problem.at, location, message, fix }, paint);
}

export interface PrintedFinding {
  readonly severity: Severity;
  readonly at: Origin;
  readonly location: Location | undefined;
  readonly message: string;
  readonly fix: string | undefined;
}

export function findingLines({ severity, at, location, message, fix }: PrintedFinding, paint: Paint): string {
  const place = location === undefined ? '' : `${paint.bold(printable(formatLocation(location)))}  `;
  const object = at.object.kind === 'File' ? '' : printable(nameOf(at.object));
  const field = at.path === '' || message.startsWith(at.path) ? '' : `  ${paint.dim(printable(at.path))}`;
  const lines = [`${marks[severity](paint)} ${place}${object}${field}`.trimEnd(), indented(printable(message), '  ')];
  if (fix !== undefined) lines.push(`  ${paint.green('fix:')} ${indented(printable(fix), '       ').trimStart()}`);
  return lines.join('\n');
}

/** `2 errors, 1 warning`. */
export function formatCounts(counts: Readonly<Record<Severity, number>>): string {
  const parts = (['error', 'warning'] as const).filter((severity) => counts[severity] > 0);
  return parts.map((severity) => `${counts[severity]} ${severity}${counts[severity] === 1 ? '' : 's'}`).join(', ');
}

export function countSeverities(all: readonly Said[]): Readonly<Record<Severity, number>> {
  const counts = { error: 0, warning: 0, info: 0 };
  for (const said of all) counts[severity(said)]++;
  return counts;
}

export const ranks: Readonly<Record<Severity, number>> = { error: 0, warning: 1, info: 2 };

const marks: Readonly<Record<Severity, (paint: Paint) => string>> = {
  error: (paint) => paint.red('error  '),
  warning: (paint) => paint.yellow('warning'),
  info: (paint) => paint.cyan('info   '),
};

function indented(text: string, indent: string): string {
  return text
    .split('\n')
    .map((line) => indent + line)
    .join('\n');
}

type WithoutPlace<P> = P extends Problem ? Omit<P, 'at'> : never;

function kindOf(problem: FileProblem): WithoutPlace<Problem> {
  switch (problem.code) {
    case 'InvalidObject':
      return { code: 'InvalidField', rule: 'object', message: problem.message };
    case 'MissingApiVersion':
      return { code: 'MissingApiVersion', presumed: problem.presumed };
    case 'DuplicateObject':
      return { code: 'DuplicateObject', other: formatLocation(problem.other) };
    default: {
      const tail = problem.stale ? '; what was read from it before stays in force' : '';
      return { code: 'Unparsable', message: `${problem.message}${tail}` };
    }
  }
}
