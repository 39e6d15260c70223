// An exchange that is over, or a message that was no request -> counters, duration, and a line of the access log.
import type { Exchange } from './exchange.ts';
import type { Client } from './sides.ts';
import type { LiveFrontend } from './state.ts';
import type { Thread } from './thread.ts';

export function record(exchange: Exchange): void {
  const { thread, frontend, entry, status } = exchange;
  const duration = performance.now() - exchange.started;
  const series = entry === null ? (frontend?.unrouted ?? thread.unrouted) : entry.series;
  const codeClass = status === 499 ? 0 : Math.trunc(status / 100);
  series.responses[codeClass] = (series.responses[codeClass] as number) + 1;
  if (frontend !== null) {
    frontend.series.active--;
    frontend.series.observe(duration);
  }
  if (thread.log !== null) write(exchange, duration, frontend);
}

function write(exchange: Exchange, duration: number, frontend: LiveFrontend | null): void {
  const { thread, client, request, entry, endpoint, outgoing } = exchange;
  if (request === null) return;
  thread.log?.add({
    time: Date.now(),
    client: client.address,
    method: request.method,
    scheme: client.scheme,
    authority: request.authority,
    target: request.target,
    version: request.version,
    userAgent: exchange.userAgent,
    requestId: endpoint === null ? '' : outgoing.requestId,
    status: exchange.status,
    sent: exchange.octetsSent,
    received: exchange.octetsReceived,
    duration,
    listener: frontend?.row.key ?? '',
    route: entry?.series.route ?? '',
    upstream: endpoint === null ? '' : `${endpoint.endpoint.address}:${endpoint.endpoint.port}`,
    attempts: exchange.attempts,
    failure: exchange.failure,
  });
}

/** What could not be read as a request, or must not be served. @param reason a name of refusals.ts or the connection's own */
export function recordRefusal(thread: Thread, client: Client, status: number, reason: string): void {
  thread.metrics.refused(reason);
  thread.log?.add({
    time: Date.now(),
    client: client.address,
    method: '',
    scheme: client.scheme,
    authority: '',
    target: '',
    version: '',
    userAgent: undefined,
    requestId: '',
    status,
    sent: 0,
    received: 0,
    duration: 0,
    listener: '',
    route: '',
    upstream: '',
    attempts: 0,
    failure: reason,
  });
}
