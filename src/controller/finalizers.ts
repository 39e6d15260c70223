// The finalizer of a GatewayClass, which stands for as long as Gateways use it (GatewayClass.spec, gateway-exists-finalizer).
import type { KubeClient } from '../sources/cluster/client.ts';
import { ApiError } from '../sources/cluster/client.ts';
import type { ClusterSource } from '../sources/cluster/source.ts';
import type { Live } from '../sources/cluster/watched.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { ObjectRef } from '../routing/origin.ts';
import { nameOf, refKey } from '../routing/origin.ts';
import { record } from '../support/untrusted.ts';
import type { LogEntry } from './log.ts';

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

export interface FinalizerOptions {
  readonly client: KubeClient;
  readonly source: ClusterSource;
  readonly controllerName: string;
  readonly leads: () => boolean;
  readonly log: (entry: LogEntry) => void;
}

/** Of a class of ours; a Gateway that came or went wakes its class. */
export function finalizeClass(pipeline: Pipeline, name: string, options: FinalizerOptions): void {
  const { client, source, controllerName, leads, log } = options;
  const ref: ObjectRef = { group: 'gateway.networking.k8s.io', kind: 'GatewayClass', namespace: '', name };
  const live = source.live(refKey(ref));
  const object = pipeline.object(ref);
  if (live === undefined || object === undefined || !leads()) return;
  if (record(object['spec'])['controllerName'] !== controllerName) return;
  const finalizers = wantedFinalizers(live, isUsed(pipeline, name));
  if (finalizers === undefined) return;
  writeFinalizers(client, name, live, finalizers).catch((error: unknown) => {
    const message = `the finalizer of ${nameOf(ref)} could not be written: ${(error as Error).message}`;
    log({ level: 'warn', message });
  });
}

function isUsed({ tables: { gateways } }: Pipeline, className: string): boolean {
  for (const key of gateways.keys()) if (gateways.get(key)?.className === className) return true;
  return false;
}
