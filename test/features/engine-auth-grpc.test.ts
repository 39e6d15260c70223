// ExternalAuth over gRPC (envoy.service.auth.v3) against a server of @grpc/grpc-js that reads and writes its messages with protobufjs: what
// a Check tells, what its response does, and that nothing else than a clear yes lets a request pass.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from './engine-tests.ts';
import { onEnvoy } from './test-engine.ts';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';
import type { ExternalAuth, Filter } from '../../src/routing/filters.ts';
import type { World } from './engine-fixture.ts';
import { converse, echo, type Echoed, httpBackend, origin, rawBackend, type Running, serve } from './engine-fixture.ts';

const definition = loader.loadSync(join(import.meta.dirname, 'ext-authz.proto'), { longs: Number, enums: String });
const method = (definition['envoy.service.auth.v3.Authorization'] as grpc.ServiceDefinition)['Check'];

interface HttpRequest {
  readonly id: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly path: string;
  readonly host: string;
  readonly scheme: string;
  readonly size: number;
  readonly protocol: string;
  readonly body?: string;
  readonly rawBody?: Buffer;
}
interface Peer {
  readonly address: { readonly socketAddress: { readonly address: string; readonly portValue: number } };
}
interface CheckRequest {
  readonly attributes: {
    readonly source: Peer;
    readonly destination: Peer;
    readonly request: { readonly http: HttpRequest };
  };
}
type Answer = object | grpc.ServerErrorResponse | null;

/** @param answer null: never */
async function service(
  t: TestContext,
  answer: (asked: HttpRequest) => Answer,
): Promise<{ port: number; asked: CheckRequest[] }> {
  const asked: CheckRequest[] = [];
  const server = new grpc.Server();
  server.addService({ Check: method } as grpc.ServiceDefinition, {
    Check: (call: grpc.ServerUnaryCall<CheckRequest, object>, done: grpc.sendUnaryData<object>) => {
      asked.push(call.request);
      const response = answer(call.request.attributes.request.http);
      if (response === null) return;
      if ('details' in response) done(response);
      else done(null, response);
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  t.after(() => server.forceShutdown());
  return { port, asked };
}

function auth(changes: Partial<ExternalAuth> = {}): Filter {
  return {
    kind: 'external-auth',
    origin,
    cluster: 'test/gateway|auth',
    check: { protocol: 'grpc' },
    bodyLimit: 0,
    ...changes,
  };
}

/** One rule with the check in front of a backend that echoes. */
async function behind(t: TestContext, at: number, filter: Filter, more: Partial<World> = {}): Promise<Running> {
  const backend = await httpBackend(t, echo);
  return serve(
    t,
    {
      clusters: { auth: [at] },
      protocols: { auth: 'h2c' },
      routes: [{ backends: [{ to: backend }], filters: [filter] }],
      ...more,
    },
    { limits: { authTimeout: 1000, authAnswerBytes: 10_000 } },
  );
}

const header = (key: string, value: string, more: object = {}): object => ({ header: { key, value }, ...more });
const ok = (response: object = {}): object => ({ status: { code: 0 }, okResponse: response });

test('a Check tells everything about a request', async (t) => {
  const { port: at, asked } = await service(t, () => ok());
  const { port } = await behind(t, at, auth());
  await converse(
    t,
    port,
    'POST /a/./b?c=d HTTP/1.1\r\nHost: shop.example\r\nX-Latin: caf\xe9\r\nX-Utf8: caf\xc3\xa9\r\nX-Two: 1\r\nx-two: 2\r\n' +
      'X-Request-Id: 77\r\nX-Forwarded-For: 6.6.6.6\r\nCookie: a=b\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody',
  );
  const [{ attributes }] = asked as [CheckRequest];
  const { source, destination, request } = attributes;
  assert.equal(source.address.socketAddress.address, '127.0.0.1');
  assert.ok(source.address.socketAddress.portValue > 0 && source.address.socketAddress.portValue !== port);
  assert.deepEqual(destination.address.socketAddress, { address: '127.0.0.1', portValue: port });
  const { headers, ...http } = request.http;
  assert.deepEqual(http, {
    id: '77',
    method: 'POST',
    path: '/a/b?c=d',
    host: 'shop.example',
    scheme: 'http',
    size: 4,
    protocol: 'HTTP/1.1',
  });
  const { 'x-forwarded-proto': proto, 'x-forwarded-host': host, ...rest } = headers;
  assert.equal(`${proto} ${host}`, 'http shop.example');
  assert.deepEqual(rest, {
    'x-latin': 'caf!',
    'x-utf8': 'café',
    'x-two': '1, 2',
    'x-request-id': '77',
    'x-forwarded-for': '127.0.0.1',
    cookie: 'a=b',
  });
});

test('with a list it tells those headers alone; of the body up to the limit, text as text', async (t) => {
  const { port: at, asked } = await service(t, () => ok());
  const { url } = await behind(t, at, auth({ headers: ['authorization'], bodyLimit: 100_000 }));
  const text = 'ä'.repeat(40_000);
  const octets = Buffer.from([0xff, 0x00, 0xfe]);
  const headers = { authorization: 'Bearer x', cookie: 'a=b' };
  const sent = (await (await fetch(url, { method: 'POST', body: text, headers })).json()) as Echoed;
  assert.equal(Buffer.from(sent.body, 'latin1').toString(), text);
  await fetch(url, { method: 'POST', body: octets });
  const [first, second] = asked.map(({ attributes }) => attributes.request.http);
  assert.deepEqual(first?.headers, { authorization: 'Bearer x' });
  assert.equal(first?.body, text);
  assert.equal(first?.size, 80_000);
  assert.deepEqual(second?.rawBody, octets);
});

test('a yes changes headers and query of the request, and the headers of the response', async (t) => {
  const { port: at } = await service(t, () =>
    ok({
      headers: [
        header('x-user', 'älice'),
        header('x-group', 'more', { append: { value: true } }),
        header('x-trace', 'theirs', { appendAction: 'ADD_IF_ABSENT' }),
        header('x-none', 'x', { appendAction: 'OVERWRITE_IF_EXISTS' }),
        header(':authority', 'evil.example'),
        header('host', 'evil.example'),
        header('content-length', '0'),
      ],
      headersToRemove: ['authorization', 'host', ':path'],
      responseHeadersToAdd: [header('x-served-for', 'alice'), header('x-backend', 'hidden')],
      queryParametersToSet: [{ key: 'user', value: 'a&b' }],
      queryParametersToRemove: ['token'],
    }),
  );
  const backend = await httpBackend(t, (request, response) => {
    response.setHeader('X-Backend', 'inside');
    echo(request, response);
  });
  const { url, port } = await behind(t, at, auth(), { routes: [{ backends: [{ to: backend }], filters: [auth()] }] });
  const headers = { 'x-user': 'forged', 'x-group': 'mine', 'x-trace': 'mine', authorization: 'secret' };
  const response = await fetch(`${url}/p?token=t&user=forged&q=1`, { method: 'POST', body: 'body', headers });
  assert.equal(response.headers.get('x-served-for'), 'alice');
  assert.equal(response.headers.get('x-backend'), 'hidden');
  const sent = (await response.json()) as Echoed;
  assert.equal(Buffer.from(sent.headers['x-user'] ?? '', 'latin1').toString(), 'älice');
  assert.equal(sent.headers['x-group'], 'mine, more');
  assert.equal(sent.headers['x-trace'], 'mine');
  assert.equal(sent.headers['x-none'], undefined);
  assert.equal(sent.headers['authorization'], undefined);
  assert.equal(sent.headers['host'], `127.0.0.1:${port}`);
  assert.equal(sent.url, '/p?q=1&user=a%26b');
  assert.equal(sent.body, 'body');
});

test('a no has the status, headers and body that the service says; without any it is 403', async (t) => {
  const { port: at } = await service(t, ({ path }) =>
    path === '/bare'
      ? { status: { code: 7 } }
      : {
          status: { code: 16 },
          deniedResponse: {
            status: { code: path === '/odd' ? 42 : 401 },
            headers: [
              header('www-authenticate', 'Bearer'),
              header('set-cookie', 'a=1', { append: { value: true } }),
              header('set-cookie', 'b=2', { append: { value: true } }),
              header('content-length', '3'),
            ],
            body: 'log in, bitté',
          },
        },
  );
  const { url } = await behind(t, at, auth());
  const denied = await fetch(url, { method: 'POST', body: 'x' });
  assert.equal(denied.status, 401);
  assert.equal(denied.headers.get('www-authenticate'), 'Bearer');
  assert.deepEqual(denied.headers.getSetCookie(), ['a=1', 'b=2']);
  assert.equal(await denied.text(), 'log in, bitté');
  assert.equal((await fetch(`${url}/bare`)).status, 403);
  assert.equal((await fetch(`${url}/odd`)).status, 403);
  assert.equal((await fetch(url, { method: 'HEAD' })).status, 401);
});

for (const [what, status, reason, answer] of [
  ['an error', 502, 'auth-broken', { code: grpc.status.INTERNAL, details: 'broken' }],
  ['unavailable', 502, 'auth-broken', { code: grpc.status.UNAVAILABLE, details: 'gone' }],
  ['a header that cannot be written', 502, 'auth-broken', ok({ headers: [header('x-a', 'b\r\nx-admin: 1')] })],
  ['a header name that is none', 502, 'auth-broken', ok({ headers: [header('x a', 'b')] })],
  ['an answer that is too long', 502, 'auth-broken', ok({ headers: [header('x-a', 'b'.repeat(20_000))] })],
  ['yes and no', 502, 'auth-broken', { status: { code: 0 }, deniedResponse: { status: { code: 401 } } }],
  ['nothing', 504, 'auth-timeout', null],
] as readonly (readonly [string, number, string, Answer])[]) {
  test(`a service that says ${what} lets nothing pass: ${status}`, async (t) => {
    const { port: at } = await service(t, () => answer);
    const { url } = await behind(t, at, auth());
    const response = await fetch(url);
    // An Envoy has statuses and words of its own for it.
    if (onEnvoy) assert.ok(response.status >= 400, `${response.status}`);
    else assert.equal(response.status, status);
    if (!onEnvoy) assert.match(await response.text(), new RegExp(reason));
  });
}

test('an empty CheckResponse is a yes, as it is to Envoy', async (t) => {
  const { port: at } = await service(t, () => ({}));
  const { url } = await behind(t, at, auth());
  assert.equal((await fetch(url)).status, 200);
});

test('what does not speak gRPC, or not HTTP/2, lets nothing pass', async (t) => {
  const plain = await rawBackend(t, (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'));
  const { url } = await behind(t, plain, auth());
  assert.equal((await fetch(url)).status, onEnvoy ? 503 : 502);
  const http1 = await behind(t, plain, auth(), { protocols: {} });
  assert.equal((await fetch(http1.url)).status, onEnvoy ? 503 : 502);
});

test('calls of gRPC are told no in their own words', async (t) => {
  const { port: at } = await service(t, ({ path }) =>
    path === '/s/In'
      ? ok()
      : { status: { code: 16 }, deniedResponse: { status: { code: path === '/s/Out' ? 401 : 403 }, body: 'no' } },
  );
  const calls = new grpc.Server();
  const identity = (octets: Buffer): Buffer => octets;
  const call = (path: string): grpc.MethodDefinition<Buffer, Buffer> => ({
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: identity,
    requestDeserialize: identity,
    responseSerialize: identity,
    responseDeserialize: identity,
  });
  calls.addService(
    { in: call('/s/In') },
    {
      in: (each: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => done(null, each.request),
    },
  );
  const backend = await new Promise<number>((resolve, reject) => {
    calls.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  t.after(() => calls.forceShutdown());
  const { port } = await behind(t, at, auth(), {
    clusters: { auth: [at], calls: [backend] },
    protocols: { auth: 'h2c', calls: 'h2c' },
    routes: [{ protocol: 'grpc', backends: [{ to: 'calls' }], filters: [auth({ bodyLimit: 1000 })] }],
  });
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  t.after(() => client.close());
  const ask = (path: string, size = 4): Promise<string> =>
    new Promise((resolve) => {
      client.makeUnaryRequest(path, identity, identity, Buffer.alloc(size, 'x'), (error, answer) =>
        resolve(error === null ? String(answer) : `${error.code} ${error.details}`),
      );
    });
  assert.equal(await ask('/s/In'), 'xxxx');
  assert.equal(await ask('/s/Out'), `${grpc.status.UNAUTHENTICATED} auth-denied`);
  assert.equal(await ask('/s/Other'), `${grpc.status.PERMISSION_DENIED} auth-denied`);
  assert.equal(await ask('/s/In', 2000), `${grpc.status.RESOURCE_EXHAUSTED} auth-body`);
});
