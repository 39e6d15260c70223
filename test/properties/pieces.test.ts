// A large first configuration in pieces is the same configuration, in pieces that are small, and listens last.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inPieces } from '../../src/engines/stream/client/pieces.ts';
import { Rows } from '../../src/routing/rows.ts';
import { modelOf } from '../features/fleet-fixture.ts';

test('1,700 routes come in pieces of at most 500 rows, and what listens comes last', () => {
  const model = modelOf({ gateway: 'ns/web', port: 1, backendPort: 2, routes: 1700 });
  const pieces = inPieces(model);
  const [whole, rows] = [new Rows(), new Rows()];
  whole.apply({ version: 1, ...model });
  for (const piece of pieces) {
    rows.apply({ version: 1, ...piece });
    for (const table of ['rules', 'clusters', 'endpoints'] as const) assert.ok((piece[table]?.set.length ?? 0) <= 500);
    for (const { inserted } of piece.virtualHosts ?? []) assert.ok(inserted.length <= 500);
  }
  assert.ok(pieces.length > 12);
  assert.deepEqual(Object.keys(pieces.at(-1) ?? {}), ['frontends', 'binds', 'placements']);
  assert.ok(pieces.slice(0, -1).every((piece) => piece.binds === undefined && piece.frontends === undefined));
  assert.deepEqual(rows.all(), whole.all());
});
