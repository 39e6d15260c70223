// The attempts of one exchange at backends: opened, timed, given up, and repeated where the rule, the budget of the backend and what
// is kept of the body allow it. What is sent is outgoing.ts, what comes of it exchange.ts.
import { performance } from 'node:perf_hooks';
import type { Reason } from './answers.ts';
import type { LiveCluster, LiveEndpoint } from './balance.ts';
import { Outgoing } from './outgoing.ts';
import { backoff, type BackendPlan, type RetryPlan, type RulePlan } from './plan.ts';
import { Replay } from './replay.ts';
import { RoutedRequest } from './routed-request.ts';
import type { SessionChoice } from './session-choice.ts';
import type { Client, Failure, FieldList, Receiver, Taken, Upstream } from './sides.ts';
import { FULL, noFields, TAKEN } from './sides.ts';
import type { Thread } from './thread.ts';

/** Nothing under way. */
export const IDLE = 0;
/** No head of a final response yet. */
export const WAITING = 1;
export const RESPONDING = 2;
/** After 101: octets both ways. */
export const TUNNEL = 3;

export const NEVER: number = Number.POSITIVE_INFINITY;
/** Other endpoints that are tried at once when one cannot be reached and the rule says nothing of retries. */
const FAILOVERS = 1;

export abstract class Attempts extends RoutedRequest {
  readonly outgoing: Outgoing;
  endpoint: LiveEndpoint | null = null;
  attempts = 0;
  failure: Failure | Reason | '' = '';
  /** What the system or OpenSSL said of the failure. */
  detail = '';

  protected phase: number = IDLE;
  protected plan: RulePlan | null = null;
  protected backend: BackendPlan | null = null;
  protected session: SessionChoice | null = null;
  protected upstream: Upstream | null = null;
  protected readonly replay: Replay = new Replay();
  protected requestDone = false;
  protected trailers: FieldList = noFields;
  protected requestDue: number = NEVER;
  #attemptDue: number = NEVER;
  #retryDue: number = NEVER;
  #retries = 0;
  #failovers = 0;

  constructor(thread: Thread, client: Client) {
    super(thread, client);
    this.outgoing = new Outgoing(thread, client);
  }

  /** Hears of attempts. */
  protected abstract readonly receiver: Receiver;
  /** The client may go on with the body. */
  protected abstract resumeRequest(): void;
  /** Answers a failure; nothing may be done afterwards. */
  protected abstract answer(status: number, reason: Reason): void;
  /** The response had begun and cannot be completed. */
  protected abstract breakOff(status: number): void;

  protected forgetAttempts(): void {
    this.endpoint = null;
    this.attempts = 0;
    this.failure = this.detail = '';
    this.plan = this.backend = null;
    this.requestDone = false;
    this.trailers = noFields;
    this.#retries = this.#failovers = 0;
    this.requestDue = this.#attemptDue = this.#retryDue = NEVER;
    this.replay.clear();
  }

  protected open(endpoint: LiveEndpoint, now: number): void {
    const plan = this.plan as RulePlan;
    const { cluster } = this.backend as BackendPlan;
    this.endpoint = endpoint;
    endpoint.active++;
    this.attempts++;
    if (plan.attemptTimeout > 0) this.#attemptDue = now + plan.attemptTimeout;
    if (this.#attemptDue !== NEVER || this.requestDue !== NEVER) this.arm();
    this.upstream = endpoint.connector(cluster as LiveCluster, this.client).open(this.outgoing, this.receiver);
  }

  /** The same request once more, with as much of its body as there is. */
  #reopen(): void {
    this.#retryDue = NEVER;
    const now = performance.now();
    const endpoint = this.backend?.cluster?.pick(now, this.endpoint);
    if (endpoint === undefined) {
      this.answer(503, 'no-endpoint');
      return;
    }
    this.open(endpoint, now);
    this.feed(this.replay.pieces);
  }

  /** What there is of the body, to an attempt that has just begun. */
  protected feed(pieces: readonly Buffer[]): void {
    const upstream = this.upstream as Upstream;
    let taken: Taken = TAKEN;
    for (const piece of pieces) taken = upstream.write(piece);
    if (this.requestDone) upstream.end(this.trailers);
    else upstream.flush();
    if (taken !== FULL) this.resumeRequest();
  }

  /** The attempt is over, however it went. */
  protected release(): void {
    const upstream = this.upstream;
    if (upstream === null) return;
    this.upstream = null;
    this.#attemptDue = NEVER;
    (this.endpoint as LiveEndpoint).active--;
  }

  protected cancel(): void {
    const upstream = this.upstream;
    this.release();
    upstream?.cancel();
  }

  /** Whether the rule allows one more attempt. */
  protected get retriable(): boolean {
    const retry = this.plan?.retry ?? null;
    return retry !== null && this.#retries < retry.attempts && !this.replay.overflowed;
  }

  /** Whether the rule allows one more attempt; if so it is under way when this returns, or refused by the budget. */
  protected retry(): boolean {
    if (!this.retriable) return false;
    const now = performance.now();
    if (!this.#affordable(now)) return true;
    this.#retries++;
    this.thread.metrics.counts.retries++;
    this.#retryDue = now + backoff(this.plan?.retry as RetryPlan, this.#retries);
    this.arm();
    return true;
  }

  /** Beyond the budget of its backend the request is over (GEP-3388). */
  #affordable(now: number): boolean {
    const budget = this.backend?.cluster?.budget ?? null;
    if (budget === null || budget.allows(now)) return true;
    this.thread.metrics.counts.retriesRefused++;
    this.failure = 'retry-budget';
    this.answer(503, 'retry-budget');
    return false;
  }

  /** What was not processed may be sent again whatever the rule says (RFC 9110 section 9.2.2, RFC 9113 section 8.7). */
  protected repeat(failure: Failure): boolean {
    if (this.replay.overflowed) return false;
    switch (failure) {
      case 'stale':
        if (!this.outgoing.repeatable || this.outgoing.anew) return false;
        this.outgoing.anew = true;
        break;
      case 'refused':
      case 'connect-timeout':
      case 'refused-stream':
      case 'tls':
        // TLS is not a matter of one endpoint: only where the rule says so.
        if (this.plan?.retry !== null || failure === 'tls') return this.retry();
        // Who cannot be reached cannot be reached again; who refused a stream goes away, and another connection will do.
        if (failure !== 'refused-stream' && !this.#hasChoice) return false;
        if (this.#failovers++ >= FAILOVERS) return false;
        if (!this.#affordable(performance.now())) return true;
        break;
      default:
        return false;
    }
    this.thread.metrics.counts.retries++;
    this.#reopen();
    return true;
  }

  /** There is another endpoint; the one that a session had need not be among those that others get. */
  get #hasChoice(): boolean {
    return this.backend?.cluster?.hasChoice === true || this.session?.endpoint !== undefined;
  }

  protected arm(): void {
    this.thread.wheel.arm(this, Math.min(this.requestDue, this.#attemptDue, this.#retryDue));
  }

  /** What is under way may last. */
  protected untimed(): void {
    this.requestDue = this.#attemptDue = NEVER;
    this.thread.wheel.disarm(this);
  }

  override expired(): void {
    const now = performance.now();
    if (this.phase === IDLE) return;
    if (now >= this.requestDue || now >= this.#attemptDue) this.#timeOut(now >= this.requestDue);
    else if (now >= this.#retryDue) this.#reopen();
    else this.arm();
  }

  #timeOut(all: boolean): void {
    this.failure = 'timeout';
    this.cancel();
    if (this.phase !== WAITING) this.breakOff(504);
    else if (all || !this.retry()) this.answer(504, 'timeout');
  }
}
