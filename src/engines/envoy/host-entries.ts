// The entries of one virtual host in precedence order, and the same by the first elements of the paths that they take. A host with many
// entries is sent in parts by these (route-tables.ts): all that a request can meet is in its part, and entries that take paths of any
// beginning are in every part.
import { pathKey } from '../../routing/match/conditions.ts';
import { compareEntries } from '../../routing/match/precedence.ts';
import type { Entry, PathMatch } from '../../routing/model.ts';
import { insertSorted, lowerBound } from '../../support/sorted.ts';
import { spread } from './spread.ts';
import type { Piece } from './table-writer.ts';

/** Of one host. */
export const PARTS = 256;
/** Elements of a path that can say where it belongs, from the most that are tried. */
const depths = [3, 2, 1] as const;

/** When a host is sent in parts. */
export interface Splitting {
  /** So many entries at least. */
  readonly from: number;
  /** Of so many entries one at most may be in every part. */
  readonly share: number;
}

/** Below 128 entries a change of the whole host costs Envoy's main thread 3 ms; parts are twice the octets at most. */
export const defaultSplitting: Splitting = { from: 128, share: PARTS };

/** A number below PARTS; 'general': of every part. */
export type Part = number | 'general';

/** Which part an entry with this path is in. @param depth elements that count */
export function partOf(path: PathMatch, depth: number): Part {
  return isGeneral(path, depth) ? 'general' : partOfPath(pathKey(path), depth);
}

/** @param path normalised. The guard reckons the same, octet by octet (guard.ts) */
export function partOfPath(path: string, depth: number): number {
  let end = 0;
  for (let element = 0; element < depth && end >= 0; element++) end = path.indexOf('/', end + 1);
  return spread(end < 0 ? path : path.slice(0, end)) % PARTS;
}

function isGeneral(path: PathMatch, depth: number): boolean {
  return elementsOf(path) < depth;
}

/** Elements of which all paths that it takes have the same. */
function elementsOf(path: PathMatch): number {
  if (path.type !== 'exact' && path.type !== 'prefix') return 0;
  const key = pathKey(path);
  if (!key.startsWith('/')) return 0;
  return path.type === 'exact' ? Infinity : key.split('/').length - 1;
}

/** Name of the RouteConfiguration of a part. @param part '': what comes before it in the names of all parts */
export function partName(bind: string, hostname: string, depth: number, part: number | ''): string {
  return `${bind}/host/${hostname}/${depth}/${part}`;
}

/** An entry where it stands, and what was made of it. */
export interface Placed {
  readonly entry: Entry;
  readonly hostname: string;
  /** Its routes as fields of a VirtualHost; undefined: yet to be made. */
  routes: Piece | undefined;
  /** Name and domains of its host are among them. */
  named: boolean;
  /** Some of them have metadata for the guard. */
  told: boolean;
}

export class HostEntries {
  /** In precedence order, like those of the parts. */
  #all: Placed[] = [];
  /** Those that would be in every part, by depth; most hosts are too small to be asked. */
  #general: number[] | undefined;
  /** By depth, as far as it was asked for. */
  #parts: Map<number, Map<Part, Placed[]>> | undefined;
  /** Those that ask for query parameters. */
  #asking: Placed[] | undefined;

  get size(): number {
    return this.#all.length;
  }

  /** Its one entry, where there is no other and it asks for no query parameters. */
  get only(): Placed | undefined {
    return this.#all.length === 1 && this.asking().length === 0 ? this.#all[0] : undefined;
  }

  /** Elements by which the host is sent in parts; 0: as a whole. @param others hosts that it falls through to */
  depth(others: readonly HostEntries[], { from, share }: Splitting): number {
    if (this.size < from) return 0;
    const fits = (depth: number): boolean =>
      [this, ...others].reduce((sum, each) => sum + each.#generalAt(depth), 0) * share <= this.size;
    return depths.find(fits) ?? 0;
  }

  insert(placed: Placed): void {
    // A list that grows has room for 16 more, and most hosts have one entry.
    if (this.#all.length === 0) this.#all = [placed];
    else insertSorted(this.#all, placed, byPrecedence);
    for (const [depth, parts] of this.#parts ?? none) into(parts, placed, depth);
    this.#count(placed, 1);
  }

  /** undefined: it was not there. */
  remove(entry: Entry): Placed | undefined {
    const placed = taken(this.#all, entry);
    if (placed === undefined) return undefined;
    for (const [depth, parts] of this.#parts ?? none) {
      const part = partOf(entry.match.path, depth);
      const entries = parts.get(part) ?? [];
      taken(entries, entry);
      if (entries.length === 0) parts.delete(part);
    }
    this.#count(placed, -1);
    return placed;
  }

  all(): readonly Placed[] {
    return this.#all;
  }

  /** All that a path of the part can meet, in precedence order. */
  of(part: Part, depth: number): readonly Placed[] {
    this.#parts ??= new Map();
    let parts = this.#parts.get(depth);
    if (parts === undefined) {
      this.#parts.set(depth, (parts = new Map()));
      for (const entry of this.#all) into(parts, entry, depth);
    }
    const general = parts.get('general') ?? none;
    const own = part === 'general' ? none : (parts.get(part) ?? none);
    if (general.length === 0 || own.length === 0) return own.length === 0 ? general : own;
    return [...own, ...general].sort(byPrecedence);
  }

  /** Those that ask for query parameters, which have to be known before a part is looked for. */
  asking(): readonly Placed[] {
    return this.#asking ?? none;
  }

  #generalAt(depth: number): number {
    if (this.#general === undefined) {
      this.#general = [0, 0, 0, 0];
      for (const { entry } of this.#all) countGeneral(this.#general, entry, 1);
    }
    return this.#general[depth] ?? 0;
  }

  #count(placed: Placed, by: 1 | -1): void {
    const { entry } = placed;
    if (this.#general !== undefined) countGeneral(this.#general, entry, by);
    if (entry.match.query.length === 0) return;
    this.#asking ??= [];
    if (by === 1) insertSorted(this.#asking, placed, byPrecedence);
    else taken(this.#asking, entry);
  }
}

const none: readonly never[] = [];

type Ranked = Pick<Placed, 'entry'>;

function byPrecedence({ entry: a }: Ranked, { entry: b }: Ranked): number {
  return compareEntries(a, b);
}

/** Removes the one with the same match of the same rule. */
function taken(from: Placed[], entry: Entry): Placed | undefined {
  const at = lowerBound<Ranked>(from, { entry }, byPrecedence);
  const found = from[at];
  if (found === undefined || compareEntries(found.entry, entry) !== 0) return undefined;
  from.splice(at, 1);
  return found;
}

function countGeneral(general: number[], { match }: Entry, by: 1 | -1): void {
  const elements = elementsOf(match.path);
  for (const depth of depths) if (elements < depth) general[depth] = (general[depth] ?? 0) + by;
}

function into(parts: Map<Part, Placed[]>, placed: Placed, depth: number): void {
  const part = partOf(placed.entry.match.path, depth);
  let entries = parts.get(part);
  if (entries === undefined) parts.set(part, (entries = []));
  insertSorted(entries, placed, byPrecedence);
}
