// As much of a kubelet as a Deployment of data planes needs: one Pod, its command as a process of this machine, the Secret as files that
// follow it, readiness by the probe of the template, and the status of the Deployment.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { list, record, text, texts } from '../../src/support/untrusted.ts';
import type { FakeApiServer } from './cluster-fixture.ts';
import { folderWith, Running } from './cli-process.ts';
import { envoyBinary } from './envoy-binary.ts';
import { freePort } from '../free-port.ts';
import { eventually } from '../eventually.ts';

export class Kubelet {
  readonly #server: FakeApiServer;
  readonly #name: string;
  readonly #folder: string;
  readonly #adminPort: number;
  readonly #path: string;
  #process: Running | undefined;
  #ended = false;

  private constructor(server: FakeApiServer, name: string, places: { folder: string; adminPort: number }) {
    this.#server = server;
    this.#name = name;
    this.#folder = places.folder;
    this.#adminPort = places.adminPort;
    // The program of the image.
    const envoy = envoyBinary();
    this.#path = [...(envoy === undefined ? [] : [dirname(envoy)]), process.env['PATH'] ?? ''].join(delimiter);
  }

  /** Runs the Deployment of that name in the namespace default when it is there. */
  static async run(t: TestContext, server: FakeApiServer, name: string): Promise<Kubelet> {
    const kubelet = new Kubelet(server, name, { folder: folderWith(t), adminPort: await freePort() });
    const loop = kubelet.#loop();
    t.after(async () => {
      kubelet.#ended = true;
      await loop;
      // Told twice it ends at once, and what it has started with it.
      kubelet.#process?.process.kill('SIGTERM');
      await pause(500);
      await kubelet.#process?.stop('SIGTERM');
    });
    return kubelet;
  }

  /** The container dies; its files stay. */
  async kill(): Promise<void> {
    await this.#process?.stop('SIGKILL');
  }

  /** Waits until the data plane has written a configuration with this in it into its volume: a draft does not survive. */
  async saves(part: string): Promise<void> {
    const file = join(this.#folder, 'state', 'proxy-state');
    const saved = (): string => (existsSync(file) ? readFileSync(file, 'utf8') : '');
    await eventually(() => saved().includes(part), `${part} is saved`, 30_000);
  }

  get log(): string {
    return this.#process?.err ?? '';
  }

  async #loop(): Promise<void> {
    while (!this.#ended) {
      this.#mount();
      const running = this.#process?.process;
      if (running === undefined || running.exitCode !== null || running.signalCode !== null) this.#start();
      const ready = await this.#isReady();
      const deployment = this.#server.get('Deployment', this.#name);
      const status = { replicas: 1, readyReplicas: ready ? 1 : 0 };
      if (deployment !== undefined && JSON.stringify(deployment['status']) !== JSON.stringify(status)) {
        this.#server.apply({ ...deployment, status });
      }
      await pause(50);
    }
  }

  #mount(): void {
    for (const folder of ['identity', 'state']) mkdirSync(join(this.#folder, folder), { recursive: true });
    const data = texts(this.#server.get('Secret', this.#name)?.['data']);
    for (const [file, value] of Object.entries(data)) {
      writeFileSync(join(this.#folder, 'identity', file), Buffer.from(value, 'base64'));
    }
  }

  #start(): void {
    const template = record(record(this.#server.get('Deployment', this.#name)?.['spec'])['template']);
    const [container] = list(record(template['spec'])['containers']).map(record);
    if (container === undefined || this.#server.get('Secret', this.#name) === undefined) return;
    const mounts = list(container['volumeMounts']).map((mount) => {
      const { name, mountPath } = record(mount);
      return [text(mountPath) ?? '', join(this.#folder, text(name) ?? '')] as const;
    });
    const mounted = (value: string): string => mounts.reduce((own, [from, to]) => own.replace(from, to), value);
    const args = list(container['args']).map((arg) => {
      const own = mounted(String(arg));
      return /^:\d+$/.test(own) ? `127.0.0.1:${this.#adminPort}` : own;
    });
    const env = list(container['env']).flatMap((each): readonly (readonly [string, string])[] => {
      const { name, value } = texts(each);
      return name === undefined || value === undefined ? [] : [[name, mounted(value)]];
    });
    this.#process = new Running(args, {
      cwd: this.#folder,
      env: { ...Object.fromEntries(env), POD_NAME: `${this.#name}-1`, PATH: this.#path },
    });
  }

  async #isReady(): Promise<boolean> {
    try {
      return (await fetch(`http://127.0.0.1:${this.#adminPort}/readyz`)).ok;
    } catch {
      return false;
    }
  }
}
