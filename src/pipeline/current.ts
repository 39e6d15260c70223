// Objects in their current form: those written in it, checked here, and those that the upgrade stages make of old vintages
// and other dialects. This is the one seam between the two: every later stage reads these tables only.
//
// Keys: references find Gateways, ListenerSets and classes by name, so theirs are namespace/name and name, and a native object
// goes before an upgraded one; policies are found in the same way. Nobody refers to routes and grants: native ones have the key namespace/name, upgraded ones begin
// with the kind that was written (`Ingress:shop/web`), so that no two collide.
import type {
  BackendTLSPolicy,
  Gateway,
  GatewayClass,
  GRPCRoute,
  HTTPRoute,
  ListenerSet,
  ReferenceGrant,
  TCPRoute,
  TLSRoute,
  UDPRoute,
  XBackend,
  XBackendTrafficPolicy,
} from '../api/generated/types.ts';
import type { GatewayConfig } from '../api/generated/portolan-types.ts';
import { gatewayGroup, portolanGroup, type Channel } from '../api/kinds.ts';
import type {
  ClusterTrustBundle,
  ConfigMap,
  EndpointSlice,
  KubeObject,
  Namespace,
  Secret,
  Service,
} from '../api/objects.ts';
import type { Sourced } from '../api/sourced.ts';
import { Derived } from '../incremental/derived.ts';
import { Merged } from '../incremental/merged.ts';
import type { Table } from '../incremental/table.ts';
import { refKey } from '../routing/origin.ts';
import type { Problem } from '../routing/problem.ts';
import { experimentalGroup } from '../translate/policies/traffic.ts';
import type { Checks } from '../translate/native.ts';
import type { ConfigState } from '../translate/gateways/parameters.ts';
import { configState } from '../translate/gateways/parameters.ts';
import { unservedProblems } from '../translate/unserved.ts';
import type { ServedIngress } from '../upgrade/ingress/stages.ts';
import { upgradeStages } from '../upgrade/stages.ts';
import type { Sources } from './sources.ts';
import type { Add } from './stage-list.ts';

export interface Current {
  readonly classes: Table<Sourced<GatewayClass>>;
  readonly gateways: Table<Sourced<Gateway>>;
  readonly httpRoutes: Table<Sourced<HTTPRoute>>;
  readonly listenerSets: Table<Sourced<ListenerSet>>;
  readonly grpcRoutes: Table<Sourced<GRPCRoute>>;
  readonly tlsRoutes: Table<Sourced<TLSRoute>>;
  readonly tcpRoutes: Table<Sourced<TCPRoute>>;
  readonly udpRoutes: Table<Sourced<UDPRoute>>;
  readonly grants: Table<Sourced<ReferenceGrant>>;
  readonly namespaces: Table<Sourced<Namespace>>;
  readonly services: Table<Sourced<Service>>;
  readonly slices: Table<Sourced<EndpointSlice>>;
  readonly secrets: Table<Sourced<Secret>>;
  readonly configMaps: Table<Sourced<ConfigMap>>;
  readonly trustBundles: Table<Sourced<ClusterTrustBundle>>;
  readonly xbackends: Table<Sourced<XBackend>>;
  readonly trafficPolicies: Table<Sourced<XBackendTrafficPolicy>>;
  /** By namespace/name, whatever their vintage. */
  readonly backendTlsPolicies: Table<Sourced<BackendTLSPolicy>>;
  /** The same as they were written, those that were refused as well. */
  readonly writtenTlsPolicies: Table<KubeObject>;
  readonly ingresses: Table<ServedIngress>;
  readonly configs: Table<ConfigState>;
  /** What is wrong with the objects themselves. */
  readonly problems: readonly Table<ObjectProblems>[];
}

/** The problems of one object, with the refKey of what was written. */
export interface ObjectProblems {
  readonly key: string;
  readonly problems: readonly Problem[];
}

interface Inputs {
  readonly sources: Sources;
  readonly checks: Checks;
  readonly channel: Channel;
}

type Named = { readonly metadata: KubeObject['metadata'] };

export function currentObjects({ sources, checks, channel }: Inputs, add: Add): Current {
  const problems: Table<ObjectProblems>[] = [];
  const native = <T extends Named>(group: string, kind: string): Table<Sourced<T>> => {
    const checked = add(new Derived(`checked ${kind}`, sources.of(group, kind), (object) => checks.check<T>(object)));
    problems.push(
      add(new Derived(`problems of ${kind}`, checked, ({ ref, problems }) => keyed(refKey(ref), problems))),
    );
    return add(new Derived(`native ${kind}`, checked, ({ sourced }) => sourced));
  };
  const configs = add(
    new Derived('GatewayConfigs', sources.of(portolanGroup, 'GatewayConfig'), (object) => {
      const checked = checks.check<GatewayConfig>(object);
      return checked && configState(checked);
    }),
  );
  problems.push(
    add(new Derived('problems of GatewayConfigs', configs, ({ ref, problems }) => keyed(refKey(ref), problems))),
  );
  const unserved = new Derived('problems of other kinds', sources.others, (object, _, key) =>
    keyed(key, unservedProblems(object, channel, checks)),
  );
  problems.push(add(unserved));
  const upgraded = upgradeStages(sources.of, channel);
  upgraded.stages.forEach(add);
  problems.push(...upgraded.problems);
  const both = <T extends Named>(kind: string, made: Table<Sourced<T>>): Table<Sourced<T>> =>
    add(new Merged(`current ${kind}`, [native<T>(gatewayGroup, kind), made]));
  return {
    classes: both('GatewayClass', upgraded.classes),
    gateways: both('Gateway', upgraded.gateways),
    httpRoutes: both('HTTPRoute', upgraded.httpRoutes),
    listenerSets: both('ListenerSet', upgraded.listenerSets),
    grpcRoutes: both('GRPCRoute', upgraded.grpcRoutes),
    tlsRoutes: both('TLSRoute', upgraded.tlsRoutes),
    tcpRoutes: both('TCPRoute', upgraded.tcpRoutes),
    udpRoutes: both('UDPRoute', upgraded.udpRoutes),
    grants: both('ReferenceGrant', upgraded.grants),
    namespaces: native('', 'Namespace'),
    services: native('', 'Service'),
    slices: native('discovery.k8s.io', 'EndpointSlice'),
    secrets: native('', 'Secret'),
    configMaps: native('', 'ConfigMap'),
    trustBundles: native('certificates.k8s.io', 'ClusterTrustBundle'),
    xbackends: native(experimentalGroup, 'XBackend'),
    trafficPolicies: native(experimentalGroup, 'XBackendTrafficPolicy'),
    backendTlsPolicies: both('BackendTLSPolicy', upgraded.backendTlsPolicies),
    writtenTlsPolicies: sources.of(gatewayGroup, 'BackendTLSPolicy'),
    ingresses: upgraded.ingresses,
    configs,
    problems,
  };
}

function keyed(key: string, problems: readonly Problem[]): ObjectProblems | undefined {
  return problems.length === 0 ? undefined : { key, problems };
}
