// Objects that only the model knows, because an upgrade made them (an Ingress, an old vintage): what the tables of `status`
// show of them.
import type { Tables } from '../pipeline/tables.ts';
import type { ObjectRef } from '../routing/origin.ts';

type Fields = Readonly<Record<string, unknown>>;

/** The part of the spec that the model keeps. */
export function upgradedSpec(ref: ObjectRef, tables: Tables): Fields {
  switch (ref.kind) {
    case 'GatewayClass':
      return { controllerName: tables.classes.get(ref.name)?.controllerName };
    case 'Gateway': {
      const gateway = tables.gateways.get(`${ref.namespace}/${ref.name}`);
      const listeners = gateway?.listeners.map(({ name, protocol, port, hostname }) => ({
        name,
        protocol,
        port,
        ...(hostname === '' ? {} : { hostname }),
      }));
      return { gatewayClassName: gateway?.className, listeners };
    }
    default:
      return { hostnames: hostnamesOf(ref, tables) };
  }
}

export function upgradedObject(ref: ObjectRef, tables: Tables): Fields {
  const { group, kind, namespace, name } = ref;
  const metadata = { name, ...(namespace === '' ? {} : { namespace }) };
  return { apiVersion: `${group}/v1`, kind, metadata, spec: upgradedSpec(ref, tables) };
}

function hostnamesOf(ref: ObjectRef, tables: Tables): readonly string[] {
  const found = new Set<string>();
  for (const key of tables.routes.keys()) {
    const route = tables.routes.get(key);
    if (route === undefined || route.ref.kind !== ref.kind || route.ref.name !== ref.name) continue;
    if (route.ref.namespace !== ref.namespace) continue;
    for (const parent of route.parents) {
      for (const { hosts } of parent.attachments)
        for (const { original } of hosts) if (original !== '') found.add(original);
    }
  }
  return [...found];
}
