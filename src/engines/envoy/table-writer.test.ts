// The version of a table is another one whenever its octets are, and the same when they are.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { codec } from './encode.ts';
import { messageOf, types } from './names.ts';
import { pieceOf, TableWriter } from './table-writer.ts';

const HOST = 'envoy.config.route.v3.VirtualHost';

type Host = readonly [name: string, pieces: readonly (readonly string[])[]];

/** Few names, so that many tables are alike; pieces of several routes, so that the same octets are cut in several ways. */
const hosts: fc.Arbitrary<readonly Host[]> = fc.array(
  fc.tuple(
    fc.constantFrom('a', 'b'),
    fc.array(fc.array(fc.constantFrom('r', 's', 'long'.repeat(500)), { minLength: 1, maxLength: 2 }), { maxLength: 3 }),
  ),
  { minLength: 1, maxLength: 3 },
);

function tableOf(table: TableWriter, of: readonly Host[]): ReturnType<TableWriter['table']> {
  const write = (): void => {
    for (const [name, pieces] of of) {
      const fields = pieces.map((names) => pieceOf(HOST, { routes: names.map((route) => ({ name: route })) }));
      table.host(name, [name, `${name}.`], fields);
    }
  };
  return table.table('table', { write });
}

test('a table is what its pieces say', () => {
  const of: readonly Host[] = [
    ['a', [['r'.repeat(300)], ['s', 't']]],
    ['b', []],
  ];
  const { name, bytes } = tableOf(new TableWriter(), of);
  assert.equal(name, 'table');
  const decoded = codec.decode(messageOf(types.routes), bytes);
  assert.equal(decoded['name'], 'table');
  assert.deepEqual(decoded['virtual_hosts'], [
    { name: 'a', domains: ['a', 'a.'], routes: [{ name: 'r'.repeat(300) }, { name: 's' }, { name: 't' }] },
    { name: 'b', domains: ['b', 'b.'] },
  ]);
});

test('tables have different versions where their octets differ', () => {
  const table = new TableWriter();
  const octets = new Map<string, string>();
  fc.assert(
    fc.property(hosts, (of) => {
      const { version, bytes } = tableOf(table, of);
      const known = octets.get(version) ?? Buffer.from(bytes).toString('hex');
      assert.equal(Buffer.from(bytes).toString('hex'), known);
      octets.set(version, known);
      assert.equal(tableOf(table, of).version, version);
    }),
    { numRuns: 500 },
  );
  assert.ok(octets.size > 20);
});

test('a table that failed leaves nothing in the next', () => {
  const table = new TableWriter();
  const of: readonly Host[] = [['a', [['r']]]];
  const whole = tableOf(table, of);
  assert.throws(() =>
    table.table('broken', {
      write: () => {
        table.host('b', ['b'], []);
        throw new Error('no host');
      },
    }),
  );
  assert.deepEqual(tableOf(table, of), whole);
});
