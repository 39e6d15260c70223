// Publications per gateway -> what each connected node is sent, and how it took it: a server of delta xDS for any types. Who a
// node is was decided by its certificate before it comes here; a stream sees the resources of its own gateway and no others.
import type { DeltaRequest } from './discovery.ts';
import { NodeStream, type ResponseWriter, type StreamEvents, type StreamRules } from './node-stream.ts';
import { Published } from './published.ts';
import type { PublishOutcome, Refusal, Resource, ResourceChanges, StreamNode } from './resource.ts';
import type { RetryRules } from './retries.ts';
import { stagesOf } from './stages.ts';

export interface DeltaServerOptions {
  /** Type URLs, what others name first: they are sent in this order, and removed in reverse, each acknowledged before the next. */
  readonly order: readonly string[];
  /** One of them, last: it puts what came before it in force, so that the others are sent all at once. */
  readonly commit?: string;
  /** Types that a node has to have asked for before anything counts as in force. Default: all of `order`. */
  readonly essential?: readonly string[];
  /** How long `publish` waits for a node, in milliseconds. Default 10,000. */
  readonly ackTimeout?: number;
  /** A publication is in force once all nodes have it, and refused when one refuses some of it. Default: one is enough, and all. */
  readonly unanimous?: boolean;
  /**
   * For what nodes ask by themselves (`Resource.asks`), in milliseconds. Default 5000: what they have asked for on time is in force when
   * it is acknowledged, and an Envoy that gets no processor asks late.
   */
  readonly askTimeout?: number;
  /** Streams per gateway. Default 1024. */
  readonly streams?: number;
  /** Octets of one response; a larger resource travels alone. Default 256 KiB. */
  readonly responseBytes?: number;
  /** What a node refused is sent to it again, when it may have passed. Default: not before it changes. */
  readonly retries?: RetryRules;
  /** Default `portolan`. */
  readonly controlPlane?: string;
  readonly onAck?: (node: StreamNode, typeUrl: string, resources: readonly Resource[]) => void;
  /** A node refused a resource: told once of each version. */
  readonly onNack?: (node: StreamNode, refusal: Refusal) => void;
  /** A node came, went, or has more in force than before. */
  readonly onNodes?: (gateway: string) => void;
}

/** What takes streams of the transport. */
export interface Discovery {
  /** A node of a gateway came; undefined: there are too many. */
  connect(gateway: string, writer: ResponseWriter): Connection | undefined;
}

/** What a stream of the transport does with it. */
export interface Connection {
  request(request: DeltaRequest): void;
  /** What was written has gone out. */
  drained(): void;
  close(): void;
}

interface Waiter {
  readonly revision: number;
  readonly timer: NodeJS.Timeout;
  readonly resolve: (outcome: PublishOutcome) => void;
  /** By the streams that completed it, but refused something. */
  readonly refused: Map<NodeStream, readonly Refusal[]>;
}

interface GatewayState {
  readonly published: Published;
  readonly streams: Set<NodeStream>;
  readonly waiters: Set<Waiter>;
  /** To be dropped with its last stream. */
  forgotten: boolean;
}

/** Of each node one response of a type is under way: what a whole configuration takes in memory while many nodes start at once. */
const RESPONSE_BYTES = 262_144;

export class DeltaServer implements Discovery {
  readonly #options: DeltaServerOptions;
  readonly #rules: StreamRules;
  readonly #gateways = new Map<string, GatewayState>();
  #synced = false;

  constructor(options: DeltaServerOptions) {
    this.#options = options;
    this.#rules = {
      stages: stagesOf(options.order, options.commit),
      essential: options.essential ?? options.order,
      controlPlane: options.controlPlane ?? 'portolan',
      responseBytes: options.responseBytes ?? RESPONSE_BYTES,
      askTimeout: options.askTimeout ?? 5000,
      retries: options.retries,
    };
  }

  /**
   * Changes the resources of a gateway (`namespace/name`) at once. The first publication of a gateway is everything that it has:
   * until then its nodes are told nothing, and keep what they have. Resolves when one node has it in force, when there is none,
   * or after `ackTimeout`.
   */
  publish(gateway: string, changes: readonly ResourceChanges[]): Promise<PublishOutcome> {
    const state = this.#stateOf(gateway);
    state.forgotten = false;
    const { published } = state;
    const opens = !published.known;
    const changed = published.apply(changes);
    const { revision } = published;
    const outcome = this.#outcome(state, revision);
    for (const stream of state.streams) {
      if (opens) stream.opened();
      else if (changed.size > 0) stream.changed(changed);
    }
    return outcome;
  }

  /**
   * Everything that there is was published once. From now on a gateway of which nothing was published has nothing, and its nodes
   * are told so.
   */
  synced(): void {
    this.#synced = true;
    for (const [gateway, { published }] of this.#gateways) if (!published.known) void this.publish(gateway, []);
  }

  /** The gateway is gone: its nodes are told that nothing is left of it. */
  forget(gateway: string): void {
    const state = this.#gateways.get(gateway);
    if (state === undefined) return;
    const changes = this.#options.order.map((typeUrl) => ({
      typeUrl,
      set: [],
      remove: [...state.published.all(typeUrl).keys()],
    }));
    void this.publish(gateway, changes);
    state.forgotten = true;
    this.#tidy(gateway, state);
  }

  /** Counts what was published of a gateway, as `StreamNode.revision` does; 0: nothing. */
  revision(gateway: string): number {
    return this.#gateways.get(gateway)?.published.revision ?? 0;
  }

  /** Names of resources that stand, with the publication that brought each as it is. */
  *standing(gateway: string, typeUrl: string): Iterable<readonly [name: string, since: number]> {
    for (const [name, { since }] of this.#gateways.get(gateway)?.published.all(typeUrl) ?? []) yield [name, since];
  }

  /** Connected data planes. */
  nodes(gateway?: string): readonly StreamNode[] {
    const states = gateway === undefined ? [...this.#gateways.values()] : [this.#gateways.get(gateway)];
    return states.flatMap((state) => [...(state?.streams ?? [])].map((stream) => stream.describe()));
  }

  connect(gateway: string, writer: ResponseWriter): Connection | undefined {
    const state = this.#stateOf(gateway);
    if (state.streams.size >= (this.#options.streams ?? 1024)) return undefined;
    const stream = new NodeStream(state.published, gateway, this.#rules, this.#ends(state, writer));
    state.streams.add(stream);
    if (this.#synced && !state.published.known) state.published.apply([]);
    return {
      request: (request) => {
        const isNew = stream.isNew;
        stream.request(request);
        if (isNew) this.#options.onNodes?.(gateway);
      },
      drained: () => stream.drained(),
      close: () => {
        stream.close();
        state.streams.delete(stream);
        for (const waiter of state.waiters) this.#settle(state, waiter);
        this.#tidy(gateway, state);
        this.#options.onNodes?.(gateway);
      },
    };
  }

  #stateOf(gateway: string): GatewayState {
    let state = this.#gateways.get(gateway);
    if (state === undefined) {
      state = { published: new Published(), streams: new Set(), waiters: new Set(), forgotten: false };
      this.#gateways.set(gateway, state);
    }
    return state;
  }

  #tidy(gateway: string, { streams, published, forgotten }: GatewayState): void {
    if (streams.size === 0 && (forgotten || published.isEmpty)) this.#gateways.delete(gateway);
  }

  #ends(state: GatewayState, writer: ResponseWriter): StreamEvents & ResponseWriter {
    return {
      write: (response) => writer.write(response),
      refuse: (message) => writer.refuse(message),
      completed: (stream, refusals) => {
        for (const waiter of state.waiters) {
          if (waiter.revision > stream.revision) continue;
          // What came later in the same batch may have mended what was refused, so the last word counts.
          if (refusals.length === 0 && this.#options.unanimous !== true)
            this.#resolve(state, waiter, { outcome: 'acknowledged' });
          else {
            waiter.refused.set(stream, refusals);
            this.#settle(state, waiter);
          }
        }
        this.#options.onNodes?.(stream.gateway);
      },
      acknowledged: (stream, typeUrl, { set }) => this.#options.onAck?.(stream.describe(), typeUrl, set),
      refused: (stream, refusal) => this.#options.onNack?.(stream.describe(), refusal),
    };
  }

  #outcome(state: GatewayState, revision: number): Promise<PublishOutcome> {
    if (state.streams.size === 0) return Promise.resolve({ outcome: 'unconnected' });
    return new Promise((resolve) => {
      const timer = setTimeout(
        () => this.#resolve(state, waiter, { outcome: 'timeout' }),
        this.#options.ackTimeout ?? 10_000,
      );
      const waiter: Waiter = { revision, timer, resolve, refused: new Map() };
      state.waiters.add(waiter);
      // Nothing changed, and a node has it all.
      const has = (stream: NodeStream): boolean => revision > 0 && stream.revision >= revision;
      const streams = [...state.streams];
      if (this.#options.unanimous === true ? streams.every(has) : streams.some(has)) {
        this.#resolve(state, waiter, { outcome: 'acknowledged' });
      }
    });
  }

  /** When no stream is left of which more is to be expected. */
  #settle(state: GatewayState, waiter: Waiter): void {
    if (state.streams.size === 0) {
      this.#resolve(state, waiter, { outcome: 'unconnected' });
      return;
    }
    const refused = [...state.streams].map((stream) => waiter.refused.get(stream));
    if (refused.some((refusals) => refusals === undefined)) return;
    const refusals = refused.flatMap((each) => each ?? []);
    this.#resolve(
      state,
      waiter,
      refusals.length === 0 ? { outcome: 'acknowledged' } : { outcome: 'refused', refusals },
    );
  }

  #resolve(state: GatewayState, waiter: Waiter, outcome: PublishOutcome): void {
    clearTimeout(waiter.timer);
    state.waiters.delete(waiter);
    waiter.resolve(outcome);
  }
}
