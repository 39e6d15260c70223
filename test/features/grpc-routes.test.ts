// GRPCRoute from objects to calls: methods, headers, modifiers, named rules, and what is answered when nothing matches.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from './engine-tests.ts';
import { Client, credentials, Metadata, status, type ServiceError } from '@grpc/grpc-js';
import type { KubeObject } from '../../src/api/objects.ts';
import { serveObjects, type Gateway } from './gateway-fixture.ts';

/** A gRPC server of every method: answers with its name and what it received, as headers. */
async function grpcBackend(t: TestContext, name: string): Promise<KubeObject[]> {
  const server = http2.createServer();
  server.on('stream', (stream: http2.ServerHttp2Stream, headers) => {
    stream.resume();
    stream.respond(
      {
        ':status': 200,
        'content-type': 'application/grpc',
        'x-backend': name,
        'x-received': String(headers['x-set'] ?? ''),
      },
      { waitForTrailers: true },
    );
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(Buffer.from([0, 0, 0, 0, 0]));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  return [
    { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { ports: [{ port: 80 }] } },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['127.0.0.1'] }],
      ports: [{ port }],
    },
  ];
}

interface Call {
  readonly path: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** The headers of the answer, or the code that the call failed with. */
function call(t: TestContext, gateway: Gateway, { path, metadata = {} }: Call): Promise<Metadata | number> {
  const client = new Client(`127.0.0.1:${gateway.port('default/gateway', 80)}`, credentials.createInsecure());
  t.after(() => client.close());
  const sent = new Metadata();
  for (const [name, value] of Object.entries(metadata)) sent.set(name, value);
  return new Promise((resolve) => {
    let answer = new Metadata();
    const request = client.makeUnaryRequest(
      path,
      () => Buffer.alloc(0),
      (bytes) => bytes,
      undefined,
      sent,
      { deadline: Date.now() + 5000 },
      (error: ServiceError | null) => resolve(error === null ? answer : error.code),
    );
    request.on('metadata', (received: Metadata) => (answer = received));
  });
}

async function backendOf(t: TestContext, gateway: Gateway, asked: Call): Promise<unknown> {
  const answer = await call(t, gateway, asked);
  return typeof answer === 'number' ? answer : answer.get('x-backend')[0];
}

const parent: KubeObject = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'Gateway',
  metadata: { name: 'gateway' },
  spec: { gatewayClassName: 'portolan', listeners: [{ name: 'http', port: 80, protocol: 'HTTP' }] },
};

function route(rules: readonly unknown[]): KubeObject {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'GRPCRoute',
    metadata: { name: 'route' },
    spec: { parentRefs: [{ name: 'gateway' }], rules },
  };
}

test('methods and headers choose the backend (GRPCRoute, GRPCRouteNamedRouteRule)', async (t) => {
  const to = (name: string): unknown[] => [{ name, port: 80 }];
  const rules = [
    { name: 'exact', matches: [{ method: { service: 'shop.Cart', method: 'Add' } }], backendRefs: to('one') },
    { name: 'service', matches: [{ method: { service: 'shop.Cart' } }], backendRefs: to('two') },
    {
      name: 'canary',
      matches: [{ method: { service: 'shop.Cart', method: 'Add' }, headers: [{ name: 'x-canary', value: '1' }] }],
      backendRefs: to('three'),
    },
    { name: 'broken', matches: [{ method: { service: 'shop.Broken' } }], backendRefs: to('missing') },
  ];
  const backends = await Promise.all(['one', 'two', 'three'].map((name) => grpcBackend(t, name)));
  const gateway = await serveObjects(t, [parent, route(rules), ...backends.flat()]);
  assert.equal(await backendOf(t, gateway, { path: '/shop.Cart/Add' }), 'one');
  assert.equal(await backendOf(t, gateway, { path: '/shop.Cart/Remove' }), 'two');
  assert.equal(await backendOf(t, gateway, { path: '/shop.Cart/Add', metadata: { 'x-canary': '1' } }), 'three');
  assert.equal(await backendOf(t, gateway, { path: '/shop.Other/Add' }), status.UNIMPLEMENTED);
  assert.equal(await backendOf(t, gateway, { path: '/shop.Broken/Add' }), status.UNAVAILABLE);
});

test('a modifier changes the request headers (GRPCRouteRequestHeaderModifier)', async (t) => {
  const filters = [
    { type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'x-set', value: 'by-gateway' }] } },
  ];
  const gateway = await serveObjects(t, [
    parent,
    route([{ filters, backendRefs: [{ name: 'one', port: 80 }] }]),
    ...(await grpcBackend(t, 'one')),
  ]);
  const answer = await call(t, gateway, { path: '/any.Service/Method', metadata: { 'x-set': 'by-client' } });
  assert.ok(answer instanceof Metadata);
  assert.deepEqual(answer.get('x-received'), ['by-gateway']);
});

test('weights share the calls out (GRPCRoute)', async (t) => {
  const backendRefs = [
    { name: 'one', port: 80, weight: 70 },
    { name: 'two', port: 80, weight: 30 },
    { name: 'three', port: 80, weight: 0 },
  ];
  const backends = await Promise.all(['one', 'two', 'three'].map((name) => grpcBackend(t, name)));
  const gateway = await serveObjects(t, [parent, route([{ backendRefs }]), ...backends.flat()]);
  const counts = new Map<unknown, number>();
  for (let n = 0; n < 200; n++) {
    const name = await backendOf(t, gateway, { path: '/a.B/C' });
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const one = counts.get('one') ?? 0;
  assert.ok(one > 110 && one < 170, `${one} of 200 at weight 70`);
  assert.equal(counts.get('three'), undefined);
});
