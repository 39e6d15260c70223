import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareText } from '../support/sorted.ts';
import { Grouped } from './grouped.ts';
import { Changes, settle, Source } from './table.ts';

interface Card {
  readonly groups: readonly string[];
  readonly rank: number;
}

interface Member {
  readonly rank: number;
  readonly key: string;
}

function byRank(a: Member, b: Member): number {
  return a.rank - b.rank || compareText(a.key, b.key);
}

function* split({ groups, rank }: Card, key: string): Iterable<readonly [string, Member]> {
  for (const group of groups) yield [group, { rank, key }];
}

test('members are kept in order, and a batch leaves its delta', () => {
  const cards = new Source<Card>('cards');
  const grouped = new Grouped('grouped', [{ table: cards, split }], byRank);
  const first = new Changes();
  cards.apply('a', { groups: ['x'], rank: 2 }, first);
  cards.apply('b', { groups: ['x', 'y'], rank: 1 }, first);
  settle([grouped], first);
  assert.deepEqual(
    grouped.get('x')?.map(({ key }) => key),
    ['b', 'a'],
  );
  const changes = new Changes();
  cards.apply('b', { groups: ['x', 'z'], rank: 3 }, changes);
  settle([grouped], changes);
  assert.deepEqual(
    grouped.get('x')?.map(({ key }) => key),
    ['a', 'b'],
  );
  assert.deepEqual(grouped.delta('x'), { removed: [{ rank: 1, key: 'b' }], inserted: [{ rank: 3, key: 'b' }] });
  assert.equal(grouped.get('y'), undefined, 'a group without members is gone');
  assert.deepEqual([...changes.of(grouped)].toSorted(), ['x', 'y', 'z']);
});

test('a row that changes without changing its members marks nothing and keeps their identity', () => {
  const cards = new Source<Card & { note: string }>('cards');
  const grouped = new Grouped('grouped', [{ table: cards, split }], byRank);
  const first = new Changes();
  cards.apply('a', { groups: ['x'], rank: 1, note: 'one' }, first);
  settle([grouped], first);
  const member = grouped.get('x')?.[0];
  const changes = new Changes();
  cards.apply('a', { groups: ['x'], rank: 1, note: 'two' }, changes);
  settle([grouped], changes);
  assert.equal(changes.of(grouped).size, 0);
  assert.equal(grouped.get('x')?.[0], member);
});

test('after any batches the groups are those of the rows that stand, and the deltas lead there', () => {
  const card = fc.record({ groups: fc.uniqueArray(fc.constantFrom('x', 'y', 'z')), rank: fc.nat(3) });
  const step = fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd', 'e'), card: fc.option(card, { nil: undefined }) });
  fc.assert(
    fc.property(fc.array(fc.array(step, { maxLength: 6 }), { maxLength: 8 }), (batches) => {
      const cards = new Source<Card>('cards');
      const grouped = new Grouped('grouped', [{ table: cards, split }], byRank);
      const replayed = new Map<string, Member[]>();
      for (const batch of batches) {
        const changes = new Changes();
        for (const { key, card } of batch) {
          if (card === undefined) cards.delete(key, changes);
          else cards.apply(key, card, changes);
        }
        settle([grouped], changes);
        for (const group of changes.of(grouped)) {
          const { removed, inserted } = grouped.delta(group);
          const left = (replayed.get(group) ?? []).filter((member) => !removed.includes(member));
          replayed.set(group, [...left, ...inserted].toSorted(byRank));
        }
      }
      for (const group of ['x', 'y', 'z']) {
        const expected = [...cards.keys()]
          .flatMap((key) => {
            const row = cards.get(key);
            return row?.groups.includes(group) === true ? [{ rank: row.rank, key }] : [];
          })
          .toSorted(byRank);
        assert.deepEqual(grouped.get(group) ?? [], expected);
        assert.deepEqual(replayed.get(group) ?? [], expected);
        if (expected.length === 0) assert.equal(grouped.get(group), undefined);
      }
    }),
  );
});

test('a member that moves from one row to another stays', () => {
  const cards = new Source<readonly string[]>('cards');
  const words = new Grouped('words', [{ table: cards, split: (row) => row.map((word) => ['all', word]) }], compareText);
  const first = new Changes();
  cards.apply('a', ['salt'], first);
  settle([words], first);
  const changes = new Changes();
  cards.apply('b', ['salt'], changes);
  cards.delete('a', changes);
  settle([words], changes);
  assert.deepEqual(words.get('all'), ['salt']);
});

test('large batches give what small ones give', () => {
  const keys = Array.from({ length: 200 }, (_, i) => `k${(i * 37) % 200}`);
  const cards = new Source<Card>('cards');
  const grouped = new Grouped('grouped', [{ table: cards, split }], byRank);
  const first = new Changes();
  for (const key of keys) cards.apply(key, { groups: ['x'], rank: key.length % 3 }, first);
  settle([grouped], first);
  const members = grouped.get('x');
  const changes = new Changes();
  for (const key of keys.slice(0, 150)) cards.delete(key, changes);
  for (const key of keys.slice(150, 190)) cards.apply(key, { groups: ['x'], rank: 7 }, changes);
  settle([grouped], changes);
  const expected = keys
    .slice(150)
    .map((key, i) => ({ rank: i < 40 ? 7 : key.length % 3, key }))
    .toSorted(byRank);
  assert.deepEqual(grouped.get('x'), expected);
  assert.equal(grouped.get('x'), members, 'the array lives');
  assert.deepEqual([grouped.delta('x').removed.length, grouped.delta('x').inserted.length], [190, 40]);
});

test('a large batch removes one of two equal members', () => {
  const words = new Source<readonly string[]>('words');
  const grouped = new Grouped(
    'grouped',
    [{ table: words, split: (row) => row.map((word) => ['x', word]) }],
    compareText,
  );
  const first = new Changes();
  words.apply('a', ['salt'], first);
  words.apply('b', ['salt', ...Array.from({ length: 50 }, (_, i) => `w${i}`)], first);
  settle([grouped], first);
  const changes = new Changes();
  words.delete('b', changes);
  settle([grouped], changes);
  assert.deepEqual(grouped.get('x'), ['salt']);
  const more = new Changes();
  words.apply('c', ['salt', ...Array.from({ length: 50 }, (_, i) => `w${i}`)], more);
  settle([grouped], more);
  const rest = new Changes();
  words.delete('a', rest);
  words.delete('c', rest);
  settle([grouped], rest);
  assert.equal(grouped.get('x'), undefined);
});
