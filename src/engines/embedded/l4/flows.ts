// The datagrams of a UDP listener: those of one client (address and port) are a flow, which has a backend of its own for as long as
// anything is said. Replies go out of the socket that the client spoke to.
import dgram from 'node:dgram';
import net from 'node:net';
import { performance } from 'node:perf_hooks';
import type { Placement } from '../../../routing/model.ts';
import type { LiveCluster, LiveEndpoint } from '../balance.ts';
import { chooseBackend } from '../plan.ts';
import type { Client } from '../sides.ts';
import type { LiveBind, LiveEntry, LiveFrontend } from '../state.ts';
import type { Swept } from '../sweep.ts';
import type { Thread } from '../thread.ts';
import { proxyHeader, readProxyHeader } from './proxy-protocol.ts';
import { recordStream } from './record-stream.ts';

/** Datagrams of a flow that wait for its socket. */
const WAITING = 16;
/** Of all flows that go when there are too many. */
const SHARE = 16;
/** Octets that the system keeps for us between two turns. */
const BUFFER = 4_194_304;

/** Addresses are numbers already: nothing is looked up. */
function asIs(address: string, _options: unknown, done: (error: null, address: string, family: number) => void): void {
  done(null, address, address.includes(':') ? 6 : 4);
}

export class FlowListener implements Swept {
  readonly #thread: Thread;
  readonly #bind: string;
  readonly #socket: dgram.Socket;
  readonly #flows = new Map<string, Flow>();
  #closed = false;

  constructor(thread: Thread, bind: string, { address }: Placement, shared: boolean) {
    this.#thread = thread;
    this.#bind = bind;
    this.#socket = dgram.createSocket({
      type: net.isIPv6(address) ? 'udp6' : 'udp4',
      reusePort: shared,
      lookup: asIs,
    });
    this.#socket.on('message', (octets, from) => this.#take(octets, from));
    thread.sweeper.add(this);
  }

  /** Resolves to null when it listens. */
  listen({ address, port }: Placement): Promise<NodeJS.ErrnoException | null> {
    const socket = this.#socket;
    return new Promise((resolve) => {
      const refused = (error: NodeJS.ErrnoException): void => {
        this.close();
        resolve(error);
      };
      socket.once('error', refused);
      socket.bind({ address, port, exclusive: true }, () => {
        socket.off('error', refused);
        // Of a client that is gone: there is nobody to tell.
        socket.on('error', ignore);
        enlarge(socket);
        resolve(null);
      });
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#thread.sweeper.delete(this);
    for (const flow of this.#flows.values()) flow.close();
    this.#flows.clear();
    this.#socket.close();
  }

  /** Flows that fell silent, or whose endpoint is gone. */
  sweep(now: number): void {
    for (const [key, flow] of this.#flows) {
      if (now - flow.heard <= this.#thread.limits.udpIdleTimeout && flow.stands) continue;
      this.#flows.delete(key);
      flow.close();
    }
  }

  #take(octets: Buffer, from: dgram.RemoteInfo): void {
    const key = `${from.address} ${from.port}`;
    const known = this.#flows.get(key);
    if (known !== undefined && !known.closed) {
      known.send(octets);
      return;
    }
    const { state } = this.#thread;
    const bind = state.binds.get(this.#bind);
    if (bind !== undefined) this.#begin(key, octets, from, bind);
  }

  #begin(key: string, octets: Buffer, from: dgram.RemoteInfo, bind: LiveBind): void {
    const frontend = bind.frontends.lookUp('');
    if (frontend === undefined) return;
    let first = octets;
    let peer: { readonly address: string; readonly port: number } = from;
    if (bind.row.proxyProtocol === true) {
      const header = readProxyHeader(octets);
      if (header.state !== 'complete') {
        this.#thread.metrics.refused('proxy-protocol');
        return;
      }
      peer = header.source ?? from;
      first = octets.subarray(header.size);
    }
    if (this.#flows.size >= this.#thread.limits.udpFlows) this.#evict();
    const { address, port } = this.#socket.address();
    const host = net.isIPv6(address) ? `[${address}]` : address;
    const client: Client = {
      bind: this.#bind,
      scheme: 'http',
      serverName: undefined,
      address: peer.address,
      port: peer.port,
      localAuthority: `${host}:${port}`,
      forwarded: '',
    };
    const flow = Flow.open(this.#thread, frontend, client, (reply) =>
      this.#socket.send(reply, from.port, from.address),
    );
    if (flow === null) return;
    this.#flows.set(key, flow);
    flow.send(first);
  }

  /** The ones that were silent for longest. */
  #evict(): void {
    const byAge = [...this.#flows].sort(([, a], [, b]) => a.heard - b.heard);
    for (const [key, flow] of byAge.slice(0, Math.ceil(byAge.length / SHARE))) {
      this.#flows.delete(key);
      flow.close();
      this.#thread.metrics.counts.flowsDropped++;
    }
  }
}

class Flow {
  heard: number;
  closed = false;
  readonly #thread: Thread;
  readonly #frontend: LiveFrontend;
  readonly #entry: LiveEntry;
  readonly #client: Client;
  readonly #cluster: LiveCluster;
  readonly #endpoint: LiveEndpoint;
  readonly #socket: dgram.Socket;
  readonly #started: number = performance.now();
  #waiting: Buffer[] | null = [];
  #header: Buffer | null;
  #sent = 0;
  #received = 0;
  #failure = '';

  /** null when nothing takes it: then its datagrams are dropped. */
  static open(thread: Thread, frontend: LiveFrontend, client: Client, reply: (octets: Buffer) => void): Flow | null {
    const entry = thread.state.streamEntry(frontend, '');
    const plan = entry?.slot.plan ?? null;
    const cluster = plan === null ? null : (chooseBackend(plan)?.cluster ?? null);
    const endpoint = cluster?.row === undefined ? undefined : cluster.endpoints.pick(performance.now(), null);
    if (entry === undefined || cluster === null || endpoint === undefined) {
      const { streams } = entry?.series ?? frontend.unrouted;
      streams.failed++;
      return null;
    }
    return new Flow(thread, { frontend, entry, client, cluster, endpoint, reply });
  }

  private constructor(
    thread: Thread,
    parts: {
      readonly frontend: LiveFrontend;
      readonly entry: LiveEntry;
      readonly client: Client;
      readonly cluster: LiveCluster;
      readonly endpoint: LiveEndpoint;
      readonly reply: (octets: Buffer) => void;
    },
  ) {
    this.#thread = thread;
    this.heard = thread.sweeper.now;
    this.#frontend = parts.frontend;
    this.#entry = parts.entry;
    this.#client = parts.client;
    this.#cluster = parts.cluster;
    this.#endpoint = parts.endpoint;
    this.#header = this.#headerFor(parts.cluster);
    const { address, port } = parts.endpoint.endpoint;
    const socket = dgram.createSocket({ type: net.isIPv6(address) ? 'udp6' : 'udp4', lookup: asIs });
    this.#socket = socket;
    parts.endpoint.active++;
    parts.frontend.series.streams++;
    parts.frontend.series.activeStreams++;
    socket.on('message', (octets) => {
      this.heard = thread.sweeper.now;
      this.#sent += octets.length;
      parts.reply(octets);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => this.#failed(error));
    socket.connect(port, address, () => this.#connected());
  }

  /** The endpoint is one that takes datagrams still. */
  get stands(): boolean {
    const { usable, lasting } = this.#cluster.endpoints;
    return usable.includes(this.#endpoint) || lasting.includes(this.#endpoint);
  }

  send(octets: Buffer): void {
    this.heard = this.#thread.sweeper.now;
    this.#received += octets.length;
    let datagram = octets;
    if (this.#header !== null) {
      datagram = Buffer.concat([this.#header, octets]);
      this.#header = null;
    }
    // Without a callback, which would cost a turn of the loop: what fails is an 'error'.
    if (this.#waiting === null) this.#socket.send(datagram);
    else if (this.#waiting.length < WAITING) this.#waiting.push(datagram);
  }

  #headerFor({ row }: LiveCluster): Buffer | null {
    return row?.proxyProtocol === undefined ? null : proxyHeader('v2', this.#client, 'udp');
  }

  #connected(): void {
    if (this.closed) return;
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    for (const datagram of waiting) this.#socket.send(datagram);
  }

  /** Nobody listens there (ICMP): the next datagram of the client begins anew. */
  #failed({ code }: NodeJS.ErrnoException): void {
    if (this.closed) return;
    this.#failure = 'refused';
    this.#thread.metrics.failed('refused');
    if (code === 'ECONNREFUSED') this.#endpoint.unreachable(performance.now());
    this.close();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.#socket.close();
    this.#endpoint.active--;
    this.#frontend.series.activeStreams--;
    recordStream(this.#thread, {
      client: this.#client,
      scheme: 'udp',
      name: '',
      started: this.#started,
      sent: this.#sent,
      received: this.#received,
      frontend: this.#frontend,
      entry: this.#entry,
      endpoint: this.#endpoint,
      attempts: 1,
      failure: this.#failure,
      detail: '',
    });
  }
}

/** As far as the system allows it. */
function enlarge(socket: dgram.Socket): void {
  try {
    socket.setRecvBufferSize(BUFFER);
    socket.setSendBufferSize(BUFFER);
  } catch {
    // It stays as it is.
  }
}

function ignore(): void {
  // A datagram may be lost.
}
