// The objects that statuses stand on. Of those that an upgrade made (of an Ingress, an old vintage) only the model knows, and
// what it keeps of them is what the tables of `status` show.
import { isRecord } from '../support/untrusted.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { Tables } from '../pipeline/tables.ts';
import type { BoundListener } from '../routing/bound.ts';
import type { ObjectRef } from '../routing/origin.ts';
import { refKey } from '../routing/origin.ts';
import type { ObjectStatus } from '../status/object-status.ts';

type Fields = Readonly<Record<string, unknown>>;

/** As it was written, when it was; without its status. */
export function objectOf(row: ObjectStatus, pipeline: Pipeline): Fields {
  const written = writtenOf(row, pipeline);
  if (written !== undefined) return written;
  const { group, kind, namespace, name } = row.ref;
  const metadata = { name, ...(namespace === '' ? {} : { namespace }) };
  return { apiVersion: `${group}/v1`, kind, metadata, spec: madeSpec(row, pipeline.tables) };
}

export function specOf(row: ObjectStatus, pipeline: Pipeline): Fields {
  const written = writtenOf(row, pipeline);
  if (written === undefined) return madeSpec(row, pipeline.tables);
  return isRecord(written['spec']) ? written['spec'] : {};
}

/** Something else may have been written under the name of what was made. */
function writtenOf({ ref, written }: ObjectStatus, pipeline: Pipeline): Fields | undefined {
  return written === undefined ? pipeline.object(ref) : undefined;
}

/** The part of the spec that the model keeps. */
function madeSpec(row: ObjectStatus, tables: Tables): Fields {
  const { kind, namespace, name } = row.ref;
  switch (kind) {
    case 'GatewayClass':
      return { controllerName: tables.classes.get(name)?.controllerName };
    case 'Gateway': {
      const gateway = tables.gateways.get(`${namespace}/${name}`);
      return { gatewayClassName: gateway?.className, listeners: gateway?.listeners.map(listenerSpec) };
    }
    case 'ListenerSet': {
      const set = tables.listenerSets.get(`${namespace}/${name}`);
      const [gatewayNamespace, gateway] = set?.gateway.split('/') ?? [];
      return { parentRef: { namespace: gatewayNamespace, name: gateway }, listeners: set?.listeners.map(listenerSpec) };
    }
    default:
      return { hostnames: hostnamesOf(row, tables) };
  }
}

function listenerSpec({ name, protocol, port, hostname }: BoundListener): Fields {
  return { name, protocol, port, ...(hostname === '' ? {} : { hostname }) };
}

function hostnamesOf({ ref, written = ref }: ObjectStatus, tables: Tables): readonly string[] {
  const found = new Set<string>();
  for (const key of tables.routes.keys()) {
    const route = tables.routes.get(key);
    if (route === undefined || !isSame(route.ref, ref) || !isSame(route.written, written)) continue;
    for (const parent of route.parents) {
      for (const { hosts } of parent.attachments)
        for (const { original } of hosts) if (original !== '') found.add(original);
    }
  }
  return [...found];
}

function isSame(a: ObjectRef, b: ObjectRef): boolean {
  return refKey(a) === refKey(b);
}
