// `portolan proxy` as a process of its own, with a fleet in this one: configuration in, real requests out, and what happens when the
// controller, or the proxy, goes away and comes back.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Fleet, startFleet } from '../../src/engines/stream/fleet/fleet.ts';
import type { TlsMaterial } from '../../src/engines/stream/credentials.ts';
import type { BindReport } from '../../src/routing/model.ts';
import type { Update } from '../../src/routing/update.ts';
import { ask, folderWith, freePort, portolan, Running } from './cli-process.ts';
import { entryOf, everything, hostOf, modelOf, ruleOf } from './fleet-fixture.ts';
import { gatewayMaterial, serverMaterial } from './stream-fixture.ts';
import { type Authority, authority, certificateFor } from './tls-certificates.ts';

const gateway = 'ns/web';
let ca: Authority;
let backend: http.Server;
let backendPort: number;

before(async () => {
  ca = await authority('proxies');
  backend = http.createServer((request, response) => {
    // Slow enough that a proxy that is told to stop has something in flight.
    setTimeout(() => response.end(request.url), request.url?.startsWith('/r1/slow') === true ? 400 : 0);
  });
  backend.listen(0, '127.0.0.1');
  await once(backend, 'listening');
  backendPort = (backend.address() as AddressInfo).port;
});
after(() => backend.close().closeAllConnections());

interface Setting {
  readonly folder: string;
  readonly reports: BindReport[];
  readonly controllerPort: number;
  readonly servedPort: number;
  fleet: Fleet;
  /** Starts the fleet again at the same port. */
  restart(): Promise<Fleet>;
  model(routes?: number): Omit<Update, 'version'>;
}

async function setting(t: TestContext): Promise<Setting> {
  const folder = folderWith(t);
  mkdirSync(join(folder, 'tls'));
  writeMaterial(join(folder, 'tls'), await gatewayMaterial(ca, gateway));
  const reports: BindReport[] = [];
  const material = await serverMaterial(ca);
  const start = (port: number): Promise<Fleet> =>
    startFleet({
      address: '127.0.0.1',
      port,
      credentials: () => material,
      onReport: (_, report) => reports.push(report),
      log: () => {},
      absence: 200,
    });
  const fleet = await start(0);
  const servedPort = await freePort();
  const it: Setting = {
    folder,
    reports,
    controllerPort: fleet.port,
    servedPort,
    fleet,
    restart: async () => {
      it.fleet = await start(it.controllerPort);
      return it.fleet;
    },
    model: (routes = 3) => modelOf({ gateway, port: servedPort, backendPort, routes }),
  };
  t.after(() => it.fleet.close());
  return it;
}

function writeMaterial(folder: string, { ca, certificate, key }: TlsMaterial): void {
  writeFileSync(join(folder, 'ca.crt'), ca);
  writeFileSync(join(folder, 'tls.crt'), certificate);
  writeFileSync(join(folder, 'tls.key'), key);
}

interface Proxy {
  readonly process: Running;
  readonly admin: number;
  /** What /readyz answers. */
  ready(): Promise<number>;
  isReady(): Promise<void>;
  metric(name: string): Promise<number>;
}

async function proxyIn(
  t: TestContext,
  { folder, controllerPort }: Setting,
  ...more: readonly string[]
): Promise<Proxy> {
  const args = ['proxy', '--controller', `127.0.0.1:${controllerPort}`, '--tls-dir', join(folder, 'tls')];
  const grace = more.includes('--grace') ? [] : ['--grace', '0'];
  const process = new Running([...args, '--admin', '127.0.0.1:0', ...grace, ...more], { cwd: folder });
  t.after(() => process.stop('SIGKILL'));
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

async function eventually(condition: () => Promise<boolean> | boolean, words: () => string = () => ''): Promise<void> {
  const limit = performance.now() + 15_000;
  while (!(await condition())) {
    assert.ok(performance.now() < limit, `in time: ${String(condition)}\n${words()}`);
    await sleep(20);
  }
}

async function versionOf(port: number, path: string): Promise<string> {
  return String((await ask(port, path)).headers['x-version']);
}

function changed(version: number, name: string, value: string): Update {
  return {
    version,
    rules: everything(ruleOf(gateway, name, `${gateway}|${gateway.split('/')[0]}/${name}:80|`, value)),
  };
}

/** Requests one after the other on several connections, until told to stop; what did not succeed. */
function load(port: number): { stop(): Promise<{ readonly asked: number; readonly failed: readonly string[] }> } {
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

test('configuration arrives, is in force when the fleet says so, and a bind is reported', async (t) => {
  const it = await setting(t);
  const proxy = await proxyIn(t, it);
  assert.equal(await proxy.ready(), 503);
  await it.fleet.apply({ version: 1, ...it.model() });
  await proxy.isReady();
  const answer = await ask(it.servedPort, '/r1/path?x=1');
  assert.deepEqual([answer.status, answer.body], [200, '/r1/path?x=1']);
  await eventually(() => it.reports.length > 0);
  assert.deepEqual(it.reports[0], { bind: `${gateway}:80/tcp`, state: 'serving' });
  for (let i = 2; i < 12; i++) {
    await it.fleet.apply(changed(i, 'r1', String(i)));
    assert.equal(await versionOf(it.servedPort, '/r1'), String(i), 'served when apply resolves');
  }
  await it.fleet.apply({
    version: 20,
    rules: { set: [ruleOf(gateway, 'new', `${gateway}|ns/r0:80|`)], delete: [`${gateway}|HTTPRoute/ns/r2|0`] },
    virtualHosts: [{ ...hostOf(gateway, [entryOf(gateway, 'new', '/new')]), removed: [entryOf(gateway, 'r2', '/r2')] }],
  });
  assert.equal((await ask(it.servedPort, '/new')).status, 200);
  assert.equal((await ask(it.servedPort, '/r2')).status, 404);
});

test('no request is lost while the controller goes and comes back, and only differences travel then', async (t) => {
  const it = await setting(t);
  await it.fleet.apply({ version: 1, ...it.model(300) });
  const proxy = await proxyIn(t, it);
  await proxy.isReady();
  const whole = await proxy.metric('portolan_proxy_received_bytes_total');
  const traffic = load(it.servedPort);
  await it.fleet.close();
  await eventually(async () => (await proxy.metric('portolan_proxy_connected')) === 0);
  assert.equal(await proxy.ready(), 200, 'ready without a controller');
  assert.equal((await ask(it.servedPort, '/r5')).status, 200);
  const before = await proxy.metric('portolan_proxy_received_bytes_total');
  const fleet = await it.restart();
  await fleet.apply({ version: 1, ...it.model(300) });
  await eventually(async () => (await proxy.metric('portolan_proxy_connected')) === 1);
  await fleet.apply(changed(2, 'r0', '2'));
  await eventually(async () => (await versionOf(it.servedPort, '/r0')) === '2');
  const { asked, failed } = await traffic.stop();
  assert.deepEqual(failed, [], `of ${asked}`);
  assert.ok(asked > 20);
  const again = (await proxy.metric('portolan_proxy_received_bytes_total')) - before;
  assert.ok(whole > 100_000 && again < 3000, `${whole} octets at first, ${again} when the controller came back`);
});

test('a proxy that restarts with no controller serves its last good configuration', async (t) => {
  const it = await setting(t);
  const certificate = await certificateFor('ns/tls', ['web.example']);
  const securePort = await freePort();
  const model = modelOf({ gateway, port: it.servedPort, backendPort, routes: 2, certificate });
  const placements = everything(...model.placements!.set, {
    bind: `${gateway}:443/tcp`,
    address: '127.0.0.1',
    port: securePort,
  });
  await it.fleet.apply({ version: 1, ...model, placements });
  const state = join(it.folder, 'state');
  mkdirSync(state);
  const first = await proxyIn(t, it, '--state', state);
  await first.isReady();
  assert.equal(await first.process.stop(), 0);
  await it.fleet.close();
  const [file = ''] = readdirSync(state);
  assert.equal(readdirSync(state).length, 1, 'no draft is left');
  assert.equal(statSync(join(state, file)).mode & 0o777, 0o600);
  const second = await proxyIn(t, it, '--state', state);
  await second.isReady();
  assert.equal((await ask(it.servedPort, '/r1')).status, 200);
  assert.ok(!JSON.stringify((await ask(second.admin, '/config')).body).includes('PRIVATE KEY'));
  // The controller is back, with what it had: nothing but the revision travels.
  const fleet = await it.restart();
  await fleet.apply({ version: 1, ...model, placements });
  await eventually(async () => (await second.metric('portolan_proxy_connected')) === 1);
  await fleet.apply(changed(2, 'r1', '2'));
  await eventually(async () => (await versionOf(it.servedPort, '/r1')) === '2');
  assert.ok((await second.metric('portolan_proxy_received_bytes_total')) < 3000);
});

test('a saved configuration that is damaged or of a later format is said and not used', async (t) => {
  const it = await setting(t);
  await it.fleet.apply({ version: 1, ...it.model() });
  const file = join(it.folder, 'state.jsonl');
  const first = await proxyIn(t, it, '--state', file);
  await first.isReady();
  await first.process.stop();
  await it.fleet.close();
  const good = readFileSync(file, 'utf8');
  const cases: readonly (readonly [string, RegExp])[] = [
    [good.replace('X-Version', 'X-Wersion'), /it is damaged/],
    [good.slice(0, good.length / 2), /it is damaged/],
    [good.replace('"format":1', '"format":2'), /it is of the format 2/],
    ['', /it is something else/],
  ];
  for (const [content, words] of cases) {
    writeFileSync(file, content);
    const proxy = await proxyIn(t, it, '--state', file);
    await proxy.process.prints(words, 'err');
    assert.equal(await proxy.ready(), 503);
    await proxy.process.stop('SIGKILL');
  }
  // With a controller it is served all the same, and the file mended.
  const fleet = await it.restart();
  await fleet.apply({ version: 1, ...it.model() });
  const proxy = await proxyIn(t, it, '--state', file);
  await proxy.isReady();
  await proxy.process.stop();
  assert.equal(readFileSync(file, 'utf8').split('\n').length, good.split('\n').length);
});

test('what another version saved is served, and asked for anew', async (t) => {
  const it = await setting(t);
  await it.fleet.apply({ version: 1, ...it.model(300) });
  const file = join(it.folder, 'state.jsonl');
  const first = await proxyIn(t, it, '--state', file);
  await first.isReady();
  const whole = await first.metric('portolan_proxy_received_bytes_total');
  await first.process.stop();
  await it.fleet.close();
  const [head = '', ...rows] = readFileSync(file, 'utf8').trimEnd().split('\n').slice(0, -1);
  const older = [head.replace(/"version":"[^"]*"/, '"version":"0.0.1"'), ...rows, ''].join('\n');
  assert.notEqual(older.split('\n')[0], head);
  writeFileSync(file, `${older}${JSON.stringify({ seal: createHash('sha256').update(older).digest('hex') })}\n`);
  const second = await proxyIn(t, it, '--state', file);
  await second.isReady();
  assert.equal((await ask(it.servedPort, '/r1')).status, 200);
  const fleet = await it.restart();
  await fleet.apply({ version: 1, ...it.model(300) });
  await eventually(async () => (await second.metric('portolan_proxy_received_bytes_total')) > whole * 0.9);
});

test('told to stop it is not ready at once, accepts for the grace, and finishes what is in flight', async (t) => {
  const it = await setting(t);
  await it.fleet.apply({ version: 1, ...it.model() });
  const proxy = await proxyIn(t, it, '--grace', '1');
  await proxy.isReady();
  const end = proxy.process.stop();
  await eventually(async () => (await proxy.ready()) === 503);
  assert.equal((await ask(it.servedPort, '/r0')).status, 200, 'a new connection within the grace');
  await it.fleet.apply(changed(2, 'r0', '2'));
  assert.equal(await versionOf(it.servedPort, '/r0'), '2', 'changes, too');
  await sleep(600);
  const slow = ask(it.servedPort, '/r1/slow');
  assert.equal((await slow).status, 200);
  assert.equal(await end, 0);
});

test('certificates are read anew for each connection', async (t) => {
  const it = await setting(t);
  const stranger = await authority('strangers');
  const tls = join(it.folder, 'tls');
  const foreign = await gatewayMaterial(stranger, gateway);
  writeMaterial(tls, { ...foreign, ca: Buffer.from(ca.certificate) });
  await it.fleet.apply({ version: 1, ...it.model() });
  const proxy = await proxyIn(t, it);
  await proxy.process.prints(/no connection to/, 'err');
  assert.equal(await proxy.ready(), 503);
  writeMaterial(tls, await gatewayMaterial(ca, gateway));
  await proxy.isReady();
});

test('a port that is taken is reported to the controller with its code', async (t) => {
  const it = await setting(t);
  const other = http.createServer().listen(it.servedPort, '127.0.0.1');
  await once(other, 'listening');
  await it.fleet.apply({ version: 1, ...it.model() });
  const proxy = await proxyIn(t, it);
  await eventually(() => it.reports.length > 0);
  assert.deepEqual([it.reports[0]?.state, it.reports[0]?.code], ['failed', 'EADDRINUSE']);
  assert.equal(await proxy.ready(), 503, 'no listener is served');
  other.close();
  await once(other, 'close');
});

test('what is wrong with the command line is said with a way out', async (t) => {
  const folder = folderWith(t, { 'keys/short': 'abcd\n', 'tls/ca.crt': '' });
  const base = ['proxy', '--controller', 'localhost:1'];
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['proxy'], /--controller is missing/],
    [base, /--tls-dir is missing/],
    [[...base, '--tls-dir', 'nowhere'], /--tls-dir: ENOENT/],
    [['proxy', '--controller', 'localhost', '--tls-dir', 'tls'], /--controller takes HOST:PORT/],
  ];
  for (const [args, words] of cases) {
    const { code, err } = await portolan(args, { cwd: folder });
    assert.equal(code, 2);
    assert.match(err, words);
  }
});

test('keys of sessions are read from a file, and a bad one is not quoted', async (t) => {
  const it = await setting(t);
  const keys = join(it.folder, 'keys');
  const secret = 'b'.repeat(62);
  writeFileSync(keys, `${'a'.repeat(64)}\n${secret}\n`);
  const args = ['proxy', '--controller', 'localhost:1', '--tls-dir', join(it.folder, 'tls'), '--session-keys', keys];
  const { code, err } = await portolan(args, { cwd: it.folder });
  assert.equal(code, 2);
  assert.match(err, /line 2 is no key of 32 octets/);
  assert.ok(!err.includes(secret));
  writeFileSync(keys, `${'a'.repeat(64)}\n${Buffer.alloc(32, 7).toString('base64')}\n`);
  await it.fleet.apply({ version: 1, ...it.model() });
  const proxy = await proxyIn(t, it, '--session-keys', keys);
  await proxy.isReady();
});
