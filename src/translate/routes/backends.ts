// backendRef → the cluster that it stands for, or why it stands for none: for one route under one gateway. The engine
// finds the endpoints by the cluster; whether there are any is not asked here, so that pods may come and go.
import type { ObjectRef, Origin } from '../../routing/origin.ts';
import { at } from '../../routing/origin.ts';
import type { Cluster } from '../../routing/model.ts';
import type { Problem } from '../../routing/problem.ts';
import type { ServicePortRow, ServiceRow } from '../backends/services.ts';

/** A backendRef of a rule, or of a mirror. */
export interface BackendRef {
  readonly group?: string;
  readonly kind?: string;
  readonly namespace?: string;
  readonly name: string;
  readonly port?: number;
}

export interface BackendScope {
  /** The route, as ReferenceGrants name it. */
  readonly from: ObjectRef;
  readonly gateway: string;
  readonly protocol: 'http' | 'grpc';
  readonly service: (key: string) => ServiceRow | undefined;
  readonly permitted: (target: ObjectRef) => boolean;
  /** A BackendTLSPolicy that targets the Service, by key: without TLS its traffic must not flow. */
  readonly tlsPolicy: (key: string) => string | undefined;
}

export type Resolved = { readonly cluster: Cluster } | { readonly problem: Problem };

export function resolveBackend(ref: BackendRef, scope: BackendScope, origin: Origin): Resolved {
  const { group = '', kind = 'Service', name, port } = ref;
  const target: ObjectRef = { group, kind, namespace: ref.namespace ?? scope.from.namespace, name };
  if (group !== '' || kind !== 'Service') return { problem: { code: 'InvalidKind', at: at(origin, 'kind'), target } };
  // Asked before the Service itself, so that nobody learns what stands in a namespace that did not grant it.
  if (!scope.permitted(target)) {
    return { problem: { code: 'RefNotPermitted', at: origin, from: scope.from, target } };
  }
  const key = `${target.namespace}/${name}`;
  const service = scope.service(key);
  if (service === undefined) {
    return { problem: { code: 'BackendNotFound', at: at(origin, 'name'), backend: target } };
  }
  if (service.externalName) {
    return { problem: { code: 'ExternalNameService', at: at(origin, 'name'), backend: target } };
  }
  const servicePort = service.ports.find((candidate) => candidate.port === port && candidate.protocol === 'TCP');
  if (servicePort === undefined) return { problem: missingPort(service, target, port, origin) };
  const spoken = protocolOf(servicePort, scope.protocol);
  const policy = scope.tlsPolicy(key);
  const refused = policy !== undefined ? `TLS (BackendTLSPolicy ${policy})` : spoken.refused;
  if (refused !== undefined) {
    return {
      problem: { code: 'UnsupportedBackendProtocol', at: at(origin, 'port'), protocol: refused, backend: target },
    };
  }
  return { cluster: clusterOf(scope.gateway, target, servicePort.port, spoken.protocol) };
}

function missingPort(service: ServiceRow, backend: ObjectRef, port: number | undefined, origin: Origin): Problem {
  const other = service.ports.find((candidate) => candidate.port === port);
  if (other !== undefined) {
    return { code: 'UnsupportedBackendProtocol', at: at(origin, 'port'), protocol: other.protocol, backend };
  }
  return {
    code: 'BackendNotFound',
    at: port === undefined ? origin : at(origin, 'port'),
    backend,
    ...(port === undefined ? {} : { port }),
  };
}

function clusterOf(gateway: string, target: ObjectRef, port: number, protocol: Cluster['protocol']): Cluster {
  const service = `${target.namespace}/${target.name}:${port}`;
  return {
    key: `${gateway}|${service}|${protocol}`,
    protocol,
    endpoints: service,
    backend: { kind: target.kind, namespace: target.namespace, name: target.name, port },
  };
}

/** GEP-1911. Without an appProtocol the kind of the route decides; the unprefixed names are in wide use for the same. */
function protocolOf(
  { appProtocol }: ServicePortRow,
  route: 'http' | 'grpc',
): { readonly protocol: Cluster['protocol']; readonly refused?: string } {
  switch (appProtocol?.toLowerCase()) {
    case undefined:
    case '':
    case 'http':
      return { protocol: route === 'grpc' ? 'h2c' : 'http1' };
    case 'kubernetes.io/h2c':
    case 'h2c':
    case 'http2':
    case 'grpc':
      return { protocol: 'h2c' };
    case 'kubernetes.io/ws':
    case 'ws':
      return route === 'http' ? { protocol: 'http1' } : { protocol: 'http1', refused: appProtocol ?? '' };
    default:
      return { protocol: 'http1', refused: appProtocol ?? '' };
  }
}
