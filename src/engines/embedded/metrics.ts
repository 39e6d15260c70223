// What a worker counts, in arrays that cost the data path a few additions, and the snapshot of them that exposition.ts
// turns into text. Labels are bounded: listeners, routes, classes of status codes, and the fixed sets of reasons here.
import type { Failure } from './sides.ts';

/** Upper bounds of the duration histogram, in milliseconds. */
export const durationBounds: readonly number[] = [
  1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000,
];

/** Index in `RouteSeries.responses`: status / 100; 0 = the client went away before a status was sent. */
export const CODE_CLASSES = 6;

export interface Streams {
  count: number;
  failed: number;
  sent: number;
  received: number;
}

/** Requests of one route through one frontend, or its connections and flows of datagrams. */
export class RouteSeries {
  readonly frontend: string;
  /** kind/namespace/name, or '' for requests that no route took. */
  readonly route: string;
  /** Entries that count here; a series that nothing counts in any more is forgotten. */
  users = 0;
  /** By class of status (CODE_CLASSES). A plain list: a typed array takes three times as much, and there are thousands. */
  readonly responses: number[] = [0, 0, 0, 0, 0, 0];
  /** Of layer 4: connections and flows that are over, those that failed, octets to clients and from them. */
  readonly streams: Streams = { count: 0, failed: 0, sent: 0, received: 0 };

  constructor(frontend: string, route: string) {
    this.frontend = frontend;
    this.route = route;
  }
}

/** Requests through one frontend. */
export class FrontendSeries {
  readonly frontend: string;
  /** Requests by duration: one per bound, and those above all. */
  readonly buckets: Float64Array = new Float64Array(durationBounds.length + 1);
  /** Milliseconds. */
  sum = 0;
  /** Requests. */
  active = 0;
  /** Of layer 4: connections and flows that began, and those that are not over. */
  streams = 0;
  activeStreams = 0;

  constructor(frontend: string) {
    this.frontend = frontend;
  }

  observe(milliseconds: number): void {
    let i = 0;
    while (i < durationBounds.length && milliseconds > (durationBounds[i] as number)) i++;
    this.buckets[i] = (this.buckets[i] as number) + 1;
    this.sum += milliseconds;
  }
}

export type Count =
  | 'connections'
  | 'connectionsRefused'
  | 'retries'
  | 'retriesRefused'
  | 'authChecks'
  | 'authDenied'
  | 'authFailed'
  | 'mirrorsSent'
  | 'mirrorsDropped'
  | 'tunnels'
  | 'responsesAborted'
  | 'flowsDropped'
  | 'logLinesDropped';

/** Plain data, to be sent from a worker and added to those of others. */
export interface MetricsSnapshot {
  readonly routes: readonly {
    readonly frontend: string;
    readonly route: string;
    readonly responses: readonly number[];
    readonly streams: Readonly<Streams>;
  }[];
  readonly frontends: readonly {
    readonly frontend: string;
    readonly buckets: Float64Array;
    readonly sum: number;
    readonly active: number;
    readonly streams: number;
    readonly activeStreams: number;
  }[];
  readonly refusals: Readonly<Record<string, number>>;
  readonly failures: Readonly<Record<string, number>>;
  readonly counts: Readonly<Record<Count, number>>;
  readonly activeConnections: number;
}

export class Metrics {
  readonly counts: Record<Count, number> = {
    connections: 0,
    connectionsRefused: 0,
    retries: 0,
    retriesRefused: 0,
    authChecks: 0,
    authDenied: 0,
    authFailed: 0,
    mirrorsSent: 0,
    mirrorsDropped: 0,
    tunnels: 0,
    responsesAborted: 0,
    flowsDropped: 0,
    logLinesDropped: 0,
  };
  readonly #routes = new Map<string, RouteSeries>();
  readonly #frontends = new Map<string, FrontendSeries>();
  readonly #refusals: Record<string, number> = {};
  readonly #failures: Record<string, number> = {};

  /** The same object for the same names, until it is released as often as it was asked for. */
  routeSeries(frontend: string, route: string): RouteSeries {
    const key = `${frontend}|${route}`;
    let series = this.#routes.get(key);
    if (series === undefined) this.#routes.set(key, (series = new RouteSeries(frontend, route)));
    series.users++;
    return series;
  }

  /** Routes that are no more leave no series behind; should they come back, they count from 0. */
  releaseRoute(frontend: string, route: string): void {
    const key = `${frontend}|${route}`;
    const series = this.#routes.get(key);
    if (series !== undefined && --series.users <= 0) this.#routes.delete(key);
  }

  frontendSeries(frontend: string): FrontendSeries {
    let series = this.#frontends.get(frontend);
    if (series === undefined) this.#frontends.set(frontend, (series = new FrontendSeries(frontend)));
    return series;
  }

  releaseFrontend(frontend: string): void {
    this.#frontends.delete(frontend);
    this.releaseRoute(frontend, '');
  }

  /** A message that is no request; reasons are those of refusals.ts and a few of the connection's own. */
  refused(reason: string): void {
    this.#refusals[reason] = (this.#refusals[reason] ?? 0) + 1;
  }

  failed(failure: Failure): void {
    this.#failures[failure] = (this.#failures[failure] ?? 0) + 1;
  }

  snapshot(activeConnections: number): MetricsSnapshot {
    return {
      routes: [...this.#routes.values()].map(({ frontend, route, responses, streams }) => ({
        frontend,
        route,
        responses,
        streams: { ...streams },
      })),
      frontends: [...this.#frontends.values()].map(({ frontend, buckets, sum, active, streams, activeStreams }) => ({
        frontend,
        buckets,
        sum,
        active,
        streams,
        activeStreams,
      })),
      refusals: { ...this.#refusals },
      failures: { ...this.#failures },
      counts: { ...this.counts },
      activeConnections,
    };
  }
}
