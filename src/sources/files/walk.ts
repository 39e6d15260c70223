// The paths that a user gave → the files to read, in the order that decides which of two files with one object wins (as
// given, and inside a folder by name), and the folders to watch so that no change of that list or of a file is missed.
import type { Dirent } from 'node:fs';
import { lstatSync, readdirSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { extname, isAbsolute, join, parse, resolve, sep } from 'node:path';

export interface Walk {
  readonly files: readonly WalkedFile[];
  readonly faults: readonly { readonly path: string; readonly message: string }[];
  /**
   * Real folders, each with the names in it that matter (`all`: every one). Besides the folders given these are the ones
   * in which any part of a path is named, since each part may be swapped: a link, a renamed parent.
   */
  readonly folders: ReadonlyMap<string, ReadonlySet<string> | 'all'>;
}

export interface WalkedFile {
  /** As a user would write it: the given path, and what is below it. `-` is standard input. */
  readonly path: string;
  /** Named by the user, not found in a folder: whatever its ending, what is in it must be objects. */
  readonly named: boolean;
}

const endings = new Set(['.yaml', '.yml', '.json']);
const maxFiles = 100_000;
const maxDepth = 64;

export function walk(paths: readonly string[], recursive: boolean): Walk {
  const walker = new Walker(recursive);
  for (const path of paths) walker.add(path);
  return { files: [...walker.files.values()], faults: walker.faults, folders: walker.folders };
}

/** Hidden files and editors' temporary ones are not manifests: `.x.yaml.swp`, `.#x.yaml`, `#x.yaml#`, `x.yaml~`. */
export function isManifestName(name: string): boolean {
  return !name.startsWith('.') && !name.startsWith('#') && endings.has(extname(name).toLowerCase());
}

/** A sentence for people, without the path, which is named beside it. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code ?? '') {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'no such file or folder';
    case 'EACCES':
    case 'EPERM':
      return 'permission denied';
    case 'ELOOP':
      return 'its symbolic links go round in a circle';
    default:
      return message;
  }
}

class Walker {
  readonly files = new Map<string, WalkedFile>();
  readonly faults: { path: string; message: string }[] = [];
  readonly folders = new Map<string, Set<string> | 'all'>();
  readonly #recursive: boolean;

  constructor(recursive: boolean) {
    this.#recursive = recursive;
  }

  add(path: string): void {
    if (path === '-') {
      this.files.set('-', { path, named: true });
      return;
    }
    this.#watchParts(resolve(path), 0);
    const kind = kindOf(path);
    if (kind === 'file') this.#addFile(path, true);
    else if (kind === 'folder') this.#addFolder(path, []);
    else this.faults.push({ path, message: kind.message });
  }

  #addFile(path: string, named: boolean): void {
    const key = resolve(path);
    if (this.files.has(key)) return;
    if (this.files.size < maxFiles) this.files.set(key, { path, named });
    else if (this.faults.length === 0)
      this.faults.push({ path, message: `is one of more than ${maxFiles} files: not read` });
  }

  #addFolder(path: string, above: readonly string[]): void {
    let entries: Dirent[];
    let real: string;
    try {
      real = realpathSync(path);
      entries = readdirSync(path, { withFileTypes: true });
    } catch (error) {
      this.faults.push({ path, message: reasonOf(error) });
      return;
    }
    // A link to a folder above would go round and round.
    if (above.includes(real) || above.length > maxDepth) return;
    this.folders.set(real, 'all');
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of entries) {
      const inside = join(path, entry.name);
      const wanted = isManifestName(entry.name)
        ? 'file'
        : this.#recursive && isFolderOfInterest(entry.name)
          ? 'folder'
          : '';
      if (wanted === '' || kindOfEntry(entry, inside) !== wanted) continue;
      if (entry.isSymbolicLink()) this.#watchParts(join(real, entry.name), 0);
      if (wanted === 'file') this.#addFile(inside, false);
      else this.#addFolder(inside, [...above, real]);
    }
  }

  /** Every folder that names a part of the path, links followed one by one; of a missing path what there is of it. */
  #watchParts(path: string, links: number): void {
    if (links > 40) return;
    const { root } = parse(path);
    const parts = path.slice(root.length).split(sep);
    let folder = root;
    for (const [index, name] of parts.entries()) {
      if (name === '') continue;
      this.#watchName(folder, name);
      const here = join(folder, name);
      let link: string | undefined;
      try {
        if (lstatSync(here).isSymbolicLink()) link = readlinkSync(here);
      } catch {
        return;
      }
      if (link !== undefined) {
        const target = isAbsolute(link) ? link : join(folder, link);
        this.#watchParts(join(target, ...parts.slice(index + 1)), links + 1);
        return;
      }
      folder = here;
    }
  }

  #watchName(folder: string, name: string): void {
    const names = this.folders.get(folder);
    if (names === undefined) this.folders.set(folder, new Set([name]));
    else if (names !== 'all') names.add(name);
  }
}

function isFolderOfInterest(name: string): boolean {
  return !name.startsWith('.') && name !== 'node_modules';
}

function kindOfEntry(entry: Dirent, path: string): 'file' | 'folder' | Error {
  if (entry.isSymbolicLink()) return kindOf(path);
  return entry.isDirectory() ? 'folder' : 'file';
}

/** A pipe or device (`-f <(kustomize build)`) is read like a file. */
function kindOf(path: string): 'file' | 'folder' | Error {
  try {
    return statSync(path).isDirectory() ? 'folder' : 'file';
  } catch (error) {
    return new Error(reasonOf(error), { cause: error });
  }
}
