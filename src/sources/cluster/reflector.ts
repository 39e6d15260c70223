// List and watch of one kind: everything that is there, then what changes, for as long as it runs. What breaks is begun again with
// growing pauses; a version that the server has forgotten (410) leads to a new list, whose differences are told as changes.
import { setTimeout as pause } from 'node:timers/promises';
import type { KubeObject } from '../../api/objects.ts';
import { isRecord, list, record, text } from '../../support/untrusted.ts';
import type { KubeClient } from './client.ts';
import { ApiError } from './client.ts';

export interface Resource {
  /** `/apis/gateway.networking.k8s.io/v1/httproutes`. */
  readonly path: string;
  readonly apiVersion: string;
  readonly kind: string;
  readonly query?: Readonly<Record<string, string>>;
}

export interface Watcher {
  /** Came or changed; as the server has it. */
  readonly applied: (object: KubeObject) => void;
  readonly deleted: (object: KubeObject) => void;
  /** Everything that was there when it began has been told. Called again after each new list. */
  readonly synced: () => void;
  /** It goes on trying. */
  readonly failed: (error: Error) => void;
  /** The server answers again, and tells what changes. */
  readonly resumed?: () => void;
}

const PAGE = 500;
/** Seconds that a watch lasts, at least and up to twice as long: so that many do not end at once. */
const WATCH = 300;
/** Milliseconds without a word, bookmarks included, after the server should have ended the watch. */
const SLACK = 30_000;
const FIRST_PAUSE = 200;
const LONGEST_PAUSE = 10_000;
/** Milliseconds that a watch lasts at least which counts as one that worked, though it told nothing. */
const SHORTEST = 1000;

/** Resolves when the signal aborts. */
export async function reflect(
  client: KubeClient,
  resource: Resource,
  watcher: Watcher,
  signal: AbortSignal,
): Promise<void> {
  const known = new Set<string>();
  let version = '';
  /** In a row, without a watch that worked. */
  let failures = 0;
  while (!signal.aborted) {
    let began = Infinity;
    let gotFurther = false;
    const lasted = (): boolean => performance.now() - began > SHORTEST;
    try {
      if (version === '') {
        version = await relist(client, resource, { known, watcher, signal });
        watcher.synced();
      }
      const opened = (): void => {
        began = performance.now();
        watcher.resumed?.();
      };
      // Also of a watch that is cut off: the next one goes on behind what was told.
      const reached = (last: string): void => {
        version = last;
        gotFurther = true;
      };
      await watch(client, resource, { known, watcher, signal, version, opened, reached });
      if (lasted() || gotFurther) failures = 0;
      // The server ends every watch in the end, but not at once.
      if (!lasted()) await backOff(failures++, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (lasted() || gotFurther) failures = 0;
      // Of a kind that is gone, or that we may not read, everything may have changed meanwhile.
      if (error instanceof ApiError) version = '';
      // A version that is forgotten is no fault; one after the other is.
      if (isExpired(error) && failures++ === 0) continue;
      watcher.failed(error as Error);
      await backOff(failures++, signal);
    }
  }
}

async function backOff(failures: number, signal: AbortSignal): Promise<void> {
  const longest = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** failures);
  await pause(longest * (0.5 + Math.random() / 2), undefined, { signal, ref: false }).catch(() => {});
}

interface Reading {
  /** namespace/name. */
  readonly known: Set<string>;
  readonly watcher: Watcher;
  readonly signal: AbortSignal;
}

/** Returns the version of the list. */
async function relist(client: KubeClient, resource: Resource, { known, watcher, signal }: Reading): Promise<string> {
  const seen = new Set<string>();
  let next: string | undefined;
  let version = '';
  do {
    const page = record(
      await client.request('GET', resource.path, {
        query: { ...resource.query, limit: String(PAGE), ...(next === undefined ? {} : { continue: next }) },
        signal,
      }),
    );
    const metadata = record(page['metadata']);
    version = text(metadata['resourceVersion']) ?? '';
    next = text(metadata['continue']) || undefined;
    for (const item of list(page['items'])) {
      // Items of a list do not say what they are.
      const object = objectOf({ apiVersion: resource.apiVersion, kind: resource.kind, ...record(item) });
      if (object === undefined) continue;
      const key = keyOf(object);
      seen.add(key);
      known.add(key);
      watcher.applied(object);
    }
  } while (next !== undefined);
  for (const key of known) {
    if (seen.has(key)) continue;
    known.delete(key);
    watcher.deleted(stub(resource, key));
  }
  return version;
}

interface Watch extends Reading {
  /** From which it goes on. */
  readonly version: string;
  readonly opened: () => void;
  /** Everything up to a version was told. */
  readonly reached: (version: string) => void;
}

async function watch(
  client: KubeClient,
  resource: Resource,
  { known, watcher, signal, version, opened, reached }: Watch,
): Promise<void> {
  const seconds = Math.trunc(WATCH * (1 + Math.random()));
  const query = {
    ...resource.query,
    watch: '1',
    allowWatchBookmarks: 'true',
    resourceVersion: version,
    timeoutSeconds: String(seconds),
  };
  const line = (event: unknown): void => {
    const { type, object: written } = record(event);
    if (type === 'ERROR') {
      const { code, reason, message } = record(written);
      throw new ApiError(
        typeof code === 'number' ? code : 500,
        text(reason) ?? '',
        text(message) ?? 'the watch failed',
      );
    }
    const object = objectOf(written);
    if (object === undefined) return;
    if (type !== 'BOOKMARK') tell(type, object, { known, watcher });
    const last = text((object.metadata as { resourceVersion?: unknown }).resourceVersion);
    if (last !== undefined) reached(last);
  };
  await client.watch(resource.path, { query, signal }, { line, opened, silence: seconds * 1000 + SLACK });
}

function tell(type: unknown, object: KubeObject, { known, watcher }: Pick<Reading, 'known' | 'watcher'>): void {
  const key = keyOf(object);
  if (type === 'DELETED') {
    known.delete(key);
    watcher.deleted(object);
  } else {
    known.add(key);
    watcher.applied(object);
  }
}

function objectOf(value: unknown): KubeObject | undefined {
  if (!isRecord(value) || !isRecord(value['metadata'])) return undefined;
  return value as KubeObject;
}

/** All that is needed to tell that it is gone. */
function stub({ apiVersion, kind }: Resource, key: string): KubeObject {
  const [namespace = '', name = ''] = key.split('/');
  return { apiVersion, kind, metadata: namespace === '' ? { name } : { name, namespace } };
}

function keyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`;
}

function isExpired(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 410 || error.reason === 'Expired');
}
