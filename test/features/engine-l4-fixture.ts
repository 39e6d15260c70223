// Updates of layer 4 by hand, and the two ends of streams and flows, for the tests of the embedded engine: real sockets on loopback,
// everything closed at the end.
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import type { TestContext } from 'node:test';
import type { Engine } from '../../src/routing/engine.ts';
import type { EngineOptions } from '../../src/engines/embedded/options.ts';
import type {
  BindReport,
  CertificateSet,
  Cluster,
  Endpoint,
  Entry,
  Frontend,
  Rule,
  TrustBundle,
  WeightedBackend,
} from '../../src/routing/model.ts';
import type { Update, VirtualHostChange } from '../../src/routing/update.ts';
import { clusterOf, endpointOf, origin } from './engine-fixture.ts';
import { onEnvoy, startTestEngine } from './test-engine.ts';
import { freePort, freeUdpPort } from '../free-port.ts';
import { eventually } from '../eventually.ts';

export interface StreamBackend {
  /** Of a cluster; absent: a reference that is not resolved. */
  readonly to?: string;
  readonly weight?: number;
}

export interface Listener {
  readonly name: string;
  readonly protocol: Frontend['protocol'];
  readonly hostname?: string;
  readonly tls?: Frontend['tls'];
  /** Backends by the hostname of the route. Absent: nobody takes anything. */
  readonly routes?: Readonly<Record<string, readonly StreamBackend[]>>;
}

export interface StreamWorld {
  readonly listeners: readonly Listener[];
  /** Ports on loopback, or endpoints. */
  readonly clusters?: Readonly<Record<string, readonly (number | Partial<Endpoint>)[]>>;
  readonly special?: Readonly<Record<string, Partial<Cluster>>>;
  readonly proxyProtocol?: true;
  readonly certificates?: readonly CertificateSet[];
  readonly trustBundles?: readonly TrustBundle[];
  readonly address?: string;
}

const GATEWAY = 'test/gateway';

interface Hosts {
  readonly frontend: string;
  readonly hostname: string;
  readonly entries: readonly Entry[];
}

export class StreamGateway {
  readonly engine: Engine;
  readonly port: number;
  readonly reports: BindReport[];
  #version = 0;
  #world: StreamWorld;
  #hosts: readonly Hosts[] = [];

  constructor(world: StreamWorld, port: number, engine: Engine, reports: BindReport[]) {
    this.#world = world;
    this.port = port;
    this.reports = reports;
    this.engine = engine;
  }

  get bind(): string {
    return bindOf(this.#world);
  }

  /** What is not given stays as it is. */
  async change(changes: Partial<StreamWorld>): Promise<void> {
    this.#world = { ...this.#world, ...changes };
    const hosts = hostsOf(this.#world);
    const before = this.#hosts;
    this.#hosts = hosts;
    const update = updateOf(this.#world, ++this.#version, this.port);
    await this.engine.apply({ ...update, virtualHosts: [...changesOf(before, hosts)] });
  }

  /** As when the Gateway is deleted. */
  async retire(): Promise<void> {
    const bind = this.bind;
    await this.engine.apply({
      version: ++this.#version,
      binds: { set: [], delete: [bind] },
      placements: { set: [], delete: [bind] },
    });
  }

  /** The value of a series, 0 where there is none. @param series with its labels, as it is written */
  async metric(series: string): Promise<number> {
    const line = (await this.engine.metrics()).split('\n').find((each) => each.startsWith(`${series} `));
    return line === undefined ? 0 : Number(line.slice(series.length + 1));
  }

  /** Not on an Envoy, which has series of its own. */
  async counts(series: string, expected: number): Promise<void> {
    if (!onEnvoy) assert.equal(await this.metric(series), expected, series);
  }
}

/** Serves at a free port until the test ends. */
export async function serveStreams(
  t: TestContext,
  world: StreamWorld,
  options: EngineOptions = {},
): Promise<StreamGateway> {
  const udp = world.listeners[0]?.protocol === 'UDP';
  const reports: BindReport[] = [];
  const engine = await startTestEngine({ ...options, onReport: (report) => reports.push(report) });
  t.after(() => engine.close());
  const gateway = new StreamGateway(world, udp ? await freeUdpPort() : await freePort(), engine, reports);
  await gateway.change({});
  const failed = gateway.reports.filter(({ state }) => state === 'failed');
  if (failed.length > 0) throw new Error(JSON.stringify(failed));
  return gateway;
}

function bindOf({ listeners }: StreamWorld): string {
  return `${GATEWAY}:1000/${listeners[0]?.protocol === 'UDP' ? 'udp' : 'tcp'}`;
}

function secure({ protocol }: Listener): boolean {
  return protocol === 'TLS' || protocol === 'HTTPS';
}

function frontendKey(listener: Listener): string {
  return `${GATEWAY}/${listener.name}`;
}

function ruleKey(listener: Listener, hostname: string): string {
  return `${GATEWAY}|TCPRoute/test/${listener.name}${hostname}|0`;
}

/** With what is spoken at its end, as keys of the model have it. */
function clusterKey(name: string): string {
  return `test/gateway|${name}|tcp`;
}

function hostsOf({ listeners }: StreamWorld): readonly Hosts[] {
  return listeners.flatMap((listener) =>
    Object.keys(listener.routes ?? {}).map((hostname) => ({
      frontend: frontendKey(listener),
      hostname,
      entries: [
        {
          rule: ruleKey(listener, hostname),
          match: {
            protocol: secure(listener) && listener.protocol === 'HTTPS' ? ('http' as const) : ('stream' as const),
            path: { type: 'prefix' as const, value: '/' },
            headers: [],
            query: [],
          },
          rank: { hostname, created: '', route: `test/${listener.name}`, rule: 0, match: 0 },
        },
      ],
    })),
  );
}

function* changesOf(before: readonly Hosts[], after: readonly Hosts[]): Iterable<VirtualHostChange> {
  const same = (a: Hosts, b: Hosts): boolean => a.frontend === b.frontend && a.hostname === b.hostname;
  for (const old of before) {
    if (after.some((each) => same(each, old))) continue;
    const { frontend, hostname, entries } = old;
    yield { key: `${frontend}|${hostname}`, frontend, hostname, removed: entries, inserted: [] };
  }
  for (const young of after) {
    if (before.some((each) => same(each, young))) continue;
    const { frontend, hostname, entries } = young;
    yield { key: `${frontend}|${hostname}`, frontend, hostname, removed: [], inserted: entries };
  }
}

function updateOf(world: StreamWorld, version: number, port: number): Update {
  const { listeners, clusters = {}, special = {} } = world;
  const udp = listeners[0]?.protocol === 'UDP';
  const all = <T>(set: readonly T[]): { set: readonly T[]; delete: readonly string[] } => ({ set, delete: [] });
  const bind = {
    key: bindOf(world),
    gateway: GATEWAY,
    port: 1000,
    transport: udp ? ('udp' as const) : ('tcp' as const),
    security: listeners.some(secure) ? ('tls' as const) : ('none' as const),
    frontends: listeners.map(frontendKey),
    ...(world.proxyProtocol === undefined ? {} : { proxyProtocol: world.proxyProtocol }),
  };
  return {
    version,
    binds: all([bind]),
    placements: all([{ bind: bind.key, address: world.address ?? '127.0.0.1', port }]),
    frontends: all(listeners.map((listener) => frontendOf(listener, bind.key))),
    rules: all(listeners.flatMap(rulesOf)),
    clusters: all(
      Object.keys(clusters).map((name) => ({
        ...clusterOf(name, udp ? 'udp' : 'tcp'),
        key: clusterKey(name),
        ...special[name],
      })),
    ),
    endpoints: all(
      Object.entries(clusters).map(([name, some]) => ({ key: `test/${name}`, endpoints: some.map(endpointOf) })),
    ),
    certificates: all(world.certificates ?? []),
    trustBundles: all(world.trustBundles ?? []),
  };
}

function frontendOf(listener: Listener, bind: string): Frontend {
  return {
    key: frontendKey(listener),
    bind,
    gateway: GATEWAY,
    listener: listener.name,
    protocol: listener.protocol,
    port: 1000,
    hostname: listener.hostname ?? '',
    ...(listener.tls === undefined ? {} : { tls: listener.tls }),
    publicPorts: {},
    origin,
  };
}

function rulesOf(listener: Listener): readonly Rule[] {
  return Object.entries(listener.routes ?? {}).map(([hostname, backends]) => ({
    key: ruleKey(listener, hostname),
    protocol: listener.protocol === 'HTTPS' ? ('http' as const) : ('stream' as const),
    filters: [],
    timeouts: {},
    action: { kind: 'forward' as const, backends: backends.map(backendOf) },
    origin,
  }));
}

function backendOf({ to, weight = 1 }: StreamBackend): WeightedBackend {
  const target: WeightedBackend['target'] =
    to === undefined
      ? { kind: 'unresolved', problem: { code: 'BackendNotFound', at: origin, backend: origin.object } }
      : { kind: 'cluster', cluster: clusterKey(to) };
  return { weight, target, filters: [], origin };
}

// ---- The ends of streams.

export interface End {
  readonly socket: net.Socket;
  received: string;
  /** The peer closed its half. */
  ended: boolean;
  closed: boolean;
  /** The code of the error that it broke off with, '' if none. */
  broke: string;
}

/** Follows what comes of a socket. */
export function endOf(socket: net.Socket): End {
  const end: End = { socket, received: '', ended: false, closed: false, broke: '' };
  socket.on('data', (octets: Buffer) => (end.received += octets.toString('latin1')));
  socket.on('end', () => (end.ended = true));
  socket.on('close', () => (end.closed = true));
  socket.on('error', (error: NodeJS.ErrnoException) => (end.broke = error.code ?? 'unknown'));
  return end;
}

/** A client that closes no half by itself. */
export function dialIn(t: TestContext, port: number, host = '127.0.0.1'): End {
  const end = endOf(net.connect({ port, host, allowHalfOpen: true, noDelay: true }));
  t.after(() => end.socket.destroy());
  return end;
}

/** Whether the gateway has let it go: an Envoy ends its side, and leaves the other to the client. */
export function isGone({ closed, ended }: End): boolean {
  return closed || (onEnvoy && ended);
}

/** That it was broken off, and did not just end. An Envoy has no such end for a connection that nobody takes. */
export function assertReset({ broke }: End, why: string = 'how it ended'): void {
  if (!onEnvoy) assert.equal(broke, 'ECONNRESET', why);
}

export interface TcpBackend {
  readonly port: number;
  /** In the order in which they came. */
  readonly ends: End[];
}

/** Takes connections, and does with them what the test says; by default nothing. */
export async function tcpBackend(t: TestContext, accept: (end: End) => void = () => {}): Promise<TcpBackend> {
  const ends: End[] = [];
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const end = endOf(socket);
    ends.push(end);
    accept(end);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const { socket } of ends) socket.destroy();
    server.close();
  });
  return { port: (server.address() as net.AddressInfo).port, ends };
}

/** Says its name before everything that it sends back, and closes its half after the client did. */
export function echoAs(name: string): (end: End) => void {
  return ({ socket }) => {
    socket.on('data', (octets: Buffer) => socket.write(`${name}:${octets.toString('latin1')}`, 'latin1'));
    socket.on('end', () => socket.end());
  };
}

/** The first connection of a backend, as soon as it is there. */
export async function firstEnd({ ends }: TcpBackend, at = 0): Promise<End> {
  await eventually(() => ends.length > at, `connection ${at} at the backend`);
  return ends[at] as End;
}

// ---- The ends of flows.

export interface UdpBackend {
  readonly port: number;
  readonly socket: dgram.Socket;
  readonly received: { readonly octets: Buffer; readonly port: number }[];
}

/** Keeps what it hears. @param name sends it back with this before it; absent: says nothing */
export async function udpBackend(t: TestContext, name?: string, at = 0): Promise<UdpBackend> {
  const socket = dgram.createSocket('udp4');
  const received: UdpBackend['received'] = [];
  socket.on('message', (octets, from) => {
    received.push({ octets, port: from.port });
    if (name !== undefined) socket.send(Buffer.concat([Buffer.from(name), octets]), from.port, from.address);
  });
  socket.bind(at, '127.0.0.1');
  await once(socket, 'listening');
  t.after(() => closeQuietly(socket));
  return { port: socket.address().port, socket, received };
}

export class UdpClient {
  readonly socket: dgram.Socket;
  readonly answers: Buffer[] = [];
  readonly #to: number;
  readonly #host: string;

  private constructor(socket: dgram.Socket, to: number, host: string) {
    this.socket = socket;
    this.#to = to;
    this.#host = host;
    socket.on('message', (octets) => this.answers.push(octets));
  }

  static async open(t: TestContext, to: number, host = '127.0.0.1'): Promise<UdpClient> {
    const socket = dgram.createSocket(net.isIPv6(host) ? 'udp6' : 'udp4');
    // Of another machine, it would be any address of ours.
    socket.bind(0, host.startsWith('127.') ? '127.0.0.1' : host);
    await once(socket, 'listening');
    t.after(() => closeQuietly(socket));
    return new UdpClient(socket, to, host);
  }

  send(octets: string | Buffer): void {
    this.socket.send(octets, this.#to, this.#host);
  }

  /** The next answer, '' when none comes in time. @param timeout short where none is expected */
  async ask(octets: string | Buffer, timeout = 10_000): Promise<string> {
    const { length } = this.answers;
    this.send(octets);
    for (const end = Date.now() + timeout; this.answers.length === length && Date.now() < end;)
      await new Promise((resolve) => setTimeout(resolve, 5));
    return this.answers[length]?.toString('latin1') ?? '';
  }
}

export function closeQuietly(socket: dgram.Socket): void {
  try {
    socket.close();
  } catch {
    // The test closed it.
  }
}
