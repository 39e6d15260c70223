// The rows that engines are fed, gathered from bound Gateways and routes. Clusters name endpoints, and listeners name
// certificates: pods that come and go, and certificates that rotate, change those tables and no others.
import { Derived } from '../incremental/derived.ts';
import { Expanded } from '../incremental/expanded.ts';
import type { GroupedInput } from '../incremental/grouped.ts';
import { Grouped } from '../incremental/grouped.ts';
import type { Table } from '../incremental/table.ts';
import type { BoundGateway, BoundRoute } from '../routing/bound.ts';
import { compareEntries } from '../routing/match/precedence.ts';
import type {
  Bind,
  CertificateSet,
  Cluster,
  EndpointSet,
  Entry,
  Frontend,
  Rule,
  TrustBundle,
} from '../routing/model.ts';
import { compareText } from '../support/sorted.ts';
import { endpointSet, resolvedEndpoints, selectedEndpoints } from '../translate/backends/endpoints.ts';
import type { References } from './reference-stages.ts';
import type { Add, Facts } from './stage-list.ts';

interface Inputs {
  readonly gateways: Table<BoundGateway>;
  readonly routes: Table<BoundRoute>;
  readonly references: References;
  readonly facts: Facts;
  /** Whether addresses of this machine may be endpoints. */
  readonly loopback: boolean;
}

export interface Model {
  readonly binds: Table<Bind>;
  readonly frontends: Table<Frontend>;
  readonly virtualHosts: Grouped<BoundRoute, Entry>;
  readonly rules: Table<Rule>;
  readonly clusters: Table<Cluster>;
  readonly endpoints: Table<EndpointSet>;
  /** Hosts outside whose addresses are needed (Pipeline.resolve); the rows say for what. */
  readonly wantedHosts: Table<readonly string[]>;
  readonly certificates: Table<CertificateSet>;
  readonly trustBundles: Table<TrustBundle>;
}

export function modelStages({ gateways, routes, references, facts, loopback }: Inputs, add: Add): Model {
  const binds = add(new Expanded('binds', gateways, ({ binds }) => binds.map((bind) => [bind.key, bind] as const)));
  const frontends = add(new Expanded('frontends', gateways, frontendsOf));
  const virtualHosts = add(new Grouped('virtual hosts', [{ table: routes, split: entriesOf }], compareEntries));
  const rules = add(new Expanded('rules', routes, ({ rules }) => rules.map((rule) => [rule.key, rule] as const)));
  const users = [
    { table: routes, split: clustersOf },
    { table: gateways, split: clustersOfGateway },
  ];
  const uses = add(new Grouped('uses of clusters', users as GroupedInput<unknown, ClusterUse>[], compareUses));
  const clusters = add(new Derived('clusters', uses, ([use]) => use?.cluster));
  return {
    binds,
    frontends,
    virtualHosts,
    rules,
    clusters,
    ...endpointStages(clusters, references, { facts, loopback, add }),
    certificates: certificateStages(frontends, clusters, references, add),
    trustBundles: trustBundleStages(frontends, clusters, references, add),
  };
}

/** Only of Services that some cluster stands for; clusters of several Gateways share them. */
function endpointStages(
  clusters: Table<Cluster>,
  { services, slices, xbackends }: References,
  { facts, loopback, add }: Pick<Inputs, 'facts' | 'loopback'> & { readonly add: Add },
): Pick<Model, 'endpoints' | 'wantedHosts'> {
  const wanted = add(
    new Grouped(
      'wanted endpoints',
      [{ table: clusters, split: (cluster: Cluster) => [[cluster.endpoints, cluster] as const] }],
      (a: Cluster, b: Cluster) => compareText(a.key, b.key),
    ),
  );
  const hosts = add(
    new Derived('hosts of backends', wanted, ([cluster], read): string | undefined =>
      cluster?.backend.kind === 'XBackend'
        ? read(xbackends, `${cluster.backend.namespace}/${cluster.backend.name}`)?.hostname
        : undefined,
    ),
  );
  const byHost = (hostname: string, endpoints: string): [[string, string]] => [[hostname, endpoints]];
  const wantedHosts = add(new Grouped('wanted hosts', [{ table: hosts, split: byHost }], compareText));
  const endpoints = add(
    new Derived('endpoints', wanted, ([cluster], read, key) => {
      if (cluster === undefined) return undefined;
      const { kind, namespace, name, port } = cluster.backend;
      if (kind === 'XBackend') {
        const hostname = read(hosts, key);
        if (hostname === undefined) return selectedEndpoints(key, port, read(slices, key) ?? []);
        return resolvedEndpoints(key, port, read(facts.resolutions, hostname)?.addresses ?? [], loopback);
      }
      const service = `${namespace}/${name}`;
      const transport = cluster.protocol === 'udp' ? 'UDP' : 'TCP';
      const ports = read(services, service)?.ports ?? [];
      const servicePort = ports.find((each) => each.port === port && each.protocol === transport);
      if (servicePort === undefined) return { key, endpoints: [] };
      return endpointSet(key, servicePort, read(slices, service) ?? []);
    }),
  );
  return { endpoints, wantedHosts };
}

/** Only those that some served listener names, or that are shown to some backend. */
function certificateStages(
  frontends: Table<Frontend>,
  clusters: Table<Cluster>,
  { parsedCertificates }: References,
  add: Add,
): Table<CertificateSet> {
  const inputs = [
    { table: frontends, split: certificatesOf },
    { table: clusters, split: certificateShown },
  ];
  const wanted = add(new Grouped('wanted certificates', inputs as GroupedInput<unknown, string>[], compareText));
  return add(
    new Derived('certificates', wanted, (_, read, key) => {
      const parsed = read(parsedCertificates, key);
      return parsed !== undefined && 'set' in parsed ? parsed.set : undefined;
    }),
  );
}

/** Only those by which some listener checks clients, or some cluster its backends. */
function trustBundleStages(
  frontends: Table<Frontend>,
  clusters: Table<Cluster>,
  { parsedBundles }: References,
  add: Add,
): Table<TrustBundle> {
  const inputs = [
    { table: frontends, split: authoritiesOfFrontend },
    { table: clusters, split: authoritiesOfCluster },
  ];
  const wanted = add(new Grouped('wanted trust bundles', inputs as GroupedInput<unknown, string>[], compareText));
  return add(
    new Derived('trust bundles', wanted, (_, read, key) => {
      const parsed = read(parsedBundles, key);
      return parsed !== undefined && 'bundle' in parsed ? parsed.bundle : undefined;
    }),
  );
}

function authoritiesOfFrontend({ key, tls }: Frontend): Iterable<readonly [string, string]> {
  const authorities = tls?.mode === 'terminate' ? (tls.clients?.authorities ?? []) : [];
  return authorities.map((authority) => [authority, `frontend ${key}`] as const);
}

function authoritiesOfCluster({ key, tls }: Cluster): Iterable<readonly [string, string]> {
  if (tls === undefined || tls.authorities === 'system') return [];
  return tls.authorities.map((authority) => [authority, `cluster ${key}`] as const);
}

function certificateShown({ key, tls }: Cluster): Iterable<readonly [string, string]> {
  return tls?.certificate === undefined ? [] : [[tls.certificate, `cluster ${key}`]];
}

function frontendsOf({ listeners, listenerSets }: BoundGateway): Iterable<readonly [string, Frontend]> {
  return [...listeners, ...listenerSets.flatMap(({ listeners }) => listeners)].flatMap(({ frontend }) =>
    frontend === undefined ? [] : [[frontend.key, frontend] as const],
  );
}

function entriesOf({ entries }: BoundRoute): Iterable<readonly [string, Entry]> {
  return entries.map(({ virtualHost, entry }) => [virtualHost, entry] as const);
}

interface ClusterUse {
  readonly route: string;
  readonly cluster: Cluster;
}

function clustersOf({ key, clusters }: BoundRoute): Iterable<readonly [string, ClusterUse]> {
  return clusters.map((cluster) => [cluster.key, { route: key, cluster }] as const);
}

function clustersOfGateway({ key, clusters }: BoundGateway): Iterable<readonly [string, ClusterUse]> {
  return clusters.map((cluster) => [cluster.key, { route: `Gateway/${key}`, cluster }] as const);
}

function compareUses(a: ClusterUse, b: ClusterUse): number {
  return compareText(a.route, b.route);
}

function certificatesOf({ key, tls }: Frontend): Iterable<readonly [string, string]> {
  return tls?.mode === 'terminate' ? tls.certificates.map((certificate) => [certificate, key] as const) : [];
}
