// Golden cases of Envoy: what some manifests become as resources, whole, in `envoy/<case>.yaml`. UPDATE_GOLDEN=1 writes them; each
// changed line is to be read. Code is shown by its hash, the settings of HTTP in one case and then by theirs, and resources that differ in
// nothing but their name once.
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { stringify } from 'yaml';
import { printedResources } from '../../src/engines/envoy/printed.ts';
import { settled } from './settled.ts';

const updating = process.env['UPDATE_GOLDEN'] === '1';
const folder = join(import.meta.dirname, 'envoy');

/** The case that shows the settings of HTTP. */
const WHOLE = 'httpbin-gateway';

/** By name, from this folder. */
const cases: Readonly<Record<string, string>> = {
  'httpbin-gateway': '../founding/manifests/05-httpbin-gateway.yaml',
  certificate: 'tls/certificate.in.yaml',
  'client-certificate': 'backend-tls/client-certificate.in.yaml',
  'rewrite-and-redirect': 'filters/rewrite-and-redirect.in.yaml',
  'streams-tls': 'streams/tls.in.yaml',
};

for (const [name, manifests] of Object.entries(cases)) {
  test(`golden envoy/${name}`, () => {
    const actual = resourcesOf(readFileSync(join(import.meta.dirname, manifests), 'utf8'), name === WHOLE ? hidden : hiddenToo);
    const path = join(folder, `${name}.yaml`);
    mkdirSync(folder, { recursive: true });
    if (updating) writeFileSync(path, actual);
    assert.ok(existsSync(path), `${path} is missing; UPDATE_GOLDEN=1 writes it`);
    assert.equal(actual, readFileSync(path, 'utf8'));
  });
}

test('every golden of Envoy has its case', () => {
  assert.deepEqual(
    readdirSync(folder).toSorted(),
    Object.keys(cases)
      .map((name) => `${name}.yaml`)
      .toSorted(),
  );
});

type Hide = (field: string, value: unknown) => unknown;

function resourcesOf(input: string, hide: Hide): string {
  const pipeline = settled(input);
  const { tables } = pipeline;
  const binds = [...tables.binds.keys()].flatMap((key) => tables.binds.get(key) ?? []);
  pipeline.place(binds.map(({ key, port }) => ({ bind: key, address: '0.0.0.0', port })));
  pipeline.settle();
  const { resources, leftOut } = printedResources(pipeline.snapshot());
  const byType = resources.map(({ type, resources: list }) => [type.slice(type.lastIndexOf('.') + 1), alike(list, hide)]);
  assert.doesNotMatch(JSON.stringify(byType), /PRIVATE KEY/);
  return stringify(
    { ...Object.fromEntries(byType), ...(leftOut.length > 0 && { leftOut }) },
    { aliasDuplicateObjects: false, lineWidth: 0 },
  );
}

/** Resources that say the same of themselves, but for their name, as one with all the names. */
function alike(resources: readonly unknown[], hide: Hide): readonly unknown[] {
  const groups = new Map<string, { readonly names: string[]; readonly resource: object }>();
  for (const each of resources) {
    const { name, ...rest } = each as { readonly name?: string };
    const shown = JSON.parse(JSON.stringify(rest, hide)) as object;
    // What is called after the resource itself is no difference.
    const key = JSON.stringify(shown).replaceAll(JSON.stringify(name ?? ''), '"<name>"');
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { names: name === undefined ? [] : [name], resource: shown });
    else if (name !== undefined) group.names.push(name);
  }
  return [...groups.values()].map(({ names, resource }) => {
    if (names.length < 2) return { ...(names[0] === undefined ? {} : { name: names[0] }), ...resource };
    const own = JSON.stringify(resource).replaceAll(JSON.stringify(names[0]), '"<name>"');
    return { names, ...(JSON.parse(own) as object) };
  });
}

/** Code of ours by its hash. */
function hidden(field: string, value: unknown): unknown {
  if (field !== 'inline_string' || typeof value !== 'string' || value.length < 200) return value;
  return hashed(value);
}

/** The settings of HTTP as well: they are much the same in all listeners. */
function hiddenToo(field: string, value: unknown): unknown {
  const { '@type': type = '' } = (value ?? {}) as { readonly '@type'?: string };
  return type.endsWith('.HttpConnectionManager') ? hashed(JSON.stringify(value)) : hidden(field, value);
}

function hashed(text: string): string {
  return `[${hash('sha256', text).slice(0, 12)}]`;
}
