// Objects of a kind out of its schema, for property tests: mostly of the right structure, with values that its rules turn on,
// and now and then something that does not belong there.
import fc from 'fast-check';
import type { Kind } from '../../src/api/kinds.ts';
import { compilePattern } from '../../src/api/patterns.ts';
import type { Schema } from '../../src/api/schema.ts';

/** Few, so that names meet; from what the rules and patterns of the CRDs tell apart. */
const words: readonly string[] = [
  '',
  'a',
  'b',
  'x-a',
  'X-A',
  'a.example.com',
  '*.example.com',
  'example.com',
  'example.com/a',
  'Example.com',
  '*',
  'a/b',
  'k8s.io/a',
  'Cluster',
  'http',
  'https://example.com',
  '/',
  '/a',
  '/a/',
  '/a//b',
  '/a/./b',
  '/a/..',
  '/%2f',
  '/a#',
  '/a b',

  '0s',
  '1s',
  '10s',
  '500ms',
  '1h',
  '2h',
  '1h30m',
  '1.5s',
  '99999h',
  '192.0.2.1',
  '::1',
  '::ffff:192.0.2.1',
  '1.2.3',

  'Service',
  'Gateway',
  'Secret',
  'XBackend',
  'ClusterTrustBundle',
  'gateway.networking.k8s.io',
  'gateway.networking.x-k8s.io',

  'certificates.k8s.io',
  'core',
  'HTTP',
  'HTTPS',
  'TLS',
  'TCP',
  'UDP',
  'Hostname',
  'IPAddress',
  'svc.cluster.local',
  'System',

  '.*',
  'foo.Bar',
  'Get',
  '1Get',
  'value with spaces',
  ' a',
  'a\u00e9',
  '\u{1f600}',
  'spiffe://a/b',
  '__proto__',
  'constructor',
];
const numbers: readonly number[] = [0, 1, 2, 80, 443, 100, 65_535, 65_536, -1, 1.5, 2_147_483_648];

export function objectOf(kind: Kind, version: string): fc.Arbitrary<Record<string, unknown>> {
  const schema = kind.versions.find(({ name }) => name === version)?.schema;
  const { spec } = schema?.properties ?? {};
  if (spec === undefined) throw new Error(`${kind.kind} ${version} has no spec`);
  const metadata = kind.namespaced ? { name: 'a', namespace: 'b' } : { name: 'a' };
  return fc.record({
    apiVersion: fc.constant(`${kind.group}/${version}`),
    kind: fc.constant(kind.kind),
    metadata: fc.constant(metadata),
    spec: valueOf(spec),
  });
}

/** A value for the schema, of the right type but for one in some dozens. */
export function valueOf(schema: Schema): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 60, arbitrary: fitting(schema) }, { weight: 1, arbitrary: anything });
}

const anything: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(null, true, '', 'a', 0, 1.5),
  fc.constantFrom<unknown>([], {}, ['a', 'a'], { a: null }, JSON.parse('{"__proto__":{"a":1}}')),
);

function fitting(schema: Schema): fc.Arbitrary<unknown> {
  if (schema['x-kubernetes-int-or-string'] === true) return fc.constantFrom<unknown>(80, '80', 'http');
  switch (schema.type) {
    case 'object':
      return object(schema);
    case 'array':
      return fc.array(valueOf(schema.items ?? {}), {
        minLength: Math.min(schema.minItems ?? 0, 1),
        maxLength: Math.min(schema.maxItems ?? 3, 3),
        size: 'medium',
      });
    case 'string':
      return text(schema);
    case 'integer':
    case 'number':
      return number(schema);
    case 'boolean':
      return fc.boolean();
    default:
      return anything;
  }
}

function object(schema: Schema): fc.Arbitrary<unknown> {
  const { properties = {}, required = [], additionalProperties } = schema;
  if (typeof additionalProperties === 'object')
    return fc.dictionary(fc.constantFrom(...words), valueOf(additionalProperties), { maxKeys: 3 });
  const names = Object.keys(properties);
  const fields: Record<string, fc.Arbitrary<unknown>> = {};
  for (const name of names) fields[name] = valueOf(properties[name] ?? {});
  const written = fc.record(fields, { requiredKeys: [] });
  const wanted = fc.record(Object.fromEntries(Object.entries(fields).filter(([name]) => required.includes(name))));
  const stranger = fc.oneof(
    { weight: 40, arbitrary: fc.constant({}) },
    { weight: 1, arbitrary: fc.dictionary(fc.constantFrom(...words), anything, { maxKeys: 1 }) },
  );
  // Usually what is required is there.
  return fc
    .tuple(written, wanted, stranger, fc.nat(40))
    .map(([some, all, strange, chance]) =>
      chance === 0 ? { ...some, ...strange } : { ...all, ...thinned(some, chance), ...strange },
    );
}

/** Drops every third field or so: full objects break too many rules at once. */
function thinned(fields: Readonly<Record<string, unknown>>, chance: number): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter((_, at) => (at * 7 + chance) % 5 < 2));
}

const fits = new Map<string, readonly string[]>();

function text(schema: Schema): fc.Arbitrary<unknown> {
  const { pattern, enum: values } = schema;
  const any = fc.constantFrom(...words);
  if (values !== undefined)
    return fc.oneof({ weight: 30, arbitrary: fc.constantFrom(...values) }, { weight: 1, arbitrary: any });
  const good = goodWords(pattern, schema.minLength ?? 0);
  if (good.length === 0) return any;
  return fc.oneof({ weight: 12, arbitrary: fc.constantFrom(...good) }, { weight: 1, arbitrary: any });
}

function goodWords(pattern: string | undefined, minLength: number): readonly string[] {
  const key = `${minLength} ${pattern}`;
  let good = fits.get(key);
  if (good === undefined) {
    const accepts = pattern === undefined ? (): boolean => true : compilePattern(pattern);
    fits.set(key, (good = words.filter((word) => word.length >= minLength && accepts(word))));
  }
  return good;
}

function number({ minimum = 0, maximum = 65_535 }: Schema): fc.Arbitrary<unknown> {
  const good = numbers.filter((each) => Number.isInteger(each) && each >= minimum && each <= maximum);
  const any = fc.constantFrom(...numbers);
  return good.length === 0
    ? any
    : fc.oneof({ weight: 20, arbitrary: fc.constantFrom(...good) }, { weight: 1, arbitrary: any });
}
