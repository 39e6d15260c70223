// A cluster → objects, and what changes of them: one reflector for each kind that is installed, CRDs that come later included. What
// came since the last `take` is handed over as one batch, each object once. Status and versions of objects are kept apart (`live`).
import type { KubeObject } from '../../api/objects.ts';
import { groupOf } from '../../api/objects.ts';
import { equal } from '../../support/equal.ts';
import { list, record, text } from '../../support/untrusted.ts';
import type { KubeClient } from './client.ts';
import { ApiError } from './client.ts';
import { reflect } from './reflector.ts';
import { SharedText } from './shared-text.ts';
import type { Live, WatchedKind } from './watched.ts';
import {
  channelOf,
  coreKinds,
  definedKind,
  definitions,
  isNeeded,
  isSelectable,
  kept,
  liveOf,
  resourceOf,
} from './watched.ts';

export interface ClusterSourceOptions {
  /** Only of these namespaces; absent: all. */
  readonly namespaces?: readonly string[];
  /** A label selector, as kubectl takes it: only of namespaces that it selects. */
  readonly namespaceSelector?: string;
  /** A label selector: of Gateways, ListenerSets, routes, policies and Ingresses only those that it selects. */
  readonly selector?: string;
  /** GatewayConfigs of this namespace are read, whatever the others. */
  readonly ownNamespace?: string;
  /** Kinds to read besides those of the pipeline. */
  readonly kinds?: readonly WatchedKind[];
  /** There is something to take. */
  readonly changed: () => void;
  /** A kind cannot be read; it goes on trying. */
  readonly failed: (kind: string, error: Error) => void;
}

export interface ClusterChange {
  readonly applied: readonly KubeObject[];
  readonly deleted: readonly KubeObject[];
  /** Keys (objectKey) whose status, version or finalizers changed, deletions included. */
  readonly live: ReadonlySet<string>;
}

/** Between two looks whether the API of ClusterTrustBundles has come. */
const LOOK_AGAIN = 300_000;

interface Running {
  readonly kind: WatchedKind;
  readonly stop: AbortController;
  /** Reflectors that have not told everything yet. */
  readonly waiting: Set<string>;
  error: string | undefined;
  /** The server does not let us read it. */
  forbidden: boolean;
}

export class ClusterSource {
  readonly #client: KubeClient;
  readonly #options: ClusterSourceOptions;
  readonly #running = new Map<string, Running>();
  readonly #objects = new Map<string, KubeObject>();
  readonly #live = new Map<string, Live>();
  readonly #shared = new SharedText();
  readonly #channels = new Map<string, string>();
  #applied = new Map<string, KubeObject>();
  #deleted = new Map<string, KubeObject>();
  #touched = new Set<string>();
  #definitionsSeen = false;
  #bundlesLookedFor = false;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(client: KubeClient, options: ClusterSourceOptions) {
    this.#client = client;
    this.#options = options;
  }

  start(): void {
    for (const kind of [...coreKinds, ...(this.#options.kinds ?? [])]) this.#run(kind);
    this.#run(definitions);
    void this.#lookForBundles();
    this.#timer = setInterval(() => void this.#lookForBundles(), LOOK_AGAIN).unref();
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    for (const { stop } of this.#running.values()) stop.abort();
  }

  /** What has not been listed yet, with the reason where there is one. */
  waiting(): readonly string[] {
    const found = [...this.#running.values()]
      .filter(({ waiting }) => waiting.size > 0)
      .map(({ kind, error }) => `${resourceName(kind)}: ${error ?? 'not listed yet'}`);
    if (!this.#definitionsSeen) found.push('the kinds of the Gateway API: not known yet');
    if (!this.#bundlesLookedFor) found.push('the API of ClusterTrustBundles: not known yet');
    return found;
  }

  /** Kinds that hold up nothing, and yet cannot be read now, with the reason: they keep what was read of them last. */
  failing(): readonly string[] {
    return [...this.#running.values()]
      .filter(({ waiting, error }) => waiting.size === 0 && error !== undefined)
      .map(({ kind, error }) => `${resourceName(kind)}: ${error}`);
  }

  /** Kinds that the server does not let us read, as in `httproutes.gateway.networking.k8s.io`. */
  forbidden(): readonly string[] {
    return [...this.#running.values()].filter(({ forbidden }) => forbidden).map(({ kind }) => resourceName(kind));
  }

  /** Of the CRDs that are installed; undefined when there are none. */
  get channel(): 'standard' | 'experimental' | undefined {
    const channels = new Set(this.#channels.values());
    if (channels.size === 0) return undefined;
    return channels.has('experimental') ? 'experimental' : 'standard';
  }

  take(): ClusterChange {
    const change = {
      applied: [...this.#applied.values()],
      deleted: [...this.#deleted.values()],
      live: this.#touched,
    };
    this.#applied = new Map();
    this.#deleted = new Map();
    this.#touched = new Set();
    return change;
  }

  /** Every object that there is. */
  *objects(): Iterable<KubeObject> {
    for (const object of this.#objects.values()) if (this.#isSelected(object)) yield object;
  }

  /** An object as it is kept, whatever the namespaces that are selected. */
  object(key: string): KubeObject | undefined {
    return this.#objects.get(key);
  }

  /** `group/kind` of everything that is read. */
  kinds(): Iterable<string> {
    return this.#running.keys();
  }

  live(key: string): Live | undefined {
    return this.#live.get(key);
  }

  /** What we wrote ourselves, before the watch tells it. */
  wrote(object: KubeObject): void {
    const key = objectKey(object);
    const before = this.#live.get(key);
    const live = this.#liveOf(object);
    if (before !== undefined && isNewer(before.resourceVersion, live.resourceVersion)) return;
    this.#live.set(key, live);
  }

  #run(kind: WatchedKind): void {
    const id = `${kind.group}/${kind.kind}`;
    if (this.#running.has(id) || this.#closed) return;
    const stop = new AbortController();
    const scopes = this.#scopesOf(kind);
    const running: Running = {
      kind,
      stop,
      waiting: new Set(scopes.map((scope) => scope ?? '')),
      error: undefined,
      forbidden: false,
    };
    this.#running.set(id, running);
    for (const scope of scopes) {
      void reflect(
        this.#client,
        resourceOf(this.#selected(kind), scope),
        {
          applied: (object) => this.#apply(object),
          deleted: (object) => this.#delete(object),
          synced: () => {
            running.waiting.delete(scope ?? '');
            running.error = undefined;
            running.forbidden = false;
            if (kind === definitions) this.#definitionsSeen = true;
            this.#options.changed();
          },
          failed: (error) => {
            // Told once, until it is another error or it went on meanwhile.
            const isNews = running.error !== error.message;
            running.error = error.message;
            if (isNews) this.#options.failed(kind.kind, error);
            this.#forbid(running, error, scope ?? '');
          },
          resumed: () => {
            running.error = undefined;
          },
        },
        stop.signal,
      );
    }
  }

  #scopesOf({ kind, namespaced }: WatchedKind): readonly (string | undefined)[] {
    const { namespaces, ownNamespace } = this.#options;
    if (!namespaced || namespaces === undefined) return [undefined];
    if (kind !== 'GatewayConfig' || ownNamespace === undefined) return namespaces;
    return [...new Set([...namespaces, ownNamespace])];
  }

  #selected(kind: WatchedKind): WatchedKind {
    const { namespaceSelector, selector } = this.#options;
    const labelSelector = kind.kind === 'Namespace' ? namespaceSelector : isSelectable(kind) ? selector : undefined;
    return labelSelector === undefined ? kind : { ...kind, query: { ...kind.query, labelSelector } };
  }

  /** Namespaces that are not selected are not read, so that an object of one that is not there is not of ours. */
  #isSelected({ kind, metadata }: KubeObject): boolean {
    const { namespaceSelector, ownNamespace } = this.#options;
    if (namespaceSelector === undefined || metadata.namespace === undefined) return true;
    if (kind === 'GatewayConfig' && metadata.namespace === ownNamespace) return true;
    return this.#objects.has(`/Namespace//${metadata.namespace}`);
  }

  /** A namespace was selected, or is not any more: its objects come or go with it. */
  #reselect(namespace: string): void {
    if (this.#options.namespaceSelector === undefined) return;
    for (const [key, object] of this.#objects) {
      if (object.metadata.namespace !== namespace) continue;
      const [into, from] = this.#isSelected(object)
        ? ([this.#applied, this.#deleted] as const)
        : ([this.#deleted, this.#applied] as const);
      from.delete(key);
      into.set(key, object);
      this.#touched.add(key);
    }
  }

  /** A kind that may not be read holds up nothing but itself, unless what is served without it would be wrong. */
  #forbid(running: Running, error: Error, scope: string): void {
    const forbidden = error instanceof ApiError && error.status === 403;
    if (forbidden === running.forbidden) return;
    running.forbidden = forbidden;
    const { kind } = running;
    if (forbidden && !isNeeded(kind)) running.waiting.delete(scope);
    this.#options.changed();
  }

  /** Its objects are gone with it. */
  #stop(id: string): void {
    const running = this.#running.get(id);
    if (running === undefined) return;
    running.stop.abort();
    this.#running.delete(id);
    for (const object of this.#objects.values()) {
      if (`${groupOf(object.apiVersion)}/${object.kind}` === id) this.#delete(object);
    }
  }

  #liveOf(object: KubeObject): Live {
    const live = liveOf(object);
    this.#shared.share(live.status);
    return live;
  }

  #apply(object: KubeObject): void {
    const key = objectKey(object);
    const live = this.#liveOf(object);
    const before = this.#live.get(key);
    if (before?.resourceVersion === live.resourceVersion && this.#objects.has(key)) return;
    this.#live.set(key, live);
    this.#touched.add(key);
    if (object.kind === definitions.kind) this.#define(object);
    const next = kept(object);
    // Only its status changed, as a rule by our own hand.
    const isNew = !this.#objects.has(key);
    if (!equal(this.#objects.get(key), next)) {
      this.#objects.set(key, this.#shared.share(next));
      this.#deleted.delete(key);
      if (this.#isSelected(next)) this.#applied.set(key, next);
      if (isNew && next.kind === 'Namespace') this.#reselect(next.metadata.name);
    }
    this.#options.changed();
  }

  #delete(object: KubeObject): void {
    const key = objectKey(object);
    const last = this.#objects.get(key);
    if (last === undefined) return;
    this.#objects.delete(key);
    this.#live.delete(key);
    this.#touched.add(key);
    this.#applied.delete(key);
    this.#deleted.set(key, last);
    if (last.kind === 'Namespace') this.#reselect(last.metadata.name);
    if (object.kind === definitions.kind) this.#undefine(last);
    this.#options.changed();
  }

  #define(definition: KubeObject): void {
    const kind = definedKind(definition);
    if (kind === undefined) return;
    const channel = channelOf(definition);
    if (channel !== undefined) this.#channels.set(definition.metadata.name, channel);
    const id = `${kind.group}/${kind.kind}`;
    const running = this.#running.get(id);
    if (running !== undefined && running.kind.version !== kind.version) this.#stop(id);
    this.#run(kind);
  }

  #undefine({ metadata, ...definition }: KubeObject): void {
    this.#channels.delete(metadata.name);
    const spec = record(definition['spec']);
    this.#stop(`${text(spec['group']) ?? ''}/${text(record(spec['names'])['kind']) ?? ''}`);
  }

  /** The API is new, and off in older clusters. */
  async #lookForBundles(): Promise<void> {
    const group = 'certificates.k8s.io';
    try {
      for (const version of ['v1', 'v1beta1', 'v1alpha1']) {
        const found = await this.#client.request('GET', `/apis/${group}/${version}`).catch(absent);
        const plurals = list(record(found)['resources']).map((resource) => text(record(resource)['name']));
        if (!plurals.includes('clustertrustbundles')) continue;
        this.#run({ group, version, kind: 'ClusterTrustBundle', plural: 'clustertrustbundles', namespaced: false });
        return;
      }
      this.#stop(`${group}/ClusterTrustBundle`);
    } catch {
      // Asked again.
    } finally {
      this.#bundlesLookedFor = true;
      if (!this.#closed) this.#options.changed();
    }
  }
}

function resourceName({ group, plural }: WatchedKind): string {
  return group === '' ? plural : `${plural}.${group}`;
}

function absent(error: unknown): undefined {
  if (error instanceof ApiError && (error.status === 404 || error.status === 403)) return undefined;
  throw error;
}

/** group/kind/namespace/name, as references are keyed. */
export function objectKey({ apiVersion, kind, metadata }: KubeObject): string {
  return `${groupOf(apiVersion)}/${kind}/${metadata.namespace ?? ''}/${metadata.name}`;
}

/** Versions are opaque, but for equality; those of one server are numbers, and where they are, they can be compared. */
function isNewer(a: string, b: string): boolean {
  return /^\d+$/.test(a) && /^\d+$/.test(b) && BigInt(a) > BigInt(b);
}
