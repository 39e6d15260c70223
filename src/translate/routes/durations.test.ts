import assert from 'node:assert/strict';
import { test } from 'node:test';
import { durationOf } from './durations.ts';

const cases: readonly [text: string, milliseconds: number | undefined][] = [
  ['0s', 0],
  ['500ms', 500],
  ['1s', 1000],
  ['1m', 60_000],
  ['1h2m3s4ms', 3_723_004],
  ['99999h', 359_996_400_000],
  ['1s1s', 2000],
  ['1.5s', undefined],
  ['100000ms', undefined],
  ['1h1h1h1h1h', undefined],
  ['-1s', undefined],
  ['1d', undefined],
  ['', undefined],
];

for (const [text, milliseconds] of cases) {
  test(`${JSON.stringify(text)} is ${milliseconds ?? 'no duration'}`, () => {
    assert.equal(durationOf(text), milliseconds);
  });
}
