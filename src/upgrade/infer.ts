// An object without apiVersion: which one its kind and shape speak for. Said as a warning by whoever reads the file; an
// object of which nothing can be told is refused.
import { gatewayGroup, oldGatewayGroup } from '../api/kinds.ts';
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
      return list(spec['rules']).some((rule) => record(rule)['forwardTo'] !== undefined) ||
        spec['gateways'] !== undefined
        ? v1alpha1
        : v1;
    case 'Gateway':
      return list(spec['listeners']).some((listener) => record(listener)['routes'] !== undefined) ? v1alpha1 : v1;
    case 'GatewayClass':
      return spec['controller'] === undefined ? v1 : v1alpha1;
    case 'GRPCRoute':
    case 'ReferenceGrant':
      return v1;
    case 'ReferencePolicy':
      return `${gatewayGroup}/v1alpha2`;
    case 'Ingress':
    case 'IngressClass':
      return 'networking.k8s.io/v1';
    case 'EndpointSlice':
      return 'discovery.k8s.io/v1';
    case 'Service':
    case 'Secret':
    case 'ConfigMap':
    case 'Namespace':
      return 'v1';
    default:
      return undefined;
  }
}

const v1 = `${gatewayGroup}/v1`;
const v1alpha1 = `${oldGatewayGroup}/v1alpha1`;
