// The finalizer of a GatewayClass, which stands for as long as Gateways use it (GatewayClass.spec, gateway-exists-finalizer).
import type { KubeClient } from '../sources/cluster/client.ts';
import { ApiError } from '../sources/cluster/client.ts';
import type { Live } from '../sources/cluster/watched.ts';

export const classFinalizer = 'gateway-exists-finalizer.gateway.networking.k8s.io';

/** Undefined when it is as it should be. */
export function wantedFinalizers({ finalizers, deleting }: Live, used: boolean): readonly string[] | undefined {
  const has = finalizers.includes(classFinalizer);
  // What is being deleted takes no new ones.
  if (used === has || (used && deleting)) return undefined;
  return used ? [...finalizers, classFinalizer] : finalizers.filter((name) => name !== classFinalizer);
}

/** Somebody who was quicker is heard of through the watch, and it is tried again then. */
export async function writeFinalizers(
  client: KubeClient,
  name: string,
  { resourceVersion }: Live,
  finalizers: readonly string[],
): Promise<void> {
  try {
    await client.request('PATCH', `/apis/gateway.networking.k8s.io/v1/gatewayclasses/${encodeURIComponent(name)}`, {
      type: 'application/merge-patch+json',
      body: { metadata: { resourceVersion, finalizers } },
    });
  } catch (error) {
    if (!(error instanceof ApiError && (error.status === 409 || error.status === 404))) throw error;
  }
}
