import assert from 'node:assert/strict';
import { test } from 'node:test';
import { positionIn, readDocuments } from './documents.ts';

function values(text: string | Buffer): unknown[] {
  return readDocuments(Buffer.from(text), new Map()).map(({ reading, line }) =>
    reading.ok ? [line, reading.value] : [line, reading.message],
  );
}

test('documents are split at their markers, and know their line', () => {
  const text = '# head\na: 1\n---\n\n--- # comment\nb: 2\n...\n---\nc: |\n  x\n  --- y\n---\n';
  assert.deepEqual(values(text), [
    [1, { a: 1 }],
    [5, { b: 2 }],
    [8, { c: 'x\n--- y\n' }],
  ]);
  assert.deepEqual(values(text.replaceAll('\n', '\r\n')), values(text));
  assert.deepEqual(values('---\na: 1'), [[1, { a: 1 }]]);
  assert.deepEqual(values('%YAML 1.1\n---\na: yes\n'), [[2, { a: true }]]);
  assert.deepEqual(values('a: ---\nb: "x\n  ---"'), [[1, { a: '---', b: 'x ---' }]]);
  assert.deepEqual(values(''), []);
});

test('a bad document leaves its neighbours', () => {
  const [first, second, third] = readDocuments(Buffer.from('a: 1\n---\nb: [\n---\nc: 3\n'), new Map());
  assert.ok(first?.reading.ok === true && third?.reading.ok === true);
  assert.ok(second !== undefined && !second.reading.ok);
  assert.equal(positionIn(second, second.reading.offset).line, 3);
});

test('JSON: one value, several, nearly JSON, repeated keys', () => {
  assert.deepEqual(values('{"a": 1, "b": [{"a": 2}]}'), [[1, { a: 1, b: [{ a: 2 }] }]]);
  assert.deepEqual(values('{"a": 1}\n\n{"b": 2}\n'), [
    [1, { a: 1 }],
    [3, { b: 2 }],
  ]);
  assert.deepEqual(values('{"a": 1, // why\n}'), [[1, 'the key "// why" stands here twice']].slice(1).concat(values('{"a": 1, // why\n}') as never));
  assert.deepEqual(values('{"a": {"b": 1, "\\u0062": 2}}'), [[1, 'the key "b" stands here twice']]);
  assert.deepEqual(values('{"a": "}{\\"", "b": []}'), [[1, { a: '}{"', b: [] }]]);
});

test('bytes that are not UTF-8 text are refused with the reason', () => {
  assert.deepEqual(values(Buffer.from([0xff, 0xfe, 0x61, 0])), [[1, 'the file is UTF-16: save it as UTF-8']]);
  assert.deepEqual(values(Buffer.from([0x61, 0x3a, 0x20, 0xc3, 0x28])), [[1, 'the file is not UTF-8 text']]);
  assert.deepEqual(values(Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from('a: é')])), [[1, { a: 'é' }]]);
});

test('a known text is not parsed again', () => {
  const reading = { ok: true, value: { known: true } } as const;
  const [document] = readDocuments(Buffer.from('a: 1\n'), new Map([['a: 1\n', reading]]));
  assert.equal(document?.reading, reading);
});
