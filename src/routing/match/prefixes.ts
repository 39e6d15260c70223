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

export class PrefixTable<T> {
  readonly #places = new Map<string, Place<T>>();
  /** Longest first. */
  readonly #list: Place<T>[] = [];
  /** The lengths that occur, longest first. */
  readonly #lengths: Length[] = [];
  /** What `next` found. */
  found: readonly T[] = [];

  get(prefix: string): T[] | undefined {
    return this.#places.get(prefix)?.bucket;
  }

  /** @param prefix without a trailing slash, not ''. */
  add(prefix: string): T[] {
    const place: Place<T> = { prefix, bucket: [] };
    this.#places.set(prefix, place);
    insertSorted(this.#list, place, byLength);
    const length = this.#lengths.find(({ characters }) => characters === prefix.length);
    if (length === undefined) {
      insertSorted(this.#lengths, { characters: prefix.length, prefixes: 1 }, (a, b) => b.characters - a.characters);
    } else length.prefixes++;
    return place.bucket;
  }

  delete(prefix: string): void {
    const place = this.#places.get(prefix);
    if (place === undefined) return;
    this.#places.delete(prefix);
    removeSorted(this.#list, place, byLength);
    const at = this.#lengths.findIndex(({ characters }) => characters === prefix.length);
    const length = this.#lengths[at] as Length;
    if (--length.prefixes === 0) this.#lengths.splice(at, 1);
  }

  /**
   * The next prefix of the path, longest first, counting on from `from`: sets `found` and returns where to go on, or -1.
   * `for (let at = t.next(path, 0); at >= 0; at = t.next(path, at)) … t.found …`
   */
  next(path: string, from: number): number {
    return this.#list.length <= few ? this.#try(path, from) : this.#lookUp(path, from);
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

  #lookUp(path: string, from: number): number {
    for (let i = from; i < this.#lengths.length; i++) {
      const { characters } = this.#lengths[i] as Length;
      if (characters > path.length || (characters < path.length && path.charCodeAt(characters) !== SLASH)) continue;
      const place = this.#places.get(characters === path.length ? path : path.slice(0, characters));
      if (place === undefined) continue;
      this.found = place.bucket;
      return i + 1;
    }
    return -1;
  }
}

function byLength(a: { readonly prefix: string }, b: { readonly prefix: string }): number {
  return b.prefix.length - a.prefix.length || (a.prefix < b.prefix ? -1 : a.prefix > b.prefix ? 1 : 0);
}
