// The wire format of protobuf, as much of it as ext_authz needs: varints and length-delimited fields out; fields of any known wire
// type in, strictly. Which field means what is check-messages.ts.

const VARINT = 0;
const FIXED64 = 1;
const DELIMITED = 2;
const FIXED32 = 5;

/** Field number -> tag of a length-delimited or varint field. */
function tag(field: number, wireType: number): number {
  return field * 8 + wireType;
}

/** Collects the fields of one message. Default values are left out, as proto3 has it. */
export class MessageWriter {
  readonly #pieces: Uint8Array[] = [];
  #size = 0;

  /** int64, -1 among them. */
  integer(field: number, value: number): this {
    if (value === 0) return this;
    this.#add(varint(tag(field, VARINT)));
    this.#add(value < 0 ? negative(value) : varint(value));
    return this;
  }

  string(field: number, text: string): this {
    return text === '' ? this : this.bytes(field, Buffer.from(text, 'utf8'));
  }

  /** Of bytes, of strings that are UTF-8 already, and of messages, also empty ones. */
  bytes(field: number, octets: Uint8Array): this {
    this.#add(varint(tag(field, DELIMITED)));
    this.#add(varint(octets.length));
    this.#add(octets);
    return this;
  }

  message(field: number, message: MessageWriter): this {
    return this.bytes(field, message.finish());
  }

  finish(): Buffer {
    return Buffer.concat(this.#pieces, this.#size);
  }

  #add(octets: Uint8Array): void {
    this.#pieces.push(octets);
    this.#size += octets.length;
  }
}

/** @param value a whole number from 0 to 2^53 - 1 */
function varint(value: number): Uint8Array {
  const octets: number[] = [];
  let left = value;
  while (left >= 0x80) {
    octets.push((left % 0x80) | 0x80);
    left = Math.floor(left / 0x80);
  }
  octets.push(left);
  return Uint8Array.from(octets);
}

/** Ten octets of two's complement. */
function negative(value: number): Uint8Array {
  const octets = new Uint8Array(10);
  let left = BigInt.asUintN(64, BigInt(value));
  for (let i = 0; i < 10; i++) {
    octets[i] = Number(left & 0x7fn) | (i < 9 ? 0x80 : 0);
    left >>= 7n;
  }
  return octets;
}

/** One field as it came: a number for varints, octets for what is length-delimited. */
export interface Field {
  readonly number: number;
  readonly value: number | Buffer;
}

/**
 * The fields of a message in their order; undefined when it is none: cut short, a wire type that does not exist or was withdrawn
 * (groups), a field number of 0, a varint that is too long. Fixed-size fields, which no message here has, are skipped.
 */
export function readFields(message: Buffer): Field[] | undefined {
  const fields: Field[] = [];
  const reader = new Reader(message);
  while (!reader.done) {
    const key = reader.varint();
    const number = Math.floor(key / 8);
    if (key < 0 || number === 0 || number > 0x1fff_ffff) return undefined;
    switch (key % 8) {
      case VARINT: {
        const value = reader.varint();
        if (value < 0) return undefined;
        fields.push({ number, value });
        break;
      }
      case DELIMITED: {
        const value = reader.octets(reader.varint());
        if (value === undefined) return undefined;
        fields.push({ number, value });
        break;
      }
      case FIXED64:
        if (reader.octets(8) === undefined) return undefined;
        break;
      case FIXED32:
        if (reader.octets(4) === undefined) return undefined;
        break;
      default:
        return undefined;
    }
  }
  return fields;
}

const LONGEST_VARINT = 10;

class Reader {
  readonly #buf: Buffer;
  #at = 0;

  constructor(buf: Buffer) {
    this.#buf = buf;
  }

  get done(): boolean {
    return this.#at === this.#buf.length;
  }

  /** -1 when there is none. Beyond 2^53 only the order of magnitude is kept, of negative numbers that they are large. */
  varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < LONGEST_VARINT; i++) {
      const octet = this.#buf[this.#at++];
      if (octet === undefined) return -1;
      value += (octet & 0x7f) * scale;
      if (octet < 0x80) return value;
      scale *= 0x80;
    }
    return -1;
  }

  octets(size: number): Buffer | undefined {
    if (size < 0 || size > this.#buf.length - this.#at) return undefined;
    const from = this.#at;
    this.#at += size;
    return this.#buf.subarray(from, this.#at);
  }
}
