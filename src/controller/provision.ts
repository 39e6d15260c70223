// What a Gateway is given in the cluster when its traffic comes to this process: a ServiceAccount, a Service at its ports, and an
// EndpointSlice that leads to its address (GEP-1762). Applied by the server, owned by the Gateway, with the labels and
// annotations of its infrastructure; written again only when something of it changed.
import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import type { Gateway } from '../api/generated/types.ts';
import type { BoundGateway } from '../routing/bound.ts';
import type { KubeClient } from '../sources/cluster/client.ts';
import { ApiError } from '../sources/cluster/client.ts';

export interface Infrastructure {
  readonly gateway: BoundGateway;
  readonly uid: string;
  readonly spec: Gateway['spec']['infrastructure'];
  readonly address: string | undefined;
}

const MANAGER = 'portolan';
export const gatewayNameLabel = 'gateway.networking.k8s.io/gateway-name';
const classNameLabel = 'gateway.networking.k8s.io/gateway-class-name';

export class Provisioner {
  readonly #client: KubeClient;
  readonly #failed: (gateway: string, error: Error) => void;
  /** What was applied, by key of the Gateway. */
  readonly #applied = new Map<string, string>();
  readonly #queues = new Map<string, Promise<void>>();

  constructor(client: KubeClient, failed: (gateway: string, error: Error) => void) {
    this.#client = client;
    this.#failed = failed;
  }

  /** Nothing is done for what is applied already. */
  provide(infrastructure: Infrastructure): void {
    const { key } = infrastructure.gateway;
    const objects = objectsFor(infrastructure);
    const text = JSON.stringify(objects);
    if (this.#applied.get(key) === text) return;
    this.#applied.set(key, text);
    this.#enqueue(key, async () => {
      for (const object of objects) await this.#apply(object);
    });
  }

  /** The Gateway is not ours any more; of one that is gone the server removes what it owned. */
  withdraw(gateway: BoundGateway): void {
    if (!this.#applied.delete(gateway.key)) return;
    const { namespace } = gateway.ref;
    const name = resourceName(gateway);
    this.#enqueue(gateway.key, async () => {
      for (const path of ['endpointslices', 'services', 'serviceaccounts']) {
        await this.#client.request('DELETE', `${basePath(path, namespace)}/${name}`).catch(ignoreAbsent);
      }
    });
  }

  #enqueue(key: string, work: () => Promise<void>): void {
    const before = this.#queues.get(key) ?? Promise.resolve();
    const turn = before.then(work).catch((error: unknown) => {
      // Tried again with the next change, or when it is provided again.
      this.#applied.delete(key);
      this.#failed(key, error as Error);
    });
    this.#queues.set(key, turn);
    void turn.then(() => this.#queues.get(key) === turn && this.#queues.delete(key));
  }

  async #apply(object: Provided): Promise<void> {
    const { namespace, name } = object.metadata;
    await this.#client.request('PATCH', `${basePath(object.plural, namespace)}/${name}`, {
      query: { fieldManager: MANAGER, force: 'true' },
      type: 'application/apply-patch+yaml',
      body: { ...object, plural: undefined },
    });
  }
}

interface Provided {
  readonly plural: 'serviceaccounts' | 'services' | 'endpointslices';
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly namespace: string; readonly name: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
}

function basePath(plural: string, namespace: string): string {
  const base = plural === 'endpointslices' ? '/apis/discovery.k8s.io/v1' : '/api/v1';
  return `${base}/namespaces/${encodeURIComponent(namespace)}/${plural}`;
}

function objectsFor({ gateway, uid, spec, address }: Infrastructure): readonly Provided[] {
  const { ref, className } = gateway;
  const labels = {
    ...spec?.labels,
    [gatewayNameLabel]: labelValue(ref.name),
    [classNameLabel]: labelValue(className),
    'app.kubernetes.io/managed-by': MANAGER,
  };
  const metadata = {
    namespace: ref.namespace,
    name: resourceName(gateway),
    labels,
    annotations: { ...spec?.annotations },
    ownerReferences: [
      {
        apiVersion: 'gateway.networking.k8s.io/v1',
        kind: 'Gateway',
        name: ref.name,
        uid,
        controller: true,
        blockOwnerDeletion: false,
      },
    ],
  };
  const ports = portsOf(gateway);
  const objects: Provided[] = [
    {
      plural: 'serviceaccounts',
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata,
      automountServiceAccountToken: false,
    },
  ];
  // A Service must have a port.
  if (ports.length === 0) return objects;
  objects.push({ plural: 'services', apiVersion: 'v1', kind: 'Service', metadata, spec: { type: 'ClusterIP', ports } });
  if (address === undefined) return objects;
  objects.push({
    plural: 'endpointslices',
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      ...metadata,
      labels: {
        ...labels,
        'kubernetes.io/service-name': metadata.name,
        'endpointslice.kubernetes.io/managed-by': 'portolan.dev',
      },
    },
    addressType: isIPv6(address) ? 'IPv6' : 'IPv4',
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
    ports: ports.map(({ name, port, protocol }) => ({ name, port, protocol })),
  });
  return objects;
}

function portsOf({
  binds,
}: BoundGateway): readonly { name: string; port: number; protocol: string; targetPort: number }[] {
  return binds.map(({ port, transport }) => ({
    name: `${transport}-${port}`,
    port,
    protocol: transport.toUpperCase(),
    targetPort: port,
  }));
}

/** `NAME-CLASS`, as GEP-1762 wants it, or with a hash where that is too long for a Service. */
export function resourceName({ ref, className }: Pick<BoundGateway, 'ref' | 'className'>): string {
  const name = `${ref.name}-${className}`.replaceAll('.', '-');
  // A Service's name begins with a letter.
  return shortened(/^[a-z]/.test(name) ? name : `gw-${name}`, `${ref.name}/${className}`);
}

function labelValue(text: string): string {
  return shortened(text, text);
}

const LONGEST = 63;

function shortened(text: string, whole: string): string {
  if (text.length <= LONGEST) return text;
  const hash = createHash('sha256').update(whole).digest('hex').slice(0, 10);
  return `${text.slice(0, LONGEST - 11).replace(/[-._]+$/, '')}-${hash}`;
}

function ignoreAbsent(error: unknown): void {
  if (!(error instanceof ApiError && error.status === 404)) throw error;
}
