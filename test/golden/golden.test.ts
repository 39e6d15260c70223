// Golden cases: `<area>/<case>.in.yaml` is what a user could `kubectl apply`; `<case>.out.yaml` is what Portolan makes of
// it. UPDATE_GOLDEN=1 writes the outputs; each changed line is to be read, for it must be what the specification says.
//
// The first comment of a case says what it shows. `# option NAME: VALUE` sets an option of the pipeline.
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readable } from './readable.ts';
import { settled } from './settled.ts';

const updating = process.env['UPDATE_GOLDEN'] === '1';

for (const name of globSync('*/*.in.yaml', { cwd: import.meta.dirname }).toSorted()) {
  test(`golden ${name.slice(0, -'.in.yaml'.length)}`, () => {
    const input = readFileSync(join(import.meta.dirname, name), 'utf8');
    const outputPath = join(import.meta.dirname, name.replace(/\.in\.yaml$/, '.out.yaml'));
    const actual = readable(settled(input));
    if (updating) writeFileSync(outputPath, actual);
    assert.ok(existsSync(outputPath), `${outputPath} is missing; UPDATE_GOLDEN=1 writes it`);
    assert.equal(actual, readFileSync(outputPath, 'utf8'));
  });
}

test('every golden output has its input', () => {
  const orphans = globSync('*/*.out.yaml', { cwd: import.meta.dirname }).filter(
    (name) => !existsSync(join(import.meta.dirname, name.replace(/\.out\.yaml$/, '.in.yaml'))),
  );
  assert.deepEqual(orphans, []);
});
