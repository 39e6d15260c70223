// ReferenceGrants: those that no reference needs, and the grant that would permit a reference.
import { gatewayGroup, oldGatewayGroup } from '../../api/kinds.ts';
import { groupOf, keyOf, type KubeObject } from '../../api/objects.ts';
import { refKey, type ObjectRef } from '../../routing/origin.ts';
import type { Problem } from '../../routing/problem.ts';
import { list, record, text } from '../../support/untrusted.ts';
import type { Finding } from './finding.ts';
import { misspelt } from './groups.ts';
import { referencesOf, type Reference } from './references.ts';

type Refused = Extract<Problem, { readonly code: 'RefNotPermitted' }>;

/**
 * For each refused reference the grant that would permit it, by what may refer to what namespace: references of the same
 * kind and namespace share one grant, which names all their targets. No grant has the name of one that is there.
 */
export class MissingGrants {
  readonly #grants = new Map<string, KubeObject>();

  constructor(problems: Iterable<Problem>, objects: Iterable<KubeObject>) {
    const targets = new Map<string, Map<string, Refused>>();
    for (const problem of problems) {
      if (problem.code !== 'RefNotPermitted') continue;
      const key = keyOfGrant(problem);
      let refused = targets.get(key);
      if (refused === undefined) targets.set(key, (refused = new Map()));
      refused.set(refKey(problem.target), problem);
    }
    if (targets.size === 0) return;
    const taken = new Set<string>();
    for (const object of objects) if (isGrant(object)) taken.add(keyOf(object));
    for (const [key, refused] of targets) {
      const grant = grantFor([...refused.values()], taken);
      taken.add(keyOf(grant));
      this.#grants.set(key, grant);
    }
  }

  grantFor(problem: Refused): KubeObject | undefined {
    return this.#grants.get(keyOfGrant(problem));
  }
}

function keyOfGrant({ from, target }: Refused): string {
  return `${from.group}/${from.kind}/${from.namespace} ${target.namespace}`;
}

function grantFor(refused: readonly Refused[], taken: ReadonlySet<string>): KubeObject {
  const [{ from, target }] = refused as readonly [Refused, ...Refused[]];
  const plain = `${from.kind.toLowerCase()}-from-${from.namespace}`.slice(0, 240);
  let name = plain;
  for (let n = 2; taken.has(`${target.namespace}/${name}`); n++) name = `${plain}-${n}`;
  return {
    apiVersion: `${gatewayGroup}/v1`,
    kind: 'ReferenceGrant',
    metadata: { name, namespace: target.namespace },
    spec: {
      from: [{ group: from.group, kind: from.kind, namespace: from.namespace }],
      to: refused.map((each) => ({ group: each.target.group, kind: each.target.kind, name: each.target.name })),
    },
  };
}

/** Grants that nothing in the given objects refers by. One with a misspelt group is left to groups.ts. */
export function unusedGrants(objects: readonly KubeObject[]): Finding[] {
  const grants = objects.filter(isGrant);
  if (grants.length === 0) return [];
  const references = objects.flatMap(acrossNamespaces);
  return grants
    .filter((grant) => !hasSlip(grant) && !isUsed(grant, references))
    .map((grant) => ({
      severity: 'info',
      code: 'UnusedGrant',
      at: { object: refOf(grant), path: '' },
      message: 'no reference in the objects given needs this grant',
      fix: 'check group, kind and namespace of its from and to, or remove it',
      related: [],
    }));
}

function isGrant({ apiVersion, kind }: KubeObject): boolean {
  return groupOf(apiVersion) === gatewayGroup && (kind === 'ReferenceGrant' || kind === 'ReferencePolicy');
}

function refOf({ apiVersion, kind, metadata }: KubeObject): ObjectRef {
  return { group: groupOf(apiVersion), kind, namespace: metadata.namespace ?? '', name: metadata.name };
}

function entriesOf(grant: KubeObject, field: 'from' | 'to'): Readonly<Record<string, unknown>>[] {
  return list(record(grant['spec'])[field]).map(record);
}

function hasSlip(grant: KubeObject): boolean {
  return [...entriesOf(grant, 'from'), ...entriesOf(grant, 'to')].some(
    ({ group, kind }) => misspelt(text(kind) ?? '', text(group) ?? '') !== undefined,
  );
}

/** A reference into another namespace. */
interface Across {
  readonly from: ObjectRef;
  readonly to: Reference;
}

function acrossNamespaces(object: KubeObject): Across[] {
  const from = refOf(object);
  const references = [...referencesOf(object)];
  return references.flatMap((to) =>
    to.namespace === undefined || to.namespace === from.namespace ? [] : [{ from, to }],
  );
}

function isUsed(grant: KubeObject, references: readonly Across[]): boolean {
  const froms = entriesOf(grant, 'from');
  const tos = entriesOf(grant, 'to');
  return references.some(
    ({ from, to }) =>
      to.namespace === grant.metadata.namespace &&
      froms.some((each) => each['namespace'] === from.namespace && isKindOf(from, each)) &&
      tos.some(
        ({ kind, name }) => (to.kind ?? kind) === kind && (name === undefined || name === '' || name === to.name),
      ),
  );
}

/** Old vintages are upgraded to the group and kind of today, by which they are granted. */
function isKindOf(from: ObjectRef, { group, kind }: Readonly<Record<string, unknown>>): boolean {
  if (from.kind === 'XListenerSet' && group === gatewayGroup && kind === 'ListenerSet') return true;
  return kind === from.kind && group === (from.group === oldGatewayGroup ? gatewayGroup : from.group);
}
