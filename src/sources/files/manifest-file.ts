// One file over time: its bytes → the documents and objects in force. Bytes that do not parse leave the last good objects
// in force, and bytes that look like a file in the middle of being written are held back for a moment.
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { readDocuments } from './documents.ts';
import type { FileDocument } from './documents.ts';
import { objectsIn } from './objects.ts';
import type { Found, ReadingRules } from './objects.ts';
import { reasonOf } from './walk.ts';
import type { Reading } from './yaml-document.ts';

export interface ReadDocument {
  readonly document: FileDocument;
  readonly found: Found;
}

const nothing: Found = { objects: [], faults: [] };

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
  /** In force. */
  documents: readonly ReadDocument[] = [];
  /** What is in the file now, when that does not parse and `documents` are older. */
  broken: readonly FileDocument[] = [];
  /** Why the file could not be read. */
  unreadable: string | undefined;
  #bytes: Buffer | undefined;
  #loaded = false;

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
    return this.unreadable === undefined && this.#bytes?.equals(bytes) === true;
  }

  /** Milliseconds to wait before these bytes are taken for what the user means; 0 when there is no doubt. */
  doubt(bytes: Buffer): number {
    const before = this.#bytes;
    if (before === undefined || before.length === 0) return 0;
    if (bytes.length === 0) return doubtOfEmpty;
    const endsOpen = bytes.at(-1) !== newline && before.at(-1) === newline;
    const isStart = bytes.length < before.length && before.subarray(0, bytes.length).equals(bytes);
    return endsOpen || isStart ? doubt : 0;
  }

  /** Takes the bytes; says whether they parse. When they do not, what was in force stays, but at first all that parses. */
  take(bytes: Buffer, rules: ReadingRules): boolean {
    const known = new Map<string, Reading>();
    const foundIn = new Map<Reading, Found>();
    for (const { document, found } of this.documents) {
      known.set(document.text, document.reading);
      foundIn.set(document.reading, found);
    }
    const documents = readDocuments(bytes, known);
    this.#bytes = bytes;
    this.unreadable = undefined;
    const parses = documents.every(({ reading }) => reading.ok);
    this.broken = documents.filter(({ reading }) => !reading.ok);
    if (!parses && this.#loaded) return false;
    this.#loaded = true;
    this.documents = documents.map((document) => {
      const { reading } = document;
      const found = foundIn.get(reading) ?? (reading.ok ? objectsIn(reading.value, rules) : nothing);
      return { document, found };
    });
    return parses;
  }

  /** The file is gone: nothing of it is in force. */
  clear(): void {
    this.documents = [];
    this.broken = [];
    this.#bytes = undefined;
    this.#loaded = false;
  }
}

const newline = 10;

function isRegular(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return true;
  }
}
