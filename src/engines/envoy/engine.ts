// The Envoy engine on this machine: updates in, translated and sent over a socket in the file system to an Envoy of our own; reports
// of binds and metrics out. Who else may open the folder could be the Envoy, so it is ours alone.
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Engine, LeftOut } from '../../routing/engine.ts';
import type { BindReport, Placement } from '../../routing/model.ts';
import type { Update } from '../../routing/update.ts';
import { meet, TakenPlaces } from '../../support/listening.ts';
import { DeltaServer } from '../stream/delta-server.ts';
import { listen, type StreamListener } from '../stream/listen.ts';
import type { PublishOutcome, Refusal, ResourceChanges, StreamNode } from '../stream/resource.ts';
import { bootstrap } from './bootstrap.ts';
import { Culprits, refusalsOf } from './culprits.ts';
import type { Splitting } from './host-entries.ts';
import { defaultLimits, type EnvoyLimits } from './limits.ts';
import { order, types } from './names.ts';
import { codeOf, reasonIn } from './refusals.ts';
import { ask, listenersOf, statSum } from './process/admin.ts';
import { findEnvoy } from './process/binary.ts';
import { EnvoyProcess } from './process/envoy-process.ts';
import { systemTrustFile } from './process/system-trust.ts';
import { Translation } from './translation.ts';

export interface EnvoyEngineOptions {
  /** Of the program. Default: `envoy` of PATH. */
  readonly envoy?: string;
  /** Threads that serve. Default 1. */
  readonly workers?: number;
  readonly limits?: Partial<EnvoyLimits>;
  readonly trustedHops?: number;
  readonly requestIds?: boolean;
  /** For tests: with which hosts are sent in parts. */
  readonly splitting?: Splitting;
  /** File to append JSON lines to; `-` = standard output. Default: no log. */
  readonly accessLog?: string;
  readonly onReport?: (report: BindReport) => void;
  /** Told of an Envoy that ended by itself; it is started again. */
  readonly onCrash?: (error: Error) => void;
  /** Told of what is not served, since Envoy would refuse it or refused it, and of what is served otherwise: when that changes. */
  readonly onLeftOut?: (rows: readonly LeftOut[]) => void;
  /** Told of what Envoy refused although it should not have: a mistake of ours. */
  readonly onRefusal?: (refusal: Refusal) => void;
  /** False: Envoy is sent what it is known to refuse, for tests of what happens then. Default true. */
  readonly screens?: boolean;
}

const SCOPE = 'run/local';
/** For a listener to stand after its configuration was acknowledged. */
const LISTENING_WITHIN = 10_000;
const LOOK_AGAIN = 20;
const DRAIN_LOOK = 50;
/** Requests, and streams: for these a connection to the backend, of a cluster whose key says that it is for them. */
const UNDER_WAY = String.raw`^(http\..*\.downstream_rq_active|cluster\..*\|tcp(\|passthrough)?\.upstream_cx_active)$`;

/** Rejects as findEnvoy and listen do, and with the error of the operating system when the access log cannot be opened. */
export async function startEnvoyEngine(options: EnvoyEngineOptions = {}): Promise<Engine> {
  const { accessLog = '' } = options;
  // Envoy would refuse its listeners.
  if (accessLog !== '' && accessLog !== '-') closeSync(openSync(accessLog, 'a', 0o640));
  const binary = await findEnvoy(options.envoy);
  const folder = mkdtempSync(join(tmpdir(), 'portolan-envoy-'));
  const engine = new EnvoyEngine(options, folder, binary.path);
  try {
    await engine.start();
  } catch (error) {
    await engine.close();
    throw error;
  }
  return engine;
}

class EnvoyEngine implements Engine {
  readonly #options: EnvoyEngineOptions;
  readonly #limits: EnvoyLimits;
  readonly #folder: string;
  readonly #admin: string;
  readonly #translation: Translation;
  readonly #server: DeltaServer;
  readonly #process: EnvoyProcess;
  #listener: StreamListener | null = null;
  readonly #placements = new Map<string, Placement>();
  readonly #binds = new Set<string>();
  readonly #reported = new Map<string, string>();
  /** Placements whose port another program has, so that Envoy is not told of them. */
  readonly #taken: TakenPlaces<Placement>;
  /** Names of listeners that Envoy refused, and why. */
  readonly #refused = new Map<string, string>();
  readonly #culprits: Culprits;
  /** It is found out what is to blame for a refusal: refusals are expected. */
  #searching = false;
  #nodesChanged: () => void = () => {};
  #queue: Promise<void> = Promise.resolve();
  /** Its Envoy ended by itself, and the next one does not listen yet. */
  #fallen = false;
  #inForce: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: EnvoyEngineOptions, folder: string, path: string) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#folder = folder;
    this.#admin = join(folder, 'admin');
    this.#translation = new Translation({
      limits: this.#limits,
      trustedHops: options.trustedHops ?? 0,
      requestIds: options.requestIds ?? true,
      ...(options.splitting === undefined ? {} : { splitting: options.splitting }),
      sharesPorts: (options.workers ?? 1) > 1,
      accessLog: options.accessLog ?? '',
      systemTrust: systemTrustFile(folder),
      scopeOf: () => SCOPE,
      screens: options.screens ?? true,
      onLeftOut: (rows) => options.onLeftOut?.(rows),
    });
    this.#taken = new TakenPlaces((set) => void this.apply({ version: 0, placements: { set, delete: [] } }));
    this.#culprits = new Culprits(this.#translation, (changes) => this.#publish(changes.get(SCOPE) ?? []));
    this.#server = new DeltaServer({
      order,
      essential: [types.cluster, types.listener],
      onAck: (_, typeUrl, resources) => {
        if (typeUrl === types.listener) for (const { name } of resources) this.#refused.delete(name);
      },
      onNack: (_: StreamNode, refusal) => this.#refusedBy(refusal),
      onNodes: () => {
        this.#nodesChanged();
        if (this.#fallen && this.#server.nodes(SCOPE).length > 0) void this.#rise();
      },
    });
    this.#process = new EnvoyProcess({
      path,
      arguments: [
        '-c',
        join(folder, 'bootstrap.json'),
        '--concurrency',
        String(options.workers ?? 1),
        '--disable-hot-restart',
        // Of listeners that go or change: their clients are told at once, and let go in time.
        '--drain-strategy',
        'immediate',
        '--drain-time-s',
        String(Math.max(1, Math.ceil(this.#limits.drainTimeout / 1000))),
        // Of the access log; 10 s otherwise.
        '--file-flush-interval-msec',
        '1000',
        '--log-level',
        'warning',
      ],
      onCrash: (error) => {
        this.#fallen = true;
        options.onCrash?.(error);
      },
    });
  }

  async start(): Promise<void> {
    const socket = join(this.#folder, 'xds');
    this.#listener = await listen(this.#server, {
      address: `unix:${socket}`,
      trust: { identity: { kind: 'gateway', gateway: SCOPE } },
    });
    const tree = bootstrap({
      node: { id: 'run', cluster: 'portolan' },
      xds: { socket },
      admin: this.#admin,
      limits: this.#limits,
    });
    writeFileSync(join(this.#folder, 'bootstrap.json'), JSON.stringify(tree), { mode: 0o600 });
    this.#process.start();
  }

  apply(update: Update): Promise<void> {
    const sent = this.#queue.then(() => this.#send(update));
    // Only sending is in order; waiting for Envoy is not part of the queue.
    this.#queue = sent.then(ignore, ignore);
    return sent.then(({ inForce }) => inForce);
  }

  async #send(update: Update): Promise<{ readonly inForce: Promise<void> }> {
    const { binds, placements } = update;
    for (const { key } of binds?.set ?? []) this.#binds.add(key);
    for (const key of binds?.delete ?? []) this.#binds.delete(key);
    for (const key of placements?.delete ?? []) this.#forget(key);
    const taken = new Set<string>();
    for (const row of placements?.set ?? []) if (await this.#isTaken(row)) taken.add(row.bind);
    for (const row of placements?.set ?? []) if (!taken.has(row.bind)) this.#placements.set(row.bind, row);
    // One that cannot move is served where it was.
    const free = {
      set: (placements?.set ?? []).filter(({ bind }) => !taken.has(bind)),
      delete: placements?.delete ?? [],
    };
    const number = this.#culprits.next(update);
    const changes = this.#translation.apply(placements === undefined ? update : { ...update, placements: free });
    const published = this.#publish(changes.get(SCOPE) ?? []);
    // Whoever waits for a change hears of those before it first.
    const before = this.#inForce;
    const inForce = published.then(async (outcome) => {
      await this.#judge(outcome, number);
      await this.#lookAtListeners();
      await before;
    });
    this.#inForce = inForce.then(ignore, ignore);
    return { inForce };
  }

  /** What was refused is left out in its smallest parts, before anything else is sent. */
  async #judge(outcome: PublishOutcome, update: number): Promise<void> {
    if (refusalsOf(outcome).length === 0) {
      await this.#culprits.judge(outcome, update);
      return;
    }
    const judged = this.#queue.then(async () => {
      this.#searching = true;
      try {
        await this.#culprits.judge(outcome, update);
      } finally {
        this.#searching = false;
      }
    });
    this.#queue = judged.then(ignore, ignore);
    await judged;
  }

  #forget(bind: string): void {
    this.#placements.delete(bind);
    this.#taken.forget(bind);
    this.#reported.delete(bind);
    this.#refused.delete(bind);
  }

  /** Each new place is tried first: threads that share a port would share it with another program as well. */
  async #isTaken(row: Placement): Promise<boolean> {
    const before = this.#placements.get(row.bind);
    this.#taken.forget(row.bind);
    const ours = [...this.#placements.values()].some((other) => meet(other, row));
    if (ours || (before?.port === row.port && before.address === row.address)) return false;
    const error = await this.#taken.try(row);
    if (error === null) return false;
    this.#report({ bind: row.bind, state: 'failed', code: error.code ?? 'EIO', message: error.message });
    return true;
  }

  /** Until an Envoy has it in force, or refused some of it. */
  async #publish(changes: readonly ResourceChanges[]): Promise<PublishOutcome> {
    let outcome: PublishOutcome = await this.#server.publish(SCOPE, changes);
    while (!this.#closed && outcome.outcome === 'unconnected') {
      await new Promise<void>((resolve) => {
        const before = this.#nodesChanged;
        this.#nodesChanged = () => {
          before();
          resolve();
        };
      });
      this.#nodesChanged = () => {};
      outcome = await this.#server.publish(SCOPE, []);
    }
    return outcome;
  }

  #refusedBy({ message, ...rest }: Refusal): void {
    const refusal = { ...rest, message: reasonIn(message) };
    const names = refusal.typeUrl === types.listener ? refusal.names : [];
    for (const name of names) this.#refused.set(name, refusal.message);
    const ours = names.length === 0 || codeOf(refusal.message) === undefined;
    if (ours && !this.#searching) this.#options.onRefusal?.(refusal);
  }

  /** Acknowledged is not yet listening. */
  async #lookAtListeners(): Promise<void> {
    const end = Date.now() + LISTENING_WITHIN;
    for (;;) {
      const waiting = [...this.#placements.keys()].filter(
        (bind) => this.#binds.has(bind) && !this.#refused.has(bind) && !this.#taken.awaits(bind),
      );
      const standing = await listenersOf(this.#admin).catch(() => new Set<string>());
      for (const bind of waiting) if (standing.has(bind)) this.#report({ bind, state: 'serving' });
      for (const [bind, message] of this.#refused) {
        if (this.#placements.has(bind)) {
          this.#report({ bind, state: 'failed', code: codeOf(message) ?? 'EREFUSED', message });
        }
      }
      const missing = waiting.filter((bind) => !standing.has(bind));
      if (missing.length === 0 || this.#closed) return;
      if (Date.now() > end) {
        for (const bind of missing) {
          this.#report({ bind, state: 'failed', code: 'ENOTLISTENING', message: 'Envoy does not listen there' });
        }
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN));
    }
  }

  #report(report: BindReport): void {
    const text = JSON.stringify([report, this.#placements.get(report.bind)]);
    if (this.#reported.get(report.bind) === text) return;
    this.#reported.set(report.bind, text);
    this.#options.onReport?.(report);
  }

  /** An Envoy was started in place of one that ended: what does that one serve? */
  async #rise(): Promise<void> {
    await this.#publish([]);
    await this.#lookAtListeners();
    this.#fallen = !this.#process.running;
  }

  isDown(): boolean {
    return this.#fallen;
  }

  retire(): void {
    // One that does not answer is gone, or on its way.
    ask(this.#admin, '/healthcheck/fail', 'POST').catch(ignore);
  }

  /** Envoy's own, and whether there is one to ask: one that is away costs nobody the metrics that are given beside these. */
  async metrics(): Promise<string> {
    const its = await ask(this.#admin, '/stats/prometheus').catch(() => undefined);
    const name = 'portolan_envoy_up';
    const head = `# HELP ${name} Whether Envoy answers; without it none of its own metrics are given.\n# TYPE ${name} gauge\n`;
    return `${its ?? ''}${head}${name} ${its === undefined ? 0 : 1}\n`;
  }

  async drain(deadline: number = this.#limits.drainTimeout): Promise<void> {
    const end = Date.now() + deadline;
    try {
      // Connections are told to end with their response; then nobody new is let in.
      await ask(this.#admin, '/healthcheck/fail', 'POST');
      await ask(this.#admin, '/drain_listeners', 'POST');
      while (Date.now() < end && (await statSum(this.#admin, UNDER_WAY)) > 0) {
        await new Promise((resolve) => setTimeout(resolve, DRAIN_LOOK));
      }
    } catch {
      // It is gone, or does not answer: there is nothing to wait for.
    }
    await this.close();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#taken.close();
    this.#nodesChanged();
    await this.#process.stop();
    await this.#listener?.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function ignore(): void {
  // Whoever called hears of it.
}
