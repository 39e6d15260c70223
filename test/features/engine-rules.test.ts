// What rules make of requests in the embedded engine: matches, filters, redirects, CORS, weights, mirrors, and the answers
// when there is no backend.
import assert from 'node:assert/strict';
import { assertCounted, test } from './engine-tests.ts';
import type { Filter } from '../../src/routing/filters.ts';
import { converse, echo, type Echoed, httpBackend, origin, serve } from './engine-fixture.ts';
import { eventually } from '../eventually.ts';

const unchanged = { set: [], add: [], remove: [] };
const get = async (url: string, init: RequestInit = {}): Promise<Response> =>
  fetch(url, { redirect: 'manual', ...init });
const echoOf = async (url: string, init: RequestInit = {}): Promise<Echoed> =>
  (await (await get(url, init)).json()) as Echoed;

test('the most specific host and path take a request; none is 404', async (t) => {
  const named = (name: string): Promise<number> => httpBackend(t, (_request, response) => response.end(name));
  const [exact, wild, deep] = await Promise.all(['exact', 'wild', 'deep'].map(named));
  const { port } = await serve(t, {
    routes: [
      { host: 'a.example', path: '/one', backends: [{ to: exact as number }] },
      { host: '*.example', path: '/', backends: [{ to: wild as number }] },
      { host: '*.example', path: '/one/two', backends: [{ to: deep as number }] },
    ],
  });
  const ask = async (host: string, path: string): Promise<string> => {
    const text = await converse(t, port, `GET ${path} HTTP/1.0\r\nHost: ${host}\r\n\r\n`);
    return text.slice(text.indexOf('\r\n\r\n') + 4);
  };
  assert.equal(await ask('a.example', '/one/two'), 'exact');
  assert.equal(await ask('A.Example:8080', '/one'), 'exact');
  assert.equal(await ask('a.example', '/onetwo'), 'wild');
  assert.equal(await ask('b.example', '/one/two?x'), 'deep');
  assert.equal(await ask('example', '/'), '404 Not Found: no-route\n');
});

test('method, header and query conditions', async (t) => {
  const backend = await httpBackend(t, echo);
  const { url } = await serve(t, {
    routes: [
      {
        backends: [{ to: backend }],
        match: {
          method: 'GET',
          headers: [{ type: 'exact', name: 'x-version', value: 'two' }],
          query: [{ type: 'regex', name: 'q', value: 'a+' }],
        },
      },
    ],
  });
  const headers = { 'X-Version': 'two' };
  assert.equal((await get(`${url}/?q=aaa`, { headers })).status, 200);
  assert.equal((await get(`${url}/?q=aab`, { headers })).status, 404);
  assert.equal((await get(`${url}/?q=a`)).status, 404);
  assert.equal((await get(`${url}/?q=a`, { headers, method: 'POST' })).status, 404);
});

test('header filters change request and response, of the rule before those of the backend', async (t) => {
  const backend = await httpBackend(t, (request, response) => {
    response.setHeader('X-Secret', 'inside');
    response.setHeader('X-Both', 'backend');
    echo(request, response);
  });
  const filters: Filter[] = [
    {
      kind: 'request-headers',
      origin,
      set: [{ name: 'X-Set', value: 'rule' }],
      add: [{ name: 'X-Added', value: 'rule' }],
      remove: ['X-Gone', 'Cookie'],
    },
    { kind: 'response-headers', origin, ...unchanged, set: [{ name: 'X-Served', value: 'yes' }], remove: ['x-secret'] },
  ];
  const own: Filter[] = [
    { kind: 'request-headers', origin, ...unchanged, set: [{ name: 'x-set', value: 'backend' }] },
    { kind: 'response-headers', origin, ...unchanged, add: [{ name: 'X-Both', value: 'gateway' }] },
  ];
  const { url } = await serve(t, { routes: [{ filters, backends: [{ to: backend, filters: own }] }] });
  const response = await get(url, {
    headers: { 'X-Set': 'client', 'x-added': 'client', 'X-Gone': '1', cookie: 'a=b' },
  });
  const { headers } = (await response.json()) as Echoed;
  assert.equal(headers['x-set'], 'backend');
  assert.equal(headers['x-added'], 'client, rule');
  assert.equal(headers['x-gone'], undefined);
  assert.equal(headers['cookie'], undefined);
  assert.equal(response.headers.get('x-served'), 'yes');
  assert.equal(response.headers.get('x-secret'), null);
  assert.equal(response.headers.get('x-both'), 'backend, gateway');
});

test('response headers that do not fit where they were read', async (t) => {
  const backend = await httpBackend(t, echo);
  const long = 'v'.repeat(3000);
  const filters: Filter[] = [
    { kind: 'response-headers', origin, ...unchanged, set: [{ name: 'X-Long', value: long }] },
  ];
  const { url } = await serve(t, { routes: [{ filters, backends: [{ to: backend }] }] });
  const response = await get(url);
  assert.equal(response.headers.get('x-long'), long);
  assert.equal(((await response.json()) as Echoed).method, 'GET');
});

test('rewrites of host and path keep the query and say what the host was', async (t) => {
  const backend = await httpBackend(t, echo);
  const { url, port } = await serve(t, {
    routes: [
      {
        path: '/old',
        filters: [
          {
            kind: 'rewrite',
            origin,
            hostname: 'inside.example',
            path: { type: 'prefix', prefix: '/old', value: '/new' },
          },
        ],
        backends: [{ to: backend }],
      },
    ],
  });
  const said = await echoOf(`${url}/old/page?q=%20x`);
  assert.equal(said.url, '/new/page?q=%20x');
  assert.equal(said.headers['host'], 'inside.example');
  assert.equal(said.headers['x-forwarded-host'], `127.0.0.1:${port}`);
});

test('a redirect names the port that clients reach', async (t) => {
  const { url } = await serve(t, {
    frontend: { port: 80, publicPorts: { 443: 8443, 80: 8080 } },
    routes: [
      { path: '/secure', action: { kind: 'redirect', redirect: { scheme: 'https', status: 301, origin } } },
      {
        path: '/other',
        action: {
          kind: 'redirect',
          redirect: {
            hostname: 'shop.example',
            port: 9000,
            path: { type: 'prefix', prefix: '/other', value: '/there' },
            status: 307,
            origin,
          },
        },
      },
    ],
  });
  const secure = await get(`${url}/secure/x?y`);
  assert.equal(secure.status, 301);
  assert.equal(secure.headers.get('location'), 'https://127.0.0.1:8443/secure/x?y');
  const other = await get(`${url}/other/x`);
  assert.equal(other.status, 307);
  assert.equal(other.headers.get('location'), 'http://shop.example:9000/there/x');
});

test('no backends and unresolved ones are 500, no endpoints 503, filters that cannot be honoured what the rule says', async (t) => {
  const problem = { code: 'NoParent', at: origin } as const;
  const unresolved = { weight: 1, target: { kind: 'unresolved', problem }, filters: [], origin } as const;
  const { url } = await serve(t, {
    clusters: { empty: [], draining: [{ port: 1, ready: false, serving: false, terminating: true }] },
    routes: [
      { path: '/none', action: { kind: 'forward', backends: [] } },
      { path: '/zero', backends: [{ to: 'empty', weight: 0 }] },
      { path: '/unresolved', action: { kind: 'forward', backends: [unresolved] } },
      { path: '/empty', backends: [{ to: 'empty' }] },
      { path: '/draining', backends: [{ to: 'draining' }] },
      { path: '/refused', action: { kind: 'respond', status: 500, problem } },
    ],
  });
  const statuses: Record<string, number> = {};
  for (const path of ['none', 'zero', 'unresolved', 'empty', 'draining', 'refused']) {
    statuses[path] = (await get(`${url}/${path}`)).status;
  }
  assert.deepEqual(statuses, { none: 500, zero: 500, unresolved: 500, empty: 503, draining: 503, refused: 500 });
});

test('gRPC requests get gRPC answers', async (t) => {
  const { url } = await serve(t, {
    clusters: { empty: [] },
    routes: [{ path: '/known.Service', protocol: 'grpc', backends: [{ to: 'empty' }], match: { protocol: 'grpc' } }],
  });
  const call = (path: string): Promise<Response> =>
    get(url + path, { method: 'POST', headers: { 'content-type': 'application/grpc+proto' }, body: 'x' });
  const unknown = await call('/other.Service/Method');
  assert.equal(unknown.status, 200);
  assert.equal(unknown.headers.get('grpc-status'), '12');
  const known = await call('/known.Service/Method');
  assert.equal(known.headers.get('grpc-status'), '14');
  assert.equal(known.headers.get('content-type'), 'application/grpc');
});

test('endpoints that are leaving serve only when none is ready', async (t) => {
  const named = (name: string): Promise<number> => httpBackend(t, (_request, response) => response.end(name));
  const [ready, leaving] = [await named('ready'), await named('leaving')];
  const last = { port: leaving, ready: false, serving: true, terminating: true };
  const { url } = await serve(t, {
    clusters: { both: [ready, last], last: [last] },
    routes: [
      { path: '/both', backends: [{ to: 'both' }] },
      { path: '/last', backends: [{ to: 'last' }] },
    ],
  });
  for (let i = 0; i < 20; i++) assert.equal(await (await get(`${url}/both`)).text(), 'ready');
  assert.equal(await (await get(`${url}/last`)).text(), 'leaving');
});

test('weights share the requests, unresolved backends keep theirs', async (t) => {
  const named = (name: string): Promise<number> => httpBackend(t, (_request, response) => response.end(name));
  const problem = { code: 'NoParent', at: origin } as const;
  const [one, two] = [await named('one'), await named('two')];
  const target = (port: number): { kind: 'cluster'; cluster: string } => ({
    kind: 'cluster',
    cluster: `test/gateway|${port}`,
  });
  const { url } = await serve(t, {
    clusters: { [String(one)]: [one], [String(two)]: [two] },
    routes: [
      {
        action: {
          kind: 'forward',
          backends: [
            { weight: 5, target: target(one), filters: [], origin },
            { weight: 3, target: target(two), filters: [], origin },
            { weight: 2, target: { kind: 'unresolved', problem }, filters: [], origin },
            { weight: 0, target: target(two), filters: [], origin },
          ],
        },
      },
    ],
  });
  const counts: Record<string, number> = { one: 0, two: 0, failed: 0 };
  await Promise.all(
    Array.from({ length: 600 }, async () => {
      const response = await get(url);
      const text = await response.text();
      const key = response.status === 500 ? 'failed' : text;
      counts[key] = (counts[key] ?? 0) + 1;
    }),
  );
  // Six standard deviations around the expected 300, 180 and 120.
  assert.ok(Math.abs((counts['one'] ?? 0) - 300) < 74, JSON.stringify(counts));
  assert.ok(Math.abs((counts['two'] ?? 0) - 180) < 68, JSON.stringify(counts));
  assert.ok(Math.abs((counts['failed'] ?? 0) - 120) < 59, JSON.stringify(counts));
});

const cors: Filter = {
  kind: 'cors',
  origin,
  allowOrigins: ['https://shop.example'],
  allowMethods: ['PUT'],
  allowHeaders: ['X-Token'],
  exposeHeaders: ['X-Page'],
  allowCredentials: true,
  maxAge: 60,
};

test('CORS: preflights are answered here, responses get the fields in place of the backend’s own', async (t) => {
  const methods: string[] = [];
  const backend = await httpBackend(t, (request, response) => {
    methods.push(request.method ?? '');
    response.setHeader('Access-Control-Allow-Origin', '*');
    response.end('ok');
  });
  const { url } = await serve(t, {
    routes: [
      { backends: [{ to: backend }] },
      { path: '/api', filters: [cors], backends: [{ to: backend }], match: { method: 'PUT' } },
    ],
  });
  const preflight = (from: string, method = 'PUT'): Promise<Response> =>
    get(`${url}/api`, {
      method: 'OPTIONS',
      headers: { origin: from, 'access-control-request-method': method, 'access-control-request-headers': 'x-token' },
    });
  const allowed = await preflight('https://shop.example');
  assert.equal(allowed.status, 204);
  assert.equal(allowed.headers.get('access-control-allow-origin'), 'https://shop.example');
  assert.equal(allowed.headers.get('access-control-allow-methods'), 'PUT');
  assert.equal(allowed.headers.get('access-control-allow-headers'), 'X-Token');
  assert.equal(allowed.headers.get('access-control-allow-credentials'), 'true');
  assert.equal(allowed.headers.get('access-control-max-age'), '60');
  const denied = await preflight('https://evil.example');
  assert.equal(denied.status, 204);
  assert.equal(denied.headers.get('access-control-allow-origin'), null);
  assert.deepEqual(methods, []);
  // The rule that takes DELETE has no CORS filter: its backend answers for itself.
  assert.equal((await preflight('https://shop.example', 'DELETE')).status, 200);

  const actual = await get(`${url}/api`, { method: 'PUT', headers: { origin: 'https://shop.example' } });
  assert.equal(actual.headers.get('access-control-allow-origin'), 'https://shop.example');
  assert.equal(actual.headers.get('access-control-expose-headers'), 'X-Page');
  assert.equal(actual.headers.get('vary'), 'Origin');
  const foreign = await get(`${url}/api`, { method: 'PUT', headers: { origin: 'https://evil.example' } });
  assert.equal(foreign.headers.get('access-control-allow-origin'), null);
});

const mirrorTo = (port: number, numerator = 1, denominator = 1): Filter => ({
  kind: 'mirror',
  origin,
  cluster: `test/gateway|${port}`,
  numerator,
  denominator,
});

test('mirrors get the changed request with its body, and nobody waits for them', async (t) => {
  const copies: Echoed[] = [];
  const slow = await httpBackend(t, (request, _response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () =>
      copies.push({
        method: request.method,
        url: request.url,
        headers: request.headers,
        body: Buffer.concat(pieces).toString(),
      } as Echoed),
    );
    // Never answers.
  });
  const backend = await httpBackend(t, echo);
  const { url, engine } = await serve(t, {
    clusters: { [String(slow)]: [slow] },
    routes: [
      {
        filters: [
          { kind: 'request-headers', origin, ...unchanged, set: [{ name: 'X-Env', value: 'prod' }] },
          { kind: 'rewrite', origin, path: { type: 'full', value: '/changed' } },
          mirrorTo(slow),
          mirrorTo(slow),
          mirrorTo(1),
        ],
        backends: [{ to: backend }],
      },
    ],
  });
  const fixed = await echoOf(`${url}/x?q=1`, { method: 'POST', body: 'hello' });
  assert.equal(fixed.body, 'hello');
  const stream = new Blob(['chunked ', 'hello']).stream();
  assert.equal((await echoOf(url, { method: 'POST', body: stream, duplex: 'half' })).body, 'chunked hello');
  await echoOf(url);
  await eventually(() => copies.length === 6, 'two copies of three requests');
  for (const copy of copies) {
    assert.equal(copy.headers['x-env'], 'prod');
    assert.match(copy.url, /^\/changed/);
    assert.equal(copy.headers['x-forwarded-for'], '127.0.0.1');
  }
  assert.deepEqual(copies.map((copy) => copy.body).sort(), [
    '',
    '',
    'chunked hello',
    'chunked hello',
    'hello',
    'hello',
  ]);
  // Too long to be kept: served, not mirrored.
  const long = 'x'.repeat(100_000);
  assert.equal((await echoOf(url, { method: 'POST', body: long })).body, long);
  await assertCounted(engine, /portolan_mirrors_sent_total 6\n[^]*portolan_mirrors_dropped_total 2\n/);
});

test('a mirror takes its share', async (t) => {
  let copies = 0;
  const mirror = await httpBackend(t, (_request, response) => {
    copies++;
    response.end();
  });
  const backend = await httpBackend(t, (_request, response) => response.end('ok'));
  const { url } = await serve(t, {
    clusters: { [String(mirror)]: [mirror] },
    routes: [{ filters: [mirrorTo(mirror, 30, 100)], backends: [{ to: backend }] }],
  });
  await Promise.all(Array.from({ length: 300 }, async () => (await get(url)).text()));
  await eventually(() => copies > 42, 'copies');
  await new Promise((resolve) => setTimeout(resolve, 100));
  // Six standard deviations around 90.
  assert.ok(copies > 42 && copies < 138, String(copies));
});
