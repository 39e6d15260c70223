// A backend on a thread of its own: answers 200 to everything.
import http from 'node:http';
import { parentPort, Worker, workerData } from 'node:worker_threads';

export interface Backend {
  readonly port: number;
  readonly close: () => Promise<void>;
}

export async function startBackend(address: string): Promise<Backend> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { backend: address } });
  const port = await new Promise<number>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  return {
    port,
    close: async () => {
      await worker.terminate();
    },
  };
}

const data = workerData as { backend?: string } | undefined;
if (parentPort !== null && data?.backend !== undefined) {
  const server = http.createServer({ keepAliveTimeout: 120_000 }, (_, response) => response.end('ok\n'));
  server.listen(0, data.backend, () => {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread is no window
    parentPort?.postMessage((server.address() as { port: number }).port);
  });
}
