// What can be set about the engine, with its default. Everything that a peer could make grow or last has a limit here.
import type { BindReport } from '../../routing/model.ts';

/** Times are milliseconds, sizes octets. */
export interface Limits {
  /** Head of a request or response. Over it: 431, or 502 for a response. */
  readonly headBytes: number;
  /** Field lines of a head. */
  readonly headFields: number;
  /** Request target. Over it: 414. */
  readonly targetBytes: number;
  /** Body of a request; 0 = any length. Over it: 413. */
  readonly bodyBytes: number;
  /** From the first octet of a request, or from accepting a connection, to the end of the head. Over it: 408. */
  readonly headTimeout: number;
  /** Between two requests of a client's connection. */
  readonly idleTimeout: number;
  /** Silence in the middle of a request's body. Over it: 408 while that can still be said. */
  readonly bodyTimeout: number;
  /** For a client to take what is buffered for it (at most about 100 KiB). */
  readonly writeTimeout: number;
  /** Connections of clients, per worker. Over it new ones are closed at once. */
  readonly connections: number;
  /** Requests under way, upgraded connections included, per worker. Over it: 503 at once. */
  readonly requests: number;
  /** To establish a connection to a backend. Over it the endpoint counts as failing. */
  readonly connectTimeout: number;
  /** Silence of a backend, before the response or in the middle. Over it: 504, or the response is cut off. */
  readonly responseTimeout: number;
  /** Silence in both directions of an upgraded connection. */
  readonly tunnelTimeout: number;
  /** Silence of a client's datagrams, and of the replies: then its flow ends. */
  readonly udpIdleTimeout: number;
  /** Flows of datagrams, per listener and worker. Over it those that were silent for longest end. */
  readonly udpFlows: number;
  /** Idle connections kept per endpoint and worker. */
  readonly poolSize: number;
  /** How long an idle connection to a backend is kept; shorter where the backend's Keep-Alive field says so. */
  readonly poolTimeout: number;
  /** A request that must not be repeated (POST, PATCH) takes no connection that was idle for longer. */
  readonly freshTimeout: number;
  /** Body kept for retries and mirrors. A longer one is not retried once it was sent, and not mirrored. */
  readonly replayBytes: number;
  /** Mirrored requests under way, per worker. Over it mirrors are dropped. */
  readonly mirrors: number;
  /** For a mirrored request, all in all. */
  readonly mirrorTimeout: number;
  /** For one question to an auth service, all in all. Over it the request is refused: 504. */
  readonly authTimeout: number;
  /** Body kept for an auth service that is told it, whatever its filter allows. Over it: 413. */
  readonly authBodyBytes: number;
  /** All such bodies at a time, per worker. Over it the request that goes beyond it is refused: 503. */
  readonly authHeldBytes: number;
  /** Answer of an auth service over gRPC. Over it the request is refused: 502. */
  readonly authAnswerBytes: number;
  /** For requests in flight after `drain`. */
  readonly drainTimeout: number;
  /** First pause of an endpoint that cannot be reached; doubles with each failure in a row. */
  readonly skipTimeout: number;
  /** Longest such pause. */
  readonly longestSkip: number;
}

export const defaultLimits: Limits = {
  headBytes: 65_536,
  headFields: 128,
  targetBytes: 16_384,
  bodyBytes: 0,
  headTimeout: 10_000,
  idleTimeout: 60_000,
  bodyTimeout: 60_000,
  writeTimeout: 60_000,
  connections: 16_384,
  requests: 16_384,
  connectTimeout: 5000,
  responseTimeout: 300_000,
  tunnelTimeout: 3_600_000,
  udpIdleTimeout: 60_000,
  udpFlows: 16_384,
  poolSize: 256,
  poolTimeout: 60_000,
  freshTimeout: 2000,
  replayBytes: 65_536,
  mirrors: 256,
  mirrorTimeout: 10_000,
  authTimeout: 5000,
  authBodyBytes: 4_194_304,
  authHeldBytes: 67_108_864,
  authAnswerBytes: 65_536,
  drainTimeout: 30_000,
  skipTimeout: 1000,
  longestSkip: 30_000,
};

export interface EngineOptions {
  /** Threads that serve; 1 where the system cannot share a port. Default 1. */
  readonly workers?: number;
  readonly limits?: Partial<Limits>;
  /** Proxies of one's own in front of this one. 0 (default): X-Forwarded-* of requests are replaced; else continued. */
  readonly trustedHops?: number;
  /** Adds `x-request-id` to requests that have none. Default true. */
  readonly requestIds?: boolean;
  /**
   * Keys of 32 octets that seal the tokens of sessions: the first seals, all of them open. Engines that serve the same clients need
   * the same keys. Default: one at random, so that sessions end with the engine.
   */
  readonly sessionKeys?: readonly Uint8Array[];
  /** File to append JSON lines to; `-` = standard output. Default: no log. */
  readonly accessLog?: string;
  /** Told whenever the state of a bind changed. */
  readonly onReport?: (report: BindReport) => void;
  /**
   * Told of a name that a TLS client asks for and that none of the listener's certificates (their keys) has. When given, the
   * handshake waits up to a second for an update that brings one.
   */
  readonly onMissingName?: (certificates: readonly string[], name: string) => void;
  /** Told of a thread that ended unexpectedly; it is started again with all of the configuration. */
  readonly onCrash?: (error: Error) => void;
}

/** What a worker is started with. */
export interface WorkerOptions {
  readonly limits: Limits;
  readonly trustedHops: number;
  readonly requestIds: boolean;
  readonly accessLog: string;
  /** Whether the main thread wants to know of names without a certificate. */
  readonly asksNames: boolean;
  /** Other workers listen on the same ports. */
  readonly shared: boolean;
  /** 48 octets that seal TLS session tickets: the same for all workers of a port. */
  readonly ticketKeys: Uint8Array;
  /** At least one, of 32 octets each. */
  readonly sessionKeys: readonly Uint8Array[];
}
