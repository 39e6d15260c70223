// An exchange that is over, or a message that was no request -> counters, duration, and a line of the access log.
import net from 'node:net';
import { performance } from 'node:perf_hooks';
import type { Exchange } from './exchange.ts';
import type { Client, IncomingRequest } from './sides.ts';
import type { LiveFrontend } from './state.ts';
import type { Thread } from './thread.ts';

/** What the log wants to know of a request whose fields are gone by then. */
export interface Notes {
  readonly userAgent: string | undefined;
  /** Of the client, seen through the trusted proxies in front. */
  readonly address: string;
}

export function notesOf(request: IncomingRequest, client: Client, trustedHops: number): Notes {
  const userAgent = request.field('user-agent');
  const sources = trustedHops > 0 ? request.field('x-forwarded-for') : undefined;
  if (sources === undefined) return { userAgent, address: client.address };
  // The last was written by the proxy that we speak to, the one before it by the proxy before that.
  const addresses = sources.split(',');
  const address = addresses[Math.max(0, addresses.length - trustedHops)]?.trim() ?? '';
  return { userAgent, address: net.isIP(address) === 0 ? client.address : address };
}

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
  const { thread, client, request, entry, endpoint, outgoing, notes } = exchange;
  if (request === null) return;
  thread.log?.add({
    time: Date.now(),
    client: notes?.address ?? client.address,
    method: request.method,
    scheme: client.scheme,
    authority: request.authority,
    target: request.target,
    version: request.version,
    userAgent: notes?.userAgent,
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
    detail: exchange.detail,
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
    detail: '',
  });
}
