// Gateways served by this process: each at an address of this machine, from the pool of the command line or that of its parameters,
// with a Service and an EndpointSlice that lead there.
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { BoundGateway } from '../routing/bound.ts';
import type { Engine, EngineEvents } from '../routing/engine.ts';
import type { Placement } from '../routing/model.ts';
import { refKey } from '../routing/origin.ts';
import { equal } from '../support/equal.ts';
import { list, record, text } from '../support/untrusted.ts';
import type { AddressWish } from './addresses.ts';
import { AddressPool } from './addresses.ts';
import type { Owner } from './infrastructure/owned.ts';
import { resourceName } from './infrastructure/owned.ts';
import { Provisioner } from './infrastructure/provisioner.ts';
import { serviceAccountOf, servicesAtAddress } from './infrastructure/service.ts';
import { LatePlane } from './late-plane.ts';
import type { Mode, Serving, ServingPorts } from './serving.ts';

export interface AllInOneOptions {
  readonly pool: AddressPool;
  readonly engine: Mode['engine'];
  readonly start: (events: EngineEvents) => Promise<Engine>;
}

export function allInOne(options: AllInOneOptions): Mode {
  const { engine } = options;
  return { kinds: [], engine, engines: { only: engine }, begin: (ports) => new AllInOne(options, ports) };
}

class AllInOne implements Serving {
  readonly plane: LatePlane;
  readonly #options: AllInOneOptions;
  readonly #ports: ServingPorts;
  readonly #provisioner: Provisioner;
  /** Of GatewayConfigs, by their range. */
  readonly #pools = new Map<string, AddressPool>();
  #placements: readonly Placement[] = [];
  #addresses: ReadonlyMap<string, string> = new Map();

  constructor(options: AllInOneOptions, ports: ServingPorts) {
    this.#options = options;
    this.#ports = ports;
    const { client, log } = ports;
    const say = (message: string, severity: 'error' | 'warning'): void =>
      log({ level: severity === 'error' ? 'error' : 'warn', message });
    this.plane = new LatePlane(options.start({ onReport: ports.report, onLeftOut: ports.leftOut, say }), (error) =>
      say(`the engine did not start: ${error.message}`, 'error'),
    );
    this.#provisioner = new Provisioner({
      client,
      settled: (gateway, error) => {
        if (error === undefined) return;
        const message = `what Gateway ${gateway} needs could not be provided: ${error.message}`;
        log({ level: 'error', message });
      },
    });
  }

  waiting(): readonly string[] {
    return this.plane.isServing ? [] : ['the first configuration to be in force'];
  }

  start(): void {
    // There is nobody else to wait for.
  }

  observe(): void {
    // What this process serves does not depend on what stands in front of it.
  }

  place(pipeline: Pipeline): boolean {
    const { tables } = pipeline;
    const gateways = [...tables.gateways.keys()].flatMap((key) => tables.gateways.get(key) ?? []);
    const managed = gateways.filter((gateway) => gateway.managed && gateway.binds.length > 0);
    this.#addresses = this.#assign(managed);
    const placements = managed.flatMap(({ key, binds }) => {
      const address = this.#addresses.get(key);
      return address === undefined ? [] : binds.map((bind) => ({ bind: bind.key, address, port: bind.port }));
    });
    if (equal(placements, this.#placements)) return false;
    this.#placements = placements;
    pipeline.place(placements);
    return true;
  }

  provide(owner: Owner): void {
    const { gateway, namespace, reference } = owner;
    this.#provisioner.provide({
      key: gateway.key,
      uid: reference.uid,
      namespace,
      name: resourceName(gateway),
      objects: [serviceAccountOf(owner), ...servicesAtAddress(owner, this.#addresses.get(gateway.key))],
      absent: [],
    });
  }

  withdraw(gateway: string): void {
    this.#provisioner.withdraw(gateway);
  }

  expected(): Iterable<string> {
    return [];
  }

  lead(): void {
    // All replicas are alike but for who writes.
  }

  follow(): void {
    // What this process serves it knows itself.
  }

  async close(): Promise<void> {
    this.#provisioner.close();
    await this.plane.close();
  }

  /** Each pool serves its own Gateways, and gives none that another gives already. */
  #assign(gateways: readonly BoundGateway[]): ReadonlyMap<string, string> {
    const byPool = new Map<AddressPool, AddressWish[]>([[this.#options.pool, []]]);
    for (const pool of this.#pools.values()) byPool.set(pool, []);
    for (const gateway of gateways) {
      const pool = this.#poolOf(gateway);
      const wishes = byPool.get(pool) ?? [];
      wishes.push(this.#wishOf(gateway));
      byPool.set(pool, wishes);
    }
    const found = new Map<string, string>();
    for (const [pool, wishes] of byPool) {
      const taken = new Set([...byPool.keys()].filter((other) => other !== pool).flatMap((other) => [...other.held()]));
      for (const [gateway, address] of pool.assign(wishes, taken)) {
        if (address !== undefined) found.set(gateway, address);
      }
    }
    return found;
  }

  #poolOf({ parameters }: BoundGateway): AddressPool {
    const range = parameters?.addressPool;
    if (range === undefined) return this.#options.pool;
    let pool = this.#pools.get(range);
    if (pool === undefined) this.#pools.set(range, (pool = new AddressPool(range)));
    return pool;
  }

  #wishOf({ key, ref, addresses }: BoundGateway): AddressWish {
    const status = this.#ports.source.live(refKey(ref))?.status;
    return {
      gateway: key,
      asked: addresses.flatMap(({ value }) => (value === '' ? [] : [value])),
      had: list(status?.['addresses']).flatMap((address) => text(record(address)['value']) ?? []),
    };
  }
}
