// The program: arguments → one command, its exit code, and words for what goes wrong on the way.
import { Misuse, parseArguments } from './command.ts';
import type { Arguments, Command } from './command.ts';
import { commands } from './commands.ts';
import { helpOf, overview } from './help.ts';
import { nearest } from './nearest.ts';
import { Paint, widthOf } from './terminal.ts';
import { version } from './version.ts';

/** Resolves to the exit code. */
export type Run = (args: Arguments) => Promise<number>;

/** Loaded when they are called: `--help` and `lint` do not wait for the data plane. */
const implementations: Readonly<Record<string, () => Promise<{ readonly run: Run }>>> = {
  run: () => import('./commands/run.ts'),
  explain: () => import('./commands/explain.ts'),
  lint: () => import('./commands/lint.ts'),
  upgrade: () => import('./commands/upgrade.ts'),
  config: () => import('./commands/config.ts'),
  status: () => import('./commands/status.ts'),
  controller: () => import('./commands/controller.ts'),
  proxy: () => import('./commands/proxy.ts'),
};

/** Failures of the machine, not of the program or its input, told without a stack. */
const operational = new Set([
  'EACCES',
  'EADDRINUSE',
  'EADDRNOTAVAIL',
  'EENVOY',
  'ELISTEN',
  'EMFILE',
  'ENFILE',
  'ENOENT',
  'ENOSPC',
  'EPERM',
  'EROFS',
]);

async function main(argv: readonly string[]): Promise<number> {
  const [first, ...rest] = argv;
  const page = { paint: new Paint(process.stdout), width: widthOf(process.stdout) };
  if (first === undefined || first === '--help' || first === '-h' || first === 'help') {
    const topic = first === 'help' ? rest[0] : undefined;
    const command = topic === undefined ? undefined : commandNamed(topic);
    process.stdout.write(command === undefined ? overview(page) : helpOf(command, page));
    return first === undefined ? 2 : 0;
  }
  if (first === '--version' || first === '-V' || first === 'version') {
    process.stdout.write(`portolan ${version()} (Node ${process.versions.node})\n`);
    return 0;
  }
  const command = commandNamed(first);
  try {
    const args = parseArguments(command, rest);
    if (args.on('help')) {
      process.stdout.write(helpOf(command, page));
      return 0;
    }
    const implementation = await (implementations[command.name] as (typeof implementations)[string])();
    return await implementation.run(args);
  } catch (error) {
    if (error instanceof Misuse) return misused(error, command);
    throw error;
  }
}

function commandNamed(name: string): Command {
  const command = commands.find((command) => command.name === name);
  if (command !== undefined) return command;
  if (name.startsWith('-')) throw new Misuse(`unknown flag ${name} before a command`, 'portolan COMMAND [flags]');
  const guess = nearest(
    name,
    commands.map(({ name }) => name),
  );
  throw new Misuse(`unknown command "${name}"`, guess === undefined ? undefined : `did you mean portolan ${guess}?`);
}

function misused(error: Misuse, command?: Command): number {
  const paint = new Paint(process.stderr);
  const name = command === undefined ? 'portolan' : `portolan ${command.name}`;
  process.stderr.write(`${paint.red(`${name}:`)} ${error.message}\n`);
  if (error.hint !== undefined) process.stderr.write(`  ${error.hint}\n`);
  process.stderr.write(paint.dim(`  ${name} --help shows how it is used\n`));
  return 2;
}

function failed(error: unknown): number {
  if (error instanceof Misuse) return misused(error);
  const { code, message, stack } = error as NodeJS.ErrnoException;
  const known = code !== undefined && operational.has(code);
  process.stderr.write(`${new Paint(process.stderr).red('portolan:')} ${known ? message : (stack ?? String(error))}\n`);
  return 1;
}

// A reader that has seen enough (`portolan status | head`) is no failure.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
}
process.exitCode = await main(process.argv.slice(2)).catch(failed);
