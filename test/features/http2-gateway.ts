// A gateway for tests, from manifests to sockets: the pipeline, one engine with its worker, and free ports of this machine
// for its listeners. Everything that was started is closed when the test file ends.
import { once } from 'node:events';
import type net from 'node:net';
import type { AddressInfo } from 'node:net';
import { after } from 'node:test';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../src/api/objects.ts';
import type { Engine } from '../../src/routing/engine.ts';
import { startTestEngine } from './test-engine.ts';
import type { EngineOptions } from '../../src/engines/embedded/options.ts';
import { Pipeline } from '../../src/pipeline/pipeline.ts';
import type { CertificateSet, Placement } from '../../src/routing/model.ts';
import { freePort } from '../free-port.ts';

const cleanUp: (() => unknown)[] = [];
after(async () => {
  for (const step of cleanUp.toReversed()) await step();
});

/** Runs when the test file ends, the last first. */
export function atEnd(step: () => unknown): void {
  cleanUp.push(step);
}

export class Gateway {
  readonly engine: Engine;
  readonly #pipeline: Pipeline;
  readonly #placements = new Map<string, Placement>();

  constructor(engine: Engine) {
    this.#pipeline = new Pipeline({
      channel: 'standard',
      controllerName: 'portolan.dev/gateway-controller',
      classes: 'any',
      presume: true,
      engine: 'embedded',
      awaitEngine: false,
    });
    this.engine = engine;
    atEnd(() => engine.close());
  }

  /** Resolved when the engine serves it. */
  async apply(manifests: string): Promise<void> {
    for (const document of parseAllDocuments(manifests)) {
      const object = document.toJS() as KubeObject | null;
      if (object === null) continue;
      const { metadata } = object;
      this.#pipeline.apply({ ...object, metadata: { namespace: 'default', ...metadata } });
    }
    await this.engine.apply(this.#pipeline.settle().update);
    const { binds } = this.#pipeline.tables;
    for (const key of binds.keys()) {
      if (!this.#placements.has(key))
        this.#placements.set(key, { bind: key, address: '127.0.0.1', port: await freePort() });
    }
    this.#pipeline.place([...this.#placements.values()]);
    await this.engine.apply(this.#pipeline.settle().update);
  }

  /** Where the listeners with this declared port are served. */
  port(declared: number): number {
    const bind = [...this.#placements.keys()].find((key) => key.includes(`:${declared}/`));
    return (this.#placements.get(bind ?? '') as Placement).port;
  }
}

export async function startGateway(manifests: string, options: EngineOptions = {}): Promise<Gateway> {
  const gateway = new Gateway(await startTestEngine(options));
  await gateway.apply(manifests);
  return gateway;
}

/** Listens on a free port, closed at the end of the test file. */
export async function listen(server: net.Server): Promise<number> {
  const sockets = new Set<net.Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

/** A Service with one endpoint on this machine. */
export function service(name: string, port: number, appProtocol?: string): string {
  return `---
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec:
  ports: [{ port: 8080${appProtocol === undefined ? '' : `, appProtocol: ${appProtocol}`} }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: ${name}-1, labels: { kubernetes.io/service-name: ${name} } }
addressType: IPv4
ports: [{ port: ${port} }]
endpoints: [{ addresses: [127.0.0.1], conditions: { ready: true } }]
`;
}

/** One HTTP listener on port 80 and, per name, an HTTPRoute of the host `name.test` to the Service of that name. */
export function plainGateway(...backends: readonly string[]): string {
  return `---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: gw }
spec:
  gatewayClassName: any
  listeners: [{ name: http, port: 80, protocol: HTTP }]
${backends.map((name) => httpRoute(name, [`${name}.test`])).join('')}`;
}

export function httpRoute(name: string, hostnames: readonly string[], rest = ''): string {
  return `---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: ${name} }
spec:
  parentRefs: [{ name: gw${rest} }]
  hostnames: [${hostnames.map((host) => JSON.stringify(host)).join(', ')}]
  rules: [{ backendRefs: [{ name: ${name}, port: 8080 }] }]
`;
}

/** The Secret of a certificate, named by the last part of its key. */
export function secret(row: CertificateSet): string {
  const encode = (text: string): string => Buffer.from(text).toString('base64');
  return `---
apiVersion: v1
kind: Secret
type: kubernetes.io/tls
metadata: { name: ${row.key.split('/').at(-1)} }
data: { tls.crt: ${encode(row.certificate)}, tls.key: ${encode(row.privateKey)} }
`;
}
