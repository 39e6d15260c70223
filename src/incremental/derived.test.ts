import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Derived } from './derived.ts';
import { Changes, settle, Source } from './table.ts';

interface Line {
  readonly item: string;
  readonly count: number;
}

function shop(): {
  lines: Source<Line>;
  prices: Source<number>;
  totals: Derived<Line, number>;
  computed: string[];
} {
  const lines = new Source<Line>('lines');
  const prices = new Source<number>('prices');
  const computed: string[] = [];
  const totals = new Derived<Line, number>('totals', lines, ({ item, count }, read, key) => {
    computed.push(key);
    const price = read(prices, item);
    return price === undefined ? undefined : price * count;
  });
  return { lines, prices, totals, computed };
}

test('a row is computed from its input and what it reads', () => {
  const { lines, prices, totals } = shop();
  const changes = new Changes();
  prices.apply('tea', 3, changes);
  lines.apply('a', { item: 'tea', count: 2 }, changes);
  settle([totals], changes);
  assert.equal(totals.get('a'), 6);
  assert.deepEqual([...changes.of(totals)], ['a']);
});

test('a change wakes only the rows that read it', () => {
  const { lines, prices, totals, computed } = shop();
  const first = new Changes();
  for (const item of ['tea', 'salt']) prices.apply(item, 1, first);
  lines.apply('a', { item: 'tea', count: 1 }, first);
  lines.apply('b', { item: 'salt', count: 1 }, first);
  settle([totals], first);
  computed.length = 0;
  const changes = new Changes();
  prices.apply('salt', 5, changes);
  settle([totals], changes);
  assert.deepEqual(computed, ['b']);
  assert.equal(totals.get('b'), 5);
});

test('a row that was read before it existed wakes its reader when it comes; an undefined row is none', () => {
  const { lines, prices, totals } = shop();
  const first = new Changes();
  lines.apply('a', { item: 'tea', count: 2 }, first);
  settle([totals], first);
  assert.equal(totals.size, 0);
  assert.deepEqual([...totals.keys()], []);
  assert.equal(first.of(totals).size, 0);
  const changes = new Changes();
  prices.apply('tea', 4, changes);
  settle([totals], changes);
  assert.equal(totals.get('a'), 8);
  const gone = new Changes();
  prices.delete('tea', gone);
  settle([totals], gone);
  assert.equal(totals.get('a'), undefined);
  assert.deepEqual([...gone.of(totals)], ['a']);
});

test('an equal result wakes nobody and keeps its identity', () => {
  const source = new Source<{ n: number; label: string }>('source');
  const parity = new Derived('parity', source, ({ n }) => ({ even: n % 2 === 0 }));
  const woken: string[] = [];
  const after = new Derived('after', parity, (row, _, key) => {
    woken.push(key);
    return row;
  });
  const first = new Changes();
  source.apply('x', { n: 2, label: 'two' }, first);
  settle([parity, after], first);
  const before = parity.get('x');
  const changes = new Changes();
  source.apply('x', { n: 4, label: 'four' }, changes);
  settle([parity, after], changes);
  assert.equal(parity.get('x'), before);
  assert.deepEqual(woken, ['x']);
});

test('reads are those of the last computation, and none are left when the row goes', () => {
  const { lines, prices, totals, computed } = shop();
  const first = new Changes();
  lines.apply('a', { item: 'tea', count: 1 }, first);
  settle([totals], first);
  assert.deepEqual([...totals.reads('a')], [['prices', ['tea']]]);
  const second = new Changes();
  lines.apply('a', { item: 'salt', count: 1 }, second);
  settle([totals], second);
  assert.deepEqual([...totals.reads('a')], [['prices', ['salt']]]);
  computed.length = 0;
  const third = new Changes();
  prices.apply('tea', 1, third);
  settle([totals], third);
  assert.deepEqual(computed, [], 'tea is no longer read');
  const gone = new Changes();
  lines.delete('a', gone);
  prices.apply('salt', 1, gone);
  settle([totals], gone);
  assert.deepEqual([...totals.reads('a')], []);
  assert.equal(totals.size, 0);
});

test('many reads of one row are recorded, each once', () => {
  const source = new Source<number>('source');
  const others = new Source<number>('others');
  const sums = new Derived('sums', source, (count, read) => {
    let sum = 0;
    for (let round = 0; round < 2; round++) for (let i = 0; i < count; i++) sum += read(others, `k${i}`) ?? 0;
    return sum;
  });
  const first = new Changes();
  source.apply('a', 100, first);
  settle([sums], first);
  assert.equal(sums.reads('a').get('others')?.length, 100);
  const changes = new Changes();
  others.apply('k99', 1, changes);
  settle([sums], changes);
  assert.equal(sums.get('a'), 2);
});

test('each of several readers of a row is woken, and none that left', () => {
  const { lines, prices, totals, computed } = shop();
  const names = ['a', 'b', 'c'];
  const first = new Changes();
  prices.apply('tea', 1, first);
  for (const name of names) lines.apply(name, { item: 'tea', count: 1 }, first);
  settle([totals], first);
  for (let price = 2; names.length > 0; price++) {
    computed.length = 0;
    const changes = new Changes();
    prices.apply('tea', price, changes);
    settle([totals], changes);
    assert.deepEqual(computed.toSorted(), names);
    const leaves = new Changes();
    lines.delete(names.pop() ?? '', leaves);
    settle([totals], leaves);
  }
  computed.length = 0;
  const last = new Changes();
  prices.apply('tea', 99, last);
  settle([totals], last);
  assert.deepEqual(computed, []);
});
