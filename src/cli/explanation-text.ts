// What explain found → text: who answers or gets the connection, why that route and not another, and what is sent on.
import { describe } from '../routing/problem-text.ts';
import { nameOf } from '../routing/origin.ts';
import type { FileSource } from '../sources/files/source.ts';
import type {
  Answer,
  ExplainedBackend,
  ExplainedRule,
  Explanation,
  NotFound,
  Outcome,
  StreamExplanation,
  Taken,
  Unreachable,
} from '../tools/explain/explanation.ts';
import { ExplanationPage } from './explanation-page.ts';
import { streamText } from './explanation-streams.ts';
import {
  clientsText,
  clusterText,
  filterText,
  headerText,
  matchText,
  sessionText,
  valuesText,
} from './explanation-words.ts';
import { formatHostPort } from './model/names.ts';
import { printable } from './terminal.ts';
import type { Paint } from './terminal.ts';

export interface ExplainPage {
  readonly paint: Paint;
  readonly width: number;
  readonly source: FileSource;
}

export function explanationText(explanation: Explanation | StreamExplanation, page: ExplainPage): string {
  const text = new ExplanationText(page);
  return 'request' in explanation ? text.ofRequest(explanation) : text.ofConnection(explanation);
}

class ExplanationText {
  readonly #paint: Paint;
  readonly #page: ExplanationPage;

  constructor({ paint, source }: ExplainPage) {
    this.#paint = paint;
    this.#page = new ExplanationPage(paint, source);
  }

  ofRequest({ request, answers, unreachable, leftOut }: Explanation): string {
    const { method, scheme, authority, target, sni, notes } = request;
    const title = this.#title(`${method} ${scheme}://${authority}${target}`, sni, notes);
    const body =
      unreachable === undefined
        ? answers.map((answer) => `\n${this.#answer(answer, this.#outcome(answer.outcome))}`).join('')
        : `\n${this.#unreachable(unreachable)}`;
    return title + body + this.#page.leftOut(leftOut);
  }

  ofConnection({ connection, answers, unreachable, leftOut }: StreamExplanation): string {
    const { scheme, host, port, sni, notes } = connection;
    const title = this.#title(`${scheme}://${formatHostPort({ host, port })}`, sni, notes);
    const body =
      unreachable === undefined
        ? answers
            .map((answer) => `\n${this.#answer(answer, streamText(this.#page, answer.outcome, scheme === 'udp'))}`)
            .join('')
        : `\n${this.#unreachable(unreachable)}`;
    return title + body + this.#page.leftOut(leftOut);
  }

  #title(asked: string, sni: string | undefined, notes: readonly string[]): string {
    const name = sni === undefined ? '' : this.#paint.dim(printable(`  SNI ${sni}`));
    const lines = [`${this.#paint.bold(printable(asked))}${name}`];
    for (const note of notes) lines.push(this.#paint.dim(`  ${printable(note)}`));
    return `${lines.join('\n')}\n`;
  }

  #unreachable({ reason, ports, unserved }: Unreachable): string {
    const words = {
      'no-gateway': 'No Gateway is served.',
      'no-such-gateway': 'There is no such Gateway.',
      'no-such-port': 'No Gateway listens on that port.',
    } as const;
    const lines = [this.#paint.red(words[reason])];
    for (const { gateway, port, placement, transport, security } of ports) {
      const local = placement === undefined || placement.port === port ? '' : ` (locally ${placement.port})`;
      const how = transport === 'udp' ? ' (UDP)' : security === 'tls' ? ' with TLS' : '';
      lines.push(printable(`  ${nameOf(gateway)} listens on ${port}${local}${how}`));
    }
    for (const { owner, port, name, problems } of unserved) {
      lines.push(
        printable(`  ${nameOf(owner)} listener ${name} on ${port} is not served`),
        ...this.#page.problems(problems, '    '),
      );
    }
    return `${lines.join('\n')}\n`;
  }

  /** @param outcome in words */
  #answer(answer: Omit<Answer, 'outcome'> & { readonly outcome: { readonly kind: string } }, outcome: string): string {
    const { bind, gateway, virtualHosts } = answer;
    const isTaken = answer.outcome.kind === 'taken' || answer.outcome.kind === 'carried';
    const local =
      bind.placement === undefined
        ? ''
        : `, served at ${formatHostPort({ host: bind.placement.address, port: bind.placement.port })}`;
    const transport = bind.transport === 'udp' ? 'UDP port' : 'port';
    const rows: string[][] = [['Gateway', `${nameOf(gateway)}, ${transport} ${bind.port}${local}`]];
    if (bind.proxyProtocol === true)
      rows.push([
        '',
        `every ${bind.transport === 'udp' ? 'datagram' : 'connection'} has to begin with a PROXY protocol header`,
      ]);
    rows.push(...this.#listenerRows(answer, isTaken));
    for (const { hostname, entries, took } of virtualHosts) {
      // Where there are no names there is nothing to say of them.
      if (bind.security === 'none' && answer.outcome.kind === 'carried') continue;
      if (took || !isTaken) rows.push(['Host', `${hostname || '*'}, ${entries} match${entries === 1 ? '' : 'es'}`]);
    }
    return `${this.#page.table(rows)}${outcome}`;
  }

  /** Of one that takes it all that it does before a route is looked for; of the others why they do not. */
  #listenerRows({ gateway, listeners }: Omit<Answer, 'outcome'>, isTaken: boolean): string[][] {
    const why = {
      serves: '',
      'less-specific': 'less specific',
      'other-host': 'other host',
      'not-served': 'not served',
    };
    const rows: string[][] = [];
    for (const listener of listeners) {
      const { name, owner, hostname, protocol, verdict, origin, problems, clients, filters = [] } = listener;
      if (verdict !== 'serves' && isTaken) continue;
      const reason = problems.map((problem) => describe(problem).message).join('; ');
      const verdictText = [why[verdict], reason].filter((part) => part !== '').join(': ');
      const of = owner.kind === gateway.kind && owner.name === gateway.name ? '' : ` of ${nameOf(owner)}`;
      const takes = protocol === 'TCP' || protocol === 'UDP' ? `for ${protocol}` : `for ${hostname || 'every host'}`;
      const passes = listener.tls === 'passthrough' ? ', TLS passes through' : '';
      const text = `${name}${of} ${takes}${passes}${verdictText === '' ? '' : ` (${verdictText})`}`;
      rows.push(['Listener', printable(text), this.#page.place(origin)]);
      if (verdict !== 'serves') continue;
      if (clients !== undefined) rows.push(['', printable(`clients ${clientsText(clients)}`)]);
      for (const filter of filters)
        rows.push(['', `first: ${printable(filterText(filter))}`, this.#page.place(filter.origin)]);
    }
    return rows;
  }

  #outcome(outcome: Outcome): string {
    const red = (text: string): string => `${this.#paint.red(printable(text))}\n`;
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
      case 'stream':
        return streamText(this.#page, outcome.outcome, false);
      default:
        return red(`421: the connection belongs to ${outcome.connection}, the host to ${outcome.owner}`);
    }
  }

  #taken({ winner, announced, runnersUp, runnersUpTotal, nearMisses, rule }: Taken): string {
    const rows = [
      ['Route', printable(nameOf(winner.route)), this.#page.place(winner.origin)],
      ['Match', printable(matchText(winner.match))],
    ];
    if (announced !== undefined) rows.push(['', `judged as the ${announced} that the preflight announces`]);
    if (winner.ruleName !== undefined) rows.push(['Rule', printable(winner.ruleName)]);
    const parts = [this.#page.table(rows), this.#rule(rule)];
    parts.push(this.#page.losers(runnersUp, runnersUpTotal, 'Also match, and lost'));
    if (nearMisses.length > 0) parts.push(this.#page.section('Would have won', this.#page.misses(nearMisses)));
    return parts.join('');
  }

  #notFound(outcome: NotFound): string {
    const words = {
      'no-listener': 'no listener of the port covers the host',
      'no-virtual-host': 'no attached route has the host',
      'no-match': 'no match of any route takes it',
    } as const;
    return `${this.#paint.red(`404: ${words[outcome.reason]}`)}\n${this.#page.others(outcome)}`;
  }

  #rule({ filters, timeouts, retry, action, policies }: ExplainedRule): string {
    const rows: string[][] = filters.map((filter) => [
      'Filter',
      printable(filterText(filter)),
      this.#page.place(filter.origin),
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
        this.#page.place(origin),
      ]);
    }
    switch (action.kind) {
      case 'redirect': {
        const { declared, local } = action.port;
        const port = declared === local ? '' : `  (port ${declared}, locally ${local})`;
        rows.push([
          'Answer',
          printable(`${action.status}, Location: ${action.location}${port}`),
          this.#page.place(action.origin),
        ]);
        return this.#page.table(rows);
      }
      case 'preflight': {
        const verdict = action.allowed ? 'the origin is allowed' : 'the origin is not allowed';
        rows.push(['Answer', `${action.status}: ${verdict}`, this.#page.place(action.origin)]);
        for (const header of action.headers) rows.push(['', printable(headerText(header))]);
        return this.#page.table(rows);
      }
      case 'respond':
        rows.push(['Answer', this.#paint.red(String(action.status))]);
        return (
          this.#page.table(rows) +
          (action.problem === undefined ? '' : `${this.#page.problems([action.problem], '  ').join('\n')}\n`)
        );
      default: {
        if (action.status !== undefined)
          rows.push(['Answer', this.#paint.red(`${action.status}: no backend has a share`)]);
        return this.#page.table(rows) + action.backends.map((backend) => this.#backend(backend)).join('');
      }
    }
  }

  #backend(backend: ExplainedBackend): string {
    const { share, target, status, filters, session, request, response, mirrors } = backend;
    const rows = this.#page.targetRows(backend);
    if (status !== undefined) rows.push(['', this.#paint.red(`answers ${status}`)]);
    if (session !== undefined) rows.push(['', printable(sessionText(session))]);
    for (const filter of filters)
      rows.push(['', `filter: ${printable(filterText(filter))}`, this.#page.place(filter.origin)]);
    if (share > 0 && status === undefined) {
      rows.push(['', printable(`sends ${request.method} ${request.path} to host ${request.authority}`)]);
      for (const header of request.headers) rows.push(['', this.#paint.dim(printable(headerText(header)))]);
    }
    const effects = [
      ...response.removed.map((name) => `-${name}`),
      ...response.added.map((header) => `+${headerText(header)}`),
    ];
    if (effects.length > 0) rows.push(['', `response: ${printable(effects.join(', '))}`]);
    for (const { cluster, percent } of mirrors)
      rows.push(['', `mirrors ${percent}% to ${printable(clusterText(cluster))}`]);
    const tail = target.kind === 'unresolved' ? `${this.#page.problems([target.problem], '    ').join('\n')}\n` : '';
    return this.#page.table(rows) + tail;
  }
}
