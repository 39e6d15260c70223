// What all conformance cases stand on: namespaces, Gateways, Services with workloads and certificates, served by a pipeline
// and an embedded engine on free ports of loopback. Objects come and go as in a cluster, with generations that count.
import { isDeepStrictEqual } from 'node:util';
import { isClusterScoped } from '../../../src/api/kinds.ts';
import { groupOf, type KubeObject, type ObjectMeta } from '../../../src/api/objects.ts';
import { Pipeline } from '../../../src/pipeline/pipeline.ts';
import { refKey } from '../../../src/routing/origin.ts';
import type { Engine } from '../../../src/routing/engine.ts';
import type { Placement } from '../../../src/routing/model.ts';
import { startTestEngine } from '../test-engine.ts';
import { certificateFor } from '../tls-certificates.ts';
import { Backends } from './backends.ts';
import { freePort } from '../../free-port.ts';

export const controllerName = 'portolan.dev/gateway-controller';
/** Where objects of the cases are, unless they say. */
export const home = 'infra';

const gatewayApi = 'gateway.networking.k8s.io/v1';
const apiVersions: Readonly<Record<string, string>> = {
  GatewayClass: gatewayApi,
  Gateway: gatewayApi,
  HTTPRoute: gatewayApi,
  GRPCRoute: gatewayApi,
  ReferenceGrant: gatewayApi,
  EndpointSlice: 'discovery.k8s.io/v1',
};

/** An object of a case: what is the same in all of them may be left out. */
export interface Sketch {
  readonly kind: string;
  readonly apiVersion?: string;
  readonly metadata?: Partial<ObjectMeta>;
  readonly [field: string]: unknown;
}

export class World {
  readonly backends: Backends = new Backends();
  /** The certificate of the secure Gateway, to be trusted. */
  certificate = '';
  readonly #pipeline = new Pipeline({
    channel: 'standard',
    controllerName,
    classes: 'by-controller',
    presume: false,
    loopbackEndpoints: true,
    engine: 'embedded',
    awaitEngine: true,
  });
  #engine: Engine | undefined;
  readonly #ports = new Map<string, number>();
  readonly #current = new Map<string, KubeObject>();
  /** By what the objects of the cases name `workload`: the port of a server. */
  readonly #workloads = new Map<string, number>();

  async start(): Promise<void> {
    this.#engine = await startTestEngine({ onReport: (report) => this.#pipeline.report(report) });
    const namespace = (name: string, labels: object = {}): Sketch => ({
      kind: 'Namespace',
      metadata: { name, labels: { 'kubernetes.io/metadata.name': name, ...labels } },
    });
    const certificate = await certificateFor('certificate', [
      'example.org',
      '*.example.org',
      '*.com',
      'unknown-example.org',
      'second-example.org',
      '*.wildcard.org',
    ]);
    this.certificate = certificate.certificate;
    const secret = (namespace: string, name: string): Sketch => ({
      kind: 'Secret',
      type: 'kubernetes.io/tls',
      metadata: { name, namespace },
      data: { 'tls.crt': base64(certificate.certificate), 'tls.key': base64(certificate.privateKey) },
    });
    await this.apply([
      { kind: 'GatewayClass', metadata: { name: 'portolan' }, spec: { controllerName } },
      namespace('infra'),
      namespace('apps', { tier: 'backend' }),
      namespace('web', { tier: 'backend' }),
      secret('infra', 'certificate'),
      secret('web', 'certificate'),
      ...(await this.#services()),
      gateway('same', [{ name: 'http', port: 80, protocol: 'HTTP', allowedRoutes: { namespaces: { from: 'Same' } } }]),
      gateway('all', [{ name: 'http', port: 80, protocol: 'HTTP', allowedRoutes: { namespaces: { from: 'All' } } }]),
      gateway('selected', [
        {
          name: 'http',
          port: 80,
          protocol: 'HTTP',
          allowedRoutes: { namespaces: { from: 'Selector', selector: { matchLabels: { tier: 'backend' } } } },
        },
      ]),
      gateway('secure', [
        secureListener('any'),
        secureListener('second', 'second-example.org'),
        secureListener('wildcard', '*.wildcard.org'),
        secureListener('fourth', 'fourth-example.wildcard.org'),
      ]),
    ]);
  }

  async close(): Promise<void> {
    await this.#engine?.close();
    this.backends.close();
  }

  /** Resolved when everything is served and its status is known. A changed spec is a new generation. */
  async apply(sketches: readonly Sketch[]): Promise<void> {
    for (const sketch of sketches) {
      const object = this.#completed(sketch);
      const key = keyOf(object);
      const before = this.#current.get(key);
      const generation =
        (before?.metadata.generation ?? 0) +
        (isDeepStrictEqual(before?.['spec'], object['spec']) && before !== undefined ? 0 : 1);
      const versioned = { ...object, metadata: { ...object.metadata, generation } };
      this.#current.set(key, versioned);
      this.#pipeline.apply(versioned);
    }
    await this.#serve();
  }

  async delete(sketches: readonly Sketch[]): Promise<void> {
    for (const sketch of sketches) {
      const object = this.#completed(sketch);
      this.#current.delete(keyOf(object));
      this.#pipeline.delete(object);
    }
    await this.#serve();
  }

  /** `Kind/name` or `Kind/namespace/name`, as it was applied. */
  object(name: string): KubeObject {
    const [kind = '', ...rest] = name.split('/');
    const metadata =
      rest.length > 1 ? { namespace: rest[0] as string, name: rest[1] as string } : { name: rest[0] as string };
    const found = this.#current.get(keyOf(this.#completed({ kind, metadata })));
    if (found === undefined) throw new Error(`there is no ${name}`);
    return found;
  }

  status(object: KubeObject): Readonly<Record<string, unknown>> {
    return this.#pipeline.tables.statuses.get(keyOf(object))?.status ?? {};
  }

  /** Keys of what is attached or bound beside the Gateways that all cases share. */
  leftovers(): readonly string[] {
    const { routes, binds, rules, clusters, reports } = this.#pipeline.tables;
    const shared = new Set(['same:80', 'all:80', 'selected:80', 'secure:443'].map((name) => `${home}/${name}/tcp`));
    return [routes, binds, rules, clusters, reports].flatMap((table) =>
      [...table.keys()].filter((key) => !shared.has(key)),
    );
  }

  /** Where the declared port of a Gateway is served; undefined when it is not. */
  port(name: string, declared: number): number | undefined {
    const bind = `${name.includes('/') ? name : `${home}/${name}`}:${declared}/tcp`;
    return this.#pipeline.tables.reports.get(bind)?.state === 'serving' ? this.#ports.get(bind) : undefined;
  }

  async #serve(): Promise<void> {
    await this.#engine?.apply(this.#pipeline.settle().update);
    const placements: Placement[] = [];
    for (const bind of this.#pipeline.tables.binds.keys()) {
      const port = this.#ports.get(bind) ?? (await freePort());
      this.#ports.set(bind, port);
      placements.push({ bind, address: '127.0.0.1', port });
    }
    this.#pipeline.place(placements);
    await this.#engine?.apply(this.#pipeline.settle().update);
    // What the engine reported of the binds.
    await this.#engine?.apply(this.#pipeline.settle().update);
  }

  async #services(): Promise<readonly Sketch[]> {
    const ports = (port: number, appProtocol?: string): object => ({
      port,
      targetPort: 3000,
      ...(appProtocol === undefined ? {} : { appProtocol: `kubernetes.io/${appProtocol}` }),
    });
    const sketches: Sketch[] = [];
    const add = async (backend: string, kind: 'http' | 'grpc'): Promise<void> => {
      const [namespace = '', name = ''] = backend.split('/');
      this.#workloads.set(backend, await this.backends.start(backend, kind));
      const named =
        backend === 'infra/v1'
          ? [
              { name: 'first', ...ports(8080) },
              { name: 'second', ...ports(8081, 'h2c') },
              { name: 'third', ...ports(8082, 'ws') },
            ]
          : [{ name: 'first', ...ports(8080, kind === 'grpc' ? 'h2c' : undefined) }];
      if (backend === 'infra/v1') this.#workloads.set('infra/v1/h2c', await this.backends.start(backend, 'h2c'));
      sketches.push({ kind: 'Service', metadata: { namespace, name }, spec: { ports: named } });
      for (const { name: port } of named)
        sketches.push(
          slice({ namespace, name: `${name}-${port}` }, name, {
            name: port,
            workload: port === 'second' ? 'infra/v1/h2c' : backend,
          }),
        );
    };
    for (const name of ['v1', 'v2', 'v3']) await add(`infra/${name}`, 'http');
    for (const name of ['v1', 'v2', 'v3']) await add(`infra/grpc-${name}`, 'grpc');
    for (const backend of ['apps/v1', 'apps/v2', 'web/web']) await add(backend, 'http');
    // A privileged port: nobody listens there, and none of the free ports given away here can be it.
    this.#workloads.set('broken', 1);
    return sketches;
  }

  #completed(sketch: Sketch): KubeObject {
    const { kind } = sketch;
    const apiVersion = sketch.apiVersion ?? apiVersions[kind] ?? 'v1';
    const scoped = isClusterScoped(groupOf(apiVersion), kind) ? {} : { namespace: home };
    const metadata = { ...scoped, ...(sketch.metadata as ObjectMeta) };
    const spec = sketch['spec'] as { readonly parentRefs?: unknown } | undefined;
    const withParent =
      /^(?:HTTP|GRPC)Route$/.test(kind) && spec !== undefined && spec.parentRefs === undefined
        ? { spec: { parentRefs: [{ name: 'same' }], ...spec } }
        : {};
    const withClass =
      kind === 'Gateway' && spec !== undefined ? { spec: { gatewayClassName: 'portolan', ...spec } } : {};
    return { ...this.#withPorts(sketch), ...withParent, ...withClass, apiVersion, kind, metadata };
  }

  /** The ports of EndpointSlices that name a workload. */
  #withPorts(sketch: Sketch): Sketch {
    if (sketch.kind !== 'EndpointSlice' || !Array.isArray(sketch['ports'])) return sketch;
    const ports = (sketch['ports'] as readonly { readonly workload: string }[]).map(({ workload, ...port }) => ({
      ...port,
      port: this.#workloads.get(workload),
    }));
    return { ...sketch, ports };
  }
}

function slice(
  metadata: { readonly namespace: string; readonly name: string },
  service: string,
  port: { readonly name: string; readonly workload: string },
): Sketch {
  return {
    kind: 'EndpointSlice',
    metadata: { ...metadata, labels: { 'kubernetes.io/service-name': service } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true } }],
    ports: [port],
  };
}

function gateway(name: string, listeners: readonly object[]): Sketch {
  return { kind: 'Gateway', metadata: { name }, spec: { listeners } };
}

function secureListener(name: string, hostname?: string): object {
  return {
    name,
    port: 443,
    protocol: 'HTTPS',
    ...(hostname === undefined ? {} : { hostname }),
    tls: { certificateRefs: [{ name: 'certificate' }] },
  };
}

function keyOf({ apiVersion, kind, metadata: { namespace = '', name } }: KubeObject): string {
  return refKey({ group: groupOf(apiVersion), kind, namespace, name });
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
