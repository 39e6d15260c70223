// The body of a request as far as it came, kept while it may have to be sent again: references to what was read, up to a limit.
export class Replay {
  /** Too long to be kept: the request cannot be repeated once octets of its body were sent. */
  overflowed = false;
  size = 0;
  #pieces: Buffer[] = [];

  clear(): void {
    this.overflowed = false;
    this.size = 0;
    if (this.#pieces.length > 0) this.#pieces = [];
  }

  /** @param limit octets */
  add(octets: Buffer, limit: number): void {
    if (this.overflowed) return;
    this.size += octets.length;
    this.#pieces.push(octets);
    if (this.size <= limit) return;
    this.overflowed = true;
    this.#pieces = [];
  }

  /** Not to be changed. */
  get pieces(): readonly Buffer[] {
    return this.#pieces;
  }
}
