import assert from 'node:assert/strict';
import { test } from 'node:test';
import { documentsIn } from './documents.ts';
import { ManifestFile } from './manifest-file.ts';

function values(text: string): unknown[] {
  return documentsIn(text).map(({ reading, lines }) => [lines, reading.ok ? reading.value : reading.message]);
}

test('YAML: one document, or none', () => {
  assert.deepEqual(values('a: yes\n'), [[0, { a: true }]]);
  assert.deepEqual(values('\n# nothing\n'), []);
  assert.deepEqual(values('%YAML 1.1\n'), []);
  assert.deepEqual(values(' # comment\n{a: 1}\n'), [[0, { a: 1 }]]);
});

test('JSON: one value, several, nearly JSON, repeated keys', () => {
  assert.deepEqual(values('{"a": 1, "b": [{"a": 2}]}'), [[0, { a: 1, b: [{ a: 2 }] }]]);
  assert.deepEqual(values('{"a": 1}\n\n{"b": 2}\n'), [
    [0, { a: 1 }],
    [2, { b: 2 }],
  ]);
  assert.deepEqual(values('{"a": 1, # why\n}'), [[0, { a: 1 }]]);
  assert.deepEqual(values('{"a": {"b": 1, "\\u0062": 2}}'), [[0, 'the key "b" stands here twice']]);
  assert.deepEqual(values('{"a": "}{\\"", "b": []}'), [[0, { a: '}{"', b: [] }]]);
});

test('bytes that are not UTF-8 text are refused with the reason', () => {
  const message = (bytes: number[]): string | undefined => {
    const file = new ManifestFile('x', '/x', true);
    file.take(Buffer.from(bytes), { inferApiVersion: () => undefined, clusterScoped: () => false });
    return [...file.unparsable()][0]?.message;
  };
  assert.equal(message([0xff, 0xfe, 0x61, 0]), 'the file is UTF-16: save it as UTF-8');
  assert.equal(message([0x61, 0x3a, 0x20, 0xc3, 0x28]), 'the file is not UTF-8 text');
  assert.equal(message([0xef, 0xbb, 0xbf, 0x23]), undefined);
});
