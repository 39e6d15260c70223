// ListenerSet → drafts of its listeners (GEP-1713), each set by itself. Whether its Gateway takes it, and what its listeners are
// beside those of others, is siblings.ts.
import type { ListenerSet } from '../../api/generated/types.ts';
import type { Sourced } from '../../api/sourced.ts';
import { originOf } from '../../api/sourced.ts';
import { gatewayGroup } from '../../api/kinds.ts';
import type { Read, Table } from '../../incremental/table.ts';
import type { ObjectRef, Origin } from '../../routing/origin.ts';
import type { Problem } from '../../routing/problem.ts';
import { compareText } from '../../support/sorted.ts';
import type { BackendTables } from '../backends/scope.ts';
import { backendLookups } from '../backends/scope.ts';
import type { Grant } from '../references/grants.ts';
import { permits } from '../references/grants.ts';
import type { CertificateState } from './certificates.ts';
import type { ListenerDraft, ListenerScope } from './listeners.ts';
import { draftListener } from './listeners.ts';

export interface ListenerSetTables extends BackendTables {
  /** By namespace. */
  readonly grants: Table<readonly Grant[]>;
  readonly certificates: Table<CertificateState>;
}

export interface ListenerSetDraft {
  /** namespace/name. */
  readonly key: string;
  readonly ref: ObjectRef;
  readonly written: ObjectRef;
  readonly generation?: number;
  /** RFC 3339 or ''. */
  readonly created: string;
  readonly gateway: string;
  /** Of its parentRef. */
  readonly origin: Origin;
  readonly listeners: readonly ListenerDraft[];
}

/** Undefined for a set of another kind of parent. */
export function draftListenerSet(
  tables: ListenerSetTables,
): (sourced: Sourced<ListenerSet>, read: Read, key: string) => ListenerSetDraft | undefined {
  return (sourced, read, key) => {
    const { metadata, spec } = sourced.object;
    const { namespace = '', name } = metadata;
    const gateway = gatewayOf(sourced);
    if (gateway === undefined) return undefined;
    const ref: ObjectRef = { group: gatewayGroup, kind: 'ListenerSet', namespace, name };
    const permitted = (target: ObjectRef): boolean =>
      namespace === target.namespace || permits(read(tables.grants, target.namespace), ref, target);
    const scope: ListenerScope = {
      gateway,
      prefix: `${gateway}/${key}`,
      ref,
      sourced,
      permitted,
      // The Gateway adds its certificate: clustersOf.
      backends: { from: ref, gateway, spoken: 'http', permitted, ...backendLookups(tables, read, () => undefined) },
      certificate: (secret) => read(tables.certificates, secret),
    };
    return {
      key,
      ref,
      written: sourced.written,
      ...(metadata.generation === undefined ? {} : { generation: metadata.generation }),
      created: metadata.creationTimestamp ?? '',
      gateway,
      origin: originOf(sourced, 'spec.parentRef'),
      listeners: spec.listeners.map((listener, index) => draftListener(scope, listener, index)),
    };
  };
}

/** namespace/name of the Gateway; undefined when the parent is none. */
export function gatewayOf({ object }: Sourced<ListenerSet>): string | undefined {
  const { group, kind, namespace = object.metadata.namespace ?? '', name } = object.spec.parentRef;
  return group === gatewayGroup && kind === 'Gateway' ? `${namespace}/${name}` : undefined;
}

/** Their precedence: older ones first, then by namespace and name; files know no age. */
export function compareListenerSets(a: ListenerSetDraft, b: ListenerSetDraft): number {
  return compareText(a.created, b.created) || compareText(a.key, b.key);
}

/** What is wrong with the parent of a set that no Gateway will take. */
export function orphanProblem(
  { object, written, mappings }: Sourced<ListenerSet>,
  exists: (gateway: string) => boolean,
): Problem | undefined {
  const sourced = { object, written, mappings };
  const { group, kind, namespace = object.metadata.namespace ?? '', name } = object.spec.parentRef;
  const parent: ObjectRef = { group, kind, namespace, name };
  const at = originOf(sourced, 'spec.parentRef');
  const gateway = gatewayOf(sourced);
  if (gateway === undefined)
    return { code: 'InvalidKind', at, target: parent, kinds: ['Gateway.gateway.networking.k8s.io'] };
  return exists(gateway) ? undefined : { code: 'ParentNotFound', at, parent };
}
