// What is shared reads as before, and equal texts take the memory of one, however much else goes by.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { SharedText } from './shared-text.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

test('an object reads as before', () => {
  const text =
    '{"kind":"HTTPRoute","spec":{"hostnames":["a.example.com","b.example.com"],"n":1,"none":null,"yes":true},"__proto__":"a longer text"}';
  assert.deepEqual(new SharedText().share(JSON.parse(text)), JSON.parse(text));
  assert.equal(new SharedText().share('alone'), 'alone');
  assert.equal(new SharedText().share(null), null);
});

test('an object of any depth is taken', () => {
  const depth = 20_000;
  const deep: unknown = JSON.parse(`${'{"a":'.repeat(depth)}"the innermost"${'}'.repeat(depth)}`);
  assert.doesNotThrow(() => new SharedText().share(deep));
});

/** Octets that are kept for each of many objects, as a parser makes them: each has a name of its own, and the same words. */
function kept(take: (value: unknown) => unknown): number {
  const count = 10_000;
  const objects: unknown[] = [];
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let n = 0; n < count; n++) {
    objects.push(
      take(JSON.parse(`{"name":"stand-${n}.example.com","message":"${'it is as it should be '.repeat(10)}"}`)),
    );
  }
  collect();
  const after = process.memoryUsage().heapUsed;
  return (after - before) / objects.length;
}

test('equal texts take the memory of one', () => {
  const shared = new SharedText();
  const [apart, together] = [kept((value) => value), kept((value) => shared.share(value))];
  assert.ok(together < apart - 150, `${together} octets an object, and ${apart} without`);
});

test('what is seen once is not kept', () => {
  const shared = new SharedText();
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let n = 0; n < 100_000; n++) shared.share({ name: `${'x'.repeat(100)}${n}` });
  collect();
  const grown = process.memoryUsage().heapUsed - before;
  assert.ok(grown < 4_000_000, `${grown} octets`);
  assert.equal(shared.of('still in use'), 'still in use');
});
