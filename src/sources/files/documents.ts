// The bytes of a file → the documents in it, each with its text, its first line and its value or error. A document whose
// text stood in the file before keeps its value, so that one edited route among 10,000 costs one parse.
import { isUtf8 } from 'node:buffer';
import { readJson } from './json-text.ts';
import { readYaml } from './yaml-document.ts';
import type { Reading } from './yaml-document.ts';

export interface FileDocument {
  /** A string of its own, not a slice of the file's. */
  readonly text: string;
  /** Of its first character, from 1. */
  readonly line: number;
  readonly reading: Reading;
}

/** Bytes. A List of all objects of a cluster may be one document. */
export const maxDocumentSize: number = 16 * 1024 * 1024;
export const maxFileSize: number = 128 * 1024 * 1024;

/** `known`: readings by text, from the file as it was. */
export function readDocuments(bytes: Buffer, known: ReadonlyMap<string, Reading>): readonly FileDocument[] {
  const refused = refuse(bytes);
  if (refused !== undefined) return [{ text: '', line: 1, reading: refused }];
  const documents: FileDocument[] = [];
  let line = 1;
  for (const { start, end } of spans(bytes)) {
    if (end - start > maxDocumentSize) {
      documents.push({ text: '', line, reading: failure(`this document is larger than ${maxDocumentSize >> 20} MiB`) });
      line += countLines(bytes.toString('latin1', start, end));
      continue;
    }
    const text = bytes.toString('utf8', start, end);
    addDocuments(documents, text, line, known);
    line += countLines(text);
  }
  return documents;
}

/** 1-based line and column of an offset into the text of a document. */
export function positionIn(document: { readonly text: string; readonly line: number }, offset: number): Position {
  const before = document.text.slice(0, offset);
  return { line: document.line + countLines(before), column: offset - before.lastIndexOf('\n') };
}

export interface Position {
  readonly line: number;
  readonly column: number;
}

function refuse(bytes: Buffer): Reading | undefined {
  if (bytes.length > maxFileSize) return failure(`the file is larger than ${maxFileSize >> 20} MiB`);
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)) {
    return failure('the file is UTF-16: save it as UTF-8');
  }
  return isUtf8(bytes) ? undefined : failure('the file is not UTF-8 text');
}

function failure(message: string): Reading {
  return { ok: false, message, offset: 0 };
}

function addDocuments(
  documents: FileDocument[],
  text: string,
  line: number,
  known: ReadonlyMap<string, Reading>,
): void {
  const reading = known.get(text);
  if (reading !== undefined) {
    documents.push({ text, line, reading });
    return;
  }
  if (/^\s*[[{]/.test(text)) {
    const values = readJson(text);
    if (values !== undefined) {
      addJson(documents, text, line, values);
      return;
    }
  }
  const fresh = readYaml(text);
  if (!fresh.ok && onlyDirectives(text)) return;
  if (!fresh.ok || fresh.value !== null) documents.push({ text, line, reading: fresh });
}

function addJson(
  documents: FileDocument[],
  text: string,
  line: number,
  values: NonNullable<ReturnType<typeof readJson>>,
): void {
  const only = values.length === 1 ? values[0] : undefined;
  if (only !== undefined) {
    documents.push({ text, line, reading: only.reading });
    return;
  }
  for (const { offset, end, reading } of values) {
    const own = Buffer.from(text.slice(offset, end)).toString();
    const moved = reading.ok ? reading : { ...reading, offset: reading.offset - offset };
    documents.push({ text: own, line: line + countLines(text.slice(0, offset)), reading: moved });
  }
}

/** `%YAML 1.2` before the `---` of a document: nothing to read. */
function onlyDirectives(text: string): boolean {
  return text.split('\n').every((line) => /^(?:%.*|\s*|\s*#.*)$/.test(line));
}

interface Span {
  start: number;
  end: number;
}

/**
 * Between the lines that begin with `---` or `...`, which mark documents even inside a block scalar. A document begins
 * right behind its marker, since content may follow on the same line.
 */
function* spans(bytes: Buffer): Iterable<Span> {
  let start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  if (isMarker(bytes, start)) start += 3;
  for (const marker of markers(bytes, start)) {
    yield { start, end: marker };
    start = marker + 3;
  }
  yield { start, end: bytes.length };
}

function* markers(bytes: Buffer, from: number): Iterable<number> {
  const find = (sign: string, at: number): number => {
    const found = bytes.indexOf(sign, at);
    return found < 0 ? bytes.length : found;
  };
  let dashes = find('\n---', from);
  let dots = find('\n...', from);
  while (dashes < bytes.length || dots < bytes.length) {
    const at = Math.min(dashes, dots) + 1;
    if (isMarker(bytes, at)) yield at;
    if (dashes < dots) dashes = find('\n---', at);
    else dots = find('\n...', at);
  }
}

function isMarker(bytes: Buffer, at: number): boolean {
  const sign = bytes[at];
  if ((sign !== 45 && sign !== 46) || bytes[at + 1] !== sign || bytes[at + 2] !== sign) return false;
  const after = bytes[at + 3];
  return after === undefined || after === 32 || after === 9 || after === 10 || after === 13;
}

function countLines(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count++;
  return count;
}
