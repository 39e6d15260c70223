// Updates of the routing model -> the data planes of each gateway, over delta xDS: proxies (`portolan proxy`) with our own types, and
// nodes that speak a dialect (Envoy) with theirs; and what they say of their binds -> one report per bind. Each replica of a
// controller has a fleet; one of them is told by the others.
import { Rows } from '../../../routing/rows.ts';
import type { Update } from '../../../routing/update.ts';
import type { TlsMaterial } from '../credentials.ts';
import { DeltaServer } from '../delta-server.ts';
import { listen, type StreamListener } from '../listen.ts';
import { type GatewayPart, Partition } from '../partition.ts';
import type { PublishOutcome, Refusal, StreamNode } from '../resource.ts';
import { Encoder } from '../rows/encoder.ts';
import { codecs, revisionType, wireTables, wireTypes } from '../rows/tables.ts';
import type { Dialect } from './dialect.ts';
import { entrance } from './entrance.ts';
import { Relay } from './relay.ts';
import { type FleetListener, FleetReports, type NodeReport } from './reports.ts';
import { Lanes } from './lanes.ts';
import { fleetService } from './service.ts';

export interface FleetOptions extends FleetListener {
  /** To listen at. */
  readonly address: string;
  /** 0: any. */
  readonly port: number;
  /** Read at the start, with each `reload`, and before each connection to another replica. */
  readonly credentials: () => TlsMaterial;
  /** Nodes of a gateway came or went. */
  readonly onNodes?: (gateway: string, nodes: readonly StreamNode[]) => void;
  readonly log: (entry: { readonly level: 'info' | 'warn' | 'error'; readonly message: string }) => void;
  /** That certificates of other replicas are for. Default portolan-controller. */
  readonly serverName?: string;
  /** How long `apply` waits for nodes, in milliseconds. Default 10,000. */
  readonly ackTimeout?: number;
  /** How long a node may be away before it is missed, in milliseconds. Default 5000. */
  readonly absence?: number;
  /** Nodes of another kind on the same port. Default: there are none. */
  readonly dialect?: Dialect;
  /** A node of the dialect refused resources; the message is for people. */
  readonly onDialectRefusal?: (gateway: string, refusal: Refusal) => void;
  /** How long translations are kept after the last node of the dialect, in milliseconds. Default 300,000. */
  readonly keepTranslations?: number;
  /** How long a node that refused what others took is told apart at least, in milliseconds. Default 60,000. */
  readonly apartFor?: number;
}

/** Rejects with an Error of the code ELISTEN when the port cannot be taken. */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const reports = new FleetReports(options, options.absence ?? 5000);
  const relay = new Relay({
    credentials: options.credentials,
    serverName: options.serverName ?? 'portolan-controller',
    log: (message) => options.log({ level: 'warn', message }),
  });
  const hear = (source: string, gateway: string, report: NodeReport | undefined): void =>
    relay.tell(source, gateway, report);
  const rows = new Map<string, GatewayRows>();
  const nodesOf = (gateway: string): readonly StreamNode[] => [
    ...server.nodes(gateway),
    ...(translated?.nodes(gateway) ?? []),
  ];
  const onNodes = (gateway: string): void => options.onNodes?.(gateway, nodesOf(gateway));
  const server: DeltaServer = new DeltaServer({
    order: wireTypes,
    commit: revisionType,
    essential: [revisionType],
    ackTimeout: options.ackTimeout ?? ACK_TIMEOUT,
    onNack: (node, refusal) => refused(options, node, refusal),
    onNodes,
  });
  const state: FleetState = { rows, synced: false };
  const translated = translatedNodes(options, { state, reports, hear, onNodes });
  const types = new Set(options.dialect?.order);
  const listener = await listen(
    translated === null ? server : entrance(server, translated, (typeUrl) => types.has(typeUrl)),
    {
      address: `${options.address.includes(':') ? `[${options.address}]` : options.address}:${options.port}`,
      trust: { tls: options.credentials() },
      ...(options.dialect && { wholeTypes: options.dialect.wholeTypes }),
      services: [fleetService(reports, hear)],
    },
  );
  return new Fleet(options, { server, translated, listener, reports, relay, state });
}

const ACK_TIMEOUT = 10_000;
const KEEP_TRANSLATIONS = 300_000;
const APART_FOR = 60_000;

/** What stands of a gateway. */
interface GatewayRows {
  readonly rows: Rows;
  readonly encoder: Encoder;
}

interface FleetState {
  readonly rows: Map<string, GatewayRows>;
  /** Everything was given once. */
  synced: boolean;
}

interface Ends {
  readonly state: FleetState;
  readonly reports: FleetReports;
  readonly hear: (source: string, gateway: string, report: NodeReport | undefined) => void;
  readonly onNodes: (gateway: string) => void;
}

function translatedNodes(options: FleetOptions, { state, reports, hear, onNodes }: Ends): Lanes | null {
  const { dialect, log } = options;
  if (dialect === undefined) return null;
  return new Lanes({
    dialect,
    standing: (gateway) => {
      const there = state.rows.get(gateway);
      if (there !== undefined) return { update: there.rows.all(), digest: there.encoder.digest };
      return state.synced ? { update: { version: 0 }, digest: '' } : undefined;
    },
    onReport: (source, gateway, report) => {
      if (report === undefined) reports.leave(source, gateway);
      else reports.take(source, gateway, report);
      hear(source, gateway, report);
    },
    onNodes,
    onRefusal: ({ gateway, id }, refusal) => {
      const what = `${refusal.typeUrl.slice(refusal.typeUrl.lastIndexOf('.') + 1)} ${refusal.names.join(', ')}`;
      log({ level: 'error', message: `${dialect.node} ${id} of ${gateway} refused ${what}: ${refusal.message}` });
      options.onDialectRefusal?.(gateway, refusal);
    },
    onError: (message) => log({ level: 'error', message }),
    ackTimeout: options.ackTimeout ?? ACK_TIMEOUT,
    keep: options.keepTranslations ?? KEEP_TRANSLATIONS,
    apartFor: options.apartFor ?? APART_FOR,
  });
}

interface Parts {
  readonly server: DeltaServer;
  readonly translated: Lanes | null;
  readonly listener: StreamListener;
  readonly reports: FleetReports;
  readonly relay: Relay;
  readonly state: FleetState;
}

export class Fleet {
  readonly #options: FleetOptions;
  readonly #parts: Parts;
  readonly #partition = new Partition();

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
    if (!this.#parts.state.synced) this.synced();
    await applied;
  }

  /** As `apply`, of updates that were split elsewhere. `synced` has to be called once everything was given. */
  async applyParts(parts: readonly GatewayPart[]): Promise<void> {
    await Promise.all(parts.map((part) => this.#applyPart(part)));
  }

  /** Gateways that were not given until now have nothing. */
  synced(): void {
    const { server, translated, state } = this.#parts;
    state.synced = true;
    server.synced();
    translated?.synced();
  }

  /** Data planes that are connected to this replica. */
  nodes(gateway?: string): readonly StreamNode[] {
    const { server, translated } = this.#parts;
    return [...server.nodes(gateway), ...(translated?.nodes(gateway) ?? [])];
  }

  /** Data planes of which this replica knows, those of other replicas included. */
  proxies(gateway: string): number {
    return this.#parts.reports.count(gateway);
  }

  /** The dialect translates a gateway otherwise from now on. */
  retranslate(gateway: string): void {
    this.#parts.translated?.renew(gateway);
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
    this.#parts.translated?.close();
    await this.#parts.listener.close();
  }

  async #applyPart({ gateway, update, empty }: GatewayPart): Promise<void> {
    const { server, translated, reports, state } = this.#parts;
    if (empty) {
      state.rows.delete(gateway);
      server.forget(gateway);
      void Promise.all(translated?.apply(gateway, update, '') ?? []);
      return;
    }
    let standing = state.rows.get(gateway);
    if (standing === undefined) state.rows.set(gateway, (standing = { rows: new Rows(), encoder: new Encoder() }));
    const { rows, encoder } = standing;
    rows.apply(update);
    const encoded = encoder.encode(update);
    const { digest } = encoder;
    const outcomes = [server.publish(gateway, encoded)];
    if (translated !== null) outcomes.push(...translated.apply(gateway, update, digest));
    const how = await bestOf(outcomes);
    // Its nodes may all be connected to other replicas.
    if (how === 'unconnected') await reports.inForce(gateway, digest, this.#options.ackTimeout ?? ACK_TIMEOUT);
    if (how !== 'timeout') return;
    this.#options.log({ level: 'warn', message: `no proxy of ${gateway} has acknowledged a change yet` });
  }
}

/** As soon as one kind of node has it in force; otherwise the worst that becomes of it. */
function bestOf(outcomes: readonly Promise<PublishOutcome>[]): Promise<PublishOutcome['outcome']> {
  return new Promise((resolve) => {
    for (const each of outcomes) {
      void each.then(({ outcome }) => {
        if (outcome === 'acknowledged') resolve(outcome);
      });
    }
    void Promise.all(outcomes).then((all) => {
      const seen = new Set(all.map(({ outcome }) => outcome));
      resolve((['timeout', 'refused'] as const).find((outcome) => seen.has(outcome)) ?? 'unconnected');
    });
  });
}

/** What it means for objects is in what the node says that it leaves out. */
function refused({ log }: FleetOptions, { gateway, id }: StreamNode, refusal: Refusal): void {
  const table = wireTables.find((table) => codecs[table].typeUrl === refusal.typeUrl);
  const keys = refusal.names.join(', ');
  log({
    level: 'error',
    message: `proxy ${id} of ${gateway} refused ${table ?? refusal.typeUrl} ${keys}: ${refusal.message}`,
  });
}
