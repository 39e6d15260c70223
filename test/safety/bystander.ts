// An innocent client and its backend in a process of their own, so that what the client waits for is the proxy and not its
// attackers. Told by messages when to begin and to end; asks for `/innocent` again and again in between, each time on a new
// connection. Says first where the backend listens.
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';

export interface Begin {
  readonly port: number;
  readonly secure: boolean;
}

export interface Told {
  /** Requests that were answered 200, and the longest time for one in milliseconds. */
  readonly served: number;
  readonly slowest: number;
  /** What went wrong; undefined if nothing did. */
  readonly failure?: string;
}

const PAUSE = 20;

/** Of the conversation with the parent. */
const state = { over: true };

function ask({ port, secure }: Begin): Promise<number> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const options = { port, host: '127.0.0.1', path: '/innocent', agent: false, timeout: 10_000 } as const;
    const tls = { ...options, servername: 'safe.test', rejectUnauthorized: false };
    const request = secure ? https.get(tls) : http.get(options);
    request.on('response', (response) => {
      response.resume();
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200) resolve(performance.now() - start);
        else reject(new Error(`answered ${response.statusCode}`));
      });
    });
    request.on('timeout', () => request.destroy(new Error('no answer within 10 s')));
    request.on('error', reject);
  });
}

async function go(begin: Begin): Promise<void> {
  let told: Told = { served: 0, slowest: 0 };
  const once = async (counts: boolean): Promise<void> => {
    if (told.failure !== undefined) return;
    try {
      const took = await ask(begin);
      if (counts) told = { served: told.served + 1, slowest: Math.max(told.slowest, took) };
    } catch (error) {
      told = { ...told, failure: String(error) };
    }
  };
  state.over = false;
  // The first finds nothing compiled.
  await once(false);
  process.send?.('begun');
  do {
    await once(true);
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  } while (!state.over);
  process.send?.(told);
}

process.on('message', (message: Begin | 'end') => {
  if (message === 'end') state.over = true;
  else void go(message);
});
process.on('disconnect', () => process.exit());

const backend = http.createServer((_request, response) => response.end('ok'));
backend.listen(0, '127.0.0.1', () => process.send?.((backend.address() as AddressInfo).port));
