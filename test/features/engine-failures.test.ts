// Backends and clients that fail, are slow, or say nothing, before the embedded engine: retries, timeouts, the health of
// endpoints, and memory that stays bounded.
import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from './engine-tests.ts';
import { onEnvoy } from './test-engine.ts';
import { converse, echo, type Echoed, httpBackend, origin, rawBackend, RawClient, serve } from './engine-fixture.ts';
import { freePort } from '../free-port.ts';
import { eventually } from '../eventually.ts';

test('a backend that cannot be reached is 503, without a rule’s word one other endpoint is tried', async (t) => {
  const dead = await freePort();
  const alive = await httpBackend(t, echo);
  const { url, engine } = await serve(t, {
    clusters: { dead: [dead], both: [dead, alive] },
    routes: [
      { path: '/dead', backends: [{ to: 'dead' }] },
      { path: '/both', backends: [{ to: 'both' }] },
    ],
  });
  const response = await fetch(`${url}/dead`);
  assert.equal(response.status, 503);
  assert.equal(await response.text(), '503 Service Unavailable: unreachable\n');
  for (let i = 0; i < 10; i++) {
    const answer = await fetch(`${url}/both`, { method: 'POST', body: `body ${i}` });
    assert.equal(answer.status, 200);
    assert.equal(((await answer.json()) as Echoed).body, `body ${i}`);
  }
  // Passive health: the dead one is left alone after its failures.
  if (onEnvoy) return;
  const failures = Number(/upstream_failures_total\{reason="refused"\} (\d+)/.exec(await engine.metrics())?.[1]);
  assert.ok(failures <= 4, String(failures));
});

test('an endpoint that recovers is taken again', async (t) => {
  const port = await freePort();
  const { url } = await serve(t, { routes: [{ backends: [{ to: port }] }] }, { limits: { skipTimeout: 50 } });
  assert.equal((await fetch(url)).status, 503);
  const server = http.createServer(echo).listen(port, '127.0.0.1');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  // The only endpoint is tried even while it is being skipped.
  await eventually(async () => (await fetch(url)).status === 200, 'the endpoint is back', 500);
});

test('retries on listed codes with the body again, and the last status when they are used up', async (t) => {
  const bodies: string[] = [];
  let failures = 2;
  const backend = await httpBackend(t, (request, response) => {
    let body = '';
    request.on('data', (piece: Buffer) => (body += piece.toString()));
    request.on('end', () => {
      bodies.push(body);
      response.writeHead(failures-- > 0 ? 503 : 200);
      response.end(`attempt ${bodies.length}`);
    });
  });
  const { url } = await serve(t, {
    routes: [{ backends: [{ to: backend }], retry: { attempts: 3, codes: [503], backoff: 5 } }],
  });
  const response = await fetch(url, { method: 'POST', body: 'again' });
  assert.equal(response.status, 200);
  assert.equal(await response.text(), 'attempt 3');
  assert.deepEqual(bodies, ['again', 'again', 'again']);
  failures = 100;
  const last = await fetch(url, { method: 'POST', body: 'x' });
  assert.equal(last.status, 503);
  assert.equal(await last.text(), 'attempt 7');
  failures = 100;
  const stream = await fetch(url, { method: 'POST', body: new Blob(['st', 'ream']).stream(), duplex: 'half' });
  assert.equal(await stream.text(), 'attempt 11');
  assert.deepEqual(bodies.slice(-4), ['stream', 'stream', 'stream', 'stream']);
});

test('no retry on other codes, nor with a body that was too long to keep', async (t) => {
  let requests = 0;
  const backend = await httpBackend(t, (request, response) => {
    requests++;
    request.resume();
    request.on('end', () => {
      response.writeHead(request.url === '/500' ? 500 : 503);
      response.end();
    });
  });
  const { url } = await serve(t, {
    routes: [{ backends: [{ to: backend }], retry: { attempts: 5, codes: [503], backoff: 1 } }],
  });
  assert.equal((await fetch(`${url}/500`)).status, 500);
  assert.equal(requests, 1);
  requests = 0;
  assert.equal((await fetch(url, { method: 'POST', body: 'x'.repeat(70_000) })).status, 503);
  assert.equal(requests, 1);
  requests = 0;
  assert.equal((await fetch(url)).status, 503);
  assert.equal(requests, 6);
});

test('a reset in the middle is not retried', async (t) => {
  let requests = 0;
  const backend = await rawBackend(t, (socket) => {
    socket.on('data', () => {
      requests++;
      socket.destroy();
    });
  });
  const { url } = await serve(t, { routes: [{ backends: [{ to: backend }], retry: { attempts: 5, codes: [502] } }] });
  assert.equal((await fetch(url, { method: 'POST', body: 'x' })).status, 502);
  assert.equal(requests, 1);
});

test('a kept connection that the backend closed is replaced, unless the request must not be repeated', async (t) => {
  let connections = 0;
  const seen: string[] = [];
  const backend = await rawBackend(t, (socket) => {
    connections++;
    let requests = 0;
    socket.on('data', (octets) => {
      seen.push(octets.toString('latin1').split(' ')[0] ?? '');
      // The second request of each connection meets a closed door.
      if (++requests > 1) socket.destroy();
      else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
  });
  const { url } = await serve(t, { routes: [{ backends: [{ to: backend }] }] });
  assert.equal((await fetch(url)).status, 200);
  assert.equal((await fetch(url)).status, 200);
  assert.equal(connections, 2);
  assert.equal((await fetch(url, { method: 'PUT', body: 'x' })).status, 200);
  assert.equal(connections, 3);
  assert.equal((await fetch(url, { method: 'POST', body: 'x' })).status, 502);
  assert.deepEqual(seen, ['GET', 'GET', 'GET', 'PUT', 'PUT', 'POST']);
});

test('timeouts: one attempt, the whole request, and retries within it', async (t) => {
  let attempts = 0;
  const backend = await httpBackend(t, (request, response) => {
    attempts++;
    const delay = Number(request.headers['x-delay'] ?? 0);
    setTimeout(() => response.end('late'), delay).unref();
  });
  const to = [{ to: backend }];
  const { url } = await serve(t, {
    routes: [
      { path: '/attempt', backends: to, timeouts: { backendRequest: 100 } },
      { path: '/request', backends: to, timeouts: { request: 100 } },
      {
        path: '/both',
        backends: to,
        timeouts: { request: 800, backendRequest: 300 },
        retry: { attempts: 10, codes: [], backoff: 1 },
      },
      { path: '/in-time', backends: to, timeouts: { request: 10_000, backendRequest: 9000 } },
      { path: '/none', backends: to, timeouts: { request: 0 } },
    ],
  });
  const timed = async (path: string, delay: number): Promise<[number, number]> => {
    attempts = 0;
    const start = performance.now();
    const { status } = await fetch(url + path, { headers: { 'x-delay': String(delay) } });
    return [status, performance.now() - start];
  };
  for (const path of ['/attempt', '/request']) {
    const [status, time] = await timed(path, 5000);
    assert.equal(status, 504, path);
    assert.ok(time >= 99 && time < 3000, `${path} took ${time} ms`);
  }
  const [status, time] = await timed('/both', 5000);
  assert.equal(status, 504);
  assert.ok(time >= 799 && time < 4000, String(time));
  assert.ok(attempts >= 2 && attempts <= 3, String(attempts));
  assert.equal((await timed('/in-time', 5))[0], 200);
  assert.equal((await timed('/none', 150))[0], 200);
});

test('a timeout in the middle of a response breaks it off', async (t) => {
  const backend = await httpBackend(t, (_request, response) => {
    response.writeHead(200, { 'content-length': 100 });
    response.write('begun');
  });
  const { url } = await serve(t, { routes: [{ backends: [{ to: backend }], timeouts: { request: 700 } }] });
  const response = await fetch(url);
  assert.equal(response.status, 200);
  await assert.rejects(response.text());
});

test('a silent backend is 504 when the limit says so', async (t) => {
  const backend = await rawBackend(t, (socket) => socket.resume());
  const { url } = await serve(t, { routes: [{ backends: [{ to: backend }] }] }, { limits: { responseTimeout: 200 } });
  assert.equal((await fetch(url)).status, 504);
});

test('a backend that closes its side at once is 502', async (t) => {
  const backend = await rawBackend(t, (socket) => socket.end());
  const { url } = await serve(t, { routes: [{ backends: [{ to: backend }] }] });
  assert.equal((await fetch(url, { method: 'POST', body: 'x' })).status, 502);
});

test('a slow client and a slow backend hold each other back: memory stays bounded', async (t) => {
  const size = 200_000_000;
  let produced = 0;
  const piece = Buffer.alloc(65_536);
  const source = await rawBackend(t, (socket) => {
    socket.once('data', () => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
      const more = (): void => {
        while (produced < size) {
          produced += piece.length;
          if (!socket.write(piece)) return;
        }
      };
      socket.on('drain', more);
      more();
    });
  });
  let consumed = 0;
  const sink = await rawBackend(t, (socket) => {
    socket.once('data', (octets) => {
      consumed += octets.length;
      socket.pause();
    });
  });
  const { port } = await serve(t, {
    routes: [
      { path: '/down', backends: [{ to: source }] },
      { path: '/up', backends: [{ to: sink }] },
    ],
  });
  const down = new RawClient(port);
  const up = new RawClient(port);
  t.after(() => {
    down.close();
    up.close();
  });
  down.socket.pause();
  down.send('GET /down HTTP/1.1\r\nHost: a\r\n\r\n');
  up.send(`POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`);
  let sent = 0;
  const more = (): void => {
    while (sent < size) {
      sent += piece.length;
      if (!up.socket.write(piece)) return;
    }
  };
  up.socket.on('drain', more);
  more();
  let before = [-1, -1];
  await eventually(
    async () => {
      await new Promise((resolve) => setTimeout(resolve, 150));
      const now = [produced, sent];
      const still = now[0] === before[0] && now[1] === before[1] && produced > 0;
      before = now;
      return still;
    },
    'both directions stand still',
    5000,
  );
  // What the kernel buffers for two sockets each way, and little more.
  assert.ok(produced < 40_000_000, `${produced} octets were taken from the backend`);
  assert.ok(sent < 40_000_000, `${sent} octets were taken from the client`);
  assert.ok(consumed > 0);
});

test('what was held back arrives whole when the slow side goes on', async (t) => {
  const body = Buffer.alloc(5_000_000, 'abcdefghijklmnopqrstuvwxyz');
  const backend = await httpBackend(t, (_request, response) => response.end(body));
  const chunked = await httpBackend(t, (_request, response) => {
    for (let at = 0; at < body.length; at += 100_000) response.write(body.subarray(at, at + 100_000));
    response.end();
  });
  const { port } = await serve(t, {
    routes: [
      { path: '/fixed', backends: [{ to: backend }] },
      { path: '/chunked', backends: [{ to: chunked }] },
    ],
  });
  for (const path of ['/fixed', '/chunked']) {
    const received = await new Promise<Buffer>((resolve, reject) => {
      http
        .get({ port, host: '127.0.0.1', path }, (response) => {
          const pieces: Buffer[] = [];
          response.on('data', (piece: Buffer) => {
            pieces.push(piece);
            response.pause();
            setTimeout(() => response.resume(), pieces.length % 10 === 0 ? 5 : 0);
          });
          response.on('end', () => resolve(Buffer.concat(pieces)));
        })
        .on('error', reject);
    });
    assert.ok(received.equals(body), path);
  }
});

test('a client that takes nothing is let go', async (t) => {
  let cut = false;
  const backend = await httpBackend(t, (_request, response) => {
    response.end(Buffer.alloc(20_000_000));
    response.on('close', () => (cut = !response.writableFinished));
  });
  const { port } = await serve(t, { routes: [{ backends: [{ to: backend }] }] }, { limits: { writeTimeout: 200 } });
  const raw = new RawClient(port);
  t.after(() => raw.close());
  raw.socket.pause();
  raw.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  let gone = false;
  raw.socket.on('close', () => (gone = true));
  await eventually(() => cut, 'the backend hears of it');
  raw.socket.resume();
  await eventually(() => gone || raw.ended, 'the connection is closed');
});

test('idle connections to backends are given up, earlier when the backend says so', async (t) => {
  let closed = 0;
  const backend = await rawBackend(t, (socket) => {
    socket.on('end', () => {
      closed++;
      socket.end();
    });
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 0\r\n\r\n'));
  });
  const { url } = await serve(t, { routes: [{ backends: [{ to: backend }] }] });
  await fetch(url);
  await eventually(() => closed === 1, 'the connection is given up');
});

test('what must not be repeated takes no old connection, and leaves none behind', async (t) => {
  let open = 0;
  let opened = 0;
  const backend = await rawBackend(t, (socket) => {
    open++;
    opened++;
    socket.on('end', () => socket.end());
    socket.on('close', () => open--);
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'));
  });
  const { url } = await serve(t, { routes: [{ backends: [{ to: backend }] }] }, { limits: { freshTimeout: 20 } });
  for (let i = 0; i < 5; i++) {
    await (await fetch(url, { method: 'POST', body: 'x' })).text();
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
  assert.equal(opened, 5);
  await eventually(() => open === 1, 'one connection is left');
  await (await fetch(url)).text();
  assert.equal(opened, 5);
});

test('a pipelined request behind one that fails is still answered', async (t) => {
  const dead = await freePort();
  const { port } = await serve(t, { routes: [{ backends: [{ to: dead }] }] });
  const text = 'GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
  assert.equal((await converse(t, port, text)).split('HTTP/1.1 503').length, 3);
});

test('requests beyond what may be under way get 503 at once, and however requests end, they make room', async (t) => {
  const held = new Set<http.ServerResponse>();
  const backend = await httpBackend(t, (request, response) => {
    if (request.url === '/held') held.add(response);
    else if (request.url === '/broken') request.socket.destroy();
    else response.end();
  });
  const { url, port } = await serve(
    t,
    {
      routes: [
        { backends: [{ to: backend }] },
        { path: '/redirect', action: { kind: 'redirect', redirect: { status: 302, hostname: 'b', origin } } },
      ],
    },
    { limits: { requests: 2 } },
  );
  // Every way to end, more often than there is room.
  for (let i = 0; i < 4; i++) {
    assert.equal((await fetch(`${url}/broken`)).status, 502);
    assert.equal((await fetch(`${url}/redirect`, { redirect: 'manual' })).status, 302);
    assert.equal((await fetch(`${url}/`, { method: 'POST', body: 'x' })).status, 200);
    const gone = new RawClient(port);
    gone.send('GET /held HTTP/1.1\r\nHost: a\r\n\r\n');
    await eventually(() => held.size === 1, 'the backend has it');
    gone.socket.resetAndDestroy();
    held.clear();
    await eventually(async () => (await fetch(`${url}/`)).status === 200, 'there is room');
  }
  const waiting = [fetch(`${url}/held`), fetch(`${url}/held`)];
  await eventually(() => held.size === 2, 'both are under way');
  const refused = await fetch(`${url}/`);
  assert.equal(refused.status, 503);
  assert.match(await refused.text(), /overload/);
  for (const response of held) response.end();
  for (const each of await Promise.all(waiting)) assert.equal(each.status, 200);
  assert.equal((await fetch(`${url}/`)).status, 200);
});
