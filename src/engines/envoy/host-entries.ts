// The entries of one virtual host in precedence order, and the same by the first elements of the paths that they take. A host with many
// entries is sent in parts by these (route-tables.ts): all that a request can meet is in its part, and entries that take paths of any
// beginning are in every part.
import { pathKey } from '../../routing/match/conditions.ts';
import { compareEntries } from '../../routing/match/precedence.ts';
import type { Entry, PathMatch } from '../../routing/model.ts';
import { insertSorted, lowerBound } from '../../support/sorted.ts';
import { spread } from './spread.ts';
import type { Piece } from './table-writer.ts';

/** Elements of a path that can say where it belongs, from the most that are tried. */
const depths = [3, 2, 1] as const;

/** How a host is spread: by so many first elements of paths, over so many parts. */
export interface Split {
  readonly depth: number;
  readonly parts: number;
}

/** When a host is sent in parts, and in how many. */
export interface Splitting {
  /** So many entries at least. */
  readonly from: number;
  /** Of so many entries one at most may be in every part. */
  readonly share: number;
  /** How many parts there may be, the least first. */
  readonly parts: readonly number[];
  /** Entries for each part from which on there are more parts; there are fewer again when they would have half as many. */
  readonly crowd: number;
}

/**
 * Below 128 entries a change of the whole host costs Envoy's main thread 3 ms; parts are twice the octets at most. Of 10,000 entries one
 * that changes among 256 parts costs us 0.27 ms and Envoy's main thread 2.8, among 1,024 half of both, and Envoy takes 12 MiB more.
 */
export const defaultSplitting: Splitting = { from: 128, share: 256, parts: [256, 512, 1024, 2048, 4096], crowd: 16 };

/** A number below those of the split; 'general': of every part. */
export type Part = number | 'general';

export function sameSplit(a: Split | undefined, b: Split | undefined): boolean {
  return a?.depth === b?.depth && a?.parts === b?.parts;
}

/** Which part an entry with this path is in. */
export function partOf(path: PathMatch, split: Split): Part {
  return isGeneral(path, split.depth) ? 'general' : partOfPath(pathKey(path), split);
}

/** @param path normalised. The guard reckons the same, octet by octet (guard.ts) */
export function partOfPath(path: string, { depth, parts }: Split): number {
  let end = 0;
  for (let element = 0; element < depth && end >= 0; element++) end = path.indexOf('/', end + 1);
  return spread(end < 0 ? path : path.slice(0, end)) % parts;
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
export function partName(bind: string, hostname: string, { depth, parts }: Split, part: number | ''): string {
  return `${bind}/host/${hostname}/${depth}-${parts}/${part}`;
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

/** The entries of a host by the part that they are in, in precedence order. */
interface Parted {
  readonly split: Split;
  readonly lists: Map<Part, Placed[]>;
}

export class HostEntries {
  #size = 0;
  /** In precedence order; undefined while the host is sent in parts and nobody asks for all of it. */
  #all: Placed[] | undefined = [];
  /** How the host is sent. */
  #split: Split | undefined;
  /** For itself, and for hosts that fall through to it. */
  #parted: Parted[] | undefined;
  /** Those that would be in every part, by depth; most hosts are too small to be asked. */
  #general: number[] | undefined;
  /** Those that ask for query parameters. */
  #asking: Placed[] | undefined;

  get size(): number {
    return this.#size;
  }

  /** Its one entry, where there is no other and it asks for no query parameters. */
  get only(): Placed | undefined {
    return this.#size === 1 && this.asking().length === 0 ? this.all()[0] : undefined;
  }

  /** How the host is to be sent, now that its entries are these; undefined: as a whole. @param others hosts that it falls through to */
  split(others: readonly HostEntries[], splitting: Splitting): Split | undefined {
    const split = this.#size < splitting.from ? undefined : this.#fitting([this, ...others], splitting);
    if (sameSplit(split, this.#split)) return this.#split;
    const all = this.all();
    const before = this.#split;
    this.#parted = this.#parted?.filter((each) => !sameSplit(each.split, before));
    this.#split = split;
    if (split !== undefined) {
      this.#partedBy(split, all);
      this.#all = undefined;
    }
    return split;
  }

  #fitting(hosts: readonly HostEntries[], { share, parts, crowd }: Splitting): Split | undefined {
    const generalAt = (depth: number): number => hosts.reduce((sum, each) => sum + each.#generalAt(depth), 0);
    const depth = depths.find((each) => generalAt(each) * share <= this.#size);
    if (depth === undefined) return undefined;
    const general = generalAt(depth);
    let fitting = parts[0] ?? 1;
    for (const more of parts.slice(1)) {
      // What was chosen stays for a while when the host shrinks: another number is another set of tables.
      const slack = more <= (this.#split?.parts ?? 0) ? 2 : 1;
      if (this.#size * slack < fitting * crowd || general * more > this.#size * slack) break;
      fitting = more;
    }
    return { depth, parts: fitting };
  }

  insert(placed: Placed): void {
    this.#size++;
    // A list that grows has room for 16 more, and most hosts have one entry.
    if (this.#size === 1) this.#all = [placed];
    else if (this.#all !== undefined) insertSorted(this.#all, placed, byPrecedence);
    for (const parted of this.#parted ?? none) into(parted, placed);
    this.#count(placed, 1);
  }

  /** undefined: it was not there. */
  remove(entry: Entry): Placed | undefined {
    let placed = this.#all === undefined ? undefined : taken(this.#all, entry);
    for (const { split, lists } of this.#parted ?? none) {
      const part = partOf(entry.match.path, split);
      const list = lists.get(part);
      if (list === undefined) continue;
      placed = taken(list, entry) ?? placed;
      if (list.length === 0) lists.delete(part);
    }
    if (placed === undefined) return undefined;
    this.#size--;
    this.#count(placed, -1);
    return placed;
  }

  /** In precedence order. */
  all(): readonly Placed[] {
    return (this.#all ??= [...this.each()].sort(byPrecedence));
  }

  /** In any order. */
  each(): Iterable<Placed> {
    return this.#all ?? [...(this.#parted?.[0]?.lists.values() ?? [])].flat();
  }

  /** All that a path of the part can meet, in precedence order. */
  of(part: Part, split: Split): readonly Placed[] {
    const { lists } = this.#parted?.find((each) => sameSplit(each.split, split)) ?? this.#partedBy(split, this.all());
    const general = lists.get('general') ?? none;
    const own = part === 'general' ? none : (lists.get(part) ?? none);
    if (general.length === 0 || own.length === 0) return own.length === 0 ? general : own;
    return [...own, ...general].sort(byPrecedence);
  }

  /** Those that ask for query parameters, which have to be known before a part is looked for. */
  asking(): readonly Placed[] {
    return this.#asking ?? none;
  }

  #partedBy(split: Split, all: readonly Placed[]): Parted {
    const parted = { split, lists: new Map<Part, Placed[]>() };
    for (const placed of all) into(parted, placed);
    (this.#parted ??= []).push(parted);
    return parted;
  }

  #generalAt(depth: number): number {
    if (this.#general === undefined) {
      this.#general = [0, 0, 0, 0];
      for (const { entry } of this.each()) countGeneral(this.#general, entry, 1);
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

function into({ split, lists }: Parted, placed: Placed): void {
  const part = partOf(placed.entry.match.path, split);
  const list = lists.get(part);
  if (list === undefined) lists.set(part, [placed]);
  else insertSorted(list, placed, byPrecedence);
}
