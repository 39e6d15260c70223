// --attach: routes that name no parent get one. Done before translation, on the object as it was written, so that
// everything behind sees an ordinary parentRef.
import { groupOf } from '../../api/objects.ts';
import type { KubeObject } from '../../api/objects.ts';
import { gatewayGroup } from '../../api/kinds.ts';
import type { NamespacedName } from './names.ts';

const groups: ReadonlySet<string> = new Set([gatewayGroup, 'networking.x-k8s.io']);

/** Routes without parentRefs; those of v1alpha1 too, whose Gateways may select them besides. */
export function isUnattachedRoute(object: KubeObject): boolean {
  if (!object.kind.endsWith('Route') || !groups.has(groupOf(object.apiVersion))) return false;
  const { spec } = object;
  if (typeof spec !== 'object' || spec === null || Array.isArray(spec)) return false;
  const { parentRefs } = spec as { readonly parentRefs?: unknown };
  return parentRefs === undefined || parentRefs === null || (Array.isArray(parentRefs) && parentRefs.length === 0);
}

export function attached(object: KubeObject, gateway: Required<NamespacedName>): KubeObject {
  return { ...object, spec: { ...(object['spec'] as object), parentRefs: [gateway] } };
}
