// Models of any size for fleets, and proxies in this process that only keep what they are sent.
import { Rows } from '../../src/routing/rows.ts';
import { ModelClient } from '../../src/engines/stream/client/model-client.ts';
import type { TlsMaterial } from '../../src/engines/stream/credentials.ts';
import { decodeAck, encodeNodeReport, reportPath } from '../../src/engines/stream/fleet/messages.ts';
import type { NodeReport } from '../../src/engines/stream/fleet/reports.ts';
import { Link } from '../../src/engines/stream/link.ts';
import type { LeftOut } from '../../src/routing/engine.ts';
import type {
  BindReport,
  CertificateSet,
  Cluster,
  EndpointSet,
  Entry,
  Frontend,
  Rule,
} from '../../src/routing/model.ts';
import type { RowChanges, Update, VirtualHostChange } from '../../src/routing/update.ts';
import { serverName } from './stream-fixture.ts';

const group = 'gateway.networking.k8s.io';

export function everything<T>(...set: readonly T[]): RowChanges<T> {
  return { set, delete: [] };
}

export function ruleOf(gateway: string, name: string, cluster: string, value = '1'): Rule {
  const [namespace = ''] = gateway.split('/');
  const origin = { object: { group, kind: 'HTTPRoute', namespace, name }, path: 'spec.rules[0]' };
  return {
    key: `${gateway}|HTTPRoute/${namespace}/${name}|0`,
    protocol: 'http',
    filters: [
      {
        origin: { ...origin, path: 'spec.rules[0].filters[0]' },
        kind: 'response-headers',
        set: [{ name: 'X-Version', value }],
        add: [],
        remove: [],
      },
    ],
    timeouts: {},
    action: {
      kind: 'forward',
      backends: [
        {
          weight: 1,
          target: { kind: 'cluster', cluster },
          filters: [],
          origin: { ...origin, path: 'spec.rules[0].backendRefs[0]' },
        },
      ],
    },
    origin,
  };
}

export function entryOf(gateway: string, name: string, path: string): Entry {
  const [namespace = ''] = gateway.split('/');
  return {
    rule: `${gateway}|HTTPRoute/${namespace}/${name}|0`,
    match: { protocol: 'http', path: { type: 'prefix', value: path }, headers: [], query: [] },
    rank: { hostname: '', created: '2026-01-01T00:00:00Z', route: `${namespace}/${name}`, rule: 0, match: 0 },
  };
}

export function hostOf(gateway: string, entries: readonly Entry[], hostname = ''): VirtualHostChange {
  const frontend = `${gateway}/http`;
  return { key: `${frontend}|${hostname}`, frontend, hostname, removed: [], inserted: entries };
}

export interface GatewayModel {
  readonly gateway: string;
  readonly port: number;
  readonly backendPort: number;
  /** Paths `/r0` … */
  readonly routes: number;
  /** That they share; by default each route has one of its own. */
  readonly services?: number;
  readonly certificate?: CertificateSet;
}

/** A gateway with one HTTP listener, and a route, a cluster and an endpoint set for each path. */
export function modelOf({
  gateway,
  port,
  backendPort,
  routes,
  services = routes,
  certificate,
}: GatewayModel): Omit<Update, 'version'> {
  const [namespace = '', name = ''] = gateway.split('/');
  const bind = `${gateway}:80/tcp`;
  const frontend: Frontend = {
    key: `${gateway}/http`,
    bind,
    gateway,
    listener: 'http',
    protocol: 'HTTP',
    port: 80,
    hostname: '',
    publicPorts: {},
    origin: { object: { group, kind: 'Gateway', namespace, name }, path: 'spec.listeners[0]' },
  };
  const secure: Frontend[] =
    certificate === undefined
      ? []
      : [
          {
            ...frontend,
            key: `${gateway}/https`,
            bind: `${gateway}:443/tcp`,
            listener: 'https',
            protocol: 'HTTPS',
            tls: { mode: 'terminate', certificates: [certificate.key] },
          },
        ];
  const names = Array.from({ length: routes }, (_, index) => `r${index}`);
  const cluster = (name: string): Cluster => ({
    key: `${gateway}|${namespace}/${name}:80|`,
    protocol: 'http1',
    endpoints: `${namespace}/${name}:80`,
    backend: { kind: 'Service', namespace, name, port: 80 },
  });
  const endpoints = (name: string): EndpointSet => ({
    key: `${namespace}/${name}:80`,
    endpoints: [
      { id: `uid-${name}`, address: '127.0.0.1', port: backendPort, ready: true, serving: true, terminating: false },
    ],
  });
  return {
    binds: everything({ key: bind, gateway, port: 80, transport: 'tcp', security: 'none', frontends: [frontend.key] }),
    placements: everything({ bind, address: '127.0.0.1', port }),
    frontends: everything(frontend, ...secure),
    rules: everything(...names.map((name, index) => ruleOf(gateway, name, cluster(`r${index % services}`).key))),
    clusters: everything(...names.slice(0, services).map(cluster)),
    endpoints: everything(...names.slice(0, services).map(endpoints)),
    ...(certificate === undefined ? {} : { certificates: everything(certificate) }),
    virtualHosts: [
      hostOf(
        gateway,
        names.map((name) => entryOf(gateway, name, `/${name}`)),
      ),
    ],
  };
}

/** A proxy without an engine. */
export class FakeProxy {
  readonly rows: Rows = new Rows();
  readonly client: ModelClient;
  revisions = 0;
  inForce = '';
  readonly refused: string[] = [];
  readonly updates: Update[] = [];
  readonly #link: Link;
  readonly #node: string;
  #report: ((report: NodeReport) => void) | null = null;
  #last: NodeReport | null = null;
  #waiting: (() => void)[] = [];

  constructor(
    port: number,
    material: TlsMaterial,
    options: { readonly node?: string; readonly longestPause?: number } = {},
  ) {
    this.#node = options.node ?? 'fake';
    this.client = new ModelClient({
      node: this.#node,
      agent: 'portolan test',
      apply: (update) => {
        this.updates.push(update);
        this.rows.apply(update);
        return Promise.resolve();
      },
      onRevision: (digest) => {
        this.revisions++;
        this.inForce = digest;
        for (const wake of this.#waiting.splice(0)) wake();
      },
      onRefused: (message) => this.refused.push(message),
    });
    this.#link = new Link({
      address: `127.0.0.1:${port}`,
      credentials: () => material,
      serverName,
      longestPause: options.longestPause ?? 300,
      onDown: (reason) => {
        if (process.env['DEBUG_LINK']) console.error(reason);
      },
      streams: [
        this.client.stream,
        {
          path: reportPath,
          serialize: encodeNodeReport,
          deserialize: decodeAck,
          up: (write: (report: NodeReport) => void) => {
            this.#report = write;
            if (this.#last !== null) write(this.#last);
          },
          data: () => {},
          down: () => {
            this.#report = null;
          },
        },
      ],
    });
  }

  say(ready: boolean, ...binds: readonly BindReport[]): void {
    this.#last = { node: this.#node, ready, inForce: this.inForce, binds };
    this.#report?.(this.#last);
  }

  /** It is ready, and all that it does not serve is this. */
  leaveOut(...leftOut: readonly LeftOut[]): void {
    this.#last = { node: this.#node, ready: true, inForce: this.inForce, binds: [], leftOut };
    this.#report?.(this.#last);
  }

  /** Resolves when `condition` holds, looked at after each revision. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  }

  close(): void {
    this.#link.close();
  }
}
