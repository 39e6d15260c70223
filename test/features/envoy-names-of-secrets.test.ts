// The names of resources that envoy-names.test.ts does not hold: secrets of certificates and of trust, what streams that are TLS
// already go to, and the tables of routes and what leads to them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { printedResources } from '../../src/engines/envoy/printed.ts';
import { shardOf } from '../../src/engines/envoy/route-tables.ts';
import { updateOf } from './engine-fixture.ts';
import { certificateFor } from './tls-certificates.ts';

test('each kind of resource has its names', async () => {
  const certificates = [await certificateFor('test/served', ['a.test']), await certificateFor('test/own', ['b.test'])];
  const { resources } = printedResources(
    updateOf({
      port: 8443,
      routes: [{ host: 'a.test', backends: [{ to: 'one' }] }],
      clusters: { one: [1], stream: [2] },
      protocols: { stream: 'tcp' },
      special: { one: { tls: { serverName: 's', names: [], authorities: ['b', 'a'], certificate: 'test/own' } } },
      certificates,
      frontend: {
        protocol: 'HTTPS',
        tls: {
          mode: 'terminate',
          certificates: ['test/served'],
          clients: { authorities: ['clients'], mode: 'require' },
        },
      },
    }),
  );
  const names = new Map(
    resources.map(({ type, resources: list }) => [
      type.slice(type.lastIndexOf('.') + 1),
      list.map((each) => {
        const { name, cluster_name } = each as { readonly name?: string; readonly cluster_name?: string };
        return name ?? cluster_name;
      }),
    ]),
  );
  assert.deepEqual(Object.fromEntries([...names].slice(0, 4)), {
    Secret: ['certificate/test/own', 'certificate/test/served', 'trust/a,b', 'trust/clients'],
    Cluster: ['test/gateway|one', 'test/gateway|stream', 'test/gateway|stream|passthrough'],
    ClusterLoadAssignment: ['test/one', 'test/stream'],
    Listener: ['test/gateway:80/tcp'],
  });
  assert.deepEqual([...names.keys()].slice(4), ['ScopedRouteConfiguration', 'RouteConfiguration']);
  for (const type of ['ScopedRouteConfiguration', 'RouteConfiguration'])
    assert.ok(names.get(type)?.includes(`test/gateway:80/tcp/${shardOf('a.test')}`));
});
