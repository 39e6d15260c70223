// Objects of the Gateway API's own groups that this release does not serve, or that nobody knows: they are checked, and
// each says that nothing comes of it.
import type { Channel } from '../api/kinds.ts';
import { gatewayGroup, kindOf } from '../api/kinds.ts';
import type { KubeObject } from '../api/objects.ts';
import { groupOf } from '../api/objects.ts';
import type { ObjectRef } from '../routing/origin.ts';
import type { Problem } from '../routing/problem.ts';
import type { Checks } from './native.ts';

/** None for objects of other groups, which are not ours to judge. */
export function unservedProblems(object: KubeObject, channel: Channel, checks: Checks): readonly Problem[] {
  const group = groupOf(object.apiVersion);
  if (!isGatewayApi(group)) return [];
  const { apiVersion, kind, metadata } = object;
  const ref: ObjectRef = { group, kind, namespace: metadata.namespace ?? '', name: metadata.name };
  const at = { object: ref, path: '' };
  if (kindOf(group, kind, channel) !== undefined) {
    const problems = checks.check(object)?.problems ?? [];
    const reason = 'it is checked, and nothing comes of it in this release';
    return [...problems, { code: 'KindNotServed', at, apiVersion, kind, reason }];
  }
  const checked = checks.check(object);
  if (checked !== undefined) return checked.problems;
  return [{ code: 'UnknownKind', at, apiVersion, kind }];
}

export function isGatewayApi(group: string): boolean {
  return group === gatewayGroup || group === 'gateway.networking.x-k8s.io';
}
