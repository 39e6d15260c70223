// 100,000 requests through `portolan run` while the files that serve them change every 50 ms: the route that takes the
// requests, its other rules, and every tenth time the endpoints behind it. No request may fail, WebSockets that were open stay
// open, and each version comes into force. Usage: node bench/churn.ts [REQUESTS] [--engine envoy]
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { WebSocket } from 'ws';
import { startEcho } from '../src/cli/run/echo-server.ts';
import { endpointsOf, portolanObjects, routeHead } from './http/contenders.ts';
import { quantile } from './http/table.ts';
import { RunOnFolder } from './run-on-folder.ts';
import { freePorts } from '../test/free-port.ts';

const { values, positionals } = parseArgs({
  options: { engine: { type: 'string', default: 'embedded' } },
  allowPositionals: true,
});
const total = Number(positionals[0] ?? 100_000);
const [port = 0] = await freePorts(1);
const agent = new http.Agent({ keepAlive: true, maxSockets: 32 });
const portolan = new RunOnFolder('churn');
const echoes = await Promise.all([0, 1].map(() => startEcho({ namespace: 'default', service: 'backend', port: 80 })));
const objects = portolanObjects({ port, backendPort: 0, hosts: -1 }) as readonly { readonly kind: string }[];
portolan.write(
  'gateway.yaml',
  objects.filter(({ kind }) => kind !== 'EndpointSlice'),
);
writeEndpoints(0);
writeRoute(0);
portolan.start(values.engine);

const limit = performance.now() + 30_000;
while ((await ask('/').catch(() => undefined))?.status !== 200) {
  if (performance.now() > limit) throw new Error('portolan does not answer');
  await sleep(50);
}
const sockets = Array.from({ length: 10 }, () => new WebSocket(`ws://127.0.0.1:${port}/socket`));
await Promise.all(
  sockets.map((socket) => new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))),
);
let closed = 0;
for (const socket of sockets) socket.on('close', () => closed++);

/** When each version was written, and when it was first seen in an answer. */
const written: number[] = [performance.now()];
const seen: number[] = [];
const failures = new Map<string, number>();
let sent = 0;
const timer = setInterval(() => {
  const version = written.push(performance.now()) - 1;
  writeRoute(version);
  if (version % 10 === 0) writeEndpoints(version);
}, 50);
const began = performance.now();
await Promise.all(Array.from({ length: 32 }, client));
clearInterval(timer);
const seconds = (performance.now() - began) / 1000;
await sleep(500);
noted((await ask('/last')).version);
const answered = await Promise.all(sockets.map(replies));

const failed = [...failures.values()].reduce((sum, count) => sum + count, 0);
const delays = seen.flatMap((at, version) => (version === 0 ? [] : [at - (written[version] as number)]));
const last = written.length - 1;
process.stdout.write(
  `${sent} requests in ${seconds.toFixed(1)} s under ${last} changes: ${failed} failed ${failed > 0 ? JSON.stringify([...failures]) : ''}\n` +
    `WebSockets: ${sockets.length - closed} of ${sockets.length} open, ${answered.filter(Boolean).length} answer\n` +
    `versions seen in answers: ${Object.keys(seen).length} of ${written.length}, the last ${seen[last] === undefined ? 'NOT ' : ''}among them; ` +
    `from the write to the first answer: p50 ${quantile(delays, 0.5).toFixed(1)} ms, p99 ${quantile(delays, 0.99).toFixed(1)} ms\n`,
);
for (const socket of sockets) socket.terminate();
agent.destroy();
for (const echo of echoes) echo.close();
process.exit(failed === 0 && closed === 0 && answered.every(Boolean) && seen[last] !== undefined ? 0 : 1);

/** The rule that takes the requests says its version in the answer; beside it, rules come and go. */
function writeRoute(version: number): void {
  const backendRefs = [{ name: 'backend', port: 80 }];
  const say = {
    type: 'ResponseHeaderModifier',
    responseHeaderModifier: { set: [{ name: 'x-version', value: String(version) }] },
  };
  const others = Array.from({ length: version % 7 }, (_, at) => ({
    matches: [{ path: { value: `/v${version}/${at}` } }],
    backendRefs,
  }));
  const rules = [...others, { filters: [say], backendRefs }];
  portolan.write('changing.yaml', [{ ...routeHead('changing'), spec: { parentRefs: [{ name: 'bench' }], rules } }]);
}

/** One of two processes, in turn; the other lives on for what is under way. */
function writeEndpoints(version: number): void {
  portolan.write('endpoints.yaml', [endpointsOf((echoes[(version / 10) % 2] as { port: number }).port)]);
}

async function client(): Promise<void> {
  while (sent < total) {
    const asked = sent++;
    try {
      const { status, version } = await ask(`/request/${asked}`);
      if (status === 200) noted(version);
      else failures.set(String(status), (failures.get(String(status)) ?? 0) + 1);
    } catch (error) {
      const { message } = error as Error;
      failures.set(message, (failures.get(message) ?? 0) + 1);
    }
  }
}

function noted(version: number): void {
  seen[version] ??= performance.now();
}

function ask(path: string): Promise<{ readonly status: number; readonly version: number }> {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, path, agent, timeout: 10_000 }, (response) => {
      response.resume();
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, version: Number(response.headers['x-version']) }),
      );
      response.on('error', reject);
    });
    request.on('timeout', () => request.destroy(new Error('timeout')));
    request.on('error', reject);
    request.end();
  });
}

function replies(socket: WebSocket): Promise<boolean> {
  return new Promise((resolve) => {
    const timeout = setTimeout(() => resolve(false), 2000);
    socket.once('message', () => {
      clearTimeout(timeout);
      resolve(true);
    });
    socket.send('still there?');
  });
}
