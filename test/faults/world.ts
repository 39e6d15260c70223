// The lab as the faults find it: a namespace with a Gateway, routes on it and a backend, one of the routes with an entry of another
// controller in its status; `portolan controller`, and load that must not fail.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startBackend, type Backend } from '../../bench/cluster/backend.ts';
import {
  backendObjects,
  classObject,
  Cluster,
  collectionOf,
  gatewayObject,
  isAccepted,
  namespaceObject,
  pathOf,
  programmedAddress,
  routeObject,
  until,
} from '../../bench/cluster/cluster.ts';
import { startController, type ControllerOptions, type RunningController } from '../../bench/cluster/gateway.ts';
import { startLoad, type LoadOptions } from '../../bench/cluster/load.ts';
import type { KubeObject } from '../../src/api/objects.ts';
import { list, record } from '../../src/support/untrusted.ts';
import { equal } from '../../src/support/equal.ts';
import { envoyBinary } from '../features/envoy-binary.ts';
import { labKubeconfig, labState } from '../lab/inside.ts';

export const namespace = 'faults';
/** The lab's node: what listens there stands for a Pod. */
export const node = '10.244.0.1';
export const gatewayName: string = 'edge';
/** Seconds, in the short dose and in the long one. */
export function dose(short: number, long: number): number {
  return process.env['FAULTS_LONG'] === '1' ? long : short;
}

export const hostname = (name: string): string => `${name}.example.com`;

export function route(name: string, backend = 'echo', gateway: string = gatewayName): KubeObject {
  return routeObject({ namespace, name, gateway, hostname: hostname(name), backend });
}

const foreignEntry = {
  controllerName: 'example.com/another',
  parentRef: { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'of-another' },
  conditions: [
    {
      type: 'Accepted',
      status: 'True',
      reason: 'AnotherReason',
      message: 'of another  controller',
      lastTransitionTime: '2020-01-02T03:04:05Z',
      observedGeneration: 1,
    },
  ],
};

export class World {
  readonly cluster: Cluster = new Cluster(labKubeconfig);
  readonly #log = join(labState, 'faults.log');
  #backends: Backend[] = [];
  #controllers: RunningController[] = [];
  #admin = 9910;

  async build(): Promise<void> {
    const { cluster } = this;
    writeFileSync(this.#log, '');
    await cluster.apply(namespaceObject(namespace));
    await cluster.apply(classObject());
    this.#backends = [await startBackend(node), await startBackend(node)];
    const [first, second] = this.#backends;
    for (const object of [
      ...backendObjects(namespace, 'echo', node, first?.port ?? 0),
      ...backendObjects(namespace, 'echo-2', node, second?.port ?? 0),
      gatewayObject(namespace, gatewayName),
      ...stableNames.map((name) => route(name)),
    ]) {
      await cluster.apply(object);
    }
    await this.addForeignEntry();
  }

  /** As another controller would have put it there first; it tries again when ours was faster. */
  async addForeignEntry(): Promise<void> {
    await until('the entry of another controller is written', 60, () => this.#tryForeignEntry());
  }

  async #tryForeignEntry(): Promise<boolean> {
    const stable = await this.cluster.get(route('stable-0'));
    const mine = list(record(stable?.['status'])['parents']).filter(
      (parent) => record(parent)['controllerName'] !== foreignEntry.controllerName,
    );
    try {
      await this.cluster.client.request('PUT', `${pathOf(route('stable-0'))}/status`, {
        body: { ...stable, status: { parents: [foreignEntry, ...mine] } },
      });
    } catch (error) {
      if ((error as { status?: number }).status === 409) return false;
      throw error;
    }
    return true;
  }

  async takeDown(): Promise<void> {
    for (const controller of this.#controllers) await controller.stop('SIGKILL');
    await Promise.all(this.#backends.map((backend) => backend.close()));
    await this.cluster.delete(namespaceObject(namespace));
    await until(
      'the namespace is gone',
      60,
      async () => (await this.cluster.get(namespaceObject(namespace))) === undefined,
    );
    this.cluster.client.close();
  }

  /** Starts a controller in this network namespace; it serves the Gateway here, or `inPods`: by data planes of their own. */
  async controller({
    inPods = false,
    ...options
  }: Partial<ControllerOptions> & { readonly inPods?: boolean } = {}): Promise<Started> {
    const before = this.log().length;
    const controller = startController({
      kubeconfig: labKubeconfig,
      log: this.#log,
      admin: `127.0.0.1:${this.#admin++}`,
      ...(inPods ? {} : { pool: '10.200.0.0/24' }),
      ...options,
      args: [...(inPods ? [] : engineFlags()), ...(options.args ?? ['--no-leader-election'])],
    });
    this.#controllers.push(controller);
    await controller.ready();
    return { ...controller, log: () => this.log().slice(before) };
  }

  async tidy(): Promise<void> {
    for (const controller of this.#controllers) await controller.stop('SIGKILL');
    this.#controllers = [];
    const answers = await this.cluster.client.request('GET', '/readyz').then(
      () => true,
      (error: unknown) => error instanceof SyntaxError,
    );
    if (!answers) restartLab();
    for (const [kind, kept] of [
      ['HTTPRoute', stableNames],
      ['Gateway', [gatewayName]],
    ] as const) {
      const some: KubeObject = { apiVersion: 'gateway.networking.k8s.io/v1', kind, metadata: { namespace, name: '' } };
      const found = list(record(await this.cluster.client.request('GET', collectionOf(some)))['items']).map(record);
      const names = found.map((object) => String(record(object['metadata'])['name']));
      for (const name of names.filter((name) => !kept.includes(name)))
        await this.cluster.delete({ ...some, metadata: { namespace, name } });
    }
  }

  /** What all controllers wrote. */
  log(): string {
    return existsSync(this.#log) ? readFileSync(this.#log, 'utf8') : '';
  }

  /** Where the Gateway is served, once it is programmed. */
  async address(name: string = gatewayName): Promise<string> {
    return until(`Gateway ${name} is programmed`, 60, async () =>
      programmedAddress(await this.cluster.get(gatewayObject(namespace, name))),
    );
  }

  /** Until statuses say that the route is accepted in its generation. */
  async accepted(name: string): Promise<void> {
    await until(`route ${name} is accepted`, 60, async () => isAccepted(await this.cluster.get(route(name))));
  }

  /** Load on the stable routes while something happens, of which no request may fail. */
  async underLoad(address: string, act: () => Promise<void>, options: Partial<LoadOptions> = {}): Promise<void> {
    const load = startLoad({
      address,
      port: 80,
      hostnames: stableNames.map(hostname),
      rate: 150,
      fresh: 4,
      atLeast: 60,
      ...options,
    });
    try {
      await load.begun;
      await act();
    } finally {
      const result = await load.stop();
      assert.deepEqual({ failed: result.failed, failures: result.failures }, { failed: 0, failures: {} });
    }
  }

  /** What must hold after every fault: statuses of everything are right, and the entry of another controller is as it was. */
  async assertSettled(address: string): Promise<void> {
    for (const name of stableNames) await this.accepted(name);
    const gateway = await until('the Gateway counts its routes', 60, async () => {
      const found = await this.cluster.get(gatewayObject(namespace, gatewayName));
      const [listener] = list(record(found?.['status'])['listeners']).map(record);
      return listener?.['attachedRoutes'] === stableNames.length ? found : undefined;
    });
    assert.equal(programmedAddress(gateway), address);
    const parents = list(record((await this.cluster.get(route('stable-0')))?.['status'])['parents']);
    assert.ok(equal(parents[0], foreignEntry), `the entry of another controller is ${JSON.stringify(parents[0])}`);
    assert.equal(parents.length, 2);
  }
}

/** The engine that `npm run faults -- --engine` named. */
function engineFlags(): readonly string[] {
  if (process.env['FAULTS_ENGINE'] !== 'envoy') return [];
  const binary = envoyBinary();
  assert.ok(binary !== undefined, 'no Envoy is found: ENVOY, PATH, .cache/envoy');
  return ['--engine', 'envoy', '--envoy', binary];
}

export interface Started extends RunningController {
  /** What it wrote. */
  readonly log: () => string;
}

export const stableNames: readonly string[] = Array.from({ length: 10 }, (_, n) => `stable-${n}`);

/** Of a program of the lab, by name. */
export function pidOf(name: string): number {
  return Number(readFileSync(join(labState, `${name}.pid`), 'utf8'));
}

export async function killProgram(name: string): Promise<void> {
  const pid = pidOf(name);
  process.kill(pid, 'SIGKILL');
  await until(`${name} is gone`, 60, async () => !existsSync(`/proc/${pid}/ns`) || isZombie(pid));
}

function isZombie(pid: number): boolean {
  try {
    return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return true;
  }
}

/** Starts what of the lab does not run. */
export function restartLab(): void {
  const { status, stderr } = spawnSync(join(import.meta.dirname, '../lab/up.sh'), [], {
    encoding: 'utf8',
    env: process.env,
  });
  assert.equal(status, 0, stderr);
}

export async function seconds(count: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, count * 1000));
}
