// The Service and the ServiceAccount of a Gateway. Where the data plane is the controller itself, an EndpointSlice leads from the
// Service to its address; else the Service selects the Pods of the Gateway.
import { isIP, isIPv6 } from 'node:net';
import { clusterRoutability } from '../../routing/addresses.ts';
import type { AddressRequest, BoundGateway } from '../../routing/bound.ts';
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

export interface Asked {
  /** Addresses that were asked for and not given. */
  readonly refused?: readonly string[];
  /** Of the Service as it stands, which cannot change; absent: there is none yet. */
  readonly clusterIPs?: readonly string[];
}

/** In front of Pods. */
export function serviceOfPods(owner: Owner, asked: Asked = {}): Provided | undefined {
  const { gateway } = owner;
  const ports = portsOf(gateway);
  if (ports.length === 0) return undefined;
  const parameters = gateway.parameters?.service ?? {};
  return serviceOf(owner, parameters.annotations ?? {}, {
    ...exposedBy(gateway, parameters, asked),
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
function exposedBy(gateway: BoundGateway, parameters: ServiceParameters, asked: Asked): object {
  const inner = clusterIPFor(gateway, asked);
  return { ...outside(gateway, parameters, asked), ...(inner === undefined ? {} : { clusterIP: inner }) };
}

function outside(gateway: BoundGateway, parameters: ServiceParameters, { refused = [] }: Asked): object {
  // Who asks for addresses within the cluster only does not want to be reached from elsewhere, whatever the class says.
  if (gateway.addresses.length > 0 && gateway.addresses.every(isInner)) return { type: 'ClusterIP' };
  const address = requestedAddress(gateway, refused);
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
  const wanted = addresses.filter((each) => !isInner(each) && each.type === 'IPAddress' && isIP(each.value) !== 0);
  return (wanted.find(({ value }) => !refused.includes(value)) ?? wanted[0])?.value;
}

/** It can be chosen when the Service is made, and then is what it is. */
function clusterIPFor({ addresses }: BoundGateway, { refused = [], clusterIPs }: Asked): string | undefined {
  return addresses.find(
    (each) =>
      isInner(each) &&
      isIP(each.value) !== 0 &&
      (clusterIPs === undefined ? !refused.includes(each.value) : clusterIPs[0] === each.value),
  )?.value;
}

function isInner({ routability }: AddressRequest): boolean {
  return routability === clusterRoutability;
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
