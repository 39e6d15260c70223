// Counters of all workers -> the text format of Prometheus (version 0.0.4).
import { CODE_CLASSES, type Count, durationBounds, type MetricsSnapshot, type Streams } from './metrics.ts';

type Frontend = {
  -readonly [K in keyof MetricsSnapshot['frontends'][number]]: MetricsSnapshot['frontends'][number][K];
};

/** The sum of what several workers counted. */
export function sumSnapshots(snapshots: readonly MetricsSnapshot[]): MetricsSnapshot {
  const routes = new Map<string, { frontend: string; route: string; responses: number[]; streams: Streams }>();
  const frontends = new Map<string, Frontend>();
  const refusals: Record<string, number> = {};
  const failures: Record<string, number> = {};
  const counts: Record<string, number> = {};
  let activeConnections = 0;
  for (const snapshot of snapshots) {
    for (const { frontend, route, responses, streams } of snapshot.routes) {
      const key = `${frontend}|${route}`;
      const sum = routes.get(key);
      if (sum === undefined) routes.set(key, { frontend, route, responses: [...responses], streams: { ...streams } });
      else {
        addAll(sum.responses, responses);
        addStreams(sum.streams, streams);
      }
    }
    for (const each of snapshot.frontends) {
      const total = frontends.get(each.frontend);
      if (total === undefined) frontends.set(each.frontend, { ...each, buckets: each.buckets.slice() });
      else addFrontend(total, each);
    }
    addRecord(refusals, snapshot.refusals);
    addRecord(failures, snapshot.failures);
    addRecord(counts, snapshot.counts);
    activeConnections += snapshot.activeConnections;
  }
  return {
    routes: [...routes.values()],
    frontends: [...frontends.values()],
    refusals,
    failures,
    counts: counts as Record<Count, number>,
    activeConnections,
  };
}

export function exposition(
  snapshot: MetricsSnapshot,
  workers: { readonly running: number; readonly crashes: number },
): string {
  const { counts } = snapshot;
  return [
    ...requests(snapshot),
    ...durations(snapshot),
    ...gauge('portolan_requests_active', 'Requests that are being served.', activeLines(snapshot)),
    ...gauge('portolan_client_connections_active', 'Open connections of clients.', [`${snapshot.activeConnections}`]),
    ...counter('portolan_client_connections_total', 'Connections of clients.', [`${counts.connections ?? 0}`]),
    ...counter('portolan_client_connections_refused_total', 'Connections closed at once because there were too many.', [
      `${counts.connectionsRefused ?? 0}`,
    ]),
    ...labelled(
      'portolan_requests_refused_total',
      'Messages that are no valid request, by reason.',
      'reason',
      snapshot.refusals,
    ),
    ...labelled(
      'portolan_upstream_failures_total',
      'Attempts at backends that failed, by reason.',
      'reason',
      snapshot.failures,
    ),
    ...counter('portolan_upstream_retries_total', 'Attempts beyond the first.', [`${counts.retries ?? 0}`]),
    ...counter('portolan_upstream_retries_refused_total', 'Attempts that a retry budget did not allow.', [
      `${counts.retriesRefused ?? 0}`,
    ]),
    ...counter('portolan_auth_checks_total', 'Questions to auth services.', [`${counts.authChecks ?? 0}`]),
    ...counter('portolan_auth_denied_total', 'Questions that were answered no.', [`${counts.authDenied ?? 0}`]),
    ...counter('portolan_auth_failed_total', 'Questions without an answer, whose requests were refused.', [
      `${counts.authFailed ?? 0}`,
    ]),
    ...counter('portolan_responses_aborted_total', 'Responses that broke off in the middle.', [
      `${counts.responsesAborted ?? 0}`,
    ]),
    ...counter('portolan_tunnels_total', 'Connections that were upgraded to another protocol.', [
      `${counts.tunnels ?? 0}`,
    ]),
    ...streamSeries(snapshot),
    ...counter('portolan_udp_flows_dropped_total', 'Flows of datagrams ended early because there were too many.', [
      `${counts.flowsDropped ?? 0}`,
    ]),
    ...counter('portolan_mirrors_sent_total', 'Requests copied to mirrors.', [`${counts.mirrorsSent ?? 0}`]),
    ...counter('portolan_mirrors_dropped_total', 'Copies that were not sent, or took too long.', [
      `${counts.mirrorsDropped ?? 0}`,
    ]),
    ...counter('portolan_access_log_dropped_total', 'Lines of the access log that could not be written.', [
      `${counts.logLinesDropped ?? 0}`,
    ]),
    ...gauge('portolan_workers', 'Threads that serve.', [`${workers.running}`]),
    ...counter('portolan_worker_crashes_total', 'Threads that ended unexpectedly.', [`${workers.crashes}`]),
    '',
  ].join('\n');
}

function requests({ routes }: MetricsSnapshot): string[] {
  const name = 'portolan_requests_total';
  const lines: string[] = [];
  for (const { frontend, route, responses } of routes) {
    for (let i = 0; i < CODE_CLASSES; i++) {
      const value = responses[i] as number;
      if (value === 0) continue;
      const code = i === 0 ? 'none' : `${i}xx`;
      lines.push(`${name}{listener="${label(frontend)}",route="${label(route)}",code="${code}"} ${value}`);
    }
  }
  return [...head(name, 'Requests by listener, route and class of the status.', 'counter'), ...lines];
}

/** Of listeners and routes that have any. */
function streamSeries({ routes, frontends }: MetricsSnapshot): string[] {
  const streaming = frontends.filter(({ streams }) => streams > 0);
  const used = routes.filter(({ streams }) => streams.count > 0 || streams.failed > 0);
  const lines = (value: (streams: Readonly<Streams>) => number): string[] =>
    used.map(
      ({ frontend, route, streams }) => `{listener="${label(frontend)}",route="${label(route)}"} ${value(streams)}`,
    );
  return [
    ...counter(
      'portolan_streams_opened_total',
      'Connections of layer 4, and flows of datagrams, that began.',
      streaming.map(({ frontend, streams }) => `{listener="${label(frontend)}"} ${streams}`),
    ),
    ...gauge(
      'portolan_streams_active',
      'Those of them that are not over.',
      streaming.map(({ frontend, activeStreams }) => `{listener="${label(frontend)}"} ${activeStreams}`),
    ),
    ...counter(
      'portolan_streams_total',
      'Connections of layer 4, and flows of datagrams, that are over.',
      lines(({ count }) => count),
    ),
    ...counter(
      'portolan_streams_failed_total',
      'Those of them that reached no backend.',
      lines(({ failed }) => failed),
    ),
    ...counter(
      'portolan_stream_sent_bytes_total',
      'Octets that they sent to clients.',
      lines(({ sent }) => sent),
    ),
    ...counter(
      'portolan_stream_received_bytes_total',
      'Octets that clients sent.',
      lines(({ received }) => received),
    ),
  ];
}

function durations({ frontends }: MetricsSnapshot): string[] {
  const name = 'portolan_request_duration_seconds';
  const lines = head(name, 'From the end of the head of a request to the end of its response.', 'histogram');
  for (const { frontend, buckets, sum } of frontends) {
    const labels = `listener="${label(frontend)}"`;
    let count = 0;
    for (let i = 0; i <= durationBounds.length; i++) {
      count += buckets[i] as number;
      const bound = durationBounds[i];
      lines.push(`${name}_bucket{${labels},le="${bound === undefined ? '+Inf' : bound / 1000}"} ${count}`);
    }
    lines.push(`${name}_sum{${labels}} ${sum / 1000}`, `${name}_count{${labels}} ${count}`);
  }
  return lines;
}

function activeLines({ frontends }: MetricsSnapshot): string[] {
  return frontends.map(({ frontend, active }) => `{listener="${label(frontend)}"} ${active}`);
}

function labelled(name: string, help: string, key: string, values: Readonly<Record<string, number>>): string[] {
  return counter(
    name,
    help,
    Object.entries(values).map(([value, count]) => `{${key}="${label(value)}"} ${count}`),
  );
}

function counter(name: string, help: string, values: readonly string[]): string[] {
  return [...head(name, help, 'counter'), ...values.map((value) => series(name, value))];
}

function gauge(name: string, help: string, values: readonly string[]): string[] {
  return [...head(name, help, 'gauge'), ...values.map((value) => series(name, value))];
}

function series(name: string, value: string): string {
  return value.startsWith('{') ? name + value : `${name} ${value}`;
}

function head(name: string, help: string, type: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

function label(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function addFrontend(into: Frontend, { buckets, sum, active, streams, activeStreams }: Frontend): void {
  addAll(into.buckets, buckets);
  into.sum += sum;
  into.active += active;
  into.streams += streams;
  into.activeStreams += activeStreams;
}

function addAll(into: Float64Array | number[], values: ArrayLike<number>): void {
  for (let i = 0; i < into.length; i++) into[i] = (into[i] as number) + (values[i] as number);
}

function addStreams(into: Streams, streams: Readonly<Streams>): void {
  into.count += streams.count;
  into.failed += streams.failed;
  into.sent += streams.sent;
  into.received += streams.received;
}

function addRecord(into: Record<string, number>, values: Readonly<Record<string, number>>): void {
  for (const [key, value] of Object.entries(values)) into[key] = (into[key] ?? 0) + value;
}
