// The connections over HTTP/1.1 to one endpoint: the one used last is taken first, so that the others grow old and go.
import type { Connector, OutgoingRequest, Receiver, Upstream } from '../sides.ts';
import type { Thread } from '../thread.ts';
import { Http1Upstream } from './upstream.ts';

export class Http1Pool implements Connector {
  readonly address: string;
  readonly port: number;
  readonly #thread: Thread;
  readonly #idle: Http1Upstream[] = [];
  #closed = false;

  constructor(address: string, port: number, thread: Thread) {
    this.address = address;
    this.port = port;
    this.#thread = thread;
  }

  open(request: OutgoingRequest, receiver: Receiver): Upstream {
    const upstream =
      (request.anew ? undefined : this.#take(request.repeatable)) ?? new Http1Upstream(this, this.#thread);
    upstream.send(request, receiver);
    return upstream;
  }

  /** A connection that was not used for a while may be about to be closed; what cannot be repeated goes on a new one. */
  #take(repeatable: boolean): Http1Upstream | undefined {
    const last = this.#idle.at(-1);
    if (last === undefined) return undefined;
    const age = this.#thread.sweeper.now - last.idleSince;
    if (age > last.idleLimit || (!repeatable && age > this.#thread.limits.freshTimeout)) return undefined;
    return this.#idle.pop();
  }

  put(upstream: Http1Upstream): void {
    if (this.#closed || this.#idle.length >= this.#thread.limits.poolSize || upstream.idleLimit <= 0) {
      upstream.destroy();
      return;
    }
    upstream.idleSince = this.#thread.sweeper.now;
    this.#idle.push(upstream);
  }

  forget(upstream: Http1Upstream): void {
    const at = this.#idle.lastIndexOf(upstream);
    if (at >= 0) this.#idle.splice(at, 1);
  }

  close(): void {
    this.#closed = true;
    for (const upstream of this.#idle) upstream.destroy();
    this.#idle.length = 0;
  }
}
