// Fields -> the bytes of protobuf, straight into one buffer: the writer of protobufjs keeps an object and a closure per field until it
// knows their lengths, and a configuration of 10,000 routes has 300,000 of them (measured: half of the time to encode it). Here a
// message is written where it stands, and moved by an octet or two when its length turns out to need them.

/** Kinds of fields on the wire. */
export const VARINT = 0;
export const FIXED64 = 1;
export const LENGTH_DELIMITED = 2;
export const FIXED32 = 5;

/** What stays allocated between two messages. */
const KEPT = 1_048_576;
/** Octets of a text that are written one by one: beyond it the call into Node is worth its price. */
const SHORT = 24;
/** Octets that a character takes at most. */
const WIDEST = 3;

export class WireWriter {
  #buffer: Buffer = Buffer.allocUnsafeSlow(65_536);
  #at = 0;

  /** All of it until now, as long as nothing more is written. */
  written(): Uint8Array {
    return this.#buffer.subarray(0, this.#at);
  }

  /** A copy of all that was written; the writer is empty again. */
  finish(): Buffer {
    const bytes = Buffer.allocUnsafe(this.#at);
    this.#buffer.copy(bytes, 0, 0, this.#at);
    this.reset();
    return bytes;
  }

  /** The same with one character per octet. */
  taken(): string {
    const text = this.#buffer.toString('latin1', 0, this.#at);
    this.reset();
    return text;
  }

  /** Forgets what was written, as after an error. */
  reset(): void {
    this.#at = 0;
    if (this.#buffer.length > KEPT) this.#buffer = Buffer.allocUnsafeSlow(65_536);
  }

  /** @param value a whole number from 0 to 2^53 - 1; of anything else nothing sensible is written */
  varint(value: number): void {
    this.#reserve(8);
    this.#at = this.#put(value, this.#at);
  }

  /** @param value a whole number of at most 53 bits; negative ones take ten octets */
  signed(value: number): void {
    if (value >= 0) {
      this.varint(value);
      return;
    }
    this.#reserve(10);
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest > 127n; rest >>= 7n) this.#buffer[this.#at++] = Number(rest & 127n) | 128;
    this.#buffer[this.#at++] = Number(rest);
  }

  double(value: number): void {
    this.#reserve(8);
    this.#at = this.#buffer.writeDoubleLE(value, this.#at);
  }

  float(value: number): void {
    this.#reserve(4);
    this.#at = this.#buffer.writeFloatLE(value, this.#at);
  }

  /** With its length in front. What is no Unicode is written as U+FFFD: no protobuf takes it. */
  text(value: string): void {
    const { length } = value;
    if (length <= SHORT && this.#plain(value, length)) return;
    this.#reserve(length * WIDEST + 1);
    const start = this.open();
    this.#at += this.#buffer.write(value, start, 'utf8');
    this.close(start);
  }

  /** With their length in front. */
  bytes(value: Uint8Array): void {
    this.varint(value.length);
    this.raw(value);
  }

  /** As they are: fields that were encoded before. */
  raw(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#buffer.set(value, this.#at);
    this.#at += value.length;
  }

  /** Fields that were encoded before. @param value with one character per octet */
  octets(value: string): void {
    this.#reserve(value.length);
    this.#at += this.#buffer.write(value, this.#at, 'latin1');
  }

  /** Begins what has its length in front; returns what `close` needs. */
  open(): number {
    this.#reserve(1);
    return ++this.#at;
  }

  close(start: number): void {
    const length = this.#at - start;
    if (length < 128) {
      this.#buffer[start - 1] = length;
      return;
    }
    const more = octetsOf(length) - 1;
    this.#reserve(more);
    this.#buffer.copyWithin(start + more, start, this.#at);
    this.#put(length, start - 1);
    this.#at += more;
  }

  /** Where there is room for it; returns where it ends. */
  #put(value: number, from: number): number {
    const buffer = this.#buffer;
    let at = from;
    let rest = value;
    while (rest > 0x7f_ff_ff_ff) {
      buffer[at++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    while (rest > 127) {
      buffer[at++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    buffer[at++] = rest;
    return at;
  }

  /** Says whether it was ASCII, and was written. */
  #plain(value: string, length: number): boolean {
    this.#reserve(length + 1);
    const buffer = this.#buffer;
    const from = this.#at + 1;
    for (let index = 0; index < length; index++) {
      const code = value.charCodeAt(index);
      if (code > 127) return false;
      buffer[from + index] = code;
    }
    buffer[this.#at] = length;
    this.#at = from + length;
    return true;
  }

  #reserve(octets: number): void {
    if (this.#at + octets <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, this.#at + octets));
    this.#buffer.copy(larger, 0, 0, this.#at);
    this.#buffer = larger;
  }
}

/** Of a length as a varint. */
export function octetsOf(length: number): number {
  let octets = 1;
  for (let rest = length; rest > 127; rest = Math.floor(rest / 128)) octets++;
  return octets;
}
