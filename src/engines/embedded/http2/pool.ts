// The connections over HTTP/2 to one endpoint: usually one; another only when the streams of all are in use.
import type { Endpoint } from '../../../routing/model.ts';
import { type Dial, dial, type DialOptions, type Way } from '../dial.ts';
import type { Connector, OutgoingRequest, Receiver, Upstream } from '../sides.ts';
import type { Thread } from '../thread.ts';
import { Http2Connection } from './connection.ts';
import { PRESUMED_STREAMS } from './settings.ts';

export class Http2Pool implements Connector {
  readonly #endpoint: Endpoint;
  readonly #way: Way;
  readonly #thread: Thread;
  readonly #connections: Http2Connection[] = [];
  /** Streams that the backend allows on a connection, as it said last: what a new one is given before it says so itself. */
  capacity: number = PRESUMED_STREAMS;

  constructor(endpoint: Endpoint, way: Way, thread: Thread) {
    this.#endpoint = endpoint;
    this.#way = way;
    this.#thread = thread;
  }

  dial(options: DialOptions): Dial {
    return dial(this.#endpoint, this.#way, this.#thread, options);
  }

  open(request: OutgoingRequest, receiver: Receiver): Upstream {
    return this.#choose(request.anew).open(request, receiver);
  }

  /** The first with room, so that the later ones run empty and are closed. */
  #choose(anew: boolean): Http2Connection {
    for (const connection of this.#connections) {
      if (connection.roomy && !connection.session.destroyed && !(anew && connection.proven)) return connection;
    }
    const connection = new Http2Connection(this, this.#thread);
    this.#connections.push(connection);
    return connection;
  }

  /** It takes no new streams. */
  retire(connection: Http2Connection): void {
    const at = this.#connections.indexOf(connection);
    if (at >= 0) this.#connections.splice(at, 1);
  }

  close(): void {
    for (const connection of this.#connections.splice(0)) connection.close();
  }
}
