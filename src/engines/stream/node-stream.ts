// One stream of one node: requests in, responses out. What changed is sent in batches: a batch is what stood when it began, in
// stages, one response per type under way at a time; what changes meanwhile waits in sets of names for the next batch, so that a
// slow node costs names and not copies. A refused response is halved until the resource to blame is found; the rest gets through.
import { add, arrived, type Batch } from './batch.ts';
import type { DeltaRequest, DeltaResponse } from './discovery.ts';
import type { ChangedNames, Published } from './published.ts';
import type { Asked, Refusal, StreamNode } from './resource.ts';
import { Retries, type RetryRules } from './retries.ts';
import type { Stage } from './stages.ts';
import { type Chunk, halves, split, Subscription } from './subscription.ts';

/** Towards the node. */
export interface ResponseWriter {
  /** false: nothing more before `NodeStream.drained`. */
  write(response: DeltaResponse): boolean;
  /** Ends the stream because the node went beyond a limit. */
  refuse(message: string): void;
}

export interface StreamRules {
  readonly stages: readonly Stage[];
  /** Without a subscription to all of them a node has nothing in force. */
  readonly essential: readonly string[];
  /** What servers call themselves in responses. */
  readonly controlPlane: string;
  /** Octets of one response, but for a resource that alone is larger. */
  readonly responseBytes: number;
  /** Milliseconds for a node to ask for what it was expected to ask for (`Resource.asks`). */
  readonly askTimeout: number;
  readonly retries: RetryRules | undefined;
}

export interface StreamEvents {
  /** Everything up to a publication is in force, but for what was refused. */
  completed(stream: NodeStream, refusals: readonly Refusal[]): void;
  acknowledged(stream: NodeStream, typeUrl: string, chunk: Chunk): void;
  refused(stream: NodeStream, refusal: Refusal): void;
}

/** Types and names per stream: far more than any program needs. */
const MOST_TYPES = 32;
const MOST_NAMES = 200_000;
/** In one batch; beyond it refused responses are not taken apart. */
const MOST_REFUSALS = 64;

let streams = 0;

export class NodeStream {
  readonly gateway: string;
  readonly #number = ++streams;
  readonly #published: Published;
  readonly #rules: StreamRules;
  readonly #writer: ResponseWriter;
  readonly #events: StreamEvents;
  readonly #since = Date.now();
  readonly #subscriptions = new Map<string, Subscription>();
  #id = '';
  #agent = '';
  #batch: Batch | null = null;
  #completed = 0;
  #nonce = 0;
  #blocked = false;
  #closed = false;
  #patience: NodeJS.Timeout | null = null;
  readonly #retries: Retries;

  constructor(published: Published, gateway: string, rules: StreamRules, ends: StreamEvents & ResponseWriter) {
    this.#published = published;
    this.gateway = gateway;
    this.#rules = rules;
    this.#writer = ends;
    this.#events = ends;
    this.#retries = new Retries(rules.retries, (isPassing) => {
      for (const subscription of this.#subscriptions.values()) subscription.retry(isPassing);
      this.#pump();
    });
  }

  /** The publication up to which the node has everything; 0: none. */
  get revision(): number {
    return this.#completed;
  }

  /** It has asked for nothing yet. */
  get isNew(): boolean {
    return this.#subscriptions.size === 0;
  }

  describe(): StreamNode {
    const refusals = [...this.#subscriptions.values()].flatMap(({ typeUrl, refused }) =>
      [...refused].map(([name, { message }]) => ({ typeUrl, names: [name], message })),
    );
    return {
      gateway: this.gateway,
      stream: this.#number,
      id: this.#id,
      agent: this.#agent,
      since: this.#since,
      revision: this.#completed,
      refusals,
    };
  }

  request(request: DeltaRequest): void {
    if (this.#closed) return;
    if (request.node !== undefined && this.#id === '') {
      this.#id = request.node.id.slice(0, 256);
      this.#agent = request.node.agent.slice(0, 256);
    }
    const known = this.#subscriptions.get(request.typeUrl);
    if (known === undefined) this.#subscribe(request);
    else {
      if (request.nonce !== '') this.#answered(known, request);
      this.#change(known, request);
    }
    this.#pump();
  }

  /** Something was published: the names that changed. */
  changed(changes: ChangedNames): void {
    for (const [typeUrl, names] of changes) {
      const subscription = this.#subscriptions.get(typeUrl);
      if (subscription === undefined) continue;
      for (const name of names) if (subscription.covers(name)) subscription.dirty.add(name);
    }
    this.#pump();
  }

  /** The gateway is known from now on. */
  opened(): void {
    for (const subscription of this.#subscriptions.values()) this.#compare(subscription);
    this.#pump();
  }

  /** What was written has gone out. */
  drained(): void {
    this.#blocked = false;
    this.#pump();
  }

  close(): void {
    this.#closed = true;
    this.#retries.close();
    if (this.#patience !== null) clearTimeout(this.#patience);
  }

  // ---- What the node asks for.

  #subscribe({ typeUrl, subscribe, initialVersions }: DeltaRequest): void {
    if (this.#subscriptions.size >= MOST_TYPES) {
      this.#writer.refuse('too many types');
      return;
    }
    const subscription = new Subscription(typeUrl, initialVersions);
    subscription.wildcard = subscribe.length === 0 || subscribe.includes('*');
    for (const name of subscribe) if (name !== '*') subscription.names.set(name, false);
    this.#subscriptions.set(typeUrl, subscription);
    if (this.#isTooMuch(subscription)) return;
    if (this.#published.known) this.#compare(subscription);
  }

  #compare(subscription: Subscription): void {
    this.#offer(subscription, subscription.differences(this.#published));
  }

  #change(subscription: Subscription, { subscribe, unsubscribe }: DeltaRequest): void {
    const told = new Set<string>();
    for (const name of subscribe) {
      if (name === '*') {
        if (!subscription.wildcard) for (const each of this.#published.all(subscription.typeUrl).keys()) told.add(each);
        subscription.wildcard = true;
      } else {
        // Asked for again: it has lost it, so that it is sent whatever was sent before.
        subscription.names.set(name, false);
        subscription.refused.delete(name);
        told.add(name);
      }
    }
    for (const name of unsubscribe) {
      if (name === '*') subscription.wildcard = false;
      else subscription.names.delete(name);
      if (name !== '*' && subscription.wildcard) told.add(name);
    }
    if (unsubscribe.length > 0) {
      for (const name of subscription.dirty) if (!subscription.covers(name)) subscription.dirty.delete(name);
    }
    if (told.size === 0 || this.#isTooMuch(subscription) || !this.#published.known) return;
    this.#offer(subscription, told);
  }

  #isTooMuch({ names }: Subscription): boolean {
    if (names.size <= MOST_NAMES) return false;
    this.#writer.refuse('too many names');
    return true;
  }

  /** To be told soon: in the batch under way where that keeps the order, else in the next one. */
  #offer(subscription: Subscription, names: Iterable<string>): void {
    const { typeUrl } = subscription;
    const stage = this.#stageOf(typeUrl);
    const batch = this.#batch;
    if (batch === null && stage >= 0) {
      for (const name of names) subscription.dirty.add(name);
      return;
    }
    const now: string[] = [];
    const asked: string[] = [];
    for (const name of names) {
      if (batch?.asked.has(`${typeUrl} ${name}`) === true) {
        asked.push(name);
        continue;
      }
      const since = this.#published.find(typeUrl, name)?.since ?? 0;
      if (batch !== null && stage >= 0 && since > batch.revision) subscription.dirty.add(name);
      else now.push(name);
    }
    if (asked.length > 0) {
      subscription.waiting.push(...this.#chunks(subscription, subscription.chunk(asked, this.#published)));
      if (now.length === 0) return;
    }
    const chunks = this.#chunks(subscription, subscription.chunk(now, this.#published));
    // Behind what is sent already there is nothing to wait for: what it names is there.
    if (batch === null || stage <= batch.stage) subscription.waiting.push(...chunks);
    else add(batch.stages[stage] as Map<Subscription, Chunk[]>, subscription, chunks);
  }

  #chunks(subscription: Subscription, chunk: Chunk): readonly Chunk[] {
    const chunks = split(chunk, this.#rules.responseBytes);
    if (chunks.length > 0 || !subscription.due) return chunks;
    return [chunk];
  }

  // ---- What the node says to a response.

  #answered(subscription: Subscription, { nonce, error }: DeltaRequest): void {
    const { outstanding } = subscription;
    // Of a response before that one: nothing waits for it.
    if (outstanding === null || outstanding.nonce !== nonce) return;
    subscription.outstanding = null;
    if (error === undefined) this.#accepted(subscription, outstanding.chunk);
    else this.#rejected(subscription, outstanding.chunk, error);
  }

  #accepted(subscription: Subscription, chunk: Chunk): void {
    const { typeUrl } = subscription;
    const taken = chunk.set.filter(({ name }) => subscription.refused.has(name));
    subscription.acknowledged(chunk);
    if (this.#batch !== null) arrived(this.#batch, typeUrl, chunk);
    // What it asked for because of one that it refused then it has let go of, and does not say so: it would wait for it for ever.
    this.#expect(taken.flatMap(({ asks = [] }) => asks.map((asked) => ({ ...asked, again: true }))));
    this.#events.acknowledged(this, typeUrl, chunk);
  }

  #rejected(subscription: Subscription, chunk: Chunk, message: string): void {
    const { typeUrl } = subscription;
    const refusals = this.#batch?.refusals ?? [];
    const parts = refusals.length < MOST_REFUSALS ? halves(chunk) : undefined;
    if (parts !== undefined) {
      subscription.waiting.unshift(...parts);
      return;
    }
    const isNew = subscription.refuse(chunk.set, message);
    this.#retries.refused(message, isNew);
    for (const { name, asks = [] } of chunk.set) {
      for (const asked of asks) this.#batch?.asked.delete(`${asked.typeUrl} ${asked.name}`);
      this.#batch?.asked.delete(`${typeUrl} ${name}`);
    }
    // Of what was tried again everybody has heard.
    if (!isNew) return;
    const refusal = { typeUrl, names: chunk.set.map(({ name }) => name), message };
    refusals.push(refusal);
    this.#events.refused(this, refusal);
  }

  // ---- Sending.

  #pump(): void {
    while (!this.#closed) {
      this.#batch ??= this.#begin();
      let sent: boolean;
      do {
        sent = false;
        for (const subscription of this.#subscriptions.values()) sent = this.#send(subscription) || sent;
        // What was sent may have made more of another type due.
      } while (sent);
      if (this.#batch === null) {
        this.#rest();
        return;
      }
      if (!this.#isStageDone(this.#batch)) return;
      this.#advance(this.#batch);
    }
  }

  /** Nothing is to be told: what was published concerned other types or names. */
  #rest(): void {
    const { known, revision } = this.#published;
    if (known && this.#completed < revision) this.#complete(revision, []);
  }

  /** Says whether it did. */
  #send(subscription: Subscription): boolean {
    if (this.#blocked || subscription.outstanding !== null) return false;
    const chunk = subscription.waiting.shift();
    if (chunk === undefined) return false;
    subscription.due = false;
    const nonce = String(++this.#nonce);
    subscription.outstanding = { nonce, chunk };
    this.#blocked = !this.#writer.write({
      typeUrl: subscription.typeUrl,
      nonce,
      resources: chunk.set,
      removed: chunk.remove,
      systemVersion: String(this.#batch?.revision ?? this.#published.revision),
      controlPlane: this.#rules.controlPlane,
    });
    this.#expect(chunk.set.flatMap(({ asks = [] }) => asks));
    return true;
  }

  /** What the node is about to need: what it has asked for already is sent, with as few responses as hold it. */
  #expect(all: readonly Asked[]): void {
    const covered = new Map<Subscription, Set<string>>();
    for (const asked of all) {
      const { typeUrl, name, again, through } = asked;
      if (through !== undefined && this.#subscriptions.get(through.typeUrl)?.refused.has(through.name) === true)
        continue;
      const subscription = this.#subscriptions.get(typeUrl);
      if (again !== true && subscription?.isSettled(name) === true) continue;
      const isAll = name === '*' && subscription !== undefined;
      if (isAll && again !== true) continue;
      if (!isAll) this.#batch?.asked.set(`${typeUrl} ${name}`, asked);
      if (subscription?.covers(name) !== true) continue;
      let names = covered.get(subscription);
      if (names === undefined) covered.set(subscription, (names = new Set()));
      for (const each of isAll ? this.#published.all(typeUrl).keys() : [name]) names.add(each);
    }
    for (const [subscription, names] of covered) {
      const missing = names.difference(subscription.queued());
      subscription.waiting.push(...split(subscription.chunk(missing, this.#published), this.#rules.responseBytes));
    }
  }

  /** Everything that is to be told now; null when that is nothing. */
  #begin(): Batch | null {
    if (!this.#published.known) return null;
    const { stages } = this.#rules;
    const batch: Batch = {
      revision: this.#published.revision,
      stages: stages.map(() => new Map<Subscription, Chunk[]>()),
      stage: -1,
      asked: new Map(),
      refusals: [],
    };
    let anything = false;
    for (const subscription of this.#subscriptions.values()) {
      batch.refusals.push(...subscription.refusedAlready(this.#published));
      anything ||= batch.refusals.length > 0;
      const { set, remove } = subscription.chunk(subscription.dirty, this.#published);
      subscription.dirty.clear();
      stages.forEach(({ types, parts }, index) => {
        if (!types.includes(subscription.typeUrl)) return;
        const chunk = { set: parts === 'remove' ? [] : set, remove: parts === 'set' ? [] : remove };
        const empty = set.length + remove.length === 0 && parts !== 'remove';
        const chunks = empty ? this.#chunks(subscription, chunk) : split(chunk, this.#rules.responseBytes);
        if (chunks.length === 0) return;
        add(batch.stages[index] as Map<Subscription, Chunk[]>, subscription, chunks);
        anything = true;
      });
    }
    return anything ? batch : null;
  }

  #isStageDone(batch: Batch): boolean {
    if (![...this.#subscriptions.values()].every((subscription) => subscription.isDrained)) return false;
    const waits = [...batch.asked].some(([, { typeUrl }]) => this.#stageOf(typeUrl) <= batch.stage);
    if (!waits) {
      if (this.#patience !== null) clearTimeout(this.#patience);
      this.#patience = null;
      return true;
    }
    this.#patience ??= setTimeout(() => {
      this.#patience = null;
      batch.asked.clear();
      this.#pump();
    }, this.#rules.askTimeout);
    return false;
  }

  /** In which a type is set. */
  #stageOf(typeUrl: string): number {
    return this.#rules.stages.findIndex(({ types }) => types.includes(typeUrl));
  }

  #advance(batch: Batch): void {
    batch.stage++;
    const stage = batch.stages[batch.stage];
    if (stage === undefined) {
      this.#batch = null;
      this.#complete(batch.revision, batch.refusals);
      return;
    }
    for (const [subscription, chunks] of stage) subscription.waiting.push(...chunks);
  }

  #complete(revision: number, refusals: readonly Refusal[]): void {
    if (!this.#rules.essential.every((typeUrl) => this.#subscriptions.has(typeUrl))) return;
    this.#completed = revision;
    this.#events.completed(this, refusals);
  }
}
