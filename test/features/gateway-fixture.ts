// A whole gateway in a test: YAML objects -> pipeline -> embedded engine -> real sockets on loopback, with an echo backend
// for each Service. Everything is closed when the test ends.
import http from 'node:http';
import type { TestContext } from 'node:test';
import type { KubeObject } from '../../src/api/objects.ts';
import { startEcho } from '../../src/cli/run/echo-server.ts';
import { Pipeline } from '../../src/pipeline/pipeline.ts';
import type { Placement } from '../../src/routing/model.ts';
import { startTestEngine } from './test-engine.ts';
import { freePort } from '../free-port.ts';

export interface Gateway {
  readonly pipeline: Pipeline;
  /** Local port of a declared port of a gateway. */
  port(gateway: string, port: number, transport?: 'tcp' | 'udp'): number;
  /** Applies more objects, and resolves when they are served. */
  apply(...objects: readonly KubeObject[]): Promise<void>;
  delete(object: KubeObject): Promise<void>;
}

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
  /** What the echo backend received, when one answered. */
  readonly echoed: Echoed | undefined;
}

export interface Echoed {
  readonly service: string;
  readonly namespace: string;
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[]>>;
}

/** @param objects as a user would apply them; Services without EndpointSlices are answered by an echo each */
export async function serveObjects(
  t: TestContext,
  objects: readonly KubeObject[],
  { channel = 'standard' }: { readonly channel?: 'standard' | 'experimental' } = {},
): Promise<Gateway> {
  const pipeline = new Pipeline({
    channel,
    controllerName: 'portolan.dev/gateway-controller',
    classes: 'any',
    presume: true,
    engine: 'embedded',
    awaitEngine: false,
  });
  const engine = await startTestEngine();
  const closers: (() => void)[] = [];
  t.after(async () => {
    await engine.close();
    for (const close of closers) close();
  });
  const ports = new Map<string, number>();
  const serve = async (): Promise<void> => {
    await engine.apply(pipeline.settle().update);
    const placements: Placement[] = [];
    for (const key of pipeline.tables.binds.keys()) {
      if (!ports.has(key)) ports.set(key, await freePort());
      placements.push({ bind: key, address: '127.0.0.1', port: ports.get(key) as number });
    }
    pipeline.place(placements);
    await engine.apply(pipeline.settle().update);
  };
  const add = async (added: readonly KubeObject[]): Promise<void> => {
    for (const raw of added) {
      const object = namespaced(raw);
      pipeline.apply(object);
      if (object.kind === 'Service')
        for (const slice of await echoes(object, [...objects, ...added], closers)) pipeline.apply(slice);
    }
  };
  await add(objects);
  await serve();
  return {
    pipeline,
    port: (gateway, port, transport = 'tcp') => {
      const found = ports.get(`${gateway}:${port}/${transport}`);
      if (found === undefined)
        throw new Error(`${gateway} does not serve port ${port}; it serves ${[...ports.keys()].join(', ')}`);
      return found;
    },
    apply: async (...more) => {
      await add(more);
      await serve();
    },
    delete: async (object) => {
      pipeline.delete(namespaced(object));
      await serve();
    },
  };
}

const clusterScoped = new Set(['Namespace', 'GatewayClass', 'IngressClass', 'ClusterTrustBundle']);

function namespaced(object: KubeObject): KubeObject {
  if (clusterScoped.has(object.kind)) return object;
  return { ...object, metadata: { namespace: 'default', ...object.metadata } };
}

async function echoes(
  service: KubeObject,
  objects: readonly KubeObject[],
  closers: (() => void)[],
): Promise<KubeObject[]> {
  const { name, namespace = 'default' } = service.metadata;
  const sliced = objects.some(
    (object) => object.kind === 'EndpointSlice' && object.metadata.labels?.['kubernetes.io/service-name'] === name,
  );
  if (sliced) return [];
  const slices: KubeObject[] = [];
  for (const port of (service['spec'] as { ports?: { port: number; name?: string }[] }).ports ?? []) {
    const echo = await startEcho({ namespace, service: name, port: port.port });
    closers.push(() => echo.close());
    slices.push({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: `${name}-${port.port}`, namespace, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      endpoints: [{ addresses: [echo.address], conditions: { ready: true } }],
      ports: [{ ...(port.name === undefined ? {} : { name: port.name }), port: echo.port }],
    });
  }
  return slices;
}

export interface Asked {
  readonly port: number;
  readonly method?: string;
  readonly path?: string;
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string;
}

/** One request on a connection of its own. */
export function ask({ port, method = 'GET', path = '/', host, headers = {}, body }: Asked): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const all = { ...headers, ...(host === undefined ? {} : { host }) } as http.OutgoingHttpHeaders;
    const request = http.request(
      { host: '127.0.0.1', port, method, path, headers: all, agent: false, timeout: 10_000 },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          const echoed =
            response.headers['x-echo-service'] === undefined || text === '' ? undefined : (JSON.parse(text) as Echoed);
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text, echoed });
        });
      },
    );
    request.on('timeout', () => request.destroy(new Error('no answer within 10 s')));
    request.on('error', reject);
    request.end(body);
  });
}
