// The faults. Each begins and ends with everything settled; while it lasts, load is on routes that it has nothing to do with, and no request
// may fail. Run by `npm run faults` in the lab.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, afterEach, before, test } from 'node:test';
import { backendObjects, collectionOf, conditions, isAccepted, until } from '../../bench/cluster/cluster.ts';
import { startWatcher } from '../../bench/cluster/watcher.ts';
import { record } from '../../src/support/untrusted.ts';
import { startCuttingProxy } from './cutting-proxy.ts';
import { crd, withoutCrd } from './crds.ts';
import { limitedAccess } from './access.ts';
import { oddObjects } from './odd-objects.ts';
import { SecondNode } from './second-node.ts';
import { rotating } from './rotation.ts';
import { rollingDataPlanes } from './rolling-data-planes.ts';
import { rollingPods } from './rolling.ts';
import {
  dose,
  hostname,
  killProgram,
  namespace,
  node,
  restartLab,
  route,
  seconds,
  stableNames,
  World,
} from './world.ts';
import { answer, serves } from './requests.ts';

const world = new World();

before(() => world.build());
after(() => world.takeDown());
// One that failed leaves nothing to the next.
afterEach(() => world.tidy());

test('at most two writes of a status for a settled change, also of what routes refer to', async () => {
  const controller = await world.controller();
  const address = await world.address();
  await world.assertSettled(address);
  const events = new Map<string, number>();
  const stop = await startWatcher(collectionOf(route('x')), ({ name }) => {
    events.set(name, (events.get(name) ?? 0) + 1);
  });
  for (let n = 0; n < 5; n++) {
    await world.cluster.patch(route('stable-1'), {
      spec: { hostnames: [hostname('stable-1'), hostname(`also-${n}`)] },
    });
    await world.accepted('stable-1');
    await seconds(0.3);
  }
  assert.ok((events.get('stable-1') ?? 0) <= 5 * 3, `${events.get('stable-1')} events for 5 changes`);
  assert.equal(events.size, 1, 'no other route is written');
  const service = { apiVersion: 'v1', kind: 'Service', metadata: { namespace, name: 'echo' } };
  const stored = await world.cluster.get(service);
  events.clear();
  await world.cluster.delete(service);
  await until('the route says so', 60, async () => !isAccepted(await world.cluster.get(route('stable-2'))));
  await seconds(0.5);
  await world.cluster.apply({ ...service, spec: { ports: record(stored?.['spec'])['ports'] } });
  await world.assertSettled(address);
  for (const [name, count] of events) assert.ok(count <= 4, `${count} events of ${name} for 2 changes of its Service`);
  await stop();
  await world.cluster.patch(route('stable-1'), { spec: { hostnames: [hostname('stable-1')] } });
  await world.assertSettled(address);
  await controller.stop();
});

test('the API server is killed, stays away and comes back with other objects: traffic goes on, statuses are right, and its log is short', async () => {
  const controller = await world.controller();
  const address = await world.address();
  await world.cluster.apply(route('goes'));
  await world.cluster.apply(route('changes'));
  await serves(address, hostname('goes'), 200);
  await world.underLoad(address, async () => {
    await killProgram('kube-apiserver');
    const away = dose(8, 75);
    const before = controller.log().length;
    await seconds(away);
    const lines = controller.log().slice(before).split('\n').length;
    // Some 20 kinds, each asked for again with growing pauses.
    assert.ok(lines < 20 * (6 + away / 5), `${lines} lines in ${away} s`);
    restartLab();
    await world.cluster.delete(route('goes'));
    await world.cluster.apply(route('comes'));
    await world.cluster.patch(route('changes'), { spec: { hostnames: [hostname('changed')] } });
    await serves(address, hostname('comes'), 200);
    await serves(address, hostname('goes'), 404);
    await serves(address, hostname('changed'), 200);
    await world.accepted('comes');
  });
  await world.cluster.delete(route('comes'));
  await world.cluster.delete(route('changes'));
  await world.assertSettled(address);
  await controller.stop();
});

test('etcd and the API server are killed together; versions that a controller had are forgotten (410)', async () => {
  const controller = await world.controller();
  const address = await world.address();
  await world.underLoad(address, async () => {
    await killProgram('kube-apiserver');
    await killProgram('etcd');
    await seconds(dose(2, 20));
    restartLab();
    for (let n = 0; n < 20; n++) await world.cluster.apply(route(`after-${n}`));
    for (let n = 0; n < 20; n++) await serves(address, hostname(`after-${n}`), 200);
  });
  for (let n = 0; n < 20; n++) await world.cluster.delete(route(`after-${n}`));
  await world.assertSettled(address);
  await controller.stop();
});

test('connections to the API server are cut, in the middle of lists, events and answers to writes', async (t) => {
  const names = Array.from({ length: dose(60, 300) }, (_, n) => `cut-${n}`);
  await world.cluster.each(names, 8, (name) => world.cluster.apply(route(name)));
  const proxy = await startCuttingProxy(() => 3000 + Math.trunc(Math.random() * 60_000));
  t.after(() => proxy.close());
  const started = world.controller({ kubeconfig: proxy.kubeconfig });
  // Whole lists do not come through at first.
  await seconds(3);
  // The list of CRDs alone has more than a million.
  proxy.cutAfter(() => 20_000 + Math.trunc(Math.random() * 5_000_000));
  const controller = await started;
  const address = await world.address();
  for (const name of names) await serves(address, hostname(name), 200);
  // Watches go on where they were, and need no lists.
  proxy.cutAfter(() => 10_000 + Math.trunc(Math.random() * 40_000));
  await world.underLoad(address, async () => {
    await world.cluster.each(names, 8, (name) =>
      world.cluster.patch(route(name), { spec: { hostnames: [hostname(`${name}-b`)] } }),
    );
    await seconds(dose(3, 30));
    for (const name of names) await serves(address, hostname(`${name}-b`), 200);
    await world.cluster.each(names, 8, (name) => world.cluster.delete(route(name)));
    for (const name of names) await serves(address, hostname(`${name}-b`), 404);
  });
  // Of 60 routes that change and go there are more octets than five connections may carry.
  assert.ok(proxy.cuts > 5, `only ${proxy.cuts} cuts`);
  proxy.cutAfter(() => Infinity);
  await world.assertSettled(address);
  await controller.stop();
});

test('the leader is killed: the follower has served all the time, and writes statuses from then on', async (t) => {
  const second = new SecondNode();
  t.after(() => second.remove());
  const leader = await world.controller({ args: [], netns: second.netns, admin: second.admin });
  await until('the leader leads', 60, async () => leader.log().includes('this replica writes statuses now'));
  const address = await world.address();
  const follower = await world.controller({ args: [] });
  await serves(address, hostname('stable-0'), 200);
  await world.underLoad(address, async () => {
    await leader.stop('SIGKILL');
    await world.cluster.apply(route('orphan'));
    await serves(address, hostname('orphan'), 200);
    await until('the follower leads', 60, async () => follower.log().includes('this replica writes statuses now'));
    await world.accepted('orphan');
  });
  await world.cluster.delete(route('orphan'));
  await world.assertSettled(address);
  await follower.stop();
});

test('a certificate is another one each second, under HTTPS load', async () => {
  const controller = await world.controller();
  await rotating(world, dose(8, 60));
  await controller.stop();
});

test('objects that are very large or very odd, and yet accepted by the API server: nothing else is touched by them', async () => {
  const controller = await world.controller();
  const address = await world.address();
  await world.underLoad(address, async () => {
    const odd = oddObjects();
    for (const object of odd) {
      await world.cluster.create(object).catch((error: unknown) => {
        throw new Error(`${object.kind} ${object.metadata.name} is not accepted: ${(error as Error).message}`);
      });
    }
    await world.cluster.apply(route('beside'));
    await serves(address, hostname('beside'), 200);
    await world.accepted('beside');
    await world.cluster.delete(route('beside'));
    assert.equal(controller.child.exitCode, null);
    assert.ok(!/"level":"error"/.test(controller.log()), controller.log().slice(-3000));
    for (const object of odd) await world.cluster.delete(object);
  });
  await world.assertSettled(address);
  await controller.stop();
});

test('a kind that may not be read is named, and everything else goes on; with the right to read it, all is well', async (t) => {
  const access = await limitedAccess(world, ['referencegrants']);
  t.after(() => access.remove());
  const controller = await world.controller({ kubeconfig: access.kubeconfig });
  const address = await world.address();
  await world.underLoad(address, async () => {
    const { text } = await controller.readiness();
    assert.match(text, /referencegrants.*forbidden/i);
    assert.match(controller.log(), /ReferenceGrant cannot be read/);
    const told = async (): Promise<string> => {
      const found = await world.cluster.get({
        apiVersion: 'gateway.networking.k8s.io/v1',
        kind: 'GatewayClass',
        metadata: { name: 'portolan' },
      });
      return conditions(found?.['status']).join(', ');
    };
    await until('the class says so', 60, async () => (await told()).includes('=False KindsNotRead'));
    await world.cluster.apply(route('meanwhile'));
    await serves(address, hostname('meanwhile'), 200);
    await world.accepted('meanwhile');
    await world.cluster.delete(route('meanwhile'));
    await access.allow();
    await until('the class has forgotten it', 60, async () => !(await told()).includes('KindsNotRead'));
    assert.equal((await controller.readiness()).text, 'ok\n');
    // What was read keeps its last rows when the right to read it is lost.
    await access.forbid(['httproutes']);
    await killProgram('kube-apiserver');
    restartLab();
    await until('the class says so', 60, async () => (await told()).includes('=False KindsNotRead'));
    assert.match((await controller.readiness()).text, /httproutes/);
    await serves(address, hostname('stable-3'), 200);
    await access.allow();
    await until('the class has forgotten it', 60, async () => !(await told()).includes('KindsNotRead'));
  });
  await world.assertSettled(address);
  await controller.stop();
});

test('a CRD is deleted and installed again: its routes go and come back, the others serve', async () => {
  const controller = await world.controller();
  const address = await world.address();
  await world.underLoad(address, () => withoutCrd(world, 'grpcroutes', () => world.assertSettled(address)));
  const routes = stableNames.map((name) => route(name));
  await withoutCrd(world, 'httproutes', async () => {
    await serves(address, hostname('stable-1'), 404);
  });
  assert.ok(await world.cluster.get(crd('httproutes')));
  await world.cluster.each(routes, 4, (each) => world.cluster.apply(each));
  await serves(address, hostname('stable-1'), 200);
  await world.addForeignEntry();
  await world.assertSettled(address);
  await controller.stop();
});

test('Pods of a Deployment are replaced under load on it', async (t) => {
  const controller = await world.controller();
  const address = await world.address();
  await rollingPods(world, { address, rounds: dose(2, 6), skip: (why) => t.skip(why) });
  await world.assertSettled(address);
  await controller.stop();
});

test('data planes of a Gateway are replaced under load on it, one after the other, and by those of the other engine', async (t) => {
  await rollingDataPlanes(world, { rounds: dose(1, 6), skip: (why) => t.skip(why) });
});

test('a controller that is told to stop ends the requests in flight, and takes no new ones', async (t) => {
  const held: http.ServerResponse[] = [];
  const backend = http.createServer((_, response) => held.push(response)).listen(0, node);
  await once(backend, 'listening');
  t.after(() => backend.close().closeAllConnections());
  const { port } = backend.address() as AddressInfo;
  const objects = [...backendObjects(namespace, 'held', node, port), route('held', 'held')];
  for (const object of objects) await world.cluster.apply(object);
  const controller = await world.controller();
  const address = await world.address();
  await serves(address, hostname('stable-0'), 200);
  await world.accepted('held');
  const slow = answer(address, hostname('held'));
  await until('the request is at its backend', 60, async () => held.length > 0);
  const stopping = controller.stop('SIGTERM');
  // An Envoy lets nobody in from when the last request has ended.
  const isRefused = async (): Promise<boolean> => (await answer(address, hostname('stable-0'))).status === 0;
  if (process.env['FAULTS_ENGINE'] === 'envoy') await seconds(1);
  else await until('no new ones are taken', 60, isRefused);
  for (const response of held) response.end('late');
  assert.equal((await slow).status, 200);
  await stopping;
  assert.ok(await isRefused());
  assert.equal(controller.child.exitCode, 0);
  for (const object of objects) await world.cluster.delete(object);
});
