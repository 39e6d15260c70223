// The PROXY protocol towards backends of HTTP: the header comes first, before TLS too, and a connection serves one client only.
import assert from 'node:assert/strict';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { before, describe, it, type TestContext } from './engine-tests.ts';
import { onEnvoy } from './test-engine.ts';
import { readProxyHeader } from '../../src/engines/embedded/l4/proxy-protocol.ts';
import type { Cluster } from '../../src/routing/model.ts';
import { type Running, serve } from './engine-fixture.ts';
import { BUNDLE, get, trust } from './engine-tls-fixture.ts';
import { type Authority, authority } from './tls-certificates.ts';
import { eventually } from '../eventually.ts';

let ours: Authority;
before(async () => {
  ours = await authority('Ours');
});

interface Backend {
  readonly port: number;
  /** Where the headers say that connections came from. */
  readonly sources: { readonly address: string; readonly port: number }[];
  readonly open: Set<net.Socket>;
}

type Kind = 'http1' | 'h2c' | 'https' | 'h2';

/** Reads the header of each connection, and answers with the number of the connection, or with the body of a POST. */
async function backend(t: TestContext, kind: Kind): Promise<Backend> {
  const { certificate: cert, privateKey: key } = await ours.issue({ names: ['backend.example'] });
  const numbers = new Map<number, number>();
  const answer = (request: http.IncomingMessage, response: http.ServerResponse): void => {
    const number = String(numbers.get(request.socket.remotePort ?? 0));
    if (request.method === 'POST') request.pipe(response);
    else response.end(number);
  };
  const inner =
    kind === 'http1'
      ? http.createServer(answer)
      : kind === 'https'
        ? https.createServer({ cert, key }, answer)
        : kind === 'h2c'
          ? http2.createServer(answer as never)
          : http2.createSecureServer({ cert, key }, answer as never);
  const sources: Backend['sources'] = [];
  const open = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    open.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => open.delete(socket));
    socket.once('data', (octets: Buffer) => {
      const header = readProxyHeader(octets);
      assert.ok(header.state === 'complete');
      assert.ok(header.source !== undefined);
      sources.push(header.source);
      numbers.set(socket.remotePort ?? 0, sources.length);
      socket.pause();
      if (octets.length > header.size) socket.unshift(octets.subarray(header.size));
      inner.emit('connection', socket);
      // Those with TLS or frames read by themselves.
      if (kind === 'http1') socket.resume();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, sources, open };
}

async function front(t: TestContext, port: number, kind: Kind, version: 'v1' | 'v2'): Promise<Running> {
  const secure: Partial<Cluster> = kind === 'https' || kind === 'h2' ? { tls: trust() } : {};
  const protocol = kind === 'https' ? 'http1' : kind;
  return serve(t, {
    routes: [{ backends: [{ to: 'one' }] }],
    clusters: { one: [port] },
    special: { one: { ...secure, protocol, proxyProtocol: version } },
    trustBundles: [ours.bundle(BUNDLE)],
  });
}

/** Requests one after the other on one connection of a client. */
class Visitor {
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  readonly #port: number;
  localPort = 0;

  constructor(t: TestContext, port: number) {
    this.#port = port;
    t.after(() => this.leave());
  }

  ask(body = ''): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const method = body === '' ? 'GET' : 'POST';
      const request = http.request({ port: this.#port, host: '127.0.0.1', agent: this.#agent, method }, (response) => {
        this.localPort = response.socket.localPort ?? 0;
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('end', () => resolve(Buffer.concat(pieces)));
        response.on('error', reject);
      });
      request.on('error', reject);
      request.end(body);
    });
  }

  leave(): void {
    this.#agent.destroy();
  }
}

for (const kind of ['http1', 'https', 'h2c', 'h2'] as const) {
  for (const version of ['v1', 'v2'] as const) {
    describe(`PROXY ${version} and ${kind}`, () => {
      it('names the client, whose requests share a connection that nobody else gets', async (t) => {
        const behind = await backend(t, kind);
        const { port } = await front(t, behind.port, kind, version);
        const [first, second] = [new Visitor(t, port), new Visitor(t, port)];
        assert.equal(String(await first.ask()), '1');
        assert.equal(String(await second.ask()), '2');
        assert.equal(String(await first.ask()), '1');
        assert.equal(String(await second.ask()), '2');
        assert.deepEqual(
          behind.sources,
          [first, second].map((each) => ({ address: '127.0.0.1', port: each.localPort })),
        );
        // Its connections go with the client; an Envoy keeps them a while longer.
        if (onEnvoy) return;
        first.leave();
        await eventually(() => behind.open.size === 1, 'the connection of the first closed');
        assert.equal(String(await second.ask()), '2');
        second.leave();
        await eventually(() => behind.open.size === 0, 'all closed');
      });

      it('leaves large bodies as they are', async (t) => {
        const behind = await backend(t, kind);
        const { port } = await front(t, behind.port, kind, version);
        const visitor = new Visitor(t, port);
        const sent = 'abcdefghijklmnopqrstuvwxyz0123456789'.repeat(30_000);
        for (let i = 0; i < 2; i++) assert.equal(String(await visitor.ask(sent)), sent);
        assert.equal(behind.sources.length, 1);
      });
    });
  }
}

it('a backend that refuses the connection after the header is 503', async (t) => {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port: nobody } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  for (const kind of ['http1', 'https'] as const) {
    const { port } = await front(t, nobody, kind, 'v1');
    assert.equal((await get(port)).status, 503);
  }
});
