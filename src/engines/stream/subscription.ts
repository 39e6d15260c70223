// One type on one stream: what the node asked for, what it has not been sent yet, and the one response under way.
import type { Published } from './published.ts';
import type { Refusal, Resource } from './resource.ts';

/** What one response carries. */
export interface Chunk {
  readonly set: readonly Resource[];
  readonly remove: readonly string[];
}

interface Refused {
  readonly version: string;
  readonly message: string;
  /** It is to be sent once more. */
  again: boolean;
}

export class Subscription {
  readonly typeUrl: string;
  wildcard = false;
  /** Asked for by name; true: it was sent, and the node has acknowledged it. */
  readonly names: Map<string, boolean> = new Map();
  /** Changed since the batch under way began. */
  readonly dirty: Set<string> = new Set();
  /** The first request gets an answer even if it is an empty one. */
  due = true;
  /** What the node had when the stream began, until that was compared. */
  initial: ReadonlyMap<string, string> | null;
  /** Versions that the node has refused, and that are not sent again but by `retry`. */
  readonly refused: Map<string, Refused> = new Map();
  /** To be sent, one after the other. */
  readonly waiting: Chunk[] = [];
  outstanding: { readonly nonce: string; readonly chunk: Chunk } | null = null;

  constructor(typeUrl: string, initial: ReadonlyMap<string, string>) {
    this.typeUrl = typeUrl;
    this.initial = initial;
  }

  get isDrained(): boolean {
    return this.outstanding === null && this.waiting.length === 0;
  }

  covers(name: string): boolean {
    return this.wildcard || this.names.has(name);
  }

  /** Names that the node is about to be told of. */
  queued(): ReadonlySet<string> {
    return new Set(this.waiting.flatMap(({ set, remove }) => [...set.map(({ name }) => name), ...remove]));
  }

  /** The node knows of this name what there is to know. */
  isSettled(name: string): boolean {
    return this.wildcard || this.names.get(name) === true;
  }

  acknowledged({ set, remove }: Chunk): void {
    for (const { name } of set) {
      this.refused.delete(name);
      if (this.names.has(name)) this.names.set(name, true);
    }
    for (const name of remove) {
      this.refused.delete(name);
      if (this.names.has(name)) this.names.set(name, true);
    }
  }

  /** Returns whether that is not what it has refused before. */
  refuse(resources: readonly Resource[], message: string): boolean {
    let isNew = resources.length === 0;
    for (const { name, version } of resources) {
      isNew ||= this.refused.get(name)?.version !== version;
      this.refused.set(name, { version, message, again: false });
    }
    return isNew;
  }

  /** What was refused in such words is sent once more. */
  retry(isPassing: (message: string) => boolean): void {
    for (const [name, refused] of this.refused) {
      refused.again = isPassing(refused.message);
      if (refused.again) this.dirty.add(name);
    }
  }

  /** Compares what the node brought with what there is, once; the names of which it has to be told. */
  differences(published: Published): readonly string[] {
    const { initial, typeUrl } = this;
    if (initial === null) return [];
    this.initial = null;
    const rows = published.all(typeUrl);
    const differs = (name: string): boolean => rows.get(name)?.resource.version !== initial.get(name);
    const named = [...this.names.keys()];
    // A name that does not exist is said to be removed, unless the node never had it and did not ask for it by name.
    const told = named.filter((name) => differs(name) || !rows.has(name));
    for (const name of named) this.names.set(name, rows.has(name) && !differs(name));
    if (!this.wildcard) return told;
    const changed = [...rows.keys()].filter(differs);
    const gone = [...initial.keys()].filter((name) => !rows.has(name));
    return [...new Set([...told, ...changed, ...gone])];
  }

  /** What changed to a version that was refused before, and is not sent again. */
  refusedAlready(published: Published): readonly Refusal[] {
    if (this.refused.size === 0) return [];
    return [...this.dirty].flatMap((name) => {
      const refused = this.refused.get(name);
      if (refused === undefined || refused.again) return [];
      if (published.find(this.typeUrl, name)?.resource.version !== refused.version) return [];
      return [{ typeUrl: this.typeUrl, names: [name], message: refused.message }];
    });
  }

  /** Resources as they are published now; what is not there is to be removed. */
  chunk(names: Iterable<string>, published: Published): Chunk {
    const set: Resource[] = [];
    const remove: string[] = [];
    for (const name of names) {
      const resource = published.find(this.typeUrl, name)?.resource;
      if (resource === undefined) remove.push(name);
      else if (!this.#isRefused(resource)) set.push(resource);
    }
    return { set, remove };
  }

  #isRefused({ name, version }: Resource): boolean {
    const refused = this.refused.get(name);
    return refused?.version === version && !refused.again;
  }
}

/** Pieces of at most so many octets; a resource that is larger goes alone. */
export function split({ set, remove }: Chunk, bytes: number): readonly Chunk[] {
  const pieces: { readonly set: Resource[]; readonly remove: string[] }[] = [];
  let size = Infinity;
  const pieceFor = (cost: number): { readonly set: Resource[]; readonly remove: string[] } => {
    let piece = pieces.at(-1);
    if (piece === undefined || size + cost > bytes) {
      pieces.push((piece = { set: [], remove: [] }));
      size = 0;
    }
    size += cost;
    return piece;
  };
  for (const resource of set) pieceFor(resource.bytes.length + resource.name.length + OVERHEAD).set.push(resource);
  for (const name of remove) pieceFor(name.length + OVERHEAD).remove.push(name);
  return pieces;
}

/** Of a resource on the wire, about: lengths, version and the URL of its type. */
const OVERHEAD = 100;

/** Halves, to find which part of a refused response is to blame; undefined when there is nothing to divide. */
export function halves({ set, remove }: Chunk): readonly Chunk[] | undefined {
  if (set.length > 0 && remove.length > 0)
    return [
      { set, remove: [] },
      { set: [], remove },
    ];
  if (set.length < 2) return undefined;
  const middle = set.length >> 1;
  return [
    { set: set.slice(0, middle), remove: [] },
    { set: set.slice(middle), remove: [] },
  ];
}
