// Updates of the routing model -> changed resources, per scope (the gateway whose Envoys get them): work in proportion to what changed.
// What a resource says is in the files that it calls; this one knows which resource a row shows in.
import type {
  Bind,
  Cluster,
  EndpointSet,
  Frontend,
  Placement,
  Rule,
  CertificateSet,
  TrustBundle,
} from '../../routing/model.ts';
import type { LeftOut } from '../../routing/engine.ts';
import type { RowChanges, Update } from '../../routing/update.ts';
import { gatewayOfBind, gatewayOfScoped } from '../stream/partition.ts';
import { Batch, type ScopedChanges, type Sent } from './batch.ts';
import { clusterResource } from './clusters.ts';
import type { HttpSettings } from './connection-manager.ts';
import { encodeResource } from './encode.ts';
import { endpointsResource } from './endpoints.ts';
import { HostRoutes, type HostSettings } from './host-routes.ts';
import { listenerResource } from './listeners.ts';
import { certificateSecret, trustSecret, types } from './names.ts';
import { References } from './references.ts';
import { RouteTables } from './route-tables.ts';
import { leastRoom, roomier } from './routes/checks.ts';
import { Faults } from './screening/faults.ts';
import { type RowName, rowsNamed, type StandingRows } from './screening/suspects.ts';
import { certificateResource, trustDigest, trustResource } from './secrets.ts';
import { plainVariant } from './streams.ts';

export interface TranslationOptions extends HttpSettings, HostSettings {
  /** PEM file with the authorities of the machine that Envoy runs on. */
  readonly systemTrust: string;
  /** Told of what is not sent, since Envoy would refuse it, and of what is served otherwise: when that changes. */
  readonly onLeftOut?: (rows: readonly LeftOut[]) => void;
  /** False: rows are taken for good, whatever they say; for tests. Default true. */
  readonly screens?: boolean;
  /** Where the resources of a gateway go. Default: each gateway by itself. */
  readonly scopeOf?: (gateway: string) => string;
}

/** Of a RouteConfiguration: what leads to it, and itself. */
const tableTypes = [types.scopes, types.routes] as const;

export class Translation {
  readonly #options: TranslationOptions;
  readonly faults: Faults;
  readonly #binds = new Map<string, Bind>();
  readonly #placements = new Map<string, Placement>();
  readonly #frontends = new Map<string, Frontend>();
  readonly #hosts = new Map<string, HostRoutes>();
  /** By bind. */
  readonly #tables = new Map<string, RouteTables>();
  readonly #rules = new Map<string, Rule>();
  readonly #clusters = new Map<string, Cluster>();
  readonly #endpoints = new Map<string, EndpointSet>();
  readonly #certificates = new Map<string, CertificateSet>();
  readonly #bundles = new Map<string, TrustBundle>();
  readonly #endpointUsers = new References();
  readonly #secretUsers = new References();
  /** Bundles of the trust secrets that are named, and the other way round. */
  readonly #trusts = new Map<string, readonly string[]>();
  /** What was sent last. */
  readonly #sent: Sent = new Map();
  /** As they were translated last. */
  readonly standing: StandingRows = {
    binds: this.#binds,
    frontends: this.#frontends,
    hosts: this.#hosts,
    rules: this.#rules,
    clusters: this.#clusters,
    certificates: this.#certificates,
    trustBundles: this.#bundles,
  };

  constructor(options: TranslationOptions) {
    this.#options = options;
    this.faults = new Faults((rows) => options.onLeftOut?.(rows), options.screens);
  }

  apply(update: Update): ScopedChanges {
    this.faults.take(update);
    return this.#translate(update);
  }

  /** Some rows once more: other faults are known of them. */
  again(names: readonly RowName[]): ScopedChanges {
    return this.#translate(rowsNamed(this.standing, names));
  }

  #translate(update: Update): ScopedChanges {
    const batch = new Batch(this.#sent);
    const stale = new Stale();
    this.#takeShared(update, batch, stale);
    for (const row of update.clusters?.set ?? []) this.#setCluster(row, batch);
    this.#takeFrontends(update.frontends, batch, stale);
    this.#takeBinds(update, stale);
    this.#takeRoutes(update, stale);
    for (const key of stale.listeners) this.#listener(key, batch);
    for (const key of stale.routes) this.#routes(key, stale.listeners.has(key), batch);
    for (const key of update.clusters?.delete ?? []) this.#deleteCluster(key, batch);
    this.faults.settle();
    return batch.changes();
  }

  #scope(gateway: string): string {
    return this.#options.scopeOf?.(gateway) ?? gateway;
  }

  // ---- What several gateways may share.

  #takeShared({ endpoints, certificates, trustBundles }: Update, batch: Batch, stale: Stale): void {
    for (const key of merge(this.#endpoints, endpoints)) {
      for (const scope of this.#endpointUsers.scopesOf(key)) this.#sendEndpoints(scope, key, batch);
    }
    const usable = this.#screened(certificates);
    for (const row of usable?.set ?? []) if (!this.#certificates.has(row.key)) stale.certificates.add(row.key);
    for (const key of usable?.delete ?? []) stale.certificates.add(key);
    for (const key of merge(this.#certificates, usable)) {
      const name = certificateSecret(key);
      for (const scope of this.#secretUsers.scopesOf(name)) this.#sendSecret(scope, name, batch);
    }
    const bundles = new Set(merge(this.#bundles, trustBundles));
    if (bundles.size === 0) return;
    for (const [name, keys] of this.#trusts) {
      if (!keys.some((key) => bundles.has(key))) continue;
      for (const scope of this.#secretUsers.scopesOf(name)) this.#sendSecret(scope, name, batch);
    }
    for (const row of this.#clusters.values()) {
      const { tls } = row;
      if (tls === undefined || tls.authorities === 'system') continue;
      if (tls.authorities.some((key) => bundles.has(key))) this.#setCluster(row, batch);
    }
  }

  /** Without certificates that Envoy would refuse, which then do not stand there. */
  #screened(changes: RowChanges<CertificateSet> | undefined): RowChanges<CertificateSet> | undefined {
    if (changes === undefined) return undefined;
    const refused = changes.set.flatMap((row) => {
      return this.faults.ofCertificate(row) === undefined ? [] : [row.key];
    });
    return { set: changes.set.filter(({ key }) => !refused.includes(key)), delete: [...changes.delete, ...refused] };
  }

  #sendEndpoints(scope: string, key: string, batch: Batch): void {
    const tree = endpointsResource(this.#endpoints.get(key), key);
    batch.set(scope, types.endpoints, encodeResource(types.endpoints, key, tree));
  }

  #sendSecret(scope: string, name: string, batch: Batch): void {
    const bundles = this.#trusts.get(name);
    if (bundles !== undefined) {
      const tree = trustResource(name, this.#trusted(bundles));
      batch.set(scope, types.secret, encodeResource(types.secret, name, tree));
      return;
    }
    const row = this.#certificates.get(name.slice(certificateSecret('').length));
    if (row === undefined) batch.remove(scope, types.secret, name);
    else batch.set(scope, types.secret, encodeResource(types.secret, name, certificateResource(name, row)));
  }

  #trusted(bundles: readonly string[]): readonly TrustBundle[] {
    return bundles.flatMap((key) => (this.faults.isOut('trustBundles', key) ? [] : (this.#bundles.get(key) ?? [])));
  }

  #nameSecrets(owner: string, scope: string, { certificates = [], trusts = [] }: NamedSecrets, batch: Batch): void {
    for (const bundles of trusts) this.#trusts.set(trustSecret(bundles), [...bundles]);
    const names = [...certificates.map(certificateSecret), ...trusts.map(trustSecret)];
    const { came, went } = this.#secretUsers.set(owner, scope, names);
    for (const name of came) this.#sendSecret(scope, name, batch);
    for (const name of went) {
      batch.remove(scope, types.secret, name);
      if ([...this.#secretUsers.scopesOf(name)].length === 0) this.#trusts.delete(name);
    }
  }

  // ---- Clusters.

  #setCluster(row: Cluster, batch: Batch): void {
    this.#clusters.set(row.key, row);
    const scope = this.#scope(gatewayOfScoped(row.key));
    const { tls } = row;
    const certificates = tls?.certificate === undefined ? [] : [tls.certificate];
    const trusts = tls === undefined || tls.authorities === 'system' ? [] : [tls.authorities];
    this.#nameSecrets(`cluster ${row.key}`, scope, { certificates, trusts }, batch);
    this.#nameEndpoints(row.key, scope, [row.endpoints], batch);
    const isOut = this.faults.isOut('clusters', row.key);
    if (isOut) batch.remove(scope, types.cluster, row.key);
    else this.#sendCluster(row, scope, batch);
    // Streams that are TLS already are not wrapped once more.
    const { tls: _, ...plain } = row;
    const variant = plainVariant(row.key);
    if (row.protocol === 'tcp' && !isOut) this.#sendCluster({ ...plain, key: variant }, scope, batch);
    else batch.remove(scope, types.cluster, variant);
  }

  #sendCluster(row: Cluster, scope: string, batch: Batch): void {
    const authorities = row.tls?.authorities ?? 'system';
    const tree = clusterResource(row, this.#options.limits, {
      system: this.#options.systemTrust,
      digest: authorities === 'system' ? undefined : trustDigest(this.#trusted(authorities)),
    });
    const asks = [{ typeUrl: types.endpoints, name: row.endpoints, again: true }] as const;
    batch.set(scope, types.cluster, encodeResource(types.cluster, row.key, tree, asks));
  }

  #deleteCluster(key: string, batch: Batch): void {
    if (!this.#clusters.delete(key)) return;
    const scope = this.#scope(gatewayOfScoped(key));
    batch.remove(scope, types.cluster, key);
    batch.remove(scope, types.cluster, plainVariant(key));
    this.#nameEndpoints(key, scope, [], batch);
    this.#nameSecrets(`cluster ${key}`, scope, {}, batch);
  }

  #nameEndpoints(cluster: string, scope: string, names: readonly string[], batch: Batch): void {
    const { came, went } = this.#endpointUsers.set(cluster, scope, names);
    for (const name of came) this.#sendEndpoints(scope, name, batch);
    for (const name of went) batch.remove(scope, types.endpoints, name);
  }

  // ---- Listeners and routes.

  #takeFrontends(changes: RowChanges<Frontend> | undefined, batch: Batch, stale: Stale): void {
    for (const row of changes?.set ?? []) {
      const before = this.#frontends.get(row.key);
      if (before !== undefined) stale.bind(before.bind);
      this.#frontends.set(row.key, row);
      this.#hostsOf(row.key).describe(row, this.faults.isOut('frontends', row.key));
      stale.bind(row.bind);
      const { tls } = row;
      const certificates = tls?.mode === 'terminate' ? tls.certificates : [];
      const clients = tls?.mode === 'terminate' ? tls.clients : undefined;
      const trusts = clients === undefined ? [] : [clients.authorities];
      this.#nameSecrets(`frontend ${row.key}`, this.#scope(row.gateway), { certificates, trusts }, batch);
    }
    for (const key of changes?.delete ?? []) {
      const row = this.#frontends.get(key);
      if (row === undefined) continue;
      this.#frontends.delete(key);
      this.#nameSecrets(`frontend ${key}`, this.#scope(row.gateway), {}, batch);
      stale.bind(row.bind);
      const hosts = this.#hostsOf(key);
      hosts.describe(undefined);
      if (hosts.isEmpty) this.#hosts.delete(key);
    }
  }

  #takeBinds({ binds, placements }: Update, stale: Stale): void {
    for (const row of binds?.set ?? []) this.#binds.set(row.key, row);
    for (const row of placements?.set ?? []) this.#placements.set(row.bind, row);
    for (const key of placements?.delete ?? []) this.#placements.delete(key);
    const keys = [...(binds?.set ?? []).map(({ key }) => key), ...(placements?.set ?? []).map(({ bind }) => bind)];
    for (const key of [...keys, ...(binds?.delete ?? []), ...(placements?.delete ?? [])]) stale.bind(key);
    for (const key of binds?.delete ?? []) this.#binds.delete(key);
    if (stale.certificates.size === 0) return;
    for (const { bind, tls } of this.#frontends.values()) {
      if (tls?.mode === 'terminate' && tls.certificates.some((key) => stale.certificates.has(key)))
        stale.listeners.add(bind);
    }
  }

  #takeRoutes({ rules, virtualHosts }: Update, stale: Stale): void {
    const standing = [...this.#hosts].filter(([, hosts]) => !hosts.isEmpty);
    const changed = merge(this.#rules, rules);
    for (const key of standing.length === 0 ? [] : changed) {
      for (const [frontend, hosts] of standing) {
        const row = this.#frontends.get(frontend);
        const { room } = hosts;
        if (hosts.ruleChanged(key) && row !== undefined) stale.rules(row, hosts.room !== room);
      }
    }
    // What comes after the rules is made of them.
    for (const change of virtualHosts ?? []) {
      if (this.faults.ofHost(change.hostname) !== undefined) continue;
      const hosts = this.#hostsOf(change.frontend);
      const { room } = hosts;
      hosts.change(change);
      const frontend = this.#frontends.get(change.frontend);
      if (frontend !== undefined) stale.rules(frontend, hosts.room !== room);
      else if (hosts.isEmpty) this.#hosts.delete(change.frontend);
    }
  }

  #hostsOf(frontend: string): HostRoutes {
    let hosts = this.#hosts.get(frontend);
    if (hosts === undefined)
      this.#hosts.set(frontend, (hosts = new HostRoutes((key) => this.#rules.get(key), this.#options, this.faults)));
    return hosts;
  }

  #frontendsOf(bind: Bind): readonly Frontend[] {
    return bind.frontends
      .flatMap((key) => this.#frontends.get(key) ?? [])
      .filter(({ hostname }) => this.faults.ofHost(hostname) === undefined);
  }

  #listener(key: string, batch: Batch): void {
    const bind = this.#binds.get(key);
    const placement = this.#placements.get(key);
    const scope = this.#scope(bind?.gateway ?? gatewayOfBind(key));
    const frontends = bind === undefined ? [] : this.#frontendsOf(bind);
    if (bind === undefined || placement === undefined || frontends.length === 0) {
      batch.remove(scope, types.listener, key);
      return;
    }
    const owners = frontends.map((frontend) => ({
      frontend,
      streams: isHttp(frontend) ? [] : this.#hostsOf(frontend.key).streams(),
      isOut: this.faults.isOut('frontends', frontend.key),
    }));
    const tree = listenerResource(bind, placement, owners, {
      ...this.#options,
      room: frontends.map(({ key: each }) => this.#hostsOf(each).room).reduce(roomier, leastRoom),
      certified: (certificate) => this.#certificates.has(certificate),
    });
    // Its first listener of HTTP makes an Envoy ask for scopes, and those for routes: without them it does not listen.
    const asks = frontends.some(isHttp) ? [{ typeUrl: types.scopes, name: '*' }] : [];
    batch.set(scope, types.listener, encodeResource(types.listener, key, tree, asks));
  }

  /** @param anew the listeners of the bind changed, too */
  #routes(key: string, anew: boolean, batch: Batch): void {
    const bind = this.#binds.get(key);
    const scope = this.#scope(bind?.gateway ?? gatewayOfBind(key));
    const frontends = bind === undefined ? [] : this.#frontendsOf(bind).filter(isHttp);
    const known = this.#tables.get(key);
    if (frontends.length === 0 || !this.#placements.has(key)) {
      this.#tables.delete(key);
      for (const name of known?.names() ?? []) for (const type of tableTypes) batch.remove(scope, type, name);
      return;
    }
    const tables = known ?? new RouteTables(key);
    this.#tables.set(key, tables);
    const { routes, scopes, gone } =
      anew || known === undefined
        ? tables.rebuild(frontends.map((frontend) => ({ frontend, hosts: this.#hostsOf(frontend.key) })))
        : tables.refresh();
    for (const resource of scopes) batch.set(scope, types.scopes, resource);
    for (const resource of routes) batch.set(scope, types.routes, resource);
    for (const name of gone) for (const type of tableTypes) batch.remove(scope, type, name);
  }
}

interface NamedSecrets {
  /** Keys. */
  readonly certificates?: readonly string[];
  /** Keys of bundles that count together. */
  readonly trusts?: readonly (readonly string[])[];
}

/** Keys of binds, unless said otherwise. */
class Stale {
  readonly listeners = new Set<string>();
  readonly routes = new Set<string>();
  /** That came or went. */
  readonly certificates = new Set<string>();

  /** @param isRoomier its filters are more, too */
  rules(frontend: Frontend, isRoomier = false): void {
    if (isHttp(frontend)) this.routes.add(frontend.bind);
    if (isRoomier || !isHttp(frontend)) this.listeners.add(frontend.bind);
  }

  bind(key: string): void {
    this.listeners.add(key);
    this.routes.add(key);
  }
}

/** Returns the keys that changed. */
function merge<T extends { readonly key: string }>(
  into: Map<string, T>,
  changes: RowChanges<T> | undefined,
): readonly string[] {
  const keys: string[] = [];
  for (const row of changes?.set ?? []) {
    into.set(row.key, row);
    keys.push(row.key);
  }
  for (const key of changes?.delete ?? []) if (into.delete(key)) keys.push(key);
  return keys;
}

function isHttp({ protocol }: Frontend): boolean {
  return protocol === 'HTTP' || protocol === 'HTTPS';
}
