// What is measured: a process of `portolan controller` and, in the mode that has them, its data planes.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createWriteStream, readFileSync, readdirSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { until } from './cluster.ts';

const root = join(import.meta.dirname, '../..');

export interface ControllerOptions {
  readonly kubeconfig: string;
  /** Where what it writes goes. */
  readonly log: string;
  /** HOST:PORT */
  readonly admin?: string;
  readonly args?: readonly string[];
  /** A network namespace to run in. */
  readonly netns?: string;
  /** As it is published: compiled (dist/, by `compile`). Else from source, which takes 40 MiB more. */
  readonly published?: boolean;
  /** `--address-pool`; undefined in the mode in which it serves nothing itself. */
  readonly pool?: string;
  /** Flags of V8, for trials. */
  readonly runtime?: readonly string[];
}

export interface RunningController {
  readonly child: ChildProcess;
  /** Resident, in MiB. */
  readonly memory: () => number;
  /** Seconds of CPU that it has used. */
  readonly cpu: () => number;
  readonly ready: () => Promise<void>;
  /** The text of /readyz, and its status. */
  readonly readiness: () => Promise<{ readonly status: number; readonly text: string }>;
  readonly stop: (signal?: NodeJS.Signals) => Promise<void>;
}

export function startController(options: ControllerOptions): RunningController {
  const { kubeconfig, log, admin = '127.0.0.1:9901', args = [], pool, published = false, runtime = [] } = options;
  const program = join(root, published ? 'dist/cli/main.js' : 'bin/portolan.js');
  const command = ['controller', '--kubeconfig', kubeconfig, '--admin', admin];
  const address = pool === undefined ? [] : ['--address-pool', pool];
  const within = options.netns === undefined ? [] : ['nsenter', `--net=/run/netns/${options.netns}`, '--'];
  const node = [process.execPath, ...runtime];
  const [first = '', ...rest] = [...within, ...node, program, ...command, ...address, ...args];
  const child = spawn(first, rest, {
    stdio: ['ignore', 'ignore', 'pipe'],
    // As in the image.
    env: published ? { ...process.env, MALLOC_TRIM_THRESHOLD_: '131072' } : process.env,
  });
  // Nothing is left behind, however this ends.
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  child.once('exit', () => process.off('exit', kill));
  child.stderr?.pipe(createWriteStream(log, { flags: 'a' }));
  const readiness = (): Promise<{ status: number; text: string }> => fetchText(`http://${admin}/readyz`);
  return {
    child,
    memory: () => memoryOf(child.pid ?? 0),
    cpu: () => cpuOf(child.pid ?? 0),
    readiness,
    ready: async () => {
      await until('the controller is ready', 60, async () => {
        if (child.exitCode !== null) throw new Error(`the controller ended: ${readFileSync(log, 'utf8').slice(-2000)}`);
        return (await readiness().catch(() => undefined))?.status === 200;
      });
    },
    stop: async (signal = 'SIGTERM') => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill(signal);
      await gone;
    },
  };
}

/** Makes dist/ of what the source is now. */
export function compile(): void {
  const { status, stderr } = spawnSync('npm', ['run', '--silent', 'prepack'], { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(`the program cannot be compiled: ${stderr}`);
}

/** A process that descends from another, by the command line that it was started with. */
export interface Descendant {
  readonly pid: number;
  readonly command: string;
}

/** Of a process, as they stand; arguments of a command are joined by spaces. */
export function descendantsOf(ancestor: number): readonly Descendant[] {
  const children = new Map<number, Descendant[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      children.set(parent, [...(children.get(parent) ?? []), { pid: Number(name), command }]);
    } catch {
      // It has ended.
    }
  }
  const found: Descendant[] = [];
  for (const queue = [ancestor]; queue.length > 0;) {
    const below = children.get(queue.pop() ?? 0) ?? [];
    found.push(...below);
    queue.push(...below.map(({ pid }) => pid));
  }
  return found;
}

/** Resident set of a process, in MiB; 0 when it is gone. */
export function memoryOf(pid: number): number {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

export async function fetchText(url: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { timeout: 5000, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    request.on('timeout', () => request.destroy(new Error('timeout')));
    request.on('error', reject);
  });
}

/** Seconds; 0 when it is gone. */
function cpuOf(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return 0;
  }
}
