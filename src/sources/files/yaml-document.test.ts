import assert from 'node:assert/strict';
import { test } from 'node:test';
import { offsetOf, readWithLibrary, readYaml } from './yaml-document.ts';

function valueOf(text: string): unknown {
  const reading = readYaml(text);
  assert.ok(reading.ok, reading.ok ? '' : reading.message);
  return reading.value;
}

function errorOf(text: string): string {
  const reading = readYaml(text);
  assert.ok(!reading.ok, text);
  return reading.message;
}

test('plain scalars are read as kubectl reads them', () => {
  const cases: readonly [string, unknown][] = [
    ['yes', true],
    ['n', false],
    ['On', true],
    ['oN', 'oN'],
    ['TRUE', true],
    ['010', 8],
    ['0o10', 8],
    ['08', 8],
    ['0x1f', 31],
    ['0b101', 5],
    ['1_000', 1000],
    ['+12', 12],
    ['-0', 0],
    ['-0x10', -16],
    ['.5', 0.5],
    ['1e3', 1000],
    ['1.', 1],
    ['12:30:45', '12:30:45'],
    ['2024-01-01', '2024-01-01'],
    ['2024-01-01T00:00:00Z', '2024-01-01T00:00:00Z'],
    ['1.2.3', '1.2.3'],
    ['_1', '_1'],
    ['~', null],
    ['Null', null],
    ['nULL', 'nULL'],
    ['10s', '10s'],
    ['+', '+'],
    ['/', '/'],
    ['*.example.com', undefined],
  ];
  for (const [text, value] of cases) {
    if (value === undefined) assert.match(errorOf(`a: ${text}`), /alias|anchor/i);
    else assert.deepEqual(valueOf(`a: ${text}`), { a: value }, text);
    if (value !== undefined) assert.deepEqual(readWithLibrary(`a: ${text}`), { ok: true, value: { a: value } }, text);
  }
});

test('quoted text stays text, and explicit tags insist', () => {
  assert.deepEqual(valueOf(`a: "yes"\nb: '010'\nc: !!str 5\nd: !!int "5"`), { a: 'yes', b: '010', c: '5', d: 5 });
  assert.match(errorOf('a: !!int five'), /int/);
});

test('keys become text', () => {
  assert.deepEqual(valueOf('on: 1\n80: 2\n"x": 3'), { true: 1, 80: 2, x: 3 });
  assert.match(errorOf('? [a]\n: b'), /cannot be a key/);
  assert.match(errorOf('~: b'), /cannot be a key/);
});

test('repeated keys are refused, also when they only become equal', () => {
  assert.match(errorOf('a: 1\nb: 2\na: 3'), /"a" stands here twice/);
  assert.match(errorOf('yes: 1\n"true": 3'), /"true" stands here twice/);
});

test('numbers that JSON does not know are refused', () => {
  assert.match(errorOf('a: .inf'), /not a number in JSON/);
  assert.match(errorOf('a: [-.INF]'), /not a number in JSON/);
  assert.match(errorOf('a: .NaN'), /not a number in JSON/);
});

test('anchors, aliases and merges', () => {
  const text = 'base: &b {x: 1, v: 2}\none: *b\ntwo:\n  <<: *b\n  v: 3\nthree:\n  z: 0\n  <<: [{z: 1, w: 2}, *b]\n';
  const base = { x: 1, v: 2 };
  assert.deepEqual(valueOf(text), { base, one: base, two: { v: 3, x: 1 }, three: { z: 0, w: 2, x: 1, v: 2 } });
  assert.match(errorOf('a: &a [*a]'), /contains itself/);
  assert.match(errorOf('a: *b'), /anchor/i);
  assert.match(errorOf('a: {<<: 5}'), /merge/);
});

test('aliases are bounded', () => {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
  for (let i = 1; i < 10; i++)
    lines.push(
      `a${i}: &a${i} [${Array(10)
        .fill(`*a${i - 1}`)
        .join(', ')}]`,
    );
  assert.match(errorOf(lines.join('\n')), /too many values/);
});

test('nesting is bounded', () => {
  assert.match(errorOf('a: ' + '['.repeat(200) + ']'.repeat(200)), /nested too deeply/);
  assert.ok(!readYaml('['.repeat(100_000)).ok);
});

test('an own __proto__ is a key like others', () => {
  const value = valueOf('__proto__: {polluted: true}\na: 1') as Record<string, unknown>;
  assert.deepEqual(Object.keys(value), ['__proto__', 'a']);
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
});

test('an error tells where', () => {
  const reading = readYaml('a: 1\nb: [1, 2\nc: 3\n');
  assert.ok(!reading.ok);
  assert.ok(reading.offset >= 8, `${reading.offset}`);
});

test('a path is found in the text, or the nearest field around it', () => {
  const text =
    'metadata:\n  annotations:\n    nginx.ingress.kubernetes.io/rewrite-target: /\nspec:\n  rules:\n  - name: x\n  - {name: y, backendRefs: [{port: 80}]}\n';
  const line = (path: string): string => text.slice(offsetOf(text, path)).split('\n')[0] as string;
  assert.equal(line(''), 'metadata:');
  assert.equal(line('spec.rules[1].backendRefs[0].port'), 'port: 80}]}');
  assert.equal(line('spec.rules[0]'), 'name: x');
  assert.equal(line('spec.rules[0].matches[0].path'), 'name: x');
  assert.equal(line('spec.rules[7].name'), 'rules:');
  assert.equal(
    line('metadata.annotations.nginx.ingress.kubernetes.io/rewrite-target'),
    'nginx.ingress.kubernetes.io/rewrite-target: /',
  );
  assert.equal(offsetOf('a: [', 'a.b'), 0);
});
