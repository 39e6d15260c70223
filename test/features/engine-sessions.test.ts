// Session persistence in the embedded engine (GEP-1619): who gets a token, where it leads, and which tokens lead nowhere.
import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { test, type TestContext } from './engine-tests.ts';
import type { Engine as EmbeddedEngine } from '../../src/engines/embedded/engine.ts';
import type { EngineOptions } from '../../src/engines/embedded/options.ts';
import { SessionSeal } from '../../src/engines/embedded/sessions.ts';
import type { Endpoint, Session, WeightedBackend } from '../../src/routing/model.ts';
import {
  endpointsUpdate,
  httpBackend,
  origin,
  rawBackend,
  RawClient,
  type Running,
  serve,
  type World,
} from './engine-fixture.ts';
import { freePort } from '../free-port.ts';
import { eventually } from '../eventually.ts';

const cookie: Session = { type: 'cookie', name: 'stay', path: '/', permanent: false };
const header: Session = { type: 'header', name: 'X-Session', path: '/', permanent: false };

function weighted(to: string, session?: Session, weight = 1): WeightedBackend {
  const target = { kind: 'cluster', cluster: `test/gateway|${to}` } as const;
  return { weight, ...(session === undefined ? {} : { session }), target, filters: [], origin };
}

/** Backends that say their name, and what they were sent under `x-seen`. */
async function named(t: TestContext, names: readonly string[]): Promise<Record<string, number>> {
  const entries = names.map(async (name) => {
    const port = await httpBackend(t, (request, response) => {
      response.setHeader('x-seen', `${request.headers.cookie ?? ''}${String(request.headers['x-session'] ?? '')}`);
      if (request.url === '/own') response.setHeader('Set-Cookie', ['own=1; Path=/own', 'other=2']);
      if (request.url === '/chunked') response.write('');
      response.end(name);
    });
    return [name, port] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

const abc = ['a1', 'a2', 'a3', 'b1', 'b2', 'b3'];

/** Two backends with three endpoints each. */
async function six(
  t: TestContext,
  backends: readonly WeightedBackend[],
  options: EngineOptions = {},
  more: Partial<World> = {},
): Promise<Running & { ports: Record<string, number> }> {
  const ports = await named(t, abc);
  const of = (letter: string): number[] => ['1', '2', '3'].map((number) => ports[letter + number] as number);
  const running = await serve(
    t,
    { clusters: { a: of('a'), b: of('b') }, routes: [{ action: { kind: 'forward', backends } }], ...more },
    options,
  );
  return { ...running, ports };
}

interface Answer {
  readonly name: string;
  readonly setCookie: readonly string[];
  readonly token: string | null;
  readonly seen: string | null;
}

async function ask(url: string, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(url, { headers });
  const setCookie = response.headers.getSetCookie();
  return {
    name: await response.text(),
    setCookie,
    token:
      setCookie
        .find((each) => each.startsWith('stay='))
        ?.slice('stay='.length)
        .split(';')[0] ?? response.headers.get('x-session'),
    seen: response.headers.get('x-seen'),
  };
}

test('a client with its cookie stays with backend and endpoint; others are spread over all of them', async (t) => {
  const { url } = await six(t, [weighted('a', cookie), weighted('b', cookie)]);
  const names = new Set<string>();
  for (let client = 0; client < 30; client++) {
    const { name, token, setCookie } = await ask(url);
    names.add(name);
    assert.equal(setCookie.length, 1);
    for (let i = 0; i < 5; i++) {
      const again = await ask(`${url}/x${i}`, { cookie: `first=1; stay=${token}; last=2` });
      assert.equal(again.name, name);
      assert.deepEqual(again.setCookie, [], 'a token that holds is not given again');
      assert.match(again.seen ?? '', /stay=/, 'the backend gets the cookie, too');
    }
  }
  assert.ok(names.size >= 5, [...names].join());
});

test('the token in a header works the same', async (t) => {
  const { url } = await six(t, [weighted('a', header), weighted('b', header)]);
  for (let client = 0; client < 10; client++) {
    const { name, token, setCookie } = await ask(url);
    assert.deepEqual(setCookie, []);
    for (let i = 0; i < 5; i++) {
      const again = await ask(url, { 'x-session': token as string });
      assert.equal(again.name, name);
      assert.equal(again.token, null);
    }
  }
});

test('where backends are drawn anew for each request, weights hold and each backend keeps its endpoint', async (t) => {
  const drawn: Session = { ...cookie, drawn: true };
  const { url } = await six(t, [weighted('a', drawn, 70), weighted('b', drawn, 30)]);
  let token: string | null = null;
  const endpoints = { a: new Set<string>(), b: new Set<string>() };
  let toA = 0;
  for (let i = 0; i < 300; i++) {
    const answer: Answer = await ask(url, token === null ? {} : { cookie: `stay=${token}` });
    token = answer.token ?? token;
    const letter = answer.name[0] as 'a' | 'b';
    endpoints[letter].add(answer.name);
    if (letter === 'a') toA++;
  }
  assert.ok(toA > 170 && toA < 250, `${toA} of 300`);
  assert.equal(endpoints.a.size, 1, 'one token remembers the endpoint of each backend');
  assert.equal(endpoints.b.size, 1);
});

test('what the cookie says of itself', async (t) => {
  const attributes = async (
    session: Session,
    headers: Record<string, string> = {},
    options: EngineOptions = {},
  ): Promise<string> => {
    const { url } = await six(t, [weighted('a', session)], options);
    const [set = ''] = (await ask(url, headers)).setCookie;
    return set.replace(/=[A-Za-z0-9_-]{50,}/, '=T');
  };
  assert.equal(await attributes(cookie), 'stay=T; Path=/; HttpOnly; SameSite=Strict');
  const hour = 3_600_000;
  assert.equal(
    await attributes({ ...cookie, path: '/shop', permanent: true, absoluteTimeout: hour }),
    'stay=T; Path=/shop; Max-Age=3600; HttpOnly; SameSite=Strict',
  );
  assert.equal(await attributes({ ...cookie, absoluteTimeout: hour }), 'stay=T; Path=/; HttpOnly; SameSite=Strict');
  assert.equal(await attributes({ ...cookie, path: '/a; Domain=evil' }), 'stay=T; Path=/; HttpOnly; SameSite=Strict');
  const forwarded = { 'x-forwarded-proto': 'https' };
  assert.equal(await attributes(cookie, forwarded), 'stay=T; Path=/; HttpOnly; SameSite=Strict');
  assert.equal(
    await attributes(cookie, forwarded, { trustedHops: 1 }),
    'stay=T; Path=/; HttpOnly; SameSite=Strict; Secure',
  );
});

test('a backend without sessions gives no token, one with them keeps its own cookies', async (t) => {
  const { url } = await six(t, [weighted('a', undefined, 1), weighted('b', cookie, 0)]);
  assert.deepEqual((await ask(url)).setCookie, []);
  const { url: other } = await six(t, [weighted('a', cookie)]);
  const { setCookie, token } = await ask(`${other}/own`);
  assert.equal(setCookie.length, 3);
  assert.deepEqual(setCookie.slice(0, 2), ['own=1; Path=/own', 'other=2']);
  assert.deepEqual((await ask(`${other}/own`, { cookie: `stay=${token}` })).setCookie, ['own=1; Path=/own', 'other=2']);
});

test('weight 0 takes nothing, sessions neither', async (t) => {
  const { url, engine, port, ports } = await six(t, [weighted('a', cookie, 1), weighted('b', cookie, 0)]);
  const { name, token } = await ask(url);
  assert.equal(name[0], 'a');
  const { updateOf } = await import('./engine-fixture.ts');
  const backends = [weighted('a', cookie, 0), weighted('b', cookie, 1)];
  const clusters = { a: [ports['a1'] as number], b: [ports['b1'] as number] };
  const { rules } = updateOf({ port, clusters, routes: [{ action: { kind: 'forward', backends } }] });
  await engine.apply({ version: 2, ...(rules === undefined ? {} : { rules }) });
  const moved = await ask(url, { cookie: `stay=${token}` });
  assert.equal(moved.name[0], 'b');
  assert.notEqual(moved.token, null);
});

test('tokens that are forged, foreign, changed, too old or of another name lead nowhere', async (t) => {
  const key = Buffer.alloc(32, 7);
  const lifetime = 60_000;
  const session: Session = { ...cookie, absoluteTimeout: lifetime };
  const { url, ports } = await six(t, [weighted('a', session)], { sessionKeys: [key] });
  const { token } = await ask(url);
  const good = token as string;
  const flipped = Buffer.from(good, 'base64url');
  flipped[20] = (flipped[20] as number) ^ 1;
  const foreign = new SessionSeal([Buffer.alloc(32, 8)]);
  const ours = new SessionSeal([key]);
  const pins = ours.open('stay', good);
  assert.equal(pins.length, 1);
  const first = pins[0] as (typeof pins)[number];
  for (const [what, value] of [
    ['nonsense', 'nonsense'],
    ['nothing', ''],
    ['changed', flipped.toString('base64url')],
    ['cut', good.slice(0, -4)],
    ['very long', 'A'.repeat(10_000)],
    ['of another key', foreign.seal('stay', pins)],
    ['of another name', ours.seal('other', pins)],
    ['of another backend', ours.seal('stay', [{ ...first, backend: 'xxxxxxxx' }])],
    ['of an endpoint that is no more', ours.seal('stay', [{ ...first, endpoint: 'xxxxxxxx' }])],
    ['of the future', ours.seal('stay', [{ ...first, since: Date.now() + 3_600_000 }])],
    ['too old', ours.seal('stay', [{ ...first, since: Date.now() - lifetime - 1 }])],
  ] as const) {
    const answer = await ask(url, { cookie: `stay=${value}` });
    assert.equal(answer.name[0], 'a', what);
    assert.notEqual(answer.token, null, `${what}: a new one is given`);
  }
  const again = await ask(url, { cookie: `stay=nonsense; stay=${good}` });
  assert.equal(again.token, null, 'of several cookies the one that is good counts');
  const since = Date.now() - lifetime + 1500;
  const aged = { cookie: `stay=${ours.seal('stay', [{ ...first, since }])}` };
  const last = await ask(url, aged);
  // Not asked in time on a machine that stood still.
  if (Date.now() < since + lifetime) assert.equal(last.token, null, 'it has some time left');
  await new Promise((resolve) => setTimeout(resolve, since + lifetime + 20 - Date.now()));
  assert.notEqual((await ask(url, aged)).token, null, 'the time is up, however much it was used');
  for (const port of Object.values(ports))
    assert.ok(!Buffer.from(good, 'base64url').toString('latin1').includes(String(port)));
});

test('engines with the same keys know each other’s tokens, also under the key before', async (t) => {
  const [old, next] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
  const ports = await named(t, ['a1', 'a2', 'a3']);
  const start = (keys: readonly Buffer[]): Promise<Running> =>
    serve(
      t,
      {
        clusters: { a: Object.values(ports) },
        routes: [{ action: { kind: 'forward', backends: [weighted('a', cookie)] } }],
      },
      { sessionKeys: keys, workers: 2 },
    );
  const [one, two, three] = [await start([old]), await start([next, old]), await start([next])];
  const { name, token } = await ask(one.url);
  const headers = { cookie: `stay=${token}` };
  for (let i = 0; i < 10; i++) {
    const answer = await ask(two.url, headers);
    assert.equal(`${answer.name} ${answer.token}`, `${name} null`);
  }
  const fresh = await ask(two.url);
  assert.equal((await ask(three.url, { cookie: `stay=${fresh.token}` })).name, fresh.name);
  assert.notEqual((await ask(three.url, headers)).token, null, 'a key that is gone opens nothing');
  await assert.rejects(async () => start([Buffer.alloc(16)]), RangeError);
});

test('keys are renewed while it serves, in every worker', async (t) => {
  const [old, next] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
  const ports = await named(t, ['a1', 'a2', 'a3']);
  const backends = [weighted('a', cookie)];
  const { engine, url } = await serve(
    t,
    { clusters: { a: Object.values(ports) }, routes: [{ action: { kind: 'forward', backends } }] },
    { sessionKeys: [old], workers: 2 },
  );
  const { name, token } = await ask(url);
  const headers = { cookie: `stay=${token}` };
  const renew = (keys: readonly Uint8Array[]): void => (engine as EmbeddedEngine).renewSessionKeys(keys);
  renew([next, old]);
  for (let i = 0; i < 10; i++) {
    const answer = await ask(url, headers);
    assert.equal(`${answer.name} ${answer.token}`, `${name} null`);
  }
  renew([next]);
  // Answers of either worker, each a moment after it heard.
  await eventually(async () => (await ask(url, headers)).token !== null, 'the old key opens nothing');
  await eventually(async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask(url, headers)));
    return answers.every((answer) => answer.token !== null);
  }, 'nor with any worker');
  assert.throws(() => renew([]), RangeError);
  assert.throws(() => renew([Buffer.alloc(16)]), RangeError);
});

const row = (port: number, id: string, changes: Partial<Endpoint> = {}): Partial<Endpoint> => ({
  port,
  id,
  ...changes,
});

test('an endpoint on its way out keeps its sessions and gets no new ones; when it is gone the client gets another', async (t) => {
  const ports = await named(t, ['a1', 'a2']);
  const [a1, a2] = [ports['a1'] as number, ports['a2'] as number];
  const { url, engine } = await serve(t, {
    clusters: { a: [row(a1, 'one')] },
    routes: [{ action: { kind: 'forward', backends: [weighted('a', cookie)] } }],
  });
  const { token } = await ask(url);
  const headers = { cookie: `stay=${token}` };
  const leaving = { ready: false, serving: true, terminating: true };
  await engine.apply(endpointsUpdate('a', [row(a1, 'one', leaving), row(a2, 'two')], 2));
  for (let i = 0; i < 5; i++) {
    assert.equal((await ask(url, headers)).name, 'a1');
    assert.equal((await ask(url)).name, 'a2');
  }
  await engine.apply(endpointsUpdate('a', [row(a1, 'one', { ready: false, serving: false }), row(a2, 'two')], 3));
  const moved = await ask(url, headers);
  assert.equal(moved.name, 'a2');
  assert.notEqual(moved.token, null);
  await engine.apply(endpointsUpdate('a', [row(a1, 'one'), row(a2, 'two')], 4));
  for (let i = 0; i < 5; i++) {
    assert.equal((await ask(url, headers)).name, 'a1', 'the first token names who is ready again');
    assert.equal((await ask(url, { cookie: `stay=${moved.token}` })).name, 'a2');
  }
  await engine.apply(endpointsUpdate('a', [row(a2, 'one'), row(a1, 'two')], 5));
  assert.equal((await ask(url, headers)).name, 'a2', 'an id has moved to another address');
});

test('an endpoint that cannot be reached is left by a failover, which gives a new token', async (t) => {
  const ports = await named(t, ['a1']);
  const down = await freePort();
  const { url } = await serve(
    t,
    {
      clusters: { a: [row(down, 'down'), row(ports['a1'] as number, 'up')] },
      routes: [{ action: { kind: 'forward', backends: [weighted('a', cookie)] } }],
    },
    { sessionKeys: [Buffer.alloc(32, 3)] },
  );
  const { token, name } = await ask(url);
  assert.equal(name, 'a1');
  const seal = new SessionSeal([Buffer.alloc(32, 3)]);
  const [pin] = seal.open('stay', token as string);
  const { createHash } = await import('node:crypto');
  const endpoint = createHash('sha256').update('down').digest().toString('latin1', 0, 8);
  const stranded = seal.seal('stay', [{ backend: pin?.backend as string, endpoint, since: Date.now() }]);
  const rescued = await ask(url, { cookie: `stay=${stranded}` });
  assert.equal(rescued.name, 'a1');
  assert.deepEqual(
    seal.open('stay', rescued.token as string).map((each) => each.endpoint),
    [pin?.endpoint],
  );
});

test('a retry that leaves the endpoint gives the token of the one that answered', async (t) => {
  const names: string[] = [];
  const failing = await httpBackend(t, (_, response) => {
    names.push('failing');
    response.writeHead(503).end();
  });
  const good = await httpBackend(t, (_, response) => response.end('good'));
  const { url } = await serve(t, {
    clusters: { a: [failing, good] },
    routes: [
      {
        path: '/retry',
        retry: { attempts: 5, codes: [503], backoff: 1 },
        action: { kind: 'forward', backends: [weighted('a', cookie)] },
      },
      { path: '/', action: { kind: 'forward', backends: [weighted('a', cookie)] } },
    ],
  });
  let stuck: Answer;
  do stuck = await ask(url);
  while (stuck.name === 'good');
  const moved = await ask(`${url}/retry`, { cookie: `stay=${stuck.token}` });
  assert.equal(moved.name, 'good');
  assert.equal((await ask(url, { cookie: `stay=${moved.token}` })).name, 'good');
  assert.ok(names.length >= 2);
});

test('over HTTP/2, with chunks, HEAD, and the 101 of a WebSocket', async (t) => {
  const { url, port } = await six(t, [weighted('a', cookie)]);
  const session = http2.connect(url);
  session.on('error', () => {});
  t.after(() => session.destroy());
  const over2 = (headers: http2.OutgoingHttpHeaders): Promise<{ name: string; token: string | undefined }> =>
    new Promise((resolve, reject) => {
      const stream = session.request(headers);
      let name = '';
      let token: string | undefined;
      stream.on('response', (fields) => {
        token = fields['set-cookie']?.[0]?.split(/[=;]/)[1];
      });
      stream.on('data', (piece) => (name += String(piece)));
      stream.on('end', () => resolve({ name, token }));
      stream.on('error', reject);
    });
  const { name, token } = await over2({ ':path': '/' });
  for (let i = 0; i < 5; i++) {
    const again = await over2({ ':path': '/', cookie: [`crumb=${i}`, `stay=${token}`] });
    assert.deepEqual(again, { name, token: undefined });
    assert.equal((await ask(`${url}/chunked`, { cookie: `stay=${token}` })).name, name);
  }
  assert.notEqual((await ask(`${url}/chunked`)).token, null);
  assert.equal((await fetch(url, { method: 'HEAD' })).headers.getSetCookie().length, 1);
  const socket = await rawBackend(t, (each) => {
    each.once('data', () =>
      each.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'),
    );
  });
  const upgraded = await serve(t, {
    clusters: { a: [socket] },
    routes: [{ action: { kind: 'forward', backends: [weighted('a', cookie)] } }],
  });
  assert.ok(port !== upgraded.port);
  const client = new RawClient(upgraded.port);
  t.after(() => client.close());
  client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
  assert.match(
    await client.until((text) => text.includes('\r\n\r\n')),
    /^HTTP\/1.1 101 [^]*Set-Cookie: stay=[\w-]+; Path=/,
  );
});
