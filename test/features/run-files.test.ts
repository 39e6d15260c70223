// portolan run through the front door: files on disk, requests over real sockets, changes while it serves.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { answeredBy, ask, folderWith, gateway, portolan, route, serving } from './cli-process.ts';
import { freePort } from '../free-port.ts';

/** Waits for the answer of a change that is on its way; the limit is far above what it takes. */
async function becomes(port: number, path: string, service: string): Promise<number> {
  const start = performance.now();
  while ((await answeredBy(port, path)) !== service) {
    if (performance.now() - start > 5000)
      assert.fail(`${path} is answered by ${await answeredBy(port, path)}, not ${service}`);
    await sleep(1);
  }
  return performance.now() - start;
}

test('serves, prints where and what, echoes, and stops with 0', async (t) => {
  const cwd = folderWith(t, { 'g.yaml': gateway(await freePort()), 'r.yaml': route('shop', '/cart', 'cart') });
  const running = await serving(t, ['-f', '.', '--echo'], { cwd });
  const port = running.port('default/web/http');
  const { status, body, headers } = await ask(port, '/cart/1?x=y', {
    host: 'shop.example.com',
    headers: { 'x-a': 'b' },
  });
  assert.equal(status, 200);
  assert.equal(headers['x-echo-service'], 'cart');
  const echoed = JSON.parse(body) as { path: string; host: string; headers: Record<string, string> };
  assert.deepEqual([echoed.path, echoed.host, echoed.headers['x-a']], ['/cart/1?x=y', 'shop.example.com', 'b']);
  assert.equal((await ask(port, '/')).status, 404);
  assert.match(running.out, /HTTPRoute default\/shop +default\/web\/http/);
  assert.match(running.out, /GatewayClass any +Gateway default\/web names it/);
  assert.match(running.out, /Service default\/cart +answered by --echo/);
  const line = /curl (.*)/.exec(running.out)?.[0];
  assert.equal(line, `curl http://127.0.0.1:${port}/cart`);
  assert.equal(await running.stop(), 0);
  assert.equal(running.err, '');
});

test('a change on disk is live at once, and only what changed is said', async (t) => {
  const cwd = folderWith(t, { 'g.yaml': gateway(await freePort()), 'r.yaml': route('shop', '/cart', 'one') });
  const running = await serving(t, ['-f', '.', '--echo'], { cwd });
  const port = running.port('default/web/http');
  const took: number[] = [];
  for (const service of ['two', 'three', 'four', 'five']) {
    writeFileSync(join(cwd, 'r.yaml'), route('shop', '/cart', service));
    took.push(await becomes(port, '/cart', service));
  }
  // Alone on a machine about 20 ms; the bound leaves room for a busy one.
  assert.ok(Math.min(...took) < 100, took.join());
  await running.prints(/\d\d:\d\d:\d\d HTTPRoute default\/shop live in [\d.]+ ms/);
});

test('files that come, go, move, and are saved by renaming', async (t) => {
  const cwd = folderWith(t, { 'm/g.yaml': gateway(await freePort()) });
  const running = await serving(t, ['-f', 'm', '--echo'], { cwd });
  const port = running.port('default/web/http');
  const file = join(cwd, 'm', 'r.yaml');
  writeFileSync(file, route('a', '/a', 'one'));
  await becomes(port, '/a', 'one');
  writeFileSync(`${file}.tmp`, route('a', '/a', 'two'));
  renameSync(`${file}.tmp`, file);
  await becomes(port, '/a', 'two');
  renameSync(file, join(cwd, 'm', 'renamed.yaml'));
  await sleep(150);
  assert.equal(await answeredBy(port, '/a'), 'two');
  rmSync(join(cwd, 'm', 'renamed.yaml'));
  await becomes(port, '/a', '404');
  assert.ok(!running.out.includes('error'), running.out);
});

test('the link swap of a mounted volume', async (t) => {
  const cwd = folderWith(t, { '..one/g.yaml': gateway(await freePort()), '..one/r.yaml': route('a', '/a', 'one') });
  symlinkSync('..one', join(cwd, '..data'));
  for (const name of ['g.yaml', 'r.yaml']) symlinkSync(join('..data', name), join(cwd, name));
  const running = await serving(t, ['-f', '.', '--echo'], { cwd });
  const port = running.port('default/web/http');
  mkdirSync(join(cwd, '..two'));
  writeFileSync(join(cwd, '..two', 'g.yaml'), gateway(port));
  writeFileSync(join(cwd, '..two', 'r.yaml'), route('a', '/a', 'two'));
  symlinkSync('..two', join(cwd, '..data_tmp'));
  renameSync(join(cwd, '..data_tmp'), join(cwd, '..data'));
  await becomes(port, '/a', 'two');
});

test('a file that does not parse keeps its last good objects, and says where it is broken', async (t) => {
  const cwd = folderWith(t, { 'g.yaml': gateway(await freePort()), 'r.yaml': route('a', '/a', 'one') });
  const running = await serving(t, ['-f', '.', '--echo'], { cwd });
  const port = running.port('default/web/http');
  writeFileSync(join(cwd, 'r.yaml'), `${route('a', '/a', 'two')}broken: [\n`);
  await running.prints(/error {3}r\.yaml:1\d:\d+\n.*stays in force/);
  assert.equal(await answeredBy(port, '/a'), 'one');
  writeFileSync(join(cwd, 'r.yaml'), route('a', '/a', 'two'));
  await becomes(port, '/a', 'two');
  await running.prints(/1 problem solved/);
});

test('an invalid object is refused with its field, and its neighbours serve', async (t) => {
  const routes = [route('good', '/good', 'good'), route('bad', 'no-slash', 'bad')].join('---\n');
  const cwd = folderWith(t, { 'g.yaml': gateway(await freePort()), 'r.yaml': routes });
  const running = await serving(t, ['-f', '.', '--echo'], { cwd });
  assert.match(running.out, /error {3}r\.yaml:26:7 {2}HTTPRoute default\/bad/);
  assert.equal(await answeredBy(running.port('default/web/http'), '/good'), 'good');
});

test('requests go on while everything changes, and WebSockets stay open', async (t) => {
  const cwd = folderWith(t, { 'g.yaml': gateway(await freePort()), 'r.yaml': route('a', '/a', 'one') });
  const running = await serving(t, ['-f', '.', '--echo'], { cwd });
  const port = running.port('default/web/http');
  const socket = new WebSocket(`ws://127.0.0.1:${port}/a`);
  await once(socket, 'open');
  const answers = new Map<string, number>();
  const until = { stop: false };
  const load = Promise.all(
    Array.from({ length: 4 }, async () => {
      while (!until.stop) {
        const by = await answeredBy(port, '/a');
        answers.set(by, (answers.get(by) ?? 0) + 1);
      }
    }),
  );
  for (let change = 0; change < 10; change++) {
    writeFileSync(join(cwd, 'r.yaml'), route('a', '/a', change % 2 === 0 ? 'two' : 'one'));
    await sleep(50);
  }
  until.stop = true;
  await load;
  assert.deepEqual(
    [...answers.keys()].filter((by) => by !== 'one' && by !== 'two'),
    [],
  );
  assert.ok((answers.get('two') ?? 0) > 0 && (answers.get('one') ?? 0) > 0);
  const message = once(socket, 'message') as Promise<[Buffer]>;
  socket.send('still here');
  assert.equal((await message)[0].toString(), 'still here');
  socket.terminate();
});

test('told to stop, it finishes requests in flight', async (t) => {
  const cwd = folderWith(t, { 'g.yaml': gateway(await freePort()), 'r.yaml': route('a', '/a', 'one') });
  const running = await serving(t, ['-f', '.', '--echo'], { cwd });
  const port = running.port('default/web/http');
  const sent = request({
    host: '127.0.0.1',
    port,
    path: '/a',
    method: 'POST',
    headers: { 'content-length': '10' },
    agent: false,
  });
  sent.write('01234');
  await sleep(200);
  const exit = running.stop('SIGINT');
  await running.prints(/stopping/);
  await sleep(100);
  sent.end('56789');
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  let body = '';
  for await (const chunk of response) body += String(chunk);
  assert.equal((JSON.parse(body) as { body: string }).body, '0123456789');
  assert.equal(await exit, 0);
});

test('standard input is served too', async (t) => {
  const cwd = folderWith(t);
  const input = `${gateway(await freePort())}---\n${route('a', '/a', 'one')}`;
  const running = await serving(t, ['-f', '-', '--echo'], { cwd, input });
  assert.equal(await answeredBy(running.port('default/web/http'), '/a'), 'one');
});

test('nothing to read is said, with exit code 1', async (t) => {
  const { code, err } = await portolan(['run', '-f', 'absent'], { cwd: folderWith(t) });
  assert.equal(code, 1);
  assert.match(err, /absent:1:1\n {2}no such file or folder/);
});

test('routes without parents attach where --attach says', async (t) => {
  const loose = route('loose', '/', 'app').replace(/ {2}parentRefs:\n {2}- name: web\n/, '');
  const cwd = folderWith(t, { 'g.yaml': gateway(await freePort()), 'r.yaml': loose });
  const running = await serving(t, ['-f', '.', '--echo', '--attach', 'web'], { cwd });
  assert.equal(await answeredBy(running.port('default/web/http'), '/'), 'app');
});
