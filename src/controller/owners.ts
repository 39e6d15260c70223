// A bound Gateway and the objects of the cluster → what owns what it is given; and the parameters that a Gateway was last served with,
// which stand on its Service so that a controller that starts anew knows them.
import type { Gateway } from '../api/generated/types.ts';
import { portolanGroup } from '../api/kinds.ts';
import { groupOf } from '../api/objects.ts';
import type { KubeObject } from '../api/objects.ts';
import { validateAs } from '../api/validate.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { BoundGateway } from '../routing/bound.ts';
import { refKey } from '../routing/origin.ts';
import type { Parameters } from '../routing/parameters.ts';
import type { ClusterSource } from '../sources/cluster/source.ts';
import { record, text } from '../support/untrusted.ts';
import type { Owner } from './infrastructure/owned.ts';
import { managedByLabel, manager, parametersAnnotation } from './infrastructure/owned.ts';

/**
 * Undefined: nothing stands for it in the cluster, or it is being deleted.
 * @param namespace of the controller: what belongs to no namespace is owned there
 */
export function ownerOf(
  gateway: BoundGateway,
  { pipeline, source }: { readonly pipeline: Pipeline; readonly source: ClusterSource },
  namespace: string,
): Owner | undefined {
  const { ref, written } = gateway;
  const isIngress = written.kind === 'IngressClass';
  const stands = isIngress ? written : ref;
  const live = source.live(refKey(stands));
  const object = pipeline.object(stands);
  if (live === undefined || live.deleting || object === undefined) return undefined;
  const { infrastructure } = isIngress ? {} : (object as unknown as Gateway).spec;
  return {
    gateway,
    namespace: isIngress ? namespace : ref.namespace,
    reference: { apiVersion: object.apiVersion, kind: stands.kind, name: stands.name, uid: live.uid },
    labels: infrastructure?.labels ?? {},
    annotations: infrastructure?.annotations ?? {},
  };
}

/** Of every Service of ours that tells it. What is no GatewayConfig any more is left out. */
export function* keptParameters(source: ClusterSource): Iterable<readonly [gateway: string, parameters: Parameters]> {
  for (const object of source.objects()) {
    if (object.kind !== 'Service' || groupOf(object.apiVersion) !== '') continue;
    const { labels, annotations, namespace } = object.metadata;
    const kept = annotations?.[parametersAnnotation];
    if (kept === undefined || labels?.[managedByLabel] !== manager) continue;
    const read = parametersIn(kept);
    // A Service speaks for Gateways of its own namespace. Those of Ingresses have no parameters of their own to go wrong.
    if (read?.gateway.startsWith(`${namespace}/`) === true) yield [read.gateway, read.parameters];
  }
}

function parametersIn(annotation: string): { readonly gateway: string; readonly parameters: Parameters } | undefined {
  try {
    const { gateway, parameters } = record(JSON.parse(annotation));
    const key = text(gateway) ?? '';
    const object: KubeObject = {
      apiVersion: `${portolanGroup}/v1alpha1`,
      kind: 'GatewayConfig',
      metadata: { name: 'kept', namespace: 'kept' },
      spec: parameters,
    };
    const checked = validateAs({ group: portolanGroup, kind: 'GatewayConfig' }, object, 'standard');
    if (!checked.ok) return undefined;
    return { gateway: key, parameters: checked.object['spec'] as Parameters };
  } catch {
    return undefined;
  }
}
