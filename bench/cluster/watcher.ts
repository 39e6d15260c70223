// A bare watcher, on a thread of its own: tells when it was told of each object of a kind, by name. The yardstick of propagation: no
// controller can know of an object before this one does.
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { list, record, text } from '../../src/support/untrusted.ts';
import { Cluster, isAccepted } from './cluster.ts';

export interface Seen {
  readonly name: string;
  readonly type: string;
  /** Milliseconds since the epoch, with fractions. */
  readonly at: number;
  readonly accepted: boolean;
  /** attachedRoutes of the first listener of a Gateway. */
  readonly attached: number;
}

/** @param path of the collection */
export async function startWatcher(path: string, seen: (event: Seen) => void): Promise<() => Promise<void>> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { path } });
  await new Promise<void>((resolve, reject) => {
    worker.once('error', reject);
    worker.on('message', (message: Seen | 'ready') => (message === 'ready' ? resolve() : seen(message)));
  });
  return async () => {
    await worker.terminate();
  };
}

export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

async function watch(path: string): Promise<void> {
  const { client } = new Cluster();
  const listed = record(await client.request('GET', path, { query: { limit: '1' } }));
  let resourceVersion = text(record(listed['metadata'])['resourceVersion']) ?? '';
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread is no window
  parentPort?.postMessage('ready');
  for (;;) {
    await client.watch(
      path,
      { query: { watch: '1', resourceVersion, allowWatchBookmarks: 'true' } },
      {
        silence: 600_000,
        line(event) {
          const at = nowMs();
          const { type, object } = record(event);
          const { name, resourceVersion: version } = record(record(object)['metadata']);
          resourceVersion = text(version) ?? resourceVersion;
          if (type === 'BOOKMARK') return;
          const [listener] = list(record(record(object)['status'])['listeners']);
          const attached = Number(record(listener)['attachedRoutes'] ?? 0);
          // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread is no window
          parentPort?.postMessage({ name, type, at, accepted: isAccepted(object), attached });
        },
      },
    );
  }
}

const data = workerData as { path?: string } | undefined;
if (parentPort !== null && data?.path !== undefined) void watch(data.path);
