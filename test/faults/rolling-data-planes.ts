// A Gateway with data planes of its own, two Pods of the engine that is tested: they are replaced by `kubectl rollout restart`, deleted,
// and replaced by those of the other engine (in the long dose also back), under load on the address of their Service.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { gatewayObject, group, programmedAddress, routeObject, until } from '../../bench/cluster/cluster.ts';
import type { KubeObject } from '../../src/api/objects.ts';
import { list, record } from '../../src/support/untrusted.ts';
import { labKubeconfig } from '../lab/inside.ts';
import { serves } from './requests.ts';
import { hostname, namespace, node, seconds, type World } from './world.ts';

const name = 'fleet';
/** Of the Deployment. */
const workload = `${name}-${name}`;
const controllerName = 'portolan.dev/data-planes';
const root = join(import.meta.dirname, '../..');
const replicas = 2;

type Engine = 'embedded' | 'envoy';

const engine: Engine = process.env['FAULTS_ENGINE'] === 'envoy' ? 'envoy' : 'embedded';

export async function rollingDataPlanes(
  world: World,
  { rounds, skip }: { readonly rounds: number; readonly skip: (why: string) => void },
): Promise<void> {
  const { cluster } = world;
  // What the image portolan-envoy mounts.
  const hasEnvoy = globSync('.cache/envoy/lib/python*/site-packages/envoy/_bin/envoy', { cwd: root }).length > 0;
  if (engine === 'envoy' && !hasEnvoy) {
    skip('no Envoy in .cache/envoy for the image: scripts/envoy.sh');
    return;
  }
  const crds = ['-f', join(root, 'deploy/crds')];
  kubectl('apply', '--server-side', ...crds);
  kubectl('wait', '--for=condition=Established', ...crds);
  const gateway = { ...gatewayObject(namespace, name), spec: gatewaySpec };
  const route = routeObject({ namespace, name, gateway: name, hostname: hostname(name) });
  for (const object of [parameters(engine), gatewayClass, gateway, route]) await cluster.apply(object);
  const controller = await world.controller({ inPods: true, args: controllerArguments });
  const address = await programmed(world);
  await serves(address, hostname(name), 200);
  await rolledOut(world, engine);
  await world.underLoad(
    address,
    async () => {
      for (let round = 0; round < rounds; round++) {
        kubectl('-n', namespace, 'rollout', 'restart', `deployment/${workload}`);
        await rolledOut(world, engine);
      }
      const [first] = await podsOf(world);
      kubectl('-n', namespace, 'delete', 'pod', String(record(record(first)['metadata'])['name']));
      await rolledOut(world, engine);
      const other: Engine = engine === 'envoy' ? 'embedded' : 'envoy';
      for (const next of hasEnvoy ? [other, engine].slice(0, rounds) : []) {
        await cluster.apply(parameters(next));
        await rolledOut(world, next);
      }
      await seconds(2);
    },
    { hostnames: [hostname(name)] },
  );
  for (const object of [route, gateway]) await cluster.delete(object);
  await until('its Pods are gone', 60, async () => (await podsOf(world)).length === 0);
  for (const object of [gatewayClass, parameters(engine)]) await cluster.delete(object);
  await controller.stop();
}

const gatewaySpec = { gatewayClassName: name, listeners: [{ name: 'http', port: 80, protocol: 'HTTP' }] };

const gatewayClass: KubeObject = {
  apiVersion: `${group}/v1`,
  kind: 'GatewayClass',
  metadata: { name },
  spec: { controllerName, parametersRef: { group: 'portolan.dev', kind: 'GatewayConfig', namespace, name } },
};

const controllerArguments = [
  '--no-leader-election',
  '--controller-name',
  controllerName,
  '--lease-namespace',
  namespace,
  '--proxy-image',
  'portolan',
  '--envoy-image',
  'portolan-envoy',
  '--advertise',
  `${node}:9443`,
];

function parameters(engine: Engine): KubeObject {
  return {
    apiVersion: 'portolan.dev/v1alpha1',
    kind: 'GatewayConfig',
    metadata: { namespace, name },
    spec: { engine, replicas, proxy: { drain: 5 } },
  };
}

/** Pods start slowly on a busy machine. */
async function programmed({ cluster }: World): Promise<string> {
  return until('the Gateway is programmed', 90, async () =>
    programmedAddress(await cluster.get(gatewayObject(namespace, name))),
  );
}

/** All Pods are of the newest template and of the engine, and none of before is left. */
async function rolledOut(world: World, engine: Engine): Promise<void> {
  await until(`${replicas} Pods of ${engine}`, 120, async () => {
    const found = await world.cluster.get(deployment);
    const { observedGeneration, updatedReplicas, readyReplicas, replicas: all } = record(found?.['status']);
    const isNew = found?.metadata.generation === observedGeneration;
    if (!isNew || updatedReplicas !== replicas || readyReplicas !== replicas || all !== replicas) return false;
    const pods = await podsOf(world);
    return pods.length === replicas && pods.every((pod) => engineOf(pod) === engine);
  });
}

const deployment: KubeObject = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { namespace, name: workload } };

async function podsOf(world: World): Promise<readonly unknown[]> {
  const pods = await world.cluster.client.request('GET', `/api/v1/namespaces/${namespace}/pods`, {
    query: { labelSelector: `gateway.networking.k8s.io/gateway-name=${name}` },
  });
  return list(record(pods)['items']);
}

function engineOf(pod: unknown): Engine {
  const [container] = list(record(record(pod)['spec'])['containers']).map(record);
  return container?.['image'] === 'portolan-envoy' ? 'envoy' : 'embedded';
}

function kubectl(...args: readonly string[]): void {
  const { status, stderr } = spawnSync('kubectl', ['--kubeconfig', labKubeconfig, ...args], { encoding: 'utf8' });
  assert.equal(status, 0, `kubectl ${args.join(' ')}: ${stderr}`);
}
