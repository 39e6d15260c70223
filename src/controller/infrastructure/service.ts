// The Service and the ServiceAccount of a Gateway. Where the data plane is the controller itself, an EndpointSlice leads from the
// Service to its address; else the Service selects the Pods of the Gateway.
import { isIP, isIPv6 } from 'node:net';
import type { BoundGateway } from '../../routing/bound.ts';
import type { ServiceParameters } from '../../routing/parameters.ts';
import type { Owner, Provided } from './owned.ts';
import { metadataOf, parametersAnnotation, selectorOf } from './owned.ts';

export function serviceAccountOf(owner: Owner): Provided {
  return {
    plural: 'serviceaccounts',
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: metadataOf(owner),
    automountServiceAccountToken: false,
  };
}

/** In front of an address of this machine. None without ports: a Service must have one. */
export function servicesAtAddress(owner: Owner, address: string | undefined): readonly Provided[] {
  const ports = portsOf(owner.gateway);
  if (ports.length === 0) return [];
  const service = serviceOf(owner, {}, { type: 'ClusterIP', ports });
  if (address === undefined) return [service];
  const metadata = metadataOf(owner);
  const slice: Provided = {
    plural: 'endpointslices',
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      ...metadata,
      labels: {
        ...metadata.labels,
        'kubernetes.io/service-name': metadata.name,
        'endpointslice.kubernetes.io/managed-by': 'portolan.dev',
      },
    },
    addressType: isIPv6(address) ? 'IPv6' : 'IPv4',
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
    ports: ports.map(({ name, port, protocol }) => ({ name, port, protocol })),
  };
  return [service, slice];
}

/** In front of Pods. @param refused addresses that the load balancer did not give */
export function serviceOfPods(owner: Owner, refused: readonly string[] = []): Provided | undefined {
  const { gateway } = owner;
  const ports = portsOf(gateway);
  if (ports.length === 0) return undefined;
  const parameters = gateway.parameters?.service ?? {};
  return serviceOf(owner, parameters.annotations ?? {}, {
    ...exposedBy(parameters, requestedAddress(gateway, refused)),
    ports,
    selector: selectorOf(gateway),
  });
}

function serviceOf(owner: Owner, annotations: Readonly<Record<string, string>>, spec: object): Provided {
  const { gateway } = owner;
  const metadata = metadataOf(owner);
  const kept = JSON.stringify({ gateway: gateway.key, parameters: gateway.parameters ?? {} });
  return {
    plural: 'services',
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { ...metadata, annotations: { ...metadata.annotations, ...annotations, [parametersAnnotation]: kept } },
    spec,
  };
}

/** Fields that a type does not have are left out: they may come from the class, and the type from the Gateway. */
function exposedBy(parameters: ServiceParameters, address: string | undefined): object {
  const { type = 'LoadBalancer', externalTrafficPolicy, loadBalancerClass, loadBalancerSourceRanges } = parameters;
  const policy = externalTrafficPolicy === undefined ? {} : { externalTrafficPolicy };
  switch (type) {
    case 'ClusterIP':
      return { type };
    case 'NodePort':
      return { type, ...policy };
    case 'LoadBalancer':
      return {
        type,
        ...policy,
        ...(loadBalancerClass === undefined ? {} : { loadBalancerClass }),
        ...(loadBalancerSourceRanges === undefined ? {} : { loadBalancerSourceRanges }),
        // The one way to ask that load balancers have in common.
        ...(address === undefined ? {} : { loadBalancerIP: address }),
      };
    default:
      return type satisfies never;
  }
}

/** A load balancer can be asked for one: the first that it did not refuse, or, when it refused all, the first. */
function requestedAddress({ addresses }: BoundGateway, refused: readonly string[]): string | undefined {
  const wanted = addresses.filter(({ type, value }) => type === 'IPAddress' && isIP(value) !== 0);
  return (wanted.find(({ value }) => !refused.includes(value)) ?? wanted[0])?.value;
}

interface ServicePort {
  readonly name: string;
  readonly port: number;
  readonly protocol: string;
  readonly targetPort: number;
}

function portsOf({ binds }: BoundGateway): readonly ServicePort[] {
  return binds.map(({ port, transport }) => ({
    name: `${transport}-${port}`,
    port,
    protocol: transport.toUpperCase(),
    targetPort: port,
  }));
}
