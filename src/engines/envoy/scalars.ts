// The plain values of protobuf: how each kind is written and read, and durations as text (`1.5s`).
import type protobuf from 'protobufjs/light.js';
import type { Tree } from './tree.ts';
import { FIXED32, FIXED64, LENGTH_DELIMITED, VARINT, type WireWriter } from './wire.ts';

export interface Scalar {
  readonly wire: number;
  write(writer: WireWriter, value: Tree): void;
  read(reader: protobuf.Reader): Tree;
}

export function scalarFor(type: string): Scalar {
  const scalar = scalars[type];
  if (scalar === undefined) throw new Error(`no scalar of protobuf: ${type}`);
  return scalar;
}

const number = (value: Tree): number => {
  if (typeof value !== 'number') throw new TypeError(`not a number: ${JSON.stringify(value)}`);
  return value;
};

const whole = (value: Tree): number => {
  if (!Number.isSafeInteger(value)) throw new TypeError(`not a whole number: ${JSON.stringify(value)}`);
  return value as number;
};

const natural = (value: Tree): number => {
  if (whole(value) < 0) throw new TypeError(`less than nothing: ${JSON.stringify(value)}`);
  return value as number;
};

const scalars: Readonly<Record<string, Scalar>> = {
  bool: {
    wire: VARINT,
    write: (writer, value) => {
      if (typeof value !== 'boolean') throw new TypeError(`not true or false: ${JSON.stringify(value)}`);
      writer.varint(value ? 1 : 0);
    },
    read: (reader) => reader.bool(),
  },
  string: {
    wire: LENGTH_DELIMITED,
    write: (writer, value) => {
      if (typeof value !== 'string') throw new TypeError(`not a text: ${JSON.stringify(value)}`);
      writer.text(value);
    },
    read: (reader) => reader.string(),
  },
  bytes: {
    wire: LENGTH_DELIMITED,
    write: (writer, value) => {
      if (!(value instanceof Uint8Array)) throw new TypeError('not octets');
      writer.bytes(value);
    },
    read: (reader) => reader.bytes(),
  },
  int32: { wire: VARINT, write: (writer, value) => writer.signed(whole(value)), read: (reader) => reader.int32() },
  uint32: { wire: VARINT, write: (writer, value) => writer.varint(natural(value)), read: (reader) => reader.uint32() },
  int64: {
    wire: VARINT,
    write: (writer, value) => writer.signed(whole(value)),
    read: (reader) => Number(reader.int64()),
  },
  uint64: {
    wire: VARINT,
    write: (writer, value) => writer.varint(natural(value)),
    read: (reader) => Number(reader.uint64()),
  },
  double: {
    wire: FIXED64,
    write: (writer, value) => writer.double(number(value)),
    read: (reader) => reader.double(),
  },
  float: {
    wire: FIXED32,
    write: (writer, value) => writer.float(number(value)),
    read: (reader) => reader.float(),
  },
};

/** @param text seconds: `1.5s` */
export function writeDuration(writer: WireWriter, text: string): void {
  const [, digits, fraction = ''] = /^(\d+)(?:\.(\d{1,9}))?s$/.exec(text) ?? [];
  if (digits === undefined) throw new TypeError(`no duration: ${text}`);
  const seconds = Number(digits);
  const nanos = fraction === '' ? 0 : Number(fraction.padEnd(9, '0'));
  if (seconds > 0) {
    writer.varint(1 << 3);
    writer.varint(seconds);
  }
  if (nanos > 0) {
    writer.varint(2 << 3);
    writer.varint(nanos);
  }
}

export function readDuration(reader: protobuf.Reader, end: number): string {
  let seconds = 0;
  let nanos = 0;
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === 1 << 3) seconds = Number(reader.int64());
    else if (tag === 2 << 3) nanos = reader.int32();
    else reader.skipType(tag & 7);
  }
  return nanos === 0 ? `${seconds}s` : `${seconds}.${String(nanos).padStart(9, '0').replace(/0+$/, '')}s`;
}
