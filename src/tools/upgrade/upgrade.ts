// Objects as they were written -> the same in their current form, as a user would write them: only what says something, no
// defaults, no internals. What cannot be carried over is said, never dropped silently.
import { gatewayGroup, kindOf, oldGatewayGroup, type Channel } from '../../api/kinds.ts';
import { groupOf, keyOf, versionOf, type KubeObject } from '../../api/objects.ts';
import type { Sourced } from '../../api/sourced.ts';
import { validate } from '../../api/validate.ts';
import { Changes, settle, Source, type Table } from '../../incremental/table.ts';
import type { Problem } from '../../routing/problem.ts';
import { compareText } from '../../support/sorted.ts';
import { upgradeStages } from '../../upgrade/stages.ts';
import { refOf } from '../../upgrade/upgraded.ts';
import { presentable } from './presentable.ts';

export interface UpgradeResult {
  /** Untouched objects first, in their order; then what was made, by kind, namespace and name. */
  readonly objects: readonly KubeObject[];
  readonly notes: readonly Problem[];
}

export function upgrade(objects: readonly KubeObject[], channel: Channel): UpgradeResult {
  const tables = new Map<string, Source<KubeObject>>();
  const raw = (group: string, kind: string): Source<KubeObject> => {
    const id = `${group}/${kind}`;
    let table = tables.get(id);
    if (table === undefined) tables.set(id, (table = new Source(id)));
    return table;
  };
  const upgraded = upgradeStages(raw, channel);
  const changes = new Changes();
  for (const object of objects) raw(groupOf(object.apiVersion), object.kind).apply(keyOf(object), object, changes);
  settle(upgraded.stages, changes);

  const kept: KubeObject[] = [];
  const notes: Problem[] = [];
  for (const object of objects) {
    const renamed = rename(object);
    if (renamed !== undefined) kept.push(renamed);
    if (renamed !== undefined && renamed !== object && versionOf(object.apiVersion) === 'v1beta1')
      notes.push(oldVersion(object, renamed));
  }
  const made = [upgraded.classes, upgraded.gateways, upgraded.httpRoutes, upgraded.grpcRoutes, upgraded.grants]
    .flatMap((table) => rowsOf<{ readonly metadata: KubeObject['metadata'] }>(table))
    .filter(({ written }) => !isRenamed(written.group, written.kind))
    .map((row) => presentable(row, notes));
  for (const object of made) notes.push(...beyondLimits(object, channel));
  const problems = upgraded.problems.flatMap((table) =>
    [...table.keys()].flatMap((key) => table.get(key)?.problems ?? []),
  );
  return { objects: [...kept, ...made.toSorted(compareObjects)], notes: [...problems, ...notes] };
}

function rowsOf<T extends { readonly metadata: KubeObject['metadata'] }>(table: Table<Sourced<T>>): Sourced<T>[] {
  return [...table.keys()].flatMap((key) => table.get(key) ?? []);
}

/** The object itself when nothing changes; undefined when others are made of it. */
function rename(object: KubeObject): KubeObject | undefined {
  const group = groupOf(object.apiVersion);
  if (group === oldGatewayGroup) return isUpgradedV1alpha1(object.kind) ? undefined : object;
  if (group === 'networking.k8s.io' && (object.kind === 'Ingress' || object.kind === 'IngressClass')) return undefined;
  if (group !== gatewayGroup || versionOf(object.apiVersion) === 'v1') return object;
  const kind = object.kind === 'ReferencePolicy' ? 'ReferenceGrant' : object.kind;
  const current = kindOf(group, kind, 'experimental')?.current;
  return current === undefined ? object : { ...object, apiVersion: `${group}/${current}`, kind };
}

function isRenamed(group: string, kind: string): boolean {
  return group === gatewayGroup && kind !== 'Ingress';
}

function isUpgradedV1alpha1(kind: string): boolean {
  return kind === 'Gateway' || kind === 'GatewayClass' || kind === 'HTTPRoute';
}

function oldVersion(object: KubeObject, renamed: KubeObject): Problem {
  return {
    code: 'DeprecatedVersion',
    at: { object: refOf(object), path: 'apiVersion' },
    from: object.apiVersion,
    to: renamed.apiVersion,
  };
}

/** What serves here may be more than the CRD takes: more rules, more listeners. */
function beyondLimits(object: KubeObject, channel: Channel): Problem[] {
  const result = validate(object, channel);
  if (result.ok) return [];
  return result.problems.map(({ path, message }) => ({
    code: 'NotCarriedOver',
    at: { object: refOf(object), path },
    message: `the API server would refuse ${path} of the upgraded object: ${message}`,
  }));
}

function compareObjects(a: KubeObject, b: KubeObject): number {
  return compareText(a.kind, b.kind) || compareText(keyOf(a), keyOf(b));
}
