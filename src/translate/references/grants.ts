// ReferenceGrant: whether an object may refer to an object of another namespace. Grants stand in the namespace of the
// target and add up; what no grant allows is forbidden.
import type { ReferenceGrant } from '../../api/generated/types.ts';
import { experimentalGatewayGroup, gatewayGroup } from '../../api/kinds.ts';
import type { Sourced } from '../../api/sourced.ts';
import type { ObjectRef } from '../../routing/origin.ts';
import { compareText } from '../../support/sorted.ts';

/** One `from` × `to` of a grant. */
export interface Grant {
  /** Of the ReferenceGrant, and the place of the pair in it: the order of grants means nothing, it only has to be one. */
  readonly key: string;
  readonly index: number;
  readonly from: { readonly group: string; readonly kind: string; readonly namespace: string };
  /** Without a name: every object of the kind. */
  readonly to: { readonly group: string; readonly kind: string; readonly name?: string };
}

/** Each with the namespace that it opens. */
export function* grantsOf({ object }: Sourced<ReferenceGrant>, key: string): Iterable<readonly [string, Grant]> {
  const { metadata, spec } = object;
  let index = 0;
  for (const from of spec.from) {
    for (const to of spec.to) yield [metadata.namespace ?? '', { key, index: index++, from: currentKind(from), to }];
  }
}

/** What the upgrade makes a ListenerSet is granted by the name that it was written with. */
function currentKind(from: Grant['from']): Grant['from'] {
  const isOld = from.group === experimentalGatewayGroup && from.kind === 'XListenerSet';
  return isOld ? { ...from, group: gatewayGroup, kind: 'ListenerSet' } : from;
}

export function compareGrants(a: Grant, b: Grant): number {
  return compareText(a.key, b.key) || a.index - b.index;
}

/** `grants` are those of the target's namespace. A reference within one namespace needs none. */
export function permits(grants: readonly Grant[] | undefined, from: ObjectRef, target: ObjectRef): boolean {
  if (from.namespace === target.namespace) return true;
  return (grants ?? []).some(
    (grant) =>
      grant.from.group === from.group &&
      grant.from.kind === from.kind &&
      grant.from.namespace === from.namespace &&
      grant.to.group === target.group &&
      grant.to.kind === target.kind &&
      (grant.to.name === undefined || grant.to.name === '' || grant.to.name === target.name),
  );
}
