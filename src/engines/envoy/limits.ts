// The limits of the data plane, with the defaults of the embedded engine wherever Envoy has the same (docs/reference/limits.md).

/** Times are milliseconds, sizes octets. */
export interface EnvoyLimits {
  readonly headBytes: number;
  readonly headFields: number;
  readonly targetBytes: number;
  readonly headTimeout: number;
  readonly idleTimeout: number;
  /** Silence of a request and its response, in both directions. */
  readonly responseTimeout: number;
  readonly tunnelTimeout: number;
  readonly udpIdleTimeout: number;
  readonly connectTimeout: number;
  readonly poolTimeout: number;
  readonly replayBytes: number;
  readonly authTimeout: number;
  readonly authBodyBytes: number;
  readonly skipTimeout: number;
  readonly longestSkip: number;
  /** Of one HTTP/2 connection. */
  readonly streams: number;
  readonly streamWindow: number;
  readonly connectionWindow: number;
  /** Of a connection, before its peer has to wait. */
  readonly bufferBytes: number;
  /** Of clients, all in all. */
  readonly connections: number;
  readonly drainTimeout: number;
}

export const defaultLimits: EnvoyLimits = {
  headBytes: 65_536,
  headFields: 128,
  targetBytes: 16_384,
  headTimeout: 10_000,
  idleTimeout: 60_000,
  responseTimeout: 300_000,
  tunnelTimeout: 3_600_000,
  udpIdleTimeout: 60_000,
  connectTimeout: 5000,
  // Less than the 5 s of many servers (Node's own): Envoy would send what cannot be repeated on a connection that is about to close.
  poolTimeout: 4000,
  replayBytes: 65_536,
  authTimeout: 5000,
  authBodyBytes: 4_194_304,
  skipTimeout: 1000,
  longestSkip: 30_000,
  streams: 256,
  streamWindow: 131_072,
  connectionWindow: 1_048_576,
  bufferBytes: 131_072,
  connections: 16_384,
  drainTimeout: 30_000,
};
