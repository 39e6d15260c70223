// The names of resources: fixed, since replicas, dashboards and access logs meet in them (names.test.ts holds them). Listeners and
// route configurations are called as their bind, clusters and endpoints as their rows.
export const types = {
  secret: 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',
  cluster: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  endpoints: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
  listener: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  scopes: 'type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration',
  routes: 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
} as const;

/** Says where the routes of a request are: set by our scripts alone, and never sent on. */
export const SHARD_HEADER = 'x-portolan-shard';

export type ResourceType = (typeof types)[keyof typeof types];

/** What others name comes before them. */
export const order: readonly ResourceType[] = [
  types.secret,
  types.cluster,
  types.endpoints,
  types.listener,
  types.scopes,
  types.routes,
];

/** Full name of the message: what a codec asks for. */
export function messageOf(type: string): string {
  return type.slice(type.lastIndexOf('/') + 1);
}

/** Of a RouteConfiguration, whose name begins with it: `namespace/name:port/transport/…` */
export function bindOfTable(name: string): string {
  return name.split('/').slice(0, 3).join('/');
}

/** Of a CertificateSet. */
export function certificateSecret(key: string): string {
  return `certificate/${key}`;
}

/** Of trust bundles that count together, in any order. */
export function trustSecret(bundles: readonly string[]): string {
  return `trust/${[...new Set(bundles)].sort().join(',')}`;
}
