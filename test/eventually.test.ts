import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from './eventually.ts';

test('it waits for what comes, and fails with what did not', async () => {
  let looks = 0;
  await eventually(() => Promise.resolve(++looks === 5), 'the fifth look');
  assert.equal(looks, 5);
  await assert.rejects(
    eventually(() => false, 'the impossible', 20),
    /^AssertionError.*: not within 0\.02 s: the impossible$/,
  );
  const seen: string[] = [];
  await assert.rejects(
    eventually(
      () => seen.push('look') === 0,
      () => seen.join(),
      20,
    ),
    /: look,look/,
  );
  await assert.rejects(
    eventually(() => seen.length === 0, undefined, 20),
    /: \(\) => seen\.length === 0$/,
  );
});

test('what came while nobody had time to look counts', async () => {
  const busy = (milliseconds: number): void => {
    for (const end = performance.now() + milliseconds; performance.now() < end;);
  };
  let looks = 0;
  await eventually(
    () => {
      busy(30);
      return ++looks === 2;
    },
    'the second look',
    10,
  );
});
