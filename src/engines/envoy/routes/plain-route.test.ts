// What is written straight as octets is, octet by octet, what the trees of the same rule become.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Entry, PathMatch, Rule, ValueMatch, WeightedBackend } from '../../../routing/model.ts';
import type { Origin } from '../../../routing/origin.ts';
import { codec } from '../encode.ts';
import { defaultLimits } from '../limits.ts';
import { WireWriter } from '../wire.ts';
import { writePlainRoute } from './plain-route.ts';
import { isTold, routesOf } from './route.ts';

const origin: Origin = { object: { group: '', kind: 'HTTPRoute', namespace: 'test', name: 'route' }, path: '' };
const facts = { scheme: 'http', port: 80, publicPorts: {} } as const;

/** Of headers and query parameters. */
const values = fc.array(
  fc.record({
    type: fc.constantFrom('exact' as const, 'regex' as const),
    name: fc.constantFrom('a', 'x-b'),
    value: fc.string({ maxLength: 150 }),
  }) satisfies fc.Arbitrary<ValueMatch>,
  { maxLength: 2 },
);

const path: fc.Arbitrary<PathMatch> = fc.record({
  type: fc.constantFrom('exact', 'prefix', 'regex', 'grpc-method'),
  value: fc.oneof(
    fc.constantFrom('/', '/a', '/a/b/', '/é', '/a b'),
    fc.string({ maxLength: 150 }).map((rest) => `/${rest}`),
  ),
});

const entry: fc.Arbitrary<Entry> = fc
  .record({
    protocol: fc.constantFrom('http', 'grpc'),
    path,
    method: fc.option(fc.constantFrom('GET', 'POST'), { nil: undefined }),
    headers: values,
    query: values,
    match: fc.nat(64),
  })
  .map(({ protocol, method, match, ...rest }) => ({
    rule: `test/gw|HTTPRoute/test/${'r'.repeat(match)}|0`,
    match: { protocol, ...rest, ...(method === undefined ? {} : { method }) },
    rank: { hostname: '', created: '', route: 'test/route', rule: 0, match },
  }));

const backend: fc.Arbitrary<WeightedBackend> = fc
  .record({
    weight: fc.oneof(fc.constantFrom(0, 1, 1), fc.nat(1_000_000)),
    target: fc.oneof(
      {
        weight: 4,
        arbitrary: fc.nat(200).map((length) => ({ kind: 'cluster' as const, cluster: `c${'x'.repeat(length)}` })),
      },
      { weight: 1, arbitrary: fc.constant({ kind: 'unresolved', problem: { code: 'BackendNotFound' } } as never) },
    ),
    filters: rarely([{ kind: 'request-headers', set: [{ name: 'a', value: 'b' }], add: [], remove: [] }] as never, []),
    session: rarely({ type: 'cookie', name: 's', path: '/', permanent: false } as const, undefined),
  })
  .map(({ session, ...rest }) => ({ ...rest, origin, ...(session === undefined ? {} : { session }) }));

const rule: fc.Arbitrary<Rule> = fc
  .record({
    protocol: fc.constantFrom('http', 'http', 'grpc'),
    filters: rarely([{ kind: 'rewrite', hostname: 'other.test' }] as never, []),
    timeouts: fc.constantFrom(
      {},
      {},
      { request: 0 },
      { request: 1500 },
      { backendRequest: 100 },
      { backendRequest: 0 },
    ),
    retry: rarely({ attempts: 2, codes: [503] }, undefined),
    action: fc.oneof(
      {
        weight: 8,
        arbitrary: fc.array(backend, { maxLength: 4 }).map((backends) => ({ kind: 'forward' as const, backends })),
      },
      { weight: 1, arbitrary: fc.constant({ kind: 'respond' as const, status: 500 }) },
    ),
  })
  .map(({ retry, ...rest }) => ({ ...rest, key: 'rule', origin, ...(retry === undefined ? {} : { retry }) }));

test('a plain route is written as its tree is', () => {
  let plain = 0;
  const straight = new WireWriter();
  const check = (each: Entry, of: Rule): void => {
    if (!writePlainRoute(straight, each, of)) {
      assert.equal(straight.written().length, 0, 'nothing is left of what is not plain');
      return;
    }
    plain++;
    assert.equal(isTold(of, defaultLimits), false, 'the guard has nothing to be told');
    const tree = { routes: routesOf(each, of, facts, defaultLimits) };
    assert.deepEqual(straight.finish(), codec.encode('envoy.config.route.v3.VirtualHost', tree));
  };
  fc.assert(fc.property(entry, rule, check), { numRuns: 1000 });
  assert.ok(plain > 100, `only ${plain} of 1,000 were plain`);
});

/** Mostly the second. */
function rarely<T, U>(value: T, usual: U): fc.Arbitrary<T | U> {
  return fc.oneof({ weight: 1, arbitrary: fc.constant(value) }, { weight: 9, arbitrary: fc.constant(usual) });
}
