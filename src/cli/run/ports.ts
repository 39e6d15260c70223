// Binds (ports of Gateways as declared) → the local address and port that each is served at. Nothing is listened on here;
// a probe tells whether a port is free. What was placed once stays where it is while others come and go.
import type { Bind, Placement } from '../../routing/model.ts';
import { tryToListen } from '../../support/listening.ts';
import { listenerOf } from '../model/names.ts';

export interface FixedPort {
  /** Absent: any namespace. */
  readonly namespace?: string;
  /** The Gateway or ListenerSet that the listener stands in. */
  readonly owner: string;
  readonly listener: string;
  readonly port: number;
}

export interface PortRules {
  readonly address: string;
  /** Added to declared ports below 1024. */
  readonly offset: number;
  readonly fixed: readonly FixedPort[];
}

export interface Placed extends Placement {
  /** The port that it should have had, which something else has. */
  readonly wanted: number;
}

type Transport = Bind['transport'];

/** Resolves to whether a listener could be opened there; true when only the rights are missing, which the engine reports. */
export type Probe = (address: string, port: number, transport: Transport) => Promise<boolean>;

/** How far a taken port moves at most. */
const reach = 1000;
const highest = 65_535;

export class PortPlan {
  /** Where a declared port is served when nobody has the place: those below 1024 are moved by the offset. */
  static local(port: number, offset: number): number {
    return port < 1024 ? port + offset : port;
  }

  readonly #rules: PortRules;
  readonly #probe: Probe;
  /** By bind, also of binds that are gone, so that one that comes back gets its port back. */
  readonly #given = new Map<string, number>();
  /** `udp 53`: the ports of the two transports have nothing to do with each other. */
  readonly #refused = new Set<string>();
  #placed: readonly Placed[] = [];

  constructor(rules: PortRules, probe: Probe = isFree) {
    this.#rules = rules;
    this.#probe = probe;
  }

  get placed(): readonly Placed[] {
    return this.#placed;
  }

  /** Fixed ports that no bind uses: probably misspelt. */
  unused(binds: readonly Bind[]): readonly FixedPort[] {
    return this.#rules.fixed.filter((fixed) => !binds.some((bind) => fits(fixed, bind)));
  }

  /** A placement for every bind, in the order of Gateways and ports. */
  async place(binds: readonly Bind[]): Promise<readonly Placed[]> {
    const current = new Map(this.#placed.map((placed) => [placed.bind, placed]));
    const used = new Set<string>();
    const result = new Map<string, Placed>();
    for (const bind of binds) {
      const kept = current.get(bind.key);
      if (kept === undefined || this.#refused.has(socketOf(bind, kept.port))) continue;
      result.set(bind.key, kept);
      used.add(socketOf(bind, kept.port));
    }
    // Ports that were fixed or are served as declared first: a port that moved in from below gives way.
    const fresh = binds.filter((bind) => !result.has(bind.key));
    const order = fresh.toSorted((a, b) => this.#precedence(a) - this.#precedence(b) || compareBinds(a, b));
    for (const bind of order) {
      const placed = await this.#choose(bind, used);
      result.set(bind.key, placed);
      used.add(socketOf(bind, placed.port));
      this.#given.set(bind.key, placed.port);
    }
    this.#placed = binds.toSorted(compareBinds).map((bind) => result.get(bind.key) as Placed);
    return this.#placed;
  }

  /** The engine could not listen there after all: the next place() moves the bind on. Says whether it may move. */
  refuse(bind: Bind): boolean {
    const placed = this.#placed.find(({ bind: key }) => key === bind.key);
    if (placed === undefined || this.#fixedPort(bind) !== undefined) return false;
    this.#refused.add(socketOf(bind, placed.port));
    this.#given.delete(bind.key);
    return true;
  }

  async #choose(bind: Bind, used: ReadonlySet<string>): Promise<Placed> {
    const { address } = this.#rules;
    const fixed = this.#fixedPort(bind);
    if (fixed !== undefined) return { bind: bind.key, address, port: fixed, wanted: fixed };
    const wanted = this.#wanted(bind);
    const before = this.#given.get(bind.key);
    const candidates = before === undefined ? [] : [before];
    for (let port = wanted; port <= Math.min(highest, wanted + reach); port++) candidates.push(port);
    for (const port of candidates) {
      const socket = socketOf(bind, port);
      if (used.has(socket) || this.#refused.has(socket) || this.#isFixed(port)) continue;
      if (await this.#probe(address, port, bind.transport)) return { bind: bind.key, address, port, wanted };
    }
    return { bind: bind.key, address, port: wanted, wanted };
  }

  #wanted(bind: Bind): number {
    return PortPlan.local(bind.port, this.#rules.offset);
  }

  #fixedPort(bind: Bind): number | undefined {
    return this.#rules.fixed.find((fixed) => fits(fixed, bind))?.port;
  }

  #isFixed(port: number): boolean {
    return this.#rules.fixed.some((fixed) => fixed.port === port);
  }

  #precedence(bind: Bind): number {
    return this.#fixedPort(bind) !== undefined ? 0 : this.#wanted(bind) === bind.port ? 1 : 2;
  }
}

function fits(fixed: FixedPort, bind: Bind): boolean {
  return bind.frontends.some((key) => {
    const { owner, listener } = listenerOf(key);
    if (owner.name !== fixed.owner || listener !== fixed.listener) return false;
    return fixed.namespace === undefined || owner.namespace === fixed.namespace;
  });
}

function socketOf({ transport }: Bind, port: number): string {
  return `${transport} ${port}`;
}

function compareBinds(a: Bind, b: Bind): number {
  if (a.gateway !== b.gateway) return a.gateway < b.gateway ? -1 : 1;
  return a.port - b.port || (a.transport < b.transport ? -1 : 1);
}

/** Listens for a moment, without sharing the port: a second Portolan must not split the requests with the first. */
async function isFree(address: string, port: number, transport: Transport): Promise<boolean> {
  return (await tryToListen({ address, port, transport }))?.code !== 'EADDRINUSE';
}
