// ExternalAuth over HTTP in the embedded engine (GEP-1494): what the service is told, what its answer does to the request, what
// clients see of a no, and that nothing passes without a yes.
import assert from 'node:assert/strict';
import http from 'node:http';
import http2 from 'node:http2';
import type net from 'node:net';
import { assertCounted, test, type TestContext } from './engine-tests.ts';
import { onEnvoy } from './test-engine.ts';
import type { ExternalAuth, Filter } from '../../src/routing/filters.ts';
import {
  converse,
  echo,
  type Echoed,
  http2Session,
  httpBackend,
  origin,
  RawClient,
  rawBackend,
} from './engine-fixture.ts';
import { serve, statusOfBody } from './engine-fixture.ts';
import { freePort } from '../free-port.ts';
import { eventually } from '../eventually.ts';

const unchanged = { set: [], add: [], remove: [] };

/** Asks the cluster `auth` over HTTP. */
function auth(changes: Partial<ExternalAuth> & { path?: string; responseHeaders?: readonly string[] } = {}): Filter {
  const { path = '', responseHeaders, ...rest } = changes;
  const check = { protocol: 'http', path, ...(responseHeaders === undefined ? {} : { responseHeaders }) } as const;
  return { kind: 'external-auth', origin, cluster: 'test/gateway|auth', check, headers: [], bodyLimit: 0, ...rest };
}

interface Told {
  readonly method: string;
  readonly url: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

interface Service {
  readonly port: number;
  readonly told: Told[];
}

/** Writes down what it is told; answers 200 unless it is given something else to do. */
async function service(
  t: TestContext,
  answer: (told: Told, response: http.ServerResponse) => void = (_, response) => response.end(),
): Promise<Service> {
  const told: Told[] = [];
  const port = await httpBackend(t, (request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      told.push({ method, url, headers, body: Buffer.concat(pieces).toString('latin1') });
      answer(told.at(-1) as Told, response);
    });
  });
  return { port, told };
}

const get = (url: string, init: RequestInit = {}): Promise<Response> => fetch(url, { redirect: 'manual', ...init });
const echoed = async (url: string, init: RequestInit = {}): Promise<Echoed> =>
  (await (await get(url, init)).json()) as Echoed;

test('the service is told method, host, path and Authorization, and of the rest what is listed', async (t) => {
  const backend = await httpBackend(t, echo);
  const { port: at, told } = await service(t);
  const filter = auth({ path: '/verify', headers: ['cookie', 'x-forwarded-for', 'x-set', 'x-late', 'expect'] });
  const set = (name: string): Filter => ({
    kind: 'request-headers',
    origin,
    ...unchanged,
    set: [{ name, value: 'rule' }],
    remove: ['x-removed'],
  });
  const { port } = await serve(t, {
    clusters: { auth: [at] },
    routes: [{ backends: [{ to: backend }], filters: [set('X-Set'), filter, set('X-Late')] }],
  });
  const text = await converse(
    t,
    port,
    'POST /a/../b%61?q=%20 HTTP/1.1\r\nHost: shop.example:81\r\nAuthorization: Bearer x\r\nCookie: a=b\r\nX-Other: 1\r\n' +
      'X-Forwarded-For: 6.6.6.6\r\nX-Set: client\r\nX-Late: client\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody',
  );
  const [question] = told as [Told];
  const { host, connection, ...others } = question.headers;
  assert.equal(`${question.method} ${question.url}`, 'POST /verify/ba?q=%20');
  assert.equal(host, 'shop.example:81');
  assert.deepEqual(others, {
    authorization: 'Bearer x',
    cookie: 'a=b',
    'content-length': '0',
    'x-forwarded-for': '127.0.0.1',
    'x-set': 'rule',
    'x-late': 'client',
  });
  assert.equal(question.body, '');
  const sent = JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)) as Echoed;
  assert.equal(`${sent.method} ${sent.url} ${sent.body}`, 'POST /ba?q=%20 body');
  assert.equal(sent.headers['x-set'], 'rule');
  assert.equal(sent.headers['x-late'], 'rule');
  assert.equal(sent.headers['x-other'], '1');
  assert.equal(sent.headers['host'], 'shop.example:81');
  assert.ok(connection === undefined || connection === 'keep-alive');
});

test('what the service gives replaces what the client sent; what is listed and not given is dropped', async (t) => {
  const backend = await httpBackend(t, echo);
  const { port: at } = await service(t, (_, response) => {
    response.setHeader('X-User', 'alice');
    response.setHeader('X-Group', ['one', 'two']);
    response.setHeader('Content-Type', 'text/plain');
    response.setHeader('X-Forwarded-For', '6.6.6.6');
    response.setHeader('Connection', 'x-hop');
    response.setHeader('X-Hop', '1');
    response.end('ignored');
  });
  const { url } = await serve(t, {
    clusters: { auth: [at] },
    routes: [
      { path: '/all', backends: [{ to: backend }], filters: [auth()] },
      { path: '/listed', backends: [{ to: backend }], filters: [auth({ responseHeaders: ['x-user', 'x-role'] })] },
    ],
  });
  const headers = { 'X-User': 'forged', 'X-Group': 'admin', 'X-Role': 'admin', 'Content-Type': 'application/json' };
  const all = await echoed(`${url}/all`, { method: 'POST', body: '{}', headers });
  assert.equal(all.headers['x-user'], 'alice');
  assert.equal(all.headers['x-group'], 'one, two');
  assert.equal(all.headers['x-role'], 'admin', 'nobody said that the service decides it');
  assert.equal(all.headers['content-type'], 'application/json', 'it describes the body of the request');
  assert.equal(all.headers['x-forwarded-for'], '127.0.0.1');
  assert.equal(all.headers['x-hop'], undefined);
  assert.equal(all.body, '{}');
  const listed = await echoed(`${url}/listed`, { headers });
  assert.equal(listed.headers['x-user'], 'alice');
  assert.equal(listed.headers['x-group'], 'admin');
  assert.equal(listed.headers['x-role'], undefined, 'only the service may say it');
});

test('a rule written behind the check changes what the service gave', async (t) => {
  const backend = await httpBackend(t, echo);
  const { port: at } = await service(t, (_, response) =>
    response.writeHead(200, { 'x-user': 'alice', 'x-token': 't' }).end(),
  );
  const before: Filter = { kind: 'request-headers', origin, ...unchanged, set: [{ name: 'X-User', value: 'nobody' }] };
  const after: Filter = { kind: 'request-headers', origin, ...unchanged, remove: ['X-Token'] };
  const own: Filter = { kind: 'request-headers', origin, ...unchanged, add: [{ name: 'X-User', value: 'backend' }] };
  const { url } = await serve(t, {
    clusters: { auth: [at] },
    routes: [{ backends: [{ to: backend, filters: [own] }], filters: [before, auth(), after] }],
  });
  const { headers } = await echoed(url);
  assert.equal(headers['x-user'], 'alice, backend');
  assert.equal(headers['x-token'], undefined);
});

for (const status of [201, 204, 302, 401, 403, 500]) {
  test(`${status} is the client's, and no backend hears of the request`, async (t) => {
    let asked = 0;
    const backend = await httpBackend(t, (_, response) => {
      asked++;
      response.end();
    });
    const body = status === 204 ? '' : `because ${status}`;
    const { port: at } = await service(t, (_, response) => {
      response.writeHead(status, {
        'www-authenticate': 'Bearer',
        location: 'https://login.example/',
        'set-cookie': ['a=1', 'b=2'],
      });
      response.end(body);
    });
    const { url, engine } = await serve(t, {
      clusters: { auth: [at] },
      routes: [{ backends: [{ to: backend }], filters: [auth()] }],
    });
    for (const method of ['GET', 'POST', 'HEAD']) {
      const init = method === 'POST' ? { method, body: 'x'.repeat(10_000) } : { method };
      const response = await get(url, init);
      assert.equal(response.status, status);
      assert.equal(response.headers.get('www-authenticate'), 'Bearer');
      assert.deepEqual(response.headers.getSetCookie(), ['a=1', 'b=2']);
      assert.equal(await response.text(), method === 'HEAD' ? '' : body);
    }
    assert.equal(asked, 0);
    await assertCounted(engine, /^portolan_auth_checks_total 3$/m, /^portolan_auth_denied_total 3$/m);
  });
}

test('a long no streams to a client that takes its time', async (t) => {
  const page = Buffer.alloc(3_000_000, 'no, ');
  const { port: at } = await service(t, (_, response) => response.writeHead(403).end(page));
  const { port } = await serve(t, {
    clusters: { auth: [at] },
    routes: [{ backends: [{ to: at }], filters: [auth()] }],
  });
  const client = new RawClient(port);
  t.after(() => client.close());
  client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  await client.until((text) => text.includes('\r\n\r\n'));
  client.socket.pause();
  await new Promise((resolve) => setTimeout(resolve, 100));
  client.socket.resume();
  const text = await client.rest();
  assert.match(text, /^HTTP\/1.1 403 /);
  assert.ok(text.includes(page.toString().slice(-1000)));
});

// ---- Fails closed.

for (const [what, status, reason, build] of [
  ['cannot be reached', 503, 'auth-unreachable', async () => ({ auth: [await freePort()] })],
  ['has no endpoint', 503, 'auth-no-endpoint', async () => ({ auth: [] })],
  [
    'has an endpoint that is not ready',
    503,
    'auth-no-endpoint',
    async () => ({ auth: [{ port: 1, ready: false, serving: false }] }),
  ],
  ['is silent', 504, 'auth-timeout', async (t) => ({ auth: [await rawBackend(t, () => {})] })],
  [
    'does not finish',
    504,
    'auth-timeout',
    async (t) => ({
      auth: [await rawBackend(t, (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'))],
    }),
  ],
  [
    'speaks something else',
    502,
    'auth-broken',
    async (t) => ({ auth: [await rawBackend(t, (socket) => socket.write('220 mail.example ESMTP ready\r\n'))] }),
  ],
  [
    'goes away in the middle',
    502,
    'auth-broken',
    async (t) => ({
      auth: [await rawBackend(t, (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'))],
    }),
  ],
  [
    'hangs up',
    502,
    'auth-broken',
    async (t) => ({ auth: [await rawBackend(t, (socket) => socket.on('data', () => socket.destroy()))] }),
  ],
  ['is not there any more', 500, 'auth-unresolved', async () => ({})],
] as readonly (readonly [
  string,
  number,
  string,
  (t: TestContext) => Promise<Record<string, readonly (number | object)[]>>,
])[]) {
  test(`a service that ${what}: ${status}, and no backend hears of the request`, async (t) => {
    let asked = 0;
    const backend = await httpBackend(t, (_, response) => {
      asked++;
      response.end();
    });
    const { url } = await serve(
      t,
      { clusters: await build(t), routes: [{ backends: [{ to: backend }], filters: [auth()] }] },
      // Only one of them never answers.
      { limits: { authTimeout: status === 504 ? 150 : 10_000 } },
    );
    const response = await get(url);
    // To an Envoy all of it is a service that does not answer.
    assert.equal(response.status, onEnvoy ? 503 : status);
    assert.match(await response.text(), onEnvoy ? /auth-unreachable/ : new RegExp(reason));
    assert.equal(asked, 0);
  });
}

test('a filter whose service did not resolve refuses everything with 500', async (t) => {
  const backend = await httpBackend(t, echo);
  const { cluster: _, ...unresolved } = auth() as Filter & ExternalAuth;
  const { url } = await serve(t, { routes: [{ backends: [{ to: backend }], filters: [unresolved as Filter] }] });
  const response = await get(url);
  assert.equal(response.status, 500);
  assert.match(await response.text(), /auth-unresolved/);
});

test('an endpoint that is down costs nothing while there is another, nor does a connection that grew old', async (t) => {
  const backend = await httpBackend(t, echo);
  let connections = 0;
  const at = await rawBackend(t, (socket) => {
    connections++;
    // Says that it stays, and goes.
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
      setTimeout(() => socket.destroy(), 5);
    });
  });
  const { url } = await serve(t, {
    clusters: { auth: [at, await freePort()] },
    routes: [{ backends: [{ to: backend }], filters: [auth()] }],
  });
  for (let i = 0; i < 20; i++) {
    assert.equal((await get(url, { method: 'POST', body: 'x' })).status, 200);
    if (i % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.ok(connections > 1);
});

test('who may not come in does not learn that there is no backend, who may does', async (t) => {
  const { port: at } = await service(t, ({ headers }, response) =>
    response.writeHead(headers.authorization === undefined ? 401 : 200).end(),
  );
  const { url } = await serve(t, {
    clusters: { auth: [at], gone: [] },
    routes: [
      { path: '/none', backends: [], filters: [auth()] },
      { path: '/gone', backends: [{ to: 'gone' }], filters: [auth()] },
      {
        path: '/redirect',
        filters: [auth()],
        action: { kind: 'redirect', redirect: { status: 301, hostname: 'other.example', origin } },
      },
    ],
  });
  const authorized = { headers: { authorization: 'x' } };
  for (const [path, status] of [
    ['none', 500],
    ['gone', 503],
    ['redirect', 301],
  ] as const) {
    assert.equal((await get(`${url}/${path}`)).status, 401, path);
    assert.equal((await get(`${url}/${path}`, authorized)).status, status, path);
  }
});

test('a check among the filters of a backend is made for its requests alone', async (t) => {
  const backend = await httpBackend(t, echo);
  const { port: at, told } = await service(t, (_, response) => response.writeHead(200, { 'x-user': 'alice' }).end());
  const { url } = await serve(t, {
    clusters: { auth: [at] },
    routes: [
      {
        backends: [
          { to: backend, weight: 0 },
          { to: backend, filters: [auth()] },
        ],
      },
      { path: '/open', backends: [{ to: backend }, { to: backend, weight: 0, filters: [auth()] }] },
    ],
  });
  assert.equal((await echoed(url)).headers['x-user'], 'alice');
  assert.equal((await echoed(`${url}/open`)).headers['x-user'], undefined);
  assert.equal(told.length, 1);
});

// ---- Bodies.

test('a body is told, and goes on as it was', async (t) => {
  const backend = await httpBackend(t, echo);
  const { port: at, told } = await service(t);
  const { url, port } = await serve(t, {
    clusters: { auth: [at] },
    routes: [{ backends: [{ to: backend }], filters: [auth({ bodyLimit: 100_000 })] }],
  });
  const long = 'x'.repeat(100_000);
  const sent = await echoed(url, { method: 'PUT', body: long });
  assert.equal(sent.body, long);
  assert.equal(told[0]?.body, long);
  assert.equal(told[0]?.headers['content-length'], '100000');
  const text = await converse(
    t,
    port,
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nConnection: close\r\n\r\n' +
      '3\r\nabc\r\n4;ext\r\ndefg\r\n0\r\nX-Sum: 7\r\n\r\n',
  );
  const chunked = JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)) as Echoed;
  assert.equal(chunked.body, 'abcdefg');
  assert.equal(chunked.headers['transfer-encoding'], 'chunked');
  assert.deepEqual(chunked.trailers, { 'x-sum': '7' });
  assert.equal(told[1]?.body, 'abcdefg');
  assert.equal(told[1]?.headers['content-length'], '7');
  assert.equal(told[1]?.headers['transfer-encoding'], undefined);
});

test('without a limit the service is told nothing of the body, whose client waits', async (t) => {
  const backend = await httpBackend(t, echo);
  const { port: at, told } = await service(t, (_, response) => setTimeout(() => response.end(), 50));
  const { url } = await serve(t, {
    clusters: { auth: [at] },
    routes: [{ backends: [{ to: backend }], filters: [auth()] }],
  });
  const long = 'y'.repeat(1_000_000);
  assert.equal((await echoed(url, { method: 'POST', body: long })).body, long);
  assert.equal(told[0]?.body, '');
});

test('a body that is too long for the service is refused with 413', async (t) => {
  const { port: at, told } = await service(t);
  const { url, port } = await serve(
    t,
    {
      clusters: { auth: [at] },
      routes: [
        { backends: [{ to: at }], filters: [auth({ bodyLimit: 1000 })] },
        { path: '/more', backends: [{ to: at }], filters: [auth({ bodyLimit: 1_000_000 })] },
      ],
    },
    { limits: { authBodyBytes: 2000 } },
  );
  const said = await get(url, { method: 'POST', body: 'x'.repeat(1001) });
  assert.equal(said.status, 413);
  assert.match(await said.text(), /auth-body/);
  const more = await get(`${url}/more`, { method: 'POST', body: 'x'.repeat(2001) });
  assert.equal(more.status, 413, 'the limit of the engine counts, too');
  const client = new RawClient(port);
  t.after(() => client.close());
  const chunks = `100\r\n${'z'.repeat(256)}\r\n`.repeat(4);
  client.send(`POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`);
  await client.until((text) => text.startsWith('HTTP/1.1 413 '), 'an answer before the end of the body');
  // Over HTTP/2 without a length, and all in one piece.
  const session = http2Session(t, port);
  assert.equal(await statusOfBody(session, 1001), 413);
  assert.equal(await statusOfBody(session, 1000), 200);
  assert.deepEqual(
    told.map(({ body }) => body.length),
    [1000, 1000],
    'the service, and what then is a backend',
  );
});

test('a connection goes on behind an answer to a body that is too long', async (t) => {
  const { port: at, told } = await service(t);
  const filters = [auth({ bodyLimit: 1000 })];
  const { port } = await serve(t, { clusters: { auth: [at] }, routes: [{ backends: [{ to: at }], filters }] });
  const chunks = `100\r\n${'z'.repeat(256)}\r\n`.repeat(4);
  const client = new RawClient(port);
  t.after(() => client.close());
  client.send(`POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`);
  const next = await client.until((text) => text.includes('auth-body'));
  client.send('0\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\nConnection: close\r\n\r\n');
  assert.match((await client.rest()).slice(next.length), /^HTTP\/1.1 413 /);
  assert.equal(told.length, 0);
});

test('bodies that wait for services have a limit together, and leave nothing behind', async (t) => {
  const backend = await httpBackend(t, echo);
  const { port: at } = await service(t);
  const { url, port } = await serve(
    t,
    { clusters: { auth: [at] }, routes: [{ backends: [{ to: backend }], filters: [auth({ bodyLimit: 1_000_000 })] }] },
    { limits: { authHeldBytes: 100_000 } },
  );
  const slow = new RawClient(port);
  t.after(() => slow.close());
  slow.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 90001\r\n\r\n${'s'.repeat(90_000)}`);
  await new Promise((resolve) => setTimeout(resolve, 100));
  const refused = await get(url, { method: 'POST', body: 'x'.repeat(20_000) });
  assert.equal(refused.status, 503);
  assert.match(await refused.text(), /auth-overload/);
  assert.equal((await get(url, { method: 'POST', body: 'x'.repeat(5000) })).status, 200);
  slow.send('s');
  await slow.until((text) => text.startsWith('HTTP/1.1 200 '));
  for (let i = 0; i < 5; i++) assert.equal((await get(url, { method: 'POST', body: 'x'.repeat(90_000) })).status, 200);
  const gone = new RawClient(port);
  gone.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 90001\r\n\r\n${'s'.repeat(90_000)}`);
  await new Promise((resolve) => setTimeout(resolve, 50));
  gone.socket.resetAndDestroy();
  await eventually(
    async () => (await get(url, { method: 'POST', body: 'x'.repeat(90_000) })).status === 200,
    'room is made by clients that go away',
  );
});

test('what a client still sends while it is told no never reaches the service', async (t) => {
  let received = '';
  const at = await rawBackend(t, (socket) => {
    socket.on('data', (octets: Buffer) => {
      const first = received === '';
      received += octets.toString('latin1');
      if (first) {
        socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\nno');
        setTimeout(() => socket.write(', no'), 100);
      } else {
        socket.write('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n');
      }
    });
  });
  const { port } = await serve(t, {
    clusters: { auth: [at] },
    routes: [{ backends: [{ to: at }], filters: [auth()] }],
  });
  const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';
  const client = new RawClient(port);
  t.after(() => client.close());
  client.send(`POST /one HTTP/1.1\r\nHost: a\r\nContent-Length: ${smuggled.length * 2}\r\n\r\n${smuggled}`);
  await client.until((text) => text.includes('\r\n\r\nno'));
  client.send(smuggled);
  client.send('GET /two HTTP/1.1\r\nHost: a\r\n\r\n');
  const text = await client.until((all) => all.includes(' 401 '));
  assert.match(text, /^HTTP\/1.1 403 [^]*no, noHTTP\/1.1 401 /);
  assert.deepEqual(received.match(/^(?:GET|POST) \S+/gm), ['POST /one', 'GET /two']);
});

test('a no that breaks off in the middle breaks off for the client', async (t) => {
  const at = await rawBackend(t, (socket) => {
    socket.once('data', () => socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nhalf'));
  });
  const { port } = await serve(t, {
    clusters: { auth: [at] },
    routes: [{ backends: [{ to: at }], filters: [auth()] }],
  });
  const text = await converse(t, port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.match(text, /^HTTP\/1.1 403 /);
  assert.match(text, /\r\n\r\nhalf$/);
});

test('a client that waits to be told to send its body is told so by us, or by the backend', async (t) => {
  const backend = await httpBackend(t, echo);
  const { port: at, told } = await service(t);
  const { port } = await serve(t, {
    clusters: { auth: [at] },
    routes: [
      { path: '/told', backends: [{ to: backend }], filters: [auth({ bodyLimit: 10 })] },
      { path: '/untold', backends: [{ to: backend }], filters: [auth()] },
    ],
  });
  for (const path of ['/told', '/untold']) {
    const client = new RawClient(port);
    t.after(() => client.close());
    client.send(
      `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n`,
    );
    await client.until((text) => text.startsWith('HTTP/1.1 100 '), 'to be told to go on');
    client.send('body');
    const text = await client.rest();
    assert.match(text, /\r\n\r\nHTTP\/1.1 200 /);
    assert.equal((JSON.parse(text.slice(text.indexOf('{'))) as Echoed).body, 'body');
    assert.equal(text.match(/HTTP\/1.1 100/g)?.length, 1, text);
  }
  assert.deepEqual(
    told.map(({ body }) => body),
    ['body', ''],
  );
});

test('checks of one rule are made in the order written, each with what the one before gave', async (t) => {
  const backend = await httpBackend(t, echo);
  const { port: at, told } = await service(t, ({ url, headers }, response) => {
    response.setHeader('x-steps', `${String(headers['x-steps'] ?? '')}${url.slice(1, 2)}`);
    response.end();
  });
  const step = (path: string, bodyLimit = 0): Filter => auth({ path, headers: ['x-steps'], bodyLimit });
  const { url } = await serve(t, {
    clusters: { auth: [at] },
    routes: [{ backends: [{ to: backend }], filters: [step('/1'), step('/2', 50), step('/3')] }],
  });
  const sent = await echoed(url, { method: 'POST', body: 'body' });
  assert.equal(sent.headers['x-steps'], '123');
  assert.equal(sent.body, 'body');
  assert.deepEqual(
    told.map(({ body }) => body),
    ['', 'body', ''],
  );
});

// ---- Connections.

test('pipelined requests are answered in order, whatever the service takes for each', async (t) => {
  const backend = await httpBackend(t, (request, response) => response.end(`<${request.url}>`));
  const { port: at } = await service(t, ({ url }, response) => {
    setTimeout(
      () => response.writeHead(url.includes('no') ? 403 : 200).end(url.includes('no') ? `<no ${url}>` : ''),
      url.includes('slow') ? 60 : 0,
    );
  });
  const { port } = await serve(t, {
    clusters: { auth: [at] },
    routes: [{ backends: [{ to: backend }], filters: [auth()] }],
  });
  const client = new RawClient(port);
  t.after(() => client.close());
  const paths = ['/slow1', '/2', '/slowno3', '/no4', '/5'];
  client.send(paths.map((path) => `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc`).join(''));
  const text = await client.until((received) => received.includes('</5>'));
  assert.deepEqual(text.match(/<[^>]*>/g), ['</slow1>', '</2>', '<no /slowno3>', '<no /no4>', '</5>']);
});

test('a client that goes away takes its question along', async (t) => {
  let asked = 0;
  let closed = 0;
  const at = await rawBackend(t, (socket: net.Socket) => {
    asked++;
    socket.on('data', () => {});
    socket.on('end', () => {
      closed++;
      socket.end();
    });
  });
  const { port, engine } = await serve(t, {
    clusters: { auth: [at] },
    routes: [{ backends: [{ to: at }], filters: [auth()] }],
  });
  const client = new RawClient(port);
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await eventually(() => asked === 1, 'the service is asked');
  client.socket.resetAndDestroy();
  await eventually(() => closed === 1, 'the question is taken back');
  const session = http2Session(t, port);
  const stream = session.request({ ':path': '/' });
  stream.on('error', () => {});
  await eventually(() => asked === 2, 'the service is asked again');
  stream.close(http2.constants.NGHTTP2_CANCEL);
  await eventually(() => closed === 2, 'the question is taken back');
  await eventually(
    async () => /^portolan_requests_active\{[^}]*\} 0$/m.test(await engine.metrics()),
    'nothing is under way',
  );
});

test('1,000 requests at once, each with the identity of its own client', async (t) => {
  const backend = await httpBackend(t, echo);
  const { port: at } = await service(t, ({ headers }, response) => {
    const number = Number(headers.authorization);
    setTimeout(() => response.writeHead(number % 10 === 9 ? 403 : 200, { 'x-user': `u${number}` }).end(), number % 7);
  });
  const { port } = await serve(t, {
    clusters: { auth: [at] },
    routes: [{ backends: [{ to: backend }], filters: [auth()] }],
  });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1000 });
  t.after(() => agent.destroy());
  const ask = (number: number): Promise<string> =>
    new Promise((resolve, reject) => {
      const headers = { authorization: String(number), 'x-user': 'forged' };
      const request = http.request(
        { port, host: '127.0.0.1', agent, headers, method: number % 2 === 0 ? 'GET' : 'POST' },
        (response) => {
          let text = '';
          response.on('data', (piece) => (text += String(piece)));
          response.on('end', () =>
            resolve(
              response.statusCode === 200
                ? String((JSON.parse(text) as Echoed).headers['x-user'])
                : String(response.statusCode),
            ),
          );
        },
      );
      request.on('error', reject);
      request.end(number % 2 === 0 ? undefined : `body ${number}`);
    });
  const answers = await Promise.all(Array.from({ length: 1000 }, (_, number) => ask(number)));
  answers.forEach((answer, number) => assert.equal(answer, number % 10 === 9 ? '403' : `u${number}`));
});

test('streams of HTTP/2 do not wait for each other', async (t) => {
  const backend = await httpBackend(t, echo);
  let release = (): void => {};
  const { port: at } = await service(t, ({ url }, response) => {
    if (url === '/slow') release = () => response.writeHead(200, { 'x-user': 'slow' }).end();
    else response.writeHead(url === '/no' ? 401 : 200, { 'x-user': 'fast', 'www-authenticate': 'Basic' }).end(url);
  });
  const { port } = await serve(t, {
    clusters: { auth: [at] },
    routes: [{ backends: [{ to: backend }], filters: [auth({ bodyLimit: 100_000 })] }],
  });
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  t.after(() => session.destroy());
  const ask = (path: string, body = ''): Promise<{ status: number; text: string; challenge: string | undefined }> =>
    new Promise((resolve, reject) => {
      const stream = session.request({ ':path': path, ':method': body === '' ? 'GET' : 'POST' });
      let status = 0;
      let challenge: string | undefined;
      let text = '';
      stream.on('response', (headers) => {
        status = Number(headers[':status']);
        challenge = headers['www-authenticate'];
      });
      stream.on('data', (piece) => (text += String(piece)));
      stream.on('end', () => resolve({ status, text, challenge }));
      stream.on('error', reject);
      if (!stream.writableEnded) stream.end(body);
    });
  const slow = ask('/slow', 's'.repeat(50_000));
  const no = await ask('/no');
  assert.deepEqual(no, { status: 401, text: '/no', challenge: 'Basic' });
  const fast = await ask('/fast', 'f'.repeat(70_000));
  assert.equal((JSON.parse(fast.text) as Echoed).headers['x-user'], 'fast');
  assert.equal((JSON.parse(fast.text) as Echoed).body.length, 70_000);
  assert.equal((await ask('/fast', 'f'.repeat(100_001))).status, 413);
  release();
  const late = JSON.parse((await slow).text) as Echoed;
  assert.equal(late.headers['x-user'], 'slow');
  assert.equal(late.body.length, 50_000);
});

test('a WebSocket is judged by its handshake', async (t) => {
  const { port: at } = await service(t, ({ url }, response) =>
    response.writeHead(url === '/no' ? 403 : 200, { 'x-user': 'alice' }).end(),
  );
  const backend = await rawBackend(t, (socket) => {
    socket.once('data', (head: Buffer) => {
      const user = /x-user: (\w+)/i.exec(head.toString())?.[1];
      const upgrade = /^connection: upgrade\r\nupgrade: websocket\r\n/im.test(head.toString());
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-For: ${user} ${upgrade}\r\n\r\n`,
      );
      socket.on('data', (octets: Buffer) => socket.write(`<${octets.toString()}>`));
    });
  });
  const { port } = await serve(t, {
    clusters: { auth: [at] },
    routes: [{ backends: [{ to: backend }], filters: [auth()] }],
  });
  const shake = (path: string): RawClient => {
    const client = new RawClient(port);
    t.after(() => client.close());
    client.send(
      `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n`,
    );
    return client;
  };
  const client = shake('/');
  assert.match(await client.until((text) => text.includes('\r\n\r\n')), /^HTTP\/1.1 101 [^]*X-For: alice true\r\n/);
  client.send('hello');
  await client.until((text) => text.endsWith('<hello>'));
  assert.match(await shake('/no').until((text) => text.includes('\r\n\r\n')), /^HTTP\/1.1 403 /);
});

// ---- Together with other filters.

const cors: Filter = {
  kind: 'cors',
  origin,
  allowOrigins: ['https://shop.example'],
  allowMethods: ['PUT'],
  allowHeaders: [],
  exposeHeaders: [],
  allowCredentials: true,
  maxAge: 5,
};

test('preflights are answered without asking, and a no can be read by scripts of allowed origins', async (t) => {
  const backend = await httpBackend(t, echo);
  const { port: at, told } = await service(t, (_, response) => response.writeHead(401).end('log in'));
  const { url } = await serve(t, {
    clusters: { auth: [at] },
    routes: [{ backends: [{ to: backend }], filters: [auth(), cors] }],
  });
  const asked = { origin: 'https://shop.example', 'access-control-request-method': 'PUT' };
  const preflight = await get(url, { method: 'OPTIONS', headers: asked });
  assert.equal(preflight.status, 204);
  assert.equal(told.length, 0);
  const plain = await get(url, { method: 'OPTIONS', headers: { origin: 'https://shop.example' } });
  assert.equal(plain.status, 401, 'an OPTIONS request that is no preflight is asked about');
  assert.equal(plain.headers.get('access-control-allow-origin'), 'https://shop.example');
  assert.equal(plain.headers.get('access-control-allow-credentials'), 'true');
  const other = await get(url, { headers: { origin: 'https://evil.example' } });
  assert.equal(other.headers.get('access-control-allow-origin'), null);
});

test('who may read a no is not for the service to say where the rule says it', async (t) => {
  const backend = await httpBackend(t, echo);
  const { port: at } = await service(t, (_, response) =>
    response.writeHead(401, { 'access-control-allow-origin': '*' }).end('log in'),
  );
  const { url } = await serve(t, {
    clusters: { auth: [at] },
    routes: [{ backends: [{ to: backend }], filters: [auth(), cors] }],
  });
  for (const [by, allowed] of [
    ['https://shop.example', 'https://shop.example'],
    ['https://evil.example', null],
  ] as const) {
    const denied = await get(url, { headers: { origin: by } });
    assert.equal(denied.headers.get('access-control-allow-origin'), allowed);
  }
});

test('a retry and a mirror are sent what the service made of the request, and the service is asked once', async (t) => {
  let tries = 0;
  const mirrored: http.IncomingHttpHeaders[] = [];
  const mirror = await httpBackend(t, (request, response) => {
    mirrored.push(request.headers);
    response.end();
  });
  const backend = await httpBackend(t, (request, response) => {
    if (tries++ === 0) response.writeHead(503).end();
    else echo(request, response);
  });
  const { port: at, told } = await service(t, (_, response) => response.writeHead(200, { 'x-user': 'alice' }).end());
  const { url } = await serve(t, {
    clusters: { auth: [at], mirror: [mirror] },
    routes: [
      {
        backends: [{ to: backend }],
        filters: [auth(), { kind: 'mirror', origin, cluster: 'test/gateway|mirror', numerator: 1, denominator: 1 }],
        retry: { attempts: 1, codes: [503] },
      },
    ],
  });
  const sent = await echoed(url, { method: 'POST', body: 'once' });
  assert.equal(sent.headers['x-user'], 'alice');
  assert.equal(sent.body, 'once');
  assert.equal(tries, 2);
  assert.equal(told.length, 1);
  await eventually(() => mirrored.length === 1, 'the mirror');
  assert.equal(mirrored[0]?.['x-user'], 'alice');
});

test('the time that a service takes is part of the request’s', async (t) => {
  const backend = await httpBackend(t, echo);
  const { port: at } = await service(t, (_, response) => setTimeout(() => response.end(), 10_000).unref());
  const { url } = await serve(t, {
    clusters: { auth: [at] },
    routes: [{ backends: [{ to: backend }], filters: [auth()], timeouts: { request: 100 } }],
  });
  const begun = performance.now();
  assert.equal((await get(url)).status, 504);
  assert.ok(performance.now() - begun < 5000);
});

test('service and backend are told the same request id', async (t) => {
  const backend = await httpBackend(t, echo);
  const { port: at, told } = await service(t);
  const { url } = await serve(t, {
    clusters: { auth: [at] },
    routes: [{ backends: [{ to: backend }], filters: [auth({ headers: ['x-request-id'] })] }],
  });
  const id = (await echoed(url)).headers['x-request-id'];
  assert.match(id ?? '', /^[0-9a-f]+-/);
  assert.equal(told[0]?.headers['x-request-id'], id);
  assert.equal((await echoed(url, { headers: { 'x-request-id': 'mine' } })).headers['x-request-id'], 'mine');
  assert.equal(told[1]?.headers['x-request-id'], 'mine');
});

test('over a cluster that speaks HTTP/2 the questions are the same', async (t) => {
  const backend = await httpBackend(t, echo);
  const told: string[] = [];
  const server = http2.createServer((request, response) => {
    let body = '';
    request.on('data', (piece) => (body += String(piece)));
    request.on('end', () => {
      told.push(`${request.method} ${request.url} ${request.authority} ${request.headers.authorization ?? ''} ${body}`);
      response.writeHead(request.url === '/v/no' ? 403 : 200, { 'x-user': 'alice' });
      response.end(request.url === '/v/no' ? 'no' : '');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { url } = await serve(t, {
    clusters: { auth: [(server.address() as net.AddressInfo).port] },
    protocols: { auth: 'h2c' },
    routes: [{ backends: [{ to: backend }], filters: [auth({ path: '/v', bodyLimit: 10 })] }],
  });
  const headers = { authorization: 'Basic x' };
  assert.equal((await echoed(`${url}/a`, { method: 'POST', body: 'body', headers })).headers['x-user'], 'alice');
  const no = await get(`${url}/no`, { headers });
  assert.equal(`${no.status} ${await no.text()}`, '403 no');
  const authority = url.slice('http://'.length);
  assert.deepEqual(told, [`POST /v/a ${authority} Basic x body`, `GET /v/no ${authority} Basic x `]);
});
