// An object without apiVersion: which one its kind and shape speak for. Said as a warning by whoever reads the file; an
// object of which nothing can be told is refused.
import { experimentalGatewayGroup, gatewayGroup, oldGatewayGroup } from '../api/kinds.ts';
import { list, record, type UnknownRecord } from '../support/untrusted.ts';

export interface InferredVersion {
  readonly apiVersion: string;
  readonly presumed: boolean;
}

export function inferApiVersion(raw: unknown): InferredVersion | undefined {
  const object = record(raw);
  if (typeof object['kind'] !== 'string') return undefined;
  const apiVersion = versionFor(object['kind'], record(object['spec']));
  return apiVersion === undefined ? undefined : { apiVersion, presumed: true };
}

function versionFor(kind: string, spec: UnknownRecord): string | undefined {
  switch (kind) {
    case 'HTTPRoute':
      return isFirst(spec) ? v1alpha1 : v1;
    case 'TLSRoute':
      if (isFirst(spec)) return v1alpha1;
      return spec['hostnames'] === undefined || list(spec['rules']).length > 1 ? v1alpha2 : v1;
    case 'TCPRoute':
    case 'UDPRoute':
      if (isFirst(spec)) return v1alpha1;
      return list(spec['rules']).length > 1 ? v1alpha2 : v1;
    case 'Gateway':
      return list(spec['listeners']).some((listener) => record(listener)['routes'] !== undefined) ? v1alpha1 : v1;
    case 'GatewayClass':
      return spec['controller'] === undefined ? v1 : v1alpha1;
    case 'BackendTLSPolicy':
      return spec['targetRef'] === undefined && spec['tls'] === undefined ? v1 : v1alpha2;
    default:
      return Object.hasOwn(versions, kind) ? versions[kind] : undefined;
  }
}

/** Of the first vintage: the Gateway chooses, and rules forward. */
function isFirst(spec: UnknownRecord): boolean {
  return spec['gateways'] !== undefined || list(spec['rules']).some((rule) => record(rule)['forwardTo'] !== undefined);
}

const v1 = `${gatewayGroup}/v1`;
const v1alpha1 = `${oldGatewayGroup}/v1alpha1`;
const v1alpha2 = `${gatewayGroup}/v1alpha2`;
const experimental = `${experimentalGatewayGroup}/v1alpha1`;

/** Kinds of which one look at the name is enough. */
const versions: Readonly<Record<string, string>> = {
  GRPCRoute: v1,
  ListenerSet: v1,
  ReferenceGrant: v1,
  ReferencePolicy: v1alpha2,
  XBackend: experimental,
  XBackendTrafficPolicy: experimental,
  XListenerSet: experimental,
  XMesh: experimental,
  XTelemetryPolicy: experimental,
  Ingress: 'networking.k8s.io/v1',
  IngressClass: 'networking.k8s.io/v1',
  EndpointSlice: 'discovery.k8s.io/v1',
  ClusterTrustBundle: 'certificates.k8s.io/v1',
  Service: 'v1',
  Secret: 'v1',
  ConfigMap: 'v1',
  Namespace: 'v1',
};
