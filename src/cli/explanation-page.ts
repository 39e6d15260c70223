// The parts that explanations of requests and of connections have in common, as lines of text: places in files, problems,
// candidates, and what stands behind a backend.
import { precedenceSteps } from '../routing/match/precedence.ts';
import type { Origin } from '../routing/origin.ts';
import { nameOf } from '../routing/origin.ts';
import { describe } from '../routing/problem-text.ts';
import type { Problem } from '../routing/problem.ts';
import type { FileSource } from '../sources/files/source.ts';
import type { Candidate, ExplainedTarget, LeftOut, Miss, RunnerUp, Unattached } from '../tools/explain/explanation.ts';
import { backendName, budgetText, bundleText, failureText, matchText, tlsText } from './explanation-words.ts';
import { formatHostPort } from './model/names.ts';
import { formatLocation } from './said.ts';
import { columns, printable } from './terminal.ts';
import type { Paint } from './terminal.ts';

export class ExplanationPage {
  readonly paint: Paint;
  readonly #source: FileSource;

  constructor(paint: Paint, source: FileSource) {
    this.paint = paint;
    this.#source = source;
  }

  problems(problems: readonly Problem[], indent: string): string[] {
    return problems.flatMap((problem) => {
      const { message, fix } = describe(problem);
      const place = this.place(problem.at);
      const first = `${indent}${printable(message)}${place === '' ? '' : `  ${place}`}`;
      return fix === undefined ? [first] : [first, `${indent}${this.paint.green('fix:')} ${printable(fix)}`];
    });
  }

  place(origin: Origin): string {
    const location = this.#source.locate(origin.object, origin.path);
    return location === undefined ? '' : this.paint.dim(printable(formatLocation(location)));
  }

  table(rows: readonly (readonly string[])[]): string {
    const padded = rows.map(([label = '', ...cells]) => [this.paint.bold(label.padEnd(8)), ...cells]);
    return columns(padded, '', '  ');
  }

  section(title: string, lines: readonly string[]): string {
    return `\n${this.paint.bold(title)}\n${lines.join('\n')}\n`;
  }
  losers(runnersUp: readonly RunnerUp[], total: number, title: string): string {
    if (runnersUp.length === 0) return '';
    const more = total > runnersUp.length ? [`  … and ${total - runnersUp.length} more`] : [];
    return this.section(title, [...runnersUp.flatMap((one) => this.#runnerUp(one)), ...more]);
  }

  /** What came closest to taking it. */
  others({
    closest,
    unattached,
  }: {
    readonly closest: readonly Miss[];
    readonly unattached: readonly Unattached[];
  }): string {
    const misses = this.misses(closest);
    const waiting = unattached.flatMap(({ route, problems }) => [
      `  ${printable(nameOf(route))}`,
      ...this.problems(problems, '    '),
    ]);
    const parts: string[] = [];
    if (misses.length > 0) parts.push(this.section('Closest', misses));
    if (waiting.length > 0) parts.push(this.section('Routes that are not attached', waiting));
    return parts.join('');
  }

  /** Objects that take no part. */
  leftOut(objects: readonly LeftOut[]): string {
    if (objects.length === 0) return '';
    const lines = objects.flatMap(({ object, problems }) => [
      `  ${printable(nameOf(object))}`,
      ...this.problems(problems, '    '),
    ]);
    return this.section('Left out, since the API server would refuse them', lines);
  }

  targetRows({
    share,
    weight,
    target,
    origin,
  }: {
    readonly share: number;
    readonly weight: number;
    readonly target: ExplainedTarget;
    readonly origin: Origin;
  }): string[][] {
    const title = target.kind === 'cluster' ? backendName(target.backend) : 'unresolved';
    const rows: string[][] = [['Backend', `${share}% (weight ${weight})  ${printable(title)}`, this.place(origin)]];
    if (target.kind !== 'cluster') return rows;
    const { usable, endpoints, protocol, tls, proxyProtocol, retryBudget } = target;
    const shown = endpoints.slice(0, 4).map(({ address, port }) => formatHostPort({ host: address, port }));
    const list =
      shown.length === 0
        ? 'none'
        : `${shown.join(', ')}${endpoints.length > 4 ? ` and ${endpoints.length - 4} more` : ''}`;
    rows.push(['', `endpoints: ${list}${usable === endpoints.length ? '' : ` (${usable} usable)`}, ${protocol}`]);
    if (tls !== undefined) rows.push(['', printable(tlsText(tls))]);
    if (tls !== undefined && tls.missing.length > 0)
      rows.push(['', this.paint.red(printable(`not there: ${tls.missing.map(materialText).join(', ')}`))]);
    if (proxyProtocol !== undefined)
      rows.push(['', `connections begin with a PROXY protocol header (${proxyProtocol})`]);
    if (retryBudget !== undefined) rows.push(['', budgetText(retryBudget)]);
    return rows;
  }

  #runnerUp(runnerUp: RunnerUp): string[] {
    const { lostAt, because } = runnerUp;
    const why = lostAt === 'virtual-host' ? 'the more specific host' : `${precedenceSteps[lostAt]}: ${because}`;
    return [this.#candidate(runnerUp), `      ${printable(`lost to ${why}`)}`];
  }

  misses(misses: readonly Miss[]): string[] {
    return misses.flatMap((miss) => this.#miss(miss));
  }

  #miss(miss: Miss): string[] {
    return [
      this.#candidate(miss),
      ...miss.failed.map((failed) => `      ${this.paint.yellow(printable(failureText(failed)))}`),
    ];
  }

  #candidate({ route, match, origin }: Candidate): string {
    return `  ${printable(match.protocol === 'stream' ? nameOf(route) : `${nameOf(route)}: ${matchText(match)}`)}  ${this.place(origin)}`.trimEnd();
  }
}

/** A bundle, or the Secret of a certificate. */
function materialText(key: string): string {
  return key.split('/').length > 2 ? bundleText(key) : `Secret ${key}`;
}
