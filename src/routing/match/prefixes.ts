// The path prefixes of one tier, each with what stands under it, found from the longest to the shortest. A few are tried
// one by one, which costs no allocation; many are looked up, once per length that occurs, at the boundaries of elements.
import { insertSorted, removeSorted } from '../../support/sorted.ts';
import { startsWithElements } from './conditions.ts';

/** Up to this many prefixes are tried one by one. */
const few = 12;
const SLASH = 47;

interface Place<T> {
  readonly prefix: string;
  readonly bucket: T[];
}

interface Length {
  readonly characters: number;
  prefixes: number;
}

/** What many prefixes are looked up in. */
interface Index<T> {
  readonly places: Map<string, Place<T>>;
  /** The lengths that occur, longest first. */
  readonly lengths: Length[];
}

export class PrefixTable<T> {
  /** Longest first. */
  readonly #list: Place<T>[] = [];
  /** null: they are few. */
  #index: Index<T> | null = null;
  /** What `next` found. */
  found: readonly T[] = [];

  get(prefix: string): T[] | undefined {
    return this.#placeOf(prefix)?.bucket;
  }

  /** @param prefix without a trailing slash, not ''. */
  add(prefix: string): T[] {
    const place: Place<T> = { prefix, bucket: [] };
    insertSorted(this.#list, place, byLength);
    if (this.#index !== null) enter(this.#index, place);
    else if (this.#list.length > few) {
      const index: Index<T> = (this.#index = { places: new Map(), lengths: [] });
      for (const each of this.#list) enter(index, each);
    }
    return place.bucket;
  }

  delete(prefix: string): void {
    const place = this.#placeOf(prefix);
    if (place === undefined) return;
    removeSorted(this.#list, place, byLength);
    if (this.#index === null) return;
    if (this.#list.length <= few) this.#index = null;
    else leave(this.#index, prefix);
  }

  #placeOf(prefix: string): Place<T> | undefined {
    return this.#index === null ? this.#list.find((place) => place.prefix === prefix) : this.#index.places.get(prefix);
  }

  /**
   * The next prefix of the path, longest first, counting on from `from`: sets `found` and returns where to go on, or -1.
   * `for (let at = t.next(path, 0); at >= 0; at = t.next(path, at)) … t.found …`
   */
  next(path: string, from: number): number {
    return this.#index === null ? this.#try(path, from) : this.#lookUp(this.#index, path, from);
  }

  #try(path: string, from: number): number {
    for (let i = from; i < this.#list.length; i++) {
      const place = this.#list[i] as Place<T>;
      if (!startsWithElements(path, place.prefix)) continue;
      this.found = place.bucket;
      return i + 1;
    }
    return -1;
  }

  #lookUp({ places, lengths }: Index<T>, path: string, from: number): number {
    for (let i = from; i < lengths.length; i++) {
      const { characters } = lengths[i] as Length;
      if (characters > path.length || (characters < path.length && path.charCodeAt(characters) !== SLASH)) continue;
      const place = places.get(characters === path.length ? path : path.slice(0, characters));
      if (place === undefined) continue;
      this.found = place.bucket;
      return i + 1;
    }
    return -1;
  }
}

function enter<T>({ places, lengths }: Index<T>, place: Place<T>): void {
  const characters = place.prefix.length;
  places.set(place.prefix, place);
  const length = lengths.find((each) => each.characters === characters);
  if (length !== undefined) length.prefixes++;
  else insertSorted(lengths, { characters, prefixes: 1 }, (a, b) => b.characters - a.characters);
}

function leave<T>({ places, lengths }: Index<T>, prefix: string): void {
  places.delete(prefix);
  const at = lengths.findIndex(({ characters }) => characters === prefix.length);
  const length = lengths[at] as Length;
  if (--length.prefixes === 0) lengths.splice(at, 1);
}

function byLength(a: { readonly prefix: string }, b: { readonly prefix: string }): number {
  return b.prefix.length - a.prefix.length || (a.prefix < b.prefix ? -1 : a.prefix > b.prefix ? 1 : 0);
}
