// The table of commands → help for the terminal, and the reference page in docs/.
import { flagsOf, help } from './command.ts';
import type { Command, Flag, FlagGroup } from './command.ts';
import { commands } from './commands.ts';
import type { Paint } from './terminal.ts';
import { columns, wrap } from './terminal.ts';

export interface Page {
  readonly paint: Paint;
  /** Columns. */
  readonly width: number;
}

const oneLine = 'Portolan serves Kubernetes Gateway API straight from YAML files, and answers questions about it.';

export function overview({ paint, width }: Page): string {
  return [
    wrap(oneLine, width),
    '',
    paint.bold('Usage'),
    '  portolan COMMAND [flags]',
    '',
    paint.bold('Commands'),
    columns(
      commands.map(({ name, summary }) => [paint.cyan(name), summary]),
      '  ',
    ).trimEnd(),
    '',
    paint.bold('Start here'),
    '  portolan run -f manifests --echo',
    '',
    'portolan COMMAND --help shows the flags and examples of a command; portolan --version the version.',
    '',
  ].join('\n');
}

export function helpOf(command: Command, { paint, width }: Page): string {
  const parts = [
    paint.bold('Usage'),
    `  portolan ${command.usage}`,
    '',
    ...command.description.flatMap((paragraph) => [wrap(paragraph, width), '']),
    paint.bold('Examples'),
    ...command.examples.flatMap(({ what, command }) => [paint.dim(`  # ${what}`), `  ${command}`, '']),
  ];
  for (const group of [...command.flags, { title: 'Help', flags: [help] }]) {
    parts.push(paint.bold(group.title), ...flagLines(group, { paint, width }), '');
  }
  for (const { title, rows } of command.tables ?? []) parts.push(paint.bold(title), columns(rows, '  '));
  parts.push(
    paint.bold('Exit codes'),
    columns(
      command.exitCodes.map(([code, meaning]) => [String(code), meaning]),
      '  ',
    ).trimEnd(),
    '',
  );
  return parts.join('\n');
}

/** The reference page, as Markdown. */
export function reference(): string {
  const parts = [
    '# Command line',
    '',
    '<!-- Written from src/cli/commands.ts by `UPDATE_GOLDEN=1 npm test`; not edited. -->',
    '',
    oneLine,
    '',
    '| command | what it does |',
    '| --- | --- |',
    ...commands.map(({ name, summary }) => `| [\`portolan ${name}\`](#portolan-${name}) | ${cell(summary)} |`),
    '',
    'Every command exits with 2 when the command line is wrong. Colour is used only on terminals, and never when `NO_COLOR` is set.',
    '',
  ];
  for (const command of commands) parts.push(...section(command), '');
  return `${parts.join('\n').trimEnd()}\n`;
}

function section(command: Command): string[] {
  const lines = [`## portolan ${command.name}`, '', '```', `portolan ${command.usage}`, '```', ''];
  for (const paragraph of command.description) lines.push(paragraph, '');
  lines.push('```sh');
  for (const { what, command: example } of command.examples) lines.push(`# ${what}`, example);
  lines.push('```', '', '| flag | |', '| --- | --- |');
  for (const flag of flagsOf(command)) lines.push(`| \`${cell(spelling(flag))}\` | ${cell(meaning(flag))} |`);
  for (const { title, rows } of command.tables ?? []) {
    const dashes = (rows[0] ?? []).map(() => '---').join(' | ');
    lines.push('', `| ${title} |${' |'.repeat((rows[0]?.length ?? 1) - 1)}`, `| ${dashes} |`);
    for (const row of rows) lines.push(`| ${row.map(cell).join(' | ')} |`);
  }
  lines.push('', '| exit code | |', '| --- | --- |');
  for (const [code, meaning] of command.exitCodes) lines.push(`| ${code} | ${cell(meaning)} |`);
  return lines;
}

function flagLines(group: FlagGroup, { paint, width }: Page): string[] {
  const lines: string[] = [];
  for (const flag of group.flags) {
    const short = flag.short === undefined ? '    ' : `-${flag.short}, `;
    const value = flag.value === undefined ? '' : ` ${flag.value}`;
    lines.push(`  ${short}${paint.cyan(`--${flag.name}`)}${value}`, wrap(meaning(flag), width, '        '));
  }
  return lines;
}

function spelling(flag: Flag): string {
  const short = flag.short === undefined ? '' : `-${flag.short}, `;
  return `${short}--${flag.name}${flag.value === undefined ? '' : ` ${flag.value}`}`;
}

function meaning(flag: Flag): string {
  return flag.default === undefined ? flag.help : `${flag.help} Default: ${flag.default}.`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
