// A controller whose Gateways have data planes of their own, against an API server for tests. A stand-in for the stream acknowledges when
// the test says so; the real one is in cluster-proxies.test.ts.
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { ControllerOptions } from '../../src/controller/controller.ts';
import { Controller } from '../../src/controller/controller.ts';
import type { Fleet, FleetOptions } from '../../src/controller/fleet-plane.ts';
import { FleetPlane } from '../../src/controller/fleet-plane.ts';
import type { LogEntry } from '../../src/controller/log.ts';
import { provisioned } from '../../src/controller/provisioned.ts';
import type { Update } from '../../src/routing/update.ts';
import { KubeClient } from '../../src/sources/cluster/client.ts';
import { record } from '../../src/support/untrusted.ts';
import type { Stored } from './cluster-fixture.ts';
import { FakeApiServer } from './cluster-fixture.ts';
import { conditionsOf, definition, gatewayClass, gateway as gatewayAt } from './cluster-objects.ts';
import { eventually } from '../eventually.ts';

export class StubFleet implements Fleet {
  readonly options: FleetOptions;
  readonly updates: Update[] = [];
  readonly relays: (string | undefined)[] = [];
  readonly retranslated: string[] = [];
  /** Acknowledges at once. */
  answers = true;
  #held: (() => void)[] = [];

  constructor(options: FleetOptions) {
    this.options = options;
  }

  async apply(update: Update): Promise<void> {
    this.updates.push(update);
    if (!this.answers) await new Promise<void>((resolve) => this.#held.push(resolve));
    for (const { bind } of update.placements?.set ?? []) this.options.onReport('', { bind, state: 'serving' });
  }

  acknowledge(): void {
    for (const resolve of this.#held.splice(0)) resolve();
  }

  reload(): void {
    // Its peers are not real.
  }

  retranslate(gateway: string): void {
    this.retranslated.push(gateway);
  }

  relayTo(address: string | undefined): void {
    this.relays.push(address);
  }

  nodes(): readonly { readonly gateway: string }[] {
    return [{ gateway: 'default/gw' }];
  }

  close(): Promise<void> {
    this.acknowledge();
    return Promise.resolve();
  }
}

export interface World {
  readonly server: FakeApiServer;
  readonly controller: Controller;
  readonly fleet: () => StubFleet;
  readonly log: LogEntry[];
}

export const name = 'gw-portolan';

export async function serverWith(t: TestContext, ...objects: readonly Stored[]): Promise<FakeApiServer> {
  const server = await FakeApiServer.start(t);
  for (const object of [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } },
    definition('GatewayClass', 'gatewayclasses', 'Cluster'),
    definition('Gateway', 'gateways'),
    definition('HTTPRoute', 'httproutes'),
    definition('GatewayConfig', 'gatewayconfigs', 'Namespaced', 'portolan.dev'),
    gatewayClass,
    ...objects,
  ])
    server.apply(object);
  return server;
}

export async function world(t: TestContext, ...objects: readonly Stored[]): Promise<World> {
  const server = await serverWith(t, ...objects);
  return { server, ...(await ready(startReplica(t, server))) };
}

export async function ready(replica: Omit<World, 'server'>): Promise<Omit<World, 'server'>> {
  await eventually(() => replica.controller.waiting().length === 0, 'the controller is ready');
  return replica;
}

export interface ReplicaOptions {
  /** What it says to the server, which tells it from others. */
  readonly authorization?: string;
  readonly selection?: NonNullable<ControllerOptions['selection']>;
}

export function startReplica(
  t: TestContext,
  server: FakeApiServer,
  { authorization, selection = {} }: ReplicaOptions = {},
): Omit<World, 'server'> {
  const log: LogEntry[] = [];
  let fleet: StubFleet | undefined;
  const controller = new Controller({
    client: new KubeClient(
      authorization === undefined
        ? server.access
        : { ...server.access, credentials: () => Promise.resolve({ authorization }) },
    ),
    controllerName: 'portolan.dev/gateway-controller',
    mode: provisioned({
      image: 'portolan:test',
      controller: 'portolan-controller.portolan.svc:9443',
      namespace: 'portolan',
      patience: 300,
      uriOf: (key) => `spiffe://portolan.dev/gateway/${key}`,
      plane: (ports) =>
        new FleetPlane({
          start: (options) => Promise.resolve((fleet = new StubFleet(options))),
          names: ['portolan-controller.portolan.svc'],
          uri: 'spiffe://portolan.dev/controller',
          report: ports.report,
          changed: ports.changed,
          log: ports.log,
        }),
    }),
    namespace: 'portolan',
    selection,
    electsLeader: true,
    streamAddress: '10.0.0.1:9443',
    log: (entry) => log.push(entry),
  });
  controller.start();
  t.after(() => controller.stop(0));
  return { controller, log, fleet: () => fleet as StubFleet };
}

export function gateway(spec: object = {}): Stored {
  const object = gatewayAt(80);
  return { ...object, spec: { ...record(object['spec']), ...spec } };
}

export function config(spec: object): Stored {
  return {
    apiVersion: 'portolan.dev/v1alpha1',
    kind: 'GatewayConfig',
    metadata: { name: 'own', namespace: 'default' },
    spec,
  };
}

export const withConfig = {
  infrastructure: { parametersRef: { group: 'portolan.dev', kind: 'GatewayConfig', name: 'own' } },
};

export function conditions(server: FakeApiServer): readonly string[] {
  return conditionsOf(server.get('Gateway', 'gw'));
}

/** As the controllers of Kubernetes and of the cloud would. */
export function bringUp(server: FakeApiServer, ready = 1): void {
  const deployment = server.get('Deployment', name) as Stored;
  server.apply({ ...deployment, status: { replicas: 1, readyReplicas: ready } });
  const service = server.get('Service', name) as Stored;
  server.apply({ ...service, status: { loadBalancer: { ingress: [{ ip: '192.0.2.7' }] } } });
}

export async function provided(server: FakeApiServer): Promise<void> {
  // The last of them may be there while another one is refused.
  const kinds = ['Service', 'Deployment', 'PodDisruptionBudget'];
  await eventually(() => kinds.every((kind) => server.get(kind, name) !== undefined), 'all is provided');
}

export async function programmed(server: FakeApiServer, reason = 'Programmed'): Promise<void> {
  const wanted = `Programmed=${reason === 'Programmed' ? 'True' : 'False'} ${reason}`;
  await eventually(() => conditions(server).includes(wanted), wanted).catch(() =>
    assert.fail(`${wanted}, not ${conditions(server).join(', ')}`),
  );
}
