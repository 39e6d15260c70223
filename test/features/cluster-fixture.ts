// An API server for tests, as far as controllers see one: lists in pages, watches with bookmarks and expired versions, resource
// versions, generations, status apart from the rest, conflicts. What it does not know of Kubernetes it does not pretend.
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Access } from '../../src/sources/cluster/access.ts';
import { equal } from '../../src/support/equal.ts';
import { isRecord } from '../../src/support/untrusted.ts';

export interface Stored {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
}

export interface Refusal {
  readonly status: number;
  readonly message: string;
}

interface Event {
  readonly version: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: Stored;
  /** What stood there before. */
  readonly before: Stored | undefined;
}

interface Watcher {
  readonly base: string;
  readonly labels: string;
  readonly response: http.ServerResponse;
}

const plurals: Readonly<Record<string, string>> = {
  Namespace: 'namespaces',
  Service: 'services',
  ServiceAccount: 'serviceaccounts',
  ConfigMap: 'configmaps',
  Secret: 'secrets',
  EndpointSlice: 'endpointslices',
  CustomResourceDefinition: 'customresourcedefinitions',
  Lease: 'leases',
  GatewayClass: 'gatewayclasses',
  Gateway: 'gateways',
  ListenerSet: 'listenersets',
  HTTPRoute: 'httproutes',
  GRPCRoute: 'grpcroutes',
  TLSRoute: 'tlsroutes',
  TCPRoute: 'tcproutes',
  UDPRoute: 'udproutes',
  ReferenceGrant: 'referencegrants',
  BackendTLSPolicy: 'backendtlspolicies',
  XBackend: 'xbackends',
  XBackendTrafficPolicy: 'xbackendtrafficpolicies',
  Ingress: 'ingresses',
  IngressClass: 'ingressclasses',
  Deployment: 'deployments',
  PodDisruptionBudget: 'poddisruptionbudgets',
  GatewayConfig: 'gatewayconfigs',
  ClusterTrustBundle: 'clustertrustbundles',
};

export class FakeApiServer {
  readonly access: Access;
  /** Requests that changed something, as `METHOD path`. */
  readonly writes: string[] = [];
  /** Those of `writes` of each who writes, by the value of Authorization ('' without one). */
  readonly writesBy: Map<string, string[]> = new Map();
  /** Called before a request is answered; a status (and what it says) answers it instead. */
  refuse: (method: string, path: string, body: string) => number | Refusal | undefined = () => undefined;
  /** Versions before this one are forgotten. */
  forgotten = 0;
  readonly #objects = new Map<string, Stored>();
  readonly #watchers = new Set<Watcher>();
  readonly #events: Event[] = [];
  readonly #told: ((object: Stored) => void)[] = [];
  #version = 100;

  private constructor(server: http.Server) {
    const { port } = server.address() as AddressInfo;
    this.access = {
      server: `http://127.0.0.1:${port}`,
      insecure: false,
      namespace: 'portolan',
      credentials: () => Promise.resolve({}),
    };
    server.on('request', (request, response) => this.#answer(request, response));
  }

  static async start(t: { after(stop: () => void): void }): Promise<FakeApiServer> {
    const server = http.createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close().closeAllConnections());
    return new FakeApiServer(server);
  }

  /** Creates or replaces, as its owner would. Status stays. */
  apply(object: Stored): void {
    const path = pathOf(object);
    const before = this.#objects.get(path);
    const { status: _, ...rest } = object;
    const spec = before === undefined || !equal(before['spec'], object['spec']);
    const generation = ((before?.metadata['generation'] as number | undefined) ?? 0) + (spec ? 1 : 0);
    const metadata = { uid: `uid-${path}`, creationTimestamp: '2026-01-01T00:00:00Z', ...object.metadata, generation };
    const status = object['status'] ?? before?.['status'];
    this.#put(path, { ...rest, metadata, ...(status === undefined ? {} : { status }) });
  }

  delete(object: Stored): void {
    this.#remove(pathOf(object));
  }

  get(kind: string, name: string, namespace = 'default'): Stored | undefined {
    return [...this.#objects.values()].find(
      (object) =>
        object.kind === kind && object.metadata.name === name && (object.metadata.namespace ?? 'default') === namespace,
    );
  }

  /** Calls with every object that is written from now on. */
  watch(told: (object: Stored) => void): void {
    this.#told.push(told);
  }

  /** Whether there is an object at the path of a request. */
  has(path: string): boolean {
    return this.#objects.has(path);
  }

  /** Ends every watch, in the middle of a line. */
  cut(): void {
    for (const { response } of this.#watchers) {
      response.write('{"type":"MODIFIED","obj');
      response.destroy();
    }
  }

  /** Ends the connection of every watch with a reset, as a network does. */
  reset(): void {
    for (const { response } of this.#watchers) response.socket?.resetAndDestroy();
  }

  #put(path: string, object: Stored): Stored {
    const before = this.#objects.get(path);
    const type = before === undefined ? 'ADDED' : 'MODIFIED';
    const stored: Stored = {
      ...object,
      metadata: { ...object.metadata, resourceVersion: String(++this.#version) },
    };
    this.#objects.set(path, stored);
    this.#tell({ version: this.#version, type, object: stored, before });
    return stored;
  }

  #remove(path: string): void {
    const object = this.#objects.get(path);
    if (object === undefined) return;
    this.#objects.delete(path);
    const metadata = { ...object.metadata, resourceVersion: String(++this.#version) };
    this.#tell({ version: this.#version, type: 'DELETED', object: { ...object, metadata }, before: object });
  }

  #tell(event: Event): void {
    this.#events.push(event);
    if (event.type !== 'DELETED') for (const told of this.#told) told(event.object);
    for (const watcher of this.#watchers) tellTo(watcher, event);
  }

  #note(writer: string, write: string): void {
    this.writes.push(write);
    const own = this.writesBy.get(writer);
    if (own === undefined) this.writesBy.set(writer, [write]);
    else own.push(write);
  }

  #answer(request: http.IncomingMessage, response: http.ServerResponse): void {
    const url = new URL(request.url ?? '/', 'http://x');
    const method = request.method ?? 'GET';
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      const refused = this.refuse(method, url.pathname, body);
      if (method !== 'GET') this.#note(request.headers.authorization ?? '', `${method} ${url.pathname}`);
      if (typeof refused === 'number') fail(response, refused);
      else if (refused !== undefined) fail(response, refused.status, refused.message);
      else if (method === 'GET') this.#read(url, response);
      else this.#write(method, url, response, JSON.parse(body || '{}') as Stored);
    });
  }

  #read(url: URL, response: http.ServerResponse): void {
    const base = url.pathname;
    const object = this.#objects.get(base);
    if (object !== undefined) send(response, 200, object);
    else if (!Object.values(plurals).some((plural) => base.endsWith(`/${plural}`))) fail(response, 404);
    else if (url.searchParams.get('watch') === '1') this.#watch(url, response);
    else this.#list(url, response);
  }

  #list(url: URL, response: http.ServerResponse): void {
    const labels = url.searchParams.get('labelSelector') ?? '';
    const all = [...this.#objects.values()].filter((object) => isIn(url.pathname, object) && hasLabels(labels, object));
    const from = Number(url.searchParams.get('continue') ?? 0);
    const limit = Math.min(2, Number(url.searchParams.get('limit') ?? 2));
    const items = all
      .slice(from, from + limit)
      .map((object) => ({ ...object, apiVersion: undefined, kind: undefined }));
    const next = from + limit < all.length ? String(from + limit) : '';
    send(response, 200, { metadata: { resourceVersion: String(this.#version), continue: next }, items });
  }

  #watch(url: URL, response: http.ServerResponse): void {
    const since = Number(url.searchParams.get('resourceVersion'));
    response.writeHead(200, { 'content-type': 'application/json' });
    if (since < this.forgotten) {
      response.end(
        `${JSON.stringify({ type: 'ERROR', object: { code: 410, reason: 'Expired', message: 'too old' } })}\n`,
      );
      return;
    }
    response.flushHeaders();
    const labels = url.searchParams.get('labelSelector') ?? '';
    const watcher: Watcher = { base: url.pathname, labels, response };
    for (const event of this.#events) if (event.version > since) tellTo(watcher, event);
    const bookmark = { kind: 'x', apiVersion: 'v1', metadata: { resourceVersion: String(this.#version) } };
    response.write(`${JSON.stringify({ type: 'BOOKMARK', object: bookmark })}\n`);
    this.#watchers.add(watcher);
    response.on('close', () => this.#watchers.delete(watcher));
  }

  #write(method: string, url: URL, response: http.ServerResponse, body: Stored): void {
    const isStatus = url.pathname.endsWith('/status');
    const path = isStatus ? url.pathname.slice(0, -'/status'.length) : url.pathname;
    const before = this.#objects.get(path);
    if (method === 'POST' && this.#objects.has(`${path}/${body.metadata.name}`)) {
      fail(response, 409);
      return;
    }
    if (method === 'POST') {
      send(response, 201, this.#put(`${path}/${body.metadata.name}`, body));
      return;
    }
    if (method === 'DELETE') {
      this.#remove(path);
      send(response, 200, {});
      return;
    }
    if (before === undefined && url.searchParams.get('fieldManager') === null) {
      fail(response, 404);
      return;
    }
    const { resourceVersion } = body.metadata as { resourceVersion?: string };
    if (resourceVersion !== undefined && resourceVersion !== before?.metadata['resourceVersion']) {
      fail(response, 409);
      return;
    }
    if (isStatus)
      send(
        response,
        200,
        this.#put(path, {
          ...before,
          apiVersion: body.apiVersion,
          kind: body.kind,
          metadata: before?.metadata ?? body.metadata,
          status: body['status'],
        }),
      );
    else if (method === 'PUT') send(response, 200, this.#put(path, body));
    else {
      const metadata = { ...before?.metadata, ...body.metadata };
      send(response, 200, this.#put(path, { ...(applied(before, body) as Stored), metadata }));
    }
  }
}

/** As far as server-side apply is needed here: maps field by field, lists as a whole; what is not applied any more stays. */
function applied(before: unknown, body: unknown): unknown {
  if (!isRecord(before) || !isRecord(body)) return body;
  const result: Record<string, unknown> = { ...before };
  for (const [key, value] of Object.entries(body)) result[key] = applied(before[key], value);
  return result;
}

function pathOf({ apiVersion, kind, metadata }: Stored): string {
  const base = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const within = metadata.namespace === undefined ? '' : `/namespaces/${metadata.namespace}`;
  return `${base}${within}/${plurals[kind] ?? kind.toLowerCase()}/${metadata.name}`;
}

/** `base` is the path of a list, of all namespaces or of one. */
function isIn(base: string, object: Stored): boolean {
  const path = pathOf(object);
  const everywhere = path.replace(/\/namespaces\/[^/]+(?=\/[^/]+\/[^/]+$)/, '');
  const isDirectly = (whole: string): boolean =>
    whole.startsWith(`${base}/`) && !whole.slice(base.length + 1).includes('/');
  return isDirectly(path) || isDirectly(everywhere);
}

/** Whoever selects by labels sees an object come and go with them. */
function tellTo({ base, labels, response }: Watcher, { type, object, before }: Event): void {
  if (!isIn(base, object)) return;
  const was = before !== undefined && hasLabels(labels, before);
  const is = type !== 'DELETED' && hasLabels(labels, object);
  if (!was && !is) return;
  const told = is ? (was ? 'MODIFIED' : 'ADDED') : 'DELETED';
  response.write(`${JSON.stringify({ type: told, object })}\n`);
}

/** Of selectors only `a=b,c=d`. */
function hasLabels(selector: string, { metadata }: Stored): boolean {
  const labels = (metadata['labels'] ?? {}) as Readonly<Record<string, string>>;
  return selector
    .split(',')
    .filter((term) => term !== '')
    .every((term) => {
      const [key = '', value] = term.split('=');
      return labels[key] === value;
    });
}

const reasons: Readonly<Record<number, string>> = {
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Conflict',
  410: 'Expired',
  422: 'Invalid',
};

function fail(response: http.ServerResponse, status: number, message = `refused with ${status}`): void {
  send(response, status, {
    kind: 'Status',
    reason: reasons[status] ?? '',
    message,
    code: status,
  });
}

function send(response: http.ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
