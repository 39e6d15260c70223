// Octets of a head that came in several reads, in one growing buffer with room in front: appending costs what was read, not
// what is already there.

/** Octets that a receiver of a response's head may use in front of it to make it longer. */
export const HEADROOM = 1024;

export class Gathered {
  buf: Buffer;
  /** Where the head begins, and where what was read ends. */
  start: number = HEADROOM;
  end: number;

  constructor(from: Buffer, start: number, end: number) {
    const size = end - start;
    this.buf = Buffer.allocUnsafeSlow(HEADROOM + Math.max(2048, size * 2));
    from.copy(this.buf, HEADROOM, start, end);
    this.end = HEADROOM + size;
  }

  append(from: Buffer, start: number, end: number): void {
    const size = end - start;
    if (this.end + size > this.buf.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(this.buf.length * 2, this.end + size));
      this.buf.copy(larger, 0, 0, this.end);
      this.buf = larger;
    }
    from.copy(this.buf, this.end, start, end);
    this.end += size;
  }
}
