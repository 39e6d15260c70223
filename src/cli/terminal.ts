// Text for people: colour where the stream is a terminal that wants it, tables with aligned columns, wrapped paragraphs.
import { styleText } from 'node:util';

export type Style = Parameters<typeof styleText>[0];

/** Colours for one stream; NO_COLOR, FORCE_COLOR and pipes are respected. */
export class Paint {
  readonly #stream: NodeJS.WriteStream;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  #as(style: Style, text: string): string {
    return text === '' ? text : styleText(style, text, { stream: this.#stream });
  }

  bold(text: string): string {
    return this.#as('bold', text);
  }

  dim(text: string): string {
    return this.#as('dim', text);
  }

  red(text: string): string {
    return this.#as('red', text);
  }

  yellow(text: string): string {
    return this.#as('yellow', text);
  }

  green(text: string): string {
    return this.#as('green', text);
  }

  cyan(text: string): string {
    return this.#as('cyan', text);
  }
}

/** Columns to write in, between 60 and 120; 100 when the output is not a terminal. */
export function widthOf(stream: NodeJS.WriteStream): number {
  return Math.min(120, Math.max(60, stream.isTTY ? stream.columns : 100));
}

/** Rows under a header, columns three spaces apart, no space at the ends of lines: as kubectl prints them. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  return columns([header, ...rows]);
}

/** Aligned columns; colour codes take no width. */
export function columns(rows: readonly (readonly string[])[], indent = '', gap = '   '): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, index) => {
      widths[index] = Math.max(widths[index] ?? 0, visibleLength(cell));
    });
  }
  const lines = rows.map((row) => {
    const cells = row.map((cell, index) => cell + ' '.repeat((widths[index] ?? 0) - visibleLength(cell)));
    return (indent + cells.join(gap)).trimEnd();
  });
  return lines.map((line) => `${line}\n`).join('');
}

/** Breaks at spaces; every line begins with the indent. */
export function wrap(text: string, width: number, indent = ''): string {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(' ')) {
    if (line !== indent && visibleLength(line) + 1 + visibleLength(word) > width) {
      lines.push(line);
      line = indent;
    }
    line += line === indent ? word : ` ${word}`;
  }
  lines.push(line);
  return lines.join('\n');
}

/**
 * What a user wrote, made safe to print: a manifest must not be able to move the cursor, recolour or retitle the terminal.
 */
export function printable(text: string): string {
  return text.replace(unprintable, (character) => {
    const code = character.codePointAt(0) as number;
    return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
}

/** Control characters but line feed and tab, and the marks that reorder text. */
// oxlint-disable-next-line no-control-regex -- these are what it is for
const unprintable: RegExp = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

// oxlint-disable-next-line no-control-regex -- colour codes begin with ESC
const colourCode: RegExp = /\u001b\[[0-9;]*m/g;

function visibleLength(text: string): number {
  return text.replace(colourCode, '').length;
}
