// A stream or flow that is over -> counters, and a line of the access log.
import { performance } from 'node:perf_hooks';
import type { LiveEndpoint } from '../balance.ts';
import type { Client } from '../sides.ts';
import type { LiveEntry, LiveFrontend } from '../state.ts';
import type { Thread } from '../thread.ts';

export interface StreamRecord {
  readonly client: Pick<Client, 'address'>;
  readonly scheme: 'tcp' | 'tls' | 'udp';
  /** Server name, '' if none. */
  readonly name: string;
  /** Of performance.now(). */
  readonly started: number;
  /** Octets to the client, and from it. */
  readonly sent: number;
  readonly received: number;
  readonly frontend: LiveFrontend;
  readonly entry: LiveEntry | undefined;
  readonly endpoint: LiveEndpoint | null;
  readonly attempts: number;
  readonly failure: string;
  readonly detail: string;
}

export function recordStream(thread: Thread, stream: StreamRecord): void {
  const { frontend, entry, endpoint, sent, received, failure } = stream;
  const { streams } = entry?.series ?? frontend.unrouted;
  streams.count++;
  if (failure !== '') streams.failed++;
  streams.sent += sent;
  streams.received += received;
  thread.log?.add({
    time: Date.now(),
    client: stream.client.address,
    method: '',
    scheme: stream.scheme,
    authority: stream.name,
    target: '',
    version: '',
    userAgent: undefined,
    requestId: '',
    status: 0,
    sent,
    received,
    duration: performance.now() - stream.started,
    listener: frontend.row.key,
    route: entry?.series.route ?? '',
    upstream: endpoint === null ? '' : `${endpoint.endpoint.address}:${endpoint.endpoint.port}`,
    attempts: stream.attempts,
    failure,
    detail: stream.detail,
  });
}
