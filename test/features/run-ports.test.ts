// portolan run: where it listens. Ports that move, ports that are fixed, several Gateways, the admin pages.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { answeredBy, ask, folderWith, gateway, route, Running, serving } from './cli-process.ts';
import { freePort, freePorts } from '../free-port.ts';
import { eventually } from '../eventually.ts';

test('a taken port moves to the next free one, which is said', async (t) => {
  const taken = createServer();
  // The next one is as much ours.
  const [port = 0] = await freePorts(2);
  taken.listen(port, '127.0.0.1');
  await once(taken, 'listening');
  t.after(() => taken.close());
  const cwd = folderWith(t, { 'g.yaml': gateway(port), 'r.yaml': route('a', '/a', 'one') });
  const running = await serving(t, ['-f', '.', '--echo'], { cwd });
  assert.notEqual(running.port('default/web/http'), port);
  assert.match(running.out, new RegExp(`port ${port} was taken`));
  assert.equal(await answeredBy(running.port('default/web/http'), '/a'), 'one');
});

test('several Gateways on one port all work; low ports move up; --port settles it', async (t) => {
  // Two that follow one another for those that move up.
  const [first = 0, , fixed = 0] = await freePorts(3);
  const other = gateway(80).replace('name: web', 'name: other');
  const third = gateway(80).replace('name: web', 'name: third');
  const routes = [
    route('a', '/', 'one'),
    route('b', '/', 'two').replace('- name: web', '- name: other'),
    route('c', '/', 'three').replace('- name: web', '- name: third'),
  ];
  const cwd = folderWith(t, { 'g.yaml': [gateway(80), other, third].join('---\n'), 'r.yaml': routes.join('---\n') });
  const flags = ['--port-offset', String(first - 80), '--port', `third/http=${fixed}`, '--port', 'nobody/http=1'];
  const running = await serving(t, ['-f', '.', '--echo', ...flags], { cwd });
  const ports = ['web', 'other', 'third'].map((name) => running.port(`default/${name}/http`));
  assert.equal(new Set(ports).size, 3);
  assert.equal(ports[2], fixed);
  assert.deepEqual(await Promise.all(ports.map((port) => answeredBy(port, '/'))), ['one', 'two', 'three']);
  await running.prints(/--port nobody\/http=1: there is no such listener/);
});

test('listeners that come later are opened and those that go are closed, and others stay where they are', async (t) => {
  const [first, second] = [await freePort(), await freePort()];
  const listener = `  - name: more\n    protocol: HTTP\n    port: ${second}\n`;
  const cwd = folderWith(t, { 'g.yaml': gateway(first), 'r.yaml': route('a', '/', 'one') });
  const running = await serving(t, ['-f', '.', '--echo'], { cwd });
  writeFileSync(join(cwd, 'g.yaml'), gateway(first, listener));
  await running.prints(new RegExp(`default/web/more +:${second} `));
  assert.equal(await answeredBy(second, '/'), 'one');
  writeFileSync(join(cwd, 'g.yaml'), gateway(first));
  const refusal = async (): Promise<string> => ask(second, '/').then(String, String);
  await eventually(async () => /ECONNREFUSED/.test(await refusal()), 'the port is closed');
  assert.equal(await answeredBy(first, '/'), 'one');
});

test('a redirect names the local port that serves the declared one', async (t) => {
  const redirect = `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: r
spec:
  parentRefs:
  - name: web
  rules:
  - filters:
    - type: RequestRedirect
      requestRedirect:
        path:
          type: ReplaceFullPath
          replaceFullPath: /new
`;
  const cwd = folderWith(t, { 'g.yaml': gateway(80), 'r.yaml': redirect });
  const running = await serving(t, ['-f', '.', '--port', `web/http=${await freePort()}`], { cwd });
  const port = running.port('default/web/http');
  const { status, headers } = await ask(port, '/old', { host: 'shop.example.com' });
  assert.deepEqual([status, headers.location], [302, `http://shop.example.com:${port}/new`]);
});

test('admin: health, readiness, metrics and the model without secrets', async (t) => {
  const port = await freePort();
  const cwd = folderWith(t, { 'g.yaml': gateway(await freePort()), 'r.yaml': route('a', '/a', 'one') });
  const running = await serving(t, ['-f', '.', '--echo', '--admin', `127.0.0.1:${port}`], { cwd });
  await running.prints(/admin at/);
  await answeredBy(running.port('default/web/http'), '/a');
  assert.deepEqual((await ask(port, '/healthz')).body, 'ok\n');
  const ready = await ask(port, '/readyz');
  assert.deepEqual([ready.status, ready.body], [200, 'ok\n']);
  const metrics = await ask(port, '/metrics');
  assert.match(String(metrics.headers['content-type']), /^text\/plain; version=0\.0\.4/);
  assert.match(metrics.body, /^portolan_\w+\{.*route="HTTPRoute\/default\/a".*\} 1$/m);
  const config = JSON.parse((await ask(port, '/config')).body) as {
    binds: object;
    placements: Record<string, { port: number }>;
  };
  assert.equal(Object.values(config.placements)[0]?.port, running.port('default/web/http'));
  assert.equal((await ask(port, '/other')).status, 404);
  assert.equal((await ask(port, '/config', { method: 'POST' })).status, 405);
  assert.equal((await ask(port, '/config', { host: 'evil.example.com' })).status, 421);
});

test('an access log has one line of JSON per request on standard output, and people read standard error', async (t) => {
  const cwd = folderWith(t, { 'g.yaml': gateway(await freePort()), 'r.yaml': route('a', '/a', 'one') });
  const running = new Running(['run', '-f', '.', '--echo', '--access-log'], { cwd });
  t.after(() => running.stop());
  const port = Number(await running.prints(/127\.0\.0\.1:(\d+)/, 'err'));
  await answeredBy(port, '/a');
  const line = await running.prints(/(\{.*\})\n/);
  const entry = JSON.parse(line) as Record<string, unknown>;
  assert.deepEqual([entry['status'], entry['target']], [200, '/a']);
  assert.equal(running.out.trim().split('\n').length, 1);
});

test('an address that cannot be listened on is a problem of the listener, not the end', async (t) => {
  const cwd = folderWith(t, { 'g.yaml': gateway(await freePort()), 'r.yaml': route('a', '/a', 'one') });
  const running = await serving(t, ['-f', '.', '--echo', '--bind', '192.0.2.1'], { cwd });
  assert.match(running.out, /default\/web\/http .* not open\n/);
  assert.match(running.out, /error {3}g\.yaml:8:5 {2}Gateway default\/web .*\n.*EADDRNOTAVAIL/);
  assert.ok(!running.out.includes('curl'));
});
