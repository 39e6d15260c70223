// Random sets of objects, valid and not: manifests of this repository with their values changed, with control characters wherever the
// schemas let them through, and with certificates of all kinds; through the whole pipeline to a real Envoy, which refuses nothing.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../src/api/objects.ts';
import { startEnvoyEngine } from '../../src/engines/envoy/engine.ts';
import type { Refusal } from '../../src/engines/stream/resource.ts';
import { Pipeline } from '../../src/pipeline/pipeline.ts';
import { replacement } from '../../src/pipeline/replacement.ts';
import type { LeftOut } from '../../src/routing/engine.ts';
import type { Update } from '../../src/routing/update.ts';
import { isRecord } from '../../src/support/untrusted.ts';
import { envoyBinary, noEnvoy } from '../features/envoy-binary.ts';
import { keyMaterial } from './key-material.ts';
import type { Material } from './odd-certificates.ts';
import { freePort } from '../free-port.ts';

/** Sets; 5000 of them take half an hour. */
const RUNS = Number(process.env['PORTOLAN_NACK_RUNS'] ?? 60);
const root = join(import.meta.dirname, '..', '..');

/** What belongs together. */
const sets: readonly (readonly KubeObject[])[] = ['examples', 'test/golden', 'test/founding/manifests']
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.yaml') && !file.endsWith('.out.yaml'))
      .toSorted()
      .map((file) => objectsOf(readFileSync(join(root, folder, file), 'utf8'))),
  )
  .filter((set) => set.length > 0);

function objectsOf(text: string): readonly KubeObject[] {
  return parseAllDocuments(text)
    .map((document) => document.toJS() as unknown)
    .filter(
      (value): value is KubeObject =>
        isRecord(value) && typeof value['kind'] === 'string' && typeof value['apiVersion'] === 'string',
    )
    .map((object) => ({ ...object, metadata: { namespace: 'default', ...object.metadata } }));
}

/** TLS in all directions: what the Secret is depends on the draw. */
const secured: readonly KubeObject[] = objectsOf(`
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: secured, namespace: default }
spec:
  gatewayClassName: any
  tls: { backend: { clientCertificateRef: { name: drawn } } }
  listeners:
    - { name: one, port: 443, protocol: HTTPS, hostname: one.test, tls: { certificateRefs: [{ name: drawn }] } }
    - { name: two, port: 443, protocol: HTTPS, tls: { certificateRefs: [{ name: drawn }, { name: other }] } }
    - { name: three, port: 8443, protocol: TLS, tls: { mode: Terminate, certificateRefs: [{ name: other }] } }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: secured, namespace: default }
spec:
  parentRefs: [{ name: secured }]
  rules: [{ backendRefs: [{ name: secured, port: 443 }] }]
---
apiVersion: v1
kind: Service
metadata: { name: secured, namespace: default }
spec: { ports: [{ port: 443 }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: { name: secured, namespace: default }
spec:
  targetRefs: [{ group: '', kind: Service, name: secured }]
  validation: { hostname: secured.test, caCertificateRefs: [{ group: '', kind: ConfigMap, name: drawn }] }
`);

function holders(one: Material, two: Material): readonly KubeObject[] {
  const secret = (name: string, { certificate, key }: Material): KubeObject => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace: 'default' },
    type: 'kubernetes.io/tls',
    stringData: { 'tls.crt': certificate, 'tls.key': key },
  });
  const metadata = { name: 'drawn', namespace: 'default' };
  const bundle = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { 'ca.crt': two.certificate } };
  return [secret('drawn', one), secret('other', two), bundle];
}

type Step =
  | { readonly how: 'replace' | 'remove' | 'repeat'; readonly at: number; readonly value: unknown }
  | { readonly how: 'insert'; readonly at: number; readonly value: string };

const odd = fc.constantFrom(
  '\0',
  '\n',
  '\r',
  '\t',
  '\u0001',
  '\u001b',
  '\u007f',
  '\u0085',
  '\u2028',
  '\ud800',
  '%',
  '"',
  '\\',
  'é',
  '€',
  '\u{1f600}',
);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ how: fc.constant('insert' as const), at: fc.nat(1000), value: odd }),
  fc.record({
    how: fc.constantFrom('replace' as const, 'remove' as const, 'repeat' as const),
    at: fc.nat(1000),
    value: fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom(
        '',
        '*',
        '*.',
        '..',
        '/',
        '//',
        '(',
        -1,
        0,
        1,
        65_536,
        1e21,
        null,
        [],
        {},
        '999999h',
        '0s',
        'Exact',
      ),
      fc.constantFrom(
        'RegularExpression',
        'PathPrefix',
        'HTTPS',
        'TLS',
        'UDP',
        'Passthrough',
        'Terminate',
        '(?i)[^\\s]',
        'a{1000}',
      ),
    ),
  }),
);

/** Changes a value somewhere in the object; name and kind stay, since objects are kept by them. */
function changed(object: KubeObject, { how, at, value }: Step): KubeObject {
  const copy = structuredClone(object);
  const places: (readonly [parent: Record<string, unknown>, key: string])[] = [];
  const visit = (parent: Record<string, unknown>): void => {
    for (const [key, inner] of Object.entries(parent)) {
      if (how !== 'insert' || typeof inner === 'string') places.push([parent, key]);
      if (typeof inner === 'object' && inner !== null) visit(inner as Record<string, unknown>);
    }
  };
  for (const [field, inner] of Object.entries(copy)) {
    if (!['kind', 'apiVersion', 'metadata'].includes(field) && isRecord(inner)) visit(inner);
  }
  const place = places[at % Math.max(1, places.length)];
  if (place === undefined) return copy;
  const [parent, key] = place;
  if (how === 'insert') {
    const text = parent[key] as string;
    const cut = at % (text.length + 1);
    parent[key] = text.slice(0, cut) + value + text.slice(cut);
  } else if (how === 'remove' && Array.isArray(parent)) parent.splice(Number(key), 1);
  else if (how === 'remove') delete parent[key];
  else if (how === 'repeat' && Array.isArray(parent)) parent.push(structuredClone(parent[Number(key)]));
  else parent[key] = value;
  return copy;
}

async function pipelineOf(objects: readonly KubeObject[], ports: Map<string, number>): Promise<Pipeline> {
  const pipeline = new Pipeline({
    channel: 'experimental',
    controllerName: 'portolan.dev/gateway-controller',
    classes: 'any',
    presume: true,
    engine: 'envoy',
    awaitEngine: false,
  });
  for (const object of objects) pipeline.apply(object);
  pipeline.settle();
  const binds = [...pipeline.tables.binds.keys()];
  for (const bind of binds) if (!ports.has(bind)) ports.set(bind, await freePort());
  pipeline.place(binds.map((bind) => ({ bind, address: '127.0.0.1', port: ports.get(bind) as number })));
  pipeline.settle();
  return pipeline;
}

test(`an Envoy refuses nothing of ${RUNS} random sets of objects`, { skip: noEnvoy, timeout: 7_200_000 }, async (t) => {
  const refusals: Refusal[] = [];
  const blamed: LeftOut[] = [];
  const binary = envoyBinary();
  const engine = await startEnvoyEngine({
    ...(binary === undefined ? {} : { envoy: binary }),
    onRefusal: (refusal) => refusals.push(refusal),
    onLeftOut: (rows) => blamed.push(...rows),
  });
  t.after(() => engine.close());
  const ports = new Map<string, number>();
  const material = await keyMaterial();
  const drawn = fc.record({
    set: fc.constantFrom(...sets),
    steps: fc.array(fc.tuple(fc.nat(100), step), { maxLength: 5 }),
    one: material,
    two: material,
  });
  let before: Update = { version: 0 };
  let tables = 0;
  await fc.assert(
    fc.asyncProperty(drawn, async ({ set, steps, one, two }) => {
      const objects = [...set, ...secured];
      for (const [which, each] of steps) {
        const at = which % objects.length;
        objects[at] = changed(objects[at] as KubeObject, each);
      }
      const next = (await pipelineOf([...objects, ...holders(one, two)], ports)).snapshot();
      blamed.length = 0;
      await engine.apply(replacement(before, next));
      before = next;
      tables += next.rules?.set.length ?? 0;
      const told = refusals.splice(0).map(({ names, message }) => `${names.join(', ')}: ${message}`);
      assert.equal(told.length === 0 ? '' : `${told.join('\n')}\n${JSON.stringify(blamed)}`, '');
    }),
    { numRuns: RUNS, endOnFailure: true },
  );
  t.diagnostic(`${tables} rules in ${RUNS} sets, ${ports.size} ports`);
  // About one in each; by chance it can be much less.
  assert.ok(tables > RUNS / 10, 'sets have something to serve');
});
