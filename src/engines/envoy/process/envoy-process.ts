// One Envoy of our own on this machine: started, watched, started again when it ends by itself, and ended with us.
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { programOnPath } from './binary.ts';

export interface ProcessOptions {
  /** Of the program. */
  readonly path: string;
  readonly arguments: readonly string[];
  /** Told of an end that nobody asked for, with the last that it said. */
  readonly onCrash: (error: Error) => void;
}

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 30_000;
/** An Envoy that lived so long starts again with the first pause. */
const LIVED = 60_000;
const KEPT_LINES = 20;
const TERMINATE_WITHIN = 3000;

export class EnvoyProcess {
  readonly #options: ProcessOptions;
  #child: ChildProcess | null = null;
  #pause = FIRST_PAUSE;
  #timer: NodeJS.Timeout | null = null;
  #started = 0;
  #stopped = false;
  /** What it said last on standard error. */
  readonly #said: string[] = [];

  constructor(options: ProcessOptions) {
    this.#options = options;
  }

  get running(): boolean {
    return this.#child !== null;
  }

  start(): void {
    if (this.#stopped) return;
    this.#started = Date.now();
    this.#said.length = 0;
    const [program, ...rest] = tied([this.#options.path, ...this.#options.arguments]);
    const child = spawn(program, rest, { stdio: ['ignore', 'inherit', 'pipe'] });
    this.#child = child;
    // However this process leaves, as long as it can say so.
    const end = (): void => void child.kill('SIGKILL');
    process.once('exit', end);
    child.once('exit', () => process.off('exit', end));
    if (child.stderr !== null) {
      createInterface({ input: child.stderr }).on('line', (line) => {
        this.#said.push(line);
        if (this.#said.length > KEPT_LINES) this.#said.shift();
      });
    }
    child.once('error', (error) => this.#ended(child, error.message));
    child.once('exit', (code, signal) =>
      this.#ended(child, signal === null ? `it ended with ${code}` : `ended by ${signal}`),
    );
  }

  /** Resolved when it is gone. */
  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const child = this.#child;
    if (child === null) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), TERMINATE_WITHIN);
    await gone;
    clearTimeout(timer);
  }

  #ended(child: ChildProcess, how: string): void {
    if (this.#child !== child) return;
    this.#child = null;
    if (this.#stopped) return;
    const why = reasonIn(this.#said);
    this.#options.onCrash(
      Object.assign(new Error(`Envoy: ${how}${why === undefined ? '' : `: ${why}`}`), { code: 'EENVOY' }),
    );
    if (Date.now() - this.#started > LIVED) this.#pause = FIRST_PAUSE;
    this.#timer = setTimeout(() => this.start(), this.#pause);
    this.#pause = Math.min(LONGEST_PAUSE, this.#pause * 2);
  }
}

/** A warning is none, however late it was. Who never got so far as to log anything is answered for by the system, in its last line. */
function reasonIn(said: readonly string[]): string | undefined {
  const error = said.findLast((line) => /\[(?:error|critical)\]/.test(line));
  if (error !== undefined) return error;
  return said.some((line) => /\[(?:trace|debug|info|warning)\]/.test(line)) ? undefined : said.at(-1);
}

/** Where the system can, the program ends with this process however that ends: an Envoy that is left over keeps the ports. */
function tied(command: readonly [string, ...string[]]): readonly [string, ...string[]] {
  const setpriv = process.platform === 'linux' ? programOnPath('setpriv') : undefined;
  return setpriv === undefined ? command : [setpriv, '--pdeathsig', 'KILL', '--', ...command];
}
