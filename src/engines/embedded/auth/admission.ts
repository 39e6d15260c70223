// The checks that one request has to pass, one after the other: the body is waited for where a service wants it, each service is
// asked, and what it says changes the request that is held, or ends it. Everything but a clear yes ends it (GEP-1494).
import { changeQuery, givenFields, planMutations } from '../../../routing/filters/external-auth.ts';
import type { FieldLines } from '../../../routing/filters/header-changes.ts';
import type { LiveCluster } from '../balance.ts';
import type { HeldRequest } from '../held.ts';
import { toldLines } from '../outgoing.ts';
import type { FieldList, Receiver, Taken } from '../sides.ts';
import { FULL, KEPT, TAKEN } from '../sides.ts';
import type { Allowed, Denied } from './check-messages.ts';
import type { CheckPlan } from './check-plan.ts';
import { type GrpcAsker, GrpcInquiry, grpcQuestion } from './grpc-inquiry.ts';
import { type HttpAsker, HttpInquiry, httpQuestion } from './http-inquiry.ts';
import type { From, Inquiry, NoVerdict } from './inquiry.ts';

/** Whose request it is: the exchange. One of these is called, once, unless `cancel` came before. */
export interface Admitting extends From {
  /** All checks are passed. */
  admitted(): void;
  /** One was not, and the service said how. @param body one character per octet */
  denied(status: number, fields: FieldList, body: string): void;
  /** The same while the service still speaks: whoever is returned gets the content, null: nobody wants it. */
  relayed(inquiry: Inquiry, status: number, fields: FieldList, length: number): Receiver | null;
  /** There was no verdict, or could not be one. */
  unjudged(why: NoVerdict | NoRoom): void;
  /** The body is wanted before anything else happens. @param expected the client waits to be told so */
  wantsBody(expected: boolean): void;
}

/** The body cannot be kept for the service. */
export interface NoRoom {
  readonly status: 413 | 503;
  readonly reason: 'auth-body' | 'auth-overload';
  readonly detail: '';
}

const tooLong: NoRoom = { status: 413, reason: 'auth-body', detail: '' };
const tooMany: NoRoom = { status: 503, reason: 'auth-overload', detail: '' };

export class Admission implements HttpAsker, GrpcAsker {
  readonly #to: Admitting;
  readonly #from: From;
  readonly #held: HeldRequest;
  readonly #checks: readonly CheckPlan[];
  #at = 0;
  #inquiry: Inquiry | null = null;
  /** For the rest of the body, and how much of it there may be. */
  #waiting = false;
  #limit = 0;
  #bodyDone = false;

  constructor(to: Admitting, held: HeldRequest, checks: readonly CheckPlan[]) {
    this.#to = to;
    this.#from = { thread: to.thread, client: to.client };
    this.#held = held;
    this.#checks = checks;
  }

  /** @param bodyDone nothing of the body is to come */
  begin(bodyDone: boolean): void {
    this.#bodyDone = bodyDone;
    this.#next();
  }

  body(octets: Buffer): Taken {
    const { thread } = this.#from;
    this.#held.keep(octets);
    thread.heldBytes += octets.length;
    // Until it goes on the client has to wait.
    if (!this.#waiting) return FULL;
    const fits = this.#held.size <= this.#limit;
    if (fits && thread.heldBytes <= thread.limits.authHeldBytes) return KEPT;
    this.#to.unjudged(fits ? tooMany : tooLong);
    return TAKEN;
  }

  bodyEnd(): void {
    this.#bodyDone = true;
    if (!this.#waiting) return;
    this.#waiting = false;
    this.#ask(this.#checks[this.#at] as CheckPlan);
  }

  cancel(): void {
    this.#waiting = false;
    this.#inquiry?.cancel();
    this.#inquiry = null;
  }

  #next(): void {
    const check = this.#checks[this.#at];
    if (check === undefined) {
      this.#to.admitted();
      return;
    }
    this.#held.change(check.before);
    if (check.cluster?.row === undefined) {
      this.#to.unjudged({ status: 500, reason: 'auth-unresolved', detail: '' });
      return;
    }
    const { bodyLimit } = check.auth;
    if (bodyLimit > 0) {
      const { length, size, expectsContinue } = this.#held;
      this.#limit = Math.min(bodyLimit, this.#from.thread.limits.authBodyBytes);
      if (length > this.#limit || size > this.#limit) {
        this.#to.unjudged(tooLong);
        return;
      }
      if (!this.#bodyDone) {
        this.#waiting = true;
        this.#held.continued();
        this.#to.wantsBody(expectsContinue);
        return;
      }
    }
    this.#ask(check);
  }

  #ask(check: CheckPlan): void {
    const { thread, client } = this.#from;
    const cluster = check.cluster as LiveCluster;
    const lines: FieldLines = toldLines(this.#held, client, thread.trustedHops > 0);
    thread.metrics.counts.authChecks++;
    let inquiry: Inquiry;
    if (check.auth.check.protocol === 'http') {
      inquiry = new HttpInquiry(this, this.#from, cluster, httpQuestion(check, this.#held, lines, client));
    } else if (cluster.multiplexed) {
      inquiry = new GrpcInquiry(this, this.#from, cluster, grpcQuestion(check, this.#held, lines, this.#from));
    } else {
      this.unanswered({ status: 502, reason: 'auth-broken', detail: 'not HTTP/2' });
      return;
    }
    this.#inquiry = inquiry;
    inquiry.ask();
  }

  // ---- What services say.

  allowed(fields: FieldList): void {
    const { check } = (this.#checks[this.#at] as CheckPlan).auth;
    this.#held.change(givenFields(check.protocol === 'http' ? check.responseHeaders : undefined, fields));
    this.#passed();
  }

  decided(verdict: Allowed | Denied): void {
    this.#inquiry = null;
    if (verdict.outcome === 'denied') {
      this.#from.thread.metrics.counts.authDenied++;
      const { appended } = planMutations([], verdict.mutations, []);
      this.#to.denied(verdict.status, appended, verdict.body.toString('latin1'));
      return;
    }
    const held = this.#held;
    held.change(planMutations(held.fields(), verdict.request, verdict.removed));
    if (held.path !== '*') held.query = changeQuery(held.query, verdict.query);
    held.response.push(...verdict.response);
    this.#passed();
  }

  #passed(): void {
    this.#inquiry = null;
    this.#at++;
    this.#next();
  }

  denied(inquiry: Inquiry, status: number, fields: FieldList, length: number): Receiver | null {
    this.#from.thread.metrics.counts.authDenied++;
    return this.#to.relayed(inquiry, status, fields, length);
  }

  unanswered(why: NoVerdict): void {
    this.#inquiry = null;
    this.#from.thread.metrics.counts.authFailed++;
    this.#to.unjudged(why);
  }
}
