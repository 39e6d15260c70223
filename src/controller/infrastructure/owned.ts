// What all objects that a Gateway is given have in common: name, labels, annotations, owner (GEP-1762, GEP-1867).
import { createHash } from 'node:crypto';
import type { BoundGateway } from '../../routing/bound.ts';

/** A Gateway, and what in the cluster stands for it. */
export interface Owner {
  readonly gateway: BoundGateway;
  /** Where its objects are. */
  readonly namespace: string;
  /** The Gateway, or the IngressClass that it was made of. */
  readonly reference: OwnerReference;
  /** Of spec.infrastructure. */
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
}

export type Plural =
  | 'serviceaccounts'
  | 'services'
  | 'secrets'
  | 'endpointslices'
  | 'deployments'
  | 'poddisruptionbudgets';

/** An object to apply. */
export interface Provided {
  readonly plural: Plural;
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ProvidedMetadata;
  readonly [field: string]: unknown;
}

export interface ProvidedMetadata {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly ownerReferences: readonly object[];
}

/** The field manager of what is applied, and the value of `app.kubernetes.io/managed-by`. */
export const manager = 'portolan';
export const managedByLabel = 'app.kubernetes.io/managed-by';
export const gatewayNameLabel = 'gateway.networking.k8s.io/gateway-name';
const classNameLabel = 'gateway.networking.k8s.io/gateway-class-name';
/** On Services: the Gateway that it is for and the parameters that it was last served with, as JSON. */
export const parametersAnnotation = 'portolan.dev/parameters';

export function metadataOf({ gateway, namespace, reference, labels, annotations }: Owner): ProvidedMetadata {
  return {
    namespace,
    name: resourceName(gateway),
    labels: { ...labels, ...ownLabels(gateway) },
    annotations,
    ownerReferences: [{ ...reference, controller: true, blockOwnerDeletion: false }],
  };
}

/** By which the Pods of a Gateway are told from all others of their namespace. */
export function selectorOf({ ref, className }: BoundGateway): Readonly<Record<string, string>> {
  return { [gatewayNameLabel]: labelValue(ref.name), [classNameLabel]: labelValue(className) };
}

function ownLabels(gateway: BoundGateway): Readonly<Record<string, string>> {
  return { ...selectorOf(gateway), [managedByLabel]: manager };
}

/** `NAME-CLASS`, as GEP-1762 wants it, or with a hash where that is too long for a Service. */
export function resourceName({ ref, className }: Pick<BoundGateway, 'ref' | 'className'>): string {
  const name = `${ref.name}-${className}`.replaceAll('.', '-');
  // A Service's name begins with a letter.
  return shortened(/^[a-z]/.test(name) ? name : `gw-${name}`, `${ref.name}/${className}`);
}

const bases: Readonly<Record<Plural, string>> = {
  serviceaccounts: '/api/v1',
  services: '/api/v1',
  secrets: '/api/v1',
  endpointslices: '/apis/discovery.k8s.io/v1',
  deployments: '/apis/apps/v1',
  poddisruptionbudgets: '/apis/policy/v1',
};

export function pathOf(plural: Plural, namespace: string, name: string): string {
  return `${bases[plural]}/namespaces/${encodeURIComponent(namespace)}/${plural}/${encodeURIComponent(name)}`;
}

function labelValue(text: string): string {
  return shortened(text, text);
}

const LONGEST = 63;

function shortened(text: string, whole: string): string {
  if (text.length <= LONGEST) return text;
  const hash = createHash('sha256').update(whole).digest('hex').slice(0, 10);
  return `${text.slice(0, LONGEST - 11).replace(/[-._]+$/, '')}-${hash}`;
}
