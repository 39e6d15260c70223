// Everything that becomes a current object on the way in: networking.x-k8s.io/v1alpha1, v1alpha2 and v1alpha3, XListenerSet,
// Ingress. The pipeline merges these tables with those of the objects that were written in a current version.
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
} from '../api/generated/types.ts';
import { experimentalGatewayGroup, gatewayGroup, type Channel } from '../api/kinds.ts';
import type { KubeObject } from '../api/objects.ts';
import type { Sourced } from '../api/sourced.ts';
import { Merged } from '../incremental/merged.ts';
import type { Stage, Table } from '../incremental/table.ts';
import { ingressStages } from './ingress/stages.ts';
import type { ServedIngress } from './ingress/stages.ts';
import { backendTlsStages } from './backend-tls.ts';
import { vintageStages, type Vintage } from './same-shape.ts';
import { firstRuleOnly } from './streams.ts';
import type { ProblemsOf, RawTables } from './tables.ts';
import { v1alpha1Stages } from './v1alpha1/stages.ts';

export interface UpgradeTables {
  /** In order. */
  readonly stages: readonly Stage[];
  /** By class name. */
  readonly classes: Table<Sourced<GatewayClass>>;
  /** By namespace/name, as references find them. */
  readonly gateways: Table<Sourced<Gateway>>;
  /** By namespace/name. */
  readonly listenerSets: Table<Sourced<ListenerSet>>;
  /** By namespace/name. */
  readonly backendTlsPolicies: Table<Sourced<BackendTLSPolicy>>;
  /** Keys begin with the kind that was written, and its vintage. */
  readonly httpRoutes: Table<Sourced<HTTPRoute>>;
  readonly tlsRoutes: Table<Sourced<TLSRoute>>;
  readonly tcpRoutes: Table<Sourced<TCPRoute>>;
  readonly udpRoutes: Table<Sourced<UDPRoute>>;
  readonly grpcRoutes: Table<Sourced<GRPCRoute>>;
  readonly grants: Table<Sourced<ReferenceGrant>>;
  /** By namespace/name. */
  readonly ingresses: Table<ServedIngress>;
  readonly problems: readonly Table<ProblemsOf>[];
}

export function upgradeStages(raw: RawTables, channel: Channel): UpgradeTables {
  const stages: Stage[] = [];
  const problems: Table<ProblemsOf>[] = [];
  const add = <T extends Made>(made: T): T => {
    stages.push(...made.stages);
    problems.push(...made.problems);
    return made;
  };
  const old = <T extends Named>(vintage: Vintage): Table<Sourced<T>> =>
    add(vintageStages<T>(raw, vintage, channel)).rows;
  const either = <T extends Named>(name: string, ...tables: readonly Table<Sourced<T>>[]): Table<Sourced<T>> => {
    const merged = new Merged(`upgraded ${name}`, tables);
    stages.push(merged);
    return merged;
  };
  const first = add(v1alpha1Stages(raw));
  const ingress = add(ingressStages(raw, channel));
  const stream = { adapt: firstRuleOnly };
  return {
    classes: either('classes', old<GatewayClass>({ kind: 'GatewayClass' }), first.classes, ingress.classes),
    gateways: either('gateways', old<Gateway>({ kind: 'Gateway' }), first.gateways, ingress.gateways),
    listenerSets: old<ListenerSet>({
      kind: 'ListenerSet',
      from: { group: experimentalGatewayGroup, kind: 'XListenerSet' },
    }),
    httpRoutes: either('HTTPRoutes', old<HTTPRoute>({ kind: 'HTTPRoute' }), first.httpRoutes, ingress.httpRoutes),
    grpcRoutes: old<GRPCRoute>({ kind: 'GRPCRoute' }),
    tlsRoutes: either('TLSRoutes', old<TLSRoute>({ kind: 'TLSRoute', ...stream }), first.tlsRoutes),
    tcpRoutes: either('TCPRoutes', old<TCPRoute>({ kind: 'TCPRoute', ...stream }), first.tcpRoutes),
    udpRoutes: either('UDPRoutes', old<UDPRoute>({ kind: 'UDPRoute', ...stream }), first.udpRoutes),
    backendTlsPolicies: either(
      'BackendTLSPolicies',
      old<BackendTLSPolicy>({ kind: 'BackendTLSPolicy', versions: ['v1alpha3'] }),
      add(backendTlsStages(raw, channel)).rows,
    ),
    grants: either(
      'grants',
      old<ReferenceGrant>({ kind: 'ReferenceGrant' }),
      old<ReferenceGrant>({ kind: 'ReferenceGrant', from: { group: gatewayGroup, kind: 'ReferencePolicy' } }),
      ingress.grants,
    ),
    ingresses: ingress.ingresses,
    stages,
    problems,
  };
}

type Named = { readonly metadata: KubeObject['metadata'] };

interface Made {
  readonly stages: readonly Stage[];
  readonly problems: readonly Table<ProblemsOf>[];
}
