// Where objects are in the API of the server.
import type { ObjectRef } from '../routing/origin.ts';

/** By group/kind: what is written to, in the version that it is written in. */
const resources: Readonly<Record<string, { readonly version: string; readonly plural: string }>> = {
  'gateway.networking.k8s.io/GatewayClass': { version: 'v1', plural: 'gatewayclasses' },
  'gateway.networking.k8s.io/Gateway': { version: 'v1', plural: 'gateways' },
  'gateway.networking.k8s.io/ListenerSet': { version: 'v1', plural: 'listenersets' },
  'gateway.networking.k8s.io/HTTPRoute': { version: 'v1', plural: 'httproutes' },
  'gateway.networking.k8s.io/GRPCRoute': { version: 'v1', plural: 'grpcroutes' },
  'gateway.networking.k8s.io/TLSRoute': { version: 'v1', plural: 'tlsroutes' },
  'gateway.networking.k8s.io/TCPRoute': { version: 'v1', plural: 'tcproutes' },
  'gateway.networking.k8s.io/UDPRoute': { version: 'v1', plural: 'udproutes' },
  'gateway.networking.k8s.io/BackendTLSPolicy': { version: 'v1', plural: 'backendtlspolicies' },
  'networking.k8s.io/Ingress': { version: 'v1', plural: 'ingresses' },
  'gateway.networking.x-k8s.io/XBackend': { version: 'v1alpha1', plural: 'xbackends' },
  'gateway.networking.x-k8s.io/XBackendTrafficPolicy': { version: 'v1alpha1', plural: 'xbackendtrafficpolicies' },
};

export interface Place {
  readonly path: string;
  readonly apiVersion: string;
}

/** Undefined for kinds that nothing is written to. */
export function placeOf({ group, kind, namespace, name }: ObjectRef): Place | undefined {
  const resource = resources[`${group}/${kind}`];
  if (resource === undefined) return undefined;
  const { version, plural } = resource;
  const within = namespace === '' ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  return {
    path: `/apis/${group}/${version}${within}/${plural}/${encodeURIComponent(name)}`,
    apiVersion: `${group}/${version}`,
  };
}

/** group/kind/namespace/name: none of them holds a slash, but for names of no kind that is written to. */
export function refOfKey(key: string): ObjectRef {
  const [group = '', kind = '', namespace = '', name = ''] = key.split('/');
  return { group, kind, namespace, name };
}
