// The shape of a command and its flags, from which arguments are parsed, and help and reference are written; and the
// parsing itself: arguments → values by flag, or a Misuse with what was probably meant.
import { parseArgs } from 'node:util';
import { nearest } from './nearest.ts';

export interface Flag {
  readonly name: string;
  readonly short?: string;
  /** What stands for its value in help; a flag without is a switch. */
  readonly value?: string;
  readonly repeatable?: boolean;
  readonly choices?: readonly string[];
  /** For help, and the value when the flag is not given. */
  readonly default?: string;
  readonly help: string;
}

export interface FlagGroup {
  readonly title: string;
  readonly flags: readonly Flag[];
}

export interface Example {
  readonly what: string;
  readonly command: string;
}

export interface Command {
  readonly name: string;
  /** One line, for the list of commands. */
  readonly summary: string;
  /** Behind `portolan `. */
  readonly usage: string;
  /** Paragraphs. */
  readonly description: readonly string[];
  readonly operands: { readonly min: number; readonly max: number; readonly what: string };
  readonly flags: readonly FlagGroup[];
  readonly examples: readonly Example[];
  /** What else a reader must know, in rows. */
  readonly tables?: readonly { readonly title: string; readonly rows: readonly (readonly string[])[] }[];
  readonly exitCodes: readonly (readonly [code: number, meaning: string])[];
}

/** The user must change the command line: exit code 2. */
export class Misuse extends Error {
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

export class Arguments {
  readonly operands: readonly string[];
  readonly #values: ReadonlyMap<string, readonly (string | true)[]>;
  readonly #flags: ReadonlyMap<string, Flag>;

  constructor(
    operands: readonly string[],
    values: ReadonlyMap<string, readonly (string | true)[]>,
    flags: ReadonlyMap<string, Flag>,
  ) {
    this.operands = operands;
    this.#values = values;
    this.#flags = flags;
  }

  on(flag: string): boolean {
    return this.#given(flag).length > 0;
  }

  texts(flag: string): readonly string[] {
    return this.#given(flag).filter((value) => value !== true);
  }

  text(flag: string): string | undefined {
    return this.texts(flag).at(-1) ?? this.#flags.get(flag)?.default;
  }

  /** A whole number in the range; anything else is a Misuse. */
  number(flag: string, range: { readonly min: number; readonly max: number }): number | undefined {
    const text = this.text(flag);
    if (text === undefined) return undefined;
    const value = Number(text);
    if (!/^-?\d+$/.test(text) || value < range.min || value > range.max) {
      throw new Misuse(`--${flag} takes a whole number from ${range.min} to ${range.max}, not "${text}"`);
    }
    return value;
  }

  #given(flag: string): readonly (string | true)[] {
    if (!this.#flags.has(flag)) throw new Error(`no flag --${flag} in the table`);
    return this.#values.get(flag) ?? [];
  }
}

export const help: Flag = { name: 'help', short: 'h', help: 'Show this help.' };

export function flagsOf(command: Command): readonly Flag[] {
  return [...command.flags.flatMap(({ flags }) => flags), help];
}

export function parseArguments(command: Command, argv: readonly string[]): Arguments {
  const flags = new Map(flagsOf(command).map((flag) => [flag.name, flag]));
  const { tokens } = parseArgs({
    args: [...argv],
    options: Object.fromEntries(
      [...flags.values()].map((flag) => [
        flag.name,
        {
          type: flag.value === undefined ? ('boolean' as const) : ('string' as const),
          multiple: true,
          ...(flag.short === undefined ? {} : { short: flag.short }),
        },
      ]),
    ),
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  const values = new Map<string, (string | true)[]>();
  const operands: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') operands.push(token.value);
    if (token.kind !== 'option') continue;
    const flag = flags.get(token.name);
    if (flag === undefined) throw unknownFlag(command, token.rawName);
    const value = valueOf(flag, token);
    const given = values.get(flag.name);
    if (given === undefined) values.set(flag.name, [value]);
    else if (flag.repeatable === true || flag.value === undefined) given.push(value);
    else throw new Misuse(`--${flag.name} is given twice: it takes one value`);
  }
  if (!values.has('help')) checkOperands(command, operands);
  return new Arguments(operands, values, flags);
}

interface OptionToken {
  readonly rawName: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

function valueOf(flag: Flag, { rawName, value, inlineValue }: OptionToken): string | true {
  if (flag.value === undefined) {
    if (value === undefined || value === 'true') return true;
    throw new Misuse(`${rawName} takes no value`);
  }
  if (value === undefined || value === '') throw new Misuse(`${rawName} takes a value: ${rawName} ${flag.value}`);
  if (inlineValue !== true && value.startsWith('-') && value !== '-') {
    throw new Misuse(
      `${rawName} takes a value, not "${value}"`,
      `a value that begins with a dash: --${flag.name}=${value}`,
    );
  }
  if (flag.choices !== undefined && !flag.choices.includes(value)) {
    const guess = nearest(value, flag.choices);
    const hint = guess === undefined ? undefined : `did you mean ${rawName} ${guess}?`;
    throw new Misuse(`${rawName} is one of ${flag.choices.join(', ')}, not "${value}"`, hint);
  }
  return value;
}

function unknownFlag(command: Command, written: string): Misuse {
  const flags = flagsOf(command);
  const guess = written.startsWith('--')
    ? nearest(
        written,
        flags.map(({ name }) => `--${name}`),
      )
    : flags.map(({ short }) => `-${short ?? ''}`).find((name) => name.toLowerCase() === written.toLowerCase());
  return new Misuse(`unknown flag ${written}`, guess === undefined ? undefined : `did you mean ${guess}?`);
}

function checkOperands(command: Command, operands: readonly string[]): void {
  const { min, max, what } = command.operands;
  if (operands.length < min)
    throw new Misuse(`${what} ${min === 1 ? 'is' : 'are'} missing`, `usage: portolan ${command.usage}`);
  const extra = operands[max];
  if (extra !== undefined) throw new Misuse(`unexpected "${extra}"`, `usage: portolan ${command.usage}`);
}
