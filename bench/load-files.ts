// 10,000 HTTPRoutes in files -> serving, through `portolan run`: time until the last route answers, and the memory of the
// process. Usage: node bench/load-files.ts [ROUTES]
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { startEcho } from '../src/cli/run/echo-server.ts';
import { portolanObjects } from './http/contenders.ts';

const routes = Number(process.argv[2] ?? 10_000);
const port = 19_950;
const folder = mkdtempSync(join(tmpdir(), 'portolan-load-'));
const echo = await startEcho({ namespace: 'default', service: 'backend', port: 80 });
const objects = portolanObjects({ folder, port, backendPort: echo.port, hosts: routes });
writeFileSync(
  join(folder, 'all.yaml'),
  objects.map((object) => stringify(object, { aliasDuplicateObjects: false })).join('---\n'),
);
const started = performance.now();
const main = join(import.meta.dirname, '..', 'src/cli/main.ts');
const proxy = spawn(process.execPath, [main, 'run', '-f', folder, '--port-offset', '0'], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
let said = '';
proxy.stdout.on('data', (chunk: Buffer) => (said += chunk.toString().slice(0, 2000 - said.length)));
process.on('exit', () => {
  proxy.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

while (performance.now() - started < 60_000 && (await statusOf(`h${routes - 1}.example.com`)) !== 200) await sleep(20);
const seconds = (performance.now() - started) / 1000;
const [first, last] = [await statusOf('h0.example.com'), await statusOf(`h${routes - 1}.example.com`)];
const memory = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${proxy.pid}/status`, 'utf8'))?.[1]) / 1024;
const peak = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${proxy.pid}/status`, 'utf8'))?.[1]) / 1024;
process.stdout.write(
  `${routes} routes of 5 rules (${(readFileSync(join(folder, 'all.yaml')).length / 1e6).toFixed(1)} MB): serving after ${seconds.toFixed(2)} s, ` +
    `${memory.toFixed(0)} MiB resident (peak ${peak.toFixed(0)}); first and last host answer ${first} and ${last}\n${said.split('\n')[0]}\n`,
);
echo.close();
process.exit(first === 200 && last === 200 ? 0 : 1);

function statusOf(host: string): Promise<number> {
  return new Promise((resolve) => {
    const request = http.request(
      { host: '127.0.0.1', port, path: '/static/a', headers: { host }, agent: false, timeout: 5000 },
      (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode ?? 0));
      },
    );
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(0));
    request.end();
  });
}
