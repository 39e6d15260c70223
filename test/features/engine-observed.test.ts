// What the embedded engine says about itself: the access log and the metrics.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assertCounted, test } from './engine-tests.ts';
import { startEngine } from '../../src/engines/embedded/engine.ts';
import { converse, echo, httpBackend, rawBackend, RawClient, serve, updateOf } from './engine-fixture.ts';
import { freePort } from '../free-port.ts';
import { eventually } from '../eventually.ts';

test('one line of JSON per request, whatever the client sent', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'portolan-log-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const accessLog = join(folder, 'access.log');
  const backend = await httpBackend(t, echo);
  const dead = await freePort();
  let asked = false;
  const silent = await rawBackend(t, (socket) => socket.on('data', () => (asked = true)));
  const { url, port } = await serve(
    t,
    {
      routes: [
        { path: '/ok', backends: [{ to: backend }] },
        { path: '/dead', backends: [{ to: dead }] },
        { path: '/silent', backends: [{ to: silent }] },
      ],
    },
    { accessLog },
  );
  const agent = 'a "quoted" \\ agent';
  const said = await (
    await fetch(`${url}/ok?x="`, { headers: { 'user-agent': agent, 'x-request-id': 'id-1' } })
  ).text();
  await (await fetch(`${url}/ok`, { method: 'POST', body: 'hello' })).text();
  await (await fetch(`${url}/dead`)).text();
  await (await fetch(`${url}/nowhere`)).text();
  await converse(t, port, 'GET /ok HTTP/1.0\r\n\r\n');
  const gone = new RawClient(port);
  gone.send('GET /silent HTTP/1.1\r\nHost: a\r\n\r\n');
  await eventually(() => asked, 'the backend has it');
  gone.socket.resetAndDestroy();
  const lines = (): Record<string, unknown>[] =>
    readFileSync(accessLog, 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  await eventually(() => lines().length === 6, 'six lines');
  await converse(t, port, 'nonsense nonsense\r\n\r\n');
  await eventually(() => lines().length === 7, 'seven lines');
  const [first, post, refused, nowhere, old, left] = lines() as [
    Record<string, unknown>,
    Record<string, unknown>,
    Record<string, unknown>,
    Record<string, unknown>,
    Record<string, unknown>,
    Record<string, unknown>,
  ];
  assert.match(String(first['time']), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.equal(first['client'], '127.0.0.1');
  assert.equal(first['target'], '/ok?x=%22');
  assert.equal(first['userAgent'], agent);
  assert.equal(first['requestId'], 'id-1');
  assert.equal(first['status'], 200);
  assert.equal(first['route'], 'HTTPRoute/test/route-0');
  assert.equal(first['listener'], 'test/gateway/http');
  assert.equal(first['upstream'], `127.0.0.1:${backend}`);
  assert.equal(first['version'], '1.1');
  assert.equal(first['sent'], said.length);
  assert.ok(Number(first['ms']) > 0);
  assert.equal(post['method'], 'POST');
  assert.equal(post['received'], 5);
  assert.equal(refused['status'], 503);
  assert.equal(refused['failure'], 'refused');
  assert.equal(refused['attempts'], 1);
  assert.equal(nowhere['status'], 404);
  assert.equal(nowhere['failure'], 'no-route');
  assert.equal(nowhere['route'], '');
  assert.equal(old['version'], '1.0');
  assert.equal(left['status'], 499);
  const refusal = lines().at(-1) ?? {};
  assert.equal(refusal['status'], 400);
  assert.equal(refusal['failure'], 'no-version');
});

test('behind trusted proxies the log names the client that they saw', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'portolan-log-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const backend = await httpBackend(t, echo);
  const { url } = await serve(
    t,
    { routes: [{ backends: [{ to: backend }] }] },
    { accessLog: join(folder, 'log'), trustedHops: 2 },
  );
  const ask = async (sources: string): Promise<void> => {
    await (await fetch(url, { headers: { 'x-forwarded-for': sources } })).text();
  };
  await ask('6.6.6.6, 1.2.3.4, 10.0.0.1');
  await ask('1.2.3.4');
  await ask('"nonsense", 10.0.0.1');
  const clients = (): unknown[] =>
    readFileSync(join(folder, 'log'), 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => (JSON.parse(line) as { client: unknown }).client);
  await eventually(() => clients().length === 3, 'three lines');
  assert.deepEqual(clients(), ['1.2.3.4', '1.2.3.4', '127.0.0.1']);
});

test('a log that cannot be written is refused at the start', () => {
  assert.throws(() => startEngine({ accessLog: '/nowhere/at/all/access.log' }), { code: 'ENOENT' });
});

test('metrics: requests by route and class, durations, refusals, failures', async (t) => {
  const backend = await httpBackend(t, (request, response) => {
    response.writeHead(Number(request.url?.slice(1)));
    response.end();
  });
  const dead = await freePort();
  const { url, port, engine } = await serve(t, {
    routes: [
      { host: '127.0.0.1', backends: [{ to: backend }] },
      { host: 'dead', backends: [{ to: dead }] },
    ],
  });
  for (const status of [200, 200, 302, 404, 500]) await fetch(`${url}/${status}`, { redirect: 'manual' });
  await converse(t, port, 'GET / HTTP/1.0\r\nHost: dead\r\n\r\n');
  await converse(t, port, 'GET / HTTP/1.0\r\nHost: nobody\r\n\r\n');
  await converse(t, port, 'nonsense nonsense\r\n\r\n');
  const text = await engine.metrics();
  const value = (series: string): number => {
    const line = text.split('\n').find((each) => each.startsWith(`${series} `));
    assert.ok(line !== undefined, `${series} in\n${text}`);
    return Number(line.slice(series.length + 1));
  };
  const route = (index: number, code: string): string =>
    `portolan_requests_total{listener="test/gateway/http",route="HTTPRoute/test/route-${index}",code="${code}"}`;
  assert.equal(value(route(0, '2xx')), 2);
  assert.equal(value(route(0, '3xx')), 1);
  assert.equal(value(route(0, '4xx')), 1);
  assert.equal(value(route(0, '5xx')), 1);
  assert.equal(value(route(1, '5xx')), 1);
  assert.equal(value('portolan_requests_total{listener="test/gateway/http",route="",code="4xx"}'), 1);
  assert.equal(value('portolan_request_duration_seconds_count{listener="test/gateway/http"}'), 7);
  assert.equal(value('portolan_requests_refused_total{reason="no-version"}'), 1);
  assert.equal(value('portolan_upstream_failures_total{reason="refused"}'), 1);
  assert.equal(value('portolan_requests_active{listener="test/gateway/http"}'), 0);
  // Every series belongs to a family that was introduced.
  const families = new Set([...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name));
  for (const [, name = ''] of text.matchAll(/^([a-z_]+)/gm)) {
    assert.ok(families.has(name) || families.has(name.replace(/_(bucket|sum|count)$/, '')), name);
  }
});

test('series end with their routes, and go on while a route only changes', async (t) => {
  const backend = await httpBackend(t, echo);
  const { url, port, engine } = await serve(t, { routes: [{ path: '/a', backends: [{ to: backend }] }] });
  await (await fetch(`${url}/a`)).text();
  const [host] = updateOf({ port, routes: [{ path: '/a', backends: [{ to: backend }] }] }).virtualHosts ?? [];
  assert.ok(host !== undefined);
  const [entry] = host.inserted;
  assert.ok(entry !== undefined);
  const moved = { ...entry, match: { ...entry.match, path: { type: 'prefix' as const, value: '/b' } } };
  await engine.apply({ version: 2, virtualHosts: [{ ...host, removed: [entry], inserted: [moved] }] });
  await (await fetch(`${url}/b`)).text();
  await assertCounted(engine, /route="HTTPRoute\/test\/route-0",code="2xx"\} 2\n/);
  await engine.apply({ version: 3, virtualHosts: [{ ...host, removed: [moved], inserted: [] }] });
  assert.doesNotMatch(await engine.metrics(), /route-0/);
});
