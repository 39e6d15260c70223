import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { cut } from './chunks.ts';
import type { Chunk } from './chunks.ts';

function parse(text: string | undefined): readonly string[] {
  return [text ?? 'too large'];
}

function texts(chunks: readonly Chunk<string>[]): readonly string[] {
  return chunks.map(({ text }) => text);
}

test('cut at markers, which stand alone at the start of a line', () => {
  assert.deepEqual(texts(cut(Buffer.from('a\n---\nb\n--- # c\n...\nd: ---\n----\n---x\n---'), parse).chunks), [
    'a\n',
    '\nb\n',
    ' # c\n',
    '\nd: ---\n----\n---x\n',
    '',
  ]);
  assert.deepEqual(texts(cut(Buffer.from('\uFEFF---\na'), parse).chunks), ['\na']);
  assert.deepEqual(texts(cut(Buffer.from('a\r\n---\r\nb'), parse).chunks), ['a\r\n', '\r\nb']);
});

test('an edit touches only its chunk', () => {
  const part = (n: number): string => `name: n${n}\nspec:\n  x: ${'é'.repeat(n)}\n`;
  const text = Array.from({ length: 50 }, (_, n) => part(n)).join('---\n');
  const before = cut(Buffer.from(text), parse);
  const parsed: (string | undefined)[] = [];
  const after = cut(
    Buffer.from(text.replace('name: n20\n', 'name: twenty\nmore: 1\n')),
    (text) => {
      parsed.push(text);
      return parse(text);
    },
    before,
  );
  assert.equal(parsed.length, 1);
  assert.deepEqual(texts(after.removed), [before.chunks[20]?.text]);
  assert.deepEqual(texts(after.added), [after.chunks[20]?.text]);
  assert.equal(after.chunks[49], before.chunks[49]);
});

test('cut against an earlier version = cut from nothing', () => {
  const piece = fc.constantFrom(
    '---',
    '...',
    '\n',
    '\n---\n',
    '\n---',
    '\n...\n',
    '-',
    '.',
    'a',
    'b: c',
    '\r\n',
    'é',
    ' ',
    '\uFEFF',
    '--- ',
  );
  const text = fc.array(piece, { maxLength: 25 }).map((pieces) => pieces.join(''));
  const edit = fc.record({ at: fc.nat(60), drop: fc.nat(8), put: fc.array(piece, { maxLength: 4 }) });
  fc.assert(
    fc.property(text, fc.array(edit, { maxLength: 4 }), (text, edits) => {
      let before = cut(Buffer.from(text), parse);
      let now = text;
      for (const { at, drop, put } of edits) {
        now = now.slice(0, at) + put.join('') + now.slice(at + drop);
        const after = cut(Buffer.from(now), parse, before);
        const fresh = cut(Buffer.from(now), parse);
        assert.deepEqual(after.chunks, fresh.chunks);
        const kept = before.chunks.filter((chunk) => !after.removed.includes(chunk));
        assert.deepEqual(new Set([...kept, ...after.added]), new Set(after.chunks));
        before = after;
      }
    }),
    { numRuns: 1500 },
  );
});
