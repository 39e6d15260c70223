// backendRef → the cluster that it stands for, or why it stands for none: for one referrer under one gateway. The engine finds
// the endpoints by the cluster; whether there are any is not asked here, so that pods may come and go.
import type { ObjectRef, Origin } from '../../routing/origin.ts';
import { at } from '../../routing/origin.ts';
import type { Cluster, ClusterTls, RetryBudget, Session } from '../../routing/model.ts';
import type { Problem } from '../../routing/problem.ts';
import type { ServicePortRow, ServiceRow } from '../backends/services.ts';
import type { BoundBackend } from '../backends/xbackends.ts';
import { experimentalGroup } from '../policies/traffic.ts';

/** A backendRef of a rule, a mirror, or a filter. */
export interface BackendRef {
  readonly group?: string;
  readonly kind?: string;
  readonly namespace?: string;
  readonly name: string;
  readonly port?: number;
}

/** What is spoken to a backend, unless it asks for something else. */
export type Spoken = 'http' | 'grpc' | 'tcp' | 'udp';

export interface BackendScope {
  /** Who refers, as ReferenceGrants name it. */
  readonly from: ObjectRef;
  readonly gateway: string;
  readonly spoken: Spoken;
  readonly service: (key: string) => ServiceRow | undefined;
  readonly xbackend: (key: string) => BoundBackend | undefined;
  readonly permitted: (target: ObjectRef) => boolean;
  /** What a policy demands of connections to a port of the Service; without it none may be made. */
  readonly tls: (service: string, portName: string) => ClusterTls | undefined;
  /** What policies set for a backend (kind/namespace/name). */
  readonly traffic: (backend: string) => Traffic | undefined;
}

export interface Traffic {
  readonly retryBudget?: RetryBudget;
  readonly session?: Session;
}

export type Resolved = { readonly cluster: Cluster; readonly session?: Session } | { readonly problem: Problem };

export function resolveBackend(ref: BackendRef, scope: BackendScope, origin: Origin): Resolved {
  const { group = '', kind = 'Service', name } = ref;
  const target: ObjectRef = { group, kind, namespace: ref.namespace ?? scope.from.namespace, name };
  const isService = group === '' && kind === 'Service';
  if (!isService && !(group === experimentalGroup && kind === 'XBackend')) {
    const kinds = ['Service', `XBackend.${experimentalGroup}`];
    return { problem: { code: 'InvalidKind', at: at(origin, 'kind'), target, kinds } };
  }
  // Asked before the backend itself, so that nobody learns what stands in a namespace that did not grant it.
  if (!scope.permitted(target)) {
    return { problem: { code: 'RefNotPermitted', at: origin, from: scope.from, target } };
  }
  return isService ? resolveService(target, ref.port, scope, origin) : resolveXBackend(target, scope, origin);
}

function resolveService(target: ObjectRef, port: number | undefined, scope: BackendScope, origin: Origin): Resolved {
  const key = `${target.namespace}/${target.name}`;
  const service = scope.service(key);
  if (service === undefined) {
    return { problem: { code: 'BackendNotFound', at: at(origin, 'name'), backend: target } };
  }
  if (service.externalName) {
    return { problem: { code: 'ExternalNameService', at: at(origin, 'name'), backend: target } };
  }
  const transport = scope.spoken === 'udp' ? 'UDP' : 'TCP';
  const servicePort = service.ports.find((candidate) => candidate.port === port && candidate.protocol === transport);
  if (servicePort === undefined) return { problem: missingPort(service, target, port, origin) };
  // Datagrams are not spoken to over TLS, whatever the policies of the Service say of its other ports.
  const tls = scope.spoken === 'udp' ? undefined : scope.tls(key, servicePort.name);
  const { protocol, refused } = protocolOf(servicePort, scope.spoken, tls !== undefined);
  if (refused !== undefined) return { problem: unsupported(refused, target, at(origin, 'port')) };
  const { session, retryBudget } = scope.traffic(`Service/${key}`) ?? {};
  const address = `${key}:${servicePort.port}`;
  return {
    cluster: {
      key: `${scope.gateway}|${address}|${protocol}`,
      protocol,
      ...(tls === undefined ? {} : { tls }),
      ...(service.proxyProtocol === undefined ? {} : { proxyProtocol: service.proxyProtocol }),
      ...(retryBudget === undefined ? {} : { retryBudget }),
      // A Service may have the same port for both transports.
      endpoints: protocol === 'udp' ? `${address}/udp` : address,
      backend: { kind: target.kind, namespace: target.namespace, name: target.name, port: servicePort.port },
    },
    ...(session === undefined ? {} : { session }),
  };
}

function resolveXBackend(target: ObjectRef, scope: BackendScope, origin: Origin): Resolved {
  const key = `${target.namespace}/${target.name}`;
  const backend = scope.xbackend(key);
  if (backend === undefined) {
    return { problem: { code: 'BackendNotFound', at: at(origin, 'name'), backend: target } };
  }
  const protocol = scope.spoken === 'tcp' ? 'tcp' : backend.protocol;
  const streamed = backend.speaks === 'tcp' && scope.spoken !== 'tcp';
  if (protocol === undefined || scope.spoken === 'udp' || streamed) {
    return { problem: unsupported(backend.wanted, target, at(origin, 'name')) };
  }
  const { session = backend.session, retryBudget } = scope.traffic(`XBackend/${key}`) ?? {};
  return {
    cluster: {
      key: `${scope.gateway}|XBackend/${key}|${protocol}`,
      protocol,
      ...(backend.tls === undefined ? {} : { tls: backend.tls }),
      ...(retryBudget === undefined ? {} : { retryBudget }),
      endpoints: `XBackend/${key}`,
      backend: { kind: target.kind, namespace: target.namespace, name: target.name, port: backend.port },
    },
    ...(session === undefined ? {} : { session }),
  };
}

function unsupported(protocol: string, backend: ObjectRef, origin: Origin): Problem {
  return { code: 'UnsupportedBackendProtocol', at: origin, protocol, backend };
}

function missingPort(service: ServiceRow, backend: ObjectRef, port: number | undefined, origin: Origin): Problem {
  const other = service.ports.find((candidate) => candidate.port === port);
  if (other !== undefined) return unsupported(other.protocol, backend, at(origin, 'port'));
  return {
    code: 'BackendNotFound',
    at: port === undefined ? origin : at(origin, 'port'),
    backend,
    ...(port === undefined ? {} : { port }),
  };
}

/** GEP-1911. Without an appProtocol the kind of the route decides; the unprefixed names are in wide use for the same. */
function protocolOf(
  { appProtocol = '' }: ServicePortRow,
  spoken: Spoken,
  secured: boolean,
): { readonly protocol: Cluster['protocol']; readonly refused?: string } {
  // A stream carries whatever the client and the backend speak.
  if (spoken === 'tcp' || spoken === 'udp') return { protocol: spoken };
  const http2 = secured ? 'h2' : 'h2c';
  switch (appProtocol.toLowerCase()) {
    case '':
    case 'http':
      return { protocol: spoken === 'grpc' ? http2 : 'http1' };
    case 'https':
      if (secured) return { protocol: spoken === 'grpc' ? http2 : 'http1' };
      break;
    case 'kubernetes.io/h2c':
    case 'h2c':
    case 'http2':
    case 'grpc':
      return { protocol: http2 };
    case 'kubernetes.io/ws':
    case 'ws':
      if (spoken === 'http') return { protocol: 'http1' };
      break;
    case 'kubernetes.io/wss':
    case 'wss':
      if (spoken === 'http' && secured) return { protocol: 'http1' };
      break;
    default:
  }
  return { protocol: 'http1', refused: appProtocol };
}
