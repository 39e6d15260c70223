// The text of one chunk of a file → the documents in it, each with its value or error: one as a rule, several when it is a
// stream of JSON, none when there are only comments.
import { countLines } from './chunks.ts';
import { readJson } from './json-text.ts';
import { readYaml } from './yaml-document.ts';
import type { Reading } from './yaml-document.ts';

export interface FileDocument {
  readonly text: string;
  /** Lines of the chunk before it. */
  readonly lines: number;
  readonly reading: Reading;
}

export function documentsIn(text: string): readonly FileDocument[] {
  if (/^\s*[[{]/.test(text)) {
    const values = readJson(text);
    if (values !== undefined) return jsonDocuments(text, values);
  }
  const reading = readYaml(text);
  if (reading.ok ? reading.value === null : onlyDirectives(text)) return [];
  return [{ text, lines: 0, reading }];
}

function jsonDocuments(text: string, values: NonNullable<ReturnType<typeof readJson>>): readonly FileDocument[] {
  const [only] = values;
  if (values.length === 1 && only !== undefined) return [{ text, lines: 0, reading: only.reading }];
  return values.map(({ offset, end, reading }) => ({
    text: Buffer.from(text.slice(offset, end)).toString(),
    lines: countLines(text.slice(0, offset)),
    reading: reading.ok ? reading : { ...reading, offset: reading.offset - offset },
  }));
}

/** `%YAML 1.2` before the `---` of a document: nothing to read. */
function onlyDirectives(text: string): boolean {
  return text.split('\n').every((line) => /^(?:%.*|\s*|\s*#.*)$/.test(line));
}
