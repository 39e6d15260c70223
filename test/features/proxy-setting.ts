// A fleet in this process with a backend behind it, and `portolan proxy` as a process of its own that follows it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Fleet, startFleet } from '../../src/engines/stream/fleet/fleet.ts';
import type { TlsMaterial } from '../../src/engines/stream/credentials.ts';
import type { LeftOut } from '../../src/routing/engine.ts';
import type { BindReport } from '../../src/routing/model.ts';
import type { Update } from '../../src/routing/update.ts';
import { ask, folderWith, Running } from './cli-process.ts';
import { everything, modelOf, ruleOf } from './fleet-fixture.ts';
import { gatewayMaterial, serverMaterial } from './stream-fixture.ts';
import { type Authority, authority } from './tls-certificates.ts';
import { eventually } from '../eventually.ts';
import { freePorts } from '../free-port.ts';

export const gateway = 'ns/web';

export interface Setting {
  readonly folder: string;
  readonly ca: Authority;
  readonly backend: Backend;
  readonly reports: BindReport[];
  readonly leftOut: LeftOut[];
  readonly controllerPort: number;
  readonly servedPort: number;
  fleet: Fleet;
  /** Starts the fleet again at the same port. */
  restart(): Promise<Fleet>;
  model(routes?: number): Omit<Update, 'version'>;
}

export async function setting(t: TestContext): Promise<Setting> {
  const folder = folderWith(t);
  const [ca, backend] = await Promise.all([authority('proxies'), startBackend(t)]);
  mkdirSync(join(folder, 'tls'));
  writeMaterial(join(folder, 'tls'), await gatewayMaterial(ca, gateway));
  const reports: BindReport[] = [];
  const leftOut: LeftOut[] = [];
  const material = await serverMaterial(ca);
  const start = (port: number): Promise<Fleet> =>
    startFleet({
      address: '127.0.0.1',
      port,
      credentials: () => material,
      onReport: (_, report) => reports.push(report),
      onLeftOut: (rows) => leftOut.push(...rows),
      log: () => {},
      absence: 200,
    });
  const [controllerPort = 0, servedPort = 0] = await freePorts(2);
  const fleet = await start(controllerPort);
  const it: Setting = {
    folder,
    ca,
    backend,
    reports,
    leftOut,
    controllerPort,
    servedPort,
    fleet,
    restart: async () => {
      it.fleet = await start(controllerPort);
      return it.fleet;
    },
    model: (routes = 3) => modelOf({ gateway, port: servedPort, backendPort: backend.port, routes }),
  };
  t.after(() => it.fleet.close());
  return it;
}

export interface Backend {
  readonly port: number;
  /** Requests whose target ends with `/held` that wait for `release`. */
  held(): number;
  release(): void;
}

/** Answers with the target. */
async function startBackend(t: TestContext): Promise<Backend> {
  const held: (() => void)[] = [];
  const server = http.createServer((request, response) => {
    const answer = (): void => void response.end(request.url);
    if (request.url?.endsWith('/held') === true) held.push(answer);
    else answer();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close().closeAllConnections());
  return {
    port: (server.address() as AddressInfo).port,
    held: () => held.length,
    release: () => {
      for (const answer of held.splice(0)) answer();
    },
  };
}

export function writeMaterial(folder: string, { ca, certificate, key }: TlsMaterial): void {
  writeFileSync(join(folder, 'ca.crt'), ca);
  writeFileSync(join(folder, 'tls.crt'), certificate);
  writeFileSync(join(folder, 'tls.key'), key);
}

/** Milliseconds. */
const STOPS_WITHIN = 20_000;

export interface Proxy {
  readonly process: Running;
  readonly admin: number;
  /** What /readyz answers. */
  ready(): Promise<number>;
  isReady(): Promise<void>;
  metric(name: string): Promise<number>;
}

export async function proxyIn(
  t: TestContext,
  { folder, controllerPort }: Setting,
  ...more: readonly string[]
): Promise<Proxy> {
  const args = ['proxy', '--controller', `127.0.0.1:${controllerPort}`, '--tls-dir', join(folder, 'tls')];
  const grace = more.includes('--grace') ? [] : ['--grace', '0'];
  const process = new Running([...args, '--admin', '127.0.0.1:0', ...grace, ...more], { cwd: folder });
  t.after(() => ended(process));
  const admin = Number(await process.prints(/admin at http:\/\/127\.0\.0\.1:(\d+)/, 'err'));
  const ready = async (): Promise<number> => (await ask(admin, '/readyz')).status;
  return {
    process,
    admin,
    ready,
    isReady: () =>
      eventually(
        async () => (await ready()) === 200,
        () => process.err,
      ),
    metric: async (name) => {
      const { body } = await ask(admin, '/metrics');
      return Number(new RegExp(`^${name} (.*)$`, 'm').exec(body)?.[1]);
    },
  };
}

/** As its users end it, so that what it has started ends as well; and whatever happens, it is gone. */
async function ended(process: Running): Promise<void> {
  const impatient = setTimeout(() => process.process.kill('SIGKILL'), STOPS_WITHIN);
  await process.stop();
  clearTimeout(impatient);
}

/** A request of before SIGTERM is answered although it takes longer than the grace, and nobody new is let in meanwhile. */
export async function stopsInOrder({ servedPort, backend }: Setting, proxy: Proxy): Promise<void> {
  const end = proxy.process.stop();
  await eventually(async () => (await proxy.ready()) === 503);
  assert.equal((await ask(servedPort, '/r0')).status, 200, 'a new connection within the grace');
  const inFlight = ask(servedPort, '/r1/held');
  await eventually(() => backend.held() === 1);
  await eventually(() => refuses(servedPort));
  assert.equal(await proxy.ready(), 503);
  backend.release();
  assert.equal((await inFlight).status, 200, 'in flight when the grace ended');
  assert.equal(await end, 0);
}

function refuses(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(false);
    });
    socket.on('error', () => resolve(true));
  });
}

export async function versionOf(port: number, path: string): Promise<string> {
  return String((await ask(port, path)).headers['x-version']);
}

export function changed(version: number, name: string, value: string): Update {
  return {
    version,
    rules: everything(ruleOf(gateway, name, `${gateway}|${gateway.split('/')[0]}/${name}:80|`, value)),
  };
}

/** Requests one after the other on several connections, until told to stop; what did not succeed. */
export function load(port: number): {
  stop(): Promise<{ readonly asked: number; readonly failed: readonly string[] }>;
} {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
  const failed: string[] = [];
  let asked = 0;
  const state = { stopped: false };
  const one = (): Promise<void> =>
    new Promise((resolve) => {
      asked++;
      http
        .get({ host: '127.0.0.1', port, path: '/r0/x', agent }, (response) => {
          if (response.statusCode !== 200) failed.push(String(response.statusCode));
          response.resume().on('end', resolve).on('error', resolve);
        })
        .on('error', (error) => {
          failed.push(error.message);
          resolve();
        });
    });
  const workers = Array.from({ length: 4 }, async () => {
    while (!state.stopped) await one();
  });
  return {
    stop: async () => {
      state.stopped = true;
      await Promise.all(workers);
      agent.destroy();
      return { asked, failed };
    },
  };
}
