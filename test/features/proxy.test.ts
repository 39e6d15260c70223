// `portolan proxy` as a process of its own, with a fleet in this one: configuration in, real requests out, and what happens when the
// controller, or the proxy, goes away and comes back.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { ask, folderWith, portolan } from './cli-process.ts';
import { entryOf, everything, hostOf, modelOf, ruleOf } from './fleet-fixture.ts';
import { changed, gateway, load, proxyIn, setting, stopsInOrder, versionOf, writeMaterial } from './proxy-setting.ts';
import { gatewayMaterial } from './stream-fixture.ts';
import { authority, certificateFor } from './tls-certificates.ts';
import { freePort } from '../free-port.ts';
import { eventually } from '../eventually.ts';

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

test('a row that it cannot take is told of the object until there is one that it can, also when it changes its controller', async (t) => {
  const it = await setting(t);
  const proxy = await proxyIn(t, it);
  const cluster = `${gateway}|ns/r1:80|`;
  const good = ruleOf(gateway, 'r1', cluster);
  // As a later version may send it: a backend of a kind that this one does not know.
  const [backend] = good.action.kind === 'forward' ? good.action.backends : [];
  const odd = {
    ...good,
    action: { kind: 'forward', backends: [{ ...backend, target: { kind: 'cluster' } }] },
  } as never;
  const model = it.model();
  const others = (model.rules?.set ?? []).filter(({ key }) => key !== good.key);
  await it.fleet.apply({ version: 1, ...model, rules: everything(...others, odd) });
  await proxy.isReady();
  const reason = 'a backend of a kind that this version does not know';
  const row = { table: 'rules', key: good.key, gateway } as const;
  await eventually(() => it.leftOut.length === 1, 'the row is told');
  assert.deepEqual(it.leftOut, [{ ...row, faults: [{ effect: 'dropped', reason }] }]);
  assert.deepEqual([(await ask(it.servedPort, '/r1')).status, (await ask(it.servedPort, '/r0')).status], [500, 200]);
  await it.fleet.apply({ version: 2, rules: everything(good) });
  await eventually(() => it.leftOut.length === 2, 'it is withdrawn');
  assert.deepEqual(it.leftOut.at(-1), { ...row, faults: [] });
  assert.equal((await ask(it.servedPort, '/r1')).status, 200);
  await it.fleet.apply({ version: 3, rules: everything(odd) });
  await eventually(() => it.leftOut.length === 3, 'that it is served as before is told');
  const before = { effect: 'differs', reason: `${reason}; it is served as it was before` } as const;
  assert.deepEqual(it.leftOut.at(-1), { ...row, faults: [before] });
  assert.equal((await ask(it.servedPort, '/r1')).status, 200);
  // Another controller, that has it as the proxy does.
  await it.fleet.close();
  it.leftOut.length = 0;
  const next = await it.restart();
  await next.apply({ version: 1, ...model, rules: everything(...others, odd) });
  await eventually(() => it.leftOut.length === 1, 'it is told there, too');
  await next.apply({ version: 2, rules: everything(good) });
  await eventually(() => it.leftOut.length === 2, 'and withdrawn');
  assert.deepEqual(it.leftOut.at(-1), { ...row, faults: [] });
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
  const model = modelOf({ gateway, port: it.servedPort, backendPort: it.backend.port, routes: 2, certificate });
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
  const proxy = await proxyIn(t, it, '--grace', '2');
  await proxy.isReady();
  await stopsInOrder(it, proxy);
});

test('changes are served within the grace', async (t) => {
  const it = await setting(t);
  await it.fleet.apply({ version: 1, ...it.model() });
  const proxy = await proxyIn(t, it, '--grace', '3');
  await proxy.isReady();
  const end = proxy.process.stop();
  await eventually(async () => (await proxy.ready()) === 503);
  await it.fleet.apply(changed(2, 'r0', '2'));
  assert.equal(await versionOf(it.servedPort, '/r0'), '2');
  assert.equal(await end, 0);
});

test('certificates are read anew for each connection', async (t) => {
  const it = await setting(t);
  const stranger = await authority('strangers');
  const tls = join(it.folder, 'tls');
  const foreign = await gatewayMaterial(stranger, gateway);
  writeMaterial(tls, { ...foreign, ca: Buffer.from(it.ca.certificate) });
  await it.fleet.apply({ version: 1, ...it.model() });
  const proxy = await proxyIn(t, it);
  await proxy.process.prints(/no connection to/, 'err');
  assert.equal(await proxy.ready(), 503);
  writeMaterial(tls, await gatewayMaterial(it.ca, gateway));
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
