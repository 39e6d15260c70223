// The import table of ARCHITECTURE.md against the real imports of src/.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { test } from 'node:test';

const src = join(import.meta.dirname, '..', 'src');
const pipeline = ['api', 'upgrade', 'routing', 'translate', 'status', 'incremental', 'support'];
const everything = [...pipeline, 'pipeline', 'sources', 'engines/embedded', 'engines/envoy', 'engines/stream', 'tools'];

const mayImport: Readonly<Record<string, readonly string[]>> = {
  support: [],
  incremental: ['support'],
  api: ['support'],
  sources: ['api', 'support'],
  routing: ['support'],
  upgrade: ['api', 'routing', 'incremental', 'support'],
  translate: ['api', 'routing', 'incremental', 'support'],
  status: ['api', 'routing', 'support'],
  pipeline,
  'engines/embedded': ['routing', 'support', 'engines/stream'],
  'engines/envoy': ['routing', 'support', 'engines/stream'],
  'engines/stream': ['routing', 'support'],
  tools: ['pipeline', ...pipeline],
  controller: everything,
  dashboard: everything,
  cli: [...everything, 'controller', 'dashboard'],
};

function folderOf(path: string): string {
  const parts = relative(src, path).split(sep);
  return parts[0] === 'engines' ? `${parts[0]}/${parts[1]}` : (parts[0] as string);
}

for (const file of readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))) {
  test(`${file} imports only what its folder may`, () => {
    const path = join(src, file);
    const from = folderOf(path);
    const allowed = mayImport[from];
    assert.ok(allowed, `src/${from} is not in the import table`);
    for (const [, target] of readFileSync(path, 'utf8').matchAll(
      /^(?:import|export)\b[^'"]*?from '(\.[^']*)'|^import '(\.[^']*)'/gm,
    )) {
      if (target === undefined) continue;
      const to = folderOf(join(dirname(path), target));
      assert.ok(to === from || allowed.includes(to), `${from} may not import ${to} (${target})`);
    }
  });
}
