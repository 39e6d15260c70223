// The loop of the cluster: what changed there becomes the model, the model goes to the engine, and what the engine has in force is
// written into statuses. Nothing is served or written before everything was listed once.
import type { Gateway } from '../api/generated/types.ts';
import { startEngine } from '../engines/embedded/engine.ts';
import type { Engine } from '../engines/embedded/engine.ts';
import type { EngineOptions } from '../engines/embedded/options.ts';
import type { Changes } from '../incremental/table.ts';
import { mergeUpdates } from '../pipeline/merged-update.ts';
import { Pipeline } from '../pipeline/pipeline.ts';
import type { BoundGateway } from '../routing/bound.ts';
import type { BindReport, Placement } from '../routing/model.ts';
import type { ObjectRef } from '../routing/origin.ts';
import { nameOf, refKey } from '../routing/origin.ts';
import type { Update } from '../routing/update.ts';
import type { KubeClient } from '../sources/cluster/client.ts';
import { objectKey, ClusterSource } from '../sources/cluster/source.ts';
import { HostResolver } from '../sources/dns/resolver.ts';
import { equal } from '../support/equal.ts';
import { list, record, text } from '../support/untrusted.ts';
import type { AddressPool, AddressWish } from './addresses.ts';
import { wantedFinalizers, writeFinalizers } from './finalizers.ts';
import { Lease } from './lease.ts';
import { placeOf } from './paths.ts';
import { Provisioner } from './provision.ts';
import { StatusWriter } from './status-writer.ts';

export interface ControllerOptions {
  readonly client: KubeClient;
  readonly controllerName: string;
  readonly pool: AddressPool;
  /** Only of these namespaces; absent: all. */
  readonly namespaces?: readonly string[];
  /** Where the Lease is. */
  readonly leaseNamespace: string;
  /** False: this is the only replica. */
  readonly electsLeader: boolean;
  readonly engine: Omit<EngineOptions, 'onReport' | 'onCrash'>;
  readonly log: (entry: LogEntry) => void;
}

export interface LogEntry {
  readonly level: 'info' | 'warn' | 'error';
  readonly message: string;
  readonly [field: string]: unknown;
}

export class Controller {
  readonly engine: Engine;
  readonly #options: ControllerOptions;
  readonly #source: ClusterSource;
  readonly #writer: StatusWriter;
  readonly #lease: Lease | undefined;
  readonly #provisioner: Provisioner;
  readonly #resolver: HostResolver;
  /** Answers of DNS since the last turn. */
  #answers = new Map<string, readonly string[]>();
  #pipeline: Pipeline | undefined;
  #channel: 'standard' | 'experimental' = 'standard';
  #placements: readonly Placement[] = [];
  #reports: BindReport[] = [];
  #scheduled = false;
  #closed = false;
  /** Keys of Gateways that things were provided for. */
  readonly #provided = new Map<string, BoundGateway>();

  constructor(options: ControllerOptions) {
    this.#options = options;
    const { client, log } = options;
    this.engine = startEngine({
      ...options.engine,
      onReport: (report) => {
        this.#reports.push(report);
        this.#schedule();
      },
      onCrash: (error) => log({ level: 'error', message: `a worker ended and is started again: ${error.message}` }),
    });
    this.#source = new ClusterSource(client, {
      ...(options.namespaces === undefined ? {} : { namespaces: options.namespaces }),
      changed: () => this.#schedule(),
      failed: (kind, error) => log({ level: 'warn', message: `${kind} cannot be read: ${error.message}` }),
    });
    this.#provisioner = new Provisioner(client, (gateway, error) =>
      log({ level: 'error', message: `nothing could be provided for Gateway ${gateway}: ${error.message}` }),
    );
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
      wanted: (key) => this.#pipeline?.tables.statuses.get(key),
      generation: (ref) => this.#generationOf(ref),
      leads: () => this.leads,
      failed: (ref, error) => {
        log({ level: 'error', message: `the status of ${nameOf(ref)} could not be written: ${error.message}` });
      },
    });
    this.#lease = options.electsLeader ? this.#newLease() : undefined;
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
    const waiting = this.#source.waiting();
    return waiting.length > 0 || this.#pipeline !== undefined ? waiting : ['the first configuration'];
  }

  get statusWrites(): number {
    return this.#writer.writes;
  }

  start(): void {
    this.#lease?.start();
    this.#source.start();
  }

  /** @param deadline milliseconds for requests in flight */
  async stop(deadline: number): Promise<void> {
    this.#closed = true;
    this.#source.close();
    this.#resolver.close();
    await this.#lease?.close();
    await this.engine.drain(deadline);
    this.#options.client.close();
  }

  #newLease(): Lease {
    const { client, leaseNamespace: namespace, log } = this.#options;
    return new Lease({
      client,
      namespace,
      name: 'portolan-controller',
      changed: (leads) => {
        log({ level: 'info', message: leads ? 'this replica writes statuses now' : 'another replica writes statuses' });
        if (leads) this.#writeEverything();
      },
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
      this.#options.log({ level: 'info', message: `the CRDs are of the ${channel} channel now` });
      this.#replace();
      return;
    }
    const { applied, deleted, live } = this.#source.take();
    for (const object of deleted) this.#pipeline.delete(object);
    for (const object of applied) this.#pipeline.apply(object);
    const reports = this.#reports;
    this.#reports = [];
    for (const report of reports) this.#pipeline.report(report);
    for (const [hostname, addresses] of this.#answers) this.#pipeline.resolve(hostname, addresses);
    this.#answers = new Map();
    this.#settle(this.#pipeline, live);
  }

  #begin(): void {
    const pipeline = this.#newPipeline();
    this.#pipeline = pipeline;
    pipeline.settle();
    this.#place(pipeline);
    pipeline.settle();
    this.#serve(pipeline.snapshot(), () => this.#writeEverything());
    this.#provide(pipeline, undefined);
    const { size: gateways } = pipeline.tables.gateways;
    const { size: routes } = pipeline.tables.routes;
    this.#options.log({ level: 'info', message: 'everything is listed', gateways, routes, channel: this.#channel });
  }

  /** Another channel has other fields: everything is read anew, and only what differs goes to the engine. */
  #replace(): void {
    const old = this.#pipeline as Pipeline;
    const pipeline = this.#newPipeline();
    this.#pipeline = pipeline;
    pipeline.settle();
    pipeline.place(this.#placements);
    for (const key of old.tables.reports.keys()) {
      const report = old.tables.reports.get(key);
      if (report !== undefined) pipeline.report(report);
    }
    pipeline.settle();
    this.#serve(replacement(old.snapshot(), pipeline.snapshot()), () => this.#writeEverything());
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
      engine: 'embedded',
      awaitEngine: true,
    });
    for (const object of this.#source.objects()) pipeline.apply(object);
    return pipeline;
  }

  #settle(pipeline: Pipeline, live: ReadonlySet<string>): void {
    const settled = [pipeline.settle()];
    if (this.#place(pipeline)) settled.push(pipeline.settle());
    const update = mergeUpdates(settled.map(({ update }) => update).filter((update) => Object.keys(update).length > 1));
    const refs = this.#refsToWrite(pipeline, settled, live);
    // Statuses tell what is served, so they follow it.
    if (update === undefined) this.#write(refs);
    else this.#serve(update, () => this.#write(refs));
    for (const { changes } of settled) this.#provide(pipeline, changes);
    this.#resolver.want(pipeline.tables.wantedHosts.keys());
  }

  #serve(update: Update, served: () => void): void {
    this.engine.apply(update).then(served, (error: unknown) => {
      this.#options.log({ level: 'error', message: `the engine refused an update: ${(error as Error).message}` });
    });
  }

  /** Says whether any placement changed. */
  #place(pipeline: Pipeline): boolean {
    const { tables } = pipeline;
    const gateways = [...tables.gateways.keys()].flatMap((key) => tables.gateways.get(key) ?? []);
    const managed = gateways.filter((gateway) => gateway.managed && gateway.binds.length > 0);
    const addresses = this.#options.pool.assign(managed.map((gateway) => this.#wishOf(gateway)));
    const placements = managed.flatMap(({ key, binds }) => {
      const address = addresses.get(key);
      return address === undefined ? [] : binds.map((bind) => ({ bind: bind.key, address, port: bind.port }));
    });
    if (equal(placements, this.#placements)) return false;
    this.#placements = placements;
    pipeline.place(placements);
    return true;
  }

  #wishOf({ key, ref, addresses }: BoundGateway): AddressWish {
    const status = this.#source.live(refKey(ref))?.status;
    return {
      gateway: key,
      asked: addresses.flatMap(({ value }) => (value === '' ? [] : [value])),
      had: list(status?.['addresses']).flatMap((address) => text(record(address)['value']) ?? []),
    };
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
    for (const ref of refs.values()) if (ref.kind === 'GatewayClass') this.#finalize(ref);
  }

  #writeEverything(): void {
    const refs = new Map<string, ObjectRef>();
    for (const object of this.#source.objects()) {
      const key = objectKey(object);
      const ref = refOfKey(key);
      if (placeOf(ref) !== undefined) refs.set(key, ref);
    }
    this.#write(refs);
    if (this.#pipeline !== undefined) this.#provide(this.#pipeline, undefined);
  }

  #generationOf(ref: ObjectRef): number | undefined {
    const object = this.#pipeline?.object(ref);
    return object === undefined ? undefined : (object.metadata.generation ?? 0);
  }

  /** Of classes of ours; a Gateway that came or went wakes its class. */
  #finalize(ref: ObjectRef): void {
    const { client, controllerName, log } = this.#options;
    const live = this.#source.live(refKey(ref));
    const object = this.#pipeline?.object(ref);
    if (live === undefined || object === undefined || !this.leads) return;
    if (record(object['spec'])['controllerName'] !== controllerName) return;
    const finalizers = wantedFinalizers(live, this.#isUsed(ref.name));
    if (finalizers === undefined) return;
    writeFinalizers(client, ref.name, live, finalizers).catch((error: unknown) => {
      log({
        level: 'warn',
        message: `the finalizer of ${nameOf(ref)} could not be written: ${(error as Error).message}`,
      });
    });
  }

  #isUsed(className: string): boolean {
    const { gateways } = (this.#pipeline as Pipeline).tables;
    for (const key of gateways.keys()) if (gateways.get(key)?.className === className) return true;
    return false;
  }

  /** @param changes undefined: all Gateways */
  #provide(pipeline: Pipeline, changes: Changes | undefined): void {
    if (!this.leads) return;
    const { gateways } = pipeline.tables;
    for (const key of changes === undefined ? [...gateways.keys()] : changes.of(gateways)) {
      const gateway = gateways.get(key);
      const before = this.#provided.get(key);
      if (gateway?.className !== before?.className) this.#refinalize([gateway?.className, before?.className]);
      if (gateway?.managed === true) {
        this.#provided.set(key, gateway);
        this.#provideFor(pipeline, gateway);
      } else if (before !== undefined) {
        this.#provided.delete(key);
        // The server removes what a Gateway owned that is gone.
        if (gateway !== undefined) this.#provisioner.withdraw(before);
      }
    }
  }

  #refinalize(classes: readonly (string | undefined)[]): void {
    for (const name of classes) {
      if (name === undefined) continue;
      this.#finalize({ group: 'gateway.networking.k8s.io', kind: 'GatewayClass', namespace: '', name });
    }
  }

  #provideFor(pipeline: Pipeline, gateway: BoundGateway): void {
    const live = this.#source.live(refKey(gateway.ref));
    if (live === undefined || live.deleting) return;
    const object = pipeline.object(gateway.ref) as unknown as Gateway | undefined;
    const [first] = gateway.binds;
    const placement = first === undefined ? undefined : pipeline.tables.placements.get(first.key);
    this.#provisioner.provide({
      gateway,
      uid: live.uid,
      spec: object?.spec.infrastructure,
      address: placement?.address,
    });
  }
}

/** group/kind/namespace/name: none of them holds a slash, but for names of no kind that is written to. */
function refOfKey(key: string): ObjectRef {
  const [group = '', kind = '', namespace = '', name = ''] = key.split('/');
  return { group, kind, namespace, name };
}

/** From one whole configuration to another. */
function replacement(old: Update, next: Update): Update {
  const update: Record<string, unknown> = { version: next.version };
  for (const table of [
    'binds',
    'frontends',
    'rules',
    'clusters',
    'endpoints',
    'certificates',
    'trustBundles',
  ] as const) {
    const rows: readonly { readonly key: string }[] = next[table]?.set ?? [];
    const keys = new Set(rows.map(({ key }) => key));
    const gone = (old[table]?.set ?? []).map(({ key }) => key).filter((key) => !keys.has(key));
    update[table] = { set: rows, delete: gone };
  }
  const placed = new Set((next.placements?.set ?? []).map(({ bind }) => bind));
  const unplaced = (old.placements?.set ?? []).map(({ bind }) => bind).filter((bind) => !placed.has(bind));
  update['placements'] = { set: next.placements?.set ?? [], delete: unplaced };
  const hosts = new Map((next.virtualHosts ?? []).map((host) => [host.key, host]));
  const before = new Map((old.virtualHosts ?? []).map((host) => [host.key, host]));
  update['virtualHosts'] = [
    ...[...hosts.values()].map((host) => ({ ...host, removed: before.get(host.key)?.inserted ?? [] })),
    ...[...before.values()]
      .filter(({ key }) => !hosts.has(key))
      .map((host) => ({ ...host, removed: host.inserted, inserted: [] })),
  ];
  return update as unknown as Update;
}
