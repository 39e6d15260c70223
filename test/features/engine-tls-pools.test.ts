// Connections over TLS to backends: what is spoken on them, who shares them, what is resumed, our certificate, and what a change
// of certificates, authorities or clusters does to them while requests run.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { assertCounted, before, describe, it, type TestContext } from './engine-tests.ts';
import { onEnvoy } from './test-engine.ts';
import type { TLSSocket } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import grpc from '@grpc/grpc-js';
import { WebSocket, WebSocketServer } from 'ws';
import type { EngineOptions } from '../../src/engines/embedded/options.ts';
import type { Cluster } from '../../src/routing/model.ts';
import { origin, type Running, serve, type World } from './engine-fixture.ts';
import {
  BUNDLE,
  bundleUpdate,
  CLIENT,
  clusterUpdate,
  get,
  relayTo,
  type SecureBackend,
  secureBackend,
  trust,
} from './engine-tls-fixture.ts';
import { type Authority, authority } from './tls-certificates.ts';
import { eventually } from '../eventually.ts';

let ours: Authority;
let theirs: Authority;
before(async () => {
  [ours, theirs] = await Promise.all([authority('Ours'), authority('Theirs')]);
});

/** One route to one backend. */
function front(
  t: TestContext,
  backend: { readonly port: number },
  cluster: Partial<Cluster> = {},
  more: Partial<World> & EngineOptions = {},
): Promise<Running> {
  const { limits, accessLog, ...world } = more;
  return serve(
    t,
    {
      routes: [{ backends: [{ to: 'secure' }] }],
      clusters: { secure: [backend.port] },
      special: { secure: { tls: trust(), ...cluster } },
      trustBundles: [ours.bundle(BUNDLE)],
      ...world,
    },
    { ...(limits === undefined ? {} : { limits }), ...(accessLog === undefined ? {} : { accessLog }) },
  );
}

/** A backend of ours that says which connection a request came on, and ends it when asked to. */
async function numbered(
  t: TestContext,
  options: Parameters<typeof secureBackend>[2] = {},
): Promise<SecureBackend & { readonly reused: () => boolean[] }> {
  const numbers = new WeakMap<object, number>();
  const reused: boolean[] = [];
  const backend = await secureBackend(
    t,
    await ours.issue({ names: ['backend.example'] }),
    options,
    (request, response) => {
      if (request.url === '/close') response.setHeader('connection', 'close');
      const wait = request.url === '/slow' ? 600 : 0;
      setTimeout(() => response.end(String(numbers.get(request.socket))), wait);
    },
  );
  backend.server.on('secureConnection', (socket: TLSSocket) => {
    numbers.set(socket, backend.connections.length);
    reused.push(socket.isSessionReused());
  });
  return Object.assign(backend, { reused: () => reused });
}

describe('what is spoken', () => {
  it('WebSocket', async (t) => {
    const backend = await secureBackend(t, await ours.issue({ names: ['backend.example'] }));
    const sockets = new WebSocketServer({ server: backend.server as never });
    sockets.on('connection', (socket) => socket.on('message', (data, binary) => socket.send(data, { binary })));
    const { port } = await front(t, backend);
    const client = new WebSocket(`ws://127.0.0.1:${port}/chat`);
    t.after(() => client.terminate());
    await once(client, 'open');
    for (const size of [1, 70_000, 1_000_000]) {
      client.send('x'.repeat(size));
      const [message] = (await once(client, 'message')) as [Buffer];
      assert.equal(message.length, size);
    }
    client.close(1000);
    await once(client, 'close');
  });

  it('large bodies both ways, octet for octet', async (t) => {
    const backend = await secureBackend(
      t,
      await ours.issue({ names: ['backend.example'] }),
      {},
      (request, response) => void request.pipe(response),
    );
    const { url } = await front(t, backend);
    const sent = Buffer.alloc(3_000_000, 'abcdefghijklmnopqrstuvwxyz0123456789');
    const answer = await fetch(url, { method: 'POST', body: sent });
    assert.ok(Buffer.from(await answer.arrayBuffer()).equals(sent));
  });

  it('gRPC', async (t) => {
    const { certificate, privateKey } = await ours.issue({ names: ['backend.example'] });
    const server = new grpc.Server();
    const call = {
      path: '/test.Echo/Unary',
      requestStream: false,
      responseStream: false,
      requestSerialize: same,
      requestDeserialize: same,
      responseSerialize: same,
      responseDeserialize: same,
    } as const;
    server.addService(
      { unary: call },
      {
        unary: (asked: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => {
          const trailing = new grpc.Metadata();
          trailing.set('x-trailing', 'end');
          done(null, Buffer.concat([Buffer.from('re: '), asked.request]), trailing);
        },
      },
    );
    const credentials = grpc.ServerCredentials.createSsl(null, [
      { cert_chain: Buffer.from(certificate), private_key: Buffer.from(privateKey) },
    ]);
    const backend = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', credentials, (error, port) => (error === null ? resolve(port) : reject(error)));
    });
    t.after(() => server.forceShutdown());
    const { port } = await front(t, { port: backend }, { protocol: 'h2' });
    const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
    t.after(() => client.close());
    for (let i = 0; i < 3; i++) {
      const answer = await new Promise<Buffer | undefined>((resolve, reject) => {
        client.makeUnaryRequest(call.path, same, same, Buffer.from(`call ${i}`), (error, value) =>
          error === null ? resolve(value) : reject(error),
        );
      });
      assert.equal(String(answer), `re: call ${i}`);
    }
  });

  it('mirrors, and nothing to a mirror that is not believed', async (t) => {
    const [good, bad] = await Promise.all([
      secureBackend(t, await ours.issue({ names: ['backend.example'] })),
      secureBackend(t, await theirs.issue({ names: ['backend.example'] })),
    ]);
    const main = await secureBackend(t, await ours.issue({ names: ['backend.example'] }));
    const mirror = (name: string): object => ({
      kind: 'mirror',
      cluster: `test/gateway|${name}`,
      numerator: 1,
      denominator: 1,
      origin,
    });
    const { port, engine } = await serve(t, {
      routes: [{ backends: [{ to: 'main' }], filters: [mirror('good'), mirror('bad')] as never }],
      clusters: { main: [main.port], good: [good.port], bad: [bad.port] },
      special: { main: { tls: trust() }, good: { tls: trust() }, bad: { tls: trust() } },
      trustBundles: [ours.bundle(BUNDLE)],
    });
    assert.equal((await get(port)).status, 200);
    await eventually(() => good.requests === 1, 'the mirrored request');
    await eventually(() => bad.tcp === 1, 'the attempt at the other mirror');
    await assertCounted(engine, /portolan_mirrors_sent_total 2\n|portolan_mirror/);
    await sleep(50);
    assert.equal(bad.requests, 0);
  });
});

describe('who shares a connection', () => {
  it('clusters with the same settings do, with others do not', async (t) => {
    const backend = await numbered(t);
    const cluster = (changes: object = {}): Partial<Cluster> => ({ endpoints: 'test/a', tls: trust(changes) });
    const { port } = await serve(t, {
      routes: ['a', 'b', 'c', 'd', 'e'].map((name) => ({ path: `/${name}`, backends: [{ to: name }] })),
      clusters: { a: [backend.port], b: [], c: [], d: [], e: [] },
      special: {
        a: cluster(),
        b: cluster(),
        c: cluster({ serverName: 'other.example' }),
        d: cluster({ certificate: CLIENT }),
        e: cluster({ authorities: [BUNDLE, 'ConfigMap/test/other'] }),
      },
      certificates: [await ours.issue({ key: CLIENT })],
      trustBundles: [ours.bundle(BUNDLE)],
    });
    const seen: string[] = [];
    for (const path of ['/a', '/b', '/c', '/d', '/e', '/a', '/d', '/c']) seen.push((await get(port, path)).text);
    assert.deepEqual(seen, ['1', '1', '2', '3', '4', '1', '3', '2']);
  });
});

describe('sessions', () => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    it(`are resumed (${maxVersion}), but not with other settings, and not when the authorities changed`, async (t) => {
      const backend = await numbered(t, { maxVersion });
      const { port, engine } = await front(t, backend);
      for (let i = 0; i < 3; i++) assert.equal((await get(port, '/close')).status, 200);
      assert.deepEqual(backend.reused(), [false, true, true]);
      await engine.apply(clusterUpdate('secure', { tls: trust({ authorities: [BUNDLE, BUNDLE] }) }, 2));
      assert.equal((await get(port, '/close')).status, 200);
      assert.equal(backend.reused()[3], false);
      await engine.apply({
        version: 3,
        trustBundles: { set: [{ key: BUNDLE, certificates: theirs.certificate }], delete: [] },
      });
      assert.equal((await get(port, '/close')).status, 502);
      await engine.apply(bundleUpdate(ours, 4));
      assert.equal((await get(port, '/close')).status, 200);
      assert.equal(backend.reused().at(-1), false);
    });
  }
});

describe('our certificate', () => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    it(`is shown to a backend that asks for one (${maxVersion})`, async (t) => {
      const options = { maxVersion, requestCert: true, rejectUnauthorized: true, ca: ours.certificate };
      const backend = await secureBackend(t, await ours.issue({ names: ['backend.example'] }), options);
      const { port } = await front(
        t,
        backend,
        { tls: trust({ certificate: CLIENT }) },
        { certificates: [await ours.issue({ key: CLIENT, names: ['gateway.example'] })] },
      );
      assert.equal((await get(port)).status, 200);
      assert.equal(backend.connections[0]?.getPeerCertificate().subject.CN, 'gateway.example');
    });

    it(`is missed by a backend that insists: 502, of TLS (${maxVersion})`, async (t) => {
      const options = { maxVersion, requestCert: true, rejectUnauthorized: true, ca: ours.certificate };
      const backend = await secureBackend(t, await ours.issue({ names: ['backend.example'] }), options);
      const { port, engine } = await front(t, backend);
      const { status, text } = await get(port);
      assert.equal(status, 502);
      assert.match(text, /backend-tls/);
      await assertCounted(engine, /"tls"[^}]*\} 1/);
    });

    it(`is missed by a backend of HTTP/2 (${maxVersion})`, async (t) => {
      const options = { maxVersion, requestCert: true, rejectUnauthorized: true, ca: ours.certificate, h2: true };
      const backend = await secureBackend(t, await ours.issue({ names: ['backend.example'] }), options);
      const { port } = await front(t, backend, { protocol: 'h2' });
      for (let i = 0; i < 3; i++) {
        const { status, text } = await get(port);
        assert.equal(status, 502);
        assert.match(text, /backend-tls/);
      }
      assert.equal(backend.tcp, 3);
    });
  }
});

/** Requests one after the other on several connections until told to stop; returns how many there were. */
function load(port: number): { readonly stop: () => Promise<{ readonly done: number; readonly failed: string[] }> } {
  const until = new AbortController();
  let done = 0;
  const failed: string[] = [];
  const one = async (): Promise<void> => {
    while (!until.signal.aborted) {
      try {
        const { status, text } = await get(port, Math.random() < 0.3 ? '/close' : '/');
        done++;
        if (status !== 200) failed.push(`${status} ${text}`);
      } catch (error) {
        failed.push(String(error));
      }
    }
  };
  const all = Promise.all([one(), one(), one(), one()]);
  return {
    stop: async () => {
      until.abort();
      await all;
      return { done, failed };
    },
  };
}

describe('changes while requests run', () => {
  for (const h2 of [false, true]) {
    it(`authorities are exchanged: 0 failed (${h2 ? 'h2' : 'http1'})`, async (t) => {
      const backend = h2
        ? await secureBackend(t, await ours.issue({ names: ['backend.example'] }), { h2 })
        : await numbered(t);
      const { port, engine } = await front(t, backend, h2 ? { protocol: 'h2' } : {});
      const running = load(port);
      await sleep(150);
      const both = { key: BUNDLE, certificates: ours.certificate + theirs.certificate };
      await engine.apply({ version: 2, trustBundles: { set: [both], delete: [] } });
      await sleep(100);
      const next = await theirs.issue({ names: ['backend.example'] });
      backend.server.setSecureContext({ cert: next.certificate, key: next.privateKey });
      await sleep(100);
      const before = backend.connections.length;
      await engine.apply(bundleUpdate(theirs, 3));
      await sleep(200);
      if (!onEnvoy) await eventually(() => backend.connections.length > before, 'a connection by what is trusted now');
      const { done, failed } = await running.stop();
      assert.deepEqual(failed, []);
      assert.ok(done > 5, String(done));
      // An Envoy goes on with the connections that it has.
      if (onEnvoy) return;
      // Those that were verified by what is trusted no more are gone.
      const old = backend.connections.slice(0, before);
      await eventually(() => old.every((socket) => socket.destroyed), 'old ones closed');
    });
  }

  it('our certificate is exchanged: 0 failed, and new connections show the new one', async (t) => {
    const options = { requestCert: true, rejectUnauthorized: true, ca: [ours.certificate, theirs.certificate] };
    const backend = await numbered(t, options);
    const shown: unknown[] = [];
    backend.server.on('secureConnection', (socket: TLSSocket) => shown.push(socket.getPeerCertificate().subject.CN));
    const { port, engine } = await front(
      t,
      backend,
      { tls: trust({ certificate: CLIENT }) },
      { certificates: [await ours.issue({ key: CLIENT, names: ['first.example'] })] },
    );
    const running = load(port);
    await eventually(() => shown.length > 0, 'a connection with the first');
    const next = await theirs.issue({ key: CLIENT, names: ['second.example'] });
    await engine.apply({ version: 2, certificates: { set: [next], delete: [] } });
    const from = shown.length;
    await eventually(() => shown.length > from + 8, 'connections after the change');
    const { failed } = await running.stop();
    assert.deepEqual(failed, []);
    assert.equal(shown[0], 'first.example');
    // What was being opened in that moment may show the old one.
    assert.deepEqual([...new Set(shown.slice(from + 4))], ['second.example']);
  });

  it('a session of a handshake that began before does not bring back our old certificate', async (t) => {
    const backend = await numbered(t, { requestCert: true, ca: [ours.certificate, theirs.certificate] });
    const shown: unknown[] = [];
    backend.server.on('secureConnection', (socket: TLSSocket) => shown.push(socket.getPeerCertificate().subject?.CN));
    const relay = await relayTo(t, backend.port);
    const certificates = [await ours.issue({ key: CLIENT, names: ['first.example'] })];
    const { port, engine } = await front(t, relay, { tls: trust({ certificate: CLIENT }) }, { certificates });
    const early = get(port, '/close');
    await eventually(() => relay.holds(), 'a handshake');
    const next = await theirs.issue({ key: CLIENT, names: ['second.example'] });
    await engine.apply({ version: 2, certificates: { set: [next], delete: [] } });
    relay.release();
    await early;
    for (let i = 0; i < 3; i++) assert.equal((await get(port, '/close')).status, 200);
    assert.deepEqual(shown.slice(-3), ['second.example', 'second.example', 'second.example']);
  });

  it('an idle connection closes with its settings, one in use after its request', async (t) => {
    const backend = await numbered(t);
    const { port, engine } = await front(t, backend);
    const [slow, quick] = [get(port, '/slow'), get(port)];
    await quick;
    await engine.apply(clusterUpdate('secure', { tls: trust({ serverName: 'other.example' }) }, 2));
    const [first, second] = backend.connections;
    await eventually(() => first?.destroyed === true || second?.destroyed === true, 'the idle one closed');
    assert.equal(backend.connections.filter((socket) => socket.destroyed).length, 1);
    assert.equal((await slow).status, 200);
    await eventually(() => backend.connections.every((socket) => socket.destroyed), 'the other one closed');
    assert.equal((await get(port)).text, '3');
  });

  it('a bundle that goes away takes its connections along; one that changes nothing does not', async (t) => {
    const backend = await numbered(t);
    const { port, engine } = await front(t, backend);
    assert.equal((await get(port)).text, '1');
    await engine.apply(bundleUpdate(ours, 2));
    assert.equal((await get(port)).text, '1');
    await engine.apply({ version: 3, trustBundles: { set: [], delete: [BUNDLE] } });
    assert.equal((await get(port)).status, 502);
    await eventually(() => backend.connections[0]?.destroyed === true, 'the idle one closed');
    assert.equal(backend.requests, 2);
    await engine.apply(bundleUpdate(ours, 4));
    assert.equal((await get(port)).text, '2');
  });

  it('a cluster that ceases to be closes what it had', async (t) => {
    const backend = await numbered(t);
    const { port, engine } = await front(t, backend);
    assert.equal((await get(port)).status, 200);
    await engine.apply({ version: 2, clusters: { set: [], delete: ['test/gateway|secure'] } });
    await eventually(() => backend.connections[0]?.destroyed === true, 'the idle one closed');
  });
});

function same(octets: Buffer): Buffer {
  return octets;
}
