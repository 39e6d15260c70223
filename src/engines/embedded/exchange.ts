// One request and its response: routed (routed-request.ts), admitted (auth/), changed, balanced, sent, repeated, timed and counted;
// between any downstream and any upstream (sides.ts). HTTP/1 uses one per connection for one request after the other. Changes
// of the request are outgoing.ts, of the response response-changes.ts, counting record.ts.
import { performance } from 'node:perf_hooks';
import { type HeaderMutation, planMutations } from '../../routing/filters/external-auth.ts';
import { noHeaderChanges } from '../../routing/filters/header-changes.ts';
import { normalizeTarget, type Target } from '../../routing/match/path.ts';
import {
  failureAnswer,
  failureTrailers,
  preflightAnswer,
  type Reason,
  reasonOf,
  redirectAnswer,
  statusOf,
} from './answers.ts';
import { Attempts, IDLE, NEVER, RESPONDING, TUNNEL, WAITING } from './attempts.ts';
import { Admission, type Admitting, type NoRoom } from './auth/admission.ts';
import type { CheckPlan } from './auth/check-plan.ts';
import type { Inquiry, NoVerdict } from './auth/inquiry.ts';
import type { LiveEndpoint } from './balance.ts';
import { HeldRequest } from './held.ts';
import type { Head } from './http1/parser.ts';
import { fieldList } from './http1/text.ts';
import { callTimeout } from './http2/grpc.ts';
import { reflectMirrors } from './mirror.ts';
import { type BackendPlan, chooseBackend, type HeaderEdit, type RulePlan } from './plan.ts';
import { type Notes, notesOf, record } from './record.ts';
import {
  addedFields,
  addedLines,
  changedFields,
  changedList,
  contentLength,
  cutFields,
  deniedFields,
  extendedEdit,
  withoutContent,
} from './response-changes.ts';
import { SessionChoice } from './session-choice.ts';
import type { Client, Downstream, Failure, FieldList, IncomingRequest, Receiver, Taken, Transaction } from './sides.ts';
import { FULL, noFields, REJECTED, TAKEN } from './sides.ts';
import type { LiveFrontend } from './state.ts';
import type { Thread } from './thread.ts';

export class Exchange extends Attempts implements Transaction, Receiver, Admitting {
  framedRequest = false;
  framedResponse = false;

  // What record.ts tells of, beside what it was routed to and tried at.
  /** Only with an access log. */
  notes: Notes | null = null;
  started = 0;
  status = 0;
  octetsSent = 0;
  octetsReceived = 0;

  readonly #downstream: Downstream;
  #origin: string | undefined;
  #responseDone = false;

  // Of the few requests that need it; null for all others.
  #held: HeldRequest | null = null;
  #admission: Admission | null = null;
  /** A service answers the client itself: what is left of the body is for nobody. */
  #relayed = false;
  /** What auth services add to the response. */
  #given: readonly HeaderMutation[] | null = null;

  constructor(thread: Thread, client: Client, downstream: Downstream) {
    super(thread, client);
    this.#downstream = downstream;
  }

  protected get receiver(): Receiver {
    return this;
  }

  protected resumeRequest(): void {
    this.#downstream.resumeRequest();
  }

  // ---- From the client.

  begin(request: IncomingRequest): void {
    this.#reset(request);
    if (++this.thread.requests > this.thread.limits.requests) {
      this.answer(503, 'overload');
      return;
    }
    const target = request.target === '*' ? null : normalizeTarget(request.target);
    if (target === undefined) {
      this.answer(400, 'bad-target');
      return;
    }
    this.#aim(target);
    const frontend = this.listenerOf(request.authority);
    if (typeof frontend === 'number') {
      this.answer(frontend, frontend === 421 ? 'misdirected' : 'no-route');
      return;
    }
    this.frontend = frontend;
    frontend.series.active++;
    const { plan } = frontend;
    if (plan === null) this.#route(target, request);
    else if (plan.refuses) this.answer(500, 'not-honoured');
    else this.#admit(plan.checks, request);
  }

  #aim(target: Target | null): void {
    this.path = target === null ? '*' : target.path;
    this.queryText = target === null ? '' : target.query;
  }

  #reset(request: IncomingRequest): void {
    this.started = this.thread.sweeper.read();
    this.take(request);
    this.forgetAttempts();
    this.frontend = this.entry = null;
    this.status = this.octetsSent = this.octetsReceived = 0;
    this.notes = this.thread.log === null ? null : notesOf(request, this.client, this.thread.trustedHops);
    this.framedRequest = this.#responseDone = this.#relayed = false;
    this.phase = WAITING;
    this.#origin = undefined;
  }

  #route(target: Target | null, request: IncomingRequest): void {
    const entry = this.match(this.frontend as LiveFrontend);
    this.entry = entry;
    const plan = entry?.slot.plan ?? null;
    if (plan === null) this.answer(404, 'no-route');
    else this.#follow(plan, target, request);
  }

  #follow(plan: RulePlan, target: Target | null, request: IncomingRequest): void {
    this.plan = plan;
    if (plan.cors !== null) this.#origin = request.field('origin');
    if (plan.respond !== 0) {
      this.answer(plan.respond, 'not-honoured');
      return;
    }
    if (plan.cors !== null && this.method === 'OPTIONS') {
      // Before anybody is asked: preflights carry no credentials.
      const answer = preflightAnswer(plan.cors, request);
      if (answer !== undefined) {
        this.#send(answer.status, answer.fields, '');
        return;
      }
    }
    const backend = plan.redirect === null ? this.#choose(plan, request) : null;
    this.backend = backend;
    const timeout = this.grpc ? callTimeout(plan.requestTimeout, request.field('grpc-timeout')) : plan.requestTimeout;
    if (timeout > 0) this.requestDue = this.started + timeout;
    const checks = backend === null ? plan.checks : backend.checks;
    if (checks === null) this.#forward(plan, target, request);
    else this.#admit(checks, request);
  }

  #choose(plan: RulePlan, request: IncomingRequest): BackendPlan | null {
    if (!plan.sessions) return chooseBackend(plan);
    this.session = new SessionChoice(this.thread, this.client, plan, request);
    return this.session.backend;
  }

  #forward(plan: RulePlan, target: Target | null, request: IncomingRequest): void {
    if (plan.redirect !== null) {
      const answer = redirectAnswer(plan.redirect, request, this);
      this.#send(answer.status, answer.fields, '');
      return;
    }
    const backend = this.backend;
    const cluster = backend?.cluster ?? null;
    if (backend === null || cluster === null || cluster.row === undefined) {
      this.answer(500, backend === null ? 'no-backend' : 'unresolved-backend');
      return;
    }
    const now = this.#held === null ? this.started : performance.now();
    const endpoint = this.session?.endpoint ?? cluster.endpoints.pick(now, null);
    if (endpoint === undefined) {
      this.answer(503, 'no-endpoint');
      return;
    }
    cluster.budget?.requested(now);
    this.outgoing.prepare(request, target, backend, cluster.multiplexed);
    this.framedRequest = this.outgoing.framed;
    this.open(endpoint, now);
  }

  // ---- Auth services.

  #admit(checks: readonly CheckPlan[], request: IncomingRequest): void {
    let held = this.#held;
    if (held === null) {
      this.#held = held = new HeldRequest(request, this.path, this.queryText);
      this.outgoing.identify(held);
      this.take(held);
    }
    if (this.requestDue !== NEVER) this.arm();
    this.#admission = new Admission(this, held, checks);
    this.#admission.begin(this.requestDone);
  }

  admitted(): void {
    const held = this.#held as HeldRequest;
    this.#admission = null;
    const routed = this.plan !== null;
    if (!routed) held.change((this.frontend as LiveFrontend).plan?.after ?? noHeaderChanges);
    // What was changed may be what matches ask for.
    this.take(held);
    const target = held.target === '*' ? null : { path: held.path, query: held.query };
    this.#aim(target);
    if (routed) this.#forward(this.plan as RulePlan, target, held);
    else this.#route(target, held);
    if (this.upstream === null || this.#held !== held) return;
    this.#letGo();
    if (held.response.length > 0) this.#given = held.response;
    for (const piece of held.pieces) this.replay.add(piece, this.thread.limits.replayBytes);
    this.feed(held.pieces);
    if (this.requestDone) this.#reflect();
  }

  #letGo(): void {
    this.thread.heldBytes -= this.#held?.size ?? 0;
    this.#held = null;
  }

  unjudged(why: NoVerdict | NoRoom): void {
    this.detail = why.detail;
    this.answer(why.status, why.reason);
  }

  denied(status: number, fields: FieldList, body: string): void {
    this.failure = 'auth-denied';
    const grpc = this.plan?.grpc === true || this.grpc;
    const answer = grpc ? failureAnswer(status, 'auth-denied', true) : { status, fields: noFields, text: body };
    const given = deniedFields(fields, this.plan?.cors ?? null, this.#origin);
    this.#send(answer.status, [...answer.fields, ...(grpc ? withoutContent(given) : given)], answer.text);
  }

  relayed(inquiry: Inquiry, status: number, fields: FieldList, length: number): Receiver | null {
    if (this.plan?.grpc === true || this.grpc) {
      inquiry.cancel();
      this.denied(status, fields, '');
      return null;
    }
    // The attempt at the service becomes the attempt that answers.
    const { upstream, endpoint } = inquiry.surrender();
    this.#admission = null;
    this.#relayed = true;
    this.upstream = upstream;
    this.endpoint = endpoint;
    this.phase = RESPONDING;
    this.status = status;
    this.failure = 'auth-denied';
    this.#downstream.respond(status, deniedFields(fields, this.plan?.cors ?? null, this.#origin), length);
    this.#downstream.resumeRequest();
    return this;
  }

  wantsBody(expected: boolean): void {
    if (expected) this.#downstream.inform(100, noFields);
    this.#downstream.resumeRequest();
  }

  body(octets: Buffer): Taken {
    if (this.phase === IDLE) return TAKEN;
    this.octetsReceived += octets.length;
    if (this.#admission !== null) return this.#admission.body(octets);
    if (this.#relayed) return TAKEN;
    if (this.phase === WAITING) this.replay.add(octets, this.thread.limits.replayBytes);
    // Between two attempts the client waits, too.
    return this.upstream === null ? FULL : this.upstream.write(octets);
  }

  bodyEnd(trailers: FieldList): void {
    if (this.phase === IDLE || this.requestDone) return;
    this.requestDone = true;
    this.trailers = trailers;
    if (this.#admission !== null) {
      this.#admission.bodyEnd();
      return;
    }
    if (this.#relayed) return;
    this.upstream?.end(trailers);
    this.#reflect();
    if (this.phase === TUNNEL && this.#responseDone) this.#finish();
  }

  #reflect(): void {
    const backend = this.backend;
    if (backend !== null && backend.mirrors.length > 0 && this.outgoing.upgrade === '')
      reflectMirrors(this.thread, backend.mirrors, this.outgoing, this.replay);
  }

  flush(): void {
    this.upstream?.flush();
  }

  gone(): void {
    if (this.phase === IDLE) return;
    if (this.status === 0) this.status = 499;
    this.#finish();
  }

  resumeResponse(): void {
    this.upstream?.resumeResponse();
  }

  // ---- From the backend.

  sendable(): void {
    this.#downstream.resumeRequest();
  }

  informed(status: number, fields: FieldList): void {
    if (this.phase === WAITING) this.#downstream.inform(status, fields);
  }

  respondedInPlace(head: Head, buf: Buffer, framing: number): number {
    if (this.#rejects(head.status)) return REJECTED;
    this.#accept(head.status);
    const response = this.#plain ? (this.backend as BackendPlan).response : this.#edited(fieldList(head, buf));
    const cors = this.#origin === undefined ? null : (this.plan as RulePlan).cors;
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
    const cors = this.#origin === undefined ? null : (this.plan as RulePlan).cors;
    const response = this.#plain ? (this.backend as BackendPlan).response : this.#edited(fields);
    const added = addedFields(response, cors, this.#origin);
    this.#downstream.respond(status, changedList(fields, response, cors !== null, added), length);
  }

  /** Neither a session nor an auth service has anything to say to the client. */
  get #plain(): boolean {
    return this.session === null && this.#given === null;
  }

  #edited(fields: FieldList): HeaderEdit {
    const { response } = this.backend as BackendPlan;
    const token = this.session?.fieldsFor(this.endpoint as LiveEndpoint) ?? noFields;
    return extendedEdit(response, planMutations(fields, this.#given ?? [], []), token);
  }

  #rejects(status: number): boolean {
    // Asked before the attempt is given up: after the last one the client gets what it said.
    if (this.plan?.retry?.codes[status] !== 1 || !this.retriable) return false;
    this.cancel();
    this.retry();
    return true;
  }

  #accept(status: number): void {
    this.status = status;
    this.failure = this.detail = '';
    if (status === 101) {
      this.phase = TUNNEL;
      this.requestDone = false;
      this.untimed();
      this.thread.metrics.counts.tunnels++;
    } else {
      this.phase = RESPONDING;
    }
    this.replay.clear();
    (this.endpoint as LiveEndpoint).reached();
  }

  received(octets: Buffer): Taken {
    this.octetsSent += octets.length;
    return this.#downstream.write(octets);
  }

  completed(trailers: FieldList): void {
    if (this.phase === TUNNEL) {
      this.#responseDone = true;
      if (this.requestDone) this.#finish();
      this.#downstream.end(noFields);
      return;
    }
    this.release();
    // Before the downstream hears of it: it may begin the next request at once.
    this.#finish();
    this.#downstream.end(trailers);
  }

  failed(failure: Failure, detail = ''): void {
    this.thread.metrics.failed(failure);
    this.failure = failure;
    this.detail = detail;
    this.release();
    if (failure === 'refused' || failure === 'connect-timeout') this.endpoint?.unreachable(performance.now());
    if (this.phase === WAITING) {
      if (this.repeat(failure)) return;
      this.answer(statusOf(failure), reasonOf(failure));
    } else {
      this.breakOff(statusOf(failure));
    }
  }

  // ---- The end.

  /** Answers a failure by itself. */
  protected answer(status: number, reason: Reason): void {
    if (this.failure === '') this.failure = reason;
    const answer = failureAnswer(status, reason, this.plan?.grpc === true || this.grpc);
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
  protected breakOff(status: number): void {
    this.thread.metrics.counts.responsesAborted++;
    const told = this.request?.version === '2' && this.grpc;
    this.#finish();
    if (told) this.#downstream.end(failureTrailers(status, this.failure));
    else this.#downstream.abort();
  }

  #finish(): void {
    this.thread.requests--;
    this.#admission?.cancel();
    this.cancel();
    this.phase = IDLE;
    this.thread.wheel.disarm(this);
    this.replay.clear();
    if (this.#held !== null) this.#letGo();
    this.#admission = this.session = this.#given = null;
    record(this);
    this.request = null;
  }
}
