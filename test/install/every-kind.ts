// The CRDs, and one object of every kind that the controller reads or writes to, each so that it gets a status.
import type { Stored } from '../features/cluster-fixture.ts';

const group = 'gateway.networking.k8s.io';
const extended = 'gateway.networking.x-k8s.io';

const kinds: readonly (readonly [kind: string, plural: string, group: string])[] = [
  ['GatewayClass', 'gatewayclasses', group],
  ['Gateway', 'gateways', group],
  ['ListenerSet', 'listenersets', group],
  ['HTTPRoute', 'httproutes', group],
  ['GRPCRoute', 'grpcroutes', group],
  ['TLSRoute', 'tlsroutes', group],
  ['TCPRoute', 'tcproutes', group],
  ['UDPRoute', 'udproutes', group],
  ['ReferenceGrant', 'referencegrants', group],
  ['BackendTLSPolicy', 'backendtlspolicies', group],
  ['XBackend', 'xbackends', extended],
  ['XBackendTrafficPolicy', 'xbackendtrafficpolicies', extended],
  ['GatewayConfig', 'gatewayconfigs', 'portolan.dev'],
];

export const definitions: readonly Stored[] = kinds.map(([kind, plural, of]) => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: {
    name: `${plural}.${of}`,
    ...(of === group
      ? { annotations: { [`${group}/bundle-version`]: 'v1.7.0', [`${group}/channel`]: 'experimental' } }
      : {}),
  },
  spec: {
    group: of,
    names: { kind, plural },
    scope: kind === 'GatewayClass' ? 'Cluster' : 'Namespaced',
    versions: [{ name: of === group ? 'v1' : 'v1alpha1', served: true, storage: true }],
  },
}));

function of(apiVersion: string, kind: string, name: string, spec: object): Stored {
  return { apiVersion, kind, metadata: { name, namespace: 'default' }, spec };
}

const parentRefs = [{ name: 'gw' }];
const rules = [{ backendRefs: [{ name: 'web', port: 80 }] }];
const service = [{ group: '', kind: 'Service', name: 'web' }];

/** @param port of the Gateway's listener for HTTP; others are refused or left to the data plane, which makes no difference here */
export function everyKind(port: number): readonly Stored[] {
  const v1 = `${group}/v1`;
  const controllerName = 'portolan.dev/gateway-controller';
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } },
    { apiVersion: v1, kind: 'GatewayClass', metadata: { name: 'portolan' }, spec: { controllerName } },
    of(v1, 'Gateway', 'gw', {
      gatewayClassName: 'portolan',
      allowedListeners: { namespaces: { from: 'All' } },
      listeners: [{ name: 'http', port, protocol: 'HTTP' }],
      // More than one data plane: it has a budget.
      infrastructure: { parametersRef: { group: 'portolan.dev', kind: 'GatewayConfig', name: 'two' } },
    }),
    of('portolan.dev/v1alpha1', 'GatewayConfig', 'two', { replicas: 2 }),
    of(v1, 'ListenerSet', 'more', {
      parentRef: { name: 'gw' },
      listeners: [{ name: 'other', port, protocol: 'HTTP', hostname: 'other.example' }],
    }),
    of('v1', 'Service', 'web', { ports: [{ port: 80 }] }),
    of(v1, 'HTTPRoute', 'http', {
      parentRefs,
      rules: [...rules, { backendRefs: [{ group: extended, kind: 'XBackend', name: 'outside' }] }],
    }),
    of(v1, 'GRPCRoute', 'grpc', { parentRefs, rules, hostnames: ['grpc.example'] }),
    of(v1, 'TLSRoute', 'tls', { parentRefs, rules, hostnames: ['tls.example'] }),
    of(v1, 'TCPRoute', 'tcp', { parentRefs, rules }),
    of(v1, 'UDPRoute', 'udp', { parentRefs, rules }),
    of(v1, 'BackendTLSPolicy', 'tls', {
      targetRefs: service,
      validation: { hostname: 'web.example', wellKnownCACertificates: 'System' },
    }),
    of(`${extended}/v1alpha1`, 'XBackend', 'outside', {
      type: 'ExternalHostname',
      externalHostname: { hostname: 'localhost' },
      port: { number: 443 },
      protocol: 'HTTP',
    }),
    of(`${extended}/v1alpha1`, 'XBackendTrafficPolicy', 'retries', {
      targetRefs: service,
      retryConstraint: { budget: { percent: 20, interval: '10s' } },
    }),
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'IngressClass',
      metadata: { name: 'portolan' },
      spec: { controller: controllerName },
    },
    of('networking.k8s.io/v1', 'Ingress', 'web', {
      ingressClassName: 'portolan',
      defaultBackend: { service: { name: 'web', port: { number: 80 } } },
    }),
  ];
}
