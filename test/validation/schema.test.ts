// Schema keywords, defaults, unknown fields; and nothing throws, whatever comes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { kindsOf } from '../../src/api/kinds.ts';
import type { KubeObject } from '../../src/api/objects.ts';
import { validate, validateAs } from '../../src/api/validate.ts';
import { objectOf } from './objects.ts';

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

test('what the branches of oneOf and anyOf want', () => {
  const gateway = (addresses: unknown): KubeObject => ({
    ...route({ gatewayClassName: 'a', listeners: [{ name: 'a', port: 80, protocol: 'HTTP' }], addresses }),
    kind: 'Gateway',
  });
  const result = validate(gateway([{ value: '192.0.2.300' }, { type: 'Hostname', value: 'a.com' }]), 'standard');
  assert.ok(!result.ok);
  assert.deepEqual(
    result.problems.map(({ path, message }) => [path, message]),
    [['spec.addresses[0].value', 'is "192.0.2.300"; must be an IPv4 address or an IPv6 address']],
  );
});

test('numbers that only YAML has', () => {
  for (const port of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const result = validate(route({ parentRefs: [{ name: 'a', port }] }), 'standard');
    assert.ok(!result.ok);
    assert.equal(result.problems[0]?.message, `must be an integer, is number ${port}`);
  }
});

test('a null stays where it may stand, and nowhere else', () => {
  const slice = (ready: unknown): KubeObject => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'a', namespace: 'b' },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['192.0.2.1'], conditions: { ready } }],
  });
  const result = validate(slice(null), 'standard');
  assert.ok(result.ok);
  assert.deepEqual(result.object['endpoints'], [{ addresses: ['192.0.2.1'], conditions: { ready: null } }]);
  const list = validate(route({ hostnames: [null] }), 'standard');
  assert.ok(!list.ok);
  assert.equal(list.problems[0]?.message, 'must be a string, is null');
});

test('no rule is evaluated on a value of the wrong structure, and every rule on any other', () => {
  const problemsOf = (path: unknown, method: unknown): readonly string[] => {
    const result = validate(route({ rules: [{ matches: [{ path, method }] }] }), 'standard');
    return result.ok ? [] : result.problems.map(({ rule }) => rule.slice(0, 20));
  };
  assert.deepEqual(problemsOf({ value: 'a' }, 'get'), ['enum']);
  assert.deepEqual(problemsOf({ value: 'a' }, undefined), ["(self.type in ['Exac"]);
});

test('an object is validated by the version that it names', () => {
  const grant = (apiVersion: string, from: unknown): KubeObject => ({
    apiVersion,
    kind: 'ReferenceGrant',
    metadata: { name: 'a', namespace: 'b' },
    spec: { from, to: [{ group: '', kind: 'Service' }] },
  });
  for (const version of ['v1', 'v1beta1']) {
    assert.equal(validate(grant(`gateway.networking.k8s.io/${version}`, undefined), 'standard').ok, false, version);
  }
  assert.equal(validate(grant('example.com/v1', undefined), 'standard').ok, true, 'a kind without schema');
  const old = grant('gateway.networking.k8s.io/v1alpha2', undefined);
  assert.equal(validateAs({ group: 'gateway.networking.k8s.io', kind: 'ReferenceGrant' }, old, 'standard').ok, false);
});

test('defaults are shared, and nobody can change them', () => {
  const first = validate(route({ rules: [{}] }), 'standard');
  const second = validate(route({ rules: [{}] }), 'standard');
  assert.ok(first.ok && second.ok);
  const matches = (spec: unknown): unknown => (spec as { rules: { matches: unknown }[] }).rules[0]?.matches;
  assert.equal(matches(first.object['spec']), matches(second.object['spec']));
  assert.ok(Object.isFrozen(matches(first.object['spec'])));
});

test('the object given is left as it was', () => {
  const given = route({ parentRefs: [{ name: 'a' }], rules: [{ backendRefs: [{ name: 'b', port: 1, other: 2 }] }] });
  const before = JSON.stringify(given);
  validate(given, 'standard');
  assert.equal(JSON.stringify(given), before);
});

const kinds = [...kindsOf('experimental').values()].filter(({ group }) => group.startsWith('gateway.'));

test('an object that was accepted is accepted again as it came out', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...kinds).chain((kind) => objectOf(kind, kind.current)),
      (object) => {
        const once = validate(object as unknown as KubeObject, 'experimental');
        if (!once.ok) return;
        assert.deepEqual(validate(once.object, 'experimental'), { ok: true, object: once.object, warnings: [] });
      },
    ),
    { numRuns: 200 },
  );
});

test('nothing throws, whatever stands in place of an object', () => {
  const apiVersions = ['gateway.networking.k8s.io/v1', 'networking.k8s.io/v1', 'v1', 'discovery.k8s.io/v1'];
  const names = [...kindsOf('experimental').values()].map(({ kind }) => kind);
  const json = fc.jsonValue({ maxDepth: 6 });
  const spec = fc.oneof(
    json,
    fc.constantFrom(...kinds).chain((kind) => objectOf(kind, kind.current).map((object) => object['spec'])),
  );
  fc.assert(
    fc.property(
      fc.record({
        apiVersion: fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...apiVersions) }, json),
        kind: fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...names) }, json),
        metadata: fc.oneof({ weight: 9, arbitrary: fc.constant<unknown>({ name: 'a', namespace: 'b' }) }, json),
        spec,
        endpoints: json,
        ports: json,
      }),
      (object) => {
        validate(object as unknown as KubeObject, 'standard');
        validate(object as unknown as KubeObject, 'experimental');
      },
    ),
    { numRuns: 400 },
  );
});

test('a key called __proto__ or constructor is a key like others', () => {
  const evil = JSON.parse(
    '{"__proto__": {"polluted": true}, "rules": [{"matches": [{"__proto__": {"path": 1}, "constructor": 1}]}]}',
  ) as unknown;
  const result = validate(route(evil), 'standard');
  assert.deepEqual(
    result.warnings.map(({ path }) => path),
    ['spec.__proto__', 'spec.rules[0].matches[0].__proto__', 'spec.rules[0].matches[0].constructor'],
  );
  const tls = JSON.parse('{"certificateRefs":[{"name":"a"}],"options":{"__proto__":"a","constructor":"b"}}') as unknown;
  const gateway = { gatewayClassName: 'a', listeners: [{ name: 'a', port: 443, protocol: 'HTTPS', tls }] };
  const accepted = validate({ ...route(gateway), kind: 'Gateway' }, 'standard');
  assert.ok(accepted.ok);
  assert.match(JSON.stringify(accepted.object), /"options":\{"__proto__":"a","constructor":"b"\}/);
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
});

test('an object deeper than any stack is walked only as deep as its schema', () => {
  let deep: unknown = 1;
  for (let n = 0; n < 100_000; n++) deep = n % 2 === 0 ? { rules: deep } : [deep];
  validate(route(deep), 'standard');
  validate(route({ rules: deep, other: deep, hostnames: [deep] }), 'standard');
  validate(
    { ...route(deep), apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata: deep as never },
    'standard',
  );
});

function problemPaths(object: KubeObject, channel: 'standard' | 'experimental' = 'standard'): readonly string[] {
  const result = validate(object, channel);
  return result.ok ? [] : result.problems.map(({ path }) => path);
}

function gateway(spec: Readonly<Record<string, unknown>>): KubeObject {
  const listeners = [{ name: 'a', port: 80, protocol: 'HTTP' }];
  return { ...route({ gatewayClassName: 'a', listeners, ...spec }), kind: 'Gateway' };
}

// Each was a difference to the API server once (npm run validation).
test('of a list that is too long the items are looked at as well', () => {
  const hostnames = ['not a name', ...Array.from({ length: 16 }, (_, at) => `h${at}.com`)];
  assert.deepEqual(problemPaths(route({ hostnames })), ['spec.hostnames', 'spec.hostnames[0]']);
});

test('an integer is one of 64 bits, and of 32 where the schema says so', () => {
  const policy = (denominator: number): KubeObject => ({
    ...route({
      targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'a' }],
      tracing: {
        mode: 'Enabled',
        provider: { backendRef: { name: 'a', port: 1 } },
        samplingRate: { numerator: 1, denominator },
      },
    }),
    apiVersion: 'gateway.networking.x-k8s.io/v1alpha1',
    kind: 'XTelemetryPolicy',
  });
  assert.deepEqual(problemPaths(policy(2 ** 31 - 1), 'experimental'), []);
  assert.deepEqual(problemPaths(policy(2 ** 31), 'experimental'), ['spec.tracing.samplingRate.denominator']);
  assert.deepEqual(problemPaths(policy(1e30), 'experimental'), ['spec.tracing.samplingRate.denominator']);
});

test('forms are told apart by what was written, also where its type is wrong', () => {
  assert.deepEqual(problemPaths(gateway({ addresses: [{ type: 0, value: 'a.com' }] })), ['spec.addresses[0].type']);
  assert.deepEqual(problemPaths(gateway({ addresses: [{ type: {}, value: 'a.com' }] })), ['spec.addresses[0].type']);
  const both = problemPaths(gateway({ addresses: [{ value: 'a.com', type: 'IPAddress' }], infrastructure: 1 }));
  assert.deepEqual(both, ['spec.addresses[0].value', 'spec.infrastructure']);
});

test('an IPv4 address may have leading zeros, which mean nothing', () => {
  assert.deepEqual(problemPaths(gateway({ addresses: [{ value: '192.0.2.01' }] })), []);
  assert.deepEqual(problemPaths(gateway({ addresses: [{ value: '192.0.2.0256' }] })), ['spec.addresses[0].value']);
});

test('items are not compared by their names where one of them is no object', () => {
  const twice = { name: 'a', port: 80, protocol: 'HTTP' };
  assert.deepEqual(problemPaths(gateway({ listeners: [twice, 0, twice] })), ['spec.listeners[1]']);
});

test('no rule is evaluated on an object whose metadata keeps it from being stored', () => {
  const object = gateway({ listeners: [{ name: 'a', port: 80, protocol: 'HTTP', tls: {} }] });
  assert.ok(problemPaths(object).length > 0);
  assert.deepEqual(problemPaths({ ...object, metadata: { ...object.metadata, name: '' } }), ['metadata.name']);
});
