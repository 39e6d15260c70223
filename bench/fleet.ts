// What a fleet costs: octets of a whole configuration, of one changed route and of a new connection; milliseconds until a proxy has a
// change in force; memory of the proxy, at rest and behind traffic. Usage: npm run prepack && node bench/fleet.ts [ROUTES] [SERVICES]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startFleet } from '../src/engines/stream/fleet/fleet.ts';
import { codecs } from '../src/engines/stream/rows/tables.ts';
import { everything, modelOf, ruleOf } from '../test/features/fleet-fixture.ts';
import { gatewayMaterial, serverMaterial } from '../test/features/stream-fixture.ts';
import { authority } from '../test/features/tls-certificates.ts';
import { get, memoryOf, memoryText, say } from './process.ts';
import { freePort } from '../test/free-port.ts';

const routes = Number(process.argv[2] ?? 5000);
const services = Number(process.argv[3] ?? 50);
const gateway = 'ns/web';
const CHANGES = 300;
const SECONDS = 10;
const CONNECTIONS = 16;

const ca = await authority('bench');
const folder = mkdtempSync(join(tmpdir(), 'portolan-bench-'));
const material = await gatewayMaterial(ca, gateway);
writeFileSync(join(folder, 'ca.crt'), material.ca);
writeFileSync(join(folder, 'tls.crt'), material.certificate);
writeFileSync(join(folder, 'tls.key'), material.key);
const own = await serverMaterial(ca);
const start = (port: number): ReturnType<typeof startFleet> =>
  startFleet({ address: '127.0.0.1', port, credentials: () => own, onReport: () => {}, log: () => {} });

const backend = http.createServer((_, response) => response.end('x')).listen(0, '127.0.0.1');
await once(backend, 'listening');
const [served, admin] = [await freePort(), await freePort()];
const { port: backendPort } = backend.address() as AddressInfo;
const model = modelOf({ gateway, port: served, backendPort, routes, services });

let fleet = await start(0);
const begun = performance.now();
await fleet.apply({ version: 1, ...model });
say('partition and encode everything', `${(performance.now() - begun).toFixed(0)} ms`);

const main = join(import.meta.dirname, '..', 'dist', 'cli', 'main.js');
const args = ['proxy', '--controller', `127.0.0.1:${fleet.port}`, '--tls-dir', folder, '--state', `${folder}/`];
const proxy = spawn(process.execPath, [main, ...args, '--admin', `127.0.0.1:${admin}`, '--grace', '0'], {
  stdio: 'ignore',
});
const spawned = performance.now();
while ((await get({ port: admin, path: '/readyz' })).status !== 200) await sleep(10);
say('proxy started and ready', `${(performance.now() - spawned).toFixed(0)} ms`);
say('everything, on the wire', `${await received()} octets`);
await sleep(2000);
say('proxy at rest', memory());

const before = await received();
const times: number[] = [];
for (let i = 0; i < CHANGES; i++) {
  const rule = ruleOf(gateway, `r${i}`, `${gateway}|ns/r${i % services}:80|`, String(i));
  const since = performance.now();
  await fleet.apply({ version: i + 2, rules: everything(rule) });
  times.push(performance.now() - since);
}
times.sort((a, b) => a - b);
say('a changed route', `${Math.round(((await received()) - before) / CHANGES)} octets`);
say(
  'until it is in force',
  `p50 ${(times[CHANGES >> 1] ?? 0).toFixed(1)} ms, p99 ${(times[Math.floor(CHANGES * 0.99)] ?? 0).toFixed(1)} ms`,
);
const entries = (model.virtualHosts ?? []).flatMap(({ inserted }) => inserted);
const whole = codecs.hostEntries.encode({ frontend: `${gateway}/http`, hostname: '', rule: '', entries });
say('its virtual host, were it one resource', `${whole.length} octets`);

const { port } = fleet;
await fleet.close();
const known = await received();
fleet = await start(port);
const rules = everything(
  ...(model.rules?.set ?? []).map((rule, i) =>
    i < CHANGES ? ruleOf(gateway, `r${i}`, `${gateway}|ns/r${i % services}:80|`, String(i)) : rule,
  ),
);
await fleet.apply({ version: 1, ...model, rules });
while (fleet.nodes(gateway).every(({ revision }) => revision === 0)) await sleep(10);
say('a new controller with the same', `${(await received()) - known} octets to the proxy`);

const agent = new http.Agent({ keepAlive: true });
const end = performance.now() + SECONDS * 1000;
let asked = 0;
await Promise.all(
  Array.from({ length: CONNECTIONS }, async () => {
    while (performance.now() < end) {
      await get({ port: served, path: `/r${asked++ % routes}`, agent });
    }
  }),
);
agent.destroy();
say(`behind ${asked} requests over ${CONNECTIONS} connections`, memory());

proxy.kill('SIGTERM');
await once(proxy, 'exit');
await fleet.close();
backend.close().closeAllConnections();
rmSync(folder, { recursive: true });

function memory(): string {
  return memoryText(memoryOf(proxy.pid));
}

async function received(): Promise<number> {
  const { body } = await get({ port: admin, path: '/metrics' });
  return Number(/^portolan_proxy_received_bytes_total (.*)$/m.exec(body)?.[1]);
}
