// Schema keywords, defaults, unknown fields; and nothing throws, whatever comes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { KubeObject } from '../../src/api/objects.ts';
import { validate } from '../../src/api/validate.ts';

function route(spec: unknown): KubeObject {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: 'a', namespace: 'b' },
    spec,
  };
}

const cases: readonly [what: string, spec: unknown, path: string, rule: string][] = [
  ['a wrong type', { hostnames: 'a.com' }, 'spec.hostnames', 'type'],
  ['too many items', { hostnames: Array.from({ length: 17 }, (_, at) => `h${at}.com`) }, 'spec.hostnames', 'maxItems'],
  ['a pattern', { hostnames: ['http://a.com'] }, 'spec.hostnames[0]', 'pattern'],
  ['an empty string', { hostnames: [''] }, 'spec.hostnames[0]', 'minLength'],
  ['a long string', { hostnames: ['a'.repeat(254)] }, 'spec.hostnames[0]', 'maxLength'],
  ['an enum', { rules: [{ matches: [{ method: 'get' }] }] }, 'spec.rules[0].matches[0].method', 'enum'],
  ['a missing field', { parentRefs: [{}] }, 'spec.parentRefs[0].name', 'required'],
  ['a maximum', { parentRefs: [{ name: 'a', port: 70_000 }] }, 'spec.parentRefs[0].port', 'maximum'],
  [
    'a repeated key of a map list',
    {
      rules: [
        {
          matches: [
            {
              headers: [
                { name: 'a', value: '1' },
                { name: 'a', value: '2' },
              ],
            },
          ],
        },
      ],
    },
    'spec.rules[0].matches[0].headers[1]',
    'list-type=map',
  ],
  ['a number that is not whole', { parentRefs: [{ name: 'a', port: 1.5 }] }, 'spec.parentRefs[0].port', 'type'],
];

for (const [what, spec, path, rule] of cases) {
  test(`refused: ${what}`, () => {
    const result = validate(route(spec), 'standard');
    assert.ok(!result.ok);
    assert.deepEqual(
      result.problems.map((problem) => [problem.path, problem.rule]),
      [[path, rule]],
    );
  });
}

test('defaults are filled in, deep down, and only where their parent stands', () => {
  const result = validate(
    route({ parentRefs: [{ name: 'g' }], rules: [{ backendRefs: [{ name: 's', port: 80 }] }] }),
    'standard',
  );
  assert.ok(result.ok);
  assert.deepEqual(result.object['spec'], {
    parentRefs: [{ name: 'g', group: 'gateway.networking.k8s.io', kind: 'Gateway' }],
    rules: [
      {
        backendRefs: [{ name: 's', port: 80, group: '', kind: 'Service', weight: 1 }],
        matches: [{ path: { type: 'PathPrefix', value: '/' } }],
      },
    ],
  });
});

test('null counts as absent, and an unknown field is dropped with a word about it', () => {
  const result = validate(route({ hostnames: null, hostname: ['a.com'], rules: null }), 'standard');
  assert.ok(result.ok);
  assert.deepEqual(result.object['spec'], { rules: [{ matches: [{ path: { type: 'PathPrefix', value: '/' } }] }] });
  assert.deepEqual(
    result.warnings.map(({ path }) => path),
    ['spec.hostname'],
  );
  assert.match(result.warnings[0]?.message ?? '', /did you mean hostnames/);
});

test('an experimental field is unknown in the standard channel and known in the other', () => {
  const spec = {
    rules: [{ sessionPersistence: { type: 'Header', header: { name: 'x' } }, backendRefs: [{ name: 's', port: 80 }] }],
  };
  assert.deepEqual(
    validate(route(spec), 'standard').warnings.map(({ path }) => path),
    ['spec.rules[0].sessionPersistence'],
  );
  assert.deepEqual(validate(route(spec), 'experimental').warnings, []);
});

test('nothing throws, and a key called __proto__ changes no prototype', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('HTTPRoute', 'Gateway', 'GRPCRoute', 'Ingress', 'Service', 'EndpointSlice'),
      fc.jsonValue({ maxDepth: 6 }),
      (kind, spec) => {
        const apiVersion =
          kind === 'Ingress'
            ? 'networking.k8s.io/v1'
            : kind === 'Service'
              ? 'v1'
              : kind === 'EndpointSlice'
                ? 'discovery.k8s.io/v1'
                : 'gateway.networking.k8s.io/v1';
        validate({ apiVersion, kind, metadata: { name: 'a' }, spec, endpoints: spec, ports: spec }, 'standard');
      },
    ),
    { numRuns: 500 },
  );
  const evil = JSON.parse(
    '{"__proto__": {"polluted": true}, "rules": [{"matches": [{"__proto__": {"path": 1}}]}]}',
  ) as unknown;
  validate(route(evil), 'standard');
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
});

test('an object deeper than any schema is refused, not recursed into without end', () => {
  let deep: unknown = 1;
  for (let n = 0; n < 10_000; n++) deep = { rules: [deep] };
  validate(route(deep), 'standard');
});
