// The rows that engines are fed, gathered from bound Gateways and routes. Clusters name endpoints, and listeners name
// certificates: pods that come and go, and certificates that rotate, change those tables and no others.
import { Derived } from '../incremental/derived.ts';
import { Expanded } from '../incremental/expanded.ts';
import { Grouped } from '../incremental/grouped.ts';
import type { Table } from '../incremental/table.ts';
import type { BoundGateway, BoundRoute } from '../routing/bound.ts';
import { compareEntries } from '../routing/match/precedence.ts';
import type { Bind, CertificateSet, Cluster, EndpointSet, Entry, Frontend, Rule } from '../routing/model.ts';
import { compareText } from '../support/sorted.ts';
import { endpointSet } from '../translate/backends/endpoints.ts';
import type { References } from './reference-stages.ts';
import type { Add } from './stage-list.ts';

interface Inputs {
  readonly gateways: Table<BoundGateway>;
  readonly routes: Table<BoundRoute>;
  readonly references: References;
}

export interface Model {
  readonly binds: Table<Bind>;
  readonly frontends: Table<Frontend>;
  readonly virtualHosts: Grouped<BoundRoute, Entry>;
  readonly rules: Table<Rule>;
  readonly clusters: Table<Cluster>;
  readonly endpoints: Table<EndpointSet>;
  readonly certificates: Table<CertificateSet>;
}

export function modelStages({ gateways, routes, references }: Inputs, add: Add): Model {
  const binds = add(new Expanded('binds', gateways, ({ binds }) => binds.map((bind) => [bind.key, bind] as const)));
  const frontends = add(new Expanded('frontends', gateways, frontendsOf));
  const virtualHosts = add(new Grouped('virtual hosts', [{ table: routes, split: entriesOf }], compareEntries));
  const rules = add(new Expanded('rules', routes, ({ rules }) => rules.map((rule) => [rule.key, rule] as const)));
  const uses = add(new Grouped('uses of clusters', [{ table: routes, split: clustersOf }], compareUses));
  const clusters = add(new Derived('clusters', uses, ([use]) => use?.cluster));
  return {
    binds,
    frontends,
    virtualHosts,
    rules,
    clusters,
    endpoints: endpointStages(clusters, references, add),
    certificates: certificateStages(frontends, references, add),
  };
}

/** Only of Services that some cluster stands for; clusters of several Gateways share them. */
function endpointStages(clusters: Table<Cluster>, { services, slices }: References, add: Add): Table<EndpointSet> {
  const wanted = add(
    new Grouped(
      'wanted endpoints',
      [{ table: clusters, split: (cluster: Cluster) => [[cluster.endpoints, cluster] as const] }],
      (a: Cluster, b: Cluster) => compareText(a.key, b.key),
    ),
  );
  return add(
    new Derived('endpoints', wanted, ([cluster], read, key) => {
      if (cluster === undefined) return undefined;
      const { namespace, name, port } = cluster.backend;
      const service = `${namespace}/${name}`;
      const servicePort = read(services, service)?.ports.find((each) => each.port === port && each.protocol === 'TCP');
      if (servicePort === undefined) return { key, endpoints: [] };
      return endpointSet(key, servicePort, read(slices, service) ?? []);
    }),
  );
}

/** Only those that some served listener names. */
function certificateStages(
  frontends: Table<Frontend>,
  { parsedCertificates }: References,
  add: Add,
): Table<CertificateSet> {
  const wanted = add(new Grouped('wanted certificates', [{ table: frontends, split: certificatesOf }], compareText));
  return add(
    new Derived('certificates', wanted, (_, read, key) => {
      const parsed = read(parsedCertificates, key);
      return parsed !== undefined && 'set' in parsed ? parsed.set : undefined;
    }),
  );
}

function frontendsOf({ listeners }: BoundGateway): Iterable<readonly [string, Frontend]> {
  return listeners.flatMap(({ frontend }) => (frontend === undefined ? [] : [[frontend.key, frontend] as const]));
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

function compareUses(a: ClusterUse, b: ClusterUse): number {
  return compareText(a.route, b.route);
}

function certificatesOf({ key, tls }: Frontend): Iterable<readonly [string, string]> {
  return tls?.mode === 'terminate' ? tls.certificates.map((certificate) => [certificate, key] as const) : [];
}
