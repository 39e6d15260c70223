// What is written here is, octet by octet, what the writer of protobufjs makes of the same values.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import protobuf from 'protobufjs/light.js';
import { WireWriter } from './wire.ts';

type Value =
  | { readonly kind: 'varint' | 'signed' | 'double' | 'float'; readonly value: number }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'bytes'; readonly value: Uint8Array }
  | { readonly kind: 'message'; readonly value: readonly Value[] };

const whole = fc.oneof(
  fc.constantFrom(0, 127, 128, 16_383, 16_384, 2 ** 31 - 1, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER),
  fc.maxSafeNat(),
);
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ unit: 'grapheme', maxLength: 80 }),
  fc.string({ minLength: 120, maxLength: 140 }),
);

const { values } = fc.letrec<{ value: Value; values: readonly Value[] }>((tie) => ({
  values: fc.array(tie('value'), { maxLength: 12 }),
  value: fc.oneof(
    { depthSize: 'medium' },
    whole.map((value): Value => ({ kind: 'varint', value })),
    fc.maxSafeInteger().map((value): Value => ({ kind: 'signed', value })),
    fc.double().map((value): Value => ({ kind: 'double', value })),
    fc.float().map((value): Value => ({ kind: 'float', value })),
    text.map((value): Value => ({ kind: 'text', value })),
    fc.uint8Array({ maxLength: 300 }).map((value): Value => ({ kind: 'bytes', value })),
    tie('values').map((value): Value => ({ kind: 'message', value })),
  ),
}));

test('octets are those of protobufjs', () => {
  const ours = new WireWriter();
  fc.assert(
    fc.property(values, (list) => {
      const theirs = protobuf.Writer.create();
      for (const value of list) {
        write(ours, value);
        writeTheirs(theirs, value);
      }
      assert.deepEqual(Buffer.from(ours.finish()), Buffer.from(theirs.finish()));
    }),
    { numRuns: 500 },
  );
});

test('messages of any size, within each other', () => {
  const ours = new WireWriter();
  for (const size of [0, 127, 128, 16_383, 16_384, 70_000, 2_097_151, 2_097_152]) {
    const bytes: Value = { kind: 'bytes', value: new Uint8Array(size).fill(7) };
    const message: Value = { kind: 'message', value: [bytes, { kind: 'message', value: [bytes] }] };
    const theirs = protobuf.Writer.create();
    write(ours, message);
    writeTheirs(theirs, message);
    assert.ok(Buffer.from(theirs.finish()).equals(ours.finish()), String(size));
  }
});

test('halves of characters are replaced', () => {
  const writer = new WireWriter();
  writer.text('a\ud800');
  assert.deepEqual([...writer.finish()], [4, ...Buffer.from('a\ufffd')]);
});

test('what was written before an error is forgotten', () => {
  const writer = new WireWriter();
  writer.text('half');
  writer.reset();
  writer.varint(1);
  assert.deepEqual([...writer.finish()], [1]);
});

function write(writer: WireWriter, item: Value): void {
  if (item.kind !== 'message') {
    // One method for each kind, by its name.
    (writer[item.kind] as (value: Value['value']) => void).call(writer, item.value);
    return;
  }
  const start = writer.open();
  for (const each of item.value) write(writer, each);
  writer.close(start);
}

function writeTheirs(writer: protobuf.Writer, { kind, value }: Value): void {
  switch (kind) {
    case 'varint':
      writer.uint64(value);
      break;
    case 'signed':
      writer.int64(value);
      break;
    case 'double':
      writer.double(value);
      break;
    case 'float':
      writer.float(value);
      break;
    case 'text':
      writer.string(value);
      break;
    case 'bytes':
      writer.bytes(value);
      break;
    case 'message':
      writer.fork();
      for (const each of value) writeTheirs(writer, each);
      writer.ldelim();
      break;
    default:
      throw new Error(kind satisfies never);
  }
}
