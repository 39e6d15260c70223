// backendRef → the cluster that it stands for, or why it stands for none: for one route under one gateway. The engine
// finds the endpoints by the cluster; whether there are any is not asked here, so that pods may come and go.
import type { ObjectRef, Origin } from '../../routing/origin.ts';
import { at } from '../../routing/origin.ts';
import type { Cluster, ClusterTls } from '../../routing/model.ts';
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
  /** What the kind of the route speaks, unless the Service says otherwise. */
  readonly protocol: 'http' | 'grpc' | 'tcp' | 'udp';
  readonly service: (key: string) => ServiceRow | undefined;
  readonly permitted: (target: ObjectRef) => boolean;
  /** What a policy demands of connections to a port of the Service; without it none may be made. */
  readonly tls: (service: string, portName: string) => ClusterTls | undefined;
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
  const transport = scope.protocol === 'udp' ? 'UDP' : 'TCP';
  const servicePort = service.ports.find((candidate) => candidate.port === port && candidate.protocol === transport);
  if (servicePort === undefined) return { problem: missingPort(service, target, port, origin) };
  // Datagrams are not spoken to over TLS, whatever the policies of the Service say of its other ports.
  const tls = scope.protocol === 'udp' ? undefined : scope.tls(key, servicePort.name);
  const { protocol, refused } = protocolOf(servicePort, scope.protocol, tls !== undefined);
  if (refused !== undefined) {
    return {
      problem: { code: 'UnsupportedBackendProtocol', at: at(origin, 'port'), protocol: refused, backend: target },
    };
  }
  const cluster = clusterOf(scope.gateway, target, servicePort.port, protocol);
  return { cluster: tls === undefined ? cluster : { ...cluster, tls } };
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
    // A Service may have the same port for both transports.
    endpoints: protocol === 'udp' ? `${service}/udp` : service,
    backend: { kind: target.kind, namespace: target.namespace, name: target.name, port },
  };
}

/** GEP-1911. Without an appProtocol the kind of the route decides; the unprefixed names are in wide use for the same. */
function protocolOf(
  { appProtocol = '' }: ServicePortRow,
  route: BackendScope['protocol'],
  secured: boolean,
): { readonly protocol: Cluster['protocol']; readonly refused?: string } {
  // A stream carries whatever the client and the backend speak.
  if (route === 'tcp' || route === 'udp') return { protocol: route };
  const http2 = secured ? 'h2' : 'h2c';
  switch (appProtocol.toLowerCase()) {
    case '':
    case 'http':
      return { protocol: route === 'grpc' ? http2 : 'http1' };
    case 'https':
      if (secured) return { protocol: route === 'grpc' ? http2 : 'http1' };
      break;
    case 'kubernetes.io/h2c':
    case 'h2c':
    case 'http2':
    case 'grpc':
      return { protocol: http2 };
    case 'kubernetes.io/ws':
    case 'ws':
      if (route === 'http') return { protocol: 'http1' };
      break;
    case 'kubernetes.io/wss':
    case 'wss':
      if (route === 'http' && secured) return { protocol: 'http1' };
      break;
    default:
  }
  return { protocol: 'http1', refused: appProtocol };
}
