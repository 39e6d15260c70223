// --backend: a Service stands for a process. Each flag becomes an EndpointSlice, and where the files have no such Service
// a Service with the ports that routes name. Host names are resolved here, and again from time to time.
import { lookup } from 'node:dns/promises';
import { connect, isIP, isIPv6 } from 'node:net';
import type { KubeObject, Service, ServicePort } from '../../api/objects.ts';
import { Misuse } from '../command.ts';
import { formatHostPort, isName, parseHostPort } from './names.ts';
import type { HostPort } from './names.ts';
import type { WantedPort } from './wanted-backends.ts';

export interface LocalBackend extends HostPort {
  readonly namespace: string;
  readonly service: string;
  /** Absent: every port of the Service. */
  readonly servicePort?: number;
}

/** `[NS/]SERVICE[:PORT]=HOST:PORT`. */
export function parseBackend(text: string): LocalBackend {
  const [, namespace = 'default', service = '', port, target] =
    /^(?:([^/=:]+)\/)?([^/=:]+)(?::(\d{1,5}))?=(.+)$/.exec(text) ?? [];
  if (target === undefined || !isName(service) || !isName(namespace)) {
    throw new Misuse(
      `--backend takes [NAMESPACE/]SERVICE[:PORT]=HOST:PORT, not "${text}"`,
      'for example --backend shop/cart=localhost:3000',
    );
  }
  const { host, port: hostPort } = parseHostPort('--backend', target);
  if (hostPort === 0) throw new Misuse(`--backend takes a port from 1 to 65535, not "${text}"`);
  const backend = { namespace, service, host, port: hostPort };
  return port === undefined ? backend : { ...backend, servicePort: Number(port) };
}

/** What the outside objects are made from. */
export interface BackendView {
  /** A Service of the files. */
  service(namespace: string, name: string): Service | undefined;
  /** Ports of a Service that routes name. */
  wantedPorts(namespace: string, name: string): readonly WantedPort[];
}

interface Resolved {
  readonly backend: LocalBackend;
  addresses: readonly string[];
}

/** Milliseconds. */
const resolveInterval = 10_000;
const probeTime = 300;

export class LocalBackends {
  readonly #resolved: readonly Resolved[];
  #timer: NodeJS.Timeout | undefined;

  constructor(backends: readonly LocalBackend[]) {
    this.#resolved = backends.map((backend) => ({
      backend,
      addresses: isIP(backend.host) === 0 ? [] : [backend.host],
    }));
  }

  /** Whether the Service stands for a process, so that slices in the files are not for it. */
  covers(service: string): boolean {
    return this.#resolved.some(({ backend }) => `${backend.namespace}/${backend.service}` === service);
  }

  /** Those whose Service no route names and no file has. */
  unused(view: BackendView): readonly LocalBackend[] {
    return this.#resolved
      .map(({ backend }) => backend)
      .filter(({ namespace, service }) => view.wantedPorts(namespace, service).length === 0);
  }

  /** Host names that do not resolve. */
  unresolved(): readonly LocalBackend[] {
    return this.#resolved.filter(({ addresses }) => addresses.length === 0).map(({ backend }) => backend);
  }

  /** Resolves all host names. */
  async resolve(): Promise<void> {
    await Promise.all(this.#resolved.map((entry) => refresh(entry)));
  }

  /** Resolves again from time to time, and tells when something changed. */
  follow(onChange: () => void): void {
    if (this.#resolved.every(({ backend }) => isIP(backend.host) !== 0)) return;
    this.#timer = setTimeout(
      () => {
        void Promise.all(this.#resolved.map((entry) => refresh(entry))).then((changed) => {
          if (changed.includes(true)) onChange();
          this.follow(onChange);
        });
      },
      this.unresolved().length > 0 ? 1000 : resolveInterval,
    );
    this.#timer.unref();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  objects(view: BackendView): readonly KubeObject[] {
    const byService = Map.groupBy(this.#resolved, ({ backend }) => `${backend.namespace}/${backend.service}`);
    return [...byService.values()].flatMap((entries) => objectsOf(entries, view));
  }
}

function objectsOf(entries: readonly Resolved[], view: BackendView): readonly KubeObject[] {
  const { namespace, service } = (entries[0] as Resolved).backend;
  const written = view.service(namespace, service);
  const ports = written?.spec?.ports?.map(portOf) ?? portsOf(entries, view.wantedPorts(namespace, service));
  if (ports.length === 0) return [];
  const objects: KubeObject[] = written === undefined ? [presumedService(namespace, service, ports)] : [];
  for (const { name, port, protocol } of ports) {
    const exact = entries.filter(({ backend }) => backend.servicePort === port);
    const serving = exact.length > 0 ? exact : entries.filter(({ backend }) => backend.servicePort === undefined);
    for (const { backend, addresses } of serving) {
      const target = { namespace, service, portName: name, port: backend.port, protocol };
      const own = `portolan-backend-${service}-${socketName(port, protocol)}-${backend.port}`;
      objects.push(...slices(own, target, addresses));
    }
  }
  return objects;
}

/** Those that routes name, as they name them; and those that only flags name, for TCP. */
function portsOf(entries: readonly Resolved[], wanted: readonly WantedPort[]): readonly PortOfService[] {
  const known = new Set(wanted.map(({ port }) => port));
  const others = new Set(entries.flatMap(({ backend }) => backend.servicePort ?? [])).difference(known);
  return [...wanted, ...[...others].map((port) => ({ port, transport: 'TCP' as const }))]
    .sort((a, b) => a.port - b.port)
    .map(presumedPort);
}

export interface PortOfService {
  readonly name: string;
  readonly port: number;
  readonly protocol: string;
}

export function portOf({ name = '', port, protocol = 'TCP' }: ServicePort): PortOfService {
  return { name, port, protocol };
}

export function presumedPort({ port, transport }: Pick<WantedPort, 'port' | 'transport'>): PortOfService {
  return { name: `port-${socketName(port, transport)}`, port, protocol: transport };
}

/** `80`, `53-udp`: a Service may have a port for both. */
export function socketName(port: number, protocol: string): string {
  return protocol === 'TCP' ? String(port) : `${port}-${protocol.toLowerCase()}`;
}

export interface SliceTarget {
  readonly namespace: string;
  readonly service: string;
  /** Of the Service. */
  readonly portName: string;
  /** At the addresses. */
  readonly port: number;
  readonly protocol: string;
}

/** EndpointSlices, one for each address family. */
export function slices(name: string, target: SliceTarget, addresses: readonly string[]): readonly KubeObject[] {
  const families = Map.groupBy(addresses, (address) => (isIPv6(address) ? ('IPv6' as const) : ('IPv4' as const)));
  return [...families].map(([addressType, addresses]) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${name}-${addressType.toLowerCase()}`,
      namespace: target.namespace,
      labels: { [serviceLabel]: target.service },
    },
    addressType,
    endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
    ports: [{ name: target.portName, port: target.port, protocol: target.protocol }],
  }));
}

export const serviceLabel = 'kubernetes.io/service-name';

export function presumedService(namespace: string, name: string, ports: readonly PortOfService[]): KubeObject {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace }, spec: { ports } };
}

/** Says whether the addresses changed. */
async function refresh(entry: Resolved): Promise<boolean> {
  const { host, port } = entry.backend;
  if (isIP(host) !== 0) return false;
  const before = entry.addresses.join();
  try {
    const found = (await lookup(host, { all: true, order: 'ipv4first' })).map(({ address }) => address);
    entry.addresses = await choose(found, port);
  } catch {
    // An address that was good a moment ago is better than none.
  }
  return entry.addresses.join() !== before;
}

/**
 * `localhost` is two addresses, and a process often listens at one of them: those that answer are taken, all when none
 * does yet.
 */
async function choose(addresses: readonly string[], port: number): Promise<readonly string[]> {
  if (addresses.length < 2) return addresses;
  const open = await Promise.all(addresses.map((address) => answers({ host: address, port })));
  const answering = addresses.filter((_, index) => open[index]);
  return answering.length > 0 ? answering : addresses.slice(0, 1);
}

function answers({ host, port }: HostPort): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: probeTime });
    const end = (open: boolean): void => {
      socket.destroy();
      resolve(open);
    };
    socket.once('connect', () => end(true));
    socket.once('timeout', () => end(false));
    socket.once('error', () => end(false));
  });
}

export function describe({ namespace, service, servicePort, host, port }: LocalBackend): string {
  const name = `${namespace}/${service}${servicePort === undefined ? '' : `:${servicePort}`}`;
  return `${name}=${formatHostPort({ host, port })}`;
}
