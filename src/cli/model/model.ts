// Files and flags → the routing model, kept current: the objects of the files, those that stand in for a cluster
// (--backend, --echo, --dev-certificates), and the pipeline that both go through. All commands start from here.
import { groupOf } from '../../api/objects.ts';
import type { KubeObject, Service } from '../../api/objects.ts';
import { isClusterScoped } from '../../api/kinds.ts';
import type { Channel } from '../../api/kinds.ts';
import { Pipeline } from '../../pipeline/pipeline.ts';
import type { ObjectRef } from '../../routing/origin.ts';
import { refKey } from '../../routing/origin.ts';
import { Partition } from '../../engines/stream/partition.ts';
import type { Update } from '../../routing/update.ts';
import { FileSource } from '../../sources/files/source.ts';
import type { FileChange, Progress } from '../../sources/files/source.ts';
import { equal } from '../../support/equal.ts';
import { inferApiVersion } from '../../upgrade/infer.ts';
import { attached, isUnattachedRoute } from './attach.ts';
import { LocalBackends, serviceLabel } from './local-backends.ts';
import type { BackendView, LocalBackend } from './local-backends.ts';
import { mergeUpdates } from '../../pipeline/merged-update.ts';
import type { NamespacedName } from './names.ts';
import { WantedBackends } from './wanted-backends.ts';
import type { WantedPort } from './wanted-backends.ts';

export interface FileOptions {
  /** Files, folders, `-`. */
  readonly paths: readonly string[];
  readonly recursive: boolean;
  /** Reads `-`. */
  readonly standardInput: () => Promise<Buffer>;
}

export interface ModelOptions extends FileOptions {
  readonly attach?: NamespacedName;
  readonly gatewayClass?: string;
  readonly channel: Channel;
  readonly backends: readonly LocalBackend[];
  /** Whether an engine will say of binds what became of them. */
  readonly serving: boolean;
  /** Whose word it is what can be served. Default: the embedded one, which serves all of the model. */
  readonly engine?: 'embedded' | 'envoy';
}

export interface OutsideView extends BackendView {
  readonly pipeline: Pipeline;
  /** Ports that routes and listeners name, by `namespace/service`. */
  readonly wanted: ReadonlyMap<string, readonly WantedPort[]>;
  /** Whether the files or --backend say where the Service is. */
  hasEndpoints(service: string): boolean;
  /** Whether the files have the object. */
  isWritten(ref: ObjectRef): boolean;
}

/** Makes objects that stand in for a cluster. Asked again after every change, until nothing changes any more. */
export interface Outside {
  objects(view: OutsideView): Promise<readonly KubeObject[]> | readonly KubeObject[];
}

export type LoadProgress =
  | ({ readonly step: 'reading' } & Progress)
  | { readonly step: 'checking'; readonly objects: number; readonly ofObjects: number };

/** The event loop turns at least this often (ms) during a long load. */
const breath = 40;

/** Outside objects that depend on each other settle in two or three rounds. */
const maxRounds = 8;

export const controllerName = 'portolan.dev/gateway-controller';

export class Model {
  readonly source: FileSource;
  readonly pipeline: Pipeline;
  readonly backends: LocalBackends;
  readonly #options: ModelOptions;
  readonly #wanted: WantedBackends;
  readonly #outsiders: Outside[] = [];
  #outside = new Map<string, KubeObject>();
  /** Services that slices in the files give endpoints, by the refKey of the slice. */
  readonly #sliced = new Map<string, string>();
  #attach: Required<NamespacedName> | undefined;

  constructor(options: ModelOptions) {
    this.#options = options;
    this.source = openFiles(options);
    this.pipeline = new Pipeline({
      channel: options.channel,
      controllerName,
      classes: options.gatewayClass === undefined ? 'any' : { named: options.gatewayClass },
      presume: true,
      engine: options.engine ?? 'embedded',
      // A cluster has an image of each, as far as files can tell; where this process serves, parameters do not choose.
      engines: options.serving ? undefined : { deployed: ['embedded', 'envoy'] },
      awaitEngine: options.serving,
    });
    this.backends = new LocalBackends(options.backends);
    this.#wanted = new WantedBackends(this.pipeline);
    if (options.backends.length > 0) this.#outsiders.push({ objects: (view) => this.backends.objects(view) });
  }

  add(outside: Outside): void {
    this.#outsiders.push(outside);
  }

  /** Reads and checks all files and computes everything once. The event loop turns meanwhile. */
  async load(onProgress?: (progress: LoadProgress) => void): Promise<void> {
    const reading = this.source.load((progress) => onProgress?.({ step: 'reading', ...progress }));
    const [{ applied }] = await Promise.all([reading, this.backends.resolve()]);
    this.#attach = this.#gatewayToAttach();
    let breathed = performance.now();
    for (const [index, object] of applied.entries()) {
      this.#apply(object);
      if (performance.now() - breathed < breath) continue;
      onProgress?.({ step: 'checking', objects: index + 1, ofObjects: applied.length });
      await new Promise((resume) => setImmediate(resume));
      breathed = performance.now();
    }
    await this.settle();
    if (!this.#options.serving) await this.#screen();
  }

  /** Nobody serves it, so that it is asked what an Envoy would say: of everything, or of Gateways whose parameters ask for one. */
  async #screen(): Promise<void> {
    const { gateways } = this.pipeline.tables;
    const whole = this.#options.engine === 'envoy';
    const named = new Set([...gateways.keys()].filter((key) => gateways.get(key)?.parameters?.engine === 'envoy'));
    if (!whole && named.size === 0) return;
    const { screened } = await import('../../engines/envoy/screening/screened.ts');
    const snapshot = this.pipeline.snapshot();
    if (whole) this.pipeline.leaveOut(screened(snapshot));
    else {
      for (const { gateway, update } of new Partition().apply(snapshot))
        if (named.has(gateway)) this.pipeline.leaveOut(screened(update).map((row) => ({ ...row, gateway })));
    }
    await this.settle();
  }

  /** Queues what changed on disk. */
  take({ applied, deleted }: FileChange): void {
    for (const object of deleted) {
      this.#sliced.delete(refKey(refOf(object)));
      this.pipeline.delete(object);
    }
    for (const object of applied) this.#apply(object);
    this.#attachTo(this.#gatewayToAttach());
  }

  /** Computes the model, with all that stands in for a cluster. What changed is for the engine. */
  async settle(): Promise<Update | undefined> {
    const updates: Update[] = [];
    for (let round = 0; round < maxRounds; round++) {
      const { changes, update } = this.pipeline.settle();
      this.#wanted.note(changes);
      if (Object.keys(update).length > 1) updates.push(update);
      if (this.#outsiders.length === 0 || !(await this.#refreshOutside())) break;
    }
    return mergeUpdates(updates);
  }

  /** Everything that stands in for a cluster. */
  outside(): readonly KubeObject[] {
    return [...this.#outside.values()];
  }

  view(): OutsideView {
    const wanted = this.#wanted.byService();
    return {
      pipeline: this.pipeline,
      wanted,
      service: (namespace, name) =>
        this.source.object({ group: '', kind: 'Service', namespace, name }) as Service | undefined,
      wantedPorts: (namespace, name) => wanted.get(`${namespace}/${name}`) ?? [],
      hasEndpoints: (service) => this.backends.covers(service) || this.#servicesWithSlices().has(service),
      isWritten: (ref) => this.source.object(ref) !== undefined,
    };
  }

  close(): void {
    this.source.close();
    this.backends.close();
  }

  /** The Gateway of --attach, as it was found. */
  get attach(): Required<NamespacedName> | undefined {
    return this.#attach;
  }

  #apply(object: KubeObject): void {
    if (object.kind === 'EndpointSlice') {
      const service = sliceService(object);
      if (service !== undefined && hasAddresses(object)) this.#sliced.set(refKey(refOf(object)), service);
      else this.#sliced.delete(refKey(refOf(object)));
      // The process on this machine stands for all that the files say of the Service's pods.
      if (service !== undefined && this.backends.covers(service)) return;
    }
    this.pipeline.apply(
      this.#attach !== undefined && isUnattachedRoute(object) ? attached(object, this.#attach) : object,
    );
  }

  #servicesWithSlices(): ReadonlySet<string> {
    return new Set(this.#sliced.values());
  }

  /** Without a namespace the flag means the Gateway of that name, if there is only one. */
  #gatewayToAttach(): Required<NamespacedName> | undefined {
    const { attach } = this.#options;
    if (attach === undefined) return undefined;
    const { namespace, name } = attach;
    if (namespace !== undefined) return { namespace, name };
    const found = new Set<string>();
    for (const { kind, metadata } of this.source.objects()) {
      if (kind === 'Gateway' && metadata.name === name) found.add(metadata.namespace ?? 'default');
    }
    const [only = 'default'] = found.size === 1 ? found : [];
    return { namespace: only, name };
  }

  #attachTo(gateway: Required<NamespacedName> | undefined): void {
    if (equal(gateway, this.#attach)) return;
    this.#attach = gateway;
    for (const object of this.source.objects()) if (isUnattachedRoute(object)) this.#apply(object);
  }

  /** Says whether anything changed. */
  async #refreshOutside(): Promise<boolean> {
    const view = this.view();
    const wanted = new Map<string, KubeObject>();
    for (const outsider of this.#outsiders) {
      for (const object of await outsider.objects(view)) {
        const ref = refOf(object);
        if (!view.isWritten(ref)) wanted.set(refKey(ref), object);
      }
    }
    let changed = false;
    for (const [key, object] of this.#outside) {
      if (wanted.has(key)) continue;
      // The files may have brought the object itself meanwhile.
      if (!view.isWritten(refOf(object))) this.pipeline.delete(object);
      changed = true;
    }
    for (const [key, object] of wanted) {
      if (equal(this.#outside.get(key), object)) continue;
      this.pipeline.apply(object);
      changed = true;
    }
    this.#outside = wanted;
    return changed;
  }
}

export function openFiles({ paths, recursive, standardInput }: FileOptions): FileSource {
  return new FileSource({
    paths,
    recursive,
    standardInput,
    inferApiVersion,
    clusterScoped: (apiVersion, kind) => isClusterScoped(groupOf(apiVersion), kind),
  });
}

export function refOf(object: KubeObject): ObjectRef {
  const { namespace = '', name } = object.metadata;
  return { group: groupOf(object.apiVersion), kind: object.kind, namespace, name };
}

function sliceService(slice: KubeObject): string | undefined {
  const service: unknown = slice.metadata.labels?.[serviceLabel];
  return typeof service === 'string' ? `${slice.metadata.namespace ?? 'default'}/${service}` : undefined;
}

function hasAddresses(slice: KubeObject): boolean {
  const { endpoints } = slice;
  return Array.isArray(endpoints) && endpoints.length > 0;
}
