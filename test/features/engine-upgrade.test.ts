// Upgraded connections through the embedded engine: WebSocket, other protocols, half-closed tunnels, and `Upgrade: h2c`, which
// is ignored.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { assertCounted, test, type TestContext } from './engine-tests.ts';
import { onEnvoy } from './test-engine.ts';
import { WebSocket, WebSocketServer } from 'ws';
import { echo, type Echoed, httpBackend, rawBackend, RawClient, serve, updateOf } from './engine-fixture.ts';
import { eventually } from '../eventually.ts';

async function webSocketBackend(t: TestContext): Promise<number> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  server.on('connection', (socket, request) => {
    socket.on('message', (data, binary) => socket.send(data, { binary }));
    socket.send(`hello ${request.url}`);
  });
  await once(server, 'listening');
  t.after(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  return (server.address() as { port: number }).port;
}

/** A client whose messages are queued, since the first may come together with the handshake. */
function connect(t: TestContext, url: string): { readonly socket: WebSocket; readonly next: () => Promise<string> } {
  const socket = new WebSocket(url);
  const queue: string[] = [];
  socket.on('message', (data: Buffer) => queue.push(data.toString('latin1')));
  t.after(() => socket.terminate());
  return {
    socket,
    next: async () => {
      await eventually(() => queue.length > 0, 'a message');
      return queue.shift() as string;
    },
  };
}

test('a WebSocket carries messages both ways and ends as the peers end it', async (t) => {
  const backend = await webSocketBackend(t);
  const { port, engine } = await serve(t, { routes: [{ path: '/chat', backends: [{ to: backend }] }] });
  const { socket, next } = connect(t, `ws://127.0.0.1:${port}/chat?room=1`);
  assert.equal(await next(), 'hello /chat?room=1');
  for (const size of [1, 200, 70_000, 1_000_000]) {
    const message = 'x'.repeat(size);
    socket.send(message);
    assert.equal(await next(), message);
  }
  await assertCounted(engine, /portolan_tunnels_total 1\n/);
  socket.close(1000, 'done');
  const [code] = (await once(socket, 'close')) as [number];
  assert.equal(code, 1000);
  if (onEnvoy) return;
  await eventually(
    async () => /portolan_requests_active\{[^}]*\} 0\n/.test(await engine.metrics()),
    'the tunnel is over',
  );
});

test('a WebSocket outlives every change of the configuration, even of its own route', async (t) => {
  const backend = await webSocketBackend(t);
  const { port, engine } = await serve(t, { routes: [{ path: '/chat', backends: [{ to: backend }] }] });
  const { socket, next } = connect(t, `ws://127.0.0.1:${port}/chat`);
  await next();
  const world = { port, routes: [{ path: '/chat', backends: [{ to: backend }] }] };
  const { virtualHosts = [] } = updateOf(world);
  await engine.apply({
    version: 2,
    rules: { set: [], delete: ['test/gateway|HTTPRoute/test/route-0|0'] },
    clusters: { set: [], delete: [`test/gateway|${backend}`] },
    endpoints: { set: [], delete: [`test/${backend}`] },
    virtualHosts: virtualHosts.map((host) => ({ ...host, removed: host.inserted, inserted: [] })),
  });
  assert.equal((await fetch(`http://127.0.0.1:${port}/chat`)).status, 404);
  socket.send('still there');
  assert.equal(await next(), 'still there');
});

test('timeouts of the rule end with the handshake', async (t) => {
  const backend = await webSocketBackend(t);
  const timeouts = { request: 1000, backendRequest: 1000 };
  const { port } = await serve(t, { routes: [{ backends: [{ to: backend }], timeouts }] });
  const { socket, next } = connect(t, `ws://127.0.0.1:${port}/`);
  await next();
  await new Promise((resolve) => setTimeout(resolve, 1300));
  socket.send('late');
  assert.equal(await next(), 'late');
});

test('a refused handshake is an ordinary response', async (t) => {
  const backend = await httpBackend(t, (_request, response) => {
    response.writeHead(403);
    response.end('no');
  });
  const { port } = await serve(t, { routes: [{ backends: [{ to: backend }] }] });
  const raw = new RawClient(port);
  t.after(() => raw.close());
  raw.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  assert.match(await raw.until((text) => text.endsWith('no\r\n0\r\n\r\n') || text.endsWith('no')), /^HTTP\/1.1 403 /);
  raw.received = '';
  raw.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await raw.until((text) => text.includes('403'));
});

for (const protocol of ['SPDY/3.1', 'tcp']) {
  test(`kubectl and docker speak ${protocol} through it`, async (t) => {
    let request = '';
    const backend = await rawBackend(t, (socket) => {
      socket.on('data', (octets) => {
        if (request !== '') socket.write(octets);
        else {
          request = octets.toString('latin1');
          socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`);
        }
      });
    });
    const { port } = await serve(t, { routes: [{ backends: [{ to: backend }] }] });
    const raw = new RawClient(port);
    t.after(() => raw.close());
    raw.send(
      `POST /exec HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\nContent-Length: 0\r\n\r\n`,
    );
    await raw.until((text) => text.startsWith('HTTP/1.1 101 ') && text.includes('\r\n\r\n'));
    assert.match(request, new RegExp(`\r\nUpgrade: ${protocol}\r\n`, 'i'));
    raw.received = '';
    raw.send('\x80\x03\x00\x01 and any octets');
    await raw.until((text) => text.endsWith('any octets'));
  });
}

test('any protocol may be spoken after an upgrade; octets sent at once are not lost; each side closes for itself', async (t) => {
  let request = '';
  const backend = await rawBackend(t, (socket) => {
    socket.on('data', (octets) => {
      const text = octets.toString('latin1');
      if (request === '') {
        request = text;
        socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: chess/1\r\nX-A: b\r\n\r\nwelcome ',
        );
      } else {
        socket.write(text.toUpperCase());
      }
    });
    // Says something after the client has closed its side.
    socket.on('end', () => socket.end(' bye'));
  });
  const { port } = await serve(t, { routes: [{ backends: [{ to: backend }] }] });
  const raw = new RawClient(port);
  t.after(() => raw.close());
  raw.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: chess/1\r\n\r\n');
  await raw.until((text) => text.endsWith('welcome '));
  assert.match(raw.received, /^HTTP\/1.1 101 [^]*X-A: b\r\n/);
  assert.match(raw.received, /Upgrade: chess\/1\r\n/);
  assert.match(request, /Connection: Upgrade\r\nUpgrade: chess\/1\r\n/);
  raw.send('e4');
  await raw.until((text) => text.endsWith('E4'));
  raw.socket.end();
  assert.ok((await raw.rest()).endsWith('E4 bye'));
});

test('a tunnel whose backend breaks is broken for the client', async (t) => {
  const backend = await rawBackend(t, (socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n');
      socket.once('data', () => socket.resetAndDestroy());
    });
  });
  const { port } = await serve(t, { routes: [{ backends: [{ to: backend }] }] });
  const raw = new RawClient(port);
  t.after(() => raw.close());
  raw.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
  await raw.until((text) => text.endsWith('\r\n\r\n'));
  raw.send('boom');
  await eventually(() => raw.closed || raw.ended, 'the end of the connection');
});

test('a tunnel holds back a side that reads slowly', async (t) => {
  const size = 200_000_000;
  let produced = 0;
  const piece = Buffer.alloc(65_536);
  const backend = await rawBackend(t, (socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n');
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
  const { port } = await serve(t, { routes: [{ backends: [{ to: backend }] }] });
  const raw = new RawClient(port);
  t.after(() => raw.close());
  raw.socket.pause();
  raw.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
  let before = -1;
  await eventually(async () => {
    await new Promise((resolve) => setTimeout(resolve, 150));
    const still = produced === before && produced > 0;
    before = produced;
    return still;
  }, 'the backend waits');
  assert.ok(produced < 40_000_000, String(produced));
});

test('Upgrade: h2c is ignored and not forwarded', async (t) => {
  const backend = await httpBackend(t, echo);
  const { port } = await serve(t, { routes: [{ backends: [{ to: backend }] }] });
  const raw = new RawClient(port);
  t.after(() => raw.close());
  raw.send(
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n',
  );
  const text = await raw.until((each) => each.endsWith('}'));
  assert.match(text, /^HTTP\/1.1 200 /);
  const { headers } = JSON.parse(text.slice(text.indexOf('\r\n\r\n'))) as Echoed;
  assert.equal(headers['upgrade'], undefined);
  assert.equal(headers['http2-settings'], undefined);
  assert.notEqual(headers['connection'], 'Upgrade');
});
