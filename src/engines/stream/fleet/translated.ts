// Nodes of a dialect (Envoy): the rows of their gateway -> resources, translated and encoded once for all nodes of a gateway, from the
// first of them until some time after the last; what they acknowledge and refuse -> reports as those of proxies.
import type { BindReport } from '../../../routing/model.ts';
import type { Update } from '../../../routing/update.ts';
import { type Connection, DeltaServer, type Discovery } from '../delta-server.ts';
import type { ResponseWriter } from '../node-stream.ts';
import type { PublishOutcome, Refusal, ResourceChanges, StreamNode } from '../resource.ts';
import type { Dialect, Translator } from './dialect.ts';
import type { NodeReport } from './reports.ts';

export interface TranslatedOptions {
  readonly dialect: Dialect;
  /** All rows of a gateway, and their digest; undefined: they have not come yet. */
  readonly standing: (gateway: string) => { readonly update: Update; readonly digest: string } | undefined;
  /** What a node serves now; undefined: it is gone. */
  readonly onReport: (source: string, gateway: string, report: NodeReport | undefined) => void;
  readonly onNodes: (gateway: string) => void;
  /** A node refused resources; the message is for people. */
  readonly onRefusal: (node: StreamNode, refusal: Refusal) => void;
  readonly onError: (message: string) => void;
  /**
   * Everything was sent and answered, and nobody is looked for who is to blame.
   * @param refusing nodes that refuse some of it for good
   * @param isWhole nothing is left out since a node refused it
   */
  readonly onQuiet: (gateway: string, refusing: readonly StreamNode[], isWhole: boolean) => void;
  /** Nothing is kept of a gateway any more. */
  readonly onForget: (gateway: string) => void;
  /** Given: what one node refuses is left out for all. Names of the rows that may be to blame at first; undefined: any. */
  readonly suspects?: (gateway: string) => ReadonlySet<string> | undefined;
  readonly ackTimeout: number;
  /** Milliseconds from the end of the last stream until nothing is kept of a gateway any more. */
  readonly keep: number;
}

/** Milliseconds between tries of what a node refuses and may take later. */
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 60_000;

interface Gateway {
  /** null: it is being made, or there are no rows yet. */
  translator: Translator | null;
  /** Resources were published, so that changes are. */
  isOpen: boolean;
  streams: number;
  forgetting: NodeJS.Timeout | null;
  /** By revision. */
  readonly publications: Map<number, Publication>;
  /** Binds that a node has in force, by stream. */
  readonly serving: Map<number, ReadonlySet<string>>;
  /** It is found out what is to blame for a refusal. */
  judging: Promise<void> | null;
  /** Publications of which it is not known what became of them. */
  underWay: number;
  /** How often somebody was looked for who is to blame for the refusal of one node, by resource. */
  readonly searches: Map<string, number>;
  /** Names of the rows that changed before a stream refused something; undefined: any may have. */
  readonly changed: Map<number, ReadonlySet<string> | undefined>;
}

interface Publication {
  /** Of the rows in it. */
  readonly digest: string;
  /** Of the translator. */
  readonly call: number;
}

interface Sent {
  readonly published: Promise<PublishOutcome>;
  /** Of the translator. */
  readonly call: number;
}

/** First among the rows that changed last, then among all. */
const SEARCHES = 2;

export class TranslatedNodes implements Discovery {
  readonly #options: TranslatedOptions;
  readonly #server: DeltaServer;
  readonly #gateways = new Map<string, Gateway>();

  constructor(options: TranslatedOptions) {
    const { dialect, ackTimeout } = options;
    this.#options = options;
    this.#server = new DeltaServer({
      order: dialect.order,
      essential: dialect.essential,
      ackTimeout,
      unanimous: options.suspects !== undefined,
      retries: { isPassing: dialect.isPassing, first: FIRST_PAUSE, longest: LONGEST_PAUSE },
      onNack: (node, { message, ...rest }) => {
        const state = this.#gateways.get(node.gateway);
        // Those of trials are no news.
        if (state === undefined || state.judging !== null) return;
        const has = state.publications.get(node.revision);
        const changed = has === undefined ? undefined : state.translator?.judge?.changedSince(has.call);
        const before = state.changed.has(node.stream) ? state.changed.get(node.stream) : new Set<string>();
        state.changed.set(node.stream, changed && before?.union(changed));
        options.onRefusal(node, { ...rest, message: dialect.reasonOf(message).message });
      },
      onNodes: (gateway) => {
        this.#report(gateway);
        options.onNodes(gateway);
        this.#settle(gateway);
      },
    });
  }

  nodes(gateway?: string): readonly StreamNode[] {
    return this.#server.nodes(gateway);
  }

  connect(gateway: string, writer: ResponseWriter): Connection | undefined {
    // Until the first publication its nodes are told nothing.
    const connection = this.#server.connect(gateway, writer);
    if (connection === undefined) return undefined;
    const state = this.#stateOf(gateway, () => writer.refuse('nothing can be translated'));
    state.streams++;
    let open = true;
    return {
      ...connection,
      close: () => {
        if (!open) return;
        open = false;
        connection.close();
        state.streams--;
        if (state.streams === 0) state.forgetting = setTimeout(() => this.#forget(gateway), this.#options.keep).unref();
      },
    };
  }

  /** Rows of a gateway changed. @param digest of all its rows from now on */
  apply(gateway: string, update: Update, digest: string): Promise<PublishOutcome> {
    const state = this.#gateways.get(gateway);
    if (state?.isOpen !== true || state.translator === null) return Promise.resolve({ outcome: 'unconnected' });
    if (state.judging !== null) return state.judging.then(() => this.apply(gateway, update, digest));
    const before = this.#server.revision(gateway);
    const outcome = this.#publish(gateway, state, state.translator.apply(update), digest);
    // Nothing of it shows in resources: whoever has those has it.
    if (this.#server.revision(gateway) === before) this.#report(gateway);
    return this.#judged(gateway, state, outcome);
  }

  #publish(
    gateway: string,
    { publications, translator }: Gateway,
    changes: readonly ResourceChanges[],
    digest: string,
  ): Promise<PublishOutcome> {
    const outcome = this.#server.publish(gateway, changes);
    publications.set(this.#server.revision(gateway), { digest, call: translator?.judge?.last() ?? 0 });
    return outcome;
  }

  /** Names of the rows that changed before a node refused something; undefined: that is not known. */
  changedFor(gateway: string, { stream }: StreamNode): ReadonlySet<string> | undefined {
    return this.#gateways.get(gateway)?.changed.get(stream);
  }

  async #judged(
    gateway: string,
    state: Gateway,
    published: Promise<PublishOutcome>,
    call: number = state.translator?.judge?.last() ?? 0,
  ): Promise<PublishOutcome> {
    state.underWay++;
    try {
      return await this.#judge(gateway, state, { published, call });
    } finally {
      state.underWay--;
      this.#settle(gateway);
    }
  }

  /** Nothing is under way any more: is there a node that refuses what stands? */
  #settle(gateway: string): void {
    const state = this.#gateways.get(gateway);
    if (state === undefined || state.underWay > 0 || state.judging !== null || !state.isOpen) return;
    const { onQuiet, suspects } = this.#options;
    const current = this.#server.revision(gateway);
    const nodes = this.#server.nodes(gateway).filter(({ revision }) => revision === current);
    const refused = new Map<string, StreamNode[]>();
    for (const node of nodes) for (const each of this.#lasting(node)) push(refused, nameOf(each), node);
    for (const name of state.searches.keys()) if (!refused.has(name)) state.searches.delete(name);
    if (suspects !== undefined && this.#accuse(gateway, state, nodes)) return;
    // What all refuse, and nobody was found to blame for, is refused apart as well.
    const concerns = [...refused].filter(([name, by]) => by.length < nodes.length || !state.searches.has(name));
    const refusing = new Set(suspects === undefined ? concerns.flatMap(([, by]) => by) : [...refused.values()].flat());
    onQuiet(gateway, [...refusing], state.translator?.judge?.isClear() === true);
  }

  #lasting({ refusals }: Pick<StreamNode, 'refusals'>): readonly Refusal[] {
    return refusals.filter(({ message }) => !this.#options.dialect.isPassing(message));
  }

  /** Of what one node refuses although others take it. Says whether somebody is looked for: a few times for each resource. */
  #accuse(gateway: string, state: Gateway, nodes: readonly StreamNode[]): boolean {
    const judge = state.translator?.judge;
    const refusal = nodes
      .flatMap((node) => this.#lasting(node))
      .find((each) => (state.searches.get(nameOf(each)) ?? 0) < SEARCHES);
    if (judge === undefined || refusal === undefined) return false;
    const searches = state.searches.get(nameOf(refusal)) ?? 0;
    state.searches.set(nameOf(refusal), searches + 1);
    // It may be none of those that changed last.
    judge.suspect(searches === 0 ? this.#options.suspects?.(gateway) : undefined);
    void this.#judged(gateway, state, Promise.resolve({ outcome: 'refused', refusals: [refusal] }), Infinity);
    return true;
  }

  /** What was refused is left out; what comes meanwhile waits. */
  async #judge(gateway: string, state: Gateway, { published, call }: Sent): Promise<PublishOutcome> {
    const judge = state.translator?.judge;
    const outcome = await published;
    const isRefused = outcome.outcome === 'refused';
    if (judge === undefined || (!isRefused && outcome.outcome !== 'acknowledged')) return outcome;
    const publish = (changes: readonly ResourceChanges[]): Promise<PublishOutcome> => {
      const digest = state.publications.get(this.#server.revision(gateway))?.digest ?? '';
      return this.#publish(gateway, state, changes, digest);
    };
    if (!isRefused) {
      await judge.judge(outcome, call, publish);
      return outcome;
    }
    const judging = (state.judging ?? Promise.resolve()).then(() => judge.judge(outcome, call, publish));
    state.judging = judging;
    await judging;
    if (state.judging === judging) state.judging = null;
    if (this.#options.suspects === undefined)
      for (const refusal of this.#lasting(outcome)) state.searches.set(nameOf(refusal), SEARCHES);
    this.#report(gateway);
    return outcome;
  }

  /** All rows have come: gateways without any have nothing. */
  synced(): void {
    for (const [gateway, state] of this.#gateways) this.#open(gateway, state);
  }

  /** The dialect translates a gateway otherwise from now on. */
  renew(gateway: string): void {
    const state = this.#gateways.get(gateway);
    if (state !== undefined) void this.#begin(gateway, state);
  }

  close(): void {
    for (const { forgetting } of this.#gateways.values()) if (forgetting !== null) clearTimeout(forgetting);
  }

  #stateOf(gateway: string, failed: () => void): Gateway {
    const there = this.#gateways.get(gateway);
    if (there !== undefined) {
      if (there.forgetting !== null) clearTimeout(there.forgetting);
      there.forgetting = null;
      return there;
    }
    const state: Gateway = {
      translator: null,
      isOpen: false,
      streams: 0,
      forgetting: null,
      publications: new Map(),
      serving: new Map(),
      judging: null,
      underWay: 0,
      searches: new Map(),
      changed: new Map(),
    };
    this.#gateways.set(gateway, state);
    void this.#begin(gateway, state).then((begun) => {
      if (!begun) failed();
    });
    return state;
  }

  /** Says whether it could. */
  async #begin(gateway: string, state: Gateway): Promise<boolean> {
    try {
      state.translator = await this.#options.dialect.translator(gateway);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.onError(`nothing can be translated for ${gateway}: ${reason}`);
      if (state.isOpen) return false;
      // The next node of the gateway is another try.
      if (this.#gateways.get(gateway) === state) this.#gateways.delete(gateway);
      return false;
    }
    state.isOpen = false;
    this.#open(gateway, state);
    return true;
  }

  /** Publishes everything that stands. */
  #open(gateway: string, state: Gateway): void {
    const { dialect, standing, suspects } = this.#options;
    if (state.isOpen || state.translator === null || this.#gateways.get(gateway) !== state) return;
    const all = standing(gateway);
    if (all === undefined) return;
    state.isOpen = true;
    const changes = new Map(state.translator.apply(all.update).map((change) => [change.typeUrl, change]));
    const whole = dialect.order.map((typeUrl) => {
      const set = changes.get(typeUrl)?.set ?? [];
      const names = new Set(set.map(({ name }) => name));
      // Of a translation before this one.
      const left = [...this.#server.standing(gateway, typeUrl)].map(([name]) => name);
      return { typeUrl, set, remove: left.filter((name) => !names.has(name)) };
    });
    const { judge } = state.translator;
    if (suspects !== undefined) judge?.suspect(suspects(gateway));
    const outcome = this.#publish(gateway, state, whole, all.digest);
    void this.#judged(gateway, state, outcome);
  }

  #forget(gateway: string): void {
    this.#gateways.delete(gateway);
    this.#server.forget(gateway);
    this.#options.onForget(gateway);
  }

  #report(gateway: string): void {
    const state = this.#gateways.get(gateway);
    if (state === undefined) return;
    const { dialect, onReport } = this.#options;
    const nodes = this.#server.nodes(gateway);
    const here = new Set(nodes.map(({ stream }) => stream));
    for (const stream of state.changed.keys()) if (!here.has(stream)) state.changed.delete(stream);
    for (const stream of state.serving.keys()) {
      if (here.has(stream)) continue;
      state.serving.delete(stream);
      onReport(sourceOf(dialect, stream), gateway, undefined);
    }
    const standing = [...this.#server.standing(gateway, dialect.bindType)];
    for (const node of nodes) {
      // It may be one that is back and serves what it has: what was heard of it counts until there is more to say.
      if (node.revision === 0) continue;
      const failed = failuresOf(node, dialect);
      const before = state.serving.get(node.stream);
      const inForce = standing.filter(([bind, since]) => since <= node.revision || before?.has(bind) === true);
      const serving = inForce.map(([bind]) => bind).filter((bind) => !failed.has(bind));
      state.serving.set(node.stream, new Set(serving));
      const names = new Set(standing.map(([bind]) => bind));
      onReport(sourceOf(dialect, node.stream), gateway, {
        node: node.id,
        ready: true,
        inForce: state.publications.get(node.revision)?.digest ?? '',
        binds: [
          ...serving.map((bind): BindReport => ({ bind, state: 'serving' })),
          ...[...failed.values()].filter(({ bind }) => names.has(bind)),
        ],
        leftOut: state.translator?.leftOut() ?? [],
      });
    }
    const oldest = Math.min(this.#server.revision(gateway), ...nodes.map(({ revision }) => revision));
    for (const revision of state.publications.keys()) if (revision < oldest) state.publications.delete(revision);
  }
}

function sourceOf({ node }: Dialect, stream: number): string {
  return `${node} ${stream}`;
}

/** Binds whose resource the node refused. */
function failuresOf({ refusals }: StreamNode, { bindType, reasonOf }: Dialect): ReadonlyMap<string, BindReport> {
  const failed = new Map<string, BindReport>();
  for (const { typeUrl, names, message } of refusals) {
    if (typeUrl !== bindType) continue;
    for (const bind of names) failed.set(bind, { bind, state: 'failed', ...reasonOf(message) });
  }
  return failed;
}

function nameOf({ typeUrl, names }: Refusal): string {
  return `${typeUrl} ${names.join()}`;
}

function push<K, V>(into: Map<K, V[]>, key: K, value: V): void {
  const there = into.get(key);
  if (there === undefined) into.set(key, [value]);
  else there.push(value);
}
