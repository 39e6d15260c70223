// The datagrams of a UDP listener: those of one client (address and port) are a flow, which has a backend of its own for as long as
// anything is said. Replies go out of the socket that the client spoke to.
import type dgram from 'node:dgram';
import net from 'node:net';
import { performance } from 'node:perf_hooks';
import type { Placement } from '../../../routing/model.ts';
import type { LiveCluster, LiveEndpoint } from '../balance.ts';
import { withoutMapping } from '../client.ts';
import { chooseBackend } from '../plan.ts';
import type { Client } from '../sides.ts';
import type { LiveBind, LiveEntry, LiveFrontend } from '../state.ts';
import type { Swept } from '../sweep.ts';
import type { Thread } from '../thread.ts';
import { createSocket, DatagramSockets, type Local } from './datagram-sockets.ts';
import { proxyHeader, readDatagramHeader } from './proxy-protocol.ts';
import { recordStream } from './record-stream.ts';

/** Datagrams of a flow that wait for its socket. */
const WAITING = 16;
/** Of all flows that go when there are too many. */
const SHARE = 16;
/** Milliseconds between two looks at the addresses of the machine. */
const REFRESH = 5000;

/** What is wrong with one datagram, or with us, and nothing to hold against the endpoint; the first three pass. */
const passing: ReadonlySet<string> = new Set(['EMSGSIZE', 'ENOBUFS', 'EAGAIN']);
const ours: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EPERM', 'EACCES', 'EADDRINUSE']);

export class FlowListener implements Swept {
  readonly #thread: Thread;
  readonly #bind: string;
  readonly #port: number;
  readonly #sockets: DatagramSockets;
  readonly #flows = new Map<string, Flow>();
  #refreshed: number;
  #closed = false;

  constructor(thread: Thread, bind: string, placement: Placement, shared: boolean) {
    this.#thread = thread;
    this.#bind = bind;
    this.#port = placement.port;
    this.#refreshed = thread.sweeper.now;
    this.#sockets = new DatagramSockets(placement, {
      shared,
      take: (octets, from, local) => this.#take(octets, from, local),
      gone: (local) => this.#endWhere((flow) => flow.local === local),
    });
    thread.sweeper.add(this);
  }

  /** Resolves to null when it listens. */
  async listen(): Promise<NodeJS.ErrnoException | null> {
    const error = await this.#sockets.listen();
    if (error !== null) this.close();
    return error;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#thread.sweeper.delete(this);
    this.#endWhere(() => true);
    this.#sockets.close();
  }

  /** Flows that fell silent, or whose endpoint is gone. */
  sweep(now: number): void {
    const { udpIdleTimeout } = this.#thread.limits;
    this.#endWhere((flow) => now - flow.heard > udpIdleTimeout || !flow.stands);
    if (now - this.#refreshed < REFRESH) return;
    this.#refreshed = now;
    void this.#sockets.refresh();
  }

  #endWhere(over: (flow: Flow) => boolean): void {
    for (const [key, flow] of this.#flows) {
      if (!over(flow)) continue;
      this.#flows.delete(key);
      flow.close();
    }
  }

  #take(octets: Buffer, from: dgram.RemoteInfo, local: Local): void {
    const key = `${from.port} ${from.address} ${local.address}`;
    const known = this.#flows.get(key);
    if (known !== undefined && !known.closed) {
      known.send(known.proxied ? withoutHeader(octets) : octets);
      return;
    }
    const { state } = this.#thread;
    const bind = state.binds.get(this.#bind);
    if (bind !== undefined) this.#begin(key, octets, { from, local, bind });
  }

  #begin(
    key: string,
    octets: Buffer,
    { from, local, bind }: { readonly from: dgram.RemoteInfo; readonly local: Local; readonly bind: LiveBind },
  ): void {
    const frontend = bind.frontends.lookUp('');
    if (frontend === undefined) return;
    const proxied = bind.row.proxyProtocol === true;
    let first = octets;
    let peer: { readonly address: string; readonly port: number } = from;
    if (proxied) {
      const header = readDatagramHeader(octets);
      if (header.state !== 'complete') {
        this.#thread.metrics.refused('proxy-protocol');
        return;
      }
      peer = header.source ?? from;
      first = octets.subarray(header.size);
    }
    if (this.#flows.size >= this.#thread.limits.udpFlows) this.#evict();
    const host = net.isIPv6(local.address) ? `[${local.address}]` : local.address;
    const client: Client = {
      bind: this.#bind,
      scheme: 'http',
      serverName: undefined,
      address: withoutMapping(peer.address),
      port: peer.port,
      localAuthority: `${host}:${this.#port}`,
      forwarded: '',
    };
    const { socket } = local;
    const flow = Flow.open(this.#thread, frontend, {
      client,
      local,
      proxied,
      reply: (answer) => socket.send(answer, from.port, from.address),
    });
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

/** Proxies send it with the first datagram of a flow or with every one. */
function withoutHeader(octets: Buffer): Buffer {
  const header = readDatagramHeader(octets);
  return header.state === 'complete' ? octets.subarray(header.size) : octets;
}

/** A client as its flow knows it. */
interface Way {
  readonly client: Client;
  /** Where it asks. */
  readonly local: Local;
  /** Its datagrams may begin with a PROXY header. */
  readonly proxied: boolean;
  readonly reply: (octets: Buffer) => void;
}

class Flow {
  heard: number;
  closed = false;
  readonly local: Local;
  readonly proxied: boolean;
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
  #detail = '';

  /** null when nothing takes it: then its datagrams are dropped. */
  static open(thread: Thread, frontend: LiveFrontend, way: Way): Flow | null {
    const entry = thread.state.streamEntry(frontend, '');
    const plan = entry?.slot.plan ?? null;
    const cluster = plan === null ? null : (chooseBackend(plan)?.cluster ?? null);
    const endpoint = cluster?.row === undefined ? undefined : cluster.endpoints.pick(performance.now(), null);
    if (entry === undefined || cluster === null || endpoint === undefined) {
      const { streams } = entry?.series ?? frontend.unrouted;
      streams.failed++;
      return null;
    }
    return new Flow(thread, way, { frontend, entry, cluster, endpoint });
  }

  private constructor(
    thread: Thread,
    { client, local, proxied, reply }: Way,
    parts: {
      readonly frontend: LiveFrontend;
      readonly entry: LiveEntry;
      readonly cluster: LiveCluster;
      readonly endpoint: LiveEndpoint;
    },
  ) {
    this.#thread = thread;
    this.heard = thread.sweeper.read();
    this.#frontend = parts.frontend;
    this.#entry = parts.entry;
    this.#client = client;
    this.local = local;
    this.proxied = proxied;
    this.#cluster = parts.cluster;
    this.#endpoint = parts.endpoint;
    this.#header = this.#headerFor(parts.cluster);
    const { address, port } = parts.endpoint.endpoint;
    const socket = createSocket(address, false);
    this.#socket = socket;
    parts.endpoint.active++;
    parts.frontend.series.streams++;
    parts.frontend.series.activeStreams++;
    socket.on('message', (octets) => {
      this.heard = thread.sweeper.read();
      this.#sent += octets.length;
      reply(octets);
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
    this.heard = this.#thread.sweeper.read();
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

  /** Nobody listens there (ICMP), or nothing leads there: the next datagram of the client begins anew. */
  #failed({ code = 'unknown' }: NodeJS.ErrnoException): void {
    if (this.closed || passing.has(code)) return;
    this.#failure = 'refused';
    this.#detail = code;
    this.#thread.metrics.failed('refused');
    if (!ours.has(code)) this.#endpoint.unreachable(performance.now());
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
      detail: this.#detail,
    });
  }
}
