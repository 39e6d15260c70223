// The loop of the cluster: what changed there becomes the model, the model goes to the data planes, and what they have in force is
// written into statuses. Nothing is served or written before everything was listed once.
import { gatewayGroup } from '../api/kinds.ts';
import type { KubeObject } from '../api/objects.ts';
import type { Changes } from '../incremental/table.ts';
import { mergeUpdates } from '../pipeline/merged-update.ts';
import { Pipeline } from '../pipeline/pipeline.ts';
import { replacement } from '../pipeline/replacement.ts';
import type { BoundGateway } from '../routing/bound.ts';
import type { ObjectRef } from '../routing/origin.ts';
import { nameOf, refKey } from '../routing/origin.ts';
import type { Update } from '../routing/update.ts';
import type { KubeClient } from '../sources/cluster/client.ts';
import { objectKey, ClusterSource } from '../sources/cluster/source.ts';
import type { ClusterSourceOptions } from '../sources/cluster/source.ts';
import { HostResolver } from '../sources/dns/resolver.ts';
import { finalizeClass } from './finalizers.ts';
import { Lease } from './lease.ts';
import { handOver, Heard } from './heard.ts';
import type { LogEntry } from './log.ts';
import { keptParameters, ownerOf } from './owners.ts';
import { replicaMetrics } from './metrics.ts';
import { placeOf, refOfKey } from './paths.ts';
import { Retries } from './retries.ts';
import type { DataPlane, Mode, Serving } from './serving.ts';
import { StatusWriter } from './status-writer.ts';
import { isServed, Told } from './told.ts';

export interface ControllerOptions {
  readonly client: KubeClient;
  readonly controllerName: string;
  readonly mode: Mode;
  /** What is left out of the cluster. */
  readonly selection?: Pick<ClusterSourceOptions, 'namespaces' | 'namespaceSelector' | 'selector'>;
  /** Of the controller: where its Lease is. */
  readonly namespace: string;
  /** False: this is the only replica. */
  readonly electsLeader: boolean;
  /** HOST:PORT at which other replicas reach the stream of this one. */
  readonly streamAddress?: string;
  readonly log: (entry: LogEntry) => void;
}

/** Milliseconds that the statuses of routes wait for data planes that do not answer. */
const PATIENCE = 5000;

export class Controller {
  readonly #options: ControllerOptions;
  readonly #source: ClusterSource;
  readonly #writer: StatusWriter;
  readonly #lease: Lease | undefined;
  readonly #serving: Serving;
  readonly #resolver: HostResolver;
  /** Answers of DNS since the last turn. */
  #answers = new Map<string, readonly string[]>();
  #pipeline: Pipeline | undefined;
  #channel: 'standard' | 'experimental' = 'standard';
  readonly #heard: Heard;
  readonly #told: Told;
  readonly #finalizers = new Retries(30_000);
  #scheduled = false;
  #closed = false;
  /** Gateways that things were provided for. */
  readonly #provided = new Map<string, BoundGateway>();

  constructor(options: ControllerOptions) {
    this.#options = options;
    const { client, log, mode, namespace, selection } = options;
    const changed = (): void => this.#schedule();
    this.#source = new ClusterSource(client, {
      ...selection,
      ownNamespace: namespace,
      kinds: mode.kinds,
      changed,
      failed: (kind, error) => log({ level: 'warn', message: `${kind} cannot be read: ${error.message}` }),
    });
    this.#heard = new Heard(changed, log);
    const { report, leftOut } = this.#heard;
    this.#serving = mode.begin({
      client,
      source: this.#source,
      leads: () => this.leads,
      report,
      leftOut,
      changed,
      log,
    });
    this.#resolver = new HostResolver({
      resolved: (hostname, addresses) => {
        this.#answers.set(hostname, addresses);
        this.#schedule();
      },
    });
    this.#writer = new StatusWriter({
      client,
      source: this.#source,
      controllerName: options.controllerName,
      wanted: (key) => (this.#told.may(key) ? this.#pipeline?.tables.statuses.get(key) : undefined),
      generation: (ref) => this.#generationOf(ref),
      leads: () => this.leads,
      failed: (ref, error) => {
        log({ level: 'error', message: `the status of ${nameOf(ref)} could not be written: ${error.message}` });
      },
    });
    // Not in the middle of a turn.
    this.#told = new Told((refs) => setImmediate(() => this.#write(new Map(refs.map((ref) => [refKey(ref), ref])))));
    this.#lease = options.electsLeader ? this.#newLease() : undefined;
  }

  get plane(): DataPlane {
    return this.#serving.plane;
  }

  /** Whether this replica writes. */
  get leads(): boolean {
    return this.#lease?.leads ?? true;
  }

  get pipeline(): Pipeline | undefined {
    return this.#pipeline;
  }

  /** What it waits for; empty: it serves. */
  waiting(): readonly string[] {
    if (this.#closed) return ['stopping'];
    const waiting = [...this.#source.waiting(), ...this.#serving.waiting()];
    return waiting.length > 0 || this.#pipeline !== undefined ? waiting : ['the first configuration'];
  }

  /** Kinds that cannot be read now, with the reason; the rest is served. */
  failing(): readonly string[] {
    return this.#source.failing();
  }

  /** In the text format of Prometheus: of this replica, and of the data plane where it is in this process. */
  async metrics(): Promise<string> {
    return `${replicaMetrics(this)}${await this.plane.metrics()}`;
  }

  get statusWrites(): number {
    return this.#writer.writes;
  }

  start(): void {
    if (this.#lease === undefined) this.#serving.lead(true);
    this.#lease?.start();
    this.#serving.start();
    this.#source.start();
  }

  /** @param deadline milliseconds for requests in flight */
  async stop(deadline: number): Promise<void> {
    this.#closed = true;
    this.#told.close();
    this.#writer.close();
    this.#finalizers.close();
    this.#source.close();
    this.#resolver.close();
    await this.#lease?.close();
    await this.plane.drain(deadline);
    await this.#serving.close();
    this.#options.client.close();
  }

  #newLease(): Lease {
    const { client, namespace, streamAddress, log } = this.#options;
    return new Lease({
      client,
      namespace,
      name: 'portolan-controller',
      ...(streamAddress === undefined ? {} : { address: streamAddress }),
      changed: (leads) => {
        log({ level: 'info', message: leads ? 'this replica writes statuses now' : 'another replica writes statuses' });
        this.#serving.lead(leads);
        if (leads) this.#await();
        if (leads) this.#writeEverything();
      },
      leader: (address) => this.#serving.follow(address),
      failed: (error) => log({ level: 'warn', message: `the lease could not be renewed: ${error.message}` }),
    });
  }

  #schedule(): void {
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    // What comes in one turn of the loop is one batch.
    setImmediate(() => {
      this.#scheduled = false;
      if (!this.#closed) this.#turn();
    });
  }

  #turn(): void {
    if (this.#pipeline === undefined) {
      if (this.#source.waiting().length === 0) this.#begin();
      return;
    }
    const { channel } = this.#source;
    if (channel !== undefined && channel !== this.#channel) {
      this.#replace(channel);
      return;
    }
    const change = this.#source.take();
    this.#serving.observe(change);
    for (const object of change.deleted) this.#pipeline.delete(object);
    for (const object of change.applied) this.#apply(this.#pipeline, object);
    this.#heard.give(this.#pipeline);
    this.#told.heard(this.#pipeline);
    this.#pipeline.forbidKinds(this.#source.forbidden());
    for (const [hostname, addresses] of this.#answers) this.#pipeline.resolve(hostname, addresses);
    this.#answers = new Map();
    this.#pipeline.serveKinds(this.#source.kinds());
    this.#settle(this.#pipeline, change.live);
  }

  #begin(): void {
    const pipeline = this.#newPipeline();
    this.#pipeline = pipeline;
    for (const [gateway, parameters] of keptParameters(this.#source)) pipeline.keepParameters(gateway, parameters);
    this.#keepParameters(pipeline, pipeline.settle().changes);
    this.#serving.place(pipeline, undefined);
    pipeline.settle();
    this.#await();
    this.#serve(pipeline.snapshot(), undefined);
    this.#provide(pipeline, undefined);
    const [gateways, routes] = [pipeline.tables.gateways.size, pipeline.tables.routes.size];
    this.#options.log({ level: 'info', message: 'everything is listed', gateways, routes, channel: this.#channel });
    if ([...this.#source.kinds()].some((kind) => kind.startsWith(`${gatewayGroup}/`))) return;
    const message = 'no CRDs of Gateway API are installed: Gateways and routes are served as soon as they are';
    this.#options.log({ level: 'warn', message });
  }

  /** Another channel has other fields: everything is read anew, and only what differs goes to the engine. */
  #replace(channel: string): void {
    this.#options.log({ level: 'info', message: `the CRDs are of the ${channel} channel now` });
    const old = this.#pipeline as Pipeline;
    const pipeline = this.#newPipeline();
    this.#pipeline = pipeline;
    for (const key of old.tables.gateways.keys()) {
      pipeline.keepParameters(key, old.tables.gateways.get(key)?.parameters);
    }
    pipeline.settle();
    this.#serving.place(pipeline, undefined);
    handOver(old, pipeline);
    pipeline.settle();
    this.#serve(replacement(old.snapshot(), pipeline.snapshot()), undefined);
    this.#schedule();
  }

  #newPipeline(): Pipeline {
    this.#source.take();
    this.#channel = this.#source.channel ?? 'standard';
    const pipeline = new Pipeline({
      channel: this.#channel,
      controllerName: this.#options.controllerName,
      classes: 'by-controller',
      presume: false,
      engine: this.#options.mode.engine,
      engines: this.#options.mode.engines,
      awaitEngine: true,
    });
    for (const object of this.#source.objects()) this.#apply(pipeline, object);
    pipeline.serveKinds(this.#source.kinds());
    pipeline.forbidKinds(this.#source.forbidden());
    return pipeline;
  }

  /** What is read for the ways to serve only (Deployments) is no input of the model. */
  #apply(pipeline: Pipeline, object: KubeObject): void {
    if (!this.#options.mode.kinds.some(({ kind }) => kind === object.kind)) pipeline.apply(object);
  }

  #settle(pipeline: Pipeline, live: ReadonlySet<string>): void {
    const first = pipeline.settle();
    const settled = [first];
    this.#keepParameters(pipeline, first.changes);
    if (this.#serving.place(pipeline, first.changes)) settled.push(pipeline.settle());
    const update = mergeUpdates(settled.map(({ update }) => update).filter((update) => Object.keys(update).length > 1));
    const refs = this.#refsToWrite(pipeline, settled, live);
    // Statuses tell what is served, so they follow it.
    if (update === undefined) this.#write(refs);
    else this.#serve(update, refs);
    for (const { changes } of settled) this.#provide(pipeline, changes);
    this.#provideAnew(pipeline, live);
    this.#resolver.want(pipeline.tables.wantedHosts.keys());
  }

  /** What a Gateway goes on with when its parameters go wrong. */
  #keepParameters(pipeline: Pipeline, changes: Changes): void {
    const { gateways } = pipeline.tables;
    for (const key of changes.of(gateways)) {
      const gateway = gateways.get(key);
      if (gateway?.keptParameters !== true) pipeline.keepParameters(key, gateway?.parameters);
    }
  }

  /** @param refs whose statuses tell of the update; undefined: all */
  #serve(update: Update, refs: ReadonlyMap<string, ObjectRef> | undefined): void {
    const write = (only: (ref: ObjectRef) => boolean): void => {
      if (refs === undefined) this.#writeEverything(only);
      else this.#write(new Map([...refs].filter(([, ref]) => only(ref))));
    };
    // Of Gateways it is told what is in force; of routes, that they are taken, which needs no data plane that is stuck.
    const patience = setTimeout(() => write((ref) => !isServed(ref)), PATIENCE);
    patience.unref();
    const inForce = this.#told.send(refs?.values() ?? []);
    const settled = (): void => {
      clearTimeout(patience);
      inForce();
    };
    this.plane.apply(update).then(
      () => {
        settled();
        write(() => true);
      },
      (error: unknown) => {
        settled();
        this.#options.log({ level: 'error', message: `the engine refused an update: ${(error as Error).message}` });
      },
    );
  }

  #await(): void {
    const pipeline = this.#pipeline;
    if (pipeline === undefined) return;
    const { tables } = pipeline;
    this.#told.await([...this.#serving.expected(pipeline)].flatMap((key) => tables.gateways.get(key) ?? []));
    this.#told.heard(pipeline);
  }

  #refsToWrite(
    pipeline: Pipeline,
    settled: readonly { readonly changes: Changes }[],
    live: ReadonlySet<string>,
  ): Map<string, ObjectRef> {
    const refs = new Map<string, ObjectRef>();
    const { statuses } = pipeline.tables;
    const add = (key: string): void => {
      const ref = refOfKey(key);
      if (placeOf(ref) !== undefined) refs.set(key, ref);
    };
    for (const { changes } of settled) for (const key of changes.of(statuses)) add(key);
    for (const key of live) add(key);
    return refs;
  }

  #write(refs: ReadonlyMap<string, ObjectRef>): void {
    this.#writer.enqueue(refs.values());
    for (const ref of refs.values()) if (ref.kind === 'GatewayClass') this.#finalize(ref.name);
  }

  #writeEverything(only: (ref: ObjectRef) => boolean = () => true): void {
    const refs = new Map<string, ObjectRef>();
    for (const object of this.#source.objects()) {
      const key = objectKey(object);
      const ref = refOfKey(key);
      if (placeOf(ref) !== undefined && only(ref)) refs.set(key, ref);
    }
    this.#write(refs);
    if (this.#pipeline !== undefined) this.#provide(this.#pipeline, undefined);
  }

  #generationOf(ref: ObjectRef): number | undefined {
    const object = this.#pipeline?.object(ref);
    return object === undefined ? undefined : (object.metadata.generation ?? 0);
  }

  #finalize(name: string): void {
    if (this.#pipeline === undefined) return;
    const { client, controllerName, log } = this.#options;
    const options = { client, source: this.#source, controllerName, leads: () => this.leads };
    void this.#finalizers.attempt(name, finalizeClass(this.#pipeline, name, options), {
      // By the model as it is then.
      again: () => this.#finalize(name),
      failed: ({ message }) =>
        log({ level: 'warn', message: `the finalizer of GatewayClass ${name} could not be written: ${message}` }),
    });
  }

  /** @param changes undefined: all Gateways */
  #provide(pipeline: Pipeline, changes: Changes | undefined): void {
    if (!this.leads) return;
    const { gateways } = pipeline.tables;
    for (const key of changes === undefined ? [...gateways.keys()] : changes.of(gateways)) {
      const gateway = gateways.get(key);
      const before = this.#provided.get(key);
      if (gateway?.className !== before?.className) this.#refinalize([gateway?.className, before?.className]);
      if (gateway?.managed === true) this.#provideFor(pipeline, gateway);
      else if (before !== undefined) {
        this.#provided.delete(key);
        this.#serving.withdraw(key);
      }
    }
  }

  #provideFor(pipeline: Pipeline, gateway: BoundGateway): void {
    this.#provided.set(gateway.key, gateway);
    const owner = ownerOf(gateway, { pipeline, source: this.#source }, this.#options.namespace);
    if (owner !== undefined) this.#serving.provide(owner);
  }

  /** A Gateway that was deleted and made again is the same to the model, and another to those that it owns. */
  #provideAnew(pipeline: Pipeline, live: ReadonlySet<string>): void {
    if (!this.leads) return;
    for (const key of live) {
      const { kind, namespace, name } = refOfKey(key);
      const gateway = kind === 'Gateway' ? pipeline.tables.gateways.get(`${namespace}/${name}`) : undefined;
      if (gateway?.managed === true) this.#provideFor(pipeline, gateway);
    }
  }

  #refinalize(classes: readonly (string | undefined)[]): void {
    for (const name of classes) if (name !== undefined) this.#finalize(name);
  }
}
