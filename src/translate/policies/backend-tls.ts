// BackendTLSPolicy is not applied yet. What it targets must not be spoken to in the clear, which is what its absence would
// mean: a Service that one targets is no backend until the policy can be honoured.
import type { KubeObject } from '../../api/objects.ts';
import { groupOf } from '../../api/objects.ts';
import { list, record, text } from '../../support/untrusted.ts';

/** namespace/name of each Service that the object targets, when it is a BackendTLSPolicy; with the name of the policy. */
export function* tlsPolicyTargets(object: KubeObject): Iterable<readonly [service: string, policy: string]> {
  if (object.kind !== 'BackendTLSPolicy' || groupOf(object.apiVersion) !== 'gateway.networking.k8s.io') return;
  const { namespace = '', name } = object.metadata;
  for (const target of list(record(object['spec'])['targetRefs']).map(record)) {
    if (target['kind'] !== 'Service' || (text(target['group']) ?? '') !== '') continue;
    yield [`${namespace}/${text(target['name']) ?? ''}`, `${namespace}/${name}`];
  }
}
