// The connections over HTTP/1.1 to one endpoint: the one used last is taken first, so that the others grow old and go.
import type { Endpoint } from '../../../routing/model.ts';
import { type Dial, dial, type DialOptions, type Way } from '../dial.ts';
import type { Connector, OutgoingRequest, Receiver, Upstream } from '../sides.ts';
import type { Thread } from '../thread.ts';
import { Http1Upstream } from './upstream.ts';

export class Http1Pool implements Connector {
  readonly #endpoint: Endpoint;
  readonly #way: Way;
  readonly #thread: Thread;
  /** The first `#count` are idle, the one used last at the end. Never shortened: that would cost more than it frees. */
  readonly #idle: (Http1Upstream | null)[] = [];
  #count = 0;
  #closed = false;

  constructor(endpoint: Endpoint, way: Way, thread: Thread) {
    this.#endpoint = endpoint;
    this.#way = way;
    this.#thread = thread;
  }

  dial(options: DialOptions): Dial {
    return dial(this.#endpoint, this.#way, this.#thread, options);
  }

  open(request: OutgoingRequest, receiver: Receiver): Upstream {
    const upstream = (request.anew ? null : this.#take(request.repeatable)) ?? new Http1Upstream(this, this.#thread);
    upstream.send(request, receiver);
    return upstream;
  }

  /**
   * The one used last. When even that was not used for a while it may be about to be closed by the backend: what cannot be
   * repeated takes a new one in its place, so that the pool does not fill with connections that nobody takes.
   */
  #take(repeatable: boolean): Http1Upstream | null {
    if (this.#count === 0) return null;
    const last = this.#idle[--this.#count] as Http1Upstream;
    this.#idle[this.#count] = null;
    const age = this.#thread.sweeper.now - last.idleSince;
    if (age <= last.idleLimit && (repeatable || age <= this.#thread.limits.freshTimeout)) return last;
    last.destroy();
    return null;
  }

  put(upstream: Http1Upstream): void {
    if (this.#closed || upstream.idleLimit <= 0) {
      upstream.destroy();
      return;
    }
    // The oldest goes, not the one just used: else a pool full of old ones would cost a connection for each POST.
    if (this.#count >= this.#thread.limits.poolSize) this.#dropOldest();
    upstream.idleSince = this.#thread.sweeper.now;
    this.#idle[this.#count++] = upstream;
  }

  forget(upstream: Http1Upstream): void {
    const at = this.#idle.lastIndexOf(upstream);
    if (at < 0) return;
    this.#idle.copyWithin(at, at + 1, this.#count);
    this.#idle[--this.#count] = null;
  }

  #dropOldest(): void {
    const [oldest] = this.#idle;
    if (oldest === undefined || oldest === null) return;
    this.forget(oldest);
    oldest.destroy();
  }

  close(): void {
    this.#closed = true;
    for (let i = 0; i < this.#count; i++) this.#idle[i]?.destroy();
    this.#idle.fill(null);
    this.#count = 0;
  }
}
