// Objects as they were written -> the same in their current form, as a user would write them: only what says something, no
// defaults, no internals. What cannot be carried over is said, never dropped silently.
import {
  experimentalGatewayGroup,
  gatewayGroup,
  kindOf,
  oldGatewayGroup,
  vintagesOf,
  type Channel,
} from '../../api/kinds.ts';
import { groupOf, keyOf, versionOf, type KubeObject } from '../../api/objects.ts';
import type { Sourced } from '../../api/sourced.ts';
import { validate } from '../../api/validate.ts';
import { Changes, settle, Source, type Table } from '../../incremental/table.ts';
import { refKey } from '../../routing/origin.ts';
import type { Problem } from '../../routing/problem.ts';
import { compareText } from '../../support/sorted.ts';
import { isRecord } from '../../support/untrusted.ts';
import { isRenamedOnly } from '../../upgrade/same-shape.ts';
import { upgradeStages, type UpgradeTables } from '../../upgrade/stages.ts';
import { refOf } from '../../upgrade/upgraded.ts';
import { presentable } from './presentable.ts';

export interface UpgradeResult {
  /** Objects that keep their shape first, in their order; then what was made, by kind, namespace and name. */
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

  const rows = tablesOf(upgraded).flatMap((table) => rowsOf<{ readonly metadata: KubeObject['metadata'] }>(table));
  const read = new Set(rows.map(({ written }) => refKey(written)));
  const written = new Set(objects.map((object) => refKey(refOf(object))));
  const done = new Set<string>();
  const kept: KubeObject[] = [];
  const notes: Problem[] = [];
  for (const object of objects) {
    const key = refKey(refOf(object));
    // One that was refused is left as it is: without it less would be asked for than was written.
    const isRefused = groupOf(object.apiVersion) === gatewayGroup && !read.has(key);
    const renamed = withCurrentNames(rename(object) ?? (isRefused ? object : undefined));
    if (renamed === undefined) continue;
    done.add(key);
    if (object.kind !== renamed.kind && written.has(refKey(refOf(renamed)))) {
      notes.push(alreadyThere(object, renamed));
      continue;
    }
    kept.push(renamed);
    if (renamed.apiVersion === object.apiVersion) continue;
    if (versionOf(object.apiVersion) === 'v1beta1') notes.push(oldVersion(object, renamed));
    else if (read.has(key)) notes.push(...beyondLimits(renamed, channel));
  }
  const made = rows.filter(({ written }) => !done.has(refKey(written))).map((row) => presentable(row, notes));
  for (const object of made) notes.push(...beyondLimits(object, channel));
  const problems = upgraded.problems.flatMap((table) =>
    [...table.keys()].flatMap((key) => table.get(key)?.problems ?? []),
  );
  return { objects: [...kept, ...made.toSorted(compareObjects)], notes: [...problems, ...notes] };
}

function tablesOf(upgraded: UpgradeTables): readonly Table<Sourced<{ readonly metadata: KubeObject['metadata'] }>>[] {
  const { classes, gateways, listenerSets, httpRoutes, grpcRoutes, tlsRoutes, tcpRoutes, udpRoutes } = upgraded;
  const routes = [httpRoutes, grpcRoutes, tlsRoutes, tcpRoutes, udpRoutes];
  return [classes, gateways, listenerSets, ...routes, upgraded.backendTlsPolicies, upgraded.grants];
}

function rowsOf<T extends { readonly metadata: KubeObject['metadata'] }>(table: Table<Sourced<T>>): Sourced<T>[] {
  return [...table.keys()].flatMap((key) => table.get(key) ?? []);
}

/** The object itself when nothing changes; undefined when others are made of it. */
function rename(object: KubeObject): KubeObject | undefined {
  const group = groupOf(object.apiVersion);
  if (group === oldGatewayGroup) return isUpgradedV1alpha1(object.kind) ? undefined : object;
  if (group === 'networking.k8s.io' && (object.kind === 'Ingress' || object.kind === 'IngressClass')) return undefined;
  if (group === experimentalGatewayGroup && object.kind === 'XListenerSet')
    return { ...object, apiVersion: `${gatewayGroup}/v1`, kind: 'ListenerSet' };
  if (group !== gatewayGroup || versionOf(object.apiVersion) === 'v1') return object;
  const kind = object.kind === 'ReferencePolicy' ? 'ReferenceGrant' : object.kind;
  const known = kindOf(group, kind, 'experimental');
  if (known === undefined || !isKnownVersion(object)) return object;
  return isRenamedOnly(object) ? { ...object, apiVersion: `${group}/${known.current}`, kind } : undefined;
}

/** References to what is called something else today. */
function withCurrentNames(object: KubeObject | undefined): KubeObject | undefined {
  if (object === undefined || groupOf(object.apiVersion) !== gatewayGroup) return object;
  const spec = currentNames(object['spec']);
  return spec === object['spec'] ? object : { ...object, spec };
}

/** The value itself when nothing in it changes. */
function currentNames(value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.map(currentNames);
    return items.some((item, index) => item !== value[index]) ? items : value;
  }
  if (!isRecord(value)) return value;
  if (value['group'] === experimentalGatewayGroup && value['kind'] === 'XListenerSet')
    return { ...value, group: gatewayGroup, kind: 'ListenerSet' };
  const fields = Object.entries(value).map(([name, inner]) => [name, currentNames(inner)] as const);
  return fields.some(([name, inner]) => inner !== value[name]) ? Object.fromEntries(fields) : value;
}

function alreadyThere(object: KubeObject, renamed: KubeObject): Problem {
  const message = `there is a ${renamed.kind} of this name, which goes before it`;
  return { code: 'NotCarriedOver', at: { object: refOf(object), path: '' }, message };
}

/** Of one that nobody knows, nobody knows the shape either. */
function isKnownVersion({ apiVersion, kind }: KubeObject): boolean {
  const version = versionOf(apiVersion);
  return version === 'v1beta1' || vintagesOf(gatewayGroup, kind).includes(version);
}

function isUpgradedV1alpha1(kind: string): boolean {
  return v1alpha1Kinds.has(kind);
}

const v1alpha1Kinds: ReadonlySet<string> = new Set([
  'Gateway',
  'GatewayClass',
  'HTTPRoute',
  'TLSRoute',
  'TCPRoute',
  'UDPRoute',
]);

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
