import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkMetadata } from './metadata.ts';

const refused: readonly [what: string, kind: string, metadata: unknown, path: string, words: RegExp][] = [
  ['no metadata', 'HTTPRoute', undefined, 'metadata.name', /is required/],
  ['metadata that is none', 'HTTPRoute', 'a', 'metadata', /must be an object, is string "a"/],
  ['an empty name', 'HTTPRoute', { name: '' }, 'metadata.name', /is required/],
  ['a name that is a number', 'HTTPRoute', { name: 1 }, 'metadata.name', /must be a string, is number 1/],
  ['capitals in a name', 'HTTPRoute', { name: 'Web' }, 'metadata.name', /is "Web"; must be a DNS name/],
  ['a long name', 'HTTPRoute', { name: 'a'.repeat(254) }, 'metadata.name', /must be a DNS name: at most 253/],
  ['a dot in the name of a Service', 'Service', { name: 'a.b' }, 'metadata.name', /must be a DNS label/],
  ['a dot in the name of a Namespace', 'Namespace', { name: 'a.b' }, 'metadata.name', /must be a DNS label/],
  ['a dot in a namespace', 'HTTPRoute', { name: 'a', namespace: 'b.c' }, 'metadata.namespace', /must be a DNS label/],
  ['a namespace of another type', 'HTTPRoute', { name: 'a', namespace: {} }, 'metadata.namespace', /DNS label/],
  ['labels that are a list', 'HTTPRoute', { name: 'a', labels: [] }, 'metadata.labels', /is an array/],
  ['a label that is a number', 'HTTPRoute', { name: 'a', labels: { b: 1 } }, 'metadata.labels.b', /write it in quotes/],
  ['a label with spaces', 'HTTPRoute', { name: 'a', labels: { b: 'c d' } }, 'metadata.labels.b', /at most 63 letters/],
  ['the key of a label', 'HTTPRoute', { name: 'a', labels: { 'B_/c': '' } }, 'metadata.labels.B_/c', /qualified name/],
  ['an annotation', 'HTTPRoute', { name: 'a', annotations: { b: true } }, 'metadata.annotations.b', /is boolean true/],
  [
    'the key of an annotation',
    'Gateway',
    { name: 'a', annotations: { '/': '' } },
    'metadata.annotations./',
    /qualified/,
  ],
  [
    'annotations that are too large',
    'Gateway',
    { name: 'a', annotations: { b: 'c'.repeat(262_144) } },
    'metadata.annotations',
    /at most 262144/,
  ],
];

for (const [what, kind, metadata, path, words] of refused) {
  test(`refuses ${what}`, () => {
    const { problems } = checkMetadata(kind, metadata);
    assert.deepEqual(
      problems.map((problem) => problem.path),
      [path],
    );
    assert.match(problems[0]?.message ?? '', words);
  });
}

test('accepts what Kubernetes accepts', () => {
  const metadata = {
    name: 'a.b-1',
    namespace: 'default',
    labels: { 'app.kubernetes.io/name': 'Web_1.x', empty: '' },
    annotations: { 'Example.com/Key': 'anything, at all\n', b: '' },
    ownerReferences: [],
  };
  assert.deepEqual(checkMetadata('HTTPRoute', metadata), { value: metadata, problems: [], warnings: [] });
});

test('a field that metadata does not have is named, with the one that was meant', () => {
  const { warnings } = checkMetadata('HTTPRoute', { name: 'a', lables: {}, constructor: 1 });
  assert.deepEqual(
    warnings.map(({ path, message }) => [path, message]),
    [
      ['metadata.lables', 'is not a field of metadata and is ignored; did you mean labels?'],
      ['metadata.constructor', 'is not a field of metadata and is ignored'],
    ],
  );
});
