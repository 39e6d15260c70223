// Gateways served by data planes of their own: a Deployment of proxies for each, a Service in front of it, and the configuration over
// a stream that only they can open. Where a Gateway can be reached is what its Service says.
import type { Changes } from '../incremental/table.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { BoundGateway } from '../routing/bound.ts';
import type { Placement } from '../routing/model.ts';
import type { ClusterChange } from '../sources/cluster/source.ts';
import { objectKey } from '../sources/cluster/source.ts';
import type { WatchedKind } from '../sources/cluster/watched.ts';
import { equal } from '../support/equal.ts';
import { list, record, text } from '../support/untrusted.ts';
import type { FleetPlane } from './fleet-plane.ts';
import { Authority } from './identity/authority.ts';
import { ensureIdentity } from './identity/identities.ts';
import type { Failure } from './infrastructure/exposure.ts';
import { addressesOf, clusterIPsOf, exposureOf } from './infrastructure/exposure.ts';
import type { Owner, Plural, Provided } from './infrastructure/owned.ts';
import { managedByLabel, manager, metadataOf, resourceName } from './infrastructure/owned.ts';
import { isRefusal, Provisioner, RefusedAddressError } from './infrastructure/provisioner.ts';
import { Refusals } from './infrastructure/refusals.ts';
import { serviceAccountOf, serviceOfPods } from './infrastructure/service.ts';
import type { WorkloadOptions } from './infrastructure/workload.ts';
import { deploymentOf, disruptionBudgetOf } from './infrastructure/workload.ts';
import type { Mode, Serving, ServingPorts } from './serving.ts';

export interface ProvisionedOptions extends WorkloadOptions {
  /** Of the controller: the authority is here, and what Ingresses need. */
  readonly namespace: string;
  /** @param gateway namespace/name @returns the URI by which its data planes are known */
  readonly uriOf: (gateway: string) => string;
  readonly plane: (ports: ServingPorts) => FleetPlane;
  /** Milliseconds after which an address that was asked for counts as refused. Default 15 s. */
  readonly patience?: number;
}

/** Only those of ours, by their label. */
const deployments: WatchedKind = {
  group: 'apps',
  version: 'v1',
  kind: 'Deployment',
  plural: 'deployments',
  namespaced: true,
  query: { labelSelector: `${managedByLabel}=${manager}` },
};

/** Milliseconds after which everything is looked at once more: what expires, and what is not watched. */
const LOOK_AGAIN = 600_000;

export function provisioned(options: ProvisionedOptions): Mode {
  return {
    kinds: [deployments],
    engine: 'embedded',
    engines: { deployed: options.envoyImage === undefined ? ['embedded'] : ['embedded', 'envoy'] },
    begin: (ports) => new Provisioned(options, ports),
  };
}

class Provisioned implements Serving {
  readonly plane: FleetPlane;
  readonly #options: ProvisionedOptions;
  readonly #ports: ServingPorts;
  readonly #provisioner: Provisioner;
  readonly #authority: Authority;
  /** Keys of Gateways by namespace/name of their objects, and the other way round. */
  readonly #gateways = new Map<string, string>();
  readonly #names = new Map<string, string>();
  readonly #placements = new Map<string, readonly Placement[]>();
  readonly #failures = new Map<string, Failure>();
  readonly #refusals: Refusals;
  /** Gateways whose objects changed in the cluster. */
  #touched = new Set<string>();
  readonly #provided = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ProvisionedOptions, ports: ServingPorts) {
    this.#options = options;
    this.#ports = ports;
    const { client, leads, log } = ports;
    this.plane = options.plane(ports);
    this.#authority = new Authority({
      client,
      namespace: options.namespace,
      leads,
      log,
      changed: (state) => {
        this.plane.authorize(state);
        this.#again();
      },
    });
    this.#refusals = new Refusals((gateway) => this.#touch(gateway), options.patience);
    this.#provisioner = new Provisioner({ client, settled: (gateway, error) => this.#settled(gateway, error) });
  }

  waiting(): readonly string[] {
    return this.plane.waiting();
  }

  start(): void {
    this.#authority.look();
    this.#timer = setInterval(() => this.#again(), LOOK_AGAIN).unref();
  }

  observe({ applied, deleted, live }: ClusterChange): void {
    for (const key of live) {
      const owned = ownedKind(key);
      const gateway = owned && this.#gateways.get(owned.name);
      if (gateway !== undefined) this.#touched.add(gateway);
    }
    for (const object of [...applied, ...deleted]) {
      const key = objectKey(object);
      const owned = ownedKind(key);
      const gateway = owned && this.#gateways.get(owned.name);
      if (owned === undefined || gateway === undefined || !this.#ports.leads()) continue;
      this.#provisioner.touched(gateway, { plural: owned.plural, object: this.#ports.source.live(key) });
    }
  }

  place(pipeline: Pipeline, changes: Changes | undefined): boolean {
    const { tables } = pipeline;
    const touched = this.#touched;
    this.#touched = new Set();
    const keys = changes === undefined ? new Set(tables.gateways.keys()) : changes.of(tables.gateways);
    let isNew = false;
    for (const key of new Set([...keys, ...touched])) {
      const gateway = tables.gateways.get(key);
      isNew = this.#placeOne(pipeline, key, gateway?.managed === true ? gateway : undefined) || isNew;
    }
    if (changes === undefined || isNew) pipeline.place([...this.#placements.values()].flat());
    return isNew || changes === undefined;
  }

  provide(owner: Owner): void {
    const { gateway, namespace, reference } = owner;
    // Without parameters nothing is known of what it wants; without listeners nothing is needed yet.
    const service = gateway.parameters === undefined ? undefined : this.#serviceOf(owner);
    if (service === undefined) return;
    const budget = disruptionBudgetOf(owner);
    const deployment = deploymentOf(owner, this.#options);
    const objects: Provided[] = [serviceAccountOf(owner), service, ...(deployment === undefined ? [] : [deployment])];
    const absent: Plural[] = [];
    if (budget === undefined) absent.push('poddisruptionbudgets');
    else objects.push(budget);
    this.#provided.add(gateway.key);
    this.#provisioner.provide({
      key: gateway.key,
      uid: reference.uid,
      namespace,
      name: resourceName(gateway),
      objects,
      absent,
      prepare: () => this.#identify(owner),
    });
  }

  withdraw(gateway: string): void {
    this.#provided.delete(gateway);
    this.#failures.delete(gateway);
    this.#provisioner.withdraw(gateway);
  }

  *expected({ tables }: Pipeline): Iterable<string> {
    for (const key of tables.exposures.keys()) {
      if (tables.exposures.get(key)?.missing === undefined) yield key;
    }
  }

  lead(leads: boolean): void {
    if (leads) this.#authority.look();
  }

  follow(leader: string | undefined): void {
    this.plane.relayTo(leader);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#authority.close();
    this.#provisioner.close();
    this.#refusals.close();
    await this.plane.close();
  }

  #again(): void {
    if (!this.#ports.leads()) return;
    for (const key of this.#provided) this.#provisioner.again(key);
  }

  async #identify(owner: Owner): Promise<void> {
    const { state } = this.#authority;
    if (state === undefined) throw new Error('the authority of data planes is not there yet');
    const { key } = owner.gateway;
    const uri = this.#options.uriOf(key);
    await ensureIdentity(this.#ports.client, state, { gateway: key, uri, metadata: metadataOf(owner) });
  }

  #serviceOf(owner: Owner): Provided | undefined {
    const { key } = owner.gateway;
    const { service } = this.#observed(`${owner.namespace}/${resourceName(owner.gateway)}`);
    const clusterIPs = service === undefined ? undefined : clusterIPsOf(service.object);
    return serviceOfPods(owner, { refused: this.#refusals.of(key), ...(clusterIPs && { clusterIPs }) });
  }

  #settled(gateway: string, error: Error | undefined): void {
    const refused = error instanceof RefusedAddressError ? error.address : undefined;
    if (refused !== undefined) this.#refusals.refuse(gateway, refused);
    const message = error?.message;
    if (message === this.#failures.get(gateway)?.message) return;
    if (error === undefined) this.#failures.delete(gateway);
    else {
      this.#failures.set(gateway, { message: error.message, refused: isRefusal(error) });
      const { log } = this.#ports;
      log({ level: 'error', message: `what Gateway ${gateway} needs could not be provided: ${message}` });
    }
    this.#touch(gateway);
  }

  #touch(gateway: string): void {
    this.#touched.add(gateway);
    this.#ports.changed();
  }

  /** Says whether the placements of the Gateway or what stands in front of it changed. */
  #placeOne(pipeline: Pipeline, key: string, gateway: BoundGateway | undefined): boolean {
    const before = this.#placements.get(key);
    const exposed = pipeline.tables.exposures.get(key);
    const named = this.#names.get(key);
    this.plane.configure(key, gateway?.parameters?.proxy);
    if (gateway === undefined || gateway.binds.length === 0) {
      this.#placements.delete(key);
      if (named !== undefined) this.#gateways.delete(named);
      this.#names.delete(key);
      this.#refusals.forget(key);
      if (exposed !== undefined) pipeline.unexpose(key);
      return before !== undefined || exposed !== undefined;
    }
    const name = `${this.#namespaceOf(gateway)}/${resourceName(gateway)}`;
    if (named !== undefined && named !== name) this.#gateways.delete(named);
    this.#names.set(key, name);
    this.#gateways.set(name, key);
    const { service, deployment } = this.#observed(name);
    const families = list(record(service?.object['spec'])['ipFamilies']);
    const address = families.includes('IPv6') ? '::' : '0.0.0.0';
    const placements = gateway.binds.map((bind) => ({ bind: bind.key, address, port: bind.port }));
    this.#placements.set(key, placements);
    const given = service === undefined ? [] : addressesOf(service.object, service.status).map(({ value }) => value);
    const asked = text(record(service?.object['spec'])['loadBalancerIP']);
    const wanted = gateway.addresses.map(({ value }) => value);
    this.#refusals.note(key, asked, given, wanted);
    const refused = this.#refusals.of(key);
    const failure = this.#failures.get(key);
    const elsewhere = gateway.parameters?.replicas === 0;
    const exposure = exposureOf({ gateway: key, name, service, deployment, elsewhere, refused, failure });
    pipeline.expose(exposure);
    return !equal(before, placements) || !equal(exposed, exposure);
  }

  #observed(name: string): Pick<Parameters<typeof exposureOf>[0], 'service' | 'deployment'> {
    const { source } = this.#ports;
    const at = (
      kind: string,
    ):
      | {
          readonly object: NonNullable<ReturnType<typeof source.object>>;
          readonly status: NonNullable<ReturnType<typeof source.live>>['status'];
        }
      | undefined => {
      const key = `${kind}/${name}`;
      const object = source.object(key);
      const live = source.live(key);
      return object === undefined || live === undefined ? undefined : { object, status: live.status };
    };
    return { service: at('/Service'), deployment: at('apps/Deployment') };
  }

  /** Gateways that Ingresses became have no namespace of their own. */
  #namespaceOf({ ref, written }: BoundGateway): string {
    return written.kind === 'IngressClass' ? this.#options.namespace : ref.namespace;
  }
}

function ownedKind(key: string): { readonly plural: 'services' | 'deployments'; readonly name: string } | undefined {
  if (key.startsWith('/Service/')) return { plural: 'services', name: key.slice('/Service/'.length) };
  if (key.startsWith('apps/Deployment/')) return { plural: 'deployments', name: key.slice('apps/Deployment/'.length) };
  return undefined;
}
