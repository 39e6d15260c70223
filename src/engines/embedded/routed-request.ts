// A request as the matcher asks about it, and the listener and entry that it comes to: the side of an exchange (exchange.ts) that looks
// things up and sends nothing.
import { isGrpc, type MatchRequest } from '../../routing/match/conditions.ts';
import { normalizeHost } from '../../routing/match/hostnames.ts';
import { queryParameter } from '../../routing/match/query.ts';
import type { Client, IncomingRequest } from './sides.ts';
import type { LiveEntry, LiveFrontend } from './state.ts';
import type { Thread } from './thread.ts';
import { Deadline } from './wheel.ts';

export abstract class RoutedRequest extends Deadline implements MatchRequest {
  // Of MatchRequest.
  path = '';
  method = '';
  /** With its `?`, or ''. */
  queryText = '';

  readonly thread: Thread;
  readonly client: Client;
  request: IncomingRequest | null = null;
  frontend: LiveFrontend | null = null;
  entry: LiveEntry | null = null;

  #grpc: boolean | undefined;
  // The host that the client named last, and what serves it: most clients name the same again and again.
  #authority: string | null = null;
  #epoch = -1;
  #host = '';
  #found: LiveFrontend | 404 | 421 = 404;

  constructor(thread: Thread, client: Client) {
    super();
    this.thread = thread;
    this.client = client;
  }

  get grpc(): boolean {
    return (this.#grpc ??= this.method === 'POST' && isGrpc('POST', this.header('content-type')));
  }

  header(name: string): string | undefined {
    return this.request?.field(name);
  }

  query(name: string): string | undefined {
    return queryParameter(this.queryText, name);
  }

  /** From now on it is about this request. */
  protected take(request: IncomingRequest): void {
    this.request = request;
    this.method = request.method;
    this.#grpc = undefined;
  }

  /** The listener that serves what the client named, or the status that says why there is none. */
  protected listenerOf(authority: string): LiveFrontend | 404 | 421 {
    const { state } = this.thread;
    if (authority !== this.#authority || state.epoch !== this.#epoch) {
      this.#authority = authority;
      this.#epoch = state.epoch;
      this.#host = normalizeHost(authority);
      this.#found = state.frontendOf(this.client, this.#host);
    }
    return this.#found;
  }

  /** The entry that takes the request, behind `listenerOf`. */
  protected match(frontend: LiveFrontend): LiveEntry | null {
    return this.thread.state.match(frontend, this.#host, this) ?? null;
  }
}
