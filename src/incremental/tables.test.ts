import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Expanded } from './expanded.ts';
import { Merged } from './merged.ts';
import { Prefixed } from './prefixed.ts';
import { Changes, settle, Source } from './table.ts';

test('a Source takes an equal row for no change', () => {
  const source = new Source<{ n: number }>('source');
  const first = new Changes();
  source.apply('a', { n: 1 }, first);
  const row = source.get('a');
  const changes = new Changes();
  source.apply('a', { n: 1 }, changes);
  source.delete('b', changes);
  assert.equal(changes.empty, true);
  assert.equal(source.get('a'), row);
});

test('Expanded gives each input its rows, and takes them back', () => {
  const source = new Source<readonly number[]>('source');
  const expanded = new Expanded('expanded', source, (row, key) => row.map((n) => [`${key}/${n}`, { n }] as const));
  const first = new Changes();
  source.apply('a', [1, 2], first);
  settle([expanded], first);
  const kept = expanded.get('a/2');
  const changes = new Changes();
  source.apply('a', [2, 3], changes);
  settle([expanded], changes);
  assert.deepEqual([...expanded.keys()].toSorted(), ['a/2', 'a/3']);
  assert.equal(expanded.get('a/2'), kept);
  assert.deepEqual([...changes.of(expanded)].toSorted(), ['a/1', 'a/3']);
  const gone = new Changes();
  source.delete('a', gone);
  settle([expanded], gone);
  assert.equal(expanded.size, 0);
});

test('Expanded: a key may move from one input to another within a batch', () => {
  const source = new Source<readonly string[]>('source');
  const expanded = new Expanded('expanded', source, (row, key) => row.map((name) => [name, key] as const));
  const first = new Changes();
  source.apply('a', ['k'], first);
  settle([expanded], first);
  const changes = new Changes();
  source.apply('b', ['k'], changes);
  source.apply('a', [], changes);
  settle([expanded], changes);
  assert.equal(expanded.get('k'), 'b');
});

test('Merged serves a key from the first table that has it', () => {
  const one = new Source<string>('one');
  const two = new Source<string>('two');
  const merged = new Merged('merged', [one, two]);
  const changes = new Changes();
  one.apply('a', 'one', changes);
  two.apply('a', 'two', changes);
  two.apply('b', 'two', changes);
  settle([merged], changes);
  assert.deepEqual([merged.get('a'), merged.get('b'), merged.get('c'), merged.size], ['one', 'two', undefined, 2]);
  assert.deepEqual([...changes.of(merged)].toSorted(), ['a', 'b']);
});

test('Prefixed finds a key behind the prefix of its table', () => {
  const http = new Source<string>('http');
  const grpc = new Source<string>('grpc');
  const both = new Prefixed('both', { 'HTTPRoute/': http, 'GRPCRoute/': grpc });
  const changes = new Changes();
  http.apply('a', 'h', changes);
  grpc.apply('a', 'g', changes);
  settle([both], changes);
  assert.deepEqual(
    [both.get('HTTPRoute/a'), both.get('GRPCRoute/a'), both.get('a'), both.size],
    ['h', 'g', undefined, 2],
  );
  assert.deepEqual([...changes.of(both)].toSorted(), ['GRPCRoute/a', 'HTTPRoute/a']);
});
