// A question over HTTP: the request as it is, without its body or with all of it. 200 lets it pass; any other response is the client's
// and streams through, as if it were a backend's.
import { askedTarget, toldFields } from '../../../routing/filters/external-auth.ts';
import type { FieldLines } from '../../../routing/filters/header-changes.ts';
import type { LiveCluster } from '../balance.ts';
import type { HeldRequest } from '../held.ts';
import { fieldPairs } from '../http1/text.ts';
import type { Client, Failure, FieldList, Receiver, Taken } from '../sides.ts';
import { TAKEN } from '../sides.ts';
import type { CheckPlan } from './check-plan.ts';
import { type Asked, type From, Inquiry, type NoVerdict } from './inquiry.ts';

export interface HttpAsker {
  /** 200 with these fields. */
  allowed(fields: FieldList): void;
  /** Another status: what follows its head goes to the receiver that is returned, null: to nobody. */
  denied(inquiry: Inquiry, status: number, fields: FieldList, length: number): Receiver | null;
  unanswered(why: NoVerdict): void;
}

/** What is read of the content of a response that allows, of which nobody makes use; a longer one costs the connection. */
const IGNORED_LIMIT = 65_536;

export class HttpInquiry extends Inquiry {
  readonly #asker: HttpAsker;
  #allowed: FieldList | null = null;
  #ignored = 0;
  #relay: Receiver | null = null;

  constructor(asker: HttpAsker, from: From, cluster: LiveCluster, asked: Asked) {
    super(from, cluster, asked);
    this.#asker = asker;
  }

  responded(status: number, fields: FieldList, length: number): void {
    this.reached();
    if (status === 200) {
      this.#allowed = fields;
      return;
    }
    this.#relay = this.#asker.denied(this, status, fields, length);
  }

  received(octets: Buffer): Taken {
    if (this.#relay !== null) return this.#relay.received(octets);
    this.#ignored += octets.length;
    if (this.#ignored > IGNORED_LIMIT) {
      this.cancel();
      this.#pass();
    }
    return TAKEN;
  }

  completed(trailers: FieldList): void {
    if (this.#relay !== null) {
      this.#relay.completed(trailers);
      return;
    }
    this.release();
    this.#pass();
  }

  override failed(failure: Failure, detail?: string): void {
    if (this.#relay === null) super.failed(failure, detail);
    else this.#relay.failed(failure, detail);
  }

  #pass(): void {
    const fields = this.#allowed;
    this.#allowed = null;
    if (fields !== null) this.#asker.allowed(fields);
  }

  protected unanswered(why: NoVerdict): void {
    this.#asker.unanswered(why);
  }
}

/** @param lines all that the service could be told; names as they came */
export function httpQuestion(plan: CheckPlan, held: HeldRequest, lines: FieldLines, client: Client): Asked {
  const { method, authority: host } = held;
  const { auth, prefix } = plan;
  const path = askedTarget(prefix, held.path + held.query);
  const authority = host === '' ? client.localAuthority : host;
  const body = auth.bodyLimit > 0 ? held.pieces : [];
  const length = auth.bodyLimit > 0 ? held.size : 0;
  const list = lowered(toldFields(auth, lines));
  return {
    body,
    question: {
      method,
      scheme: client.scheme,
      authority,
      path,
      length,
      acceptsTrailers: false,
      repeatable: true,
      anew: false,
      upgrade: '',
      framed: false,
      // The length is said even where there is no content: GEP-1494 wants it.
      http1: () =>
        `${method} ${path} HTTP/1.1\r\nHost: ${authority}\r\n${fieldPairs(list)}Content-Length: ${length}\r\n\r\n`,
      list: () => list,
    },
  };
}

/** An expectation is between the client and whom it meant; here there is nothing to wait for. */
function lowered(lines: FieldLines): FieldList {
  const list: string[] = [];
  for (let i = 0; i < lines.length; i += 2) {
    const name = (lines[i] as string).toLowerCase();
    if (name !== 'expect') list.push(name, lines[i + 1] as string);
  }
  return list;
}
