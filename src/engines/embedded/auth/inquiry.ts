// One question to an auth service: an attempt at one of its endpoints, a second one where the first did no harm, a deadline for both.
// What the answer means is up to the protocol: http-inquiry.ts and grpc-inquiry.ts.
import { reasonOf, statusOf } from '../answers.ts';
import type { LiveCluster, LiveEndpoint } from '../balance.ts';
import type { Head } from '../http1/parser.ts';
import { fieldList } from '../http1/text.ts';
import { contentLength } from '../response-changes.ts';
import type { Client, Failure, FieldList, OutgoingRequest, Receiver, Taken, Upstream } from '../sides.ts';
import { noFields } from '../sides.ts';
import type { Thread } from '../thread.ts';
import { Deadline } from '../wheel.ts';

/** Why a service gave no verdict; the request is refused (GEP-1494: fails closed). */
export interface NoVerdict {
  readonly status: number;
  readonly reason: 'auth-unresolved' | 'auth-no-endpoint' | 'auth-unreachable' | 'auth-timeout' | 'auth-broken';
  readonly detail: string;
}

/** A question as it goes out; the same for both attempts. */
export interface Question extends OutgoingRequest {
  anew: boolean;
}

export interface Asked {
  readonly question: Question;
  readonly body: readonly Buffer[];
}

/** On whose behalf. */
export interface From {
  readonly thread: Thread;
  readonly client: Client;
}

/** Attempts beyond the first, of either kind: a check changes nothing, so that it may be asked twice. */
const REPEATS = 1;
const FAILOVERS = 1;

export abstract class Inquiry extends Deadline implements Receiver {
  readonly framedResponse = false;
  readonly #thread: Thread;
  readonly #client: Client;
  readonly #cluster: LiveCluster;
  readonly #question: Question;
  readonly #body: readonly Buffer[];
  #endpoint: LiveEndpoint | null = null;
  #upstream: Upstream | null = null;
  #repeats = 0;
  #failovers = 0;

  constructor(from: From, cluster: LiveCluster, asked: Asked) {
    super();
    this.#thread = from.thread;
    this.#client = from.client;
    this.#cluster = cluster;
    this.#question = asked.question;
    this.#body = asked.body;
  }

  /** There will be no answer. Not called after `cancel`. */
  protected abstract unanswered(why: NoVerdict): void;
  abstract responded(status: number, fields: FieldList, length: number): void;
  abstract received(octets: Buffer): Taken;
  abstract completed(trailers: FieldList): void;

  ask(): void {
    const now = performance.now();
    this.#thread.wheel.arm(this, now + this.#thread.limits.authTimeout);
    this.#open(now, null);
  }

  /** Nobody waits for the answer any more. */
  cancel(): void {
    const upstream = this.#upstream;
    this.release();
    upstream?.cancel();
  }

  /** The attempt is over, or somebody else's from now on: also its endpoint's count of attempts. */
  surrender(): { readonly upstream: Upstream; readonly endpoint: LiveEndpoint } {
    const attempt = { upstream: this.#upstream as Upstream, endpoint: this.#endpoint as LiveEndpoint };
    this.#thread.wheel.disarm(this);
    this.#upstream = null;
    return attempt;
  }

  /** The service speaks. */
  protected reached(): void {
    this.#endpoint?.reached();
  }

  /** The attempt is over. */
  protected release(): void {
    this.#thread.wheel.disarm(this);
    this.#leave();
  }

  #leave(): void {
    if (this.#upstream === null) return;
    this.#upstream = null;
    (this.#endpoint as LiveEndpoint).active--;
  }

  /** @param tried not this one, if there is another */
  #open(now: number, tried: LiveEndpoint | null): void {
    const endpoint = this.#cluster.pick(now, tried);
    if (endpoint === undefined) {
      this.release();
      this.unanswered({ status: 503, reason: 'auth-no-endpoint', detail: '' });
      return;
    }
    this.#endpoint = endpoint;
    endpoint.active++;
    const upstream = endpoint.connector(this.#cluster, this.#client).open(this.#question, this);
    this.#upstream = upstream;
    for (const piece of this.#body) upstream.write(piece);
    upstream.end(noFields);
  }

  sendable(): void {
    // Everything was written: what is told is bounded.
  }

  informed(): void {
    // Not the client's business.
  }

  respondedInPlace(head: Head, buf: Buffer, framing: number): number {
    this.responded(head.status, fieldList(head, buf), contentLength(head, framing));
    return head.base + head.size;
  }

  failed(failure: Failure, detail = ''): void {
    this.#thread.metrics.failed(failure);
    this.#leave();
    const now = performance.now();
    if (failure === 'refused' || failure === 'connect-timeout') this.#endpoint?.unreachable(now);
    if (this.#again(failure, now)) return;
    this.release();
    const reason = reasonOf(failure);
    this.unanswered({
      status: statusOf(failure),
      reason: reason === 'unreachable' ? 'auth-unreachable' : reason === 'timeout' ? 'auth-timeout' : 'auth-broken',
      detail,
    });
  }

  #again(failure: Failure, now: number): boolean {
    switch (failure) {
      case 'stale':
      case 'refused-stream':
        // The connection's age is to blame, or its end; the endpoint may be well.
        if (this.#repeats++ >= REPEATS) return false;
        this.#question.anew = failure === 'stale';
        this.#open(now, null);
        return true;
      case 'refused':
      case 'connect-timeout':
        if (!this.#cluster.hasChoice || this.#failovers++ >= FAILOVERS) return false;
        this.#open(now, this.#endpoint);
        return true;
      default:
        return false;
    }
  }

  override expired(): void {
    this.cancel();
    this.unanswered({ status: 504, reason: 'auth-timeout', detail: '' });
  }

  /** The answer makes no sense. */
  protected reject(detail: string): void {
    this.cancel();
    this.unanswered({ status: 502, reason: 'auth-broken', detail });
  }
}
