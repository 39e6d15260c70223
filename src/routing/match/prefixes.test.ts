// Few prefixes are tried and many are looked up: both find the same, also while prefixes come and go.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PrefixTable } from './prefixes.ts';

function found(table: PrefixTable<string>, path: string): readonly string[] {
  const all: string[] = [];
  for (let at = table.next(path, 0); at >= 0; at = table.next(path, at)) all.push(...table.found);
  return all;
}

/** Those of `/a/a/a…` with up to so many elements, and others that are never found. */
function prefixes(count: number): readonly string[] {
  return Array.from({ length: count }, (_, n) => (n % 2 === 0 ? '/a'.repeat(n / 2 + 1) : `/b${n}`));
}

const path = `${'/a'.repeat(20)}/end`;

test('every prefix of a path is found, the longest first, however many there are', () => {
  const table = new PrefixTable<string>();
  const held: string[] = [];
  const expected = (): readonly string[] =>
    held.filter((prefix) => path.startsWith(prefix)).toSorted((a, b) => b.length - a.length);
  for (const prefix of prefixes(30)) {
    assert.equal(table.get(prefix), undefined);
    table.add(prefix).push(prefix);
    held.push(prefix);
    assert.deepEqual(found(table, path), expected());
    assert.deepEqual(table.get(prefix), [prefix]);
  }
  for (const prefix of prefixes(30)) {
    table.delete(prefix);
    held.splice(held.indexOf(prefix), 1);
    assert.deepEqual(found(table, path), expected());
    assert.equal(table.get(prefix), undefined);
    // One that is not there changes nothing.
    table.delete(prefix);
  }
  assert.equal(table.next(path, 0), -1);
});
