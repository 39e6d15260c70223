// Timeouts, retries, mirrors, protocols of backends: HTTPRoute features that need backends with a behaviour of their own,
// from objects to sockets.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo, Server } from 'node:net';
import { test, type TestContext } from './engine-tests.ts';
import { WebSocket, WebSocketServer } from 'ws';
import type { KubeObject } from '../../src/api/objects.ts';
import { ask, serveObjects, type Gateway } from './gateway-fixture.ts';
import { freePort } from '../free-port.ts';
import { eventually } from '../eventually.ts';

async function listen(t: TestContext, server: Server | http2.Http2Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    if (server instanceof http.Server) server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

/** A Service with its endpoints, each a port on loopback. */
function backend(name: string, ports: readonly number[], appProtocol?: string): KubeObject[] {
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { ports: [{ port: 80, ...(appProtocol === undefined ? {} : { appProtocol }) }] },
  };
  const slices = ports.map((port, at) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${name}-${at}`, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['127.0.0.1'] }],
    ports: [{ port }],
  }));
  return [service, ...slices];
}

function gatewayWith(t: TestContext, rules: readonly unknown[], ...objects: readonly KubeObject[]): Promise<Gateway> {
  const gateway = {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { name: 'gateway' },
    spec: { gatewayClassName: 'portolan', listeners: [{ name: 'http', port: 80, protocol: 'HTTP' }] },
  };
  const route = {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: 'route' },
    spec: { parentRefs: [{ name: 'gateway' }], rules },
  };
  return serveObjects(t, [gateway, route, ...objects]);
}

function to(name: string): { readonly name: string; readonly port: number } {
  return { name, port: 80 };
}

test('a request that takes too long is answered 504 (HTTPRouteRequestTimeout, HTTPRouteBackendTimeout)', async (t) => {
  const slow = http.createServer((request, response) =>
    setTimeout(() => response.end('late'), { '/quick': 0, '/off': 500 }[request.url ?? ''] ?? 20_000).unref(),
  );
  const port = await listen(t, slow);
  const rules = [
    { matches: [{ path: { value: '/request' } }], timeouts: { request: '200ms' }, backendRefs: [to('slow')] },
    { matches: [{ path: { value: '/attempt' } }], timeouts: { backendRequest: '200ms' }, backendRefs: [to('slow')] },
    {
      matches: [{ path: { value: '/quick' } }],
      timeouts: { request: '10s', backendRequest: '9s' },
      backendRefs: [to('slow')],
    },
    { matches: [{ path: { value: '/off' } }], timeouts: { request: '0s' }, backendRefs: [to('slow')] },
  ];
  const gateway = await gatewayWith(t, rules, ...backend('slow', [port]));
  const at = gateway.port('default/gateway', 80);
  for (const path of ['/request', '/attempt']) {
    const started = performance.now();
    assert.equal((await ask({ port: at, path })).status, 504, path);
    assert.ok(performance.now() - started < 10_000, `${path} waited for the backend`);
  }
  assert.equal((await ask({ port: at, path: '/quick' })).status, 200);
  assert.equal((await ask({ port: at, path: '/off' })).status, 200);
});

test('listed codes are retried as often as allowed, then the last answer stands (HTTPRouteRetryCodes)', async (t) => {
  const seen = new Map<string, number>();
  const flaky = http.createServer((request, response) => {
    const count = (seen.get(request.url ?? '') ?? 0) + 1;
    seen.set(request.url ?? '', count);
    const [, , code = '503', times = '0'] = (request.url ?? '').split('/');
    response.statusCode = count <= Number(times) ? Number(code) : 200;
    response.end();
  });
  const port = await listen(t, flaky);
  const rules = [
    {
      matches: [{ path: { value: '/retry' } }],
      retry: { attempts: 2, codes: [500, 502, 503, 504] },
      backendRefs: [to('flaky')],
    },
    { matches: [{ path: { value: '/none' } }], retry: { attempts: 0, codes: [503] }, backendRefs: [to('flaky')] },
  ];
  const gateway = await gatewayWith(t, rules, ...backend('flaky', [port]));
  const at = gateway.port('default/gateway', 80);
  for (const code of ['500', '502', '503', '504'])
    assert.equal((await ask({ port: at, path: `/retry/${code}/2` })).status, 200, code);
  assert.equal((await ask({ port: at, path: '/retry/503/3' })).status, 503);
  assert.equal(seen.get('/retry/503/3'), 3);
  assert.equal((await ask({ port: at, path: '/retry/418/1' })).status, 418);
  assert.equal((await ask({ port: at, path: '/none/503/1' })).status, 503);
  assert.equal(seen.get('/none/503/1'), 1);
});

test('a connection that cannot be made is tried at another endpoint (HTTPRouteRetryConnectionError)', async (t) => {
  const alive = http.createServer((_, response) => response.end('alive'));
  const ports = [await freePort(), await listen(t, alive)];
  const rules = [{ retry: { attempts: 3 }, backendRefs: [to('half')] }];
  const gateway = await gatewayWith(t, rules, ...backend('half', ports));
  for (let n = 0; n < 20; n++) assert.equal((await ask({ port: gateway.port('default/gateway', 80) })).status, 200);
});

test('mirrors get a copy and never an answer through (HTTPRouteRequestMirror, HTTPRouteRequestMultipleMirrors, HTTPRouteRequestPercentageMirror)', async (t) => {
  const counts = { all: 0, also: 0, half: 0 };
  const bodies: string[] = [];
  const capture = (name: keyof typeof counts): Promise<number> =>
    listen(
      t,
      http.createServer((request, response) => {
        counts[name]++;
        let body = '';
        request.on('data', (chunk: Buffer) => (body += chunk.toString()));
        request.on('end', () => bodies.push(`${request.url} ${String(request.headers['x-added'])} ${body}`));
        response.statusCode = 500;
        response.end('nobody reads this');
      }),
    );
  const main = await listen(
    t,
    http.createServer((request, response) => request.resume().on('end', () => response.end('main'))),
  );
  const mirror = (name: string, more: object = {}): unknown => ({
    type: 'RequestMirror',
    requestMirror: { backendRef: to(name), ...more },
  });
  const modifier = {
    type: 'RequestHeaderModifier',
    requestHeaderModifier: { set: [{ name: 'x-added', value: 'yes' }] },
  };
  const rules = [
    {
      matches: [{ path: { value: '/all' } }],
      filters: [modifier, mirror('all'), mirror('also')],
      backendRefs: [to('main')],
    },
    { matches: [{ path: { value: '/half' } }], filters: [mirror('half', { percent: 50 })], backendRefs: [to('main')] },
    { matches: [{ path: { value: '/lost' } }], filters: [mirror('missing')], backendRefs: [to('main')] },
  ];
  const services = [
    ...backend('main', [main]),
    ...backend('all', [await capture('all')]),
    ...backend('also', [await capture('also')]),
    ...backend('half', [await capture('half')]),
  ];
  const gateway = await gatewayWith(t, rules, ...services);
  const port = gateway.port('default/gateway', 80);
  for (let n = 0; n < 10; n++)
    assert.equal((await ask({ port, path: '/all', method: 'POST', body: `b${n}` })).body, 'main');
  for (let n = 0; n < 200; n++) assert.equal((await ask({ port, path: '/half' })).body, 'main');
  assert.equal((await ask({ port, path: '/lost' })).body, 'main');
  await eventually(() => counts.all >= 10 && counts.also >= 10, 'all mirrored requests');
  assert.deepEqual([counts.all, counts.also], [10, 10]);
  assert.ok(counts.half > 60 && counts.half < 140, `${counts.half} of 200 at 50 percent`);
  for (let n = 0; n < 10; n++) assert.ok(bodies.includes(`/all yes b${n}`), `b${n}`);
});

test('appProtocol kubernetes.io/ws and plain backends take WebSockets (HTTPRouteBackendProtocolWebSocket)', async (t) => {
  const server = http.createServer();
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) =>
    socket.on('message', (message: Buffer) => socket.send(`echo ${message.toString()}`)),
  );
  const port = await listen(t, server);
  const rules = ['declared', 'plain'].map((name) => ({
    matches: [{ path: { value: `/${name}` } }],
    backendRefs: [to(name)],
  }));
  const gateway = await gatewayWith(
    t,
    rules,
    ...backend('declared', [port], 'kubernetes.io/ws'),
    ...backend('plain', [port]),
  );
  for (const name of ['declared', 'plain']) {
    const socket = new WebSocket(`ws://127.0.0.1:${gateway.port('default/gateway', 80)}/${name}`);
    await once(socket, 'open');
    socket.send('hello');
    const [message] = (await once(socket, 'message')) as [Buffer];
    assert.equal(message.toString(), 'echo hello');
    socket.terminate();
  }
  sockets.close();
});

test('appProtocol kubernetes.io/h2c is spoken to in HTTP/2 (HTTPRouteBackendProtocolH2C)', async (t) => {
  const versions: string[] = [];
  const server = http2.createServer((request, response) => {
    versions.push(request.httpVersion);
    response.end('two');
  });
  const port = await listen(t, server);
  const gateway = await gatewayWith(t, [{ backendRefs: [to('h2c')] }], ...backend('h2c', [port], 'kubernetes.io/h2c'));
  const answer = await ask({ port: gateway.port('default/gateway', 80) });
  assert.deepEqual([answer.status, answer.body, versions], [200, 'two', ['2.0']]);
});

test('endpoints that come and go are followed, and terminating ones serve while there is nothing else', async (t) => {
  const first = await listen(
    t,
    http.createServer((_, response) => response.end('first')),
  );
  const second = await listen(
    t,
    http.createServer((_, response) => response.end('second')),
  );
  const gateway = await gatewayWith(t, [{ backendRefs: [to('pods')] }], ...backend('pods', [first]));
  const port = gateway.port('default/gateway', 80);
  const slice = backend('pods', [first])[1] as KubeObject;
  const withConditions = (conditions: object): KubeObject => ({
    ...slice,
    endpoints: [{ addresses: ['127.0.0.1'], conditions }],
  });
  assert.equal((await ask({ port })).body, 'first');
  await gateway.apply({ ...slice, ports: [{ port: second }] });
  assert.equal((await ask({ port })).body, 'second');
  await gateway.apply(withConditions({ ready: false, serving: true, terminating: true }));
  assert.equal((await ask({ port })).body, 'first');
  await gateway.apply(withConditions({ ready: false, serving: false }));
  assert.equal((await ask({ port })).status, 503);
});
