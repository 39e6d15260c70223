// One request and its response: routed, changed, balanced, sent, repeated, timed and counted; between any downstream and any
// upstream (sides.ts). HTTP/1 uses one per connection for one request after the other. Routing is state.ts, changes of the
// request outgoing.ts, of the response response-changes.ts, counting record.ts.
import { performance } from 'node:perf_hooks';
import { isGrpc, type MatchRequest } from '../../routing/match/conditions.ts';
import { normalizeHost } from '../../routing/match/hostnames.ts';
import { normalizeTarget, type Target } from '../../routing/match/path.ts';
import { queryParameter } from '../../routing/match/query.ts';
import { failureAnswer, failureTrailers, ownAnswer, type Reason, reasonOf, statusOf } from './answers.ts';
import type { LiveCluster, LiveEndpoint } from './balance.ts';
import type { Head } from './http1/parser.ts';
import { callTimeout } from './http2/grpc.ts';
import { reflectMirrors } from './mirror.ts';
import { Outgoing } from './outgoing.ts';
import { backoff, type BackendPlan, chooseBackend, type RulePlan } from './plan.ts';
import { type Notes, notesOf, record } from './record.ts';
import { Replay } from './replay.ts';
import { addedFields, addedLines, changedFields, changedList, contentLength, cutFields } from './response-changes.ts';
import type {
  Client,
  Downstream,
  Failure,
  FieldList,
  IncomingRequest,
  Receiver,
  Taken,
  Transaction,
  Upstream,
} from './sides.ts';
import { FULL, noFields, REJECTED, TAKEN } from './sides.ts';
import type { LiveEntry, LiveFrontend } from './state.ts';
import type { Thread } from './thread.ts';
import { Deadline } from './wheel.ts';

/** Nothing under way. */
const IDLE = 0;
/** No head of a final response yet. */
const WAITING = 1;
const RESPONDING = 2;
/** After 101: octets both ways. */
const TUNNEL = 3;

const NEVER: number = Number.POSITIVE_INFINITY;
/** Other endpoints that are tried at once when one cannot be reached and the rule says nothing of retries. */
const FAILOVERS = 1;

export class Exchange extends Deadline implements Transaction, Receiver, MatchRequest {
  framedRequest = false;
  framedResponse = false;
  // Of MatchRequest.
  path = '';
  method = '';
  /** With its `?`, or ''. */
  queryText = '';

  // What record.ts tells of.
  readonly thread: Thread;
  readonly client: Client;
  readonly outgoing: Outgoing;
  request: IncomingRequest | null = null;
  frontend: LiveFrontend | null = null;
  entry: LiveEntry | null = null;
  endpoint: LiveEndpoint | null = null;
  /** Only with an access log. */
  notes: Notes | null = null;
  started = 0;
  status = 0;
  octetsSent = 0;
  octetsReceived = 0;
  attempts = 0;
  failure: Failure | Reason | '' = '';
  /** What the system or OpenSSL said of the failure. */
  detail = '';

  readonly #downstream: Downstream;
  readonly #replay = new Replay();
  #phase = IDLE;
  #grpc: boolean | undefined;
  // The host that the client named last, and what serves it: most clients name the same again and again.
  #authority: string | null = null;
  #epoch = -1;
  #host = '';
  #found: LiveFrontend | 404 | 421 = 404;
  #origin: string | undefined;
  #plan: RulePlan | null = null;
  #backend: BackendPlan | null = null;
  #upstream: Upstream | null = null;
  #requestDone = false;
  #responseDone = false;
  #trailers: FieldList = noFields;
  #retries = 0;
  #failovers = 0;
  #requestDue = NEVER;
  #attemptDue = NEVER;
  #retryDue = NEVER;

  constructor(thread: Thread, client: Client, downstream: Downstream) {
    super();
    this.thread = thread;
    this.client = client;
    this.outgoing = new Outgoing(thread, client);
    this.#downstream = downstream;
  }

  // ---- What the matcher asks.

  get grpc(): boolean {
    return (this.#grpc ??= this.method === 'POST' && isGrpc('POST', this.header('content-type')));
  }

  header(name: string): string | undefined {
    return this.request?.field(name);
  }

  query(name: string): string | undefined {
    return queryParameter(this.queryText, name);
  }

  // ---- From the client.

  begin(request: IncomingRequest): void {
    this.#reset(request);
    const target = request.target === '*' ? null : normalizeTarget(request.target);
    if (target === undefined) {
      this.#answer(400, 'bad-target');
      return;
    }
    this.path = target === null ? '*' : target.path;
    this.queryText = target === null ? '' : target.query;
    const { state } = this.thread;
    if (request.authority !== this.#authority || state.epoch !== this.#epoch) this.#lookUp(request.authority);
    const frontend = this.#found;
    if (typeof frontend === 'number') {
      this.#answer(frontend, frontend === 421 ? 'misdirected' : 'no-route');
      return;
    }
    this.frontend = frontend;
    frontend.series.active++;
    const entry = state.match(frontend, this.#host, this);
    this.entry = entry ?? null;
    const plan = entry?.slot.plan ?? null;
    if (plan === null) this.#answer(404, 'no-route');
    else this.#follow(plan, target, request);
  }

  #lookUp(authority: string): void {
    const { state } = this.thread;
    this.#authority = authority;
    this.#epoch = state.epoch;
    this.#host = normalizeHost(authority);
    this.#found = state.frontendOf(this.client, this.#host);
  }

  #reset(request: IncomingRequest): void {
    const now = performance.now();
    this.thread.sweeper.now = now;
    this.started = now;
    this.request = request;
    this.method = request.method;
    this.frontend = this.entry = this.endpoint = null;
    this.status = this.octetsSent = this.octetsReceived = this.attempts = 0;
    this.failure = this.detail = '';
    this.notes = this.thread.log === null ? null : notesOf(request, this.client, this.thread.trustedHops);
    this.framedRequest = this.#requestDone = this.#responseDone = false;
    this.#phase = WAITING;
    this.#grpc = this.#origin = undefined;
    this.#plan = this.#backend = null;
    this.#trailers = noFields;
    this.#retries = this.#failovers = 0;
    this.#requestDue = this.#attemptDue = this.#retryDue = NEVER;
    this.#replay.clear();
  }

  #follow(plan: RulePlan, target: Target | null, request: IncomingRequest): void {
    this.#plan = plan;
    if (plan.cors !== null) this.#origin = request.field('origin');
    if (plan.respond !== 0) {
      this.#answer(plan.respond, 'not-honoured');
      return;
    }
    if (plan.cors !== null || plan.redirect !== null) {
      const answer = ownAnswer(plan, request, this);
      if (answer !== undefined) {
        this.#send(answer.status, answer.fields, '');
        return;
      }
    }
    const backend = chooseBackend(plan);
    const cluster = backend?.cluster ?? null;
    if (backend === null || cluster === null || cluster.row === undefined) {
      this.#answer(500, backend === null ? 'no-backend' : 'unresolved-backend');
      return;
    }
    this.#backend = backend;
    const endpoint = cluster.endpoints.pick(this.started, null);
    if (endpoint === undefined) {
      this.#answer(503, 'no-endpoint');
      return;
    }
    this.outgoing.prepare(request, target, backend, cluster.multiplexed);
    this.framedRequest = this.outgoing.framed;
    const timeout = this.grpc ? callTimeout(plan.requestTimeout, request.field('grpc-timeout')) : plan.requestTimeout;
    if (timeout > 0) this.#requestDue = this.started + timeout;
    this.#open(endpoint, this.started);
  }

  body(octets: Buffer): Taken {
    if (this.#phase === IDLE) return TAKEN;
    this.octetsReceived += octets.length;
    if (this.#phase === WAITING) this.#replay.add(octets, this.thread.limits.replayBytes);
    // Between two attempts the client waits, too.
    return this.#upstream === null ? FULL : this.#upstream.write(octets);
  }

  bodyEnd(trailers: FieldList): void {
    if (this.#phase === IDLE || this.#requestDone) return;
    this.#requestDone = true;
    this.#trailers = trailers;
    this.#upstream?.end(trailers);
    const backend = this.#backend;
    if (backend !== null && backend.mirrors.length > 0 && this.outgoing.upgrade === '')
      reflectMirrors(this.thread, backend.mirrors, this.outgoing, this.#replay);
    if (this.#phase === TUNNEL && this.#responseDone) this.#finish();
  }

  flush(): void {
    this.#upstream?.flush();
  }

  gone(): void {
    if (this.#phase === IDLE) return;
    if (this.status === 0) this.status = 499;
    this.#finish();
  }

  resumeResponse(): void {
    this.#upstream?.resumeResponse();
  }

  // ---- Attempts.

  #open(endpoint: LiveEndpoint, now: number): void {
    const plan = this.#plan as RulePlan;
    const { cluster } = this.#backend as BackendPlan;
    this.endpoint = endpoint;
    endpoint.active++;
    this.attempts++;
    if (plan.attemptTimeout > 0) this.#attemptDue = now + plan.attemptTimeout;
    if (this.#attemptDue !== NEVER || this.#requestDue !== NEVER) this.#arm();
    this.#upstream = endpoint.connector(cluster as LiveCluster, this.client).open(this.outgoing, this);
  }

  /** The same request once more, with as much of its body as there is. */
  #reopen(): void {
    this.#retryDue = NEVER;
    const now = performance.now();
    const endpoint = this.#backend?.cluster?.pick(now, this.endpoint);
    if (endpoint === undefined) {
      this.#answer(503, 'no-endpoint');
      return;
    }
    this.#open(endpoint, now);
    const upstream = this.#upstream as Upstream;
    let taken: Taken = TAKEN;
    for (const piece of this.#replay.pieces) taken = upstream.write(piece);
    if (this.#requestDone) upstream.end(this.#trailers);
    else upstream.flush();
    if (taken !== FULL) this.#downstream.resumeRequest();
  }

  /** The attempt is over, however it went. */
  #release(): void {
    const upstream = this.#upstream;
    if (upstream === null) return;
    this.#upstream = null;
    this.#attemptDue = NEVER;
    (this.endpoint as LiveEndpoint).active--;
  }

  #cancel(): void {
    const upstream = this.#upstream;
    this.#release();
    upstream?.cancel();
  }

  /** Whether the rule allows one more attempt; if so it is under way when this returns. */
  #retry(): boolean {
    const retry = this.#plan?.retry ?? null;
    if (retry === null || this.#retries >= retry.attempts || this.#replay.overflowed) return false;
    this.#retries++;
    this.thread.metrics.counts.retries++;
    this.#retryDue = performance.now() + backoff(retry, this.#retries);
    this.#arm();
    return true;
  }

  /** What was not processed may be sent again whatever the rule says (RFC 9110 section 9.2.2, RFC 9113 section 8.7). */
  #repeat(failure: Failure): boolean {
    if (this.#replay.overflowed) return false;
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
        if (this.#plan?.retry !== null || failure === 'tls') return this.#retry();
        // Who cannot be reached cannot be reached again; who refused a stream goes away, and another connection will do.
        if (failure !== 'refused-stream' && this.#backend?.cluster?.hasChoice !== true) return false;
        if (this.#failovers++ >= FAILOVERS) return false;
        break;
      default:
        return false;
    }
    this.thread.metrics.counts.retries++;
    this.#reopen();
    return true;
  }

  // ---- From the backend.

  sendable(): void {
    this.#downstream.resumeRequest();
  }

  informed(status: number, fields: FieldList): void {
    if (this.#phase === WAITING) this.#downstream.inform(status, fields);
  }

  respondedInPlace(head: Head, buf: Buffer, framing: number): number {
    if (this.#rejects(head.status)) return REJECTED;
    this.#accept(head.status);
    const { response } = this.#backend as BackendPlan;
    const cors = this.#origin === undefined ? null : (this.#plan as RulePlan).cors;
    if (response.dropped.length > 0 || cors !== null) cutFields(head, buf, response, cors !== null);
    const downstream = this.#downstream;
    if (downstream.respondInPlace !== undefined) {
      const added = cors === null ? response.text : addedLines(response, cors, this.#origin as string);
      const from = downstream.respondInPlace(head, buf, framing, added);
      this.framedResponse = downstream.framedResponse === true;
      // What is delivered together with content is no content.
      this.octetsSent = from - head.base - head.size;
      return from;
    }
    this.framedResponse = false;
    const fields = changedFields(head, buf, addedFields(response, cors, this.#origin));
    downstream.respond(head.status, fields, contentLength(head, framing));
    return head.base + head.size;
  }

  responded(status: number, fields: FieldList, length: number): void {
    if (this.#rejects(status)) return;
    this.#accept(status);
    const cors = this.#origin === undefined ? null : (this.#plan as RulePlan).cors;
    const { response } = this.#backend as BackendPlan;
    const added = addedFields(response, cors, this.#origin);
    this.#downstream.respond(status, changedList(fields, response, cors !== null, added), length);
  }

  #rejects(status: number): boolean {
    if (this.#plan?.retry?.codes[status] !== 1) return false;
    // Asked before the attempt is given up: after the last one the client gets what it said.
    if (!this.#retry()) return false;
    this.#cancel();
    return true;
  }

  #accept(status: number): void {
    this.status = status;
    this.failure = this.detail = '';
    if (status === 101) {
      this.#phase = TUNNEL;
      this.#requestDone = false;
      this.#requestDue = this.#attemptDue = NEVER;
      this.thread.wheel.disarm(this);
      this.thread.metrics.counts.tunnels++;
    } else {
      this.#phase = RESPONDING;
    }
    this.#replay.clear();
    (this.endpoint as LiveEndpoint).reached();
  }

  received(octets: Buffer): Taken {
    this.octetsSent += octets.length;
    return this.#downstream.write(octets);
  }

  completed(trailers: FieldList): void {
    if (this.#phase === TUNNEL) {
      this.#responseDone = true;
      if (this.#requestDone) this.#finish();
      this.#downstream.end(noFields);
      return;
    }
    this.#release();
    // Before the downstream hears of it: it may begin the next request at once.
    this.#finish();
    this.#downstream.end(trailers);
  }

  failed(failure: Failure, detail = ''): void {
    this.thread.metrics.failed(failure);
    this.failure = failure;
    this.detail = detail;
    this.#release();
    if (failure === 'refused' || failure === 'connect-timeout') this.endpoint?.unreachable(performance.now());
    if (this.#phase === WAITING) {
      if (this.#repeat(failure)) return;
      this.#answer(statusOf(failure), reasonOf(failure));
    } else {
      this.#breakOff(statusOf(failure));
    }
  }

  // ---- Time.

  #arm(): void {
    this.thread.wheel.arm(this, Math.min(this.#requestDue, this.#attemptDue, this.#retryDue));
  }

  override expired(): void {
    const now = performance.now();
    if (this.#phase === IDLE) return;
    if (now >= this.#requestDue || now >= this.#attemptDue) this.#timeOut(now >= this.#requestDue);
    else if (now >= this.#retryDue) this.#reopen();
    else this.#arm();
  }

  #timeOut(all: boolean): void {
    this.failure = 'timeout';
    this.#cancel();
    if (this.#phase !== WAITING) this.#breakOff(504);
    else if (all || !this.#retry()) this.#answer(504, 'timeout');
  }

  // ---- The end.

  /** Answers a failure by itself. */
  #answer(status: number, reason: Reason): void {
    if (this.failure === '') this.failure = reason;
    const answer = failureAnswer(status, reason, this.#plan?.grpc === true || this.grpc);
    this.#send(answer.status, answer.fields, answer.text);
  }

  #send(status: number, fields: FieldList, text: string): void {
    this.status = status;
    this.octetsSent = text.length;
    const toHead = this.method === 'HEAD';
    this.#finish();
    const downstream = this.#downstream;
    downstream.respond(status, fields, text.length);
    if (text !== '' && !toHead) downstream.write(Buffer.from(text, 'latin1'));
    downstream.end(noFields);
  }

  /** A response that cannot be completed. A call of gRPC is told so behind what it has got. */
  #breakOff(status: number): void {
    this.thread.metrics.counts.responsesAborted++;
    const told = this.request?.version === '2' && this.grpc;
    this.#finish();
    if (told) this.#downstream.end(failureTrailers(status, this.failure));
    else this.#downstream.abort();
  }

  #finish(): void {
    this.#cancel();
    this.#phase = IDLE;
    this.thread.wheel.disarm(this);
    this.#replay.clear();
    record(this);
    this.request = null;
  }
}
