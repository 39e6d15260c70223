// One file over time: its bytes → the documents and objects in force. Bytes that do not parse leave the last good objects
// in force, and bytes that look like a file in the middle of being written are held back for a moment.
import { isUtf8 } from 'node:buffer';
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { cut, maxChunkSize } from './chunks.ts';
import type { Chunk, Chunks } from './chunks.ts';
import { documentsIn } from './documents.ts';
import type { FileDocument } from './documents.ts';
import { objectsIn } from './objects.ts';
import type { Found, ReadingRules } from './objects.ts';
import { reasonOf } from './walk.ts';
import type { Reading } from './yaml-document.ts';

/** A document of the file with the objects in it. */
export interface ReadDocument extends FileDocument {
  readonly found: Found;
  /** There is something to say about it: it does not parse, or its objects are not all that they should be. */
  readonly notable: boolean;
}

export interface Taken {
  readonly removed: readonly ReadDocument[];
  readonly added: readonly ReadDocument[];
}

export interface Position {
  readonly line: number;
  readonly column: number;
}

const nothing: Found = { objects: [], faults: [] };
const noChange: Taken = { removed: [], added: [] };

/** Octets. */
const maxFileSize = 128 * 1024 * 1024;
/** Milliseconds that suspicious bytes must stay the same before they count; longer for a file that was emptied. */
const doubt = 50;
const doubtOfEmpty = 200;

export class ManifestFile {
  readonly path: string;
  readonly named: boolean;
  /** Standard input, pipes: read once. */
  readonly once: boolean;
  /** Its place among all files: of two files with one object the first wins. */
  order = 0;
  /** The file that the path led to when it was last read. */
  real: string;
  /** Why the file could not be read. */
  unreadable: string | undefined;
  #force: Chunks<ReadDocument> = { bytes: Buffer.alloc(0), chunks: [] };
  /** What is in the file now, when that does not parse and what is in force is older. */
  #broken: Chunks<ReadDocument> | undefined;
  /** As last read. */
  #seen: Buffer | undefined;
  #loaded = false;
  #places: ReadonlyMap<ReadDocument, { readonly index: number; readonly line: number }> | undefined;

  constructor(path: string, key: string, named: boolean) {
    this.path = path;
    this.named = named;
    this.real = key;
    this.once = path === '-' || !isRegular(path);
  }

  /** Bytes as they are now, or the reason why there are none. */
  read(): Buffer | string {
    try {
      const bytes = readFileSync(this.path);
      this.real = realpathSync.native(this.path);
      return bytes;
    } catch (error) {
      return reasonOf(error);
    }
  }

  isCurrent(bytes: Buffer): boolean {
    return this.unreadable === undefined && this.#seen?.equals(bytes) === true;
  }

  /** Milliseconds to wait before these bytes are taken for what the user means; 0 when there is no doubt. */
  doubt(bytes: Buffer): number {
    const before = this.#seen;
    if (before === undefined || before.length === 0) return 0;
    if (bytes.length === 0) return doubtOfEmpty;
    const endsOpen = bytes.at(-1) !== newline && before.at(-1) === newline;
    const isStart = bytes.length < before.length && before.subarray(0, bytes.length).equals(bytes);
    return endsOpen || isStart ? doubt : 0;
  }

  /** Takes the bytes into force. When they do not parse, what was in force stays, but at first all that parses. */
  take(bytes: Buffer, rules: ReadingRules): Taken {
    this.#seen = bytes;
    this.unreadable = undefined;
    this.#broken = undefined;
    const recut = cut(bytes, parser(refuse(bytes), rules), this.#force);
    const parses = recut.chunks.every(({ parts }) => parts.every(({ reading }) => reading.ok));
    if (!parses && this.#loaded) {
      this.#broken = recut;
      return noChange;
    }
    this.#loaded = true;
    this.#force = recut;
    this.#places = undefined;
    return { removed: partsOf(recut.removed), added: partsOf(recut.added) };
  }

  /** The file is gone: nothing of it is in force. */
  clear(): Taken {
    const removed = this.documents();
    this.#force = { bytes: Buffer.alloc(0), chunks: [] };
    this.#broken = undefined;
    this.#seen = undefined;
    this.#loaded = false;
    this.#places = undefined;
    return { removed, added: [] };
  }

  /** In force. */
  documents(): readonly ReadDocument[] {
    return partsOf(this.#force.chunks);
  }

  /** Documents that do not parse, whether older ones are in force or not, with the position of the error. */
  *unparsable(): Iterable<{ readonly document: ReadDocument; readonly message: string; readonly position: Position }> {
    let line = 1;
    for (const chunk of (this.#broken ?? this.#force).chunks) {
      for (const document of chunk.parts) {
        const { reading, text, lines } = document;
        if (reading.ok) continue;
        yield { document, message: reading.message, position: positionIn(text, line + lines, reading.offset) };
      }
      line += chunk.lines;
    }
  }

  /** Whether what is in the file does not parse, so that older objects are in force. */
  get stale(): boolean {
    return this.#broken !== undefined;
  }

  /** Of an offset into a document that is in force. */
  position(document: ReadDocument, offset: number): Position {
    return positionIn(document.text, this.#place(document).line, offset);
  }

  /** The place of a document among those in force. */
  index(document: ReadDocument): number {
    return this.#place(document).index;
  }

  #place(document: ReadDocument): { readonly index: number; readonly line: number } {
    if (this.#places === undefined) {
      const places = new Map<ReadDocument, { index: number; line: number }>();
      let line = 1;
      for (const chunk of this.#force.chunks) {
        for (const part of chunk.parts) places.set(part, { index: places.size, line: line + part.lines });
        line += chunk.lines;
      }
      this.#places = places;
    }
    return this.#places.get(document) ?? { index: 0, line: 1 };
  }
}

const newline = 10;

function positionIn(text: string, line: number, offset: number): Position {
  const before = text.slice(0, offset).split('\n');
  return { line: line + before.length - 1, column: (before.at(-1) ?? '').length + 1 };
}

function partsOf(chunks: readonly Chunk<ReadDocument>[]): readonly ReadDocument[] {
  return chunks.flatMap(({ parts }) => parts);
}

/** Why the bytes as a whole are not read. */
function refuse(bytes: Buffer): string | undefined {
  if (bytes.length > maxFileSize) return `the file is larger than ${maxFileSize >> 20} MiB`;
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)) {
    return 'the file is UTF-16: save it as UTF-8';
  }
  return isUtf8(bytes) ? undefined : 'the file is not UTF-8 text';
}

function parser(
  refused: string | undefined,
  rules: ReadingRules,
): (text: string | undefined) => readonly ReadDocument[] {
  if (refused !== undefined) return () => [failed(refused)];
  return (text) => {
    if (text === undefined) return [failed(`this document is larger than ${maxChunkSize >> 20} MiB`)];
    return documentsIn(text).map((document) => {
      const { reading } = document;
      const found = reading.ok ? objectsIn(reading.value, rules) : nothing;
      const notable =
        !reading.ok || found.faults.length > 0 || found.objects.some(({ presumed }) => presumed !== undefined);
      return { ...document, found, notable };
    });
  };
}

function failed(message: string): ReadDocument {
  const reading: Reading = { ok: false, message, offset: 0 };
  return { text: '', lines: 0, reading, found: nothing, notable: true };
}

function isRegular(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return true;
  }
}
