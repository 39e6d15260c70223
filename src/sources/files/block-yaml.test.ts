import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { stringify } from 'yaml';
import { readBlockYaml } from './block-yaml.ts';
import { readWithLibrary } from './yaml-document.ts';

/** The fast reader may give up, but what it reads is what the complete parser reads. Says whether it did read. */
function agrees(text: string): boolean {
  const fast = readBlockYaml(text);
  if (fast === undefined) return false;
  const complete = readWithLibrary(text);
  assert.deepEqual(complete, { ok: true, value: fast.value }, text);
  return true;
}

const route = `# a comment
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute   # of a team
metadata:
  name: shop
  annotations: {}
spec:
  hostnames: ["a.example.com", b.example.com, '*.c.example.com']

  parentRefs:
  - name: web
    sectionName:
  rules:
    - matches:
        - path:
            type: PathPrefix
            value: /cart
          headers:
            - name: x-a
              value: 'it''s'
            - { }
      backendRefs:
        -
          name: shop
          port: 8080
        - name: "say \\"hi\\" # no comment"
          weight: 0x10
`;

test('the usual manifest is read by the fast reader', () => {
  assert.ok(agrees(route));
  assert.ok(agrees(route.replaceAll('\n', '\r\n')));
  assert.ok(agrees('a: {b: 1, c: [d, {e: "f"}], g: {}}\nh: [ [1, 2], [] ] # i\n'));
  assert.ok(agrees('a:\n- b\n-\n  - c\n  - - d\n    - e: 1\n      f: 2\n-\ng:\n'));
});

test('what is beyond the subset is left to the complete parser', () => {
  const texts = [
    'a: b: c',
    'a: b\n c',
    'a: &x b',
    'a: *x',
    'a: !!str 1',
    'a: |\n  b',
    'a: >\n  b',
    '? a\n: b',
    'a: "b\n  c"',
  ];
  texts.push(
    'a: {b: 1, b: 2}',
    'a: {b}',
    'a: {b: c: d}',
    'a: {b: 1}c',
    'a: [b]: c',
    'a: {b: 1,}',
    'a:\n\tb: 1',
    'a: 1\na: 2',
    'on: 1',
    '80: a',
    'a: .inf',
    'a: b\n  c: d',
    '- a\nb: c',
    'a:\n  - b\n c: d',
    'a: é',
  );
  texts.push(
    '__proto__: 1',
    'a: "\\x41"',
    'a: [b',
    'a: [b,]',
    "a: 'b' c",
    'a: "b"#c',
    'just text',
    '- a\n - b',
    '<<: *a',
    'a: [b: c]',
  );
  for (const text of texts) assert.equal(readBlockYaml(text), undefined, text);
});

const scalar = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.stringMatching(/^[-+.~a-zA-Z0-9_/*$:# ,[\]{}'"\\|>&!%@`?=<^()]{0,10}$/),
  fc.constantFrom(
    'yes',
    'on',
    'y',
    'NO',
    '0o17',
    '010',
    '1_000',
    '12:30',
    '2024-01-01',
    '1e3',
    '.5',
    '~',
    '',
    '0x1F',
    '+1',
    '-',
  ),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.boolean(),
  fc.constant(null),
);
const tree = fc.letrec<{ node: unknown }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    scalar,
    fc.array(tie('node'), { maxLength: 4 }),
    fc.dictionary(fc.stringMatching(/^[a-zA-Z][-a-zA-Z0-9./_]{0,6}$/), tie('node'), { maxKeys: 4 }),
  ),
})).node;

test('fast and complete reader agree on written trees', () => {
  let read = 0;
  fc.assert(
    fc.property(fc.record({ a: tree, b: tree }), fc.boolean(), (value, indentSeq) => {
      if (agrees(stringify(value, { indentSeq, version: '1.1' }))) read++;
    }),
    { numRuns: 300 },
  );
  assert.ok(read > 30, `${read} of 300 were within the subset`);
});

test('fast and complete reader agree on lines put together at random', () => {
  const piece = fc.constantFrom(
    'a:',
    'b: ',
    '- ',
    '-',
    ' ',
    '  ',
    '    ',
    '\n',
    '\n',
    '\n  ',
    '"x"',
    "'y'",
    '#',
    ' #c',
    '[]',
    '{}',
  );
  const more = fc.constantFrom(
    '[a, b]',
    '{a: b}',
    '{',
    '}',
    '[',
    ']',
    ', ',
    ': ',
    'c',
    '1',
    '0.5',
    'key: value',
    '- item',
    '\r\n',
    '|',
    ':',
    ',',
    '~',
    '/p',
    '"',
    "'",
    '\t',
    '...',
  );
  let read = 0;
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, more), { maxLength: 14 }), (pieces) => {
      if (agrees(pieces.join(''))) read++;
    }),
    { numRuns: 3000 },
  );
  assert.ok(read > 100, `${read} of 3000 were within the subset`);
});

test('fast and complete reader agree on a manifest with one edit', () => {
  const position = fc.nat(route.length + 20);
  const edit = fc.oneof(
    fc.constantFrom('', ' ', '\n', ':', '-', '#', '"', "'", '[', '{', '\t', 'x', ',', '\r'),
    fc.string({ maxLength: 2 }),
  );
  const base = `${route}extra: {a: 1, b: [c, "d"]}\n`;
  fc.assert(
    fc.property(position, edit, fc.nat(2), (at, text, drop) => {
      agrees(base.slice(0, at) + text + base.slice(at + drop));
    }),
    { numRuns: 600 },
  );
});
