// The state of the world as others read it: the client of @grpc/grpc-js-xds, which finds the backends of its calls by the four types of
// resources that a service of gRPC without a proxy needs.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { codec } from '../../src/engines/envoy/encode.ts';
import { messageOf, type ResourceType, types } from '../../src/engines/envoy/names.ts';
import { any, extension, type Message, overAds } from '../../src/engines/envoy/tree.ts';
import { DeltaServer } from '../../src/engines/stream/delta-server.ts';
import { listen } from '../../src/engines/stream/listen.ts';
import type { Refusal, ResourceChanges } from '../../src/engines/stream/resource.ts';
import { eventually } from '../eventually.ts';
import { freePort } from '../free-port.ts';

const gateway = 'ns/web';
const manager = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const path = '/test.Echo/Say';

let versions = 0;

function set(type: ResourceType, name: string, tree: Message): ResourceChanges {
  const bytes = codec.encode(messageOf(type), tree);
  return { typeUrl: type, set: [{ name, version: String(++versions), bytes }], remove: [] };
}

function entry(name: string): ResourceChanges {
  return set(types.listener, name, {
    name,
    api_listener: {
      api_listener: any(manager, {
        rds: { config_source: overAds, route_config_name: 'routes' },
        http_filters: [extension('router', 'envoy.extensions.filters.http.router.v3.Router')],
      }),
    },
  });
}

function routes(cluster: string): ResourceChanges {
  return set(types.routes, 'routes', {
    name: 'routes',
    virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '' }, route: { cluster } }] }],
  });
}

function cluster(name: string, type = 'EDS'): ResourceChanges {
  return set(types.cluster, name, {
    name,
    type,
    eds_cluster_config: { eds_config: overAds },
    lb_policy: 'ROUND_ROBIN',
  });
}

function endpoints(name: string, port: number): ResourceChanges {
  return set(types.endpoints, name, {
    cluster_name: name,
    endpoints: [
      {
        locality: { region: 'r', zone: 'z' },
        load_balancing_weight: 1,
        lb_endpoints: [{ endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } } }],
      },
    ],
  });
}

/** A service that answers with its name. Returns its port. */
async function backend(t: TestContext, name: string): Promise<number> {
  const server = new grpc.Server();
  const plain = (value: Buffer): Buffer => value;
  const method = {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: plain,
    responseSerialize: plain,
  };
  server.addService(
    { Say: { ...method, requestDeserialize: plain, responseDeserialize: plain } },
    { Say: (_: unknown, answer: grpc.sendUnaryData<Buffer>) => answer(null, Buffer.from(name)) },
  );
  const port = await freePort();
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    );
  });
  t.after(() => server.forceShutdown());
  return port;
}

/** A server of discovery that lets anybody in, and calls through `xds:` that are programmed by it. */
async function programmed(t: TestContext): Promise<{
  readonly delta: DeltaServer;
  readonly refusals: readonly Refusal[];
  /** What the backend of the service says; undefined: the call failed. */
  readonly say: (service: string) => Promise<string | undefined>;
}> {
  const refusals: Refusal[] = [];
  const delta = new DeltaServer({
    order: [types.cluster, types.endpoints, types.listener, types.routes],
    essential: [types.cluster],
    onNack: (_, refusal) => refusals.push(refusal),
  });
  const listener = await listen(delta, {
    address: `127.0.0.1:${await freePort()}`,
    trust: { identity: { kind: 'gateway', gateway } },
    wholeTypes: [types.cluster, types.listener],
  });
  t.after(() => listener.close());
  // It is read once in a process.
  process.env['GRPC_XDS_BOOTSTRAP_CONFIG'] = JSON.stringify({
    xds_servers: [{ server_uri: `127.0.0.1:${listener.port}`, channel_creds: [{ type: 'insecure' }] }],
    node: { id: 'grpc', locality: {} },
  });
  const { register } = await import('@grpc/grpc-js-xds');
  register();
  const clients = new Map<string, grpc.Client>();
  t.after(() => {
    for (const client of clients.values()) client.close();
  });
  const plain = (value: Buffer): Buffer => value;
  const say = (service: string): Promise<string | undefined> => {
    const client = clients.get(service) ?? new grpc.Client(`xds:///${service}`, grpc.credentials.createInsecure());
    clients.set(service, client);
    return new Promise((resolve) => {
      const options = { deadline: Date.now() + 10_000 };
      client.makeUnaryRequest(path, plain, plain, Buffer.alloc(0), new grpc.Metadata(), options, (error, value) =>
        resolve(error === null ? String(value) : undefined),
      );
    });
  };
  return { delta, refusals, say };
}

test('calls of gRPC are led by it: to what there is, elsewhere when that changes, and nowhere when it is gone', async (t) => {
  const { delta, refusals, say } = await programmed(t);
  const [one, two] = [await backend(t, 'one'), await backend(t, 'two')];
  void delta.publish(gateway, [
    cluster('first'),
    cluster('second'),
    endpoints('first', one),
    endpoints('second', two),
    entry('echo'),
    entry('other'),
    routes('first'),
  ]);
  assert.equal(await say('echo'), 'one');
  assert.deepEqual(await delta.publish(gateway, [endpoints('first', two)]), { outcome: 'acknowledged' });
  await eventually(async () => (await say('echo')) === 'two', 'endpoints changed');
  assert.deepEqual(await delta.publish(gateway, [endpoints('first', one)]), { outcome: 'acknowledged' });
  await eventually(async () => (await say('echo')) === 'one', 'and back');
  await delta.publish(gateway, [routes('second')]);
  await eventually(async () => (await say('echo')) === 'two', 'another route');
  assert.equal(await say('other'), 'two', 'another listener of the same client');

  // It takes clusters of its own types only, and keeps the one that it has.
  const { outcome } = await delta.publish(gateway, [cluster('second', 'STRICT_DNS')]);
  assert.equal(outcome, 'refused');
  assert.deepEqual(
    refusals.map(({ typeUrl, names }) => [typeUrl, names]),
    [[types.cluster, ['second']]],
  );
  assert.equal(await say('echo'), 'two');

  await delta.publish(gateway, [{ typeUrl: types.listener, set: [], remove: ['echo'] }]);
  await eventually(async () => (await say('echo')) === undefined, 'the listener is gone');
  assert.equal(await say('other'), 'two');
  const [node] = delta.nodes(gateway);
  assert.equal(node?.id, 'grpc');
  assert.match(node?.agent ?? '', /^grpc/i);
});
