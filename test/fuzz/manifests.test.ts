// Random and mutated manifests: nothing throws, and a valid neighbour serves what it served alone. PORTOLAN_FUZZ_RUNS=10000
// for a long run.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../src/api/objects.ts';
import { dump } from '../../src/pipeline/dump.ts';
import { Pipeline } from '../../src/pipeline/pipeline.ts';
import { explain } from '../../src/tools/explain/explain.ts';
import { lint } from '../../src/tools/lint/lint.ts';
import { upgrade } from '../../src/tools/upgrade/upgrade.ts';

const runs = Number(process.env['PORTOLAN_FUZZ_RUNS'] ?? 400);
const root = join(import.meta.dirname, '..', '..');

/** Everything that the repository has as an example, as seeds. */
const seeds: readonly KubeObject[] = ['examples', 'test/golden', 'test/founding/manifests'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.yaml') && !file.endsWith('.out.yaml'))
    .flatMap((file) =>
      parseAllDocuments(readFileSync(join(root, folder, file), 'utf8')).map((document) => document.toJS() as unknown),
    )
    .filter(
      (value): value is KubeObject =>
        isObject(value) && typeof value['kind'] === 'string' && typeof value['apiVersion'] === 'string',
    )
    .map((object) => ({ ...object, metadata: { namespace: 'default', ...object.metadata } })),
);

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

type Step = { readonly at: number; readonly value: unknown; readonly how: 'replace' | 'remove' | 'repeat' };

const step: fc.Arbitrary<Step> = fc.record({
  at: fc.nat(1000),
  value: fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom('', '*', '*.', '..', '/', '//', '(', '\u0000', -1, 0, 65_536, 1e21, null, [], {}, '999999h'),
  ),
  how: fc.constantFrom('replace', 'remove', 'repeat'),
});

/** Changes one value somewhere in the object; name and kind stay, since objects are kept by them. */
function mutate(object: KubeObject, { at, value, how }: Step): KubeObject {
  const copy = structuredClone(object);
  const places: (readonly [parent: Record<string, unknown> | unknown[], key: string])[] = [];
  const visit = (parent: Record<string, unknown> | unknown[]): void => {
    for (const key of Object.keys(parent)) {
      places.push([parent, key]);
      const inner = (parent as Record<string, unknown>)[key];
      if (typeof inner === 'object' && inner !== null) visit(inner as Record<string, unknown>);
    }
  };
  for (const [field, inner] of Object.entries(copy)) {
    if (['kind', 'apiVersion', 'metadata'].includes(field)) continue;
    places.push([copy, field]);
    if (typeof inner === 'object' && inner !== null) visit(inner as Record<string, unknown>);
  }
  const place = places[at % Math.max(1, places.length)];
  if (place === undefined) return copy;
  const [parent, key] = place;
  if (how === 'remove' && Array.isArray(parent)) parent.splice(Number(key), 1);
  else if (how === 'remove' && !Array.isArray(parent)) delete parent[key];
  else if (how === 'repeat' && Array.isArray(parent))
    parent.push(...Array.from({ length: 3 }, () => structuredClone(parent[Number(key)])));
  else (parent as Record<string, unknown>)[key] = value;
  return copy;
}

const neighbour: readonly KubeObject[] = [
  {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { name: 'good', namespace: 'good' },
    spec: { gatewayClassName: 'good', listeners: [{ name: 'http', port: 80, protocol: 'HTTP' }] },
  },
  { apiVersion: 'v1', kind: 'Service', metadata: { name: 'good', namespace: 'good' }, spec: { ports: [{ port: 80 }] } },
  {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: 'good', namespace: 'good' },
    spec: {
      parentRefs: [{ name: 'good' }],
      hostnames: ['good.example.com'],
      rules: [{ backendRefs: [{ name: 'good', port: 80 }] }],
    },
  },
];

function pipelineOf(objects: readonly KubeObject[]): Pipeline {
  const pipeline = new Pipeline({
    channel: 'standard',
    controllerName: 'portolan.dev/gateway-controller',
    classes: 'any',
    presume: true,
    engine: 'embedded',
    awaitEngine: false,
  });
  for (const object of objects) pipeline.apply(object);
  pipeline.settle();
  return pipeline;
}

const asked = { method: 'GET', url: 'http://good.example.com/', headers: [], gateway: 'good/good' } as const;

/** Without what is said of objects that take no part. */
function answers({ tables }: Pipeline): string {
  const explanation = explain(tables, asked);
  assert.ok('answers' in explanation);
  return JSON.stringify(explanation.answers);
}

test('nothing throws on mutated manifests, and a valid neighbour serves as it did alone', () => {
  const alone = answers(pipelineOf(neighbour));
  assert.match(alone, /good\/good/);
  const objects = fc.array(fc.tuple(fc.constantFrom(...seeds), fc.array(step, { maxLength: 3 })), {
    minLength: 1,
    maxLength: 4,
  });
  fc.assert(
    fc.property(objects, (chosen) => {
      const mutated = chosen.map(([seed, steps]) => steps.reduce(mutate, seed));
      const pipeline = pipelineOf([...mutated, ...neighbour]);
      assert.equal(answers(pipeline), alone);
      JSON.stringify(dump(pipeline.tables));
      lint(pipeline);
      upgrade(mutated, 'standard');
      for (const object of [...mutated, ...neighbour]) pipeline.delete(object);
      pipeline.settle();
      assert.deepEqual(
        [...pipeline.tables.routes.keys(), ...pipeline.tables.gateways.keys(), ...pipeline.tables.virtualHosts.keys()],
        [],
      );
    }),
    { numRuns: runs },
  );
});
