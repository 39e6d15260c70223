// What explain found about a connection, or the datagrams of a client → text: the route that carries it and the backends that get
// it, or why nobody does.
import { nameOf } from '../routing/origin.ts';
import type { Carried, StreamBackend, StreamOutcome } from '../tools/explain/explanation.ts';
import type { ExplanationPage } from './explanation-page.ts';
import { printable } from './terminal.ts';

/** @param datagrams are dropped where connections are closed */
export function streamText(page: ExplanationPage, outcome: StreamOutcome, datagrams: boolean): string {
  const red = (text: string): string => `${page.paint.red(printable(text))}\n`;
  switch (outcome.kind) {
    case 'carried':
      return carriedText(page, outcome, datagrams);
    case 'other-scheme': {
      const what = outcome.listener === undefined ? 'The port' : `Listener ${outcome.listener}`;
      const speaks = { http: 'HTTP', https: 'HTTPS', tls: 'TLS', tcp: 'TCP without TLS' } as const;
      return red(`${what} speaks ${speaks[outcome.scheme]}: ask with ${outcome.scheme}://`);
    }
    default: {
      const words = {
        'no-listener': 'no listener of the port takes the server name',
        'no-virtual-host': 'no route for it is attached',
        'no-route': 'no route for it is attached',
      } as const;
      return red(`${datagrams ? 'Dropped' : 'Closed'}: ${words[outcome.reason]}`) + page.others(outcome);
    }
  }
}

function carriedText(page: ExplanationPage, carried: Carried, datagrams: boolean): string {
  const { tls, winner, runnersUp, runnersUpTotal, backends } = carried;
  const rows = [['Route', printable(nameOf(winner.route)), page.place(winner.origin)]];
  if (tls !== 'none')
    rows.push(['TLS', tls === 'passthrough' ? 'is left to the backend' : 'ends here, and what is inside is carried']);
  const parts = [page.table(rows), ...backends.map((backend) => backendText(page, backend, datagrams))];
  if (backends.every(({ share }) => share === 0))
    parts.push(`${page.paint.red(`${datagrams ? 'Dropped' : 'Closed'}: no backend has a share`)}\n`);
  return parts.join('') + page.losers(runnersUp, runnersUpTotal, 'Would take it too, and lost');
}

function backendText(page: ExplanationPage, backend: StreamBackend, datagrams: boolean): string {
  const { target, closed } = backend;
  const rows = page.targetRows(backend);
  if (closed) rows.push(['', page.paint.red(datagrams ? 'its datagrams are dropped' : 'its connections are closed')]);
  const tail = target.kind === 'unresolved' ? `${page.problems([target.problem], '    ').join('\n')}\n` : '';
  return page.table(rows) + tail;
}
