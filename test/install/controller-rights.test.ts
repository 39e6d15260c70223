// The controller against an API server that refuses whatever the roles of the chart do not give it: nothing is refused, and nothing is
// given that it does not use.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { AddressPool } from '../../src/controller/addresses.ts';
import { startEngine } from '../../src/engines/embedded/engine.ts';
import type { Engine, EngineEvents } from '../../src/routing/engine.ts';
import { allInOne } from '../../src/controller/all-in-one.ts';
import { Controller } from '../../src/controller/controller.ts';
import type { Fleet, FleetOptions } from '../../src/controller/fleet-plane.ts';
import { FleetPlane } from '../../src/controller/fleet-plane.ts';
import { provisioned } from '../../src/controller/provisioned.ts';
import type { Mode } from '../../src/controller/serving.ts';
import type { Update } from '../../src/routing/update.ts';
import { KubeClient } from '../../src/sources/cluster/client.ts';
import { record } from '../../src/support/untrusted.ts';
import type { Stored } from '../features/cluster-fixture.ts';
import { FakeApiServer } from '../features/cluster-fixture.ts';
import { definitions, everyKind } from './every-kind.ts';
import type { ManifestFile, Rule } from './manifests.ts';
import { allows, manifests, one, qualified, rulesOf } from './manifests.ts';
import { freePort } from '../free-port.ts';
import { eventually } from '../eventually.ts';

const namespace = 'portolan';

/** Takes everything, and says that it is in force. */
class StubFleet implements Fleet {
  readonly #options: FleetOptions;

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  apply(update: Update): Promise<void> {
    for (const { bind } of update.placements?.set ?? []) this.#options.onReport('', { bind, state: 'serving' });
    return Promise.resolve();
  }

  reload(): void {
    // Its peers are not real.
  }

  retranslate(): void {
    // Nobody asks for translations.
  }

  relayTo(): void {
    // There is one replica.
  }

  nodes(): readonly { readonly gateway: string }[] {
    return [];
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

const byDataPlanes = (): Mode =>
  provisioned({
    image: 'portolan:test',
    controller: 'portolan-controller.portolan.svc:9443',
    namespace,
    uriOf: (key) => `spiffe://portolan.dev/gateway/${key}`,
    plane: ({ report, changed, log }) =>
      new FleetPlane({
        start: (options) => Promise.resolve(new StubFleet(options)),
        names: ['portolan-controller.portolan.svc'],
        uri: 'spiffe://portolan.dev/controller',
        report,
        changed,
        log,
      }),
  });

const inOneProcess = (): Mode =>
  allInOne({ pool: new AddressPool('127.77.0.0/24'), engine: 'embedded', start: startEmbedded });

/** What was asked for, `verb resource`, and what was refused. */
interface Recorded {
  readonly used: Set<string>;
  readonly refused: Set<string>;
}

/** A server that knows the roles of a file. Statuses meet a conflict at first, as if somebody else had been quicker. */
function guard(server: FakeApiServer, file: ManifestFile): Recorded {
  const objects = manifests(file);
  const roles = ['cluster', 'watch', 'provision'].map((part) =>
    one(objects, 'ClusterRole', `portolan:${namespace}:${part}`),
  );
  const everywhere = roles.flatMap((role) => rulesOf(objects, role));
  const within = [...everywhere, ...rulesOf(objects, one(objects, 'Role', 'portolan-controller'))];
  const recorded: Recorded = { used: new Set(), refused: new Set() };
  const conflicted = new Set<string>();
  server.refuse = (method, path) => {
    const wanted = wantedBy(method, path, (kind) => server.has(kind));
    if (wanted === undefined) return undefined;
    const { resource, name } = wanted;
    const rules: readonly Rule[] = wanted.namespace === namespace ? within : everywhere;
    for (const verb of wanted.verbs) {
      recorded.used.add(`${verb} ${resource}`);
      if (!allows(rules, { verb, resource, name: verb === 'create' ? '' : name })) {
        recorded.refused.add(`${verb} ${resource} ${wanted.namespace}/${name}`);
        return 403;
      }
    }
    if (!resource.endsWith('/status') || conflicted.has(path)) return undefined;
    conflicted.add(path);
    return 409;
  };
  return recorded;
}

interface Wanted {
  readonly verbs: readonly string[];
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
}

/** Undefined: everybody may ask that (which resources an API has). */
function wantedBy(method: string, path: string, exists: (path: string) => boolean): Wanted | undefined {
  const [, group = '', rest = ''] = /^\/(?:api|apis\/([^/]+))\/[^/]+(?:\/(.*))?$/.exec(path) ?? [];
  if (rest === '') return undefined;
  const parts = rest.split('/');
  const within = parts[0] === 'namespaces' && parts.length > 2 ? (parts[1] ?? '') : '';
  const [plural = '', name = '', part] = within === '' ? parts : parts.slice(2);
  const resource = qualified(part === undefined ? plural : `${plural}/${part}`, group);
  return { verbs: verbsOf(method, name, exists(path)), resource, namespace: within, name };
}

function verbsOf(method: string, name: string, exists: boolean): readonly string[] {
  switch (method) {
    case 'GET':
      // A kind that is listed is watched.
      return name === '' ? ['list', 'watch'] : ['get'];
    case 'POST':
      return ['create'];
    case 'PUT':
      return ['update'];
    case 'PATCH':
      // What is applied and is not there yet is created.
      return exists ? ['patch'] : ['patch', 'create'];
    default:
      return ['delete'];
  }
}

function granted(file: ManifestFile): ReadonlySet<string> {
  const objects = manifests(file);
  const roles = objects.filter(({ kind }) => kind === 'ClusterRole' || kind === 'Role');
  const ofController = roles.filter(
    (role) => !/"name":"portolan-(?!controller)/.test(JSON.stringify(role['metadata'])),
  );
  return new Set(
    ofController
      .flatMap((role) => rulesOf([], role))
      .flatMap(({ verbs, resources }) => verbs.flatMap((verb) => resources.map((resource) => `${verb} ${resource}`))),
  );
}

/** A cluster with an object of every kind; then its Gateway goes to somebody else. */
async function live(t: TestContext, file: ManifestFile, mode: Mode): Promise<Recorded> {
  const server = await FakeApiServer.start(t);
  for (const object of [...definitions, ...everyKind(await freePort())]) server.apply(object);
  const recorded = guard(server, file);
  const controller = new Controller({
    client: new KubeClient(server.access),
    controllerName: 'portolan.dev/gateway-controller',
    mode,
    namespace,
    electsLeader: true,
    streamAddress: '10.0.0.1:9443',
    log: () => {},
  });
  t.after(() => controller.stop(0));
  controller.start();
  const isUsed = (right: string): boolean => recorded.used.has(right);
  await eventually(() => controller.waiting().length === 0, 'the controller is ready');
  await eventually(() => server.get('Service', 'gw-portolan') !== undefined, 'the Gateway has a Service');
  bringUp(server);
  const statuses = [...granted(file)].filter((right) => right.endsWith('/status'));
  await eventually(() => statuses.every(isUsed), `every status is written: ${statuses.join(', ')}`).catch(
    (error: unknown) => {
      const missing = statuses.filter((right) => !isUsed(right)).join(', ');
      throw new Error(`never used: ${missing}; refused: ${[...recorded.refused].join(', ')}`, { cause: error });
    },
  );
  const gateway = server.get('Gateway', 'gw') as Stored;
  server.apply({ ...gateway, spec: { ...record(gateway['spec']), gatewayClassName: 'other' } });
  await eventually(() => server.get('Service', 'gw-portolan') === undefined, 'what it had is gone');
  const deletions = [...granted(file)].filter((right) => right.startsWith('delete '));
  await eventually(() => [...deletions, 'get secrets'].every(isUsed), 'and all the rest');
  return recorded;
}

/** As the controllers of Kubernetes would. */
function bringUp(server: FakeApiServer): void {
  const service = server.get('Service', 'gw-portolan') as Stored;
  server.apply({ ...service, status: { loadBalancer: { ingress: [{ ip: '192.0.2.7' }] } } });
  const deployment = server.get('Deployment', 'gw-portolan');
  if (deployment !== undefined) server.apply({ ...deployment, status: { replicas: 1, readyReplicas: 1 } });
}

/** Granted, and not seen to be used here. */
const unseen: Readonly<Record<string, string>> = {
  'list clustertrustbundles.certificates.k8s.io': 'the server of the tests does not have this API',
  'watch clustertrustbundles.certificates.k8s.io': 'nor this',
  'update leases.coordination.k8s.io': 'every three seconds, which is longer than this test',
  'update secrets': 'the authority of data planes changes once in eight months',
};

for (const [file, mode] of [
  ['portolan.yaml', byDataPlanes],
  ['portolan-all-in-one.yaml', inOneProcess],
] as const) {
  test(`deploy/manifests/${file}: the roles give the controller what it asks for, and nothing else`, async (t) => {
    const { used, refused } = await live(t, file, mode());
    assert.deepEqual([...refused], []);
    const idle = [...granted(file)].filter((right) => !used.has(right) && unseen[right] === undefined);
    assert.deepEqual(idle, []);
  });
}

test('a right that is missing is noticed', async (t) => {
  const server = await FakeApiServer.start(t);
  const recorded = guard(server, 'portolan.yaml');
  const client = new KubeClient(server.access);
  t.after(() => client.close());
  const statusOf = (path: string): Promise<unknown> =>
    client.request('GET', path).then(
      () => 200,
      (error: unknown) => record(error)['status'],
    );
  assert.equal(await statusOf('/api/v1/pods'), 403);
  assert.equal(await statusOf('/apis/coordination.k8s.io/v1/namespaces/portolan/leases/of-somebody-else'), 403);
  assert.equal(await statusOf('/apis/coordination.k8s.io/v1/namespaces/default/leases/portolan-controller'), 403);
  assert.equal(await statusOf('/api/v1/secrets'), 200);
  assert.equal(recorded.refused.size, 3);
});

/** The engine of this process. */
function startEmbedded({ onReport }: EngineEvents): Promise<Engine> {
  return Promise.resolve(startEngine({ onReport }));
}
