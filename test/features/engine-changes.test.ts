// The configuration of the embedded engine changes while it serves: no request fails, connections stay, sockets come and go,
// workers are replaced, and the end is orderly.
import assert from 'node:assert/strict';
import http from 'node:http';
import net from 'node:net';
import { assertCounted, test, type TestContext } from './engine-tests.ts';
import { startEngine } from '../../src/engines/embedded/engine.ts';
import type { BindReport } from '../../src/routing/model.ts';
import type { Update } from '../../src/routing/update.ts';
import {
  echo,
  endpointsUpdate,
  entryOf,
  httpBackend,
  rawBackend,
  RawClient,
  ruleKey,
  ruleOf,
  type Running,
  serve,
  updateOf,
} from './engine-fixture.ts';
import { onEnvoy } from './test-engine.ts';
import { freePort } from '../free-port.ts';
import { eventually } from '../eventually.ts';

const BIND = 'test/gateway:80/tcp';
const place = (port: number, address = '127.0.0.1'): NonNullable<Update['placements']> => ({
  set: [{ bind: BIND, address, port }],
  delete: [],
});

test('requests under changes every few milliseconds: none fails, connections and WebSockets stay', async (t) => {
  const named = (name: string): Promise<number> => httpBackend(t, (_request, response) => response.end(name));
  const [one, two, three] = await Promise.all(['one', 'two', 'three'].map(named));
  const world = {
    clusters: { pool: [one as number, two as number] },
    routes: [{ path: '/', backends: [{ to: 'pool' }] }],
  };
  const { port, engine } = await serve(t, world);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
  t.after(() => agent.destroy());
  let connections = 0;
  const ask = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const request = http.get({ port, host: '127.0.0.1', agent, path: '/x' }, (response) => {
        let text = '';
        response.on('data', (piece: Buffer) => (text += piece.toString()));
        response.on('end', () =>
          response.statusCode === 200 ? resolve(text) : reject(new Error(String(response.statusCode))),
        );
      });
      request.on('socket', (socket) => {
        if (socket.connecting) connections++;
      });
      request.on('error', reject);
    });

  let version = 1;
  const running = { churn: true };
  const churn = (async (): Promise<void> => {
    const extra = { path: '/extra', backends: [{ to: 'pool' }] };
    const key = ruleKey(7);
    const host = { key: 'test/gateway/http|', frontend: 'test/gateway/http', hostname: '' };
    while (running.churn) {
      const even = version % 2 === 0;
      const entry = entryOf(extra, key, 7);
      const update: Update = {
        ...endpointsUpdate('pool', even ? [one as number, two as number] : [two as number, three as number], ++version),
        rules: even ? { set: [], delete: [key] } : { set: [ruleOf(extra, key)], delete: [] },
        virtualHosts: [{ ...host, removed: even ? [entry] : [], inserted: even ? [] : [entry] }],
      };
      await engine.apply(update);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  const seen = new Set<string>();
  for (let round = 0; round < 100; round++) {
    for (const text of await Promise.all(Array.from({ length: 16 }, ask))) seen.add(text);
  }
  running.churn = false;
  await churn;
  assert.ok(version > 20, `${version} changes`);
  assert.deepEqual([...seen].sort(), ['one', 'three', 'two']);
  assert.equal(connections, 8);
});

test('a request in flight ends on the configuration it began with', async (t) => {
  const held: http.ServerResponse[] = [];
  const slow = await httpBackend(t, (_request, response) => held.push(response));
  const fast = await httpBackend(t, (_request, response) => response.end('new'));
  const { url, port, engine } = await serve(t, {
    routes: [{ backends: [{ to: slow }], filters: [], timeouts: { request: 20_000 } }],
  });
  const old = fetch(url);
  await eventually(() => held.length === 1, 'the request is in flight');
  const next = updateOf({ port, routes: [{ backends: [{ to: fast }] }] }, 2);
  await engine.apply({
    version: 2,
    endpoints: { set: next.endpoints?.set ?? [], delete: [`test/${slow}`] },
    clusters: { set: next.clusters?.set ?? [], delete: [`test/gateway|${slow}`] },
    rules: next.rules ?? { set: [], delete: [] },
  });
  assert.equal(await (await fetch(url)).text(), 'new');
  held[0]?.end('old');
  assert.equal(await (await old).text(), 'old');
});

test('a removed endpoint gets no new requests, and its idle connections are closed', async (t) => {
  let closed = 0;
  const leaving = await rawBackend(t, (socket) => {
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nleaving'));
    socket.on('end', () => {
      closed++;
      socket.end();
    });
  });
  const staying = await httpBackend(t, (_request, response) => response.end('staying'));
  const { url, engine } = await serve(t, { clusters: { pool: [leaving] }, routes: [{ backends: [{ to: 'pool' }] }] });
  assert.equal(await (await fetch(url)).text(), 'leaving');
  await engine.apply(endpointsUpdate('pool', [staying], 2));
  await eventually(() => closed === 1, 'the idle connection is closed');
  assert.equal(await (await fetch(url)).text(), 'staying');
});

test('a listener moves, disappears and comes back; its clients are drained, others are not touched', async (t) => {
  const backend = await httpBackend(t, echo);
  const { port, engine, reports } = await serve(t, { routes: [{ backends: [{ to: backend }] }] });
  const client = new RawClient(port);
  t.after(() => client.close());
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await client.until((text) => text.endsWith('}'));
  const second = await freePort();
  await engine.apply({ version: 2, placements: place(second) });
  assert.equal((await fetch(`http://127.0.0.1:${second}/`)).status, 200);
  await assert.rejects(fetch(`http://127.0.0.1:${port}/`));
  // A listener that moved keeps the clients that it has.
  client.received = '';
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await client.until((text) => text.endsWith('}'));
  await engine.apply({ version: 3, placements: { set: [], delete: [BIND] } });
  await client.rest();
  await assert.rejects(fetch(`http://127.0.0.1:${second}/`));
  await engine.apply({ version: 4, placements: place(port) });
  assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200);
  assert.deepEqual(
    reports.map((report) => report.state),
    ['serving', 'serving', 'serving'],
  );
});

for (const workers of [1, 2]) {
  test(`a port that another program has is reported, and taken when it is free (${workers} workers)`, async (t) => {
    const backend = await httpBackend(t, echo);
    const other = net.createServer();
    const port = await freePort();
    await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve));
    t.after(() => other.close());
    const reports: BindReport[] = [];
    const engine = startEngine({ workers, onReport: (report) => reports.push(report) });
    t.after(() => engine.close());
    await engine.apply(updateOf({ port, routes: [{ backends: [{ to: backend }] }] }));
    assert.equal(reports.length, 1);
    assert.equal(reports[0]?.state, 'failed');
    assert.equal(reports[0]?.code, 'EADDRINUSE');
    // Elsewhere at once; and at the same place as soon as the other program lets go.
    const free = await freePort();
    await engine.apply({ version: 2, placements: place(free) });
    assert.equal(reports.at(-1)?.state, 'serving');
    assert.equal((await fetch(`http://127.0.0.1:${free}/`)).status, 200);
    await new Promise((resolve) => other.close(resolve));
    await engine.apply({ version: 3, placements: place(port) });
    assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200);
  });
}

test('several workers share a port and the work', async (t) => {
  const backend = await httpBackend(t, echo);
  const { url, engine, reports } = await serve(t, { routes: [{ backends: [{ to: backend }] }] }, { workers: 2 });
  assert.deepEqual(reports, [{ bind: BIND, state: 'serving' }]);
  for (let i = 0; i < 40; i++) {
    const response = await fetch(url, { headers: { connection: 'close' } });
    await response.text();
  }
  await assertCounted(engine, /portolan_workers 2\n/, /portolan_requests_total\{[^}]*code="2xx"\} 40\n/);
});

test('a worker that dies is replaced by one with all of the configuration', async (t) => {
  const backend = await httpBackend(t, echo);
  const crashes: string[] = [];
  const { url, engine, reports } = await serve(
    t,
    { routes: [{ path: '/a', backends: [{ to: backend }] }] },
    { onCrash: (error) => crashes.push(error.message) },
  );
  assert.equal((await fetch(`${url}/a`)).status, 200);
  await engine.metrics();
  // A row that breaks the promises of the model: what nobody foresaw.
  const broken = { version: 2, rules: { set: [{ key: 'x' }], delete: [] } } as unknown as Update;
  const lost = engine.apply(broken);
  await eventually(() => crashes.length > 0, 'the crash is reported');
  // The row is still there: the next worker dies of it as well, until it is gone.
  await engine.apply({ version: 3, rules: { set: [], delete: ['x'] } });
  await lost;
  await eventually(async () => (await fetch(`${url}/a`).catch(() => null))?.status === 200, 'it serves again');
  const metrics = await engine.metrics();
  assert.match(metrics, /portolan_worker_crashes_total [1-9]/);
  assert.match(metrics, /code="2xx"\} [2-9]/);
  assert.equal(reports.at(-1)?.state, 'serving');
});

/** Its backend answers `/held` when the test says so. */
async function draining(t: TestContext): Promise<Running & { readonly held: readonly http.ServerResponse[] }> {
  const held: http.ServerResponse[] = [];
  const backend = await httpBackend(t, (request, response) => {
    if (request.url === '/held') held.push(response);
    else response.end('done');
  });
  return { ...(await serve(t, { routes: [{ backends: [{ to: backend }] }] })), held };
}

test('draining: no new connections, requests in flight are answered and told to close, then everything ends', async (t) => {
  const { engine, port, held } = await draining(t);
  const idle = new RawClient(port);
  const busy = new RawClient(port);
  t.after(() => {
    idle.close();
    busy.close();
  });
  idle.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await idle.until((text) => text.includes('done'));
  busy.send('GET /held HTTP/1.1\r\nHost: a\r\n\r\n');
  await eventually(() => held.length === 1, 'a request in flight');
  const drained = engine.drain(15_000);
  const onlyBusyIsLeft = async (): Promise<void> => {
    await idle.rest();
    await assert.rejects(fetch(`http://127.0.0.1:${port}/`));
  };
  // An Envoy lets the others go with the last one.
  const isTold = (): Promise<boolean> =>
    fetch(`http://127.0.0.1:${port}/`).then(
      ({ headers }) => headers.get('connection') === 'close',
      () => true,
    );
  if (onEnvoy) await eventually(isTold, 'it drains');
  else await onlyBusyIsLeft();
  held[0]?.end('done');
  const answer = await busy.rest();
  await onlyBusyIsLeft();
  assert.match(answer, /^HTTP\/1.1 200 [^]*Connection: close\r\n[^]*done/);
  busy.socket.end();
  idle.socket.end();
  const start = performance.now();
  await drained;
  assert.ok(performance.now() - start < 10_000);
});

test('before it drains: connections are told to end with their next response, new ones too, and nobody is turned away', async (t) => {
  const { engine, port } = await draining(t);
  const [kept, fresh] = [new RawClient(port), new RawClient(port)];
  t.after(() => {
    kept.close();
    fresh.close();
  });
  kept.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  const first = await kept.until((text) => text.includes('done'));
  assert.doesNotMatch(first, /^connection: close/im);
  engine.retire();
  const isTold = async (): Promise<boolean> =>
    (await fetch(`http://127.0.0.1:${port}/`)).headers.get('connection') === 'close';
  await eventually(isTold, 'it goes soon');
  for (const client of [kept, fresh]) {
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    // An Envoy waits for its client to close.
    await client.until((text) => /\r\nconnection: close\r\n[^]*done$/i.test(text));
  }
});

test('draining ends at its deadline', async (t) => {
  const { engine, port, held } = await draining(t);
  const busy = new RawClient(port);
  t.after(() => busy.close());
  busy.send('GET /held HTTP/1.1\r\nHost: a\r\n\r\n');
  await eventually(() => held.length === 1, 'a request in flight');
  const start = performance.now();
  await engine.drain(200);
  const time = performance.now() - start;
  assert.ok(time >= 190 && time < 10_000, String(time));
  await eventually(() => busy.closed || busy.ended, 'the client is let go');
});

test('updates overtake each other never', async (t) => {
  const named = (name: string): Promise<number> => httpBackend(t, (_request, response) => response.end(name));
  const ports = await Promise.all(['0', '1', '2', '3'].map(named));
  const { url, engine } = await serve(t, {
    clusters: { pool: [ports[0] as number] },
    routes: [{ backends: [{ to: 'pool' }] }],
  });
  const applied: number[] = [];
  await Promise.all(
    Array.from({ length: 40 }, async (_, i) => {
      await engine.apply(endpointsUpdate('pool', [ports[i % 4] as number], i + 2));
      applied.push(i);
    }),
  );
  assert.deepEqual(
    applied,
    [...applied].sort((a, b) => a - b),
  );
  assert.equal(await (await fetch(url)).text(), '3');
});
