// A proxy: an engine, fed by a controller over a stream, with its last good configuration on disk. It serves whatever becomes of the
// controller.
import { HeldRows, rowTables } from '../../engines/stream/client/held-rows.ts';
import { ModelClient } from '../../engines/stream/client/model-client.ts';
import type { TlsMaterial } from '../../engines/stream/credentials.ts';
import { decodeAck, encodeNodeReport, reportPath } from '../../engines/stream/fleet/messages.ts';
import type { NodeReport } from '../../engines/stream/fleet/reports.ts';
import { Link } from '../../engines/stream/link.ts';
import type { Engine, LeftOut } from '../../routing/engine.ts';
import { StandingLeftOut, together } from '../../routing/left-out.ts';
import type { BindReport, CertificateSet } from '../../routing/model.ts';
import { readState, StateFile } from './state-file.ts';

export interface ProxyOptions {
  /** `host:port` of the controller. */
  readonly controller: string;
  readonly serverName: string;
  /** Read before each connection. */
  readonly credentials: () => TlsMaterial;
  /** Name of this node. */
  readonly node: string;
  readonly version: string;
  /** File or folder; undefined: nothing is kept. */
  readonly state?: string;
  /** Nothing was applied to it yet; its reports go to `reported` and `leftOut`. */
  readonly engine: Engine;
  readonly log: (level: 'info' | 'warn' | 'error', message: string) => void;
}

/** Milliseconds for which news are gathered before the controller is told. */
const GATHER = 20;

export class ProxyNode {
  readonly engine: Engine;
  readonly #options: ProxyOptions;
  readonly #client: ModelClient;
  readonly #state: StateFile | undefined;
  readonly #binds = new Map<string, BindReport>();
  readonly #leftOut = new StandingLeftOut();
  #link: Link | null = null;
  #tell: ((report: NodeReport) => void) | null = null;
  #gathering: NodeJS.Timeout | null = null;
  /** Digest of the configuration in force; undefined: none yet. */
  #inForce: string | undefined;
  #stopping = false;
  #revisions = 0;
  #refused = 0;
  #connections = 0;

  constructor(options: ProxyOptions) {
    const { log, node, version } = options;
    this.#options = options;
    this.engine = options.engine;
    const file = options.state === undefined ? undefined : { place: options.state, version, log };
    const saved = file && readState(file);
    this.#client = new ModelClient({
      node,
      agent: `portolan ${version}`,
      held: saved?.rows ?? new HeldRows(),
      apply: (update) => this.engine.apply(update),
      onRevision: (digest) => this.#revised(digest),
      onRefused: (message) => {
        this.#refused++;
        log('error', `refused: ${message}`);
      },
    });
    this.#state = file && new StateFile(file, { rows: this.#client.held, digest: () => this.#inForce ?? '' });
    if (saved !== undefined) {
      log('info', 'serving the saved configuration');
      void this.#client.adopt(saved.digest);
    }
  }

  /** Begins to follow the controller. */
  connect(): void {
    const { controller, serverName, credentials, log } = this.#options;
    this.#link = new Link({
      address: controller,
      credentials,
      serverName,
      streams: [
        this.#client.stream,
        {
          path: reportPath,
          serialize: encodeNodeReport,
          deserialize: decodeAck,
          up: (write: (report: NodeReport) => void) => {
            this.#tell = write;
            write(this.#words());
          },
          data: () => {},
          down: () => {
            this.#tell = null;
          },
        },
      ],
      onUp: () => {
        this.#connections++;
        log('info', `connected to ${controller}`);
      },
      onDown: (reason, next) => log('warn', `no connection to ${controller}, again in ${next} ms: ${reason}`),
    });
  }

  /** The engine says how it is with a bind. */
  reported(report: BindReport): void {
    const { log } = this.#options;
    this.#binds.set(report.bind, report);
    if (report.state === 'failed') log('warn', `${report.bind} is not served: ${report.message ?? report.code}`);
    this.#report();
  }

  /** The engine says what it does not serve of some rows. */
  leftOut(rows: readonly LeftOut[]): void {
    this.#leftOut.take(rows);
    for (const { table, key, faults } of rows)
      for (const { reason } of faults) this.#options.log('warn', `not served as it stands: ${table} ${key}: ${reason}`);
    this.#report();
  }

  /** What it is not ready for; empty when it is. Stays so without a controller. */
  waiting(): readonly string[] {
    if (this.#stopping) return ['stopping'];
    if (this.#inForce === undefined) return ['no configuration has come yet'];
    if (this.engine.isDown?.() === true) return ['Envoy ended and is started again'];
    const placed = [...this.#client.held.rows('placements').keys()];
    const served = placed.filter((bind) => this.#binds.get(bind)?.state === 'serving');
    return placed.length > 0 && served.length === 0 ? ['no listener is served'] : [];
  }

  async metrics(): Promise<string> {
    const own = [
      [
        'portolan_proxy_connected',
        'gauge',
        'Whether it has a connection to its controller.',
        this.#link?.isUp === true ? 1 : 0,
      ],
      ['portolan_proxy_connections_total', 'counter', 'Connections to its controller.', this.#connections],
      ['portolan_proxy_revisions_total', 'counter', 'Configurations that were put in force.', this.#revisions],
      ['portolan_proxy_refused_total', 'counter', 'Messages with rows that could not be taken.', this.#refused],
      ['portolan_proxy_received_bytes_total', 'counter', 'Octets of configuration received.', this.#client.received],
    ] as const;
    const lines = own.map(
      ([name, type, help, value]) => `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name} ${value}\n`,
    );
    return `${await this.engine.metrics()}${lines.join('')}`;
  }

  /** The rows in force, keys of certificates left out. */
  config(): unknown {
    const tables = rowTables.map((table) => {
      const rows = [...this.#client.held.rows(table).values()].map(({ row }) => row);
      const open = table === 'certificates' ? rows.map((row) => redacted(row as CertificateSet)) : rows;
      return [table, open];
    });
    return { revision: this.#inForce, ...Object.fromEntries(tables) };
  }

  /** Not ready from now on; still serves what comes, for as long as it takes others to hear of it. */
  retire(): void {
    this.#stopping = true;
    this.engine.retire();
    this.#report();
  }

  /** Requests in flight have so many milliseconds. */
  async stop(deadline: number): Promise<void> {
    this.#stopping = true;
    await this.engine.drain(deadline);
    this.#link?.close();
    if (this.#gathering !== null) clearTimeout(this.#gathering);
    await this.#state?.flush();
  }

  #revised(digest: string): void {
    const first = this.#inForce === undefined;
    this.#inForce = digest;
    this.#revisions++;
    const placed = this.#client.held.rows('placements');
    for (const bind of this.#binds.keys()) if (!placed.has(bind)) this.#binds.delete(bind);
    if (first) this.#options.log('info', `ready: ${placed.size} listening ports`);
    this.#report();
    this.#state?.changed();
  }

  #report(): void {
    this.#gathering ??= setTimeout(() => {
      this.#gathering = null;
      this.#tell?.(this.#words());
    }, GATHER);
  }

  #words(): NodeReport {
    const { held, refused } = this.#client;
    return {
      node: this.#options.node,
      // Also when no port could be taken: the controller is to hear why.
      ready: this.#inForce !== undefined && !this.#stopping,
      inForce: this.#inForce ?? '',
      binds: [...refused.failed(held).filter(({ bind }) => !this.#binds.has(bind)), ...this.#binds.values()],
      leftOut: together(refused.leftOut(held), this.#leftOut.all()),
    };
  }
}

function redacted(row: CertificateSet): object {
  return { ...row, privateKey: 'redacted' };
}
