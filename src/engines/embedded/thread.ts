// What all connections of one worker share: limits, clocks, the parsers for heads that come in one piece, metrics, the log, and
// the routing in force. Nothing of it is shared between workers.
import { randomBytes } from 'node:crypto';
import { AccessLog } from './access-log.ts';
import { Head, type HeadLimits } from './http1/parser.ts';
import { Metrics, type RouteSeries } from './metrics.ts';
import type { Limits, WorkerOptions } from './options.ts';
import { SessionSeal } from './sessions.ts';
import type { Client } from './sides.ts';
import { State } from './state.ts';
import { Sweeper, type Swept } from './sweep.ts';
import { Credentials } from './tls/credentials.ts';
import { Wheel } from './wheel.ts';

/** The name of the field and what follows it. */
export const REQUEST_ID = 'x-request-id: ';
/** The last digits of an id and the end of its line: numbers are turned into text once, not per request. */
const LOW: readonly string[] = Array.from({ length: 4096 }, (_, i) => `${i.toString(16).padStart(3, '0')}\r\n`);

/** Octets that are put together to be written at once. */
const SCRATCH = 65_536;

/** A connection of a client, of any version of HTTP. */
export interface ClientConnection extends Swept {
  readonly client: Client;
  /** No new requests: ends as soon as those under way have their responses. */
  drain(): void;
  destroy(): void;
}

/** What is kept for one client alone. */
export interface Dedicated {
  leave(client: Client): void;
}

export class Thread {
  readonly limits: Limits;
  readonly trustedHops: number;
  readonly requestIds: boolean;
  readonly metrics: Metrics = new Metrics();
  readonly log: AccessLog | null;
  readonly sweeper: Sweeper = new Sweeper();
  readonly wheel: Wheel = new Wheel();
  readonly credentials: Credentials = new Credentials();
  readonly sessions: SessionSeal;
  /** The routing in force. */
  readonly state: State;
  /** Requests that no listener takes. */
  readonly unrouted: RouteSeries;
  /** For heads that come in one piece, which is nearly all. A connection whose head does not takes it along and leaves a new one. */
  requestHead: Head;
  responseHead: Head;
  /** Responses say that their connection ends. */
  retiring = false;
  /** Connections end that are between two requests, too. */
  draining = false;
  /** For a head and the content that goes with it. Whoever leaves it with a socket that has not written it yet renews it. */
  scratch: Buffer = Buffer.allocUnsafeSlow(SCRATCH);
  /** Requests under way, upgraded connections included. */
  requests = 0;
  /** Mirrored requests under way. */
  mirrors = 0;
  /** Octets of bodies that are held for auth services. */
  heldBytes = 0;
  readonly connections: Set<ClientConnection> = new Set();
  /** Who keeps connections to backends for one client alone. */
  readonly #dedicated = new Map<Client, Set<Dedicated>>();
  readonly #headLimits: HeadLimits;
  readonly #idPrefix: string = randomBytes(8).toString('hex');
  #idHead = '';
  #id = 0;

  constructor(options: WorkerOptions) {
    const { limits } = options;
    this.limits = limits;
    this.trustedHops = options.trustedHops;
    this.requestIds = options.requestIds;
    this.sessions = new SessionSeal(options.sessionKeys);
    this.log = options.accessLog === '' ? null : new AccessLog(options.accessLog, this.metrics);
    this.#headLimits = { bytes: limits.headBytes, fields: limits.headFields, target: limits.targetBytes };
    this.requestHead = this.newHead('request');
    this.responseHead = this.newHead('response');
    this.unrouted = this.metrics.routeSeries('', '');
    this.state = new State(this);
  }

  newHead(kind: 'request' | 'response'): Head {
    return new Head(kind, this.#headLimits);
  }

  /** `x-request-id` with an id that is unique over workers and restarts (64 random bits and a counter); not a secret. */
  newRequestIdLine(): string {
    const low = this.#id % LOW.length;
    if (low === 0) this.#idHead = `${REQUEST_ID}${this.#idPrefix}-${Math.trunc(this.#id / LOW.length).toString(16)}`;
    this.#id++;
    return this.#idHead + (LOW[low] as string);
  }

  renewScratch(): void {
    this.scratch = Buffer.allocUnsafeSlow(SCRATCH);
  }

  /** A client's connection, to be swept and drained from now on. */
  open(connection: ClientConnection): void {
    this.connections.add(connection);
    this.sweeper.add(connection);
    this.metrics.counts.connections++;
  }

  closed(connection: ClientConnection): void {
    this.connections.delete(connection);
    this.sweeper.delete(connection);
    if (this.#dedicated.size > 0) this.#leave(connection.client);
  }

  /** To be told when the client's connection is gone. */
  dedicate(client: Client, to: Dedicated): void {
    const all = this.#dedicated.get(client);
    if (all === undefined) this.#dedicated.set(client, new Set([to]));
    else all.add(to);
  }

  #leave(client: Client): void {
    for (const each of this.#dedicated.get(client) ?? []) each.leave(client);
    this.#dedicated.delete(client);
  }

  close(): void {
    for (const connection of this.connections) connection.destroy();
    this.state.close();
    this.sweeper.close();
    this.log?.close();
  }
}
