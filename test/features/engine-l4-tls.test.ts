// Streams over TLS through the engine: who gets a connection by its name, what passes untouched, what is terminated, and what
// becomes of those who do not say clearly what they want.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { before, describe, it, type TestContext } from './engine-tests.ts';
import tls from 'node:tls';
import {
  dialIn,
  echoAs,
  type End,
  endOf,
  type Listener,
  serveStreams,
  type StreamWorld,
  tcpBackend,
} from './engine-l4-fixture.ts';
import { BUNDLE, trust } from './engine-tls-fixture.ts';
import { type Authority, authority } from './tls-certificates.ts';
import { eventually } from '../eventually.ts';

const sleep = (time: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, time));

let ours: Authority;
before(async () => {
  ours = await authority('Ours');
});

const refused = (reason: string): string => `portolan_requests_refused_total{reason="${reason}"}`;

/** A backend that speaks TLS itself and says its name before what it sends back. */
async function tlsBackend(t: TestContext, name: string, names: readonly string[]): Promise<number> {
  const { certificate: cert, privateKey: key } = await ours.issue({ names });
  const sockets = new Set<net.Socket>();
  const server = tls.createServer({ cert, key, allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    echoAs(name)(endOf(socket));
  });
  server.on('connection', (socket: net.Socket) => sockets.add(socket));
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

function shake(t: TestContext, port: number, servername: string, more: tls.ConnectionOptions = {}): End {
  // The types of tls.connect leave out what it hands on to net.connect.
  const options: tls.ConnectionOptions & net.SocketConstructorOpts = {
    host: '127.0.0.1',
    port,
    ...(servername === '' ? {} : { servername }),
    ca: ours.certificate,
    allowHalfOpen: true,
    ...more,
  };
  const end = endOf(tls.connect(options));
  t.after(() => end.socket.destroy());
  return end;
}

async function ask(end: End, text: string): Promise<string> {
  end.socket.write(text);
  await eventually(() => end.received.endsWith(text) || end.closed, `the echo of ${text}`);
  return end.broke === '' ? end.received : end.broke;
}

/** What a client of that name sends first. */
async function helloOf(servername: string): Promise<Buffer> {
  const server = net.createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = tls.connect({ port, host: '127.0.0.1', servername });
  client.on('error', () => {});
  const [socket] = (await once(server, 'connection')) as [net.Socket];
  const [octets] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return octets;
}

function pass(name: string, hostname: string, routes: Listener['routes']): Listener {
  return { name, protocol: 'TLS', hostname, tls: { mode: 'passthrough' }, ...(routes === undefined ? {} : { routes }) };
}

describe('TLS that passes through', () => {
  it('goes to the most specific listener, and within it to the most specific route', async (t) => {
    const names = ['a.example.com', 'b.example.com', 'x.y.example.com', 'else.test'];
    const clusters = Object.fromEntries(
      await Promise.all(
        ['exact', 'wild', 'any', 'deep'].map(async (name) => [name, [await tlsBackend(t, name, names)]] as const),
      ),
    );
    const { port } = await serveStreams(t, {
      clusters,
      listeners: [
        pass('exact', 'a.example.com', { 'a.example.com': [{ to: 'exact' }] }),
        pass('wild', '*.example.com', { '*.example.com': [{ to: 'wild' }], '*.y.example.com': [{ to: 'deep' }] }),
        pass('any', '', { '': [{ to: 'any' }] }),
      ],
    });
    assert.equal(await ask(shake(t, port, 'a.example.com'), '1'), 'exact:1');
    assert.equal(await ask(shake(t, port, 'A.EXAMPLE.com'), '2'), 'exact:2');
    assert.equal(await ask(shake(t, port, 'b.example.com'), '3'), 'wild:3');
    assert.equal(await ask(shake(t, port, 'x.y.example.com'), '4'), 'deep:4');
    assert.equal(await ask(shake(t, port, 'else.test'), '5'), 'any:5');
    const checkServerIdentity = (): undefined => undefined;
    assert.equal(await ask(shake(t, port, '', { checkServerIdentity }), '6'), 'any:6');
  });

  it('is reset where no listener has the name, or the listener has no route for it', async (t) => {
    const behind = await tlsBackend(t, 'in', ['in.example.com']);
    const gateway = await serveStreams(t, {
      clusters: { in: [behind] },
      listeners: [
        pass('in', 'in.example.com', { 'in.example.com': [{ to: 'in' }] }),
        // Isolation: a host of this listener does not fall through to another.
        pass('empty', '*.example.com', { 'other.example.com': [{ to: 'in' }] }),
      ],
    });
    for (const name of ['foreign.test', 'none.example.com', '']) {
      const client = shake(t, gateway.port, name);
      await eventually(() => client.closed, name);
      assert.equal(client.broke, 'ECONNRESET', name);
    }
    await gateway.counts(refused('tls-name'), 3);
    assert.equal(await ask(shake(t, gateway.port, 'in.example.com'), 'x'), 'in:x');
  });

  it('is what the client sent, octet for octet, however it was cut, and nothing of ours', async (t) => {
    const behind = await tcpBackend(t);
    const gateway = await serveStreams(t, {
      clusters: { raw: [behind.port] },
      listeners: [pass('raw', '', { '': [{ to: 'raw' }] })],
      // Not for streams that are TLS already.
      special: { raw: { tls: trust() } },
    });
    const hello = await helloOf('a.example.com');
    const cuts = [1, 2, 5, 6, 9, 43, 44, 100, hello.length - 1];
    for (const cut of cuts) {
      const client = dialIn(t, gateway.port);
      client.socket.write(hello.subarray(0, cut));
      await sleep(15);
      client.socket.write(hello.subarray(cut));
      client.socket.end('and more');
      const at = cuts.indexOf(cut);
      await eventually(() => behind.ends[at]?.ended === true, `everything after a cut at ${cut}`);
      assert.equal(behind.ends[at]?.received, `${hello.toString('latin1')}and more`, `cut at ${cut}`);
      behind.ends[at]?.socket.end('bye');
      await eventually(() => client.closed, 'the end');
      assert.equal(client.received, 'bye');
    }
  });

  it('octet by octet is TLS still', async (t) => {
    const behind = await tcpBackend(t);
    const gateway = await serveStreams(t, {
      clusters: { raw: [behind.port] },
      listeners: [pass('raw', 'a.example.com', { 'a.example.com': [{ to: 'raw' }] })],
    });
    const hello = await helloOf('a.example.com');
    const client = dialIn(t, gateway.port);
    for (const octet of hello) client.socket.write(Buffer.from([octet]));
    await eventually(() => behind.ends[0]?.received === hello.toString('latin1'), 'all of it');
  });
});

describe('what is no ClientHello', () => {
  it('ends the connection, and is counted', async (t) => {
    const behind = await tcpBackend(t);
    const gateway = await serveStreams(t, {
      clusters: { raw: [behind.port] },
      listeners: [pass('raw', '', { '': [{ to: 'raw' }] })],
    });
    const hello = await helloOf('a.example.com');
    const twice = hello.subarray();
    const wrongs = [
      Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'),
      Buffer.from('PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n'),
      Buffer.from('16030100000000', 'hex'),
      Buffer.from('160301ffff01', 'hex'),
      Buffer.concat([Buffer.from([21]), twice.subarray(1)]),
      Buffer.alloc(40_000, 22),
    ];
    for (const wrong of wrongs) {
      const client = dialIn(t, gateway.port);
      client.socket.write(wrong);
      await eventually(() => client.ended || client.closed, wrong.toString('latin1', 0, 12));
      client.socket.destroy();
    }
    await gateway.counts(refused('tls-hello'), wrongs.length);
    assert.equal(behind.ends.length, 0);
  });

  it('in time is counted as late; one that leaves costs nothing', async (t) => {
    const behind = await tcpBackend(t);
    const gateway = await serveStreams(
      t,
      { clusters: { raw: [behind.port] }, listeners: [pass('raw', '', { '': [{ to: 'raw' }] })] },
      { limits: { headTimeout: 1200 } },
    );
    const hello = await helloOf('a.example.com');
    const [silent, half, gone] = [dialIn(t, gateway.port), dialIn(t, gateway.port), dialIn(t, gateway.port)];
    half.socket.write(hello.subarray(0, 50));
    gone.socket.write(hello.subarray(0, 50));
    // Trickling does not win time.
    const trickle = setInterval(() => half.socket.write(Buffer.alloc(0)), 100);
    t.after(() => clearInterval(trickle));
    await sleep(50);
    gone.socket.end();
    await eventually(() => gone.ended || gone.closed, 'the one that left');
    await eventually(() => (silent.ended || silent.closed) && (half.ended || half.closed), 'the others');
    await gateway.counts(refused('tls-hello-timeout'), 2);
    assert.equal(behind.ends.length, 0);
  });
});

describe('TLS that is terminated', () => {
  it('gives the backend what is inside, half by half, without a protocol of ours', async (t) => {
    const behind = await tcpBackend(t, echoAs('plain'));
    const certificate = await ours.issue({ key: 'test/cert', names: ['t.example.com'] });
    const { port } = await serveStreams(t, {
      clusters: { plain: [behind.port] },
      certificates: [certificate],
      listeners: [terminated('t', 't.example.com', 'plain')],
    });
    const client = shake(t, port, 't.example.com', { ALPNProtocols: ['h2', 'mqtt'] });
    assert.equal(await ask(client, 'one'), 'plain:one');
    assert.equal((client.socket as tls.TLSSocket).alpnProtocol, false);
    client.socket.end('two');
    await eventually(() => client.closed, 'the end');
    assert.equal(client.received, 'plain:oneplain:two');
    assert.equal(client.broke, '');
    // A backend that says everything first.
    const [backend] = behind.ends;
    assert.ok(backend?.ended);
  });

  it('carries megabytes each way, and holds back who is faster', async (t) => {
    const behind = await tcpBackend(t, ({ socket }) => socket.pipe(socket));
    const certificate = await ours.issue({ key: 'test/cert', names: ['t.example.com'] });
    const { port } = await serveStreams(t, {
      clusters: { plain: [behind.port] },
      certificates: [certificate],
      listeners: [terminated('t', 't.example.com', 'plain')],
    });
    const client = shake(t, port, 't.example.com');
    const text = 'abcdefghijklmnopqrstuvwxyz012345'.repeat(131_072);
    client.socket.end(text);
    await eventually(() => client.ended, 'the end');
    assert.ok(client.received === text, `${client.received.length} octets`);
  });

  it('may be wrapped once more for the backend, with a PROXY header before it', async (t) => {
    const certificate = await ours.issue({ key: 'test/cert', names: ['t.example.com'] });
    const behind = await tlsBackend(t, 'inner', ['backend.example']);
    const stranger = await authority('Strangers');
    const world: StreamWorld = {
      clusters: { inner: [behind] },
      special: { inner: { tls: trust() } },
      trustBundles: [ours.bundle(BUNDLE)],
      certificates: [certificate],
      listeners: [terminated('t', 't.example.com', 'inner')],
    };
    const gateway = await serveStreams(t, world);
    assert.equal(await ask(shake(t, gateway.port, 't.example.com'), 'x'), 'inner:x');
    // Fails closed.
    await gateway.change({ trustBundles: [stranger.bundle(BUNDLE)] });
    const client = shake(t, gateway.port, 't.example.com');
    client.socket.write('secret');
    await eventually(() => client.closed || client.ended, 'the end');
    assert.equal(client.received, '');
    await gateway.counts('portolan_upstream_failures_total{reason="tls"}', 1);
  });

  it('asks clients for certificates where the listener wants them', async (t) => {
    const behind = await tcpBackend(t, echoAs('plain'));
    const certificate = await ours.issue({ key: 'test/cert', names: ['t.example.com'] });
    const own = await ours.issue({ names: ['client'] });
    const gateway = await serveStreams(t, {
      clusters: { plain: [behind.port] },
      certificates: [certificate],
      trustBundles: [ours.bundle(BUNDLE)],
      listeners: [
        {
          ...terminated('t', 't.example.com', 'plain'),
          tls: {
            mode: 'terminate',
            certificates: ['test/cert'],
            clients: { mode: 'require', authorities: [BUNDLE] },
          },
        },
      ],
    });
    const with_ = { cert: own.certificate, key: own.privateKey };
    assert.equal(await ask(shake(t, gateway.port, 't.example.com', with_), 'x'), 'plain:x');
    const without = shake(t, gateway.port, 't.example.com');
    without.socket.write('x');
    await eventually(() => without.closed || without.ended, 'the refusal');
    assert.equal(without.received, '');
    assert.equal(behind.ends.length, 1);
  });
});

function terminated(name: string, hostname: string, to: string): Listener {
  return {
    name,
    protocol: 'TLS',
    hostname,
    tls: { mode: 'terminate', certificates: ['test/cert'] },
    routes: { [hostname]: [{ to }] },
  };
}

describe('one port for all of them, two workers', () => {
  it('passes, terminates and serves HTTPS by name, on every connection, while the configuration changes', async (t) => {
    const names = ['pass.example.com', 'open.example.com', 'web.example.com'];
    const passing = await tlsBackend(t, 'pass', names);
    const plain = await tcpBackend(t, echoAs('open'));
    const web = await tcpBackend(t, ({ socket }) => {
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nweb'));
    });
    const listeners: StreamWorld['listeners'] = [
      pass('pass', 'pass.example.com', { 'pass.example.com': [{ to: 'pass' }] }),
      terminated('open', 'open.example.com', 'open'),
      {
        name: 'web',
        protocol: 'HTTPS',
        hostname: 'web.example.com',
        tls: { mode: 'terminate', certificates: ['test/cert'] },
        routes: { 'web.example.com': [{ to: 'web' }] },
      },
    ];
    const gateway = await serveStreams(
      t,
      {
        listeners,
        clusters: { pass: [passing], open: [plain.port], web: [web.port] },
        special: { web: { protocol: 'http1' } },
        certificates: [await ours.issue({ key: 'test/cert', names })],
      },
      { workers: 2 },
    );
    const state = { going: true };
    const churn = (async (): Promise<number> => {
      let changes = 0;
      for (; state.going; changes++) {
        await gateway.change({ clusters: { pass: [passing], open: [plain.port], web: [web.port] } });
        await sleep(20);
      }
      return changes;
    })();
    const one = async (i: number): Promise<string> => {
      await sleep(i * 10);
      const kind = ['pass', 'open', 'web'][i % 3] as string;
      const client = shake(t, gateway.port, `${kind}.example.com`);
      if (kind === 'web') {
        client.socket.write('GET / HTTP/1.1\r\nHost: web.example.com\r\n\r\n');
        await eventually(() => client.received.endsWith('web') || client.closed, 'a response');
        return client.received.startsWith('HTTP/1.1 200') ? '' : `${kind}: ${client.received} ${client.broke}`;
      }
      const said = await ask(client, `${i}`);
      return said === `${kind}:${i}` ? '' : `${kind}: ${said}`;
    };
    const failed = (await Promise.all(Array.from({ length: 60 }, (_, i) => one(i)))).filter((each) => each !== '');
    state.going = false;
    assert.ok((await churn) > 5);
    assert.deepEqual(failed, []);
  });
});
