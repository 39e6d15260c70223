// Random rows, valid and not, sent to a real Envoy: it never refuses anything, since what it would refuse is left out before. And one
// refusal that is made on purpose is told, while the rest is served.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { startEnvoyEngine } from '../../src/engines/envoy/engine.ts';
import type { Refusal } from '../../src/engines/stream/resource.ts';
import type { Filter, PathChange } from '../../src/routing/filters.ts';
import type { LeftOut } from '../../src/routing/engine.ts';
import type { Action, ClusterTls, PathMatch, ValueMatch } from '../../src/routing/model.ts';
import type { Update, VirtualHostChange } from '../../src/routing/update.ts';
import { envoyBinary, noEnvoy } from '../features/envoy-binary.ts';
import { origin, type Route, ruleKey, updateOf } from '../features/engine-fixture.ts';
import { freePort } from '../free-port.ts';

/** Models; 5000 of them take some ten minutes. */
const RUNS = Number(process.env['PORTOLAN_NACK_RUNS'] ?? 60);

const odd = fc.string({
  unit: fc.constantFrom(
    'a',
    'Z',
    '0',
    '-',
    '_',
    '.',
    ' ',
    '%',
    '/',
    '?',
    '#',
    '\\',
    '"',
    '(',
    '[',
    '*',
    '\u00e9',
    '\u20ac',
    '\t',
    ':',
    // Schemas let them through in values of headers and query parameters, in expressions and in paths of services.
    '\0',
    '\n',
    '\r',
    '\u0001',
    '\u001b',
    '\u007f',
    '\u0085',
    '\ud800',
    '\u{1f600}',
  ),
  maxLength: 12,
});
const regex = fc.oneof(
  fc.constantFrom(
    'a',
    '.*',
    '/[a-z]+(/.*)?',
    '(?i)x',
    '\\pL+',
    '\\p{Garay}',
    '\\x{10FFFF}',
    '(',
    'a**',
    '(a{100}){11}',
    '\\C',
    '[^/]+',
  ),
  fc.constantFrom(
    '(?:abcdefghij){1000}',
    '(?:[a-z]{2}\\d){300}',
    '(?P<n>a)',
    '(?<n>a)',
    '(?=a)',
    'é+',
    '',
    '\\p{Han}{500}',
  ),
  odd,
);
const value = fc.oneof(odd, fc.constantFrom('', 'v', '%REQ(host)%', '%', '%%', 'ü'));
const name = fc.oneof(odd, fc.constantFrom('x-a', 'host', ':path', 'connection', 'content-length', 'X-B', 'x b', ''));
const hostname = fc.constantFrom('', 'a.test', '*.test', 'b.a.test', '*.a.test', 'xn--a.test', '0.test');
const condition: fc.Arbitrary<ValueMatch> = fc.oneof(
  fc.record({ type: fc.constant('exact' as const), name, value }),
  fc.record({ type: fc.constant('regex' as const), name, value: regex }),
);
const path: fc.Arbitrary<PathMatch> = fc.oneof(
  fc.record({ type: fc.constantFrom('exact' as const, 'prefix' as const), value: odd.map((text) => `/${text}`) }),
  fc.record({ type: fc.constant('regex' as const), value: regex }),
  fc.record({ type: fc.constant('grpc-method' as const), value: odd }),
);
const change: fc.Arbitrary<PathChange> = fc.oneof(
  fc.record({ type: fc.constant('full' as const), value: odd }),
  fc.record({ type: fc.constant('prefix' as const), prefix: odd.map((text) => `/${text}`), value: odd }),
  fc.record({
    type: fc.constant('regex' as const),
    pattern: regex,
    value: fc.oneof(odd, fc.constantFrom('/$1', '$9$2', '\\1')),
  }),
);
const line = fc.record({ name, value });
const lines = fc.record({
  set: fc.array(line, { maxLength: 2 }),
  add: fc.array(line, { maxLength: 2 }),
  remove: fc.array(name, { maxLength: 2 }),
});
const target = fc.constantFrom('one', 'two', 'gone');
const filter: fc.Arbitrary<Filter> = fc
  .oneof(
    lines.map((each) => ({ kind: 'request-headers' as const, ...each })),
    lines.map((each) => ({ kind: 'response-headers' as const, ...each })),
    fc.record({ kind: fc.constant('rewrite' as const), hostname: fc.oneof(odd, fc.constant('b.test')), path: change }),
    fc.record({
      kind: fc.constant('mirror' as const),
      cluster: target.map((to) => `test/gateway|${to}`),
      numerator: fc.integer({ min: 0, max: 200 }),
      denominator: fc.constantFrom(0, 1, 7, 100),
    }),
    fc.record({
      kind: fc.constant('cors' as const),
      allowOrigins: fc.array(fc.oneof(odd, fc.constantFrom('*', 'https://*.a.test', 'http://a.test:80', 'null')), {
        maxLength: 3,
      }),
      allowMethods: fc.array(fc.constantFrom('GET', '*', 'QUERY'), { maxLength: 2 }),
      allowHeaders: fc.array(fc.oneof(name, fc.constant('*')), { maxLength: 2 }),
      exposeHeaders: fc.array(name, { maxLength: 2 }),
      allowCredentials: fc.boolean(),
      maxAge: fc.integer({ min: 0, max: 86_400 }),
    }),
    fc.record({
      kind: fc.constant('external-auth' as const),
      cluster: fc.oneof(
        target.map((to) => `test/gateway|${to}`),
        fc.constant('test/gateway|one'),
      ),
      check: fc.oneof(
        fc.constant({ protocol: 'grpc' as const }),
        fc.record({
          protocol: fc.constant('http' as const),
          path: odd,
          responseHeaders: fc.array(name, { maxLength: 2 }),
        }),
      ),
      headers: fc.array(name, { maxLength: 2 }),
      bodyLimit: fc.constantFrom(0, 1, 100_000_000),
    }),
  )
  .map((each) => ({ ...each, origin }));
const backend = fc.record({
  to: target,
  weight: fc.constantFrom(0, 1, 7, 1_000_000),
  filters: fc.array(filter, { maxLength: 1 }),
});
const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({
    kind: fc.constant('redirect' as const),
    redirect: fc.record({
      scheme: fc.constantFrom('http' as const, 'https' as const),
      hostname: fc.oneof(odd, fc.constant('c.test')),
      port: fc.constantFrom(1, 80, 443, 65_535),
      path: change,
      status: fc.constantFrom(301 as const, 302 as const, 308 as const),
      origin: fc.constant(origin),
    }),
  }),
  fc.record({ kind: fc.constant('respond' as const), status: fc.constantFrom(404, 500, 503) }),
);
const route: fc.Arbitrary<Route> = fc
  .record({
    host: hostname,
    match: fc.record({
      path,
      headers: fc.array(condition, { maxLength: 2 }),
      query: fc.array(condition, { maxLength: 2 }),
      method: fc.constantFrom('GET', 'POST', 'OPTIONS', 'QUERY'),
    }),
    filters: fc.array(filter, { maxLength: 3 }),
    backends: fc.array(backend, { maxLength: 3 }),
    timeouts: fc.record({
      request: fc.constantFrom(0, 1, 999, 1e12, 1e18),
      backendRequest: fc.constantFrom(0, 1, 5000),
    }),
    retry: fc.record({
      attempts: fc.integer({ min: 0, max: 100 }),
      codes: fc.array(fc.constantFrom(400, 503, 599, 99, 600), { maxLength: 3 }),
      backoff: fc.constantFrom(0, 1, 0.4, 1e9),
    }),
    own: fc.option(action, { nil: undefined }),
    protocol: fc.constantFrom('http' as const, 'grpc' as const),
  })
  .map(({ own, ...rest }) => ({ ...rest, ...(own === undefined ? {} : { action: own }) }));
const tls: fc.Arbitrary<ClusterTls> = fc.record({
  serverName: fc.oneof(odd, fc.constant('s.test'), fc.constant('x'.repeat(300))),
  names: fc.array(fc.record({ type: fc.constantFrom('dns' as const, 'uri' as const), value: odd }), { maxLength: 2 }),
  authorities: fc.oneof(
    fc.constant('system' as const),
    fc.array(fc.constantFrom('nonsense', 'absent'), { maxLength: 2 }),
  ),
  certificate: fc.constantFrom('absent', 'nonsense'),
});
const model = fc.record({
  routes: fc.array(route, { maxLength: 6 }),
  protocol: fc.constantFrom('http1' as const, 'h2c' as const, 'h2' as const),
  special: fc.oneof(
    fc.constant({}),
    fc.record({ tls }),
    fc.record({ proxyProtocol: fc.constantFrom('v1' as const, 'v2' as const), tls }),
    fc.constant({ retryBudget: { percent: 20, interval: 10_000, minimum: { count: 10, interval: 1000 } } }),
  ),
  address: fc.constantFrom('127.0.0.1', '::1', 'not an address', '10.0.0.300', ''),
});

/** From what was sent before to another model. */
function between(before: Update | undefined, next: Update): Update {
  const left = (before?.virtualHosts ?? []).map((host): VirtualHostChange => ({
    ...host,
    removed: host.inserted,
    inserted: [],
  }));
  const rules = (before?.rules?.set ?? [])
    .map(({ key }) => key)
    .filter((key) => next.rules?.set.every((row) => row.key !== key));
  return {
    ...next,
    virtualHosts: [...left, ...(next.virtualHosts ?? [])],
    rules: { set: next.rules?.set ?? [], delete: rules },
  };
}

test(`an Envoy refuses nothing of ${RUNS} random models`, { skip: noEnvoy, timeout: 3_600_000 }, async (t) => {
  const refusals: Refusal[] = [];
  const binary = envoyBinary();
  const engine = await startEnvoyEngine({
    ...(binary === undefined ? {} : { envoy: binary }),
    onRefusal: (refusal) => refusals.push(refusal),
  });
  t.after(() => engine.close());
  const port = await freePort();
  let before: Update | undefined;
  let version = 0;
  await fc.assert(
    fc.asyncProperty(model, async ({ routes, protocol, special, address }) => {
      const clusters = { one: [{ address, port: 9 }], two: [9] };
      const world = { port, routes, clusters, protocols: { one: protocol }, special: { one: special } };
      const bundles = [
        { key: 'nonsense', certificates: '-----BEGIN CERTIFICATE-----\nbm9uc2Vuc2U=\n-----END CERTIFICATE-----\n' },
      ];
      const next = updateOf({ ...world, trustBundles: bundles, certificates: [] }, ++version);
      await engine.apply(between(before, next));
      before = next;
      assert.equal(
        refusals
          .splice(0)
          .map(({ message }) => message.slice(-200))
          .join('; '),
        '',
      );
    }),
    { numRuns: RUNS, endOnFailure: true },
  );
});

test('what cannot be said to Envoy is left out alone, and told', { skip: noEnvoy }, async (t) => {
  const leftOut: LeftOut[] = [];
  const binary = envoyBinary();
  const engine = await startEnvoyEngine({
    ...(binary === undefined ? {} : { envoy: binary }),
    onLeftOut: (rows) => leftOut.push(...rows),
  });
  t.after(() => engine.close());
  const port = await freePort();
  await engine.apply(
    updateOf({
      port,
      routes: [
        { match: { path: { type: 'regex', value: '/\\x{10FFFF}' } }, action: { kind: 'respond', status: 500 } },
        { path: '/fine', action: { kind: 'respond', status: 503 } },
      ],
    }),
  );
  assert.equal((await fetch(`http://127.0.0.1:${port}/fine`)).status, 503);
  assert.deepEqual(leftOut, [
    {
      table: 'rules',
      key: ruleKey(0),
      faults: [{ effect: 'dropped', match: 0, reason: 'path: names a character beyond U+00FF by number' }],
    },
  ]);
});
