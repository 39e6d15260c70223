// A cluster → ready to be measured: namespace, class, a Gateway for each purpose, a backend, and the controller with its data plane.
import { startBackend } from './backend.ts';
import {
  backendObjects,
  classObject,
  Cluster,
  gatewayObject,
  namespaceObject,
  programmedAddress,
  routeObject,
  until,
} from './cluster.ts';
import { compile, startController, type RunningController } from './gateway.ts';

export interface Setup {
  readonly kubeconfig: string;
  readonly log: string;
  readonly pool: string;
  /** An address of this machine that the data plane reaches. */
  readonly backend: string;
}

export const namespace = 'bench';
const gateways = ['attached', 'scale', 'probe'] as const;
export type GatewayName = (typeof gateways)[number];

/** Requests at a time to the API server. */
export const PARALLEL = 8;

export class Bench {
  readonly cluster: Cluster;
  readonly controller: RunningController;
  readonly addresses: ReadonlyMap<GatewayName, string>;
  /** Bars that were missed, in words. */
  readonly missed: string[] = [];
  /** Names of routes that stand, in order. */
  readonly routes: { readonly name: string; readonly gateway: GatewayName }[] = [];
  readonly #close: () => Promise<void>;

  constructor(parts: {
    readonly cluster: Cluster;
    readonly controller: RunningController;
    readonly addresses: ReadonlyMap<GatewayName, string>;
    readonly close: () => Promise<void>;
  }) {
    this.cluster = parts.cluster;
    this.controller = parts.controller;
    this.addresses = parts.addresses;
    this.#close = parts.close;
  }

  close(): Promise<void> {
    return this.#close();
  }

  /** Creates routes, each with a hostname of its own. */
  async addRoutes(gateway: GatewayName, prefix: string, count: number, parallel: number = PARALLEL): Promise<void> {
    const names = Array.from({ length: count }, (_, n) => `${prefix}-${n}`);
    await this.cluster.each(names, parallel, (name) =>
      this.cluster.create(routeObject({ namespace, name, gateway, hostname: hostnameOf(name) })),
    );
    this.routes.push(...names.map((name) => ({ name, gateway })));
  }

  async removeRoutes(gateway: GatewayName, prefix: string): Promise<void> {
    const gone = this.routes.filter(({ name }) => name.startsWith(`${prefix}-`));
    await this.cluster.each(gone, PARALLEL, ({ name }) =>
      this.cluster.delete(routeObject({ namespace, name, gateway, hostname: hostnameOf(name) })),
    );
    const kept = this.routes.filter(({ name }) => !name.startsWith(`${prefix}-`));
    this.routes.splice(0, this.routes.length, ...kept);
  }

  /** Adds what is missing to as many routes, and waits until all is quiet. */
  async standing(count: number): Promise<void> {
    if (this.routes.length < count) await this.addRoutes('scale', 'stand', count - this.routes.length);
    await this.quiet();
  }

  /** Until the controller has used next to no CPU for two seconds. */
  async quiet(): Promise<void> {
    let calm = 0;
    await until('the controller is at rest', 120, async () => {
      const before = this.controller.cpu();
      await new Promise((resolve) => setTimeout(resolve, 250));
      calm = this.controller.cpu() - before < 0.05 ? calm + 1 : 0;
      return calm >= 8;
    });
  }

  /** The line, with whether the bar is kept. */
  judge(text: string, value: number, most: number, unit: string): string {
    const kept = value <= most;
    if (!kept) this.missed.push(`${text}${shown(value)} ${unit}, at most ${most} ${unit}`);
    return `${text}${shown(value)} ${unit} (bar ${most} ${unit}: ${kept ? 'kept' : 'MISSED'})`;
  }
}

export function shown(value: number): string {
  return value >= 100 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(1);
}

export function hostnameOf(name: string): string {
  return `${name}.example.com`;
}

export async function prepare({ kubeconfig, log, pool, backend }: Setup): Promise<Bench> {
  const cluster = new Cluster(kubeconfig);
  await cluster.apply(namespaceObject(namespace));
  await cluster.apply(classObject());
  const [first, second] = [await startBackend(backend), await startBackend(backend)];
  for (const object of [
    ...backendObjects(namespace, 'echo', backend, first.port),
    ...backendObjects(namespace, 'echo-2', backend, second.port),
    ...gateways.map((name) => gatewayObject(namespace, name)),
  ]) {
    await cluster.apply(object);
  }
  compile();
  const controller = startController({ kubeconfig, log, pool, args: ['--no-leader-election'], published: true });
  const close = async (): Promise<void> => {
    await controller.stop();
    await Promise.all([first.close(), second.close()]);
    await cluster.delete(namespaceObject(namespace));
    await until(
      'the namespace is gone',
      120,
      async () => (await cluster.get(namespaceObject(namespace))) === undefined,
    );
    cluster.client.close();
  };
  try {
    await controller.ready();
    const addresses = new Map<GatewayName, string>();
    for (const name of gateways) {
      const address = await until(`Gateway ${name} is programmed`, 60, async () =>
        programmedAddress(await cluster.get(gatewayObject(namespace, name))),
      );
      addresses.set(name, address);
    }
    return new Bench({ cluster, controller, addresses, close });
  } catch (error) {
    await close();
    throw error;
  }
}
