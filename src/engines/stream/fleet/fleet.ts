// Updates of the routing model -> the proxies of each gateway (`portolan proxy`), over delta xDS with our own types; and what they
// say of their binds -> one report per bind. Each replica of a controller has a fleet; one of them is told by the others.
import type { BindReport } from '../../../routing/model.ts';
import type { Update } from '../../../routing/update.ts';
import type { TlsMaterial } from '../credentials.ts';
import { DeltaServer } from '../delta-server.ts';
import { listen, type StreamListener } from '../listen.ts';
import { type GatewayPart, Partition } from '../partition.ts';
import type { Refusal, StreamNode } from '../resource.ts';
import { Encoder } from '../rows/encoder.ts';
import { codecs, revisionType, type WireTable, wireTables, wireTypes } from '../rows/tables.ts';
import { Relay } from './relay.ts';
import { FleetReports } from './reports.ts';
import { fleetService } from './service.ts';

export interface FleetOptions {
  /** To listen at. */
  readonly address: string;
  /** 0: any. */
  readonly port: number;
  /** Read at the start, with each `reload`, and before each connection to another replica. */
  readonly credentials: () => TlsMaterial;
  /** Told when the state of a bind changed, aggregated over the nodes of its gateway. */
  readonly onReport: (gateway: string, report: BindReport) => void;
  /** Nodes of a gateway came or went. */
  readonly onNodes?: (gateway: string, nodes: readonly StreamNode[]) => void;
  /** A node refused a row, and goes on with what it had of it. */
  readonly onRefusal?: (gateway: string, refusal: RowRefusal) => void;
  readonly log: (entry: { readonly level: 'info' | 'warn' | 'error'; readonly message: string }) => void;
  /** That certificates of other replicas are for. Default portolan-controller. */
  readonly serverName?: string;
  /** How long `apply` waits for nodes, in milliseconds. Default 10,000. */
  readonly ackTimeout?: number;
  /** How long a node may be away before it is missed, in milliseconds. Default 5000. */
  readonly absence?: number;
}

export interface RowRefusal {
  readonly table: WireTable;
  /** As resources are named: keys of rows; of `hostEntries` `frontend|hostname|rule`. */
  readonly keys: readonly string[];
  /** In the words of the node. */
  readonly message: string;
}

/** Rejects with an Error of the code ELISTEN when the port cannot be taken. */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const reports = new FleetReports(options.onReport, options.absence ?? 5000);
  const relay = new Relay({
    credentials: options.credentials,
    serverName: options.serverName ?? 'portolan-controller',
    log: (message) => options.log({ level: 'warn', message }),
  });
  const server: DeltaServer = new DeltaServer({
    order: wireTypes,
    commit: revisionType,
    essential: [revisionType],
    ...(options.ackTimeout === undefined ? {} : { ackTimeout: options.ackTimeout }),
    onNack: (node, refusal) => refused(options, node, refusal),
    onNodes: (gateway) => options.onNodes?.(gateway, server.nodes(gateway)),
  });
  const listener = await listen(server, {
    address: `${options.address.includes(':') ? `[${options.address}]` : options.address}:${options.port}`,
    trust: { tls: options.credentials() },
    services: [fleetService(reports, (id, gateway, report) => relay.tell(id, gateway, report))],
  });
  return new Fleet(options, { server, listener, reports, relay });
}

interface Parts {
  readonly server: DeltaServer;
  readonly listener: StreamListener;
  readonly reports: FleetReports;
  readonly relay: Relay;
}

export class Fleet {
  readonly #options: FleetOptions;
  readonly #parts: Parts;
  readonly #partition = new Partition();
  readonly #encoders = new Map<string, Encoder>();
  #synced = false;

  /** @see startFleet */
  constructor(options: FleetOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** The port that was taken. */
  get port(): number {
    return this.#parts.listener.port;
  }

  /**
   * The first update is everything that stands; until it comes, proxies keep what they have. Resolves when each gateway that changed
   * and has nodes has one that serves it, or `ackTimeout` is over. Updates need not wait for each other.
   */
  async apply(update: Update): Promise<void> {
    const applied = this.applyParts(this.#partition.apply(update));
    if (!this.#synced) {
      this.#synced = true;
      this.#parts.server.synced();
    }
    await applied;
  }

  /** As `apply`, of updates that were split elsewhere. `synced` has to be called once everything was given. */
  async applyParts(parts: readonly GatewayPart[]): Promise<void> {
    await Promise.all(parts.map((part) => this.#applyPart(part)));
  }

  /** Gateways that were not given until now have nothing. */
  synced(): void {
    this.#parts.server.synced();
  }

  /** Proxies that are connected to this replica. */
  nodes(gateway?: string): readonly StreamNode[] {
    return this.#parts.server.nodes(gateway);
  }

  /** Proxies of which this replica knows, those of other replicas included. */
  proxies(gateway: string): number {
    return this.#parts.reports.count(gateway);
  }

  /** Certificates changed: for connections from now on; streams stay. */
  reload(): void {
    this.#parts.listener.reload(this.#options.credentials());
  }

  /** Tells another replica what the nodes of this one say. @param address `host:port`; undefined: this one is to know */
  relayTo(address: string | undefined): void {
    this.#parts.relay.to(address);
  }

  /** Ends all streams; the proxies go on serving what they have. */
  async close(): Promise<void> {
    this.#parts.relay.close();
    this.#parts.reports.close();
    await this.#parts.listener.close();
  }

  async #applyPart({ gateway, update, empty }: GatewayPart): Promise<void> {
    const { server, reports } = this.#parts;
    if (empty) {
      this.#encoders.delete(gateway);
      server.forget(gateway);
      return;
    }
    let encoder = this.#encoders.get(gateway);
    if (encoder === undefined) this.#encoders.set(gateway, (encoder = new Encoder()));
    const outcome = server.publish(gateway, encoder.encode(update));
    const { digest } = encoder;
    const { outcome: how } = await outcome;
    // Its nodes may all be connected to other replicas.
    if (how === 'unconnected') await reports.inForce(gateway, digest, this.#options.ackTimeout ?? 10_000);
    if (how !== 'timeout') return;
    this.#options.log({ level: 'warn', message: `no proxy of ${gateway} has acknowledged a change yet` });
  }
}

function refused({ onRefusal, log }: FleetOptions, { gateway, id }: StreamNode, refusal: Refusal): void {
  const table = wireTables.find((table) => codecs[table].typeUrl === refusal.typeUrl);
  const keys = refusal.names.join(', ');
  log({
    level: 'error',
    message: `proxy ${id} of ${gateway} refused ${table ?? refusal.typeUrl} ${keys}: ${refusal.message}`,
  });
  if (table !== undefined) onRefusal?.(gateway, { table, keys: refusal.names, message: refusal.message });
}
