// Paths of files and folders → objects, and on each change on disk the objects that changed. Knows of every object the
// file and line. Of two files with one object the first wins. No file times are used for anything.
import { resolve } from 'node:path';
import { equal } from '../../support/equal.ts';
import { groupOf } from '../../api/objects.ts';
import type { KubeObject } from '../../api/objects.ts';
import type { SourceRef } from '../../api/sourced.ts';
import { ManifestFile } from './manifest-file.ts';
import type { ReadDocument, Taken } from './manifest-file.ts';
import type { FoundObject, ObjectFault, ReadingRules } from './objects.ts';
import { walk } from './walk.ts';
import type { Walk } from './walk.ts';
import { FolderWatch } from './watch.ts';
import type { Touched } from './watch.ts';
import { offsetOf } from './yaml-document.ts';

export interface FileSourceOptions extends ReadingRules {
  /** Files, folders, `-`. */
  readonly paths: readonly string[];
  readonly recursive: boolean;
  /** Reads `-`. */
  readonly standardInput: () => Promise<Buffer>;
}

export interface Location {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
}

export type FileProblem = {
  readonly location: Location;
  readonly object: SourceRef;
  readonly path: string;
} &
  /** `stale`: objects of an earlier version of the file are in force. */
  (
    | { readonly code: 'Unparsable'; readonly message: string; readonly stale: boolean }
    | { readonly code: 'InvalidObject'; readonly message: string }
    | { readonly code: 'MissingApiVersion'; readonly presumed: string }
    | { readonly code: 'DuplicateObject'; readonly other: Location }
  );

export interface FileChange {
  readonly applied: readonly KubeObject[];
  readonly deleted: readonly KubeObject[];
  /** Paths of the files that were read anew or vanished, whether or not their objects changed. */
  readonly files: readonly string[];
  /** performance.now() of the first event. */
  readonly since: number;
}

export interface Progress {
  readonly files: number;
  readonly ofFiles: number;
  readonly objects: number;
}

interface Claim {
  readonly file: ManifestFile;
  readonly document: ReadDocument;
  readonly found: FoundObject;
}

/** Folders may come as fast as they are walked; the event of the next one walks again. */
const maxWalks = 8;
/** The event loop turns at least this often (ms) during a long load. */
const breath = 40;

export class FileSource {
  readonly #options: FileSourceOptions;
  readonly #files = new Map<string, ManifestFile>();
  /** Who claims an object, by refKey; the first by file and place in the file wins. */
  readonly #claims = new Map<string, Claim[]>();
  /** Keys with several claims. */
  readonly #contested = new Set<string>();
  readonly #held = new Map<string, { readonly bytes: Buffer | undefined; readonly until: number }>();
  #faults: Walk['faults'] = [];
  #watch: FolderWatch | undefined;
  #holdTimer: NodeJS.Timeout | undefined;
  #onChange: ((change: FileChange) => void) | undefined;

  constructor(options: FileSourceOptions) {
    this.#options = options;
  }

  /** Reads everything once. To be watched, the source must be followed before. */
  async load(onProgress?: (progress: Progress) => void): Promise<FileChange> {
    const since = performance.now();
    const added = this.#walk();
    const before = new Map<string, Claim | undefined>();
    let breathed = since;
    let objects = 0;
    for (const [index, file] of added.entries()) {
      const bytes = file.path === '-' ? await this.#options.standardInput() : file.read();
      this.#take(file, bytes, before);
      objects = this.#claims.size;
      if (performance.now() - breathed < breath) continue;
      onProgress?.({ files: index + 1, ofFiles: added.length, objects });
      await new Promise((resume) => setImmediate(resume));
      breathed = performance.now();
    }
    return this.#change(before, added, since);
  }

  /** From now on changes on disk are told, each batch once. */
  follow(onChange: (change: FileChange) => void): void {
    this.#onChange = onChange;
    this.#watch = new FolderWatch((touched) => this.#look(touched));
    this.#walkWatched();
  }

  close(): void {
    this.#watch?.close();
    clearTimeout(this.#holdTimer);
  }

  *objects(): Iterable<KubeObject> {
    for (const claims of this.#claims.values()) yield (claims[0] as Claim).found.object;
  }

  /** The object in force, as it was written. */
  object(ref: SourceRef): KubeObject | undefined {
    return this.#claims.get(refKey(ref))?.[0]?.found.object;
  }

  get size(): number {
    return this.#claims.size;
  }

  /** The paths of all files, in order. */
  files(): readonly string[] {
    return this.#inOrder().map((file) => file.path);
  }

  /** Files of a folder in which there is nothing for Kubernetes. */
  skipped(): readonly string[] {
    return this.#inOrder()
      .filter((file) => !file.named && isForeign(file))
      .map((file) => file.path);
  }

  /** Folders that cannot be watched and are looked at every second. */
  polled(): readonly string[] {
    return this.#watch?.polled ?? [];
  }

  /** In the order of files and lines; objects that are given twice last. */
  problems(): readonly FileProblem[] {
    const problems: FileProblem[] = this.#faults.map(({ path, message }) => unreadable(path, message));
    for (const file of this.#inOrder()) problems.push(...this.#problemsOf(file));
    return [...problems, ...this.#duplicates()];
  }

  /** Sorts objects as a reader meets them: by file, then by document. Objects that no file has come last. */
  compare(a: SourceRef, b: SourceRef): number {
    const [one, other] = [this.#claims.get(refKey(a))?.[0], this.#claims.get(refKey(b))?.[0]];
    if (one === undefined || other === undefined) return Number(one === undefined) - Number(other === undefined);
    return compareClaims(one, other);
  }

  /** Where the field of an object stands, or the nearest field around it. */
  locate(object: SourceRef, path: string): Location | undefined {
    const claim = this.#claims.get(refKey(object))?.[0];
    return claim === undefined ? undefined : locationOf(claim, path);
  }

  #inOrder(): readonly ManifestFile[] {
    return [...this.#files.values()].sort((a, b) => a.order - b.order);
  }

  /** Brings the list of files up to date and returns the new ones. */
  #walk(): ManifestFile[] {
    const { files, faults } = this.#walkWatched();
    this.#faults = faults;
    const added: ManifestFile[] = [];
    const present = new Set<string>();
    files.forEach(({ path, named }, order) => {
      const key = path === '-' ? path : resolve(path);
      present.add(key);
      let file = this.#files.get(key);
      if (file === undefined) {
        file = new ManifestFile(path, key, named);
        this.#files.set(key, file);
        added.push(file);
      }
      file.order = order;
    });
    for (const [key, file] of this.#files) if (!present.has(key) && !file.once) file.order = Number.POSITIVE_INFINITY;
    return added;
  }

  /** Folders that came are watched first and then walked again, so that no file in them falls between. */
  #walkWatched(): Walk {
    const { paths, recursive } = this.#options;
    let found = walk(paths, recursive);
    for (let round = 0; round < maxWalks && this.#watch?.follow(found.folders) === true; round++)
      found = walk(paths, recursive);
    return found;
  }

  #look(touched: Touched): void {
    const before = new Map<string, Claim | undefined>();
    const read: ManifestFile[] = [];
    const added = new Set(touched.names ? this.#walk() : []);
    for (const [key, file] of this.#files) {
      if (file.once) continue;
      if (file.order === Number.POSITIVE_INFINITY) {
        if (this.#settled(key, file, undefined)) {
          this.#replace(file, file.clear(), before);
          this.#files.delete(key);
          read.push(file);
        }
        continue;
      }
      const wanted =
        touched.everything ||
        added.has(file) ||
        this.#held.has(key) ||
        touched.paths.has(key) ||
        touched.paths.has(file.real) ||
        (touched.names && file.real !== key);
      if (!wanted) continue;
      const bytes = file.read();
      if (typeof bytes !== 'string' && file.isCurrent(bytes)) {
        this.#held.delete(key);
        continue;
      }
      if (typeof bytes !== 'string' && !this.#settled(key, file, bytes)) continue;
      this.#take(file, bytes, before);
      read.push(file);
    }
    this.#scheduleHeld();
    if (read.length > 0) this.#onChange?.(this.#change(before, read, touched.since));
  }

  /** Whether these bytes (undefined: the file is gone) may count now; when not, they are looked at again soon. */
  #settled(key: string, file: ManifestFile, bytes: Buffer | undefined): boolean {
    const now = performance.now();
    const held = this.#held.get(key);
    const same =
      held !== undefined && (held.bytes === undefined ? bytes === undefined : bytes?.equals(held.bytes) === true);
    const wait = bytes === undefined ? absence : file.doubt(bytes);
    if (wait === 0 || (same && now >= held.until)) {
      this.#held.delete(key);
      return true;
    }
    if (!same) this.#held.set(key, { bytes, until: now + wait });
    return false;
  }

  #scheduleHeld(): void {
    clearTimeout(this.#holdTimer);
    if (this.#held.size === 0) return;
    const now = performance.now();
    const next = Math.min(...[...this.#held.values()].map(({ until }) => until));
    this.#holdTimer = setTimeout(
      () => this.#look({ paths: new Set(), names: true, everything: false, since: now }),
      Math.max(1, Math.ceil(next - now)),
    );
  }

  #take(file: ManifestFile, bytes: Buffer | string, before: Map<string, Claim | undefined>): void {
    if (typeof bytes === 'string') file.unreadable = bytes;
    else this.#replace(file, file.take(bytes, this.#options), before);
  }

  /** `before` collects who won the keys that are touched, as it was at first. */
  #replace(file: ManifestFile, { removed, added }: Taken, before: Map<string, Claim | undefined>): void {
    const touch = (key: string): Claim[] => {
      const claims = this.#claims.get(key) ?? [];
      if (!before.has(key)) before.set(key, claims[0]);
      return claims;
    };
    for (const document of removed) {
      for (const { object } of document.found.objects) {
        const key = refKey(refOf(object));
        this.#set(
          key,
          touch(key).filter((claim) => claim.document !== document),
        );
      }
    }
    for (const document of added) {
      for (const found of document.found.objects) {
        const key = refKey(refOf(found.object));
        this.#set(key, [...touch(key), { file, document, found }]);
      }
    }
  }

  #set(key: string, claims: Claim[]): void {
    if (claims.length === 0) this.#claims.delete(key);
    else this.#claims.set(key, claims);
    if (claims.length > 1) {
      claims.sort(compareClaims);
      this.#contested.add(key);
    } else this.#contested.delete(key);
  }

  #change(before: ReadonlyMap<string, Claim | undefined>, read: readonly ManifestFile[], since: number): FileChange {
    const applied: KubeObject[] = [];
    const deleted: KubeObject[] = [];
    for (const [key, old] of before) {
      const was = old?.found.object;
      const is = this.#claims.get(key)?.[0]?.found.object;
      if (was === is || equal(was, is)) continue;
      // An object that changed its version keeps its key but not its place in the tables.
      if (was !== undefined && was.apiVersion !== is?.apiVersion) deleted.push(was);
      if (is !== undefined) applied.push(is);
    }
    return { applied, deleted, files: read.map(({ path }) => path), since };
  }

  *#problemsOf(file: ManifestFile): Iterable<FileProblem> {
    const { path, unreadable: reason, stale } = file;
    const documents = file.documents();
    if (reason !== undefined) yield unreadable(path, reason, documents.length > 0);
    for (const { document, message, position } of file.unparsable()) {
      if (!file.named && !stale && !looksLikeKubernetes(document.text)) continue;
      yield {
        code: 'Unparsable',
        location: { file: path, ...position },
        object: fileRef(path),
        path: '',
        message,
        stale,
      };
    }
    for (const document of documents) {
      if (!document.notable) continue;
      for (const fault of document.found.faults) {
        if (fault.code === 'invalid' || file.named) yield faultProblem(file, document, fault);
      }
      for (const found of document.found.objects) yield* this.#presumption({ file, document, found });
    }
  }

  *#presumption(claim: Claim): Iterable<FileProblem> {
    const { presumed, object } = claim.found;
    if (presumed === undefined || this.object(refOf(object)) !== object) return;
    yield {
      code: 'MissingApiVersion',
      location: locationOf(claim, ''),
      object: refOf(object),
      path: 'apiVersion',
      presumed,
    };
  }

  #duplicates(): readonly FileProblem[] {
    const losers = [...this.#contested].flatMap((key) => {
      // A file that is gone for the moment keeps its objects until it is clear that it was not just renamed.
      const present = (this.#claims.get(key) ?? []).filter(({ file }) => file.order !== Number.POSITIVE_INFINITY);
      const [winner, ...others] = present;
      return winner === undefined ? [] : others.map((claim) => ({ claim, winner }));
    });
    losers.sort((a, b) => compareClaims(a.claim, b.claim));
    return losers.map(({ claim, winner }) => ({
      code: 'DuplicateObject',
      location: locationOf(claim, 'metadata.name'),
      object: refOf(claim.found.object),
      path: '',
      other: locationOf(winner, 'metadata.name'),
    }));
  }
}

/** Milliseconds for which a file may be gone, as editors that save by renaming do it. */
const absence = 50;

/** By file, then as they stand in it. */
function compareClaims(a: Claim, b: Claim): number {
  if (a.file !== b.file) return a.file.order < b.file.order ? -1 : 1;
  const { objects } = a.document.found;
  if (a.document === b.document) return objects.indexOf(a.found) - objects.indexOf(b.found);
  return a.file.index(a.document) - b.file.index(b.document);
}

function refOf(object: KubeObject): SourceRef {
  const { namespace = '', name } = object.metadata;
  return { group: groupOf(object.apiVersion), kind: object.kind, namespace, name };
}

function refKey(ref: SourceRef): string {
  return `${ref.group}/${ref.kind}/${ref.namespace}/${ref.name}`;
}

/** A file as the object of a problem that no Kubernetes object has. */
function fileRef(path: string): SourceRef {
  return { group: '', kind: 'File', namespace: '', name: path };
}

function locationOf({ file, document, found }: Claim, path: string): Location {
  const separator = found.path === '' || path === '' || path.startsWith('[') ? '' : '.';
  const offset = offsetOf(document.text, found.path + separator + path);
  return { file: file.path, ...file.position(document, offset) };
}

function unreadable(file: string, message: string, stale = false): FileProblem {
  const location = { file, line: 1, column: 1 };
  return { code: 'Unparsable', location, object: fileRef(file), path: '', message, stale };
}

function faultProblem(file: ManifestFile, document: ReadDocument, fault: ObjectFault): FileProblem {
  const location = { file: file.path, ...file.position(document, offsetOf(document.text, fault.path)) };
  const object = { group: '', kind: fault.kind || 'File', namespace: '', name: fault.name || file.path };
  return { code: 'InvalidObject', location, object, path: fault.path, message: fault.message };
}

function looksLikeKubernetes(text: string): boolean {
  return /\b(?:kind|apiVersion)\b/.test(text);
}

function isForeign(file: ManifestFile): boolean {
  return file
    .documents()
    .every(({ reading, text, found }) =>
      reading.ok
        ? found.objects.length === 0 && found.faults.every(({ code }) => code === 'foreign')
        : !looksLikeKubernetes(text),
    );
}
