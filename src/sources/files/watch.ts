// Folders to watch → batches of events: the paths that were touched, and whether names came or went. Folders that vanish
// and come back, or are swapped for others, are watched again. What the events mean is the source's to find out.
import { watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { basename, dirname, join, sep } from 'node:path';
import { isManifestName } from './walk.ts';

export interface Touched {
  /** Real paths whose content may have changed. */
  readonly paths: ReadonlySet<string>;
  /** Something was created, removed or renamed: walk again, and read again what is reached through links. */
  readonly names: boolean;
  /** Any file may have changed: a folder on the way to it was replaced, or the system does not tell more. */
  readonly everything: boolean;
  /** performance.now() of the first event. */
  readonly since: number;
}

/** Milliseconds without an event that end a batch, and the most that a batch may take. */
const quiet = 6;
const patience = 30;
/** Where the system cannot watch (limits, some network file systems) the folders are looked at this often, in ms. */
const pollInterval = 1000;

export class FolderWatch {
  readonly #onTouched: (touched: Touched) => void;
  readonly #watchFolder: typeof watch;
  readonly #watchers = new Map<string, FSWatcher>();
  #folders: ReadonlyMap<string, ReadonlySet<string> | 'all'> = new Map();
  #paths = new Set<string>();
  #names = false;
  #everything = false;
  #since = 0;
  #timer: NodeJS.Timeout | undefined;
  #poll: NodeJS.Timeout | undefined;
  #closed = false;

  /** `watchFolder`: fs.watch, but for tests. */
  constructor(onTouched: (touched: Touched) => void, watchFolder: typeof watch = watch) {
    this.#onTouched = onTouched;
    this.#watchFolder = watchFolder;
  }

  /** Folders that are looked at by time because the system would not watch them. */
  get polled(): readonly string[] {
    return [...this.#folders.keys()].filter((folder) => !this.#watchers.has(folder));
  }

  /** The folders from now on. Says whether any is new: what came into it before it was watched went unnoticed. */
  follow(folders: ReadonlyMap<string, ReadonlySet<string> | 'all'>): boolean {
    this.#folders = folders;
    for (const [folder, watcher] of this.#watchers) {
      if (folders.has(folder)) continue;
      watcher.close();
      this.#watchers.delete(folder);
    }
    const kept = this.#watchers.size;
    for (const folder of folders.keys()) if (!this.#watchers.has(folder)) this.#open(folder);
    const opened = this.#watchers.size > kept;
    const poll = this.#mustPoll();
    if (poll && this.#poll === undefined) this.#poll = setInterval(() => this.#touch('everything'), pollInterval);
    if (!poll) {
      clearInterval(this.#poll);
      this.#poll = undefined;
    }
    return opened;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#poll);
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  /** Only folders that hold manifests: a parent that may not be read (`/root`) is not swapped either. */
  #mustPoll(): boolean {
    return this.polled.some((folder) => this.#folders.get(folder) === 'all');
  }

  #open(folder: string): void {
    try {
      const watcher = this.#watchFolder(folder, (type, name) => this.#event(folder, type, name));
      watcher.on('error', () => this.#lose(folder, watcher));
      this.#watchers.set(folder, watcher);
    } catch {
      // polled() tells.
    }
  }

  #lose(folder: string, watcher: FSWatcher): void {
    watcher.close();
    if (this.#watchers.get(folder) === watcher) this.#watchers.delete(folder);
    this.#touch('everything');
  }

  #event(folder: string, type: 'rename' | 'change', name: string | null): void {
    if (this.#closed) return;
    if (name === null) {
      this.#touch('everything');
      return;
    }
    const path = join(folder, name);
    const names = this.#folders.get(folder);
    if (type === 'rename') this.#reopen(folder, name);
    if (names === 'all') {
      // A name that is no manifest matters when it comes or goes: a folder, or the link that a volume swaps.
      if (isManifestName(name)) this.#touch(type === 'rename' ? 'names' : 'content', path);
      else if (type === 'rename') this.#touch('names');
    } else if (names?.has(name) === true) {
      this.#touch(type === 'rename' ? 'everything' : 'content', path);
    }
  }

  /** A watch stays with the folder that it was opened on: after a rename another may stand under that name. */
  #reopen(folder: string, name: string): void {
    const renamed = join(folder, name);
    for (const [path, watcher] of this.#watchers) {
      const gone = path === renamed || path.startsWith(renamed + sep);
      // The event of a folder's own removal names the folder.
      const itself = path === folder && name === basename(folder) && dirname(folder) !== folder;
      if (!gone && !itself) continue;
      watcher.close();
      this.#watchers.delete(path);
      this.#touch('everything');
    }
  }

  #touch(what: 'content' | 'names' | 'everything', path?: string): void {
    const now = performance.now();
    if (this.#timer === undefined) this.#since = now;
    if (path !== undefined) this.#paths.add(path);
    this.#names ||= what !== 'content';
    this.#everything ||= what === 'everything';
    clearTimeout(this.#timer);
    const wait = Math.max(0, Math.min(quiet, this.#since + patience - now));
    this.#timer = setTimeout(() => this.#deliver(), wait);
  }

  #deliver(): void {
    const touched = { paths: this.#paths, names: this.#names, everything: this.#everything, since: this.#since };
    this.#timer = undefined;
    this.#paths = new Set();
    this.#names = false;
    this.#everything = false;
    this.#onTouched(touched);
  }
}
