// The program as its users start it: a process of its own, in a folder of its own, with what it prints.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

export const root: string = join(import.meta.dirname, '..', '..');
const program = join(root, 'src', 'cli', 'main.ts');

/** A folder with these files, gone after the test. */
export function folderWith(t: TestContext, files: Readonly<Record<string, string>> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'portolan-cli-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

export interface Finished {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Options {
  readonly cwd: string;
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a command to its end. */
export async function portolan(args: readonly string[], options: Options): Promise<Finished> {
  const running = new Running(args, options);
  running.process.stdin?.end(options.input ?? '');
  const code = await running.exit();
  return { code, out: running.out, err: running.err };
}

/** A running `portolan run`, told to stop after the test. */
export async function serving(t: TestContext, args: readonly string[], options: Options): Promise<Running> {
  const running = new Running(['run', ...args], options);
  if (options.input !== undefined) running.process.stdin?.end(options.input);
  t.after(() => running.stop());
  await running.prints(/serving after/);
  return running;
}

export class Running {
  readonly process: ChildProcess;
  out = '';
  err = '';
  #exit: Promise<[number | null]> | undefined;

  constructor(args: readonly string[], { cwd, env }: Options) {
    // What was compiled once is kept, as the launcher does it.
    const cache = join(tmpdir(), 'portolan-test-compiled');
    this.process = spawn(process.execPath, [program, ...args], {
      cwd,
      env: { ...process.env, NODE_COMPILE_CACHE: cache, PORTOLAN_DATA: join(cwd, '.data'), NO_COLOR: '1', ...env },
    });
    this.process.stdout?.setEncoding('utf8').on('data', (text: string) => (this.out += text));
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => (this.err += text));
    this.#exit = once(this.process, 'close') as Promise<[number | null]>;
  }

  async exit(): Promise<number | null> {
    const [code] = await (this.#exit as Promise<[number | null]>);
    return code;
  }

  /** Waits until the pattern is printed; its first group, else what it took. */
  async prints(pattern: RegExp, to: 'out' | 'err' = 'out'): Promise<string> {
    const limit = performance.now() + 20_000;
    for (;;) {
      const found = pattern.exec(this[to]);
      if (found !== null) return found[1] ?? found[0];
      if (performance.now() > limit || this.process.exitCode !== null) {
        throw new Error(`${pattern} was not printed (exit ${this.process.exitCode}):\n${this.out}\n${this.err}`);
      }
      await sleep(5);
    }
  }

  /** The local port of a listener (`default/web/http`). */
  port(listener: string): number {
    const line = this.out.split('\n').findLast((line) => line.trim().startsWith(`${listener} `));
    const digits = /[a-z]+:\/\/(?:\[[^\]]+\]|[^:]+):(\d+)/.exec(line ?? '')?.[1];
    if (digits === undefined) throw new Error(`no listener ${listener} in\n${this.out}`);
    return Number(digits);
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.process.exitCode === null) this.process.kill(signal);
    return this.exit();
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Asked {
  readonly host?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export async function ask(
  port: number,
  path: string,
  { host, method = 'GET', headers = {}, body }: Asked = {},
): Promise<Answer> {
  const sent = request({
    host: '127.0.0.1',
    port,
    path,
    method,
    agent: false,
    headers: { ...headers, ...(host === undefined ? {} : { host }) },
  });
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return { status: response.statusCode ?? 0, headers: response.headers, body: text };
}

/** Which Service answered, as the echo names it. */
export async function answeredBy(port: number, path: string, asked: Asked = {}): Promise<string> {
  const { status, headers } = await ask(port, path, asked);
  return status === 200 ? String(headers['x-echo-service']) : String(status);
}

export function gateway(port: number, more = ''): string {
  return `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: web
spec:
  gatewayClassName: any
  listeners:
  - name: http
    protocol: HTTP
    port: ${port}
${more}`;
}

export function route(name: string, path: string, service: string): string {
  return `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: ${name}
spec:
  parentRefs:
  - name: web
  rules:
  - matches:
    - path:
        type: PathPrefix
        value: ${path}
    backendRefs:
    - name: ${service}
      port: 80
`;
}
