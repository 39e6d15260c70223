// The stream to data planes as the loop of the controller sees it. It begins when there is an authority, with a certificate of its own
// that is held in memory and renewed; until then updates wait. A replica that does not lead passes on to the leader what its data
// planes acknowledge.
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type { LeftOut } from '../routing/engine.ts';
import type { BindReport } from '../routing/model.ts';
import type { ProxyParameters } from '../routing/parameters.ts';
import type { Update } from '../routing/update.ts';
import { equal } from '../support/equal.ts';
import { issueLeaf } from '../support/x509.ts';
import type { AuthorityState } from './identity/authority-state.ts';
import { trustedBy } from './identity/authority-state.ts';
import type { LogEntry } from './log.ts';
import type { DataPlane } from './serving.ts';

/** PEM. */
export interface TlsMaterial {
  readonly ca: Buffer;
  readonly certificate: Buffer;
  readonly key: Buffer;
}

/** What the stream is started with (engines/stream). */
export interface FleetOptions {
  /** Those of now. */
  readonly credentials: () => TlsMaterial;
  readonly onReport: (gateway: string, report: BindReport) => void;
  readonly onLeftOut?: (rows: readonly LeftOut[]) => void;
  readonly onNodes: (gateway: string) => void;
  /** How its Gateway wants data planes to run that are told so over the stream. */
  readonly parameters: (gateway: string) => ProxyParameters | undefined;
}

export interface Fleet {
  apply(update: Update): Promise<void>;
  /** The parameters of a Gateway are others now. */
  retranslate(gateway: string): void;
  /** The credentials are others now: for connections from now on. */
  reload(): void;
  /** HOST:PORT of the replica that leads; undefined: this one. */
  relayTo(address: string | undefined): void;
  /** Data planes that are connected to this replica. */
  nodes(): readonly { readonly gateway: string }[];
  close(): Promise<void>;
}

export interface FleetPlaneOptions {
  readonly start: (options: FleetOptions) => Promise<Fleet>;
  /** Names and addresses that peers know this controller by. */
  readonly names: readonly string[];
  /** In the certificate of a controller. */
  readonly uri: string;
  readonly report: (report: BindReport) => void;
  readonly leftOut?: (rows: readonly LeftOut[]) => void;
  readonly changed: () => void;
  readonly log: (entry: LogEntry) => void;
}

const DAY = 86_400_000;
/** Milliseconds; renewed after two thirds. */
const LIFETIME = 9 * DAY;
const BACKDATED = 3_600_000;
const START_AGAIN = 5000;

export class FleetPlane implements DataPlane {
  readonly #options: FleetPlaneOptions;
  readonly #started: Promise<Fleet>;
  #begin: (fleet: Fleet) => void = () => {};
  #fleet: Fleet | undefined;
  #authority: AuthorityState | undefined;
  #credentials: TlsMaterial | undefined;
  #leader: string | undefined;
  readonly #parameters = new Map<string, ProxyParameters>();
  #timer: NodeJS.Timeout | undefined;
  #queue: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: FleetPlaneOptions) {
    this.#options = options;
    this.#started = new Promise((resolve) => {
      this.#begin = resolve;
    });
  }

  waiting(): readonly string[] {
    if (this.#fleet !== undefined) return [];
    return [this.#authority === undefined ? 'the authority of data planes' : 'the port of the stream'];
  }

  async apply(update: Update): Promise<void> {
    return (await this.#started).apply(update);
  }

  metrics(): Promise<string> {
    const connected = new Map<string, number>();
    for (const { gateway } of this.#fleet?.nodes() ?? []) connected.set(gateway, (connected.get(gateway) ?? 0) + 1);
    const name = 'portolan_controller_data_planes';
    const lines = [...connected].map(([gateway, count]) => `${name}{gateway="${gateway}"} ${count}\n`);
    const head = `# HELP ${name} Data planes that are connected to this replica.\n# TYPE ${name} gauge\n`;
    return Promise.resolve(`${head}${lines.join('')}`);
  }

  async drain(): Promise<void> {
    // Data planes serve on without it.
    await this.close();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#queue;
    await this.#fleet?.close();
  }

  /** Another authority: the certificate is made anew. */
  authorize(state: AuthorityState): void {
    this.#authority = state;
    this.#queue = this.#queue.then(() => this.#renew());
  }

  /** @param leader HOST:PORT of its stream; undefined: this replica leads, or nobody knows */
  relayTo(leader: string | undefined): void {
    this.#leader = leader;
    this.#fleet?.relayTo(leader);
  }

  /** @param parameters undefined: it has none, or is gone */
  configure(gateway: string, parameters: ProxyParameters | undefined): void {
    if (equal(this.#parameters.get(gateway), parameters)) return;
    if (parameters === undefined) this.#parameters.delete(gateway);
    else this.#parameters.set(gateway, parameters);
    this.#fleet?.retranslate(gateway);
  }

  async #renew(): Promise<void> {
    if (this.#closed || this.#authority === undefined) return;
    clearTimeout(this.#timer);
    try {
      const credentials = await credentialsFor(this.#authority, this.#options);
      this.#credentials = credentials;
      if (this.#fleet === undefined) await this.#start(credentials);
      else this.#fleet.reload();
      this.#later((LIFETIME * 2) / 3);
    } catch (error) {
      const message = `the stream to data planes could not be opened: ${(error as Error).message}`;
      this.#options.log({ level: 'error', message });
      this.#later(START_AGAIN);
    }
  }

  #later(pause: number): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#queue = this.#queue.then(() => this.#renew());
    }, pause).unref();
  }

  async #start(credentials: TlsMaterial): Promise<void> {
    const { start, report, leftOut, changed } = this.#options;
    const fleet = await start({
      credentials: () => this.#credentials ?? credentials,
      onReport: (_, row) => report(row),
      ...(leftOut === undefined ? {} : { onLeftOut: leftOut }),
      onNodes: changed,
      parameters: (gateway) => this.#parameters.get(gateway),
    });
    this.#fleet = fleet;
    fleet.relayTo(this.#leader);
    this.#begin(fleet);
    changed();
  }
}

async function credentialsFor(
  state: AuthorityState,
  { names, uri }: Pick<FleetPlaneOptions, 'names' | 'uri'>,
): Promise<TlsMaterial> {
  const now = Date.now();
  // A leaf must not outlive its authority.
  const end = Math.min(now + LIFETIME, new X509Certificate(state.current.certificate).validToDate.getTime());
  const leaf = await issueLeaf(state.current, {
    subject: names[0] ?? 'portolan-controller',
    names: [
      ...names.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value })),
      { type: 'url', value: uri },
    ],
    usages: ['server', 'client'],
    validity: { from: new Date(now - BACKDATED), to: new Date(end) },
  });
  return {
    ca: Buffer.from(trustedBy(state)),
    certificate: Buffer.from(leaf.certificate),
    key: Buffer.from(leaf.privateKey),
  };
}
