import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeCheck } from './check-messages.ts';
import { MessageWriter, readFields } from './protobuf.ts';

test('varints are those of the protobuf documentation', () => {
  assert.equal(new MessageWriter().integer(1, 150).finish().toString('hex'), '089601');
  assert.equal(new MessageWriter().integer(1, -1).finish().toString('hex'), '08ffffffffffffffffff01');
  assert.equal(new MessageWriter().string(2, 'testing').finish().toString('hex'), '120774657374696e67');
  assert.equal(
    new MessageWriter().message(3, new MessageWriter().integer(1, 150)).finish().toString('hex'),
    '1a03089601',
  );
  assert.equal(new MessageWriter().integer(1, 0).string(2, '').finish().length, 0);
});

test('what is written is read', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 0x1fff_ffff }), fc.oneof(fc.nat(), fc.uint8Array()))),
      (fields) => {
        const writer = new MessageWriter();
        for (const [number, value] of fields) {
          if (typeof value === 'number') writer.integer(number, value);
          else writer.bytes(number, value);
        }
        const written = fields.filter(([, value]) => value !== 0);
        assert.deepEqual(
          readFields(writer.finish()),
          written.map(([number, value]) => ({ number, value: typeof value === 'number' ? value : Buffer.from(value) })),
        );
      },
    ),
  );
});

for (const [what, hex] of [
  ['a key without a value', '08'],
  ['a varint without end', '08ffffffffffffffffffff'],
  ['a length beyond the end', '0a05616263'],
  ['a length without end', '0aff'],
  ['field number 0', '0001'],
  ['a group', '0b0c'],
  ['wire type 6', '0e'],
  ['a fixed64 cut short', '0901020304'],
] as const) {
  test(`${what} is no message`, () => assert.equal(readFields(Buffer.from(hex, 'hex')), undefined));
}

test('fields of a fixed size are skipped', () => {
  assert.deepEqual(readFields(Buffer.from('0900000000000000000d000000001001', 'hex')), [{ number: 2, value: 1 }]);
});

test('no octets make the reader throw, nor a message that is cut or changed into a yes out of a no', () => {
  const frame = (message: Buffer): Buffer => {
    const head = Buffer.alloc(5);
    head.writeUInt32BE(message.length, 1);
    return Buffer.concat([head, message]);
  };
  const no = new MessageWriter()
    .message(1, new MessageWriter().integer(1, 7))
    .message(2, new MessageWriter().message(1, new MessageWriter().integer(1, 401)).string(3, 'no'))
    .finish();
  assert.equal(decodeCheck(frame(no))?.outcome, 'denied');
  for (let size = 1; size < no.length; size++) {
    if (size === 4) continue; // The whole first field: the same no, with fewer words.
    assert.equal(decodeCheck(frame(no.subarray(0, size))), undefined, `${size} octets`);
  }
  assert.equal(decodeCheck(frame(no).subarray(0, -1)), undefined);
  assert.equal(decodeCheck(Buffer.concat([frame(no), frame(no)])), undefined, 'one message, not two');
  const compressed = frame(no);
  compressed[0] = 1;
  assert.equal(decodeCheck(compressed), undefined);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => void decodeCheck(frame(Buffer.from(octets)))));
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => void decodeCheck(Buffer.from(octets))));
});

test('a status whose type is wrong is not a yes', () => {
  const response = new MessageWriter().integer(1, 7).finish();
  assert.equal(decodeCheck(Buffer.concat([Buffer.from([0, 0, 0, 0, response.length]), response])), undefined);
});
