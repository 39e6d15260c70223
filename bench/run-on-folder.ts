// `portolan run` on a folder of its own, whose files a benchmark writes while it serves: with the embedded engine, or on an Envoy.
// Nothing of it is left behind, however the benchmark ends.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { envoyBinary } from '../test/features/envoy-binary.ts';
import { memoryOf } from './http/measure.ts';

export class RunOnFolder {
  readonly folder: string;
  #child: ChildProcess | undefined;

  /** @param name of what is measured: the folder is called so */
  constructor(name: string) {
    this.folder = mkdtempSync(join(tmpdir(), `portolan-${name}-`));
    process.on('exit', () => {
      this.#child?.kill('SIGKILL');
      rmSync(this.folder, { recursive: true, force: true });
    });
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));
  }

  /** As editors save: written beside, then renamed. */
  write(name: string, objects: readonly unknown[]): void {
    const file = join(this.folder, name);
    writeFileSync(
      `${file}.tmp`,
      objects.map((object) => stringify(object, { aliasDuplicateObjects: false })).join('---\n'),
    );
    renameSync(`${file}.tmp`, file);
  }

  /** Each declared port is opened as it is. */
  start(engine: string): void {
    const main = join(import.meta.dirname, '..', 'src/cli/main.ts');
    const args = ['run', '-f', this.folder, '--port-offset', '0', ...engineFlags(engine)];
    this.#child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
  }

  /** Resident, in MiB: of the program, and of the Envoy that it runs. */
  memory(): number {
    return this.#pids().reduce((sum, pid) => sum + memoryOf(pid), 0);
  }

  /** What the system says of the program alone: the fields of /proc/PID/status by name, and the seconds of CPU of all its threads. */
  vitals(): { readonly status: (name: string) => string | undefined; readonly cpu: number } {
    const of = (file: string): string => readFileSync(`/proc/${this.#child?.pid}/${file}`, 'utf8');
    const status = of('status');
    const ticks = of('stat').split(') ').at(-1)?.split(' ') ?? [];
    return {
      status: (name) => new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(status)?.[1],
      cpu: (Number(ticks[11]) + Number(ticks[12])) / 100,
    };
  }

  get hasEnded(): boolean {
    return this.#child?.exitCode !== null;
  }

  stop(): void {
    this.#child?.kill('SIGKILL');
  }

  /** Open file descriptors of the same. */
  descriptors(): number {
    return this.#pids().reduce((sum, pid) => sum + readdirSync(`/proc/${pid}/fd`).length, 0);
  }

  #pids(): readonly number[] {
    const pid = this.#child?.pid;
    if (pid === undefined) return [];
    const threads = readdirSync(`/proc/${pid}/task`);
    const children = threads.flatMap((id) =>
      readFileSync(`/proc/${pid}/task/${id}/children`, 'utf8').trim().split(' '),
    );
    return [pid, ...children.filter((each) => each !== '').map(Number)];
  }
}

function engineFlags(engine: string): readonly string[] {
  if (engine === 'embedded') return [];
  const envoy = envoyBinary();
  if (engine !== 'envoy') throw new Error(`there is no engine "${engine}"`);
  if (envoy === undefined) throw new Error('there is no Envoy (ENVOY, PATH, .cache/envoy)');
  return ['--engine', 'envoy', '--envoy', envoy];
}
