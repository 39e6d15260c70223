// List and watch against an API server: pages, changes, bookmarks, watches that are cut, versions that are forgotten, kinds that are
// forbidden for a while.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { KubeClient } from '../../src/sources/cluster/client.ts';
import { reflect } from '../../src/sources/cluster/reflector.ts';
import type { Stored } from './cluster-fixture.ts';
import { FakeApiServer } from './cluster-fixture.ts';
import { eventually } from '../eventually.ts';

function configMap(name: string, value = ''): Stored {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default' }, spec: { value } };
}

interface Told {
  readonly server: FakeApiServer;
  /** What stands, by name. */
  readonly known: Map<string, string>;
  readonly log: string[];
}

async function follow(t: TestContext, server?: FakeApiServer): Promise<Told> {
  const told: Told = { server: server ?? (await FakeApiServer.start(t)), known: new Map(), log: [] };
  const client = new KubeClient(told.server.access);
  const stop = new AbortController();
  t.after(() => {
    stop.abort();
    client.close();
  });
  void reflect(
    client,
    { path: '/api/v1/configmaps', apiVersion: 'v1', kind: 'ConfigMap' },
    {
      applied: ({ metadata, spec }) => {
        told.known.set(metadata.name, (spec as { value: string }).value);
        told.log.push(`+${metadata.name}`);
      },
      deleted: ({ metadata }) => {
        told.known.delete(metadata.name);
        told.log.push(`-${metadata.name}`);
      },
      synced: () => told.log.push('synced'),
      failed: (error) => told.log.push(`failed: ${error.message}`),
    },
    stop.signal,
  );
  return told;
}

test('everything in pages, then changes', async (t) => {
  const server = await FakeApiServer.start(t);
  for (const name of ['a', 'b', 'c', 'd', 'e']) server.apply(configMap(name));
  const { known, log } = await follow(t, server);
  await eventually(() => log.includes('synced'), 'the first list');
  assert.deepEqual([...known.keys()], ['a', 'b', 'c', 'd', 'e']);
  server.apply(configMap('b', 'new'));
  server.delete(configMap('c'));
  server.apply(configMap('f'));
  await eventually(() => known.has('f'), 'the change');
  assert.deepEqual(log.slice(log.indexOf('synced')), ['synced', '+b', '-c', '+f']);
  assert.equal(known.get('b'), 'new');
});

test('a watch that is cut in the middle of an event goes on where it was', async (t) => {
  const { server, known, log } = await follow(t);
  server.apply(configMap('a'));
  await eventually(() => known.has('a'), 'the object');
  server.cut();
  server.apply(configMap('b'));
  await eventually(() => known.has('b'), 'the change after the cut');
  assert.equal(log.filter((entry) => entry === 'synced').length, 1, 'no second list');
  assert.equal(log.filter((entry) => entry === '+a').length, 1);
});

test('what a watch told before it broke off is not told again, and the next one gets further', async (t) => {
  const { server, known, log } = await follow(t);
  await eventually(() => log.includes('synced'), 'the first list');
  const names = Array.from({ length: 6 }, (_, n) => `m${n}`);
  for (const name of names) {
    server.apply(configMap(name));
    await eventually(() => known.has(name), name);
    server.reset();
  }
  assert.deepEqual(
    log.filter((entry) => entry.startsWith('+')),
    names.map((name) => `+${name}`),
  );
});

test('a version that the server forgot: what differs from before is told, deletions too', async (t) => {
  const { server, known, log } = await follow(t);
  server.apply(configMap('stays'));
  server.apply(configMap('goes'));
  await eventually(() => known.size === 2, 'both');
  server.refuse = (_, path) => (path === '/api/v1/configmaps' ? 500 : undefined);
  server.cut();
  server.delete(configMap('goes'));
  server.apply(configMap('comes'));
  server.forgotten = 1_000_000;
  server.refuse = () => undefined;
  await eventually(() => known.has('comes'), 'the new object');
  server.forgotten = 0;
  await eventually(() => !known.has('goes'), 'the deletion');
  assert.ok(log.filter((entry) => entry === 'synced').length >= 2);
  assert.deepEqual([...known.keys()].toSorted(), ['comes', 'stays']);
});

test('a kind that may not be read is said, and tried again', async (t) => {
  const server = await FakeApiServer.start(t);
  server.refuse = () => 403;
  const { known, log } = await follow(t, server);
  await eventually(() => log.length > 0, 'the failure');
  assert.deepEqual(log[0], 'failed: refused with 403');
  server.refuse = () => undefined;
  server.apply(configMap('a'));
  await eventually(() => known.has('a'), 'the object at last');
  assert.ok(log.includes('synced'));
});

test('while the server is away it is asked ever less often, and a watch that goes on is told', async (t) => {
  const server = await FakeApiServer.start(t);
  server.apply(configMap('a'));
  const { known, log } = await follow(t, server);
  await eventually(() => log.includes('synced'), 'the first list');
  let asked = 0;
  server.refuse = () => {
    asked++;
    return 500;
  };
  server.cut();
  await new Promise((resolve) => setTimeout(resolve, 2500));
  // Pauses of 0.2, 0.4, 0.8 and 1.6 s, the half of them at least.
  assert.ok(asked >= 2 && asked <= 6, `asked ${asked} times in 2.5 s`);
  server.refuse = () => undefined;
  server.apply(configMap('b'));
  await eventually(() => known.has('b'), 'what changed meanwhile');
});

test('a version that is forgotten again and again leads to no storm of lists', async (t) => {
  const server = await FakeApiServer.start(t);
  server.apply(configMap('a'));
  let lists = 0;
  server.refuse = (_, path) => {
    if (path === '/api/v1/configmaps') lists++;
    return undefined;
  };
  server.forgotten = 1_000_000;
  const { known } = await follow(t, server);
  await eventually(() => known.has('a'), 'the list');
  await new Promise((resolve) => setTimeout(resolve, 1500));
  // Lists and watches are counted alike.
  assert.ok(lists <= 14, `${lists} requests in 1.5 s`);
});
