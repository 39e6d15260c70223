// The protocol as others read it: a client made of Envoy's own .proto files and of nothing of ours, against a fleet. They come with
// @grpc/grpc-js-xds, whose own client asks for the state of the world (state-of-the-world.test.ts).
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import protobuf from 'protobufjs';
import { envoyDialect } from '../../src/engines/envoy/dialect.ts';
import { type Fleet, startFleet } from '../../src/engines/stream/fleet/fleet.ts';
import { root } from './cli-process.ts';
import { everything, modelOf } from './fleet-fixture.ts';
import { gatewayMaterial, serverMaterial, serverName } from './stream-fixture.ts';
import { authority } from './tls-certificates.ts';
import { eventually } from '../eventually.ts';

const deps = join(root, 'node_modules/@grpc/grpc-js-xds/deps');
const includeDirs = ['envoy-api', 'googleapis', 'protoc-gen-validate', 'xds'].map((name) => join(deps, name));
const CLUSTER = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
const ENDPOINTS = 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment';
const LISTENER = 'type.googleapis.com/envoy.config.listener.v3.Listener';

/** As the .proto files have it. */
interface Response {
  readonly type_url: string;
  readonly nonce: string;
  readonly resources: readonly {
    readonly name: string;
    readonly version: string;
    readonly resource: { readonly type_url: string; readonly value: Buffer };
  }[];
  readonly removed_resources: readonly string[];
}

interface StateResponse {
  readonly type_url: string;
  readonly nonce: string;
  readonly resources: Response['resources'][number]['resource'][];
}

type Call = grpc.ClientDuplexStream<object, Response>;

interface Client extends grpc.Client {
  readonly DeltaAggregatedResources: () => Call;
  readonly StreamAggregatedResources: () => grpc.ClientDuplexStream<object, StateResponse>;
}

function clientClass(): new (address: string, credentials: grpc.ChannelCredentials, options: object) => Client {
  const definition = loadSync('envoy/service/discovery/v3/ads.proto', { includeDirs, keepCase: true, defaults: true });
  const loaded = grpc.loadPackageDefinition(definition) as unknown as {
    readonly envoy: {
      readonly service: {
        readonly discovery: { readonly v3: { readonly AggregatedDiscoveryService: ReturnType<typeof clientClass> } };
      };
    };
  };
  return loaded.envoy.service.discovery.v3.AggregatedDiscoveryService;
}

/** Reads a resource by the message of its file. */
function reader(file: string, name: string): (bytes: Buffer) => Readonly<Record<string, unknown>> {
  const types = new protobuf.Root();
  types.resolvePath = (_, target) => {
    const found = includeDirs.map((folder) => join(folder, target)).find((path) => existsSync(path));
    return found ?? protobuf.Root.prototype.resolvePath.call(types, '', target);
  };
  types.loadSync(file, { keepCase: true });
  const type = types.lookupType(name);
  return (bytes) => type.toObject(type.decode(bytes), { longs: Number, enums: String });
}

/** A fleet, and a client with the certificate of the Gateway ns/mine. */
async function fleetAndClient(
  t: TestContext,
): Promise<{ readonly fleet: Fleet; readonly client: Client; readonly logged: readonly string[] }> {
  const ca = await authority('fleet');
  const [material, own] = [await serverMaterial(ca), await gatewayMaterial(ca, 'ns/mine')];
  const logged: string[] = [];
  const fleet = await startFleet({
    address: '127.0.0.1',
    port: 0,
    credentials: () => material,
    onReport: () => {},
    log: ({ message }) => logged.push(message),
    dialect: envoyDialect(),
  });
  t.after(() => fleet.close());
  const credentials = grpc.credentials.createSsl(own.ca, own.key, own.certificate);
  const client = new (clientClass())(`127.0.0.1:${fleet.port}`, credentials, {
    'grpc.ssl_target_name_override': serverName,
  });
  t.after(() => client.close());
  return { fleet, client, logged };
}

test('a client of the .proto files gets, acknowledges, refuses and goes on', async (t) => {
  const { fleet, client, logged } = await fleetAndClient(t);
  const model = modelOf({ gateway: 'ns/mine', port: 8080, backendPort: 2, routes: 2 });
  await fleet.apply({ version: 1, ...model });
  const call = client.DeltaAggregatedResources();
  call.on('error', () => {});
  t.after(() => call.cancel());
  const responses = call.iterator();
  const next = async (): Promise<Response> => (await responses.next()).value as Response;

  call.write({ node: { id: 'other' }, type_url: CLUSTER });
  const clusters = await next();
  assert.deepEqual([clusters.type_url, clusters.resources.length], [CLUSTER, 2]);
  const cluster = reader('envoy/config/cluster/v3/cluster.proto', 'envoy.config.cluster.v3.Cluster');
  const [first] = clusters.resources;
  assert.ok(first);
  assert.equal(first.resource.type_url, CLUSTER);
  assert.deepEqual([cluster(first.resource.value)['name'], cluster(first.resource.value)['type']], [first.name, 'EDS']);
  call.write({ type_url: CLUSTER, response_nonce: clusters.nonce });

  // What comes behind waits for it.
  call.write({ type_url: ENDPOINTS, resource_names_subscribe: ['ns/r0:80', 'ns/r1:80'] });
  const endpoints = await next();
  assert.deepEqual(endpoints.resources.map(({ name }) => name).toSorted(), ['ns/r0:80', 'ns/r1:80']);
  call.write({ type_url: ENDPOINTS, response_nonce: endpoints.nonce });

  call.write({ type_url: LISTENER, resource_names_subscribe: ['*'] });
  const listeners = await next();
  assert.deepEqual(
    listeners.resources.map(({ name }) => name),
    ['ns/mine:80/tcp'],
  );
  // NACK: code 3 is INVALID_ARGUMENT.
  call.write({
    type_url: LISTENER,
    response_nonce: listeners.nonce,
    error_detail: { code: 3, message: 'not like this' },
  });
  await eventually(() => logged.length > 0, 'the refusal is logged');
  assert.match(logged[0] ?? '', /^Envoy other of ns\/mine refused Listener ns\/mine:80\/tcp: not like this$/);

  const [gone] = model.clusters?.set ?? [];
  assert.ok(gone);
  void fleet.apply({ version: 2, clusters: { set: [], delete: [gone.key] } });
  // Its endpoints went with it.
  const without = await next();
  assert.deepEqual([without.type_url, without.removed_resources], [ENDPOINTS, ['ns/r0:80']]);
  call.write({ type_url: ENDPOINTS, response_nonce: without.nonce });
  const removal = await next();
  assert.deepEqual([removal.type_url, removal.removed_resources, removal.resources], [CLUSTER, [gone.key], []]);
  call.write({ type_url: CLUSTER, response_nonce: removal.nonce });
  void fleet.apply({ version: 3, clusters: everything(gone) });
  const back = await next();
  assert.deepEqual(
    back.resources.map(({ name, version }) => [name, version]),
    [[first.name, first.version]],
  );
});

test('the state of the world is that of its own gateway, and everything again when some of it goes', async (t) => {
  const { fleet, client } = await fleetAndClient(t);
  const mine = modelOf({ gateway: 'ns/mine', port: 8080, backendPort: 2, routes: 2 });
  await fleet.apply({ version: 1, ...mine });
  await fleet.apply({ version: 2, ...modelOf({ gateway: 'ns/yours', port: 8081, backendPort: 2, routes: 3 }) });
  const call = client.StreamAggregatedResources();
  call.on('error', () => {});
  t.after(() => call.cancel());
  const responses = call.iterator();
  const cluster = reader('envoy/config/cluster/v3/cluster.proto', 'envoy.config.cluster.v3.Cluster');
  const assignment = reader(
    'envoy/config/endpoint/v3/endpoint.proto',
    'envoy.config.endpoint.v3.ClusterLoadAssignment',
  );
  const wanted: Record<string, readonly string[]> = { [CLUSTER]: [], [ENDPOINTS]: ['ns/r0:80', 'ns/r1:80'] };
  const next = async (): Promise<readonly string[]> => {
    const { type_url, nonce, resources } = (await responses.next()).value as StateResponse;
    call.write({ type_url, resource_names: wanted[type_url], response_nonce: nonce });
    const nameOf = (value: Buffer): unknown =>
      type_url === CLUSTER ? cluster(value)['name'] : assignment(value)['cluster_name'];
    return [type_url, ...resources.map(({ value }) => String(nameOf(value))).toSorted()];
  };
  const [first, second] = (mine.clusters?.set ?? []).map(({ key }) => key);
  assert.ok(first !== undefined && second !== undefined);
  call.write({ node: { id: 'own' }, type_url: CLUSTER });
  assert.deepEqual(await next(), [CLUSTER, first, second]);
  call.write({ type_url: ENDPOINTS, resource_names: wanted[ENDPOINTS] });
  assert.deepEqual(await next(), [ENDPOINTS, 'ns/r0:80', 'ns/r1:80']);
  void fleet.apply({ version: 3, clusters: { set: [], delete: [first] } });
  assert.deepEqual(await next(), [CLUSTER, second]);
  assert.deepEqual(
    fleet.nodes().map(({ id, gateway }) => [id, gateway]),
    [['own', 'ns/mine']],
  );
});
