// Several services that are asked about one request: in the order written, each told what the filters before it made of the request, and
// nobody passes whom one of them has not let pass, on whatever connection the request comes.
import assert from 'node:assert/strict';
import type http from 'node:http';
import { test, type TestContext } from './engine-tests.ts';
import type { Filter } from '../../src/routing/filters.ts';
import { echo, type Echoed, httpBackend, origin, RawClient, type Route, serve, updateOf } from './engine-fixture.ts';

/** Asks the cluster `auth`, which knows who is asked by the path. @param responseHeaders what it alone may say */
function ask(name: string, responseHeaders?: readonly string[]): Filter {
  const check = { protocol: 'http', path: `/${name}`, ...(responseHeaders && { responseHeaders }) } as const;
  const cluster = 'test/gateway|auth';
  return { kind: 'external-auth', origin, cluster, check, headers: ['x-steps', 'x-user', 'x-mark'], bodyLimit: 0 };
}

function change(name: string, value: string, remove: readonly string[] = []): Filter {
  return { kind: 'request-headers', origin, set: [{ name, value }], add: [], remove };
}

interface Asked {
  readonly who: string;
  readonly headers: http.IncomingHttpHeaders;
}

/** By name of who is asked: a status and fields. */
type Answer = (asked: Asked) => readonly [status: number, headers: http.OutgoingHttpHeaders];

async function service(t: TestContext, answer: Answer): Promise<{ port: number; asked: Asked[] }> {
  const asked: Asked[] = [];
  const port = await httpBackend(t, (request, response) => {
    const [, who = ''] = (request.url ?? '').split('/');
    asked.push({ who, headers: request.headers });
    const [status, headers] = answer({ who, headers: request.headers });
    response.writeHead(status, headers).end(status === 200 ? '' : `no of ${who}`);
  });
  return { port, asked };
}

const yes: Answer = () => [200, {}];

async function world(
  t: TestContext,
  answer: Answer,
  route: Partial<Route>,
): Promise<{ asked: Asked[]; send: (headers?: Record<string, string>) => Promise<Response> }> {
  const backend = await httpBackend(t, echo);
  const { port: at, asked } = await service(t, answer);
  const { url } = await serve(t, {
    clusters: { auth: [at] },
    routes: [{ backends: [{ to: backend }], ...route }],
  });
  return { asked, send: (headers = {}) => fetch(url, { headers }) };
}

test('what stands between two services is seen by the second, and not by the first', async (t) => {
  const filters = [ask('a'), change('x-mark', '100% réal'), ask('b'), change('x-mark', 'late', ['x-user'])];
  const { asked, send } = await world(t, yes, { filters });
  const sent = (await (await send({ 'x-user': 'u' })).json()) as Echoed;
  assert.deepEqual(
    asked.map(({ who, headers }) => [who, headers['x-mark'], headers['x-user']]),
    [
      ['a', undefined, 'u'],
      ['b', Buffer.from('100% réal').toString('latin1'), 'u'],
    ],
  );
  assert.equal(sent.headers['x-mark'], 'late');
  assert.equal(sent.headers['x-user'], undefined);
});

test('only the service that is asked last says what it alone may say', async (t) => {
  const answer: Answer = ({ who }) => [200, who === 'a' ? { 'x-user': 'of a' } : {}];
  const { send } = await world(t, answer, { filters: [ask('a', ['x-user']), ask('b', ['x-user'])] });
  const sent = (await (await send({ 'x-user': 'mine' })).json()) as Echoed;
  assert.equal(sent.headers['x-user'], undefined);
});

test('what frames a request stays, whoever lists it', async (t) => {
  const backend = await httpBackend(t, echo);
  const { port: at } = await service(t, yes);
  const listed = ['host', 'content-length', 'transfer-encoding', 'x-user'];
  const filters = [ask('a', listed), ask('b', listed)];
  const { url } = await serve(t, { clusters: { auth: [at] }, routes: [{ backends: [{ to: backend }], filters }] });
  const response = await fetch(url, { method: 'POST', body: 'body', headers: { 'x-user': 'u' } });
  const sent = (await response.json()) as Echoed;
  assert.equal(sent.body, 'body');
  assert.equal(sent.headers['host'], new URL(url).host);
  assert.equal(sent.headers['x-user'], undefined);
});

test('whoever says no is the last to be asked', async (t) => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const { asked, send } = await world(t, ({ who, headers }) => [who === headers['x-user'] ? 403 : 200, {}], {
    filters: names.map((name) => ask(name, ['x-given'])),
  });
  for (const [index, name] of names.entries()) {
    const response = await send({ 'x-user': name });
    assert.equal(`${response.status} ${await response.text()}`, `403 no of ${name}`);
    assert.deepEqual(
      asked.splice(0).map(({ who }) => who),
      names.slice(0, index + 1),
    );
  }
  assert.equal((await send()).status, 200);
  assert.equal(asked.length, names.length);
});

test('a service that is not there lets nothing pass, and those before it are asked', async (t) => {
  const { cluster: _, ...missing } = ask('b') as Extract<Filter, { kind: 'external-auth' }>;
  const { asked, send } = await world(t, ({ headers }) => [headers['x-user'] === 'out' ? 401 : 200, {}], {
    filters: [ask('a'), missing, ask('c')],
  });
  assert.equal((await send()).status, 500);
  assert.equal((await send({ 'x-user': 'out' })).status, 401);
  assert.deepEqual(
    asked.map(({ who }) => who),
    ['a', 'a'],
  );
});

test('the backend has services of its own, behind those of the rule', async (t) => {
  const backend = await httpBackend(t, echo);
  const { port: at, asked } = await service(t, yes);
  const { url } = await serve(t, {
    clusters: { auth: [at] },
    routes: [
      { backends: [{ to: backend, filters: [ask('backend'), ask('too')] }], filters: [ask('rule')] },
      { path: '/plain', backends: [{ to: backend }] },
    ],
  });
  assert.equal((await fetch(url)).status, 200);
  assert.equal((await fetch(`${url}/plain`)).status, 200);
  assert.deepEqual(
    asked.map(({ who }) => who),
    ['rule', 'backend', 'too'],
  );
});

test('what filters of a listener do behind its service decides about the route, whose own filters then do all of theirs', async (t) => {
  const [first, second] = [await httpBackend(t, echo), await httpBackend(t, echo)];
  const { port: at, asked } = await service(t, ({ who }) => [200, who === 'listener' ? { 'x-user': 'u' } : {}]);
  const match = { headers: [{ type: 'exact', name: 'x-mark', value: 'gold' }] } as const;
  const { url } = await serve(t, {
    clusters: { auth: [at] },
    frontend: { filters: [ask('listener'), change('x-mark', 'gold'), ask('again'), change('x-steps', '1')] },
    routes: [
      { match, backends: [{ to: first }], filters: [ask('rule', ['x-role']), change('x-rule', 'gold')] },
      { backends: [{ to: second }] },
    ],
  });
  const response = await fetch(url, { headers: { 'x-role': 'admin', 'x-mark': 'none' } });
  const { headers } = (await response.json()) as Echoed;
  assert.equal(headers['x-rule'], 'gold');
  assert.equal(headers['x-steps'], '1');
  assert.equal(headers['x-role'], undefined, 'the client cannot say it');
  assert.deepEqual(
    asked.map(({ who, headers: told }) => [who, told['x-mark'], told['x-steps']]),
    [
      ['listener', 'none', undefined],
      ['again', 'gold', undefined],
      ['rule', 'gold', '1'],
    ],
  );
});

test('a connection that was there before asks all of them, or lets nothing pass', async (t) => {
  const backend = await httpBackend(t, echo);
  const { port: at } = await service(t, ({ who }) => [who === 'no' ? 403 : 200, {}]);
  const plain = { clusters: { auth: [at] }, routes: [{ backends: [{ to: backend }] }] };
  for (const changed of [
    { routes: [{ backends: [{ to: backend }], filters: [ask('yes'), ask('yes'), ask('no')] }] },
    { frontend: { filters: [ask('yes'), ask('yes'), ask('no')] } },
  ]) {
    const { engine, url, port } = await serve(t, plain);
    const client = new RawClient(port);
    t.after(() => client.close());
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    assert.match(await client.until((received) => received.includes('}')), /^HTTP\/1.1 200 /);
    client.received = '';
    await engine.apply({ ...updateOf({ ...plain, ...changed, port }, 2), virtualHosts: [] });
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    assert.match(await client.until((received) => received.includes('\r\n\r\n')), /^HTTP\/1.1 (?:403|503) /);
    assert.equal((await fetch(url)).status, 403);
  }
});
