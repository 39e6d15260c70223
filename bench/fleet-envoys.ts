// What Envoys that users run cost their controller: a whole `portolan controller` against an API server of this process, with many
// nodes of one Gateway that acknowledge over delta xDS, one of them a real Envoy. Memory of the controller with none, one and all of
// them, octets of a changed route for each, and milliseconds from the write of a route until that Envoy answers by it.
// Usage: npm run prepack && node bench/fleet-envoys.ts [--routes N] [--nodes N] [--changes N] [--shape hosts|paths] [--envoy PATH]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { order } from '../src/engines/envoy/names.ts';
import { EnvoyProcess } from '../src/engines/envoy/process/envoy-process.ts';
import type { TlsMaterial } from '../src/engines/stream/credentials.ts';
import { texts } from '../src/support/untrusted.ts';
import { portolan } from '../test/features/cli-process.ts';
import { FakeApiServer, type Stored } from '../test/features/cluster-fixture.ts';
import { conditionsOf, definition, gatewayClass, group } from '../test/features/cluster-objects.ts';
import { envoyBinary } from '../test/features/envoy-binary.ts';
import { RawClient } from '../test/features/stream-fixture.ts';
import { quantile } from './http/table.ts';
import { get, memoryOf, memoryText, processorOf, say } from './process.ts';
import { freePort } from '../test/free-port.ts';

const { values } = parseArgs({
  options: {
    routes: { type: 'string', default: '5000' },
    nodes: { type: 'string', default: '20' },
    changes: { type: 'string', default: '200' },
    shape: { type: 'string', default: 'hosts' },
    envoy: { type: 'string', default: envoyBinary() ?? 'envoy' },
  },
});
const routes = Number(values.routes);
const nodes = Number(values.nodes);
const changes = Number(values.changes);
const SERVICES = 50;
/** Of what the controller makes for the Gateway. */
const NAME = 'gw-portolan';
const WITHIN = 120_000;
/** Once a second would leave room for the controller to rest; this is a busy cluster. */
const PAUSE = 50;

const ends: (() => unknown)[] = [];
const folder = mkdtempSync(join(tmpdir(), 'portolan-bench-'));
ends.push(() => rmSync(folder, { recursive: true, force: true }));

try {
  await measure();
} finally {
  for (const end of ends.toReversed()) await end();
}

async function measure(): Promise<void> {
  const server = await FakeApiServer.start({ after: (stop) => ends.push(stop) });
  const port = await freePort();
  for (const object of objects(port)) server.apply(object);
  const { pid, streamPort } = await startController(server);
  await until('the Service is made', () => server.get('Service', NAME) !== undefined);
  const service = server.get('Service', NAME) as Stored;
  server.apply({ ...service, status: { loadBalancer: { ingress: [{ ip: '127.0.0.1' }] } } });
  await until('each route has a status', () => server.get('HTTPRoute', `r${routes - 1}`)?.['status'] !== undefined);
  await until('the Gateway has an identity', () => server.get('Secret', NAME) !== undefined);
  await sleep(5000);
  say(`controller with ${routes} routes`, memoryText(memoryOf(pid)));
  say('until then', `${(processorOf(pid) / 1000).toFixed(1)} s of a processor`);

  const material = identityOf(server.get('Secret', NAME));
  await startEnvoy(material, streamPort);
  const agent = new http.Agent({ keepAlive: true });
  ends.push(() => agent.destroy());
  const began = performance.now();
  await until('Envoy serves', async () => (await locationOf(port, 0, agent)) === target(0));
  say('Envoy started, configured and answering', `${(performance.now() - began).toFixed(0)} ms`);
  await until('the Gateway is programmed', () =>
    conditionsOf(server.get('Gateway', 'gw')).includes('Programmed=True Programmed'),
  );
  await sleep(3000);
  say('controller with one Envoy', memoryText(memoryOf(pid)));

  const clients = Array.from({ length: nodes - 1 }, () => new RawClient(`127.0.0.1:${streamPort}`, material));
  ends.push(() => clients.forEach((client) => client.close()));
  for (const client of clients) for (const typeUrl of order) client.ask(typeUrl);
  const received = (): number => clients.reduce((sum, { bytes }) => sum + bytes, 0);
  for (let last = -1; received() !== last || last === 0; await sleep(3000)) last = received();
  say('everything, on the wire of one node', `${clients[0]?.bytes} octets`);
  await sleep(3000);
  say(`controller with ${nodes} nodes`, memoryText(memoryOf(pid)));

  const spent = processorOf(pid);
  const before = clients.map(({ bytes }) => bytes);
  const times: number[] = [];
  for (let change = 1; change <= changes; change++) {
    const since = performance.now();
    server.apply(route(change % routes, change));
    while ((await locationOf(port, change % routes, agent)) !== target(change)) {
      if (performance.now() - since > WITHIN) throw new Error(`change ${change} is not in force`);
    }
    times.push(performance.now() - since);
    await sleep(PAUSE);
  }
  await sleep(1000);
  const octets = clients.map(({ bytes }, at) => (bytes - (before[at] ?? 0)) / changes);
  say('a changed route, on the wire of one node', `${Math.round(quantile(octets, 0.5))} octets`);
  say('a changed route, of the controller', `${((processorOf(pid) - spent) / changes).toFixed(1)} ms of a processor`);
  say(
    'until Envoy answers by it',
    `p50 ${quantile(times, 0.5).toFixed(1)} ms, p99 ${quantile(times, 0.99).toFixed(1)} ms`,
  );
  say(`controller behind ${changes} changes for ${nodes} nodes`, memoryText(memoryOf(pid)));
  const { resident } = memoryOf(pid);
  say('bar: 300 MB', resident <= 300e6 ? 'met' : 'MISSED');
}

function* objects(port: number): Iterable<Stored> {
  yield { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } };
  yield definition('GatewayClass', 'gatewayclasses', 'Cluster');
  yield definition('Gateway', 'gateways');
  yield definition('HTTPRoute', 'httproutes');
  yield definition('GatewayConfig', 'gatewayconfigs', 'Namespaced', 'portolan.dev');
  yield gatewayClass;
  // Its Envoys are all the data planes that it has.
  yield {
    apiVersion: 'portolan.dev/v1alpha1',
    kind: 'GatewayConfig',
    metadata: { name: 'own', namespace: 'default' },
    spec: { replicas: 0 },
  };
  yield {
    apiVersion: `${group}/v1`,
    kind: 'Gateway',
    metadata: { name: 'gw', namespace: 'default' },
    spec: {
      gatewayClassName: 'portolan',
      infrastructure: { parametersRef: { group: 'portolan.dev', kind: 'GatewayConfig', name: 'own' } },
      listeners: [{ name: 'http', port, protocol: 'HTTP' }],
    },
  };
  for (let at = 0; at < SERVICES; at++) {
    const metadata = { name: `s${at}`, namespace: 'default' };
    yield {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: { clusterIP: `10.96.0.${at + 1}`, ports: [{ port: 80 }] },
    };
    yield {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { ...metadata, labels: { 'kubernetes.io/service-name': `s${at}` } },
      addressType: 'IPv4',
      ports: [{ port: 80, protocol: 'TCP' }],
      endpoints: [1, 2, 3].map((pod) => ({ addresses: [`10.1.${at}.${pod}`], conditions: { ready: true } })),
    };
  }
  for (let at = 0; at < routes; at++) yield route(at, 0);
}

/** Of those that are to change one answers by itself, so that it shows which one is in force; the others have backends. */
function route(at: number, version: number): Stored {
  const answers = at <= changes;
  const path = values.shape === 'hosts' ? '/' : `/r${at}`;
  const redirect = { type: 'RequestRedirect', requestRedirect: { hostname: `v${version}.example`, statusCode: 302 } };
  return {
    apiVersion: `${group}/v1`,
    kind: 'HTTPRoute',
    metadata: { name: `r${at}`, namespace: 'default' },
    spec: {
      parentRefs: [{ name: 'gw' }],
      hostnames: [hostOf(at)],
      rules: [
        {
          matches: [{ path: { type: 'PathPrefix', value: path } }],
          ...(answers ? { filters: [redirect] } : { backendRefs: [{ name: `s${at % SERVICES}`, port: 80 }] }),
        },
      ],
    },
  };
}

function hostOf(at: number): string {
  return values.shape === 'hosts' ? `host-${at}.example.com` : 'example.com';
}

function target(version: number): string {
  return `v${version}.example`;
}

async function locationOf(port: number, at: number, agent: http.Agent): Promise<string> {
  const { headers } = await get({ port, path: `/r${at}`, headers: { host: hostOf(at) }, agent });
  return URL.parse(headers.location ?? '')?.hostname ?? '';
}

async function startController(server: FakeApiServer): Promise<{ readonly pid: number; readonly streamPort: number }> {
  const streamPort = await freePort();
  const kubeconfig = join(folder, 'kubeconfig');
  const access = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'bench',
    contexts: [{ name: 'bench', context: { cluster: 'bench', user: 'bench', namespace: 'portolan' } }],
    clusters: [{ name: 'bench', cluster: { server: server.access.server } }],
    users: [{ name: 'bench', user: {} }],
  };
  writeFileSync(kubeconfig, JSON.stringify(access));
  const main = join(import.meta.dirname, '..', 'dist', 'cli', 'main.js');
  const flags = { kubeconfig, 'proxy-image': 'none', 'stream-address': `127.0.0.1:${streamPort}` };
  const args = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value]);
  const log = openSync(join(folder, 'controller.log'), 'w');
  const child = spawn(process.execPath, [main, 'controller', ...args, '--no-leader-election'], {
    stdio: ['ignore', log, log],
  });
  ends.push(async () => {
    if (child.exitCode !== null) return;
    child.kill('SIGTERM');
    await once(child, 'exit');
  });
  if (child.pid === undefined) throw new Error('the controller does not start');
  return { pid: child.pid, streamPort };
}

function identityOf(secret: Stored | undefined): TlsMaterial {
  const data = texts(secret?.['data']);
  const of = (name: string): Buffer => Buffer.from(data[name] ?? '', 'base64');
  return { ca: of('ca.crt'), certificate: of('tls.crt'), key: of('tls.key') };
}

/** As docs/guides/envoys.md tells it. */
async function startEnvoy({ ca, certificate, key }: TlsMaterial, port: number): Promise<void> {
  const identity = join(folder, 'identity');
  mkdirSync(identity);
  for (const [name, bytes] of [
    ['ca.crt', ca],
    ['tls.crt', certificate],
    ['tls.key', key],
  ] as const) {
    writeFileSync(join(identity, name), bytes, { mode: 0o600 });
  }
  const made = join(folder, 'envoy');
  const flags = { bootstrap: made, controller: `127.0.0.1:${port}`, 'tls-dir': identity, admin: join(folder, 'admin') };
  const args = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value]);
  const { code, err } = await portolan(['config', 'envoy', ...args], { cwd: folder });
  if (code !== 0) throw new Error(err);
  const envoy = new EnvoyProcess({
    path: values.envoy,
    arguments: [
      '-c',
      join(made, 'bootstrap.json'),
      '--concurrency',
      '1',
      '--disable-hot-restart',
      '--log-level',
      'error',
    ],
    onCrash: (error) => process.stderr.write(`${error.message}\n`),
  });
  ends.push(() => envoy.stop());
  envoy.start();
}

async function until(what: string, condition: () => unknown, every = 50): Promise<void> {
  for (const end = Date.now() + WITHIN; Date.now() < end; await sleep(every)) if (await condition()) return;
  throw new Error(`not within ${WITHIN / 1000} s: ${what}`);
}
