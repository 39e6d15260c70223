// Octets of a chunked body (RFC 9112 section 7.1) -> pieces to forward as they are, the end of the body, and its trailers;
// strict, resumable at any octet, without copying anything but trailers. Bodies of a fixed length need no scanner.
import { CR, LF, COLON, SEMICOLON, SP, TAB, fieldValue, token } from './octets.ts';
import * as refusal from './refusals.ts';
import { mayTrail } from './trailers.ts';

export interface ChunkLimits {
  /** Octets of one chunk extension. */
  readonly extension: number;
  /**
   * Octets of chunk lines beyond what honest senders need. Each chunk adds its line and is forgiven 16 octets and twice
   * its data, so that chunks of any size pass but long extensions on tiny chunks do not (CVE-2023-39326).
   */
  readonly overhead: number;
  /** Octets of the trailer section. */
  readonly trailerBytes: number;
  readonly trailers: number;
}

export const defaultChunkLimits: ChunkLimits = {
  extension: 1024,
  overhead: 16_384,
  trailerBytes: 8192,
  trailers: 64,
};

/** 15 digits: less than 2^60; the sum is bounded by what a connection lives to see. */
const SIZE_DIGITS = 15;

const SIZE = 0;
const EXTENSION = 1;
const SIZE_CR = 2;
const SIZE_LF = 3;
const DATA = 4;
const DATA_CR = 5;
const DATA_LF = 6;
/** Behind the last chunk's line: a trailer field or the final empty line. */
const TRAILER = 7;
const NAME = 8;
const VALUE = 9;
const VALUE_LF = 10;
const END_LF = 11;

/**
 * The state of one chunked body. A call of `scan` yields at most one piece; call again from `next` until it is `end`:
 *
 *     for (let at = pos; at < end; at = scanner.next) {
 *       const result = scanner.scan(buf, at, end);
 *       // forward buf[scanner.from .. scanner.to) if it is not empty
 *       if (result !== INCOMPLETE) break;
 *     }
 *
 * `framed`: pieces are the chunked coding itself, without extensions, up to the end of the last chunk's line; after DONE
 * the caller writes `trailerSection()`. `payload`: pieces are data only.
 */
export class ChunkScanner {
  /** The piece that the last call found. */
  from = 0;
  to = 0;
  /** Where the next call has to go on. After DONE: the first octet behind the body. */
  next = 0;
  /** Octets of data so far. */
  payload = 0;
  /** Name, value, name, value…: what may be forwarded, names as received. Complete after DONE. */
  trailers: string[] = [];

  readonly #framed: boolean;
  readonly #limits: ChunkLimits;
  #state = SIZE;
  #size = 0;
  #digits = 0;
  #extension = 0;
  #overhead = 0;
  #trailerBytes = 0;
  #trailerCount = 0;
  #name = '';
  #value = '';

  constructor(pieces: 'framed' | 'payload', limits: ChunkLimits = defaultChunkLimits) {
    this.#framed = pieces === 'framed';
    this.#limits = limits;
  }

  /** Begins another body. */
  reset(): void {
    this.#state = SIZE;
    this.#size = this.#digits = this.#extension = this.#overhead = 0;
    this.#trailerBytes = this.#trailerCount = this.payload = 0;
    if (this.trailers.length > 0) this.trailers = [];
    this.#name = this.#value = '';
  }

  /** Trailer fields that may pass and the final empty line, in latin1. */
  trailerSection(): string {
    let lines = '';
    for (let i = 0; i < this.trailers.length; i += 2) lines += `${this.trailers[i]}: ${this.trailers[i + 1]}\r\n`;
    return `${lines}\r\n`;
  }

  /** @returns DONE, INCOMPLETE (a piece was found, or `end` was reached), or the number of a refusal */
  scan(buf: Buffer, pos: number, end: number): number {
    this.from = this.to = pos;
    let i = pos;
    while (i < end) {
      if (this.#state === DATA) {
        const size = Math.min(this.#size, end - i);
        this.#take(size);
        if (!this.#framed) return this.#piece(i, i + size, i + size);
        i += size;
      } else if (this.#state === EXTENSION) {
        // What is before the extension is a piece of its own.
        if (this.#framed && i > this.from) return this.#piece(this.from, i, i);
        i = this.#skipExtension(buf, i, end);
        if (i < 0) return i;
        this.from = this.to = i;
      } else if (this.#state >= TRAILER) {
        this.to = this.#framed ? i : this.from;
        return this.#trailerSection(buf, i, end);
      } else {
        const refused = this.#line(buf[i] as number);
        if (refused < 0) return refused;
        if (this.#state !== EXTENSION) i++;
      }
    }
    return this.#framed ? this.#piece(this.from, i, i) : this.#piece(i, i, i);
  }

  #piece(from: number, to: number, next: number): number {
    this.from = from;
    this.to = to;
    this.next = next;
    return refusal.INCOMPLETE;
  }

  #take(size: number): void {
    this.#size -= size;
    this.payload += size;
    if (this.#size === 0) this.#state = DATA_CR;
  }

  /** One octet of what surrounds the data. A semicolon is not consumed. */
  #line(c: number): number {
    switch (this.#state) {
      case SIZE: {
        const digit = hexDigit(c);
        if (digit >= 0) {
          this.#size = this.#size * 16 + digit;
          const fits = ++this.#digits <= SIZE_DIGITS && this.#size <= Number.MAX_SAFE_INTEGER;
          return fits ? 0 : refusal.BAD_CHUNK_SIZE;
        }
        if (this.#digits === 0) return refusal.BAD_CHUNK_SIZE;
        if (c === CR) this.#state = SIZE_LF;
        else if (c === SEMICOLON) this.#state = EXTENSION;
        else return c === LF ? refusal.BARE_LF : refusal.BAD_CHUNK_SIZE;
        return 0;
      }
      case SIZE_CR:
        if (c !== CR) return c === LF ? refusal.BARE_LF : refusal.BAD_CHUNK_EXTENSION;
        this.#state = SIZE_LF;
        return 0;
      case SIZE_LF:
        return c === LF ? this.#sized() : refusal.BARE_CR;
      case DATA_CR:
        this.#state = DATA_LF;
        return c === CR ? 0 : refusal.BAD_CHUNK_END;
      default:
        this.#state = SIZE;
        this.#size = this.#digits = this.#extension = 0;
        return c === LF ? 0 : refusal.BAD_CHUNK_END;
    }
  }

  /** The line of a chunk is complete. */
  #sized(): number {
    const line = this.#digits + this.#extension + 4;
    this.#overhead = Math.max(0, this.#overhead + line - 16 - 2 * this.#size);
    this.#state = this.#size === 0 ? TRAILER : DATA;
    return this.#overhead > this.#limits.overhead ? refusal.CHUNK_OVERHEAD : 0;
  }

  #skipExtension(buf: Buffer, pos: number, end: number): number {
    const stop = Math.min(end, pos + this.#limits.extension + 1 - this.#extension);
    let i = pos;
    while (i < stop && fieldValue[buf[i] as number] !== 0) i++;
    this.#extension += i - pos;
    if (this.#extension > this.#limits.extension) return refusal.BAD_CHUNK_EXTENSION;
    if (i < end) this.#state = SIZE_CR;
    return i;
  }

  #trailerSection(buf: Buffer, pos: number, end: number): number {
    const stop = Math.min(end, pos + this.#limits.trailerBytes - this.#trailerBytes);
    let i = pos;
    while (i < stop) {
      const c = buf[i] as number;
      switch (this.#state) {
        case TRAILER:
          if (c === CR) {
            this.#state = END_LF;
            i++;
          } else {
            if (token[c] === 0) return refusal.BAD_TRAILER;
            if (++this.#trailerCount > this.#limits.trailers) return refusal.TRAILERS_TOO_LARGE;
            this.#state = NAME;
          }
          break;
        case NAME: {
          const from = i;
          while (i < stop && token[buf[i] as number] !== 0) i++;
          this.#name += buf.toString('latin1', from, i);
          if (i === stop) break;
          if (buf[i++] !== COLON) return refusal.BAD_TRAILER;
          this.#state = VALUE;
          break;
        }
        case VALUE: {
          const from = i;
          while (i < stop && fieldValue[buf[i] as number] !== 0) i++;
          this.#value += buf.toString('latin1', from, i);
          if (i === stop) break;
          if (buf[i++] !== CR) return refusal.BAD_TRAILER;
          this.#state = VALUE_LF;
          break;
        }
        case VALUE_LF:
          if (c !== LF) return refusal.BAD_TRAILER;
          if (mayTrail(this.#name.toLowerCase())) this.trailers.push(this.#name, trim(this.#value));
          this.#name = this.#value = '';
          this.#state = TRAILER;
          i++;
          break;
        default:
          this.next = i + 1;
          return c === LF ? refusal.DONE : refusal.BAD_TRAILER;
      }
    }
    this.#trailerBytes += i - pos;
    this.next = i;
    return i < end ? refusal.TRAILERS_TOO_LARGE : refusal.INCOMPLETE;
  }
}

function hexDigit(c: number): number {
  if (c >= 0x30 && c <= 0x39) return c - 0x30;
  const lower = c | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** Optional white space around a value is space and tab only: `String.trim` would take more. */
function trim(value: string): string {
  let start = 0;
  let end = value.length;
  while (start < end && (value.charCodeAt(start) === SP || value.charCodeAt(start) === TAB)) start++;
  while (end > start && (value.charCodeAt(end - 1) === SP || value.charCodeAt(end - 1) === TAB)) end--;
  return value.slice(start, end);
}
