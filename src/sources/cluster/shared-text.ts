// Objects as they were parsed → the same objects with one string for all that read alike: the words of thousands of statuses,
// groups, kinds and names of Services are few, and a parser makes each of them anew.

/** Shorter ones are shared by the parser already, longer ones are certificates and the like. */
const SHORTEST = 10;
const LONGEST = 256;
/** What lies deeper is left as it is: no kind has fields there. */
const DEEPEST = 32;
/** Strings of a generation; two are kept, so that what is seen often stays and what is seen once goes. */
const GENERATION = 2048;

export class SharedText {
  #young = new Map<string, string>();
  #old = new Map<string, string>();

  /** In place: nobody else may have it yet. */
  share<T>(value: T): T {
    if (typeof value === 'object' && value !== null) this.#within(value as Record<string, unknown>, 1);
    return value;
  }

  /** The string that stands for all that are equal to it. */
  of(text: string): string {
    if (text.length < SHORTEST || text.length > LONGEST) return text;
    const known = this.#young.get(text);
    if (known !== undefined) return known;
    const shared = this.#old.get(text) ?? text;
    if (this.#young.size >= GENERATION) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(shared, shared);
    return shared;
  }

  #within(holder: Record<string, unknown>, depth: number): void {
    for (const key of Object.keys(holder)) {
      const value = holder[key];
      if (typeof value === 'string' && key !== '__proto__') holder[key] = this.of(value);
      else if (typeof value === 'object' && value !== null && depth < DEEPEST)
        this.#within(value as Record<string, unknown>, depth + 1);
    }
  }
}
