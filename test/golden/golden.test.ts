// Golden cases: `<area>/<case>.in.yaml` is what a user could `kubectl apply`; `<case>.out.yaml` is what Portolan makes of
// it. UPDATE_GOLDEN=1 writes the outputs; each changed line is to be read, for it must be what the specification says.
//
// The first comment of a case says what it shows. `# option NAME: VALUE` sets an option of the pipeline.
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { isClusterScoped } from '../../src/api/kinds.ts';
import type { KubeObject } from '../../src/api/objects.ts';
import { groupOf } from '../../src/api/objects.ts';
import type { PipelineOptions } from '../../src/pipeline/pipeline.ts';
import { Pipeline } from '../../src/pipeline/pipeline.ts';
import { controllerName, readable } from './readable.ts';

const updating = process.env['UPDATE_GOLDEN'] === '1';

for (const name of globSync('*/*.in.yaml', { cwd: import.meta.dirname }).toSorted()) {
  test(`golden ${name.slice(0, -'.in.yaml'.length)}`, () => {
    const input = readFileSync(join(import.meta.dirname, name), 'utf8');
    const outputPath = join(import.meta.dirname, name.replace(/\.in\.yaml$/, '.out.yaml'));
    const actual = settled(input);
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

function settled(input: string): string {
  const pipeline = new Pipeline({
    channel: 'standard',
    controllerName,
    classes: 'any',
    presume: true,
    engine: 'embedded',
    awaitEngine: false,
    ...optionsIn(input),
  });
  for (const document of parseAllDocuments(input)) {
    const object = document.toJS() as KubeObject | null;
    if (object !== null) pipeline.apply(withNamespace(object));
  }
  pipeline.settle();
  return readable(pipeline);
}

function optionsIn(input: string): Partial<PipelineOptions> {
  const lines = input.matchAll(/^# option ([A-Za-z]+): (.*)$/gm);
  return Object.fromEntries([...lines].map(([, name, value]) => [name, parse(value as string)]));
}

function withNamespace(object: KubeObject): KubeObject {
  const { metadata } = object;
  if (metadata.namespace !== undefined || isClusterScoped(groupOf(object.apiVersion), object.kind)) return object;
  return { ...object, metadata: { ...metadata, namespace: 'default' } };
}
