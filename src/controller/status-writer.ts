// Statuses that the model wants → /status of the objects, one write at a time for each object and few at once: read, merged with
// what others wrote, compared, and written with the version that was read. Of what changes while a write is under way the newest
// is written next.
import { setTimeout as pause } from 'node:timers/promises';
import type { KubeObject } from '../api/objects.ts';
import type { ObjectRef } from '../routing/origin.ts';
import type { KubeClient } from '../sources/cluster/client.ts';
import { ApiError } from '../sources/cluster/client.ts';
import type { ClusterSource } from '../sources/cluster/source.ts';
import { isOutdated, mergeEntries, mergeStatus } from '../status/merge.ts';
import type { ObjectStatus } from '../status/object-status.ts';
import { equal } from '../support/equal.ts';
import { list, record } from '../support/untrusted.ts';
import type { UnknownRecord } from '../support/untrusted.ts';
import { placeOf } from './paths.ts';
import { Retries } from './retries.ts';

export interface StatusWriterOptions {
  readonly client: KubeClient;
  readonly source: ClusterSource;
  readonly controllerName: string;
  /** By objectKey. */
  readonly wanted: (key: string) => ObjectStatus | undefined;
  /** The generation that the wanted status was computed from; undefined for an object that is gone. */
  readonly generation: (ref: ObjectRef) => number | undefined;
  /** Whether this replica writes. */
  readonly leads: () => boolean;
  /** It is tried again later; told once of each reason. */
  readonly failed: (ref: ObjectRef, error: Error) => void;
}

/** Writes under way. */
const PARALLEL = 16;
const ATTEMPTS = 6;
const FIRST_PAUSE = 100;
/** Between rounds of so many attempts. */
const LONGEST_PAUSE = 30_000;
/** Milliseconds between two writes of which the second only counts routes: thousands may come in a row. */
const COUNTING_PAUSE = 1000;

/** Routes and policies: `parents` or `ancestors`, with as many entries as the CRD takes. */
const PARENTS = { listName: 'parents', ref: 'parentRef', most: 32 } as const;
const ANCESTORS = { listName: 'ancestors', ref: 'ancestorRef', most: 16 } as const;

export class StatusWriter {
  readonly #options: StatusWriterOptions;
  readonly #queue = new Map<string, ObjectRef>();
  readonly #busy = new Set<string>();
  /** When an object that counts routes was written last. */
  readonly #counted = new Map<string, number>();
  readonly #retries = new Retries(LONGEST_PAUSE);
  /** Written to the server, for measurements. */
  writes = 0;

  constructor(options: StatusWriterOptions) {
    this.#options = options;
  }

  /** Something about the status of these objects may have changed. */
  enqueue(refs: Iterable<ObjectRef>): void {
    for (const ref of refs) this.#queue.set(keyOf(ref), ref);
    this.#pump();
  }

  /** Nothing is tried again any more. */
  close(): void {
    this.#retries.close();
  }

  get idle(): boolean {
    return this.#queue.size === 0 && this.#busy.size === 0;
  }

  #pump(): void {
    if (!this.#options.leads()) return;
    for (const [key, ref] of this.#queue) {
      if (this.#busy.size >= PARALLEL) return;
      if (this.#busy.has(key)) continue;
      this.#queue.delete(key);
      this.#busy.add(key);
      const again = (): void => this.enqueue([ref]);
      const failed = (error: Error): void => this.#options.failed(ref, error);
      void this.#retries.attempt(key, this.#write(key, ref), { again, failed }).finally(() => {
        this.#busy.delete(key);
        this.#pump();
      });
    }
  }

  async #write(key: string, ref: ObjectRef): Promise<void> {
    const place = placeOf(ref);
    if (place === undefined) return;
    const { client, source } = this.#options;
    for (let attempt = 1; ; attempt++) {
      const body = this.#bodyFor(key, ref);
      if (body === undefined || this.#waits(key, ref, body.status)) return;
      try {
        this.writes++;
        const written = await client.request<KubeObject>('PUT', `${place.path}/status`, { body });
        if (counting.has(ref.kind)) this.#counted.set(key, performance.now());
        source.wrote({ ...written, apiVersion: place.apiVersion, kind: ref.kind });
        return;
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return;
        if (attempt >= ATTEMPTS || isRefused(error)) throw error;
        if (error instanceof ApiError && error.status === 409) await this.#read(ref, place.path);
        else await pause(FIRST_PAUSE * 2 ** attempt * (0.5 + Math.random() / 2), undefined, { ref: false });
      }
    }
  }

  /** Nothing but numbers of routes changed, and they were written a moment ago: the newest are written in a moment. */
  #waits(key: string, ref: ObjectRef, status: UnknownRecord): boolean {
    const before = this.#counted.get(key);
    const stored = this.#options.source.live(key)?.status;
    if (before === undefined || stored === undefined) return false;
    const left = before + COUNTING_PAUSE - performance.now();
    if (left <= 0 || !equal(withoutCounts(stored), withoutCounts(status))) {
      this.#counted.delete(key);
      return false;
    }
    setTimeout(() => this.enqueue([ref]), left).unref();
    return true;
  }

  async #read(ref: ObjectRef, path: string): Promise<void> {
    const read = await this.#options.client.request<KubeObject>('GET', path);
    this.#options.source.wrote({ ...read, kind: ref.kind });
  }

  /** Undefined when there is nothing to write. */
  #bodyFor(
    key: string,
    ref: ObjectRef,
  ): { readonly status: UnknownRecord; readonly [field: string]: unknown } | undefined {
    const { source, controllerName, wanted, generation } = this.#options;
    const live = source.live(key);
    const known = generation(ref);
    // Of a newer generation the model will have something to say in a moment.
    if (live === undefined || known === undefined || live.generation > known) return undefined;
    const status = this.#merged(ref, live.status, wanted(key)?.status, { controllerName, now: now() });
    if (status === undefined || equal(status, live.status)) return undefined;
    const { namespace, name } = ref;
    return {
      apiVersion: placeOf(ref)?.apiVersion,
      kind: ref.kind,
      metadata: {
        name,
        ...(namespace === '' ? {} : { namespace }),
        resourceVersion: live.resourceVersion,
        uid: live.uid,
      },
      status,
    };
  }

  #merged(
    ref: ObjectRef,
    stored: UnknownRecord,
    wanted: UnknownRecord | undefined,
    merging: { readonly controllerName: string; readonly now: string },
  ): UnknownRecord | undefined {
    switch (ref.kind) {
      case 'GatewayClass':
      case 'Gateway':
      case 'ListenerSet':
        // Of another controller, as long as we want nothing.
        if (wanted === undefined || isOutdated(stored, wanted)) return undefined;
        return mergeStatus(stored, wanted, merging);
      case 'Ingress':
        // Of another class, as long as we want nothing.
        return wanted === undefined ? undefined : { ...stored, ...wanted };
      case 'BackendTLSPolicy':
      case 'XBackend':
      case 'XBackendTrafficPolicy':
        return this.#withEntries(stored, wanted, { ...merging, ...ANCESTORS });
      default:
        return this.#withEntries(stored, wanted, { ...merging, ...PARENTS });
    }
  }

  #withEntries(
    stored: UnknownRecord,
    wanted: UnknownRecord | undefined,
    merging: Parameters<typeof mergeEntries>[2],
  ): UnknownRecord | undefined {
    const merged = mergeEntries(stored, record(wanted), merging);
    // An object that nobody has written to yet needs no empty list.
    const empty = (merged[merging.listName] as readonly unknown[]).length === 0;
    return empty && stored[merging.listName] === undefined ? undefined : merged;
  }
}

/** The server has understood, and will say the same in a moment. */
function isRefused(error: unknown): boolean {
  return error instanceof ApiError && error.status < 500 && ![408, 409, 429].includes(error.status);
}

/** Kinds whose status counts routes. */
const counting: ReadonlySet<string> = new Set(['Gateway', 'ListenerSet']);

function withoutCounts(status: UnknownRecord): UnknownRecord {
  const listeners = list(status['listeners']).map((listener) => ({ ...record(listener), attachedRoutes: 0 }));
  return { ...status, listeners, attachedListenerSets: 0 };
}

function keyOf({ group, kind, namespace, name }: ObjectRef): string {
  return `${group}/${kind}/${namespace}/${name}`;
}

/** Without milliseconds, as the API server has it. */
function now(): string {
  return `${new Date().toISOString().slice(0, 19)}Z`;
}
