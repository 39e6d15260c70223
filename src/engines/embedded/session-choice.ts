// Which backend and endpoint a request gets by the token that it brings along (sessions.ts), else by weight; and the token that the
// response has to give it when it got another endpoint.
import type { LiveCluster, LiveEndpoint } from './balance.ts';
import { type BackendPlan, chooseBackend, type RulePlan } from './plan.ts';
import { currentPins, type Pin, pinnedEndpoint, pinTo, type SessionPlan, tokenField, tokensOf } from './sessions.ts';
import type { Client, FieldList, IncomingRequest } from './sides.ts';
import { noFields } from './sides.ts';
import type { Thread } from './thread.ts';

export class SessionChoice {
  readonly backend: BackendPlan | null;
  /** The one that the client had; undefined when there is none to be had. */
  readonly endpoint: LiveEndpoint | undefined;
  readonly #thread: Thread;
  readonly #pins: readonly Pin[];
  readonly #secure: boolean;

  constructor(thread: Thread, client: Client, plan: RulePlan, request: IncomingRequest) {
    this.#thread = thread;
    this.#secure =
      client.scheme === 'https' || (thread.trustedHops > 0 && request.field('x-forwarded-proto') === 'https');
    const reader = new Reader(thread, request);
    const had = heldBackend(plan, reader);
    this.backend = had ?? chooseBackend(plan);
    const session = this.backend?.session ?? null;
    this.#pins = session === null ? [] : reader.pinsOf(session);
    this.endpoint = this.backend === null ? undefined : reader.endpointOf(this.backend);
  }

  /** What the response adds when it comes from that endpoint. */
  fieldsFor(endpoint: LiveEndpoint): FieldList {
    const { backend } = this;
    if (backend === null || backend.session === null || endpoint === this.endpoint) return noFields;
    const { session } = backend;
    const pins = pinTo(backend.cluster as LiveCluster, endpoint, this.#pins, Date.now());
    return tokenField(session, this.#thread.sessions.seal(session.name, pins), this.#secure);
  }
}

/** The first backend in the rule whose endpoint the client had, unless its weight says that it takes nothing any more. */
function heldBackend(plan: RulePlan, reader: Reader): BackendPlan | undefined {
  return plan.backends.find(
    (backend, index) =>
      backend.session !== null &&
      !backend.session.drawn &&
      (plan.weights[index] as number) > 0 &&
      reader.endpointOf(backend) !== undefined,
  );
}

/** Opens each token once: backends of a rule often share one. */
class Reader {
  readonly #thread: Thread;
  readonly #request: IncomingRequest;
  readonly #opened = new Map<string, readonly Pin[]>();

  constructor(thread: Thread, request: IncomingRequest) {
    this.#thread = thread;
    this.#request = request;
  }

  pinsOf(plan: SessionPlan): readonly Pin[] {
    const key = `${plan.type} ${plan.name}`;
    let pins = this.#opened.get(key);
    if (pins === undefined) {
      const tokens = tokensOf(plan, (name) => this.#request.field(name));
      pins = tokens.flatMap((token) => this.#thread.sessions.open(plan.name, token));
      this.#opened.set(key, pins);
    }
    return currentPins(plan, pins, Date.now());
  }

  endpointOf({ cluster, session }: BackendPlan): LiveEndpoint | undefined {
    if (session === null || cluster?.row === undefined) return undefined;
    return pinnedEndpoint(cluster, this.pinsOf(session), performance.now());
  }
}
