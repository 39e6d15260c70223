// CustomResourceDefinitions that are deleted and installed again.
import { until } from '../../bench/cluster/cluster.ts';
import type { KubeObject } from '../../src/api/objects.ts';
import type { World } from './world.ts';

export function crd(plural: string): KubeObject {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.gateway.networking.k8s.io` },
  };
}

export async function withoutCrd(world: World, plural: string, act: () => Promise<void>): Promise<void> {
  const { cluster } = world;
  const stored = await cluster.get(crd(plural));
  if (stored === undefined) throw new Error(`there is no CRD ${plural}`);
  await cluster.delete(stored);
  await until(`the CRD ${plural} is gone`, 60, async () => (await cluster.get(stored)) === undefined);
  await act();
  const { name, annotations, labels } = stored.metadata;
  const { apiVersion, kind, spec } = stored;
  await cluster.create({
    apiVersion,
    kind,
    spec,
    metadata: {
      name,
      ...(annotations === undefined ? {} : { annotations }),
      ...(labels === undefined ? {} : { labels }),
    },
  });
  await until(`the CRD ${plural} is established`, 60, async () => {
    const status = JSON.stringify((await cluster.get(stored))?.['status'] ?? {});
    return /"type":"Established"[^}]*|"Established"/.test(status) && status.includes('"status":"True"');
  });
}
