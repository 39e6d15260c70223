// A cluster → ready to be measured: namespace, class, a Gateway for each purpose, a backend, and the controller with its data plane.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { KubeObject } from '../../src/api/objects.ts';
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
import { compile, descendantsOf, memoryOf, startController, type RunningController } from './gateway.ts';

export interface Setup {
  readonly kubeconfig: string;
  readonly log: string;
  readonly way: Way;
  /** An address of this machine that the data plane reaches. */
  readonly backend: string;
  /** Each route with a Service of its own. */
  readonly ownServices?: boolean;
  /** Flags of V8 for the controller, for trials. */
  readonly runtime?: readonly string[];
  /** The cluster is taken down afterwards, with all that is in it. */
  readonly passing?: boolean;
}

/** How Gateways are served. */
export type Way =
  | { readonly mode: 'all-in-one'; readonly pool: string; readonly engine: 'embedded' }
  | { readonly mode: 'all-in-one'; readonly pool: string; readonly engine: 'envoy'; readonly envoy: string }
  /** Pods of the lab, which find the controller at the address. */
  | { readonly mode: 'provisioned'; readonly engine: 'embedded'; readonly advertise: string; readonly kubelet: number };

export const namespace = 'bench';
/** Of the lab: what `compile` made. */
export const publishedImage = 'portolan-published';
const gateways = ['attached', 'scale', 'probe'] as const;
export type GatewayName = (typeof gateways)[number];

/** @param empty removes what was added since */
type Close = (empty: () => Promise<void>) => Promise<void>;

/** Requests at a time to the API server. */
export const PARALLEL = 8;

export class Bench {
  readonly cluster: Cluster;
  readonly controller: RunningController;
  readonly addresses: ReadonlyMap<GatewayName, string>;
  readonly way: Way;
  readonly #ownServices: boolean;
  /** Where the backend listens. */
  readonly #backend: { readonly address: string; readonly port: number };
  /** Bars that were missed, in words. */
  readonly missed: string[] = [];
  /** Names of routes that stand, in order. */
  readonly routes: { readonly name: string; readonly gateway: GatewayName }[] = [];
  readonly #close: Close;

  constructor(parts: {
    readonly cluster: Cluster;
    readonly controller: RunningController;
    readonly addresses: ReadonlyMap<GatewayName, string>;
    readonly setup: Setup;
    readonly port: number;
    readonly close: Close;
  }) {
    this.way = parts.setup.way;
    this.#ownServices = parts.setup.ownServices ?? false;
    this.#backend = { address: parts.setup.backend, port: parts.port };
    this.cluster = parts.cluster;
    this.controller = parts.controller;
    this.addresses = parts.addresses;
    this.#close = parts.close;
  }

  /** Ends what was started, and leaves nothing in a cluster that goes on. */
  async close(): Promise<void> {
    await this.#close(async () => this.removeRoutes());
  }

  /** Creates routes, each with a hostname of its own. */
  async addRoutes(gateway: GatewayName, prefix: string, count: number, parallel: number = PARALLEL): Promise<void> {
    const names = Array.from({ length: count }, (_, n) => `${prefix}-${n}`);
    await this.cluster.each(names, parallel, async (name) => {
      const backend = this.#ownServices ? name : 'echo';
      if (this.#ownServices) {
        const { address, port } = this.#backend;
        for (const object of backendObjects(namespace, name, address, port)) await this.cluster.create(object);
      }
      await this.cluster.create(routeObject({ namespace, name, gateway, hostname: hostnameOf(name), backend }));
    });
    this.routes.push(...names.map((name) => ({ name, gateway })));
  }

  /** @param prefix of their names, as they were added; undefined: all */
  async removeRoutes(prefix?: string): Promise<void> {
    const isGone = (name: string): boolean => prefix === undefined || name.startsWith(`${prefix}-`);
    const gone = this.routes.filter(({ name }) => isGone(name));
    await this.cluster.each(gone, PARALLEL, async ({ name, gateway }) => {
      await this.cluster.delete(routeObject({ namespace, name, gateway, hostname: hostnameOf(name) }));
      if (!this.#ownServices) return;
      for (const object of backendObjects(namespace, name, '', 0)) await this.cluster.delete(object);
    });
    const kept = this.routes.filter(({ name }) => !isGone(name));
    this.routes.splice(0, this.routes.length, ...kept);
  }

  /** Adds what is missing to as many routes, and waits until all is quiet. */
  async standing(count: number): Promise<void> {
    if (this.routes.length < count) await this.addRoutes('scale', 'stand', count - this.routes.length);
    await this.quiet();
  }

  /** Data planes that are processes of their own, with what they take in MiB. */
  planes(): readonly { readonly name: string; readonly memory: number }[] {
    const { way } = this;
    const found = descendantsOf(way.mode === 'provisioned' ? way.kubelet : (this.controller.child.pid ?? 0));
    return found
      .filter(({ command }) => (way.engine === 'envoy' ? isEnvoy(command) : / proxy --controller /.test(command)))
      .map(({ pid }) => ({ name: way.engine === 'envoy' ? 'Envoy' : 'proxy', memory: memoryOf(pid) }))
      .toSorted((a, b) => b.memory - a.memory);
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

function isEnvoy(command: string): boolean {
  // Not the script of the PyPI package that starts it.
  return command.includes('bootstrap.json') && !/^\S*python/.test(command);
}

export async function prepare(setup: Setup): Promise<Bench> {
  const { kubeconfig, log, way, backend, runtime = [] } = setup;
  const cluster = new Cluster(kubeconfig);
  await cluster.apply(namespaceObject(namespace));
  await cluster.apply(classObject());
  const [first, second] = [await startBackend(backend), await startBackend(backend)];
  for (const object of [
    ...backendObjects(namespace, 'echo', backend, first.port),
    ...backendObjects(namespace, 'echo-2', backend, second.port),
    ...gateways.map((name) => gatewayObject(namespace, name)),
    ...(way.mode === 'provisioned' ? ownKinds() : []),
  ]) {
    await cluster.apply(object);
  }
  compile();
  const controller = startController({
    kubeconfig,
    log,
    ...(way.mode === 'all-in-one' ? { pool: way.pool } : {}),
    args: ['--no-leader-election', ...flagsOf(way)],
    published: true,
    runtime,
  });
  const close: Close = async (empty) => {
    await controller.stop();
    await Promise.all([first.close(), second.close()]);
    if (setup.passing !== true) {
      await empty();
      await removeNamespace(cluster);
    }
    cluster.client.close();
  };
  try {
    await controller.ready();
    const addresses = new Map<GatewayName, string>();
    for (const name of gateways) {
      const address = await until(`Gateway ${name} is programmed`, 120, async () =>
        programmedAddress(await cluster.get(gatewayObject(namespace, name))),
      );
      addresses.set(name, address);
    }
    return new Bench({ cluster, controller, addresses, setup, port: first.port, close });
  } catch (error) {
    await close(async () => {});
    throw error;
  }
}

/**
 * A server removes what is in a namespace kind by kind and one object after the other, up to its limit for one request, and then again:
 * thousands of Services and routes take it minutes. So they are removed before, several at a time, and a namespace with little in it goes.
 */
async function removeNamespace(cluster: Cluster): Promise<void> {
  await cluster.delete(namespaceObject(namespace));
  const gone = async (): Promise<boolean> => (await cluster.get(namespaceObject(namespace))) === undefined;
  await until('the namespace is gone', 300, gone);
}

function flagsOf(way: Way): readonly string[] {
  if (way.mode === 'provisioned')
    return ['--proxy-image', publishedImage, '--advertise', way.advertise, '--lease-namespace', namespace];
  return way.engine === 'envoy' ? ['--engine', 'envoy', '--envoy', way.envoy] : [];
}

/** Custom resource definitions of the project. */
function ownKinds(): readonly KubeObject[] {
  const folder = join(import.meta.dirname, '../../deploy/crds');
  return readdirSync(folder)
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => parse(readFileSync(join(folder, file), 'utf8')) as KubeObject);
}
