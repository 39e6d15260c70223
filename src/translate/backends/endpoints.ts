// EndpointSlices → the addresses behind a Service port. Slices name the ports of their Service by name and carry the
// number that the pods listen at, so targetPort is resolved already; this holds for headless Services and for slices
// written by hand as well.
import { createHash } from 'node:crypto';
import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';
import type { EndpointSlice } from '../../api/objects.ts';
import type { Sourced } from '../../api/sourced.ts';
import type { Endpoint, EndpointSet } from '../../routing/model.ts';
import type { Problem } from '../../routing/problem.ts';
import { compareText } from '../../support/sorted.ts';
import type { ServicePortRow } from './services.ts';
import { backendLabel } from './xbackends.ts';

/** The label by which a slice names its Service. */
const serviceLabel = 'kubernetes.io/service-name';

type WrittenEndpoint = NonNullable<EndpointSlice['endpoints']>[number];

export interface SliceRow {
  /** namespace/name. */
  readonly key: string;
  /** namespace/name of its Service, XBackend/namespace/name of its XBackend; absent: nobody reads the slice. */
  readonly service?: string;
  readonly ports: readonly { readonly name: string; readonly port?: number }[];
  readonly endpoints: readonly SliceEndpoint[];
  readonly problems: readonly Problem[];
}

interface SliceEndpoint extends Omit<Endpoint, 'port' | 'id'> {
  /** Absent for an endpoint that is not a pod. */
  readonly uid?: string;
}

/** `loopback`: take addresses of this machine, which a cluster must refuse: they would be the gateway's own. */
export function sliceRow({ object, written }: Sourced<EndpointSlice>, loopback: boolean): SliceRow {
  const { namespace = '', name, labels } = object.metadata;
  const service = labels?.[serviceLabel];
  const backend = labels?.[backendLabel];
  const problems: Problem[] = [];
  const refuse = (path: string, message: string): void => {
    problems.push({ code: 'InvalidField', at: { object: written, path }, rule: 'endpoints', message });
  };
  const type = object.addressType;
  const endpoints: SliceEndpoint[] = [];
  if (type === 'IPv4' || type === 'IPv6') {
    object.endpoints?.forEach((endpoint, index) => {
      // Only the first address counts: the API calls the others fungible, and no consumer reads them.
      const address = endpoint.addresses[0] ?? '';
      const wrong = refusal(address, type, loopback);
      if (wrong === undefined) endpoints.push(readEndpoint(address, endpoint));
      else refuse(`endpoints[${index}].addresses[0]`, wrong);
    });
  } else refuse('addressType', 'only IPv4 and IPv6 endpoints are served');
  return {
    key: `${namespace}/${name}`,
    ...(backend !== undefined
      ? { service: `XBackend/${namespace}/${backend}` }
      : service === undefined
        ? {}
        : { service: `${namespace}/${service}` }),
    ports: (object.ports ?? []).map(({ name, port }) => ({
      name: name ?? '',
      ...(port === undefined ? {} : { port }),
    })),
    // A copy: a list that grew has room for more than it will ever need, and there are thousands.
    endpoints: endpoints.slice(),
    problems,
  };
}

/** The Pods of an XBackend, at its port, whatever the ports of the slices are called. */
export function selectedEndpoints(key: string, port: number, slices: readonly SliceRow[]): EndpointSet {
  const at = slices.map((slice) => ({ ...slice, ports: [{ name: '', port }] }));
  return endpointSet(key, { name: '', port, protocol: 'TCP', targetPort: port }, at);
}

/** The addresses of a name outside the cluster, as DNS gave them. */
export function resolvedEndpoints(
  key: string,
  port: number,
  addresses: readonly string[],
  loopback: boolean,
): EndpointSet {
  const usable = addresses.filter(
    (address) => refusal(address, isIPv6(address) ? 'IPv6' : 'IPv4', loopback) === undefined,
  );
  return {
    key,
    endpoints: [...new Set(usable)].toSorted(compareText).map((address) => ({
      id: hashOf(`${address}|${port}`),
      address,
      port,
      ready: true,
      serving: true,
      terminating: false,
    })),
  };
}

/** The endpoints of one Service port, each address and port once, in a stable order, with ids that are unique in the set. */
export function endpointSet(key: string, port: ServicePortRow, slices: readonly SliceRow[]): EndpointSet {
  const found = new Map<string, SliceEndpoint & { readonly port: number }>();
  for (const slice of slices) {
    const number = portIn(slice, port);
    if (number === undefined) continue;
    for (const endpoint of slice.endpoints) {
      const at = `${endpoint.address}|${number}`;
      const before = found.get(at);
      // A pod that moves between slices may stand in two of them for a moment: the one that can be used counts.
      if (before === undefined || (!before.ready && endpoint.ready)) found.set(at, { ...endpoint, port: number });
    }
  }
  const families = new Map<string, number>();
  const endpoints: Endpoint[] = [];
  // By text, IPv4 addresses come before those IPv6 addresses that pods have.
  for (const [at, { uid, ...endpoint }] of [...found].toSorted(([a], [b]) => compareText(a, b))) {
    const family = isIP(endpoint.address);
    const other = uid === undefined ? undefined : families.get(uid);
    // A pod with an address of each family is one endpoint, not two.
    if (other !== undefined && other !== family) continue;
    if (uid !== undefined) families.set(uid, family);
    endpoints.push({ id: uid === undefined || other === family ? hashOf(at) : uid, ...endpoint });
  }
  return { key, endpoints: endpoints.slice() };
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** A slice port without a number stands for all ports: then the Service's own target counts, when it is a number. */
function portIn(slice: SliceRow, port: ServicePortRow): number | undefined {
  const named = slice.ports.find((candidate) => candidate.name === port.name);
  if (named === undefined) return undefined;
  return named.port ?? (typeof port.targetPort === 'number' ? port.targetPort : undefined);
}

/** Absent `ready` is true, absent `serving` is `ready` (discovery.k8s.io/v1). */
function readEndpoint(address: string, { conditions, targetRef, zone }: WrittenEndpoint): SliceEndpoint {
  const ready = conditions?.ready ?? true;
  return {
    address,
    ready,
    serving: conditions?.serving ?? ready,
    terminating: conditions?.terminating ?? false,
    ...(zone === undefined || zone === null ? {} : { zone }),
    ...(targetRef?.uid === undefined ? {} : { uid: targetRef.uid }),
  };
}

const unspecified = new BlockList();
unspecified.addAddress('0.0.0.0', 'ipv4');
unspecified.addAddress('::', 'ipv6');
unspecified.addSubnet('224.0.0.0', 4, 'ipv4');
unspecified.addSubnet('ff00::', 8, 'ipv6');

/** What the API server refuses in EndpointSlices (and in Endpoints, CVE-2021-25737): this machine and its link. */
const local = new BlockList();
local.addSubnet('127.0.0.0', 8, 'ipv4');
local.addSubnet('169.254.0.0', 16, 'ipv4');
local.addAddress('::1', 'ipv6');
local.addSubnet('fe80::', 10, 'ipv6');

function refusal(address: string, type: 'IPv4' | 'IPv6', loopback: boolean): string | undefined {
  const family = type === 'IPv4' ? 'ipv4' : 'ipv6';
  if (!isAddress(address, family)) return `${address} is not an ${type} address`;
  if (unspecified.check(address, family)) return `${address} is not the address of an endpoint`;
  if (!loopback && local.check(address, family)) return `${address} is an address of the gateway's own machine or link`;
  return undefined;
}

function isAddress(address: string, family: 'ipv4' | 'ipv6'): boolean {
  return family === 'ipv4' ? isIPv4(address) : isIPv6(address) && !address.includes('%');
}
