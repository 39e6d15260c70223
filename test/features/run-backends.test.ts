// portolan run --backend: Services that stand for processes on this machine.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { ask, folderWith, gateway, route, serving } from './cli-process.ts';
import { freePort } from '../free-port.ts';
import { eventually } from '../eventually.ts';

/** A process on this machine that answers with its name. */
async function backend(t: TestContext, name: string, address = '127.0.0.1'): Promise<number> {
  const server = createServer((_, response) => response.end(name));
  server.listen(0, address);
  await once(server, 'listening');
  t.after(() => server.close().closeAllConnections());
  return (server.address() as AddressInfo).port;
}

const service =
  'apiVersion: v1\nkind: Service\nmetadata:\n  name: app\nspec:\n  ports:\n  - name: http\n    port: 80\n  - name: more\n    port: 81\n';

function slice(port: number): string {
  return `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: app-1
  labels:
    kubernetes.io/service-name: app
addressType: IPv4
endpoints:
- addresses: [127.0.0.1]
ports:
- name: http
  port: ${port}
`;
}

test('a Service that is not in the files, by address and by name', async (t) => {
  const port = await backend(t, 'process');
  for (const target of [`127.0.0.1:${port}`, `localhost:${port}`]) {
    const cwd = folderWith(t, { 'g.yaml': gateway(await freePort()), 'r.yaml': route('a', '/', 'app') });
    const running = await serving(t, ['-f', '.', '--backend', `app=${target}`], { cwd });
    assert.equal((await ask(running.port('default/web/http'), '/')).body, 'process');
    assert.match(running.out, /Service default\/app +--backend says where it is/);
    await running.stop();
  }
});

test('a Service of the files: its ports, and the slices of the files give way', async (t) => {
  const [pod, all, one] = [await backend(t, 'pod'), await backend(t, 'all'), await backend(t, 'one')];
  const files = {
    'g.yaml': gateway(await freePort()),
    'r.yaml': `${route('a', '/a', 'app')}---\n${route('b', '/b', 'app').replace('port: 80\n', 'port: 81\n')}`,
    's.yaml': `${service}---\n${slice(pod)}`,
  };
  const cwd = folderWith(t, files);
  const plain = await serving(t, ['-f', '.'], { cwd });
  assert.equal((await ask(plain.port('default/web/http'), '/a')).body, 'pod');
  assert.equal((await ask(plain.port('default/web/http'), '/b')).status, 503);
  await plain.stop();
  const flags = ['--backend', `app=127.0.0.1:${all}`, '--backend', `default/app:81=127.0.0.1:${one}`];
  const running = await serving(t, ['-f', '.', ...flags], { cwd });
  assert.equal((await ask(running.port('default/web/http'), '/a')).body, 'all');
  assert.equal((await ask(running.port('default/web/http'), '/b')).body, 'one');
});

test('without backends 500 and 503, as specified; with --echo an answer', async (t) => {
  const files = {
    'g.yaml': gateway(await freePort()),
    'r.yaml': `${route('a', '/a', 'app')}---\n${route('b', '/b', 'nobody')}`,
    's.yaml': service,
  };
  const cwd = folderWith(t, files);
  const running = await serving(t, ['-f', '.'], { cwd });
  const port = running.port('default/web/http');
  assert.equal((await ask(port, '/a')).status, 503);
  assert.equal((await ask(port, '/b')).status, 500);
  assert.match(
    running.out,
    /error {3}r\.yaml:\d+:7 {2}HTTPRoute default\/b .*\n.*Service default\/nobody does not exist/,
  );
});

test('slices that come into the files take over from the echo', async (t) => {
  const pod = await backend(t, 'pod');
  const files = { 'g.yaml': gateway(await freePort()), 'r.yaml': route('a', '/', 'app'), 's.yaml': service };
  const cwd = folderWith(t, files);
  const running = await serving(t, ['-f', '.', '--echo'], { cwd });
  const port = running.port('default/web/http');
  assert.equal((await ask(port, '/')).headers['x-echo-service'], 'app');
  writeFileSync(join(cwd, 'e.yaml'), slice(pod));
  await running.prints(/EndpointSlice default\/app-1/);
  assert.equal((await ask(port, '/')).body, 'pod');
});

test('a process that starts later, at one of the addresses of localhost', async (t) => {
  const cwd = folderWith(t, { 'g.yaml': gateway(await freePort()), 'r.yaml': route('a', '/', 'app') });
  const later = await freePort();
  const running = await serving(t, ['-f', '.', '--backend', `app=localhost:${later}`], { cwd });
  const port = running.port('default/web/http');
  assert.ok([502, 503].includes((await ask(port, '/')).status));
  const server = createServer((_, response) => response.end('here'));
  server.listen(later, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close().closeAllConnections());
  await eventually(async () => (await ask(port, '/')).body === 'here', 'the backend answers');
});

test('--backend for a Service that no route names is noted, with what was probably meant', async (t) => {
  const shop = route('a', '/', 'app').replace('- name: app', '- name: app\n      namespace: shop');
  const cwd = folderWith(t, {
    'g.yaml': gateway(await freePort()),
    'r.yaml': shop
      .replace('name: a\n', 'name: a\n  namespace: shop\n')
      .replace('- name: web', '- name: web\n    namespace: default'),
  });
  const all = gateway(await freePort(), '    allowedRoutes:\n      namespaces:\n        from: All\n');
  writeFileSync(join(cwd, 'g.yaml'), all);
  const running = await serving(t, ['-f', '.', '--backend', 'app=127.0.0.1:9'], { cwd });
  assert.match(
    running.out,
    /--backend default\/app=127\.0\.0\.1:9: no route names this Service; did you mean shop\/app\?/,
  );
});

test('an old route without a port gets the only port of the Service, or the usual one of a presumed Service', async (t) => {
  const old = `apiVersion: networking.x-k8s.io/v1alpha1
kind: Gateway
metadata:
  name: old
spec:
  gatewayClassName: any
  listeners:
  - protocol: HTTP
    port: ${await freePort()}
    routes:
      kind: HTTPRoute
---
apiVersion: networking.x-k8s.io/v1alpha1
kind: HTTPRoute
metadata:
  name: app
spec:
  rules:
  - forwardTo:
    - serviceName: app
`;
  const cwd = folderWith(t, { 'old.yaml': old });
  const running = await serving(t, ['-f', '.', '--echo'], { cwd });
  const { headers } = await ask(running.port('default/old/http'), '/');
  assert.deepEqual([headers['x-echo-service'], headers['x-echo-port']], ['app', '80']);
});

test('an XBackend outside: its host is looked up', async (t) => {
  const port = await backend(t, 'outside');
  const outside = `apiVersion: gateway.networking.x-k8s.io/v1alpha1
kind: XBackend
metadata: { name: app }
spec:
  type: ExternalHostname
  externalHostname: { hostname: localhost }
  port: { number: ${port} }
  protocol: HTTP
`;
  const named = route('a', '/', 'app').replace(
    '- name: app\n      port: 80',
    '- group: gateway.networking.x-k8s.io\n      kind: XBackend\n      name: app',
  );
  const cwd = folderWith(t, { 'g.yaml': gateway(await freePort()), 'r.yaml': named, 'x.yaml': outside });
  const running = await serving(t, ['-f', '.', '--channel', 'experimental'], { cwd });
  const local = running.port('default/web/http');
  await eventually(
    async () => (await ask(local, '/')).status === 200,
    () => running.out,
  );
  assert.equal((await ask(local, '/')).body, 'outside', running.out);
});
