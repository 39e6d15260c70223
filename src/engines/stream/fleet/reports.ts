// What nodes say of their binds, here and by way of other replicas -> one report per bind of a gateway: serving when a ready node
// serves it, failed when it fails on all of them. Nodes that vanish are missed only after a while, since they may be changing
// their controller.
import type { LeftOut } from '../../../routing/engine.ts';
import type { BindReport } from '../../../routing/model.ts';

export interface NodeReport {
  /** As it calls itself. */
  readonly node: string;
  /** A full configuration is in force. */
  readonly ready: boolean;
  /** Digest of what is in force; '' = nothing. */
  readonly inForce: string;
  /** All that it has been told to serve. */
  readonly binds: readonly BindReport[];
  /** All that it does not serve as it stands. */
  readonly leftOut?: readonly LeftOut[];
}

/** Told what changed, aggregated over the nodes of a gateway. */
export interface FleetListener {
  readonly onReport: (gateway: string, report: BindReport) => void;
  readonly onLeftOut?: (rows: readonly LeftOut[]) => void;
}

interface GatewayReports {
  /** By where they come from. */
  readonly nodes: Map<string, NodeReport>;
  /** What was said last, by bind. */
  readonly told: Map<string, string>;
  readonly waiting: Set<Waiting>;
}

interface Waiting {
  readonly digest: string;
  readonly done: () => void;
}

/** Code of a bind that no node serves any more. */
export const NO_PROXY = 'ENOPROXY';

export class FleetReports {
  readonly #listener: FleetListener;
  /** Milliseconds that a node may be away. */
  readonly #grace: number;
  readonly #gateways = new Map<string, GatewayReports>();
  /** What was said last of rows, by gateway and row: it counts until a node says something else. */
  readonly #leftOut = new Map<string, Map<string, string>>();
  /** Removals to come, by source. */
  readonly #leaving = new Map<string, NodeJS.Timeout>();

  constructor(listener: FleetListener, grace: number) {
    this.#listener = listener;
    this.#grace = grace;
  }

  /** @param source unique to the stream that the report came on */
  take(source: string, gateway: string, report: NodeReport): void {
    const timer = this.#leaving.get(source);
    if (timer !== undefined) clearTimeout(timer);
    this.#leaving.delete(source);
    let state = this.#gateways.get(gateway);
    if (state === undefined) {
      this.#gateways.set(gateway, (state = { nodes: new Map(), told: new Map(), waiting: new Set() }));
    }
    state.nodes.set(source, report);
    // The same node by a new way: what it said before counts no more.
    for (const [other, { node }] of state.nodes) {
      if (node === report.node && this.#leaving.has(other)) this.#remove(other, gateway);
    }
    for (const waiting of state.waiting) if (report.inForce === waiting.digest) waiting.done();
    this.#settle(gateway, state);
  }

  /** The stream ended. */
  leave(source: string, gateway: string): void {
    if (this.#leaving.has(source)) return;
    const timer = setTimeout(() => this.#remove(source, gateway), this.#grace);
    this.#leaving.set(source, timer.unref());
  }

  /** It said that it is going, or is known to be gone. */
  drop(source: string, gateway: string): void {
    this.#remove(source, gateway);
  }

  /** Nodes of which something is known, by gateway. */
  *nodes(): Iterable<readonly [source: string, gateway: string, report: NodeReport]> {
    for (const [gateway, { nodes }] of this.#gateways)
      for (const [source, report] of nodes) yield [source, gateway, report];
  }

  count(gateway: string): number {
    return this.#gateways.get(gateway)?.nodes.size ?? 0;
  }

  /** Resolves when a node has a configuration in force, or after so many milliseconds; at once when there are no nodes. */
  async inForce(gateway: string, digest: string, timeout: number): Promise<void> {
    const state = this.#gateways.get(gateway);
    if (state === undefined || state.nodes.size === 0) return;
    if ([...state.nodes.values()].some((report) => report.inForce === digest)) return;
    await new Promise<void>((resolve) => {
      const waiting: Waiting = {
        digest,
        done: () => {
          clearTimeout(timer);
          state.waiting.delete(waiting);
          resolve();
        },
      };
      const timer = setTimeout(waiting.done, timeout);
      state.waiting.add(waiting);
    });
  }

  close(): void {
    for (const timer of this.#leaving.values()) clearTimeout(timer);
    this.#leaving.clear();
    for (const { waiting } of this.#gateways.values()) for (const { done } of waiting) done();
    this.#gateways.clear();
  }

  #remove(source: string, gateway: string): void {
    clearTimeout(this.#leaving.get(source));
    this.#leaving.delete(source);
    const state = this.#gateways.get(gateway);
    if (state === undefined || !state.nodes.delete(source)) return;
    this.#settle(gateway, state);
    if (state.nodes.size === 0) for (const { done } of state.waiting) done();
    if (state.nodes.size === 0) this.#gateways.delete(gateway);
  }

  #settle(gateway: string, { nodes, told }: GatewayReports): void {
    const ready = [...nodes.values()].filter((node) => node.ready);
    const binds = new Map<string, BindReport[]>();
    for (const report of ready.flatMap((node) => node.binds)) {
      const there = binds.get(report.bind);
      if (there === undefined) binds.set(report.bind, [report]);
      else there.push(report);
    }
    // Nobody is left to say anything of what was served.
    if (ready.length === 0) {
      const message = 'no ready proxy is connected';
      for (const bind of told.keys()) binds.set(bind, [{ bind, state: 'failed', code: NO_PROXY, message }]);
    }
    for (const bind of told.keys()) if (!binds.has(bind)) told.delete(bind);
    for (const [bind, reports] of binds) {
      const serving = reports.find(({ state }) => state === 'serving');
      // One that does not speak of it has not got it yet.
      if (serving === undefined && reports.length < ready.length) continue;
      const [first] = reports;
      const report = serving ?? first;
      if (report === undefined) continue;
      const words = `${report.state} ${report.code ?? ''}`;
      if (told.get(bind) === words) continue;
      told.set(bind, words);
      this.#listener.onReport(gateway, report);
    }
    if (ready.length > 0) this.#settleLeftOut(gateway, ready);
  }

  /** What one of them does not serve is not served. */
  #settleLeftOut(gateway: string, ready: readonly NodeReport[]): void {
    const before = this.#leftOut.get(gateway) ?? new Map<string, string>();
    const now = new Map<string, string>();
    const changed: LeftOut[] = [];
    for (const { table, key, faults } of ready.flatMap(({ leftOut = [] }) => leftOut)) {
      const name = `${table} ${key}`;
      const words = JSON.stringify(faults);
      if (now.has(name)) continue;
      now.set(name, words);
      if (before.get(name) !== words) changed.push({ table, key, gateway, faults });
    }
    for (const name of before.keys()) {
      if (now.has(name)) continue;
      const space = name.indexOf(' ');
      changed.push({
        table: name.slice(0, space) as LeftOut['table'],
        key: name.slice(space + 1),
        gateway,
        faults: [],
      });
    }
    if (now.size === 0) this.#leftOut.delete(gateway);
    else this.#leftOut.set(gateway, now);
    if (changed.length > 0) this.#listener.onLeftOut?.(changed);
  }
}
