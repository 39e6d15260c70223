// What a real API server refused of mutated objects, recorded: the same fields are refused here, and no others.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recordedCases } from './recorded.ts';
import { agree, ourVerdict } from './verdict.ts';

for (const channel of ['standard', 'experimental'] as const) {
  const cases = recordedCases(channel);
  for (const [kind, group] of Map.groupBy(cases, ({ object }) => object.kind)) {
    test(`${group.length} objects of kind ${kind}, ${channel} channel: refused as by an API server`, () => {
      const differing = group
        .map(({ name, object, theirs }) => ({ name, ours: ourVerdict(object, channel), theirs }))
        .filter(({ ours, theirs }) => !agree(ours, theirs));
      assert.deepEqual(differing, []);
    });
  }

  test(`what is recorded of the ${channel} channel is of every sort`, () => {
    const accepted = cases.filter(({ theirs }) => theirs.refused.length === 0 && theirs.unknown.length === 0).length;
    assert.ok(cases.length >= 150 && accepted > cases.length / 10 && accepted < cases.length / 2);
    assert.ok(cases.some(({ theirs }) => theirs.unknown.length > 0) && cases.some(({ theirs }) => theirs.first));
  });
}
