import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AddressPool } from './addresses.ts';

function wish(gateway: string, asked: readonly string[] = [], had: readonly string[] = []) {
  return { gateway, asked, had };
}

test('each Gateway has an address of its own, and keeps it', () => {
  const pool = new AddressPool('10.0.0.0/29');
  assert.deepEqual(
    [...pool.assign([wish('a'), wish('b')])],
    [
      ['a', '10.0.0.1'],
      ['b', '10.0.0.2'],
    ],
  );
  assert.deepEqual(
    [...pool.assign([wish('c'), wish('b'), wish('a')])],
    [
      ['c', '10.0.0.3'],
      ['b', '10.0.0.2'],
      ['a', '10.0.0.1'],
    ],
  );
});

test('what is asked for goes first, then what it had before, and what is outside or taken is not given', () => {
  const pool = new AddressPool('10.0.0.0/29');
  assert.deepEqual(
    [
      ...pool.assign([
        wish('old', [], ['10.0.0.4']),
        wish('asks', ['192.0.2.1', '10.0.0.1']),
        wish('late', ['10.0.0.1']),
      ]),
    ],
    [
      ['old', '10.0.0.4'],
      ['asks', '10.0.0.1'],
      ['late', '10.0.0.2'],
    ],
  );
});

test('an address that was asked for later is moved to; one that is given back can be had again', () => {
  const pool = new AddressPool('10.0.0.0/30');
  assert.deepEqual([...pool.assign([wish('a')])], [['a', '10.0.0.1']]);
  assert.deepEqual([...pool.assign([wish('a', ['10.0.0.2'])])], [['a', '10.0.0.2']]);
  assert.deepEqual(
    [...pool.assign([wish('b'), wish('c')]).values()].toSorted((a, b) => (a ?? '').localeCompare(b ?? '')),
    ['10.0.0.1', '10.0.0.2'],
  );
  assert.deepEqual([...pool.assign([wish('b'), wish('c'), wish('d')])].at(-1), ['d', undefined]);
});

test('one address is shared by all; IPv6 and nonsense', () => {
  const one = new AddressPool('192.0.2.7');
  assert.deepEqual(
    [...one.assign([wish('a'), wish('b')])],
    [
      ['a', '192.0.2.7'],
      ['b', '192.0.2.7'],
    ],
  );
  const six = new AddressPool('2001:db8::/126');
  assert.deepEqual([...six.assign([wish('a'), wish('b')]).values()], ['2001:db8::', '2001:db8::1']);
  assert.ok(six.has('2001:db8::3') && !six.has('2001:db8::4') && !six.has('10.0.0.1'));
  assert.throws(() => new AddressPool('10.0.0.0/33'), RangeError);
  assert.throws(() => new AddressPool('pool'), RangeError);
});
