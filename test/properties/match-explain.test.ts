// Explain against the oracle, from objects: what it says took a request is what the naive matcher takes from the rows of the
// model, and what it says of the others is true.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { KubeObject } from '../../src/api/objects.ts';
import { Pipeline } from '../../src/pipeline/pipeline.ts';
import type { Tables } from '../../src/pipeline/tables.ts';
import type { Entry, Frontend, VirtualHost } from '../../src/routing/model.ts';
import { explain } from '../../src/tools/explain/explain.ts';
import type { Explanation } from '../../src/tools/explain/explanation.ts';
import { hostsOf } from '../oracle/hosts.ts';
import { oracle, oracleListener, type OracleRequest } from '../oracle/oracle.ts';

const hostnames = ['example.com', '*.example.com', 'a.example.com', '*.a.example.com', 'b.a.example.com'];
const path = fc.constantFrom('/', '/', '/a', '/a', '/a/b', '/ab', '/a/b/c');
const value = fc.constantFrom('1', '2');
const matchedPath = fc.record({ type: fc.constantFrom('Exact', 'PathPrefix', 'PathPrefix'), value: path });
const match = fc.oneof(
  fc.record({ path: matchedPath }),
  fc.record(
    {
      path: matchedPath,
      method: fc.constantFrom('GET', 'PUT'),
      headers: fc.array(fc.record({ name: fc.constant('X-A'), value }), { minLength: 1, maxLength: 1 }),
      queryParams: fc.array(fc.record({ name: fc.constant('q'), value }), { minLength: 1, maxLength: 1 }),
    },
    { requiredKeys: ['path'] },
  ),
);
const route = fc.record({
  hostnames: fc.uniqueArray(fc.constantFrom(...hostnames), { maxLength: 3 }),
  rules: fc.array(fc.array(match, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 3 }),
  section: fc.option(fc.nat(2), { freq: 1 }),
});
const model = fc.record({
  listeners: fc.uniqueArray(fc.constantFrom('', '', '*.example.com', ...hostnames), { minLength: 1, maxLength: 3 }),
  routes: fc.array(route, { minLength: 1, maxLength: 6, size: 'max' }),
});
const request = fc.record({
  host: fc.constantFrom('example.com', 'a.example.com', 'b.a.example.com', 'c.b.a.example.com', 'other.org'),
  path,
  method: fc.constantFrom('GET', 'PUT'),
  headers: fc.oneof(fc.constant({}), fc.record({ 'x-a': value })),
  query: fc.oneof(fc.constant({}), fc.record({ q: value })),
});

const gatewayApi = 'gateway.networking.k8s.io/v1';

function build({ listeners, routes }: typeof model extends fc.Arbitrary<infer Model> ? Model : never): Tables {
  const pipeline = new Pipeline({
    channel: 'standard',
    controllerName: 'portolan.dev/gateway-controller',
    classes: 'any',
    presume: true,
    engine: 'embedded',
    awaitEngine: false,
  });
  const objects: unknown[] = [
    {
      apiVersion: gatewayApi,
      kind: 'Gateway',
      metadata: { name: 'g', namespace: 'ns' },
      spec: {
        gatewayClassName: 'any',
        listeners: listeners.map((hostname, at) => ({
          name: `l${at}`,
          port: 80,
          protocol: 'HTTP',
          ...(hostname === '' ? {} : { hostname }),
        })),
      },
    },
    ...routes.map((each, at) => ({
      apiVersion: gatewayApi,
      kind: 'HTTPRoute',
      metadata: { name: `r${at}`, namespace: 'ns' },
      spec: {
        parentRefs: [
          { name: 'g', ...(each.section === null ? {} : { sectionName: `l${each.section % listeners.length}` }) },
        ],
        hostnames: each.hostnames,
        rules: each.rules.map((matches) => ({ matches })),
      },
    })),
  ];
  for (const object of objects) pipeline.apply(object as KubeObject);
  pipeline.settle();
  return pipeline.tables;
}

function withOnly(host: VirtualHost, keep: (entry: Entry) => boolean): VirtualHost {
  return { ...host, entries: host.entries.filter(keep) };
}

function ask(tables: Tables, asked: OracleRequest): Explanation {
  const query = new URLSearchParams(asked.query).toString();
  const explanation = explain(tables, {
    method: asked.method,
    url: `http://${asked.host}${asked.path}${query === '' ? '' : `?${query}`}`,
    headers: Object.entries(asked.headers).map(([name, text]) => ({ name, value: text })),
  });
  assert.ok(!('misasked' in explanation));
  return explanation;
}

test('explain names the listener, rule and match that the oracle takes, and tells the truth of the others', () => {
  let taken = 0;
  fc.assert(
    fc.property(model, fc.array(request, { minLength: 4, maxLength: 8 }), (objects, requests) => {
      const tables = build(objects);
      const frontends = [...tables.frontends.keys()].map((key) => tables.frontends.get(key) as Frontend);
      for (const each of requests) {
        const asked: OracleRequest = { ...each, grpc: false };
        const frontend = oracleListener(frontends, asked.host);
        const hosts = hostsOf(tables, frontend);
        const entry = oracle(hosts, asked);
        const { answers } = ask(tables, asked);
        const outcome = answers[0]?.outcome;
        assert.equal(answers[0]?.listeners.find(({ verdict }) => verdict === 'serves')?.key, frontend?.key);
        if (entry === undefined) {
          assert.ok(outcome?.kind === 'not-found');
          for (const { failed } of outcome.closest) assert.ok(failed.length > 0);
          continue;
        }
        taken++;
        assert.ok(outcome?.kind === 'taken');
        assert.equal(outcome.winner.rule, entry.rule);
        assert.deepEqual(outcome.winner.match, entry.match);
        assert.equal(outcome.winner.hostname, entry.rank.hostname);
        // Without the winner the first runner-up takes the request.
        const without = hosts.map((host) => withOnly(host, (other) => other !== entry));
        const [second] = outcome.runnersUp;
        assert.equal(second?.rule, oracle(without, asked)?.rule);
        // A near miss takes the request, before the winner, once the one condition that it failed on is met.
        for (const { failed, match: missed } of outcome.nearMisses) {
          const [condition] = failed;
          assert.ok(condition !== undefined && failed.length === 1);
          const met = meet(asked, condition.condition, condition.expected);
          const keep = (other: Entry): boolean => other === entry || other.match === missed;
          const two: VirtualHost[] = hosts.map((host) => withOnly(host, keep));
          assert.equal(oracle(two, met)?.match, missed);
        }
      }
    }),
    { numRuns: 80 },
  );
  assert.ok(taken > 40);
});

/** The request as it would have to be: the generated conditions are on one header, one parameter and the method. */
function meet(asked: OracleRequest, condition: string, expected: string): OracleRequest {
  switch (condition) {
    case 'method':
      return { ...asked, method: expected };
    case 'header':
      return { ...asked, headers: { 'x-a': expected } };
    default:
      return { ...asked, query: { q: expected } };
  }
}
