// Load on a thread of its own, at a steady rate: requests on connections that stay and on new ones, each of which must be answered
// with 200. Counts what failed, and how.
import http from 'node:http';
import https from 'node:https';
import { setTimeout as pause } from 'node:timers/promises';
import { parentPort, Worker, workerData } from 'node:worker_threads';

export interface LoadOptions {
  readonly address: string;
  readonly port: number;
  readonly hostnames: readonly string[];
  /** Requests a second, all in all. */
  readonly rate: number;
  /** One of so many requests takes a new connection. */
  readonly fresh: number;
  /** It makes so many at any rate, also when it is told to stop before. */
  readonly atLeast?: number;
  /** HTTPS, with any certificate. */
  readonly secure?: boolean;
}

export interface LoadResult {
  readonly requests: number;
  readonly failed: number;
  /** How often each, the first few. */
  readonly failures: Readonly<Record<string, number>>;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly longest: number;
}

export interface RunningLoad {
  /** A first request has been answered. */
  readonly begun: Promise<void>;
  readonly stop: () => Promise<LoadResult>;
}

export function startLoad(options: LoadOptions): RunningLoad {
  const worker = new Worker(new URL(import.meta.url), { workerData: { load: options } });
  const begun = Promise.withResolvers<void>();
  const result = new Promise<LoadResult>((resolve, reject) => {
    worker.on('message', (message: LoadResult | 'begun') => {
      if (message === 'begun') begun.resolve();
      else resolve(message);
    });
    worker.once('error', (error) => {
      begun.reject(error);
      reject(error);
    });
  });
  // Who asks for one of them hears of it.
  begun.promise.catch(() => undefined);
  result.catch(() => undefined);
  return {
    begun: begun.promise,
    stop: async () => {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread is no window
      worker.postMessage('stop');
      const told = await result;
      await worker.terminate();
      return told;
    },
  };
}

const TIMEOUT = 15_000;
const CLIENTS = 8;

async function run(options: LoadOptions): Promise<void> {
  const times: number[] = [];
  const failures: Record<string, number> = {};
  let failed = 0;
  const stop = new AbortController();
  parentPort?.on('message', () => stop.abort());
  const agent = new (options.secure === true ? https : http).Agent({ keepAlive: true, maxSockets: CLIENTS });
  let sent = 0;
  const client = async (): Promise<void> => {
    let due = performance.now();
    while (!stop.signal.aborted || sent < (options.atLeast ?? 0)) {
      due += (1000 * CLIENTS) / options.rate;
      const wait = due - performance.now();
      if (wait > 1) await pause(wait);
      const n = sent++;
      const began = performance.now();
      const problem = await ask(options, n, agent);
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread is no window
      if (times.push(performance.now() - began) === 1) parentPort?.postMessage('begun');
      if (problem === undefined) continue;
      failed++;
      if (Object.keys(failures).length < 20 || problem in failures) failures[problem] = (failures[problem] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  agent.destroy();
  times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.min(times.length - 1, Math.trunc(times.length * share))] ?? 0;
  const result: LoadResult = {
    requests: times.length,
    failed,
    failures,
    p50: at(0.5),
    p99: at(0.99),
    longest: at(1),
  };
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread is no window
  parentPort?.postMessage(result);
}

/** What went wrong; undefined for a 200 that came whole. */
function ask(options: LoadOptions, n: number, agent: http.Agent): Promise<string | undefined> {
  const { address, port, hostnames, fresh, secure = false } = options;
  const hostname = hostnames[n % hostnames.length] ?? '';
  return new Promise((resolve) => {
    const request = (secure ? https : http).request(
      {
        host: address,
        port,
        path: `/${n}`,
        headers: { host: hostname },
        timeout: TIMEOUT,
        agent: n % fresh === 0 ? false : agent,
        ...(secure ? { servername: hostname, rejectUnauthorized: false } : {}),
      },
      (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode === 200 ? undefined : `status ${response.statusCode}`));
        response.on('error', (error: NodeJS.ErrnoException) => resolve(`body: ${error.code ?? error.message}`));
      },
    );
    request.on('timeout', () => request.destroy(new Error('timeout')));
    request.on('error', (error: NodeJS.ErrnoException) => resolve(`${error.code ?? ''} ${error.message}`));
    request.end();
  });
}

const data = workerData as { load?: LoadOptions } | undefined;
if (parentPort !== null && data?.load !== undefined) void run(data.load);
