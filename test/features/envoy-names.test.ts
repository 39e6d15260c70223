// The names of resources are fixed: dashboards, access logs and replicas of other versions meet in them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { origin, updateOf } from './engine-fixture.ts';
import { printedResources } from '../../src/engines/envoy/printed.ts';
import { partName, partOf } from '../../src/engines/envoy/host-entries.ts';
import { bindOfTable } from '../../src/engines/envoy/names.ts';
import { PATTERNS, shardOf, tableName } from '../../src/engines/envoy/route-tables.ts';

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
  // None without hosts: one is for a.test, and one for what no route has.
  assert.deepEqual(names['RouteConfiguration'], [
    `test/gateway:80/tcp/${shardOf('a.test')}`,
    'test/gateway:80/tcp/patterns',
  ]);
  assert.deepEqual(names['ScopedRouteConfiguration'], names['RouteConfiguration']);
});

test('hosts and their configurations', () => {
  assert.deepEqual(['a.example.com', 'b.example.com', '*.example.com', ''].map(shardOf), [
    '1264',
    '2929',
    'patterns',
    'patterns',
  ]);
});

test('tables are traced back to their bind', () => {
  const bind = 'test/gateway:80/tcp';
  const names = [
    tableName(bind, PATTERNS),
    tableName(bind, shardOf('a.test')),
    partName(bind, '*.a.test', { depth: 2, parts: 256 }, 17),
  ];
  assert.deepEqual(names.map(bindOfTable), [bind, bind, bind]);
});

test('parts of hosts', () => {
  const bind = 'default/gateway:80/tcp';
  assert.equal(partName(bind, '*.a.test', { depth: 2, parts: 1024 }, 17), `${bind}/host/*.a.test/2-1024/17`);
});

test('paths and the parts of their hosts', () => {
  const part = (type: 'exact' | 'prefix', value: string): readonly unknown[] =>
    [1, 2, 3].map((depth) => partOf({ type, value }, { depth, parts: 256 }));
  assert.deepEqual(part('prefix', '/'), ['general', 'general', 'general']);
  assert.deepEqual(part('prefix', '/a/b'), [part('exact', '/a')[0], part('exact', '/a/b')[1], 'general']);
  assert.deepEqual(
    part('exact', '/a/b/c/d'),
    ['/a', '/a/b', '/a/b/c'].map((path, at) => part('exact', path)[at]),
  );
  assert.deepEqual(part('exact', '/a'), [18, 18, 18]);
  assert.equal(partOf({ type: 'regex', value: '/a.*' }, { depth: 1, parts: 256 }), 'general');
  assert.equal(partOf({ type: 'grpc-method', value: 'Get' }, { depth: 1, parts: 256 }), 'general');
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
