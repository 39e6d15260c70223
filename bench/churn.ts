// 100,000 requests through `portolan run` while a route file is rewritten every 50 ms: none may fail, and WebSockets that
// were open stay open. Usage: node bench/churn.ts [REQUESTS]
import { spawn } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { stringify } from 'yaml';
import { startEcho } from '../src/cli/run/echo-server.ts';
import { portolanObjects } from './http/contenders.ts';

const total = Number(process.argv[2] ?? 100_000);
const port = 19_900;
const agent = new http.Agent({ keepAlive: true, maxSockets: 32 });
let sent = 0;
const folder = mkdtempSync(join(tmpdir(), 'portolan-churn-'));
const echo = await startEcho({ namespace: 'default', service: 'backend', port: 80 });
writeFileSync(
  join(folder, 'gateway.yaml'),
  portolanObjects({ folder, port, backendPort: echo.port, hosts: 0 })
    .map((object) => stringify(object, { aliasDuplicateObjects: false }))
    .join('---\n'),
);
writeRoute(0);
const main = join(import.meta.dirname, '..', 'src/cli/main.ts');
const proxy = spawn(process.execPath, [main, 'run', '-f', folder, '--port-offset', '0'], {
  stdio: ['ignore', 'ignore', 'inherit'],
});
process.on('exit', () => {
  proxy.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

for (let attempt = 0; attempt < 100 && (await statusOf('/')) !== 200; attempt++) await sleep(100);
const sockets = Array.from({ length: 10 }, () => new WebSocket(`ws://127.0.0.1:${port}/socket`));
await Promise.all(
  sockets.map((socket) => new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))),
);
let closed = 0;
for (const socket of sockets) socket.on('close', () => closed++);

let changes = 0;
const timer = setInterval(() => writeRoute(++changes), 50);
const started = performance.now();
const failures = new Map<string, number>();
await Promise.all(Array.from({ length: 32 }, client));
clearInterval(timer);
const seconds = (performance.now() - started) / 1000;
const answered = await Promise.all(sockets.map(replies));
const failed = [...failures.values()].reduce((sum, count) => sum + count, 0);
process.stdout.write(
  `${sent} requests in ${seconds.toFixed(1)} s under ${changes} configuration changes: ${failed} failed ${JSON.stringify([...failures])}; ` +
    `WebSockets: ${sockets.length - closed} of ${sockets.length} open, ${answered.filter(Boolean).length} answer\n`,
);
for (const socket of sockets) socket.terminate();
agent.destroy();
echo.close();
process.exit(failed === 0 && closed === 0 && answered.every(Boolean) ? 0 : 1);

/** Each change adds and removes rules, headers and a listener's worth of hosts, beside a route that stays. */
function writeRoute(version: number): void {
  const rules = Array.from({ length: 1 + (version % 7) }, (_, at) => ({
    matches: [{ path: { value: `/v${version}/${at}` } }],
    filters: [
      {
        type: 'ResponseHeaderModifier',
        responseHeaderModifier: { set: [{ name: 'x-version', value: String(version) }] },
      },
    ],
    backendRefs: [{ name: 'backend', port: 80 }],
  }));
  const route = {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: 'changing' },
    spec: { parentRefs: [{ name: 'bench' }], rules },
  };
  const file = join(folder, 'changing.yaml');
  writeFileSync(`${file}.tmp`, stringify(route));
  renameSync(`${file}.tmp`, file);
}

async function client(): Promise<void> {
  while (sent < total) {
    sent++;
    const status = await statusOf(`/request/${sent}`).catch((error: unknown) =>
      error instanceof Error ? error.message : 'error',
    );
    if (status !== 200) failures.set(String(status), (failures.get(String(status)) ?? 0) + 1);
  }
}

function statusOf(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, path, agent, timeout: 10_000 }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
      response.on('error', reject);
    });
    request.on('timeout', () => request.destroy(new Error('timeout')));
    request.on('error', (error) => (sent === 0 ? resolve(0) : reject(error)));
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
