// Auth services behind TLS: asked only when they are who they should be.
import assert from 'node:assert/strict';
import { before, test, type TestContext } from './engine-tests.ts';
import { onEnvoy } from './test-engine.ts';
import type { ExternalAuth, Filter } from '../../src/routing/filters.ts';
import { echo, type Echoed, httpBackend, origin, type Running, serve } from './engine-fixture.ts';
import { BUNDLE, get, type SecureBackend, secureBackend, trust } from './engine-tls-fixture.ts';
import { type Authority, authority } from './tls-certificates.ts';

let ours: Authority;
let theirs: Authority;
before(async () => {
  [ours, theirs] = await Promise.all([authority('Ours'), authority('Theirs')]);
});

async function behind(
  t: TestContext,
  issuer: Authority,
  check: ExternalAuth['check'],
  h2 = false,
): Promise<{ running: Running; service: SecureBackend }> {
  const certificate = await issuer.issue({ names: ['backend.example'] });
  const service = await secureBackend(t, certificate, { h2 }, (request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      if (check.protocol === 'http') {
        response.writeHead(200, { 'x-user': 'alice' }).end();
        return;
      }
      // An empty CheckResponse: yes.
      const path = request.url === '/envoy.service.auth.v3.Authorization/Check';
      response.writeHead(200, { 'content-type': 'application/grpc' });
      response.write(Buffer.alloc(5));
      (response as unknown as { addTrailers(fields: object): void }).addTrailers({
        'grpc-status': path && pieces.length > 0 ? '0' : '12',
      });
      response.end();
    });
  });
  const backend = await httpBackend(t, echo);
  const filter: Filter = {
    kind: 'external-auth',
    origin,
    cluster: 'test/gateway|auth',
    check,
    headers: [],
    bodyLimit: 0,
  };
  const running = await serve(t, {
    clusters: { auth: [service.port] },
    protocols: { auth: h2 ? 'h2' : 'http1' },
    special: { auth: { tls: trust() } },
    trustBundles: [ours.bundle(BUNDLE)],
    routes: [{ backends: [{ to: backend }], filters: [filter] }],
  });
  return { running, service };
}

for (const h2 of [false, true]) {
  test(`over HTTP, ${h2 ? 'h2' : 'HTTP/1.1'}`, async (t) => {
    const { running } = await behind(t, ours, { protocol: 'http', path: '' }, h2);
    const { status, text } = await get(running.port);
    assert.equal(status, 200);
    assert.equal((JSON.parse(text) as Echoed).headers['x-user'], 'alice');
  });
}

test('over gRPC', async (t) => {
  const { running } = await behind(t, ours, { protocol: 'grpc' }, true);
  assert.equal((await get(running.port)).status, 200);
});

for (const protocol of ['http', 'grpc'] as const) {
  test(`a service that somebody else vouches for is told nothing, and nothing passes: ${protocol}`, async (t) => {
    const check = protocol === 'http' ? ({ protocol, path: '' } as const) : ({ protocol } as const);
    const { running, service } = await behind(t, theirs, check, protocol === 'grpc');
    const { status, text } = await get(running.port);
    assert.equal(status, onEnvoy ? 503 : 502);
    assert.match(text, onEnvoy ? /auth-unreachable/ : /auth-broken/);
    assert.equal(service.requests, 0);
  });
}
