// Objects of a cluster that tests of the controller begin with, and readings of what it writes.
import { list, record } from '../../src/support/untrusted.ts';
import type { FakeApiServer, Stored } from './cluster-fixture.ts';

export const group = 'gateway.networking.k8s.io';

export function definition(kind: string, plural: string, scope = 'Namespaced', of: string = group): Stored {
  const version = of === group ? 'v1' : 'v1alpha1';
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${plural}.${of}`,
      ...(of === group
        ? { annotations: { [`${group}/bundle-version`]: 'v1.7.0', [`${group}/channel`]: 'standard' } }
        : {}),
    },
    spec: { group: of, names: { kind, plural }, scope, versions: [{ name: version, served: true, storage: true }] },
  };
}

/** With the fields of the experimental channel. */
export function experimental(crd: Stored): Stored {
  const annotations = { ...record(crd.metadata['annotations']), [`${group}/channel`]: 'experimental' };
  return { ...crd, metadata: { ...crd.metadata, annotations } };
}

export const gatewayClass: Stored = {
  apiVersion: `${group}/v1`,
  kind: 'GatewayClass',
  metadata: { name: 'portolan' },
  spec: { controllerName: 'portolan.dev/gateway-controller' },
};

export function gateway(port: number, className = 'portolan'): Stored {
  return {
    apiVersion: `${group}/v1`,
    kind: 'Gateway',
    metadata: { name: 'gw', namespace: 'default' },
    spec: {
      gatewayClassName: className,
      infrastructure: { labels: { team: 'edge' }, annotations: { note: 'x' } },
      listeners: [{ name: 'http', port, protocol: 'HTTP' }],
    },
  };
}

/** `Type=Status Reason`, in their order. */
export function conditionsOf(object: Stored | undefined): readonly string[] {
  return list(record(object?.['status'])['conditions']).map((condition) => {
    const { type, status, reason } = record(condition);
    return `${String(type)}=${String(status)} ${String(reason)}`;
  });
}

/** `Type value`, of the Gateway gw. */
export function addressesOf(server: FakeApiServer): readonly string[] {
  return list(record(server.get('Gateway', 'gw')?.['status'])['addresses']).map((address) => {
    const { type, value } = record(address);
    return `${String(type)} ${String(value)}`;
  });
}
