// Rows -> bytes -> rows: whatever a row holds arrives, for rows made at random and for those that a pipeline makes; bytes of a later
// version are taken or refused as portolan/v1/model.proto says, and no bytes break the reader.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import protobuf from 'protobufjs/light.js';
import { readDescriptors } from '../../src/engines/stream/descriptors.ts';
import { Undecodable } from '../../src/engines/stream/rows/message.ts';
import { codecs, type WireRows, type WireTable, wireTables } from '../../src/engines/stream/rows/tables.ts';
import { Pipeline } from '../../src/pipeline/pipeline.ts';
import type { Filter, Redirect } from '../../src/routing/filters.ts';
import type { Action, Entry, Match, Rule, WeightedBackend } from '../../src/routing/model.ts';
import type { Origin } from '../../src/routing/origin.ts';
import type { Problem } from '../../src/routing/problem.ts';
import { history } from './pipeline-objects.ts';

const runs = Number(process.env['PROPERTY_RUNS'] ?? 200);

const text = fc.oneof(fc.string({ maxLength: 12, unit: 'grapheme' }), fc.constantFrom('', 'example.com', '/', 'a|b'));
const texts = fc.array(text, { maxLength: 3 });
const port = fc.integer({ min: 0, max: 65_535 });
const count = fc.nat(4_294_967_295);
/** Milliseconds and octets: whole numbers far beyond 32 bits, and fractions. */
const amount = fc.oneof(fc.maxSafeNat(), fc.double({ min: 0, max: 1e6, noNaN: true }));

/** Every field, those of `some` sometimes absent. */
function row<A extends object, B extends object = object>(
  all: { [K in keyof A]: fc.Arbitrary<A[K]> },
  some: { [K in keyof B]: fc.Arbitrary<B[K]> } = {} as { [K in keyof B]: fc.Arbitrary<B[K]> },
): fc.Arbitrary<A & Partial<B>> {
  return fc
    .tuple(fc.record(all), fc.record(some, { requiredKeys: [] }))
    .map(([a, b]) => ({ ...a, ...b }) as unknown as A & Partial<B>);
}

const object = row({ group: text, kind: text, namespace: text, name: text });
/** Mostly of one object, as rows have them. */
const shared = { group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: 'shop', name: 'checkout' };
const origin: fc.Arbitrary<Origin> = row({ object: fc.oneof(fc.constant(shared), object), path: text });
const problem = fc.oneof(
  row({ code: fc.constant('BackendNotFound'), at: origin, backend: object }, { port }),
  row({ code: fc.constant('DroppedRule'), at: origin, message: text }),
  row({
    code: fc.constant('InvalidListenerFilterRef'),
    at: origin,
    problem: row({ code: fc.constant('NoParent'), at: origin }),
  }),
) as unknown as fc.Arbitrary<Problem>;

const headerValues = fc.array(row({ name: text, value: text }), { maxLength: 2 });
const headers = { set: headerValues, add: headerValues, remove: texts };
const path = fc.oneof(
  row({ type: fc.constant('full' as const), value: text }),
  row({ type: fc.constant('prefix' as const), prefix: text, value: text }),
  row({ type: fc.constant('regex' as const), pattern: text, value: text }),
);
const check = fc.oneof(
  row({ protocol: fc.constant('grpc' as const) }),
  row({ protocol: fc.constant('http' as const), path: text }, { responseHeaders: texts }),
);
const filter = fc.oneof(
  row({ origin, kind: fc.constant('request-headers'), ...headers }),
  row({ origin, kind: fc.constant('response-headers'), ...headers }),
  row({ origin, kind: fc.constant('rewrite') }, { hostname: text, path }),
  row({ origin, kind: fc.constant('mirror'), cluster: text, numerator: count, denominator: count }),
  row({
    origin,
    kind: fc.constant('cors'),
    allowOrigins: texts,
    allowMethods: texts,
    allowHeaders: texts,
    exposeHeaders: texts,
    allowCredentials: fc.boolean(),
    maxAge: count,
  }),
  row({ origin, kind: fc.constant('external-auth'), check, bodyLimit: amount }, { cluster: text, headers: texts }),
) as unknown as fc.Arbitrary<Filter>;
const filters = fc.array(filter, { maxLength: 2 });
const redirect = row(
  { status: fc.constantFrom(301, 302, 303, 307, 308), origin },
  { scheme: fc.constantFrom('http', 'https'), hostname: text, port, path },
) as unknown as fc.Arbitrary<Redirect>;

const session = row(
  { type: fc.constantFrom('cookie' as const, 'header' as const), name: text, path: text, permanent: fc.boolean() },
  { absoluteTimeout: amount, drawn: fc.constant(true as const) },
);
const target = fc.oneof(
  row({ kind: fc.constant('cluster' as const), cluster: text }),
  row({ kind: fc.constant('unresolved' as const), problem }),
);
const backend = row(
  { weight: count, target, filters, origin },
  { session },
) as unknown as fc.Arbitrary<WeightedBackend>;
const action = fc.oneof(
  row({ kind: fc.constant('forward' as const), backends: fc.array(backend, { maxLength: 3 }) }),
  row({ kind: fc.constant('redirect' as const), redirect }),
  row({ kind: fc.constant('respond' as const), status: count }, { problem }),
) as fc.Arbitrary<Action>;

const values = fc.array(row({ type: fc.constantFrom('exact' as const, 'regex' as const), name: text, value: text }), {
  maxLength: 2,
});
const protocol = fc.constantFrom('http' as const, 'grpc' as const, 'stream' as const);
const match = row(
  {
    protocol,
    path: row({ type: fc.constantFrom('exact' as const, 'prefix', 'regex', 'grpc-method'), value: text }),
    headers: values,
    query: values,
  },
  { method: text },
) as unknown as fc.Arbitrary<Match>;
const rank = row(
  { hostname: text, created: text, route: text, rule: count, match: count },
  { explicit: fc.double({ noNaN: true }) },
);
const hostEntries = row({
  frontend: text,
  hostname: text,
  rule: text,
  entries: fc.array(row({ match, rank }), { maxLength: 3 }),
}).map((each) => ({ ...each, entries: each.entries.map((entry) => ({ rule: each.rule, ...entry }) as Entry) }));

const clients = row({ mode: fc.constantFrom('require' as const, 'request' as const), authorities: texts });
const listenerTls = fc.oneof(
  row({ mode: fc.constant('terminate' as const), certificates: texts }, { clients }),
  row({ mode: fc.constant('passthrough' as const) }),
);
const clusterTls = row(
  {
    serverName: text,
    names: fc.array(row({ type: fc.constantFrom('dns' as const, 'uri' as const), value: text }), { maxLength: 2 }),
    authorities: fc.oneof(fc.constant('system' as const), texts),
  },
  { certificate: text },
);
const retryBudget = row({ percent: count, interval: amount, minimum: row({ count, interval: amount }) });

const arbitraries: { readonly [T in WireTable]: fc.Arbitrary<WireRows[T]> } = {
  endpoints: row({
    key: text,
    endpoints: fc.array(
      row(
        { id: text, address: text, port, ready: fc.boolean(), serving: fc.boolean(), terminating: fc.boolean() },
        { zone: text },
      ),
      { maxLength: 3 },
    ),
  }),
  certificates: row({
    key: text,
    certificate: text,
    privateKey: fc.string({ minLength: 1 }),
    names: texts,
    notAfter: text,
    fingerprint: text,
  }),
  trustBundles: row({ key: text, certificates: text }),
  clusters: row(
    {
      key: text,
      protocol: fc.constantFrom('http1', 'h2c', 'h2', 'tcp', 'udp'),
      endpoints: text,
      backend: row({ kind: text, namespace: text, name: text, port }),
    },
    { tls: clusterTls, proxyProtocol: fc.constantFrom('v1', 'v2'), retryBudget },
  ) as unknown as fc.Arbitrary<WireRows['clusters']>,
  rules: row(
    { key: text, protocol, filters, timeouts: row({}, { request: amount, backendRequest: amount }), action, origin },
    { name: text, retry: row({ attempts: count, codes: fc.array(count, { maxLength: 3 }) }, { backoff: amount }) },
  ) as unknown as fc.Arbitrary<Rule>,
  frontends: row(
    {
      key: text,
      bind: text,
      gateway: text,
      listener: text,
      protocol: fc.constantFrom('HTTP', 'HTTPS', 'TLS', 'TCP', 'UDP'),
      port,
      hostname: text,
      publicPorts: fc.dictionary(port.map(String), port, { maxKeys: 3, noNullPrototype: true }),
      origin,
    },
    { tls: listenerTls, filters: fc.array(filter, { minLength: 1, maxLength: 2 }) },
  ) as unknown as fc.Arbitrary<WireRows['frontends']>,
  hostEntries,
  binds: row(
    {
      key: text,
      gateway: text,
      port,
      transport: fc.constantFrom('tcp', 'udp'),
      security: fc.constantFrom('none', 'tls'),
      frontends: texts,
    },
    { proxyProtocol: fc.constant(true as const) },
  ) as unknown as fc.Arbitrary<WireRows['binds']>,
  placements: row({ bind: text, address: text, port }),
  revision: row({ digest: text }),
};

for (const table of wireTables) {
  test(`${table}: any row arrives as it is`, () => {
    const { encode, decode } = codecs[table] as {
      encode: (row: unknown) => Uint8Array;
      decode: (bytes: Uint8Array) => unknown;
    };
    fc.assert(
      fc.property(arbitraries[table] as fc.Arbitrary<unknown>, (row) => {
        assert.deepEqual(decode(encode(row)), row);
        assert.deepEqual(encode(structuredClone(row)), encode(row), 'the same row has the same bytes');
      }),
      { numRuns: runs },
    );
  });

  test(`${table}: any bytes are read or refused`, () => {
    const { encode, decode } = codecs[table] as {
      encode: (row: unknown) => Uint8Array;
      decode: (bytes: Uint8Array) => unknown;
    };
    const damaged = fc
      .tuple(arbitraries[table] as fc.Arbitrary<unknown>, fc.nat(), fc.nat(255), fc.boolean())
      .map(([row, at, octet, cut]) => {
        const bytes = Buffer.from(encode(row));
        if (bytes.length > 0) bytes[at % bytes.length] = octet;
        return cut ? bytes.subarray(0, at % (bytes.length + 1)) : bytes;
      });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 64 }), damaged), (bytes) => {
        try {
          decode(bytes);
        } catch (error) {
          assert.ok(error instanceof Undecodable, String(error));
        }
      }),
      { numRuns: runs },
    );
  });
}

test('rows that a pipeline makes arrive as they are', () => {
  fc.assert(
    fc.property(history, (steps) => {
      const pipeline = new Pipeline({
        channel: 'standard',
        controllerName: 'x.y/us',
        classes: 'any',
        presume: true,
        engine: 'embedded',
        awaitEngine: false,
      });
      for (const { object } of steps) pipeline.apply(object);
      pipeline.settle();
      const update = pipeline.snapshot();
      const rows = [
        ...(['binds', 'frontends', 'rules', 'clusters', 'endpoints', 'certificates'] as const).flatMap((table) =>
          (update[table]?.set ?? []).map((row): [WireTable, unknown] => [table, row]),
        ),
        ...(update.virtualHosts ?? []).map(({ frontend, hostname, inserted }): [WireTable, unknown] => [
          'hostEntries',
          {
            frontend,
            hostname,
            rule: inserted[0]?.rule,
            entries: inserted.filter(({ rule }) => rule === inserted[0]?.rule),
          },
        ]),
      ];
      for (const [table, row] of rows) {
        const codec = codecs[table] as { encode: (row: unknown) => Uint8Array; decode: (bytes: Uint8Array) => unknown };
        assert.deepEqual(codec.decode(codec.encode(row)), JSON.parse(JSON.stringify(row)), table);
      }
    }),
    { numRuns: Math.min(runs, 60) },
  );
});

const root = readDescriptors('../../src/engines/stream/generated/portolan.json', import.meta.url);

function later(message: string, more: (type: protobuf.Type) => void): protobuf.Type {
  const json = root.toJSON();
  const next = protobuf.Root.fromJSON(structuredClone(json));
  const type = next.lookupType(`portolan.v1.${message}`);
  more(type);
  next.resolveAll();
  return type;
}

const aRule = fc.sample(arbitraries.rules, { numRuns: 1, seed: 1 })[0] as Rule;

test('a field of a later version is ignored', () => {
  const type = later('Rule', (type) => type.add(new protobuf.Field('novelty', 99, 'string')));
  const message = type.decode(codecs.rules.encode(aRule)) as unknown as Record<string, unknown>;
  const bytes = type.encode({ ...message, novelty: 'x' }).finish();
  assert.deepEqual(codecs.rules.decode(bytes), aRule);
});

test('what must not be missed is refused: a need, a kind of filter, an action, a value of an enum', () => {
  const message = (bytes: Uint8Array): Record<string, unknown> =>
    root.lookupType('portolan.v1.Rule').decode(bytes) as unknown as Record<string, unknown>;
  const plain = message(codecs.rules.encode({ ...aRule, filters: [] }));
  const needing = root
    .lookupType('portolan.v1.Rule')
    .encode({ ...plain, needs: ['client-quota'] })
    .finish();
  assert.throws(() => codecs.rules.decode(needing), { code: 'EUNDECODABLE' });
  const type = later('Filter', (type) => type.add(new protobuf.Field('firewall', 12, 'string')));
  const rule = type.root.lookupType('portolan.v1.Rule');
  const filtered = rule.encode({ ...plain, filters: [{ firewall: 'x' }] }).finish();
  assert.throws(() => codecs.rules.decode(filtered), { code: 'EUNDECODABLE' });
  const idle = { ...plain, forward: null, redirect: null, respond: null };
  assert.throws(() => codecs.rules.decode(rule.encode(idle).finish()), { code: 'EUNDECODABLE' });
  assert.throws(() => codecs.rules.decode(rule.encode({ ...plain, protocol: 9 }).finish()), { code: 'EUNDECODABLE' });
});
