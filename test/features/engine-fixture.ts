// Small Updates by hand, backends and raw clients, for the tests of the embedded engine: real sockets on loopback, ephemeral
// ports, everything closed at the end.
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import type { TestContext } from 'node:test';
import type { Engine } from '../../src/routing/engine.ts';
import type { EngineOptions } from '../../src/engines/embedded/options.ts';
import type { Filter } from '../../src/routing/filters.ts';
import type {
  Action,
  BindReport,
  CertificateSet,
  Cluster,
  Endpoint,
  Entry,
  Frontend,
  Match,
  Retry,
  Rule,
  Timeouts,
  TrustBundle,
  WeightedBackend,
} from '../../src/routing/model.ts';
import type { Origin } from '../../src/routing/origin.ts';
import type { Update } from '../../src/routing/update.ts';
import { startTestEngine } from './test-engine.ts';
import { freePort } from '../free-port.ts';

export const origin: Origin = { object: { group: '', kind: 'HTTPRoute', namespace: 'test', name: 'route' }, path: '' };

/** One rule on one path of one host, as a test thinks of it. */
export interface Route {
  /** Also names the rule. Default `/`. */
  readonly path?: string;
  readonly host?: string;
  readonly match?: Partial<Match>;
  readonly backends?: readonly Backend[];
  readonly filters?: readonly Filter[];
  readonly timeouts?: Timeouts;
  readonly retry?: Retry;
  readonly action?: Action;
  readonly protocol?: 'http' | 'grpc';
}

export interface Backend {
  /** Of a cluster of `clusters`, or the address of its one endpoint: a port on loopback. */
  readonly to: string | number;
  readonly weight?: number;
  readonly filters?: readonly Filter[];
}

export interface World {
  readonly port: number;
  readonly routes: readonly Route[];
  /** Ports on loopback by cluster name; clusters of a single port need no entry. */
  readonly clusters?: Readonly<Record<string, readonly (number | Partial<Endpoint>)[]>>;
  readonly protocols?: Readonly<Record<string, Cluster['protocol']>>;
  /** What else is special about clusters, by name. */
  readonly special?: Readonly<Record<string, Partial<Cluster>>>;
  readonly certificates?: readonly CertificateSet[];
  readonly trustBundles?: readonly TrustBundle[];
  readonly frontend?: Partial<Frontend>;
  readonly address?: string;
}

const BIND = 'test/gateway:80/tcp';
const FRONTEND = 'test/gateway/http';

/** All of a configuration as one update. */
export function updateOf(world: World, version = 1): Update {
  const clusters = new Map<string, readonly (number | Partial<Endpoint>)[]>(Object.entries(world.clusters ?? {}));
  const rules: Rule[] = [];
  const hosts = new Map<string, Entry[]>();
  world.routes.forEach((route, index) => {
    const key = ruleKey(index);
    for (const backend of route.backends ?? []) {
      if (typeof backend.to === 'number') clusters.set(String(backend.to), [backend.to]);
    }
    rules.push(ruleOf(route, key));
    const host = route.host ?? '';
    if (!hosts.has(host)) hosts.set(host, []);
    hosts.get(host)?.push(entryOf(route, key, index));
  });
  const frontend: Frontend = {
    key: FRONTEND,
    bind: BIND,
    gateway: 'test/gateway',
    listener: 'http',
    protocol: 'HTTP',
    port: 80,
    hostname: '',
    publicPorts: {},
    origin,
    ...world.frontend,
  };
  const bind = {
    key: BIND,
    gateway: 'test/gateway',
    port: 80,
    transport: 'tcp' as const,
    security: 'none' as const,
    frontends: [FRONTEND],
  };
  const all = <T>(set: readonly T[]): { set: readonly T[]; delete: readonly string[] } => ({ set, delete: [] });
  return {
    version,
    binds: all([bind]),
    placements: all([{ bind: BIND, address: world.address ?? '127.0.0.1', port: world.port }]),
    frontends: all([frontend]),
    rules: all(rules),
    clusters: all(
      [...clusters.keys()].map((name) => ({
        ...clusterOf(name, world.protocols?.[name] ?? 'http1'),
        ...world.special?.[name],
      })),
    ),
    certificates: all(world.certificates ?? []),
    trustBundles: all(world.trustBundles ?? []),
    endpoints: all(
      [...clusters].map(([name, endpoints]) => ({ key: `test/${name}`, endpoints: endpoints.map(endpointOf) })),
    ),
    virtualHosts: [...hosts].map(([hostname, inserted]) => ({
      key: `${FRONTEND}|${hostname}`,
      frontend: FRONTEND,
      hostname,
      removed: [],
      inserted,
    })),
  };
}

export function ruleKey(index: number): string {
  return `test/gateway|HTTPRoute/test/route-${index}|0`;
}

export function ruleOf(route: Route, key: string): Rule {
  return {
    key,
    protocol: route.protocol ?? 'http',
    filters: route.filters ?? [],
    timeouts: route.timeouts ?? {},
    ...(route.retry === undefined ? {} : { retry: route.retry }),
    action: route.action ?? { kind: 'forward', backends: (route.backends ?? []).map(backendOf) },
    origin,
  };
}

export function entryOf(route: Route, rule: string, index: number): Entry {
  return {
    rule,
    match: {
      protocol: route.protocol ?? 'http',
      path: { type: 'prefix', value: route.path ?? '/' },
      headers: [],
      query: [],
      ...route.match,
    },
    rank: { hostname: route.host ?? '', created: '', route: `test/route-${index}`, rule: 0, match: 0 },
  };
}

function backendOf(backend: Backend): WeightedBackend {
  return {
    weight: backend.weight ?? 1,
    target: { kind: 'cluster', cluster: `test/gateway|${backend.to}` },
    filters: backend.filters ?? [],
    origin,
  };
}

export function clusterOf(name: string, protocol: Cluster['protocol']): Cluster {
  return {
    key: `test/gateway|${name}`,
    protocol,
    endpoints: `test/${name}`,
    backend: { kind: 'Service', namespace: 'test', name, port: 80 },
  };
}

export function endpointOf(endpoint: number | Partial<Endpoint>): Endpoint {
  const given = typeof endpoint === 'number' ? { port: endpoint } : endpoint;
  return {
    id: `endpoint-${given.address ?? ''}-${given.port ?? 0}`,
    address: '127.0.0.1',
    port: 0,
    ready: true,
    serving: true,
    terminating: false,
    ...given,
  };
}

/** The update that replaces the endpoints of one cluster. */
export function endpointsUpdate(
  name: string,
  endpoints: readonly (number | Partial<Endpoint>)[],
  version: number,
): Update {
  return {
    version,
    endpoints: { set: [{ key: `test/${name}`, endpoints: endpoints.map(endpointOf) }], delete: [] },
  };
}

export interface Running {
  readonly engine: Engine;
  readonly port: number;
  readonly url: string;
  readonly reports: BindReport[];
}

/** An engine that serves the routes at a free port until the test ends. */
export async function serve(
  t: TestContext,
  world: Omit<World, 'port'> & { readonly port?: number },
  options: EngineOptions = {},
): Promise<Running> {
  const port = world.port ?? (await freePort());
  const reports: BindReport[] = [];
  const engine = await startTestEngine({ ...options, onReport: (report) => reports.push(report) });
  t.after(() => engine.close());
  await engine.apply(updateOf({ ...world, port }));
  return { engine, port, url: `http://127.0.0.1:${port}`, reports };
}

/** The status of a POST over HTTP/2 in the clear, whose body has no length that is said and comes in one piece. */
export async function statusOfBody(session: http2.ClientHttp2Session, length: number): Promise<number | undefined> {
  const stream = session.request({ ':method': 'POST', ':path': '/' });
  stream.on('error', () => {});
  const answered = once(stream, 'response') as Promise<[http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader]>;
  stream.resume().end('x'.repeat(length));
  const [headers] = await answered;
  return headers[':status'];
}

/** A connection of HTTP/2 in the clear, until the test ends. */
export function http2Session(t: TestContext, port: number): http2.ClientHttp2Session {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  t.after(() => session.destroy());
  return session;
}

/** A backend on Node's own HTTP server; returns its port. */
export async function httpBackend(t: TestContext, listener: http.RequestListener): Promise<number> {
  const server = http.createServer({ keepAliveTimeout: 30_000 }, listener);
  return listen(t, server, () => server.closeAllConnections());
}

/** A backend that does exactly what the test says with each connection; returns its port. */
export async function rawBackend(t: TestContext, accept: (socket: net.Socket) => void): Promise<number> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    accept(socket);
  });
  return listen(t, server, () => {
    for (const socket of sockets) socket.destroy();
  });
}

async function listen(t: TestContext, server: net.Server, stop: () => void): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    stop();
    server.close();
  });
  return (server.address() as net.AddressInfo).port;
}

/** Answers every request, head and all, with what it was: the echo of a raw backend, in JSON. */
export const echo: http.RequestListener = (request, response) => {
  const pieces: Buffer[] = [];
  request.on('data', (piece: Buffer) => pieces.push(piece));
  request.on('end', () => {
    const body = JSON.stringify({
      method: request.method,
      url: request.url,
      headers: request.headers,
      rawHeaders: request.rawHeaders,
      trailers: request.trailers,
      body: Buffer.concat(pieces).toString('latin1'),
      port: request.socket.localPort,
    });
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
    response.end(body);
  });
};

export interface Echoed {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly rawHeaders: readonly string[];
  readonly trailers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly port: number;
}

/** Milliseconds in which whatever is to come has come, on a busy machine too. */
const PATIENCE = 10_000;

/** A client's socket with what it received so far. */
export class RawClient {
  readonly socket: net.Socket;
  received = '';
  ended = false;
  closed = false;
  #wake: () => void = () => {};

  constructor(port: number, host = '127.0.0.1') {
    this.socket = net.connect({ port, host, noDelay: true, allowHalfOpen: true });
    this.socket.on('data', (octets) => {
      this.received += octets.toString('latin1');
      this.#wake();
    });
    this.socket.on('end', () => {
      this.ended = true;
      this.#wake();
    });
    this.socket.on('close', () => {
      this.closed = true;
      this.#wake();
    });
    this.socket.on('error', () => {});
  }

  send(text: string): void {
    this.socket.write(text, 'latin1');
  }

  /** What was received, as soon as `enough` says so. */
  async until(enough: (received: string) => boolean, what = 'the answer', timeout: number = PATIENCE): Promise<string> {
    const end = Date.now() + timeout;
    while (!enough(this.received)) {
      const left = end - Date.now();
      if (left <= 0 || this.closed) {
        throw new Error(
          `${this.closed ? 'closed' : 'no octets'} before ${what}; received: ${JSON.stringify(this.received)}`,
        );
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = (): void => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.received;
  }

  /** Everything up to the end of the connection. */
  async rest(timeout: number = PATIENCE): Promise<string> {
    const end = Date.now() + timeout;
    while (!this.ended && !this.closed) {
      const left = end - Date.now();
      if (left <= 0) throw new Error(`the connection did not end; received: ${JSON.stringify(this.received)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = (): void => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.received;
  }

  close(): void {
    this.socket.destroy();
  }
}

/** Sends octets on a connection of their own and returns all that comes back until the server ends it. */
export async function converse(t: TestContext, port: number, text: string): Promise<string> {
  const client = new RawClient(port);
  t.after(() => client.close());
  client.send(text);
  return client.rest();
}
