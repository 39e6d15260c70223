// Copies of a request to mirror clusters: sent once the body is complete, answered into the void, bounded in number and time,
// never waited for.
import { isMirrored } from '../../routing/filters/shares.ts';
import type { LiveEndpoint } from './balance.ts';
import type { Head } from './http1/parser.ts';
import type { Outgoing } from './outgoing.ts';
import type { MirrorPlan } from './plan.ts';
import type { Replay } from './replay.ts';
import type { Connector, OutgoingRequest, Receiver, Taken, Upstream } from './sides.ts';
import { noFields, TAKEN } from './sides.ts';
import type { Thread } from './thread.ts';
import { Deadline } from './wheel.ts';

/** Each mirror is drawn for itself. A body that was too long to keep is not mirrored. */
export function reflectMirrors(
  thread: Thread,
  mirrors: readonly MirrorPlan[],
  outgoing: Outgoing,
  replay: Replay,
): void {
  const { counts } = thread.metrics;
  let copy: OutgoingRequest | null = null;
  for (const plan of mirrors) {
    const { cluster } = plan;
    if (!isMirrored(plan, Math.random()) || cluster.row === undefined) continue;
    const endpoint = cluster.endpoints.pick(performance.now(), null);
    if (endpoint === undefined || replay.overflowed || thread.mirrors >= thread.limits.mirrors) {
      counts.mirrorsDropped++;
      continue;
    }
    counts.mirrorsSent++;
    copy ??= copyOf(outgoing);
    new Mirror(thread, endpoint).send(copy, endpoint.connector(cluster, outgoing.client), replay.pieces);
  }
}

/** The exchange uses its own for the next request. */
function copyOf(outgoing: Outgoing): OutgoingRequest {
  const { method, scheme, authority, path, length, acceptsTrailers, repeatable } = outgoing;
  const text = outgoing.http1();
  const list = outgoing.list();
  return {
    method,
    scheme,
    authority,
    path,
    length,
    acceptsTrailers,
    repeatable,
    anew: false,
    upgrade: '',
    framed: false,
    http1: () => text,
    list: () => list,
  };
}

class Mirror extends Deadline implements Receiver {
  readonly framedResponse = false;
  readonly #thread: Thread;
  readonly #endpoint: LiveEndpoint;
  #upstream: Upstream | null = null;

  constructor(thread: Thread, endpoint: LiveEndpoint) {
    super();
    this.#thread = thread;
    this.#endpoint = endpoint;
  }

  send(request: OutgoingRequest, connector: Connector, body: readonly Buffer[]): void {
    this.#thread.mirrors++;
    this.#endpoint.active++;
    this.#thread.wheel.arm(this, performance.now() + this.#thread.limits.mirrorTimeout);
    const upstream = connector.open(request, this);
    this.#upstream = upstream;
    for (const piece of body) upstream.write(piece);
    upstream.end(noFields);
  }

  override expired(): void {
    this.#thread.metrics.counts.mirrorsDropped++;
    const upstream = this.#upstream;
    this.#over();
    upstream?.cancel();
  }

  sendable(): void {
    // Everything was written: what is kept is bounded.
  }

  informed(): void {
    // Nobody waits for it.
  }

  responded(): void {
    // Nobody waits for it.
  }

  respondedInPlace(head: Head): number {
    return head.base + head.size;
  }

  received(): Taken {
    return TAKEN;
  }

  completed(): void {
    this.#endpoint.reached();
    this.#over();
  }

  failed(): void {
    this.#over();
  }

  #over(): void {
    if (this.#upstream === null) return;
    this.#upstream = null;
    this.#thread.mirrors--;
    this.#endpoint.active--;
    this.#thread.wheel.disarm(this);
  }
}
