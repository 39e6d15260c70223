// A Deployment of the lab's echo server behind a route: its Pods are replaced, all of them several times, under load on them.
import { routeObject, until } from '../../bench/cluster/cluster.ts';
import type { KubeObject } from '../../src/api/objects.ts';
import { list, record } from '../../src/support/untrusted.ts';
import { serves } from './requests.ts';
import { gatewayName, hostname, namespace, seconds, type World } from './world.ts';

const name = 'rolling';

export async function rollingPods(
  world: World,
  {
    address,
    rounds,
    skip,
  }: { readonly address: string; readonly rounds: number; readonly skip: (why: string) => void },
): Promise<void> {
  const { cluster } = world;
  const objects = [
    deployment(0),
    service(),
    routeObject({ namespace, name, gateway: gatewayName, hostname: hostname(name), backend: name }),
  ];
  for (const object of objects) await cluster.apply(object);
  try {
    await rolledOut(world, 1);
  } catch (error) {
    skip(`no Pods in this cluster: ${(error as Error).message}`);
    for (const object of objects) await cluster.delete(object);
    return;
  }
  // A cluster whose controllers have just been away may take its time to say where the Pods are.
  await until('the Pods are in the slices', 90, () => inSlices(world));
  await serves(address, hostname(name), 200);
  await world.underLoad(
    address,
    async () => {
      for (let round = 1; round <= rounds; round++) {
        await cluster.apply(deployment(round));
        await rolledOut(world, round + 1);
      }
      await seconds(2);
    },
    { hostnames: [hostname(name)] },
  );
  for (const object of objects) await cluster.delete(object);
}

async function rolledOut(world: World, generation: number): Promise<void> {
  await until(`rollout ${generation}`, 60, async () => {
    const found = await world.cluster.get(deployment(0));
    const { observedGeneration, updatedReplicas, availableReplicas, replicas } = record(found?.['status']);
    const current = found?.metadata.generation === observedGeneration && Number(observedGeneration) >= generation;
    return current && updatedReplicas === 3 && availableReplicas === 3 && replicas === 3;
  });
  // Those that end are gone from the slices.
  await until('the old Pods are gone', 60, async () => {
    const pods = await world.cluster.client.request('GET', `/api/v1/namespaces/${namespace}/pods`, {
      query: { labelSelector: `app=${name}` },
    });
    return list(record(pods)['items']).length === 3;
  });
}

async function inSlices({ cluster }: World): Promise<boolean> {
  const slices = await cluster.client.request(
    'GET',
    `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`,
    {
      query: { labelSelector: `kubernetes.io/service-name=${name}` },
    },
  );
  const endpoints = list(record(slices)['items']).flatMap((slice) => list(record(slice)['endpoints']));
  return endpoints.filter((endpoint) => record(record(endpoint)['conditions'])['ready'] === true).length === 3;
}

/** What every guide asks for: a Pod that ends takes requests for a moment more, until all have heard of it. */
function deployment(round: number): KubeObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { namespace, name },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: name } },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      template: {
        metadata: { labels: { app: name }, annotations: { round: String(round) } },
        spec: {
          terminationGracePeriodSeconds: 10,
          containers: [
            {
              name: 'echo',
              image: 'registry.k8s.io/gateway-api/echo-basic:v20260204-monthly-2026.01-57-g8b45ee37',
              env: [
                { name: 'POD_NAME', value: 'echo' },
                { name: 'NAMESPACE', value: namespace },
              ],
              ports: [{ containerPort: 3000 }],
              readinessProbe: { httpGet: { path: '/', port: 3000 }, periodSeconds: 1 },
              lifecycle: { preStop: { sleep: { seconds: 2 } } },
            },
          ],
        },
      },
    },
  };
}

function service(): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace, name },
    spec: { selector: { app: name }, ports: [{ port: 80, targetPort: 3000 }] },
  };
}
