// The behaviour that the official conformance tests of Gateway API v1.7 ask for, in cases of our own: objects through the
// pipeline and the embedded engine to real sockets, statuses with them. official.ts says which test has which case.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from '../engine-tests.ts';
import { parseAllDocuments } from 'yaml';
import { features } from '../../../src/status/features.ts';
import { checkStep, type Case } from './case.ts';
import { elsewhere, official } from './official.ts';
import { World, type Sketch } from './world.ts';

const folder = join(import.meta.dirname, 'cases');
const cases: readonly Case[] = readdirSync(folder)
  .filter((name) => name.endsWith('.yaml'))
  .toSorted()
  .flatMap((name) =>
    parseAllDocuments(readFileSync(join(folder, name), 'utf8'), { merge: true }).map((each) => each.toJS() as Case),
  );

const world = new World();
before(() => world.start());
after(() => world.close());

for (const one of cases) {
  test(`${one.test} (${one.features.join(', ')})`, async () => {
    const objects = new Map<string, Sketch>();
    try {
      for (const step of [one, ...(one.then ?? [])]) {
        for (const object of step.delete ?? []) objects.delete(identity(object));
        for (const object of step.objects ?? []) objects.set(identity(object), object);
        await checkStep(world, step, [...objects.values()]);
      }
    } finally {
      await world.delete([...objects.values()]);
    }
    assert.deepEqual(world.leftovers(), []);
  });
}

test('every official test of HTTP, gRPC and Gateways has its case, or a reason why not', () => {
  const covered = [...cases.map((one) => one.test), ...Object.keys(elsewhere)];
  assert.deepEqual(covered.toSorted(), official.toSorted());
});

test('the cases show features that are claimed', () => {
  const claimed = new Set(features.map(({ name }) => name));
  for (const one of cases) for (const name of one.features) assert.ok(claimed.has(name), `${one.test}: ${name}`);
});

function identity({ kind, metadata }: Sketch): string {
  return `${kind}/${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;
}
