// The controller with data planes that are real: processes made of the Deployments that it applies, over the stream, by the identities
// that it issues. What is served, what is told of it, and what happens when one of the two goes away.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { Controller } from '../../src/controller/controller.ts';
import { FleetPlane } from '../../src/controller/fleet-plane.ts';
import { provisioned } from '../../src/controller/provisioned.ts';
import { startFleet } from '../../src/engines/stream/fleet/fleet.ts';
import { controllerUri, gatewayUri } from '../../src/engines/stream/identity.ts';
import { programOnPath } from '../../src/engines/envoy/process/binary.ts';
import { KubeClient } from '../../src/sources/cluster/client.ts';
import { list, record } from '../../src/support/untrusted.ts';
import type { FakeApiServer, Stored } from './cluster-fixture.ts';
import { Kubelet } from './cluster-kubelet.ts';
import { conditionsOf, gateway, gatewayClass, group } from './cluster-objects.ts';
import { noEnvoy } from './envoy-binary.ts';
import { ask } from './gateway-fixture.ts';
import { name, serverWith } from './provisioned-world.ts';
import { freePort } from '../free-port.ts';
import { eventually } from '../eventually.ts';

/** A process has to start on a machine that may be busy. */
const patience = 30_000;

interface World {
  readonly server: FakeApiServer;
  /** Of the Gateway. */
  readonly port: number;
  readonly streamPort: number;
  readonly kubelet: Kubelet;
  controller: Controller;
}

type Engine = 'embedded' | 'envoy';

/** A container that dies takes its Envoy with it: here a program of util-linux does. */
const noSetpriv = programOnPath('setpriv') === undefined && 'setpriv (util-linux) is not on PATH';
const engines: readonly (readonly [Engine, string | false])[] = [
  ['embedded', false],
  ['envoy', noEnvoy === false ? noSetpriv : noEnvoy],
];

async function world(t: TestContext, engine: Engine): Promise<World> {
  const [port, streamPort] = [await freePort(), await freePort()];
  const server = await serverWith(
    t,
    config(engine),
    { ...gatewayClass, spec: { ...record(gatewayClass['spec']), parametersRef } },
    gateway(port),
    redirect('first.example'),
  );
  const controller = startController(t, server, streamPort);
  const kubelet = await Kubelet.run(t, server, name);
  await eventually(() => server.get('Service', name) !== undefined, 'the Service', patience);
  const service = server.get('Service', name) as Stored;
  server.apply({ ...service, status: { loadBalancer: { ingress: [{ ip: '127.0.0.1' }] } } });
  await eventually(() => isProgrammed(server), 'the Gateway is programmed', patience).catch(() =>
    assert.fail(`${conditionsOf(server.get('Gateway', 'gw')).join(', ')}\n${kubelet.log}`),
  );
  return { server, port, streamPort, kubelet, controller };
}

function startController(t: TestContext, server: FakeApiServer, port: number): Controller {
  const controller = new Controller({
    client: new KubeClient(server.access),
    controllerName: 'portolan.dev/gateway-controller',
    mode: provisioned({
      image: 'portolan:test',
      envoyImage: 'portolan-envoy:test',
      controller: `127.0.0.1:${port}`,
      namespace: 'portolan',
      uriOf: gatewayUri,
      plane: ({ report, leftOut, changed, log }) =>
        new FleetPlane({
          start: (options) => startFleet({ address: '127.0.0.1', port, ...options, log }),
          names: ['portolan-controller'],
          uri: controllerUri,
          report,
          leftOut,
          changed,
          log,
        }),
    }),
    namespace: 'portolan',
    electsLeader: false,
    log: () => {},
  });
  controller.start();
  t.after(() => controller.stop(0));
  return controller;
}

const parametersRef = { group: 'portolan.dev', kind: 'GatewayConfig', namespace: 'default', name: 'engine' };

function config(engine: Engine): Stored {
  return {
    apiVersion: 'portolan.dev/v1alpha1',
    kind: 'GatewayConfig',
    metadata: { name: 'engine', namespace: 'default' },
    spec: { engine },
  };
}

/** Answers without a backend: those of a test are on loopback, which the controller refuses. */
function redirect(hostname: string): Stored {
  const filter = { type: 'RequestRedirect', requestRedirect: { hostname, statusCode: 302 } };
  return {
    apiVersion: `${group}/v1`,
    kind: 'HTTPRoute',
    metadata: { name: 'web', namespace: 'default' },
    spec: { parentRefs: [{ name: 'gw' }], rules: [{ filters: [filter] }] },
  };
}

function isProgrammed(server: FakeApiServer): boolean {
  return conditionsOf(server.get('Gateway', 'gw')).includes('Programmed=True Programmed');
}

async function redirectsTo(port: number, hostname: string): Promise<void> {
  const host = async (): Promise<string> => {
    const answer = await ask({ port }).catch(() => undefined);
    return new URL(answer?.headers['location'] ?? 'http://none').hostname;
  };
  await eventually(async () => (await host()) === hostname, `redirects to ${hostname}`, patience);
}

for (const [engine, skip] of engines) {
  test(
    `${engine}: a data plane serves, follows changes, and outlives its controller; the next one finds all as it was`,
    { skip },
    async (t) => {
      const { server, port, streamPort, kubelet, controller } = await world(t, engine);
      await redirectsTo(port, 'first.example');
      server.apply(redirect('second.example'));
      await redirectsTo(port, 'second.example');
      await kubelet.saves('second.example');
      await controller.stop(0);
      // Nothing may be told of the Gateway that is not so, at no time.
      const told: string[] = [];
      server.watch((object) => {
        if (object.kind === 'Gateway') told.push(...conditionsOf(object));
      });
      await redirectsTo(port, 'second.example');
      await kubelet.kill();
      await redirectsTo(port, 'second.example');
      // It answers a moment before its probe is asked; a controller that begins between the two says so, and is right.
      const isReady = (): boolean => record(server.get('Deployment', name)?.['status'])['readyReplicas'] === 1;
      await eventually(isReady, 'the Pod is ready again', patience);
      server.apply(redirect('third.example'));
      startController(t, server, streamPort);
      await redirectsTo(port, 'third.example');
      server.apply({ ...gateway(port), metadata: { name: 'gw', namespace: 'default', labels: { a: 'b' } } });
      await eventually(() => isProgrammed(server), 'programmed', patience);
      assert.deepEqual(
        told.filter((condition) => condition.startsWith('Programmed') && condition !== 'Programmed=True Programmed'),
        [],
      );
    },
  );

  test(`${engine}: the generation that is programmed is the one that is served`, { skip }, async (t) => {
    const { server, port, kubelet } = await world(t, engine);
    await redirectsTo(port, 'first.example');
    const other = await freePort();
    server.apply({
      ...gateway(port),
      spec: {
        ...record(gateway(port)['spec']),
        listeners: [port, other].map((number, index) => ({ name: `l${index}`, port: number, protocol: 'HTTP' })),
      },
    });
    const generation = (): unknown =>
      list(record(server.get('Gateway', 'gw')?.['status'])['conditions']).map(
        (condition) => record(condition)['observedGeneration'],
      )[1];
    await eventually(() => generation() === 2 && isProgrammed(server), 'the second generation', patience);
    const answer = await ask({ port: other }).catch((cause: unknown) =>
      assert.fail(`${String(cause)}\n${kubelet.log}`),
    );
    assert.equal(answer.status, 302);
  });
}

test(
  'what an Envoy cannot serve is a condition of the route, and all the rest is served',
  { skip: engines[1]?.[1] ?? false },
  async (t) => {
    const { server, port } = await world(t, 'envoy');
    const route = redirect('first.example');
    const { rules, ...spec } = record(route['spec']);
    const [rule] = list(rules).map(record);
    const odd = { ...rule, matches: [{ path: { type: 'RegularExpression', value: String.raw`/\x{10FFFF}` } }] };
    const said = (): string => JSON.stringify(record(server.get('HTTPRoute', 'web')?.['status'])['parents']);
    assert.doesNotMatch(said(), /U\+00FF/);
    server.apply({ ...route, spec: { ...spec, rules: [rule, odd] } });
    await eventually(() => said().includes('U+00FF'), 'the route says so', patience);
    assert.match(said(), /"type":"PartiallyInvalid","status":"True"|"status":"True","type":"PartiallyInvalid"/);
    await redirectsTo(port, 'first.example');
    server.apply({ ...route, spec: { ...spec, rules: [rule] } });
    await eventually(() => !said().includes('U+00FF'), 'it is taken back', patience);
  },
);
