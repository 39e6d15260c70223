// What of a cluster is read: namespaces by name or by labels that change, objects by labels; and what that leaves out.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { KubeClient } from '../../src/sources/cluster/client.ts';
import type { ClusterSourceOptions } from '../../src/sources/cluster/source.ts';
import { ClusterSource, objectKey } from '../../src/sources/cluster/source.ts';
import type { Stored } from './cluster-fixture.ts';
import { FakeApiServer } from './cluster-fixture.ts';
import { definition, gateway } from './cluster-objects.ts';
import { eventually } from '../eventually.ts';

interface Told {
  readonly server: FakeApiServer;
  readonly source: ClusterSource;
  /** What stands, as who takes all changes knows it. */
  readonly known: Set<string>;
}

async function read(t: TestContext, selection: Partial<ClusterSourceOptions>, ...objects: Stored[]): Promise<Told> {
  const server = await FakeApiServer.start(t);
  for (const object of [
    definition('Gateway', 'gateways'),
    definition('HTTPRoute', 'httproutes'),
    definition('GatewayConfig', 'gatewayconfigs', 'Namespaced', 'portolan.dev'),
    ...objects,
  ])
    server.apply(object);
  const client = new KubeClient(server.access);
  const known = new Set<string>();
  const source: ClusterSource = new ClusterSource(client, {
    ...selection,
    changed: () => {
      const { applied, deleted } = source.take();
      for (const object of deleted) known.delete(objectKey(object));
      for (const object of applied) known.add(objectKey(object));
    },
    failed: () => {},
  });
  source.start();
  t.after(() => {
    source.close();
    client.close();
  });
  await eventually(() => source.waiting().length === 0, 'everything is listed');
  return { server, source, known };
}

function namespace(name: string, labels: Readonly<Record<string, string>> = {}): Stored {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } };
}

function config(inNamespace: string): Stored {
  const metadata = { name: 'c', namespace: inNamespace };
  return { apiVersion: 'portolan.dev/v1alpha1', kind: 'GatewayConfig', metadata, spec: {} };
}

function service(inNamespace: string): Stored {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name: 's', namespace: inNamespace }, spec: {} };
}

function kept({ source, known }: Told): readonly string[] {
  const standing = [...source.objects()].map(objectKey).filter((key) => !key.includes('/CustomResourceDefinition/'));
  const taken = [...known].filter((key) => !key.includes('/CustomResourceDefinition/'));
  assert.deepEqual(taken.toSorted(), standing.toSorted());
  return standing.toSorted();
}

test('by names: nothing of other namespaces, but for GatewayConfigs of the controller’s own', async (t) => {
  const objects = ['a', 'b', 'own'].flatMap((name) => [namespace(name), service(name), config(name)]);
  const told = await read(t, { namespaces: ['a'], ownNamespace: 'own' }, ...objects);
  assert.deepEqual(
    kept(told).filter((key) => !key.startsWith('/Namespace/')),
    ['/Service/a/s', 'portolan.dev/GatewayConfig/a/c', 'portolan.dev/GatewayConfig/own/c'],
  );
});

test('by labels of namespaces: their objects come and go with the labels', async (t) => {
  const objects = ['a', 'b', 'own'].flatMap((name) => [service(name), config(name)]);
  const told = await read(
    t,
    { namespaceSelector: 'tenant=x', ownNamespace: 'own' },
    namespace('a', { tenant: 'x' }),
    namespace('b'),
    namespace('own'),
    ...objects,
  );
  const ofA = ['/Namespace//a', '/Service/a/s', 'portolan.dev/GatewayConfig/a/c'];
  const ofB = ['/Namespace//b', '/Service/b/s', 'portolan.dev/GatewayConfig/b/c'];
  const own = 'portolan.dev/GatewayConfig/own/c';
  const settled = async (...keys: readonly string[]): Promise<void> => {
    const wanted = keys.toSorted().join('\n');
    await eventually(() => kept(told).join('\n') === wanted, wanted).catch(() =>
      assert.equal(kept(told).join('\n'), wanted),
    );
  };
  await settled(...ofA, own);
  told.server.apply(namespace('b', { tenant: 'x' }));
  await settled(...ofA, ...ofB, own);
  told.server.apply(namespace('a', { tenant: 'y' }));
  await settled(...ofB, own);
  // Changes of what is left out are not told, and what comes of it later is as it is then.
  told.server.delete(service('a'));
  told.server.apply(namespace('a', { tenant: 'x' }));
  await settled(...ofB, '/Namespace//a', 'portolan.dev/GatewayConfig/a/c', own);
});

test('by labels of objects: of what is served, and not of what that refers to', async (t) => {
  const labelled: Stored = { ...gateway(80), metadata: { name: 'x', namespace: 'default', labels: { tenant: 'x' } } };
  const told = await read(t, { selector: 'tenant=x' }, namespace('default'), gateway(80), labelled, service('default'));
  assert.deepEqual(kept(told), [
    '/Namespace//default',
    '/Service/default/s',
    'gateway.networking.k8s.io/Gateway/default/x',
  ]);
});
