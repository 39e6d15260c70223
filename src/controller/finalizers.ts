// The finalizer of a GatewayClass, which stands for as long as Gateways use it (GatewayClass.spec, gateway-exists-finalizer).
import type { KubeObject } from '../api/objects.ts';
import type { KubeClient } from '../sources/cluster/client.ts';
import { ApiError } from '../sources/cluster/client.ts';
import type { ClusterSource } from '../sources/cluster/source.ts';
import type { Live } from '../sources/cluster/watched.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { ObjectRef } from '../routing/origin.ts';
import { refKey } from '../routing/origin.ts';
import { record } from '../support/untrusted.ts';

export const classFinalizer = 'gateway-exists-finalizer.gateway.networking.k8s.io';

/** Undefined when it is as it should be. */
export function wantedFinalizers({ finalizers, deleting }: Live, used: boolean): readonly string[] | undefined {
  const has = finalizers.includes(classFinalizer);
  // What is being deleted takes no new ones.
  if (used === has || (used && deleting)) return undefined;
  return used ? [...finalizers, classFinalizer] : finalizers.filter((name) => name !== classFinalizer);
}

/** False: somebody was quicker, and it was not written. */
async function writeFinalizers(
  client: KubeClient,
  path: string,
  { resourceVersion }: Live,
  finalizers: readonly string[],
): Promise<boolean> {
  try {
    await client.request('PATCH', path, {
      type: 'application/merge-patch+json',
      body: { metadata: { resourceVersion, finalizers } },
    });
  } catch (error) {
    if (error instanceof ApiError && error.status === 409) return false;
    if (!(error instanceof ApiError && error.status === 404)) throw error;
  }
  return true;
}

export interface FinalizerOptions {
  readonly client: KubeClient;
  readonly source: ClusterSource;
  readonly controllerName: string;
  readonly leads: () => boolean;
}

const ATTEMPTS = 6;

/** Of a class of ours; a Gateway that came or went wakes its class. Rejects when it could not be written. */
export async function finalizeClass(pipeline: Pipeline, name: string, options: FinalizerOptions): Promise<void> {
  const { client, source, controllerName, leads } = options;
  const ref: ObjectRef = { group: 'gateway.networking.k8s.io', kind: 'GatewayClass', namespace: '', name };
  const path = `/apis/${ref.group}/v1/gatewayclasses/${encodeURIComponent(ref.name)}`;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const live = source.live(refKey(ref));
    const object = pipeline.object(ref);
    if (live === undefined || object === undefined || !leads()) return;
    if (record(object['spec'])['controllerName'] !== controllerName) return;
    const finalizers = wantedFinalizers(live, isUsed(pipeline, ref.name));
    if (finalizers === undefined || (await writeFinalizers(client, path, live, finalizers))) return;
    // As a rule it was our own hand, with the status of the class: what that left behind wakes nobody.
    const read = await client.request<KubeObject>('GET', path).catch(absent);
    if (read === undefined) return;
    source.wrote({ ...read, kind: ref.kind });
  }
  throw new Error('others go on writing to it');
}

function absent(error: unknown): undefined {
  if (error instanceof ApiError && error.status === 404) return undefined;
  throw error;
}

function isUsed({ tables: { gateways } }: Pipeline, className: string): boolean {
  for (const key of gateways.keys()) if (gateways.get(key)?.className === className) return true;
  return false;
}
