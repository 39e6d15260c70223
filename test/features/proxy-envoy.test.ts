// `portolan proxy --engine envoy`: the same proxy with an Envoy of its own, against a fleet in this process. What proxy.test.ts holds
// of the embedded engine, and what only an Envoy beside it can do wrong: end by itself, or outlive the proxy.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import tls from 'node:tls';
import type { Update } from '../../src/routing/update.ts';
import { ask, portolan } from './cli-process.ts';
import { envoyBinary, noEnvoy } from './envoy-binary.ts';
import { entryOf, everything, hostOf, modelOf } from './fleet-fixture.ts';
import {
  changed,
  gateway,
  load,
  type Proxy,
  proxyIn,
  type Setting,
  setting,
  stopsInOrder,
  versionOf,
  writeMaterial,
} from './proxy-setting.ts';
import { gatewayMaterial } from './stream-fixture.ts';
import { authority, certificateFor } from './tls-certificates.ts';
import { freePort } from '../free-port.ts';
import { eventually } from '../eventually.ts';

const skip = noEnvoy;
const engine = ['--engine', 'envoy', '--envoy', envoyBinary() ?? ''] as const;

test('an Envoy serves what the fleet says, and a change is served when the fleet hears of it', { skip }, async (t) => {
  const it = await setting(t);
  const proxy = await proxyIn(t, it, ...engine);
  assert.equal(await proxy.ready(), 503, 'no configuration yet');
  await it.fleet.apply({ version: 1, ...it.model() });
  await proxy.isReady();
  const answer = await ask(it.servedPort, '/r1/path?x=1');
  assert.deepEqual([answer.status, answer.body], [200, '/r1/path?x=1']);
  await eventually(() => it.reports.length > 0);
  assert.deepEqual(it.reports[0], { bind: `${gateway}:80/tcp`, state: 'serving' });
  const traffic = load(it.servedPort);
  for (let i = 2; i < 8; i++) {
    await it.fleet.apply(changed(i, 'r1', String(i)));
    assert.equal(await versionOf(it.servedPort, '/r1'), String(i), 'served when apply resolves');
  }
  const { asked, failed } = await traffic.stop();
  assert.deepEqual(failed, [], `of ${asked}`);
  assert.equal(await proxy.metric('portolan_proxy_connected'), 1);
  assert.match((await ask(proxy.admin, '/metrics')).body, /^envoy_server_live/m);
});

test(
  'what its Envoy cannot serve is told to the controller, until it is mended, and the rest is served',
  { skip },
  async (t) => {
    const it = await setting(t);
    const proxy = await proxyIn(t, it, ...engine);
    await it.fleet.apply({ version: 1, ...it.model() });
    await proxy.isReady();
    const plain = entryOf(gateway, 'r1', '/r1');
    const odd = {
      ...plain,
      match: { ...plain.match, path: { type: 'regex', value: String.raw`/\x{10FFFF}` } },
    } as const;
    await it.fleet.apply({ version: 2, virtualHosts: [{ ...hostOf(gateway, [odd]), removed: [plain] }] });
    await eventually(() => it.leftOut.length === 1);
    const row = { table: 'rules', key: odd.rule, gateway } as const;
    const reason = 'path: names a character beyond U+00FF by number';
    assert.deepEqual(it.leftOut, [{ ...row, faults: [{ effect: 'dropped', match: 0, reason }] }]);
    assert.deepEqual([(await ask(it.servedPort, '/r1')).status, (await ask(it.servedPort, '/r2')).status], [404, 200]);
    await it.fleet.apply({ version: 3, virtualHosts: [{ ...hostOf(gateway, [plain]), removed: [odd] }] });
    await eventually(() => it.leftOut.length === 2);
    assert.deepEqual(it.leftOut.at(-1), { ...row, faults: [] });
    assert.equal((await ask(it.servedPort, '/r1')).status, 200);
  },
);

test('with the controller gone it serves on, and one that restarts serves from disk', { skip }, async (t) => {
  const it = await setting(t);
  await it.fleet.apply({ version: 1, ...it.model() });
  const state = join(it.folder, 'state');
  mkdirSync(state);
  const first = await proxyIn(t, it, '--state', state, ...engine);
  await first.isReady();
  await it.fleet.close();
  await eventually(async () => (await first.metric('portolan_proxy_connected')) === 0);
  assert.equal((await ask(it.servedPort, '/r1')).status, 200);
  assert.equal(await first.ready(), 200);
  assert.equal(await first.process.stop(), 0);
  assert.equal(readdirSync(state).length, 1);
  const second = await proxyIn(t, it, '--state', state, ...engine);
  await second.isReady();
  assert.equal((await ask(it.servedPort, '/r1')).status, 200);
  const fleet = await it.restart();
  await fleet.apply({ version: 1, ...it.model() });
  await eventually(async () => (await second.metric('portolan_proxy_connected')) === 1);
  await fleet.apply(changed(2, 'r1', '2'));
  await eventually(async () => (await versionOf(it.servedPort, '/r1')) === '2');
});

test('told to stop: not ready, the grace, then what is in flight ends, and the Envoy with it', { skip }, async (t) => {
  const it = await setting(t);
  await it.fleet.apply({ version: 1, ...it.model() });
  const proxy = await proxyIn(t, it, '--grace', '2', ...engine);
  await proxy.isReady();
  const envoy = envoyOf(proxy);
  await stopsInOrder(it, proxy);
  assert.ok(!isThere(envoy), 'the Envoy has ended');
});

test('told to stop, it tells kept connections to go elsewhere while it still serves', { skip }, async (t) => {
  const it = await setting(t);
  await it.fleet.apply({ version: 1, ...it.model() });
  const proxy = await proxyIn(t, it, '--grace', '5', ...engine);
  await proxy.isReady();
  const agent = new http.Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  const connection = async (): Promise<string | undefined> => {
    const [response] = (await once(
      http.get({ host: '127.0.0.1', port: it.servedPort, path: '/r0', agent }),
      'response',
    )) as [http.IncomingMessage];
    response.resume();
    await once(response, 'end');
    return response.headers.connection;
  };
  assert.notEqual(await connection(), 'close');
  const end = proxy.process.stop();
  await eventually(async () => (await connection()) === 'close');
  assert.equal((await ask(it.servedPort, '/r0')).status, 200);
  assert.equal(await end, 0);
});

test('requests in flight have --drain seconds, and the Envoy ends after them', { skip }, async (t) => {
  const it = await setting(t);
  await it.fleet.apply({ version: 1, ...it.model() });
  const proxy = await proxyIn(t, it, '--drain', '1', ...engine);
  await proxy.isReady();
  const envoy = envoyOf(proxy);
  const lost = ask(it.servedPort, '/r1/held').then(
    ({ status }) => status,
    () => 'broken',
  );
  await eventually(() => it.backend.held() === 1);
  assert.equal(await proxy.process.stop(), 0);
  assert.equal(await lost, 'broken');
  assert.ok(!isThere(envoy));
});

test(
  'not ready while its Envoy is away; one that ends by itself is started again and serves the same',
  { skip },
  async (t) => {
    const it = await setting(t);
    await it.fleet.apply({ version: 1, ...it.model() });
    const proxy = await proxyIn(t, it, ...engine);
    await proxy.isReady();
    const envoy = envoyOf(proxy);
    let [readiness, metrics] = ['', ''];
    await eventually(async () => {
      // One that is back before it was missed ends once more, and is away for longer.
      for (const each of envoysOf(proxy)) kill(each);
      const answers = await Promise.all(['/readyz', '/metrics'].map((path) => ask(proxy.admin, path)));
      [readiness, metrics] = answers.map(({ body }) => body) as [string, string];
      assert.equal(answers[1]?.status, 200);
      return answers[0]?.status === 503 && /^portolan_envoy_up 0$/m.test(metrics);
    });
    assert.match(readiness, /Envoy/);
    assert.match(metrics, /^portolan_proxy_connected 1$/m);
    assert.doesNotMatch(metrics, /^envoy_/m);
    await proxy.isReady();
    assert.equal(await proxy.metric('portolan_envoy_up'), 1);
    assert.notEqual(envoyOf(proxy), envoy);
    assert.equal((await ask(it.servedPort, '/r1')).status, 200);
    assert.match(proxy.process.err, /"level":"error".*Envoy: ended by SIGKILL/);
  },
);

test('a certificate that is renewed is shown to new connections, and no request is lost', { skip }, async (t) => {
  const it = await setting(t);
  const securePort = await freePort();
  const first = await certificateFor('ns/tls', ['web.example']);
  await it.fleet.apply({ version: 1, ...secured(it, securePort, first) });
  const proxy = await proxyIn(t, it, ...engine);
  await proxy.isReady();
  assert.equal(await shownAt(securePort), first.fingerprint);
  const traffic = load(it.servedPort);
  const second = await certificateFor('ns/tls', ['web.example']);
  await it.fleet.apply({ version: 2, certificates: everything(second) });
  await eventually(async () => (await shownAt(securePort)) === second.fingerprint);
  const { asked, failed } = await traffic.stop();
  assert.deepEqual(failed, [], `of ${asked}`);
});

test('its own certificate is read anew for each connection to the controller', { skip }, async (t) => {
  const it = await setting(t);
  const folder = join(it.folder, 'tls');
  const foreign = await gatewayMaterial(await authority('strangers'), gateway);
  writeMaterial(folder, { ...foreign, ca: Buffer.from(it.ca.certificate) });
  await it.fleet.apply({ version: 1, ...it.model() });
  const proxy = await proxyIn(t, it, ...engine);
  await proxy.process.prints(/no connection to/, 'err');
  assert.equal(await proxy.ready(), 503);
  writeMaterial(folder, await gatewayMaterial(it.ca, gateway));
  await proxy.isReady();
  assert.equal((await ask(it.servedPort, '/r1')).status, 200);
});

test('keys of sessions and limits that Envoy has not are refused', { skip }, async (t) => {
  const it = await setting(t);
  const keys = join(it.folder, 'keys');
  writeFileSync(keys, `${'a'.repeat(64)}\n`);
  const base = ['proxy', '--controller', 'localhost:1', '--tls-dir', join(it.folder, 'tls'), ...engine];
  for (const [flags, words] of [
    [['--session-keys', keys], /--session-keys is not for --engine envoy/],
    [['--limit', 'body-bytes=1'], /--limit body-bytes is not one that Envoy has/],
  ] as const) {
    const { code, err } = await portolan([...base, ...flags], { cwd: it.folder });
    assert.equal(code, 2);
    assert.match(err, words);
  }
});

test('without an Envoy it does not start, and says what to do', async (t) => {
  const it = await setting(t);
  const base = ['proxy', '--controller', 'localhost:1', '--tls-dir', join(it.folder, 'tls'), '--engine', 'envoy'];
  const { code, err } = await portolan(base, { cwd: it.folder, env: { PATH: it.folder } });
  assert.equal(code, 1);
  assert.match(err, /there is no envoy on PATH; name one with --envoy PATH/);
});

/** The same with HTTPS beside it. */
function secured(
  it: Setting,
  port: number,
  certificate: Awaited<ReturnType<typeof certificateFor>>,
): Omit<Update, 'version'> {
  const model = modelOf({ gateway, port: it.servedPort, backendPort: it.backend.port, routes: 2, certificate });
  const bind = `${gateway}:443/tcp`;
  const frontend = `${gateway}/https`;
  const host = hostOf(gateway, [entryOf(gateway, 'r0', '/')]);
  return {
    ...model,
    binds: everything(...model.binds!.set, {
      key: bind,
      gateway,
      port: 443,
      transport: 'tcp',
      security: 'tls',
      frontends: [frontend],
    }),
    placements: everything(...model.placements!.set, { bind, address: '127.0.0.1', port }),
    virtualHosts: [...model.virtualHosts!, { ...host, key: `${frontend}|`, frontend }],
  };
}

async function shownAt(port: number): Promise<string> {
  const socket = tls.connect({ port, host: '127.0.0.1', servername: 'web.example', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { raw } = socket.getPeerCertificate();
  socket.destroy();
  return new X509Certificate(raw).fingerprint256.replaceAll(':', '').toLowerCase();
}

/** The process id of the one child of the proxy. */
function envoyOf(proxy: Proxy): number {
  const [envoy, ...more] = envoysOf(proxy);
  assert.ok(envoy !== undefined && more.length === 0);
  return envoy;
}

function envoysOf({ process: { process: proxy } }: Proxy): readonly number[] {
  const pids = readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
  return pids.filter((pid) => parentOf(pid) === proxy.pid);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by now.
  }
}

function isThere(pid: number): boolean {
  return parentOf(pid) !== undefined;
}

function parentOf(pid: number): number | undefined {
  try {
    return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    return undefined;
  }
}
