// What benchmarks and tests of faults do to a cluster: objects, many at once, and what the API server holds of them.
import type { KubeObject } from '../../src/api/objects.ts';
import { accessFrom } from '../../src/sources/cluster/access.ts';
import { ApiError, KubeClient } from '../../src/sources/cluster/client.ts';
import { list, record, text } from '../../src/support/untrusted.ts';

export const group = 'gateway.networking.k8s.io';
export const controllerName = 'portolan.dev/gateway-controller';

const plurals: Readonly<Record<string, string>> = {
  Namespace: 'namespaces',
  Service: 'services',
  Secret: 'secrets',
  ConfigMap: 'configmaps',
  Deployment: 'deployments',
  EndpointSlice: 'endpointslices',
  GatewayClass: 'gatewayclasses',
  Gateway: 'gateways',
  HTTPRoute: 'httproutes',
  ReferenceGrant: 'referencegrants',
  BackendTLSPolicy: 'backendtlspolicies',
  ClusterRole: 'clusterroles',
  ClusterRoleBinding: 'clusterrolebindings',
  ServiceAccount: 'serviceaccounts',
  CustomResourceDefinition: 'customresourcedefinitions',
  Lease: 'leases',
};

export class Cluster {
  readonly client: KubeClient;

  constructor(kubeconfig?: string) {
    this.client = new KubeClient(accessFrom(kubeconfig));
  }

  async create(object: KubeObject): Promise<void> {
    await this.client.request('POST', collectionOf(object), { body: object });
  }

  /** Creates or replaces what this owns of it. */
  async apply(object: KubeObject): Promise<void> {
    await this.client.request('PATCH', pathOf(object), {
      body: object,
      type: 'application/apply-patch+yaml',
      query: { fieldManager: 'bench', force: 'true' },
    });
  }

  async patch(object: KubeObject, patch: unknown): Promise<void> {
    await this.client.request('PATCH', pathOf(object), { body: patch, type: 'application/merge-patch+json' });
  }

  async get(object: KubeObject): Promise<KubeObject | undefined> {
    return this.client.request<KubeObject>('GET', pathOf(object)).catch(absent);
  }

  async delete(object: KubeObject): Promise<void> {
    await this.client.request('DELETE', pathOf(object)).catch(absent);
  }

  /** Several requests at a time. */
  async each<T>(items: readonly T[], parallel: number, act: (item: T) => Promise<void>): Promise<void> {
    const queue = items.values();
    const worker = async (): Promise<void> => {
      for (const item of queue) await act(item);
    };
    await Promise.all(Array.from({ length: parallel }, worker));
  }
}

export function absent(error: unknown): undefined {
  if (error instanceof ApiError && error.status === 404) return undefined;
  throw error;
}

function unlessAway(error: unknown): undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== 'ECONNRESET' && code !== 'ECONNREFUSED' && code !== 'EPIPE') throw error;
  return undefined;
}

export function collectionOf({ apiVersion, kind, metadata }: KubeObject): string {
  const base = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const within = metadata.namespace === undefined ? '' : `/namespaces/${metadata.namespace}`;
  return `${base}${within}/${plurals[kind] ?? `${kind.toLowerCase()}s`}`;
}

export function pathOf(object: KubeObject): string {
  return `${collectionOf(object)}/${object.metadata.name}`;
}

export function namespaceObject(name: string): KubeObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
}

export function classObject(name = 'portolan'): KubeObject {
  return { apiVersion: `${group}/v1`, kind: 'GatewayClass', metadata: { name }, spec: { controllerName } };
}

/** With one listener, HTTP at port 80, unless others are given. */
export function gatewayObject(namespace: string, name: string, listeners?: readonly object[]): KubeObject {
  return {
    apiVersion: `${group}/v1`,
    kind: 'Gateway',
    metadata: { namespace, name },
    spec: { gatewayClassName: 'portolan', listeners: listeners ?? [{ name: 'http', port: 80, protocol: 'HTTP' }] },
  };
}

export interface RouteParts {
  readonly namespace: string;
  readonly name: string;
  readonly gateway: string;
  readonly hostname: string;
  /** A Service at port 80. */
  readonly backend?: string;
}

export function routeObject({ namespace, name, gateway, hostname, backend = 'echo' }: RouteParts): KubeObject {
  return {
    apiVersion: `${group}/v1`,
    kind: 'HTTPRoute',
    metadata: { namespace, name },
    spec: {
      parentRefs: [{ name: gateway }],
      hostnames: [hostname],
      rules: [{ backendRefs: [{ name: backend, port: 80 }] }],
    },
  };
}

/** A Service without selector and its EndpointSlice: what listens at the address stands for its Pods. */
export function backendObjects(namespace: string, name: string, address: string, port: number): KubeObject[] {
  const metadata = { namespace, name };
  return [
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { ports: [{ name: 'http', port: 80, targetPort: port }] } },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { ...metadata, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      endpoints: [{ addresses: [address] }],
      ports: [{ name: 'http', port }],
    },
  ];
}

/** `Accepted=True Accepted`… */
export function conditions(holder: unknown): string[] {
  return list(record(holder)['conditions']).map((condition) => {
    const { type, status, reason } = record(condition);
    return `${String(type)}=${String(status)} ${String(reason)}`;
  });
}

/** Of the first address; undefined until the Gateway is programmed for its generation. */
export function programmedAddress(gateway: KubeObject | undefined): string | undefined {
  const status = record(gateway?.['status']);
  const programmed = list(status['conditions'])
    .map(record)
    .some(
      ({ type, status, observedGeneration }) =>
        type === 'Programmed' && status === 'True' && observedGeneration === gateway?.metadata.generation,
    );
  return programmed ? text(record(list(status['addresses'])[0])['value']) : undefined;
}

/** Whether our entry for its (only) parent says Accepted and ResolvedRefs of its generation. */
export function isAccepted(route: unknown): boolean {
  const { status, metadata } = record(route);
  return list(record(status)['parents'])
    .map(record)
    .filter((parent) => parent['controllerName'] === controllerName)
    .some((parent) => {
      const told = list(parent['conditions']).map(record);
      return ['Accepted', 'ResolvedRefs'].every((type) =>
        told.some(
          (condition) =>
            condition['type'] === type &&
            condition['status'] === 'True' &&
            condition['observedGeneration'] === record(metadata)['generation'],
        ),
      );
    });
}

/** Asked for again and again, also while the server is away. @throws when it does not come true in time */
export async function until<T>(what: string, seconds: number, look: () => Promise<T | undefined | false>): Promise<T> {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    const found = await look().catch(unlessAway);
    if (found !== undefined && found !== false) return found;
    if (performance.now() > end) throw new Error(`${what}: not within ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
