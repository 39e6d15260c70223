// The Service and the Deployment of a Gateway as the cluster has them → where it can be reached, and what is missing before it can be.
import type { KubeObject } from '../../api/objects.ts';
import type { Exposure } from '../../routing/model.ts';
import { list, record, text } from '../../support/untrusted.ts';
import type { UnknownRecord } from '../../support/untrusted.ts';

export interface Observed {
  readonly gateway: string;
  /** namespace/name of Service and Deployment. */
  readonly name: string;
  /** Undefined: there is none. */
  readonly service: { readonly object: KubeObject; readonly status: UnknownRecord } | undefined;
  readonly deployment: { readonly status: UnknownRecord } | undefined;
  /** No Pods are wanted: its data planes run elsewhere, and what they report is all there is to go by. */
  readonly elsewhere: boolean;
  /** Addresses that the load balancer was asked for and did not give in time. */
  readonly refused: readonly string[];
  readonly failure: Failure | undefined;
}

/** Why something could not be applied. */
export interface Failure {
  readonly message: string;
  /** The cluster refused it, and will again; else it was a matter of the moment, as a server that is away. */
  readonly refused: boolean;
}

type Address = Exposure['addresses'][number];

export function exposureOf(observed: Observed): Exposure {
  const { gateway, name, service, refused } = observed;
  const addresses = service === undefined ? [] : addressesOf(service.object, service.status);
  const cluster = service === undefined ? [] : clusterIPsOf(service.object);
  const missing = missingOf(observed) ?? unaddressed(name, addresses);
  const outdated = missing?.reason === 'NoResources' ? undefined : outdatedOf(observed);
  return {
    gateway,
    addresses,
    ...(cluster.length === 0 ? {} : { cluster }),
    ...(refused.length === 0 ? {} : { refused }),
    ...(missing === undefined ? {} : { missing }),
    ...(outdated === undefined ? {} : { outdated }),
  };
}

function missingOf({ name, service, deployment, elsewhere, failure }: Observed): Exposure['missing'] {
  if (service === undefined || deployment === undefined) {
    const kind = deployment === undefined ? 'Deployment' : 'Service';
    if (failure !== undefined) return { reason: 'NoResources', message: failure.message };
    return { reason: 'Pending', message: `${kind} ${name} is not there yet` };
  }
  const ready = numberOf(deployment.status['readyReplicas']);
  if (ready > 0 || elsewhere) return undefined;
  const wanted = numberOf(deployment.status['replicas']);
  const why = refusal(deployment.status);
  const message = `No Pod of Deployment ${name} is ready (0 of ${wanted})`;
  return why === undefined ? { reason: 'Pending', message } : { reason: 'NoResources', message: `${message}: ${why}` };
}

/** What stands goes on, and newer wishes cannot be had. */
function outdatedOf({ name, deployment, failure }: Observed): string | undefined {
  if (failure?.refused === true) return failure.message;
  const why = deployment === undefined ? undefined : refusal(deployment.status);
  return why === undefined ? undefined : `Deployment ${name}: ${why}`;
}

/** Why no Pod comes: a quota, an admission, a deadline. */
function refusal(status: UnknownRecord): string | undefined {
  const conditions = list(status['conditions']).map(record);
  const failed = conditions.find(
    ({ type, status: state }) =>
      (type === 'ReplicaFailure' && state === 'True') || (type === 'Progressing' && state === 'False'),
  );
  return failed === undefined ? undefined : (text(failed['message']) ?? text(failed['reason']));
}

function unaddressed(name: string, addresses: readonly Address[]): Exposure['missing'] {
  if (addresses.length > 0) return undefined;
  const message = `Service ${name} has no address yet; whatever makes load balancers in this cluster has to give it one`;
  return { reason: 'AddressNotAssigned', message };
}

/** Where the Service can be reached. */
export function addressesOf(service: KubeObject, status: UnknownRecord): readonly Address[] {
  if (record(service['spec'])['type'] !== 'LoadBalancer')
    return clusterIPsOf(service).map((value) => ({ type: 'IPAddress', value }));
  const found = list(record(status['loadBalancer'])['ingress']).flatMap((entry): Address[] => {
    const { ip, hostname } = record(entry);
    const value = text(ip) ?? '';
    if (value !== '') return [{ type: 'IPAddress', value }];
    const name = text(hostname) ?? '';
    return name === '' ? [] : [{ type: 'Hostname', value: name }];
  });
  // The CRD takes 16.
  return found.slice(0, 16);
}

/** Where the Service can be reached from within the cluster. */
export function clusterIPsOf({ spec }: KubeObject): readonly string[] {
  const { clusterIPs, clusterIP } = record(spec);
  const several = list(clusterIPs).flatMap((ip) => text(ip) ?? []);
  const all = several.length > 0 ? several : [text(clusterIP) ?? ''];
  return all.filter((ip) => ip !== '' && ip !== 'None');
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
