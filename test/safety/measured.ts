// What an attack costs: memory and descriptors of the proxy's process, and how long an innocent client waits meanwhile. With
// PORTOLAN_SAFETY_REPORT=<file> every measurement is appended to that file as a row of the table in docs/safety.md;
// PORTOLAN_SAFETY_SCALE multiplies the attackers.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EngineOptions } from '../../src/engines/embedded/options.ts';
import type { CertificateSet } from '../../src/routing/model.ts';
import { type World } from '../features/engine-fixture.ts';
import type { Begin, Told } from './bystander.ts';
import { proxyUpdate } from './proxy.ts';
import type { Start } from './proxy-process.ts';
import { freePort } from '../free-port.ts';

/** Times as many attackers as in the usual run. */
export const scale: number = Number(process.env['PORTOLAN_SAFETY_SCALE'] ?? 1);

const PAGE = 4096;
const SAMPLE = 25;

export class MeasuredProxy {
  readonly port: number;
  /** TLS. */
  readonly secure: boolean;
  readonly #process: ChildProcess;

  private constructor(port: number, secure: boolean, child: ChildProcess) {
    this.port = port;
    this.secure = secure;
    this.#process = child;
  }

  static async start(
    world: Omit<World, 'port'>,
    options: EngineOptions = {},
    certificate?: CertificateSet,
  ): Promise<MeasuredProxy> {
    const port = await freePort();
    const child = fork(join(import.meta.dirname, 'proxy-process.ts'), {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const start: Start = { update: proxyUpdate({ ...world, port }, certificate), options };
    child.send(start);
    await once(child, 'message');
    return new MeasuredProxy(port, certificate !== undefined, child);
  }

  /** Octets of memory that are resident. */
  get memory(): number {
    return Number(readFileSync(`/proc/${this.#process.pid}/statm`, 'latin1').split(' ')[1]) * PAGE;
  }

  get descriptors(): number {
    return readdirSync(`/proc/${this.#process.pid}/fd`).length;
  }

  async close(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    this.#process.disconnect();
    await once(this.#process, 'exit');
  }
}

export interface Cost {
  /** Octets: at the beginning, at most, and at the end. */
  readonly before: number;
  readonly peak: number;
  readonly after: number;
  /** More than at the beginning, at most; and at the end. */
  readonly descriptors: number;
  readonly left: number;
  /** Innocent requests that were answered, and the longest time for it in milliseconds. */
  readonly served: number;
  readonly slowest: number;
}

/** Runs an attack next to an innocent client of the same proxy. Fails if that gets anything but 200. */
export async function measure(
  what: string,
  proxy: MeasuredProxy,
  bystander: Bystander,
  attack: () => Promise<void>,
): Promise<Cost> {
  await bystander.begin(proxy);
  const before = proxy.memory;
  const descriptors = proxy.descriptors;
  let peak = before;
  let most = descriptors;
  const sampler = setInterval(() => {
    peak = Math.max(peak, proxy.memory);
    most = Math.max(most, proxy.descriptors);
  }, SAMPLE);
  try {
    await attack();
  } finally {
    clearInterval(sampler);
  }
  const { served, slowest, failure } = await bystander.end();
  if (failure !== undefined) throw new Error(`an innocent client was not served: ${what}: ${failure}`);
  const left = await settled(proxy, descriptors);
  const cost = { before, peak, after: proxy.memory, descriptors: most - descriptors, left, served, slowest };
  report(what, cost);
  return cost;
}

/** The innocent client and its backend (bystander.ts). */
export class Bystander {
  /** A port on this machine that answers everything with 200. */
  readonly backend: number;
  readonly #process: ChildProcess;

  private constructor(child: ChildProcess, backend: number) {
    this.#process = child;
    this.backend = backend;
  }

  static async start(): Promise<Bystander> {
    const child = fork(join(import.meta.dirname, 'bystander.ts'));
    const [backend] = (await once(child, 'message')) as [number];
    return new Bystander(child, backend);
  }

  async begin({ port, secure }: MeasuredProxy): Promise<void> {
    const begin: Begin = { port, secure };
    this.#process.send(begin);
    await once(this.#process, 'message');
  }

  async end(): Promise<Told> {
    const told = once(this.#process, 'message') as Promise<[Told]>;
    this.#process.send('end');
    return (await told)[0];
  }

  async close(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    this.#process.disconnect();
    await once(this.#process, 'exit');
  }
}

/** Descriptors above `base` once no more of them go; waits for at most four seconds. */
async function settled(proxy: MeasuredProxy, base: number): Promise<number> {
  const end = performance.now() + 4000;
  while (proxy.descriptors > base && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 50));
  return proxy.descriptors - base;
}

const mega = (octets: number): string => (octets / 1_048_576).toFixed(1);

function report(what: string, cost: Cost): void {
  const file = process.env['PORTOLAN_SAFETY_REPORT'];
  if (file === undefined) return;
  const { before, peak, after, descriptors, left, slowest } = cost;
  const cells = [what, mega(before), mega(peak - before), mega(after - before), descriptors, left, slowest.toFixed(0)];
  appendFileSync(file, `| ${cells.join(' | ')} |\n`);
}
