import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LeftOut } from '../../../routing/engine.ts';
import { HeldRows, type RowTable } from './held-rows.ts';
import { RefusedRows } from './refused-rows.ts';

/** Rows of which only what is looked at is there. */
function heldWith(rows: Partial<Record<RowTable, Readonly<Record<string, unknown>>>>): HeldRows {
  const held = new HeldRows();
  for (const [table, byName] of Object.entries(rows))
    for (const [name, row] of Object.entries(byName)) held.put(table as RowTable, name, { version: '1', row });
  return held;
}

function rule(key: string, ...clusters: readonly string[]): object {
  const backends = clusters.map((cluster) => ({ target: { kind: 'cluster', cluster } }));
  return { key, action: { kind: 'forward', backends } };
}

function words(rows: readonly LeftOut[]): readonly string[] {
  return rows.map(({ table, key, faults }) =>
    [table, key, ...faults.map(({ effect, reason }) => `${effect}: ${reason}`)].join(' '),
  );
}

test('what is held is served as it was before, and what is not is left out', () => {
  const refused = new RefusedRows();
  const held = heldWith({ rules: { old: rule('old') } });
  refused.set('rules', 'old', 'odd', held);
  refused.set('certificates', 'ns/new', 'odd', held);
  assert.deepEqual(words(refused.leftOut(held)), [
    'rules old differs: odd; it is served as it was before',
    'certificates ns/new dropped: odd',
  ]);
  refused.delete('rules', 'old');
  assert.deepEqual(words(refused.leftOut(held)), ['certificates ns/new dropped: odd']);
});

test('matches are told of their rule, which other hosts may have', () => {
  const refused = new RefusedRows();
  const held = heldWith({});
  const one = 'ns/gw/http|a.test|ns/gw|HTTPRoute/ns/one|0';
  refused.set('hostEntries', one, 'odd', held);
  const key = 'ns/gw|HTTPRoute/ns/one|0';
  assert.deepEqual(words(refused.leftOut(held)), [`rules ${key} dropped: its matches of a.test: odd`]);
  const others = heldWith({ hostEntries: { [one.replace('a.test', '')]: {} } });
  assert.deepEqual(words(refused.leftOut(others)), [`rules ${key} differs: its matches of a.test: odd`]);
});

test('clusters and endpoints are told of the rules that lead there, by how many of their backends are left', () => {
  const refused = new RefusedRows();
  const held = heldWith({
    rules: {
      none: rule('none', 'a'),
      half: rule('half', 'a', 'c'),
      both: rule('both', 'a', 'b'),
      fine: rule('fine', 'c'),
    },
    clusters: { b: { key: 'b', endpoints: 'lost' }, c: { key: 'c', endpoints: 'there' } },
    endpoints: { there: {} },
  });
  refused.set('clusters', 'a', 'odd', held);
  refused.set('endpoints', 'lost', 'strange', held);
  assert.deepEqual(words(refused.leftOut(held)), [
    'clusters a dropped: odd',
    'rules none dropped: its backend: odd',
    'rules half differs: its backend: odd',
    'rules both dropped: its backend: odd dropped: its backend: strange',
  ]);
});

test('a port for which nothing is held fails', () => {
  const refused = new RefusedRows();
  const held = heldWith({ placements: { 'ns/gw:81/tcp': {} } });
  refused.set('placements', 'ns/gw:80/tcp', 'odd', held);
  refused.set('placements', 'ns/gw:81/tcp', 'odd', held);
  assert.deepEqual(refused.failed(held), [{ bind: 'ns/gw:80/tcp', state: 'failed', code: 'EREFUSED', message: 'odd' }]);
});

test('what went while there was no stream is forgotten once the next one has said everything', () => {
  const refused = new RefusedRows();
  const held = heldWith({});
  refused.begin();
  refused.set('rules', 'gone', 'odd', held);
  refused.set('rules', 'stays', 'odd', held);
  refused.begin();
  refused.set('rules', 'stays', 'odd', held);
  assert.equal(refused.leftOut(held).length, 2, 'until then it counts');
  refused.settle();
  assert.deepEqual(words(refused.leftOut(held)), ['rules stays dropped: odd']);
});

test('a rule of requests that was never held is answered 500, and told as left out, until there is one', () => {
  const refused = new RefusedRows();
  const held = heldWith({});
  for (const kind of ['HTTPRoute', 'GRPCRoute', 'TLSRoute'])
    refused.set('rules', `ns/gw|${kind}/ns/one|2`, 'odd', held);
  const rules = held.commit()?.rules?.set ?? [];
  assert.deepEqual(
    rules.map(({ key, protocol, action, origin }) => [key, protocol, action, origin.path]),
    [
      ['ns/gw|HTTPRoute/ns/one|2', 'http', { kind: 'respond', status: 500 }, 'spec.rules[2]'],
      ['ns/gw|GRPCRoute/ns/one|2', 'grpc', { kind: 'respond', status: 500 }, 'spec.rules[2]'],
    ],
  );
  const [first = ''] = words(refused.leftOut(held));
  assert.equal(first, 'rules ns/gw|HTTPRoute/ns/one|2 dropped: odd');
});
