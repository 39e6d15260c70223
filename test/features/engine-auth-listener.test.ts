// Filters of a listener (GEP-5224): before a route is looked for, for every request, in the order of the list; routes are matched by
// what they made of the request.
import assert from 'node:assert/strict';
import type http from 'node:http';
import http2 from 'node:http2';
import { test, type TestContext } from './engine-tests.ts';
import grpc from '@grpc/grpc-js';
import type { Filter } from '../../src/routing/filters.ts';
import type { Update } from '../../src/routing/update.ts';
import { onEnvoy } from './test-engine.ts';
import {
  echo,
  type Echoed,
  http2Session,
  httpBackend,
  origin,
  RawClient,
  type Route,
  serve,
  statusOfBody,
  updateOf,
} from './engine-fixture.ts';

function auth(cluster: string, bodyLimit = 0): Filter {
  const check = { protocol: 'http', path: `/${cluster}` } as const;
  return {
    kind: 'external-auth',
    origin,
    cluster: `test/gateway|${cluster}`,
    check,
    headers: ['x-tenant', 'x-steps'],
    bodyLimit,
  };
}

/** Says what it was asked, in order, and answers as told. */
async function service(
  t: TestContext,
  answer: (url: string, headers: http.IncomingHttpHeaders, body: string) => [number, http.OutgoingHttpHeaders],
): Promise<{ port: number; asked: string[] }> {
  const asked: string[] = [];
  const port = await httpBackend(t, (request, response) => {
    let body = '';
    request.on('data', (piece) => (body += String(piece)));
    request.on('end', () => {
      asked.push(`${request.method} ${request.url}`);
      const [status, headers] = answer(request.url ?? '', request.headers, body);
      response.writeHead(status, headers).end(status === 200 ? '' : 'denied');
    });
  });
  return { port, asked };
}

const named = (t: TestContext, name: string): Promise<number> =>
  httpBackend(t, (request, response) => {
    response.setHeader('x-name', name);
    echo(request, response);
  });

test('routes are matched by what the filters made of the request, and the first match is not asked', async (t) => {
  const [gold, plain] = [await named(t, 'gold'), await named(t, 'plain')];
  const { port: at, asked } = await service(t, (_, headers) => [
    200,
    { 'x-tenant': headers.authorization === 'vip' ? 'gold' : 'none' },
  ]);
  const match = { headers: [{ type: 'exact', name: 'x-tenant', value: 'gold' }] } as const;
  const { url } = await serve(t, {
    clusters: { auth: [at] },
    frontend: { filters: [auth('auth')] },
    routes: [
      { backends: [{ to: gold }], match },
      { path: '/', backends: [{ to: plain }] },
    ],
  });
  const ask = async (headers: Record<string, string>): Promise<string | null> =>
    (await fetch(`${url}/a?b`, { method: 'POST', body: 'body', headers })).headers.get('x-name');
  assert.equal(await ask({ authorization: 'vip' }), 'gold');
  assert.equal(await ask({ 'x-tenant': 'gold' }), 'plain', 'a client cannot say it');
  assert.deepEqual(asked, ['POST /auth/a?b', 'POST /auth/a?b'], 'each is asked about once');
});

test('what a route does not take is asked about, too, and a no ends everything', async (t) => {
  const backend = await named(t, 'backend');
  const first = await service(t, (url) => [url.includes('deny') ? 403 : 200, {}]);
  const second = await service(t, () => [200, {}]);
  const { url } = await serve(t, {
    clusters: { first: [first.port], second: [second.port] },
    frontend: { filters: [auth('first'), auth('second')] },
    routes: [{ path: '/known', backends: [{ to: backend }] }],
  });
  assert.equal((await fetch(`${url}/unknown`)).status, 404);
  const denied = await fetch(`${url}/deny`);
  assert.equal(`${denied.status} ${await denied.text()}`, '403 denied');
  assert.equal((await fetch(`${url}/known/deny`)).status, 403);
  assert.equal((await fetch(`${url}/known`)).status, 200);
  assert.equal(first.asked.length, 4);
  assert.deepEqual(second.asked, ['GET /second/unknown', 'GET /second/known']);
});

for (const order of [
  ['first', 'second'],
  ['second', 'first'],
] as const) {
  test(`the order of the list is the order of the filters: ${order.join(', ')}`, async (t) => {
    const backend = await named(t, 'backend');
    const step = async (name: string): Promise<number> =>
      (await service(t, (_, headers) => [200, { 'x-steps': `${String(headers['x-steps'] ?? '')}<${name}>` }])).port;
    const { url } = await serve(t, {
      clusters: { first: [await step('first')], second: [await step('second')] },
      frontend: { filters: order.map((name) => auth(name)) },
      routes: [{ backends: [{ to: backend }] }],
    });
    const sent = (await (await fetch(url)).json()) as Echoed;
    assert.equal(sent.headers['x-steps'], `<${order[0]}><${order[1]}>`);
  });
}

test('the filters of the rule run behind those of the listener', async (t) => {
  const backend = await named(t, 'backend');
  const { port: at, asked } = await service(t, (url, headers) => [
    200,
    { 'x-steps': `${String(headers['x-steps'] ?? '')}<${url.split('/')[1]}>` },
  ]);
  const { url } = await serve(t, {
    clusters: { listener: [at], rule: [at] },
    frontend: { filters: [auth('listener', 100)] },
    routes: [{ backends: [{ to: backend }], filters: [auth('rule', 100)] }],
  });
  const sent = (await (await fetch(`${url}/p`, { method: 'POST', body: 'body' })).json()) as Echoed;
  assert.equal(sent.headers['x-steps'], '<listener><rule>');
  assert.equal(sent.body, 'body');
  assert.deepEqual(asked, ['POST /listener/p', 'POST /rule/p']);
});

test('Host stays, whatever a service answers, and the listener is not chosen anew', async (t) => {
  const backend = await named(t, 'backend');
  const { port: at } = await service(t, () => [200, { host: 'other.example', 'x-tenant': 'a' }]);
  const { port } = await serve(t, {
    clusters: { auth: [at] },
    frontend: { filters: [auth('auth')] },
    routes: [
      { host: 'mine.example', path: '/', backends: [{ to: backend }] },
      { host: 'other.example', path: '/other', backends: [] },
    ],
  });
  const client = new RawClient(port);
  t.after(() => client.close());
  client.send('GET /other HTTP/1.1\r\nHost: mine.example\r\nConnection: close\r\n\r\n');
  const text = await client.rest();
  assert.match(text, /^HTTP\/1.1 200 /);
  assert.equal((JSON.parse(text.slice(text.indexOf('{'))) as Echoed).headers['host'], 'mine.example');
});

test('preflights are asked about as every other request is', async (t) => {
  const backend = await named(t, 'backend');
  const { port: at } = await service(t, () => [401, {}]);
  const cors: Filter = {
    kind: 'cors',
    origin,
    allowOrigins: ['*'],
    allowMethods: ['PUT'],
    allowHeaders: [],
    exposeHeaders: [],
    allowCredentials: false,
    maxAge: 5,
  };
  const { url } = await serve(t, {
    clusters: { auth: [at] },
    frontend: { filters: [auth('auth')] },
    routes: [{ backends: [{ to: backend }], filters: [cors] }],
  });
  const headers = { origin: 'https://a.example', 'access-control-request-method': 'PUT' };
  assert.equal((await fetch(url, { method: 'OPTIONS', headers })).status, 401);
});

test('a filter that listeners do not have lets nothing pass', async (t) => {
  const backend = await named(t, 'backend');
  const mirror: Filter = { kind: 'mirror', origin, cluster: 'x', numerator: 1, denominator: 1 };
  const { url } = await serve(t, { frontend: { filters: [mirror] }, routes: [{ backends: [{ to: backend }] }] });
  assert.equal((await fetch(url)).status, 500);
});

test('header modifiers of a listener are what the routes match by', async (t) => {
  const [marked, plain] = [await named(t, 'marked'), await named(t, 'plain')];
  const mark: Filter = { kind: 'request-headers', origin, set: [{ name: 'X-Mark', value: '1' }], add: [], remove: [] };
  const match = { headers: [{ type: 'exact', name: 'x-mark', value: '1' }] } as const;
  const { url } = await serve(t, {
    frontend: { filters: [mark] },
    routes: [{ backends: [{ to: marked }], match }, { backends: [{ to: plain }] }],
  });
  const response = await fetch(url, { method: 'POST', body: 'x'.repeat(200_000) });
  assert.equal(response.headers.get('x-name'), 'marked');
  assert.equal(((await response.json()) as Echoed).body.length, 200_000);
});

test('over HTTP/2, and in the words of gRPC', async (t) => {
  const server = http2.createServer((request, response) => {
    response.writeHead(200, { 'content-type': 'application/grpc', 'x-tenant': String(request.headers['x-tenant']) });
    response.end();
  });
  const backend = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
  });
  t.after(() => server.close());
  const { port: at } = await service(t, (url) => [
    url.includes('out') ? 401 : url.includes('not') ? 403 : 200,
    { 'x-tenant': 'gold' },
  ]);
  const route: Route = { protocol: 'grpc', path: '/s', backends: [{ to: 'grpc' }] };
  const { port } = await serve(t, {
    clusters: { auth: [at], grpc: [backend] },
    protocols: { grpc: 'h2c' },
    frontend: { filters: [auth('auth')] },
    routes: [{ ...route, match: { headers: [{ type: 'exact', name: 'x-tenant', value: 'gold' }] } }],
  });
  const session = http2Session(t, port);
  const ask = (path: string): Promise<http2.IncomingHttpHeaders> =>
    new Promise((resolve, reject) => {
      const stream = session.request({
        ':method': 'POST',
        ':path': path,
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      stream.on('response', resolve);
      stream.on('error', reject);
      stream.resume();
      stream.end();
    });
  assert.equal((await ask('/s/in'))['x-tenant'], 'gold');
  const out = await ask('/s/out');
  assert.equal(`${String(out[':status'])} ${String(out['grpc-status'])}`, `200 ${grpc.status.UNAUTHENTICATED}`);
  assert.equal(Number((await ask('/s/not'))['grpc-status']), grpc.status.PERMISSION_DENIED);
  assert.equal(Number((await ask('/unknown/in'))['grpc-status']), grpc.status.UNIMPLEMENTED);
});

test('filters that come, change and go with a row of the listener', async (t) => {
  const backend = await named(t, 'backend');
  const [yes, no] = [await service(t, () => [200, {}]), await service(t, () => [403, {}])];
  const world = { clusters: { yes: [yes.port], no: [no.port] }, routes: [{ backends: [{ to: backend }] }] };
  const { engine, url, port } = await serve(t, world);
  const statusWith = async (filters: readonly Filter[], version: number): Promise<number> => {
    const { frontends } = updateOf({ ...world, port, frontend: { filters } });
    await engine.apply({ version, frontends } as Update);
    return (await fetch(url)).status;
  };
  assert.equal(await statusWith([], 2), 200);
  assert.equal(await statusWith([auth('no')], 3), 403);
  assert.equal(await statusWith([auth('yes'), auth('no')], 4), 403);
  assert.equal(await statusWith([auth('yes')], 5), 200);
  assert.equal(await statusWith([], 6), 200);
});

test('a body that is too long for the service of a listener is refused, in one piece of HTTP/2, too', async (t) => {
  const backend = await named(t, 'backend');
  const yes = await service(t, () => [200, {}]);
  const { port } = await serve(t, {
    clusters: { yes: [yes.port] },
    frontend: { filters: [auth('yes', 1000)] },
    routes: [{ backends: [{ to: backend }] }],
  });
  const session = http2Session(t, port);
  assert.equal(await statusOfBody(session, 1001), 413);
  assert.equal(await statusOfBody(session, 1000), 200);
  assert.equal(yes.asked.length, 1);
});

test('without its service nothing passes', async (t) => {
  const backend = await named(t, 'backend');
  const yes = await service(t, () => [200, {}]);
  const { engine, url } = await serve(t, {
    clusters: { yes: [yes.port] },
    frontend: { filters: [auth('yes')] },
    routes: [{ backends: [{ to: backend }] }],
  });
  assert.equal((await fetch(url)).status, 200);
  await engine.apply({ version: 2, clusters: { set: [], delete: ['test/gateway|yes'] } });
  // An Envoy cannot tell that from one that is not reached.
  assert.equal((await fetch(url)).status, onEnvoy ? 503 : 500);
});
