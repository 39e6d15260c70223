// What the cluster refuses of the objects of a Gateway: the others are applied all the same, and all that is refused is told.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { list, record } from '../../src/support/untrusted.ts';
import { eventually } from '../eventually.ts';
import type { FakeApiServer } from './cluster-fixture.ts';
import {
  bringUp,
  config,
  gateway,
  name,
  programmed,
  provided,
  ready,
  serverWith,
  startReplica,
  withConfig,
  world,
} from './provisioned-world.ts';

/** Refuses to have objects of these kinds applied. */
function refuse(server: FakeApiServer, status: number, ...plurals: readonly string[]): void {
  server.refuse = (method, path) => {
    const plural = plurals.find((plural) => method === 'PATCH' && path.endsWith(`/${plural}/${name}`));
    return plural === undefined ? undefined : { status, message: `${plural} "${name}": not like this` };
  };
}

function replicas(server: FakeApiServer): unknown {
  return record(server.get('Deployment', name)?.['spec'])['replicas'];
}

function condition(server: FakeApiServer, wanted: string): ReturnType<typeof record> {
  const { conditions } = record(server.get('Gateway', 'gw')?.['status']);
  return record(list(conditions).find((condition) => record(condition)['type'] === wanted));
}

for (const status of [422, 403])
  test(`a Service that is refused with ${status} does not hold up the Deployment, and both are told when both are`, async (t) => {
    const { server } = await world(t, config({ replicas: 2 }), gateway(withConfig));
    await provided(server);
    bringUp(server, 2);
    await programmed(server);
    refuse(server, status, 'services');
    server.apply(config({ replicas: 3 }));
    await eventually(() => replicas(server) === 3, 'the Deployment is as it is to be');
    const told = (): unknown => condition(server, 'portolan.dev/Complete')['message'];
    await eventually(() => String(told()).endsWith(`this cannot be: services "${name}": not like this`), 'it is told');
    refuse(server, status, 'services', 'deployments');
    server.apply(config({ replicas: 4 }));
    const both = `services "${name}": not like this; deployments "${name}": not like this`;
    await eventually(() => String(told()).endsWith(both), 'both are told').catch(() => assert.equal(told(), both));
    assert.equal(replicas(server), 3);
    server.refuse = () => undefined;
    server.apply(config({ replicas: 5 }));
    await eventually(() => told() === undefined, 'it is taken back');
    assert.equal(replicas(server), 5);
  });

test('a webhook for Services that is away does not hold up the Deployment', async (t) => {
  const { server, log } = await world(t, config({ replicas: 2 }), gateway(withConfig));
  await provided(server);
  refuse(server, 500, 'services');
  server.apply(config({ replicas: 3 }));
  await eventually(() => replicas(server) === 3, 'the Deployment is as it is to be');
  await eventually(() => log.some(({ message }) => message.includes('not like this')), 'the log says it');
});

test('no Pods without an identity: what does not get its Secret gets no Deployment', async (t) => {
  const server = await serverWith(t, gateway());
  server.refuse = (method, path) =>
    method !== 'GET' && path.startsWith('/api/v1/namespaces/default/secrets') ? 403 : undefined;
  await ready(startReplica(t, server));
  await programmed(server, 'NoResources');
  assert.equal(server.get('Deployment', name), undefined);
  server.refuse = () => undefined;
  await provided(server);
});
