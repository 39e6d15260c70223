// The names of resources are fixed: dashboards, access logs and replicas of other versions meet in them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { origin, updateOf } from './engine-fixture.ts';
import { printedResources } from '../../src/engines/envoy/printed.ts';
import { shardOf } from '../../src/engines/envoy/route-tables.ts';

test('resources by type', () => {
  const { resources } = printedResources(
    updateOf({
      port: 8080,
      routes: [{ host: 'a.test', backends: [{ to: 'one' }] }],
      clusters: { one: [1] },
      special: { one: { tls: { serverName: 's', names: [], authorities: ['b', 'a'], certificate: 'test/own' } } },
    }),
  );
  const names = Object.fromEntries(
    resources.map(({ type, resources: list }) => [
      type.slice(type.lastIndexOf('.') + 1),
      list.map(
        (each) =>
          (each as { name?: string; cluster_name?: string }).name ?? (each as { cluster_name: string }).cluster_name,
      ),
    ]),
  );
  assert.deepEqual(names['Secret'], ['trust/a,b']);
  assert.deepEqual(names['Cluster'], ['test/gateway|one']);
  assert.deepEqual(names['ClusterLoadAssignment'], ['test/one']);
  assert.deepEqual(names['Listener'], ['test/gateway:80/tcp']);
  assert.equal(names['RouteConfiguration']?.length, 33);
  assert.ok(names['RouteConfiguration']?.includes('test/gateway:80/tcp/patterns'));
  assert.deepEqual(names['ScopedRouteConfiguration'], names['RouteConfiguration']);
});

test('hosts and their configurations', () => {
  assert.deepEqual(['a.example.com', 'b.example.com', '*.example.com', ''].map(shardOf), [
    '16',
    '17',
    'patterns',
    'patterns',
  ]);
});

test('rules and virtual hosts are called as in the model', () => {
  const { resources } = printedResources(
    updateOf({ port: 1, routes: [{ host: 'a.test', action: { kind: 'respond', status: 500 }, filters: [] }] }),
  );
  const text = JSON.stringify(resources);
  assert.ok(text.includes('"test/gateway/http|a.test"'));
  assert.ok(text.includes('"test/gateway|HTTPRoute/test/route-0|0|0"'));
  assert.equal(origin.path, '');
});
