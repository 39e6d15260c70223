// What `run` tells people: at first where everything is served, what attaches and what is wrong; later, for each change,
// what changed, how long it took, and what is newly wrong.
import type { KubeObject } from '../../api/objects.ts';
import type { BoundRoute } from '../../routing/bound.ts';
import type { Frontend } from '../../routing/model.ts';
import { nameOf, refKey } from '../../routing/origin.ts';
import { sentence } from '../../routing/problem-text.ts';
import type { FileChange } from '../../sources/files/source.ts';
import { compareText } from '../../support/sorted.ts';
import { refOf } from '../model/model.ts';
import type { Model } from '../model/model.ts';
import { formatHostPort, formatListener } from '../model/names.ts';
import { describe } from '../model/local-backends.ts';
import { countSeverities, everythingSaid, formatCounts, problemLines, severity } from '../said.ts';
import type { Said } from '../said.ts';
import { columns, printable } from '../terminal.ts';
import type { Paint } from '../terminal.ts';
import { trustAdvice } from './trust.ts';
import type { Placed } from './ports.ts';
import { tryLines } from './try-lines.ts';

export interface Serving {
  readonly model: Model;
  readonly placed: readonly Placed[];
  /** The file of the local authority, when it issued something. */
  readonly authority: string | undefined;
}

/** Rows and problems that are printed; the rest is counted. */
const maxRows = 40;
const maxProblems = 40;
const maxTries = 8;

export class Report {
  readonly #paint: Paint;
  readonly #write: (text: string) => void;
  #known = new Set<string>();

  constructor(paint: Paint, write: (text: string) => void) {
    this.#paint = paint;
    this.#write = write;
  }

  /** At the start. `took`: milliseconds. */
  opening(serving: Serving, took: number): void {
    const { source } = serving.model;
    const size = `${count(source.files().length, 'file')}, ${count(source.size, 'object')}`;
    const parts = [
      this.#paint.dim(`${size}, serving after ${seconds(took)}`),
      this.#listeners(serving),
      this.#routes(serving),
    ];
    parts.push(this.#presumed(serving), this.#notes(serving), this.#problems(serving));
    const lines = tryLines(serving.model.pipeline.tables, { limit: maxTries, authority: serving.authority });
    if (lines.length > 0) parts.push(this.#section('Try', lines.map((line) => `  ${printable(line)}`).join('\n')));
    this.#write(`${parts.filter((part) => part !== '').join('\n\n')}\n\n`);
  }

  /** Lines for a change on disk. `took`: milliseconds from the event to all workers serving it. */
  change(serving: Serving, change: FileChange | undefined, took: number): void {
    const said = everythingSaid(serving.model);
    const now = new Set(said.map(keyOf));
    const fresh = said.filter((one) => !this.#known.has(keyOf(one)) && severity(one) !== 'info');
    const solved = [...this.#known].filter((key) => !now.has(key)).length;
    this.#known = now;
    const lines: string[] = [];
    if (change !== undefined && change.applied.length + change.deleted.length > 0) {
      lines.push(`${this.#stamp()} ${printable(changed(change))} ${this.#paint.dim(`live in ${took.toFixed(1)} ms`)}`);
    } else if (fresh.length > 0 && change !== undefined) {
      lines.push(`${this.#stamp()} ${printable(change.files.slice(0, 3).join(', '))}`);
    }
    if (solved > 0) lines.push(this.#paint.green(`  ${count(solved, 'problem')} solved`));
    for (const one of fresh.slice(0, maxProblems)) lines.push(problemLines(one, serving.model.source, this.#paint));
    if (fresh.length > maxProblems) lines.push(`… and ${fresh.length - maxProblems} more`);
    if (lines.length > 0) this.#write(`${lines.join('\n')}\n`);
  }

  /** The local authority: how clients come to trust it, at length when it was made just now. */
  trust({ path, made }: { readonly path: string; readonly made: boolean }): void {
    const advice = trustAdvice(path).map((line) => `  ${line}`);
    const words = made ? 'A certificate authority was made for you. To trust it:' : `Certificates are from ${path}`;
    this.#write(`${[words, ...(made ? advice : [])].join('\n')}\n\n`);
  }

  /** Listeners that moved, came or went after the start. */
  moved(serving: Serving): void {
    this.#write(`${this.#listeners(serving)}\n`);
  }

  say(text: string): void {
    this.#write(`${this.#stamp()} ${text}\n`);
  }

  #stamp(): string {
    return this.#paint.dim(new Date().toTimeString().slice(0, 8));
  }

  #section(title: string, body: string): string {
    return `${this.#paint.bold(title)}\n${body.trimEnd()}`;
  }

  #listeners({ model, placed }: Serving): string {
    const { tables } = model.pipeline;
    const rows: string[][] = [];
    for (const { bind, address, port, wanted } of placed) {
      for (const key of tables.binds.get(bind)?.frontends ?? []) {
        const frontend = tables.frontends.get(key);
        if (frontend === undefined) continue;
        const url = `${schemes[frontend.protocol]}://${formatHostPort({ host: address, port })}`;
        const routes = count(tables.attached.get(key)?.length ?? 0, 'route');
        const failed = tables.reports.get(bind)?.state === 'failed';
        const moved = port === wanted ? '' : this.#paint.yellow(`port ${wanted} was taken`);
        rows.push([
          printable(formatListener(key)),
          `:${frontend.port}`,
          this.#paint.cyan(url),
          printable(frontend.hostname || '*'),
          routes,
          failed ? this.#paint.red('not open') : moved,
        ]);
      }
    }
    if (rows.length > 0) return this.#section('Listeners', this.#rows(rows));
    return this.#paint.yellow('Nothing is served: no Gateway in these files has a listener that can be.');
  }

  #routes({ model }: Serving): string {
    const { routes } = model.pipeline.tables;
    const rows: string[][] = [];
    for (const key of [...routes.keys()].toSorted(compareText)) {
      const route = routes.get(key);
      if (rows.length > maxRows || route === undefined) continue;
      rows.push([printable(nameOf(route.written)), this.#attachment(route)]);
    }
    if (rows.length === 0) return '';
    return this.#section('Routes', this.#rows(rows, routes.size));
  }

  #attachment(route: BoundRoute): string {
    const frontends = new Set(route.parents.flatMap(({ attachments }) => attachments.map(({ frontend }) => frontend)));
    if (frontends.size > 0) return printable([...frontends].map(formatListener).join(', '));
    const problem = route.parents.flatMap(({ problems }) => problems)[0] ?? route.problems[0];
    return this.#paint.red(`not attached${problem === undefined ? '' : `: ${printable(problem.code)}`}`);
  }

  #presumed({ model }: Serving): string {
    const rows = model.pipeline.presumed().map(({ ref, because }) => [nameOf(ref), because]);
    for (const object of model.outside()) {
      if (object.kind === 'Service') rows.push([nameOf(refOf(object)), standIn(model, object)]);
      if (object.kind === 'Secret') rows.push([nameOf(refOf(object)), 'issued by the local authority']);
      if (object.kind === 'ConfigMap') rows.push([nameOf(refOf(object)), 'the local authority']);
    }
    if (rows.length === 0) return '';
    return this.#section('Presumed', this.#rows(rows.map((row) => row.map(printable))));
  }

  /** What the flags and files asked for in vain. */
  #notes({ model }: Serving): string {
    const lines: string[] = [];
    for (const backend of model.backends.unused(model.view())) {
      lines.push(
        `--backend ${describe(backend)}: no route names this Service${otherNamespace(model, backend.service)}`,
      );
    }
    for (const backend of model.backends.unresolved())
      lines.push(`--backend ${describe(backend)}: the host has no address yet`);
    const polled = model.source.polled();
    if (polled.length > 0)
      lines.push(`the system watches no more folders: ${polled.length} are looked at every second`);
    const skipped = model.source.skipped();
    if (skipped.length > 0) {
      const shown = skipped.slice(0, 3).join(', ');
      lines.push(`not for Kubernetes: ${shown}${skipped.length > 3 ? ` and ${skipped.length - 3} more` : ''}`);
    }
    return lines.map((line) => `${this.#paint.yellow('note')} ${printable(line)}`).join('\n');
  }

  #problems({ model }: Serving): string {
    const all = everythingSaid(model);
    this.#known = new Set(all.map(keyOf));
    const shown = all.filter((one) => severity(one) !== 'info');
    if (shown.length === 0) return '';
    const lines = shown.slice(0, maxProblems).map((one) => problemLines(one, model.source, this.#paint));
    if (shown.length > maxProblems) lines.push(`… and ${shown.length - maxProblems} more: portolan lint shows all`);
    return `${this.#section('Problems', lines.join('\n'))}\n${formatCounts(countSeverities(all))}`;
  }

  #rows(rows: readonly (readonly string[])[], total = rows.length): string {
    const text = columns(rows.slice(0, maxRows), '  ');
    return total > maxRows ? `${text}  … and ${total - maxRows} more` : text;
  }
}

const schemes: Readonly<Record<Frontend['protocol'], string>> = {
  HTTP: 'http',
  HTTPS: 'https',
  TLS: 'tls',
  TCP: 'tcp',
  UDP: 'udp',
};

function keyOf({ problem, location }: Said): string {
  const file = problem.at.object.kind === 'File' ? `${location?.file}:${location?.line}` : '';
  return `${problem.code} ${refKey(problem.at.object)} ${problem.at.path} ${file} ${sentence(problem)}`;
}

function standIn(model: Model, service: KubeObject): string {
  const { namespace = '', name } = service.metadata;
  return model.backends.covers(`${namespace}/${name}`) ? '--backend says where it is' : 'answered by --echo';
}

function otherNamespace(model: Model, service: string): string {
  const found = [...model.view().wanted.keys()].filter((name) => name.endsWith(`/${service}`));
  return found.length === 0 ? '' : `; did you mean ${found.slice(0, 3).join(' or ')}?`;
}

function changed({ applied, deleted }: FileChange): string {
  const names = [
    ...applied.map((object) => nameOf(refOf(object))),
    ...deleted.map((object) => `${nameOf(refOf(object))} removed`),
  ];
  return names.length <= 3 ? names.join(', ') : `${names.slice(0, 2).join(', ')} and ${names.length - 2} more`;
}

function count(number: number, noun: string): string {
  return `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`;
}

function seconds(milliseconds: number): string {
  return milliseconds < 1000 ? `${milliseconds.toFixed(0)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}
