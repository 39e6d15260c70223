// What explain found → text: who answers, why that match and not another, and what is sent on.
import { describe } from '../routing/problem-text.ts';
import type { Filter, HeaderValue } from '../routing/filters.ts';
import { precedenceSteps } from '../routing/match/precedence.ts';
import type { Match, ValueMatch } from '../routing/model.ts';
import type { Origin } from '../routing/origin.ts';
import { nameOf } from '../routing/origin.ts';
import type { Problem } from '../routing/problem.ts';
import type { FileSource } from '../sources/files/source.ts';
import type {
  Answer,
  Candidate,
  ExplainedBackend,
  ExplainedRule,
  Explanation,
  FailedCondition,
  Miss,
  NotFound,
  Outcome,
  RunnerUp,
  Taken,
  Unreachable,
} from '../tools/explain/explanation.ts';
import { formatHostPort } from './model/names.ts';
import { formatLocation } from './said.ts';
import { columns, printable } from './terminal.ts';
import type { Paint } from './terminal.ts';

export interface ExplainPage {
  readonly paint: Paint;
  readonly width: number;
  readonly source: FileSource;
}

export function explanationText(explanation: Explanation, page: ExplainPage): string {
  return new ExplanationText(page).all(explanation);
}

class ExplanationText {
  readonly #paint: Paint;
  readonly #source: FileSource;

  constructor({ paint, source }: ExplainPage) {
    this.#paint = paint;
    this.#source = source;
  }

  all({ request, answers, unreachable }: Explanation): string {
    const { method, scheme, authority, target, sni } = request;
    const parts = [
      `${this.#paint.bold(printable(`${method} ${scheme}://${authority}${target}`))}${sni === undefined ? '' : this.#paint.dim(printable(`  SNI ${sni}`))}`,
    ];
    for (const note of request.notes) parts.push(this.#paint.dim(`  ${printable(note)}`));
    const text = `${parts.join('\n')}\n`;
    if (unreachable !== undefined) return `${text}\n${this.#unreachable(unreachable)}`;
    return text + answers.map((answer) => `\n${this.#answer(answer)}`).join('');
  }

  #unreachable({ reason, ports, unserved }: Unreachable): string {
    const words = {
      'no-gateway': 'No Gateway is served.',
      'no-such-gateway': 'There is no such Gateway.',
      'no-such-port': 'No Gateway listens on that port.',
    } as const;
    const lines = [this.#paint.red(words[reason])];
    for (const { gateway, port, placement, security } of ports) {
      const local = placement === undefined ? '' : ` (locally ${placement.port})`;
      lines.push(printable(`  ${nameOf(gateway)} listens on ${port}${local}${security === 'tls' ? ' with TLS' : ''}`));
    }
    for (const { gateway, port, name, problems } of unserved) {
      lines.push(
        printable(`  ${nameOf(gateway)} listener ${name} on ${port} is not served`),
        ...this.#problems(problems, '    '),
      );
    }
    return `${lines.join('\n')}\n`;
  }

  #answer(answer: Answer): string {
    const { bind, gateway, listeners, virtualHosts, outcome } = answer;
    const local =
      bind.placement === undefined
        ? ''
        : `, served at ${formatHostPort({ host: bind.placement.address, port: bind.placement.port })}`;
    const rows: string[][] = [['Gateway', `${nameOf(gateway)}, port ${bind.port}${local}`]];
    for (const { name, hostname, verdict, origin, problems } of listeners) {
      if (verdict !== 'serves' && outcome.kind === 'taken') continue;
      const why = {
        serves: '',
        'less-specific': 'less specific',
        'other-host': 'other host',
        'not-served': 'not served',
      } as const;
      const reason = problems.map((problem) => describe(problem).message).join('; ');
      const verdictText = [why[verdict], reason].filter((part) => part !== '').join(': ');
      rows.push([
        'Listener',
        `${name} for ${hostname || 'every host'}${verdictText === '' ? '' : ` (${verdictText})`}`,
        this.#place(origin),
      ]);
    }
    for (const { hostname, entries, took } of virtualHosts) {
      if (took || outcome.kind !== 'taken')
        rows.push(['Host', `${hostname || '*'}, ${entries} match${entries === 1 ? '' : 'es'}`]);
    }
    return `${this.#table(rows)}${this.#outcome(outcome)}`;
  }

  #outcome(outcome: Outcome): string {
    const { red } = { red: (text: string): string => `${this.#paint.red(printable(text))}\n` };
    switch (outcome.kind) {
      case 'taken':
        return this.#taken(outcome);
      case 'not-found':
        return this.#notFound(outcome);
      case 'refused':
        return red(`400: ${outcome.reason}`);
      case 'wrong-scheme':
        return red(
          outcome.security === 'tls'
            ? 'The port speaks TLS: ask with https://'
            : 'The port speaks no TLS: ask with http://',
        );
      case 'no-handshake':
        return red(`No TLS handshake: no listener covers ${outcome.sni ?? 'a client without a server name'}`);
      default:
        return red(`421: the connection belongs to ${outcome.connection}, the host to ${outcome.owner}`);
    }
  }

  #taken({ winner, announced, runnersUp, runnersUpTotal, nearMisses, rule }: Taken): string {
    const rows = [
      ['Route', printable(nameOf(winner.route)), this.#place(winner.origin)],
      ['Match', printable(matchText(winner.match))],
    ];
    if (announced !== undefined) rows.push(['', `judged as the ${announced} that the preflight announces`]);
    if (winner.ruleName !== undefined) rows.push(['Rule', printable(winner.ruleName)]);
    const parts = [this.#table(rows), this.#rule(rule)];
    if (runnersUp.length > 0) {
      const more = runnersUpTotal > runnersUp.length ? [`  … and ${runnersUpTotal - runnersUp.length} more`] : [];
      parts.push(this.#section('Also match, and lost', [...runnersUp.flatMap((one) => this.#runnerUp(one)), ...more]));
    }
    if (nearMisses.length > 0)
      parts.push(
        this.#section(
          'Would have won',
          nearMisses.flatMap((one) => this.#miss(one)),
        ),
      );
    return parts.join('');
  }

  #notFound({ reason, closest, unattached }: NotFound): string {
    const words = {
      'no-listener': 'no listener of the port covers the host',
      'no-virtual-host': 'no attached route has the host',
      'no-match': 'no match of any route takes it',
    } as const;
    const parts = [`${this.#paint.red(`404: ${words[reason]}`)}\n`];
    if (closest.length > 0)
      parts.push(
        this.#section(
          'Closest',
          closest.flatMap((miss) => this.#miss(miss)),
        ),
      );
    const waiting = unattached.flatMap(({ route, problems }) => [
      `  ${printable(nameOf(route))}`,
      ...this.#problems(problems, '    '),
    ]);
    if (waiting.length > 0) parts.push(this.#section('Routes that are not attached', waiting));
    return parts.join('');
  }

  #rule({ filters, timeouts, retry, action, policies }: ExplainedRule): string {
    const rows: string[][] = filters.map((filter) => [
      'Filter',
      printable(filterText(filter)),
      this.#place(filter.origin),
    ]);
    const limits = [
      timeouts.request === undefined ? '' : `request ${timeouts.request} ms`,
      timeouts.backendRequest === undefined ? '' : `each try ${timeouts.backendRequest} ms`,
      retry === undefined ? '' : `${retry.attempts} retries on ${retry.codes.join(', ') || 'connection errors'}`,
    ].filter((part) => part !== '');
    if (limits.length > 0) rows.push(['Limits', limits.join(', ')]);
    for (const { policy, level, override, default: fallback, origin } of policies) {
      const values = [valuesText('override', override), valuesText('default', fallback)]
        .filter((part) => part !== '')
        .join(', ');
      rows.push([
        'Policy',
        printable(`${nameOf(policy)} on the ${level}: ${values} (no effect yet)`),
        this.#place(origin),
      ]);
    }
    switch (action.kind) {
      case 'redirect': {
        const { declared, local } = action.port;
        const port = declared === local ? '' : `  (port ${declared}, locally ${local})`;
        rows.push([
          'Answer',
          printable(`${action.status}, Location: ${action.location}${port}`),
          this.#place(action.origin),
        ]);
        return this.#table(rows);
      }
      case 'preflight': {
        const verdict = action.allowed ? 'the origin is allowed' : 'the origin is not allowed';
        rows.push(['Answer', `${action.status}: ${verdict}`, this.#place(action.origin)]);
        for (const header of action.headers) rows.push(['', printable(headerText(header))]);
        return this.#table(rows);
      }
      case 'respond':
        rows.push(['Answer', this.#paint.red(String(action.status))]);
        return (
          this.#table(rows) +
          (action.problem === undefined ? '' : `${this.#problems([action.problem], '  ').join('\n')}\n`)
        );
      default: {
        if (action.status !== undefined)
          rows.push(['Answer', this.#paint.red(`${action.status}: no backend has a share`)]);
        return this.#table(rows) + action.backends.map((backend) => this.#backend(backend)).join('');
      }
    }
  }

  #backend(backend: ExplainedBackend): string {
    const { share, weight, target, status, filters, request, response, mirrors, origin } = backend;
    const title = target.kind === 'cluster' ? backendName(target.backend) : 'unresolved';
    const rows: string[][] = [['Backend', `${share}% (weight ${weight})  ${printable(title)}`, this.#place(origin)]];
    if (target.kind === 'cluster') {
      const { usable, endpoints, protocol } = target;
      const shown = endpoints.slice(0, 4).map(({ address, port }) => formatHostPort({ host: address, port }));
      const list =
        shown.length === 0
          ? 'none'
          : `${shown.join(', ')}${endpoints.length > 4 ? ` and ${endpoints.length - 4} more` : ''}`;
      rows.push(['', `endpoints: ${list}${usable === endpoints.length ? '' : ` (${usable} usable)`}, ${protocol}`]);
    }
    if (status !== undefined) rows.push(['', this.#paint.red(`answers ${status}`)]);
    for (const filter of filters)
      rows.push(['', `filter: ${printable(filterText(filter))}`, this.#place(filter.origin)]);
    if (share > 0 && status === undefined) {
      rows.push(['', printable(`sends ${request.method} ${request.path} to host ${request.authority}`)]);
      for (const header of request.headers) rows.push(['', this.#paint.dim(printable(headerText(header)))]);
    }
    const effects = [
      ...response.removed.map((name) => `-${name}`),
      ...response.added.map((header) => `+${headerText(header)}`),
    ];
    if (effects.length > 0) rows.push(['', `response: ${printable(effects.join(', '))}`]);
    for (const { cluster, percent } of mirrors) rows.push(['', `mirrors ${percent}% to ${printable(cluster)}`]);
    const tail = target.kind === 'unresolved' ? `${this.#problems([target.problem], '    ').join('\n')}\n` : '';
    return this.#table(rows) + tail;
  }

  #runnerUp(runnerUp: RunnerUp): string[] {
    const step = runnerUp.lostAt === 'virtual-host' ? 'the more specific host' : precedenceSteps[runnerUp.lostAt];
    return [this.#candidate(runnerUp), `      ${printable(`lost to ${step}: ${runnerUp.because}`)}`];
  }

  #miss(miss: Miss): string[] {
    return [
      this.#candidate(miss),
      ...miss.failed.map((failed) => `      ${this.#paint.yellow(printable(failureText(failed)))}`),
    ];
  }

  #candidate({ route, match, origin }: Candidate): string {
    return `  ${printable(`${nameOf(route)}: ${matchText(match)}`)}  ${this.#place(origin)}`.trimEnd();
  }

  #problems(problems: readonly Problem[], indent: string): string[] {
    return problems.flatMap((problem) => {
      const { message, fix } = describe(problem);
      const place = this.#place(problem.at);
      const first = `${indent}${printable(message)}${place === '' ? '' : `  ${place}`}`;
      return fix === undefined ? [first] : [first, `${indent}${this.#paint.green('fix:')} ${printable(fix)}`];
    });
  }

  #place(origin: Origin): string {
    const location = this.#source.locate(origin.object, origin.path);
    return location === undefined ? '' : this.#paint.dim(printable(formatLocation(location)));
  }

  #table(rows: readonly (readonly string[])[]): string {
    const padded = rows.map(([label = '', ...cells]) => [this.#paint.bold(label.padEnd(8)), ...cells]);
    return columns(padded, '', '  ');
  }

  #section(title: string, lines: readonly string[]): string {
    return `\n${this.#paint.bold(title)}\n${lines.join('\n')}\n`;
  }
}

function backendName({
  kind,
  namespace,
  name,
  port,
}: {
  kind: string;
  namespace: string;
  name: string;
  port: number;
}): string {
  return `${kind} ${namespace}/${name}:${port}`;
}

/** `path prefix /cart, header x-version = next`. */
function matchText({ path, method, headers, query }: Match): string {
  const paths = { exact: 'path', prefix: 'path prefix', regex: 'path like', 'grpc-method': 'gRPC method' } as const;
  const parts = [`${paths[path.type]} ${path.value}`];
  if (method !== undefined) parts.push(`method ${method}`);
  for (const header of headers) parts.push(valueText('header', header));
  for (const parameter of query) parts.push(valueText('query', parameter));
  return parts.join(', ');
}

function valueText(what: string, { type, name, value }: ValueMatch): string {
  return `${what} ${name} ${type === 'exact' ? '=' : 'like'} ${value}`;
}

function failureText(failed: FailedCondition): string {
  switch (failed.condition) {
    case 'header':
    case 'query': {
      const like = failed.type === 'exact' ? '=' : 'like';
      const actual = failed.actual === undefined ? 'there is none' : `it is ${failed.actual}`;
      return `${failed.condition} ${failed.name} ${like} ${failed.expected}: ${actual}`;
    }
    case 'path':
      return `path ${failed.type} ${failed.expected}: it is ${failed.actual}`;
    default:
      return `${failed.condition} ${failed.expected}: it is ${failed.actual}`;
  }
}

function filterText(filter: Filter): string {
  switch (filter.kind) {
    case 'request-headers':
    case 'response-headers': {
      const { set, add, remove } = filter;
      const changes = [
        ...set.map((header) => `set ${headerText(header)}`),
        ...add.map((header) => `add ${headerText(header)}`),
        ...remove.map((name) => `remove ${name}`),
      ];
      return `${filter.kind === 'request-headers' ? 'request' : 'response'} headers: ${changes.join(', ')}`;
    }
    case 'rewrite': {
      const { hostname, path } = filter;
      const changes = [hostname === undefined ? '' : `host ${hostname}`, path === undefined ? '' : pathText(path)];
      return `rewrite ${changes.filter((part) => part !== '').join(', ')}`;
    }
    case 'mirror':
      return `mirror ${filter.numerator} of ${filter.denominator} to ${filter.cluster}`;
    case 'cors':
      return `CORS for ${filter.allowOrigins.join(', ') || 'no origin'}`;
    default:
      return `ask ${filter.cluster ?? 'nobody (refused)'} over ${filter.check.protocol}`;
  }
}

function pathText(path: NonNullable<Extract<Filter, { kind: 'rewrite' }>['path']>): string {
  switch (path.type) {
    case 'full':
      return `path to ${path.value}`;
    case 'prefix':
      return `prefix ${path.prefix} to ${path.value || '/'}`;
    default:
      return `path like ${path.pattern} to ${path.value}`;
  }
}

function headerText({ name, value }: HeaderValue): string {
  return `${name}: ${value}`;
}

function valuesText(name: string, values: Readonly<Record<string, unknown>>): string {
  return Object.keys(values).length === 0 ? '' : `${name} ${JSON.stringify(values)}`;
}
