import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Entry } from '../routing/model.ts';
import type { Update, VirtualHostChange } from '../routing/update.ts';
import { mergeUpdates } from './merged-update.ts';

function entry(match: number, path: string): Entry {
  return {
    rule: 'g|HTTPRoute/ns/r|0',
    match: { protocol: 'http', path: { type: 'prefix', value: path }, headers: [], query: [] },
    rank: { hostname: '', created: '', route: 'ns/r', rule: 0, match },
  };
}

/** State of one host and of the rules, and the update from one state to the next. */
type State = { readonly entries: ReadonlyMap<number, string>; readonly rules: ReadonlyMap<string, number> };

function difference(before: State, after: State, version: number): Update {
  const gone = [...before.entries].filter(([match, path]) => after.entries.get(match) !== path);
  const come = [...after.entries].filter(([match, path]) => before.entries.get(match) !== path);
  const host: VirtualHostChange = {
    key: 'f|',
    frontend: 'f',
    hostname: '',
    removed: gone.map(([match, path]) => entry(match, path)),
    inserted: come.map(([match, path]) => entry(match, path)),
  };
  const set = [...after.rules].filter(([key, value]) => before.rules.get(key) !== value);
  const placements = {
    set: set.map(([bind, port]) => ({ bind, address: '', port })),
    delete: [...before.rules.keys()].filter((key) => !after.rules.has(key)),
  };
  return {
    version,
    ...(gone.length + come.length === 0 ? {} : { virtualHosts: [host] }),
    ...(placements.set.length + placements.delete.length === 0 ? {} : { placements }),
  };
}

function applied(state: State, update: Update | undefined): State {
  const entries = new Map(state.entries);
  for (const { removed, inserted } of update?.virtualHosts ?? []) {
    for (const { rank, match } of removed) {
      assert.equal(entries.get(rank.match), match.path.value, 'only what is there is removed');
      entries.delete(rank.match);
    }
    for (const { rank, match } of inserted) {
      assert.ok(!entries.has(rank.match), 'nothing is inserted twice');
      entries.set(rank.match, match.path.value);
    }
  }
  const rules = new Map(state.rules);
  for (const key of update?.placements?.delete ?? []) rules.delete(key);
  for (const { bind, port } of update?.placements?.set ?? []) rules.set(bind, port);
  return { entries, rules };
}

function sorted(state: State): unknown {
  return [[...state.entries].sort(([a], [b]) => a - b), [...state.rules].sort(([a], [b]) => (a < b ? -1 : 1))];
}

test('one merged update leads where the updates lead one after the other', () => {
  const entries = fc.uniqueArray(fc.tuple(fc.nat(5), fc.constantFrom('/a', '/b')), {
    selector: ([match]) => match,
    maxLength: 6,
  });
  const rules = fc.uniqueArray(fc.tuple(fc.constantFrom('x', 'y', 'z'), fc.nat(2)), {
    selector: ([key]) => key,
    maxLength: 3,
  });
  const state = fc.record({ entries: entries.map((list) => new Map(list)), rules: rules.map((list) => new Map(list)) });
  fc.assert(
    fc.property(fc.array(state, { minLength: 2, maxLength: 5 }), (states) => {
      const first = states[0] as State;
      let before = first;
      const updates = states.slice(1).map((after, index) => {
        const update = difference(before, after, index + 1);
        before = after;
        return update;
      });
      const merged = mergeUpdates(updates);
      assert.equal(merged?.version, updates.length);
      assert.deepEqual(sorted(applied(first, merged)), sorted(before));
      if (sorted(first) === sorted(before)) assert.deepEqual(Object.keys(merged ?? {}), ['version']);
    }),
    { numRuns: 500 },
  );
  assert.equal(mergeUpdates([]), undefined);
});
