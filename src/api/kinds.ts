// The kinds that Portolan knows: which group and versions, namespaced or not, in which channel, and their schemas.
import { readFileSync } from 'node:fs';
import { coreSchemas } from './core-schemas.ts';
import type { Schema } from './schema.ts';

export type Channel = 'standard' | 'experimental';

export interface KindVersion {
  readonly name: string;
  /** Whether the API server of this channel takes it. */
  readonly served: boolean;
  readonly deprecated: boolean;
  readonly schema: Schema;
}

export interface Kind {
  readonly group: string;
  readonly kind: string;
  /** Lower case, as kubectl takes it. */
  readonly plural: string;
  readonly shortNames: readonly string[];
  readonly namespaced: boolean;
  readonly versions: readonly KindVersion[];
  /** The version that objects are read as: the storage version of a CRD. */
  readonly current: string;
}

interface Generated {
  readonly bundle: string;
  readonly kinds: readonly {
    readonly group: string;
    readonly kind: string;
    readonly plural: string;
    readonly shortNames: readonly string[];
    readonly scope: string;
    readonly versions: readonly (KindVersion & { readonly storage: boolean })[];
  }[];
}

export const gatewayGroup = 'gateway.networking.k8s.io';
/** The group of v1alpha1, before the API had its own domain. */
export const oldGatewayGroup = 'networking.x-k8s.io';

/** Where kinds of the Gateway API are tried out, with an X before their names. */
export const experimentalGatewayGroup = 'gateway.networking.x-k8s.io';

/** Portolan's own kinds. */
export const portolanGroup = 'portolan.dev';

/** Versions from before today's that differ in shape or name, by `group/kind`: the upgrade stages read them. */
const vintages: Readonly<Record<string, readonly string[]>> = {
  [`${gatewayGroup}/GatewayClass`]: ['v1alpha2'],
  [`${gatewayGroup}/Gateway`]: ['v1alpha2'],
  [`${gatewayGroup}/HTTPRoute`]: ['v1alpha2'],
  [`${gatewayGroup}/GRPCRoute`]: ['v1alpha2'],
  [`${gatewayGroup}/TLSRoute`]: ['v1alpha2', 'v1alpha3'],
  [`${gatewayGroup}/TCPRoute`]: ['v1alpha2'],
  [`${gatewayGroup}/UDPRoute`]: ['v1alpha2'],
  [`${gatewayGroup}/ReferenceGrant`]: ['v1alpha2'],
  [`${gatewayGroup}/ReferencePolicy`]: ['v1alpha2'],
  [`${gatewayGroup}/BackendTLSPolicy`]: ['v1alpha2', 'v1alpha3'],
  [`${experimentalGatewayGroup}/XListenerSet`]: ['v1alpha1'],
};

export function vintagesOf(group: string, kind: string): readonly string[] {
  return vintages[`${group}/${kind}`] ?? [];
}

export function isVintage(group: string, kind: string, version: string): boolean {
  return group === oldGatewayGroup || vintagesOf(group, kind).includes(version);
}

const channels = new Map<Channel, ReadonlyMap<string, Kind>>();

/** Every kind with a schema in the channel, by `group/kind`. */
export function kindsOf(channel: Channel): ReadonlyMap<string, Kind> {
  let kinds = channels.get(channel);
  if (kinds === undefined) channels.set(channel, (kinds = load(channel)));
  return kinds;
}

/** The kind of an object, whatever its version. */
export function kindOf(group: string, kind: string, channel: Channel): Kind | undefined {
  return kindsOf(channel).get(`${group}/${kind}`);
}

/** Cluster-scoped kinds: those of the registry, of old groups, and RBAC and CRDs that files often bring along. */
export function isClusterScoped(group: string, kind: string): boolean {
  const known = kindOf(group, kind, 'experimental');
  if (known !== undefined) return !known.namespaced;
  return clusterScoped.has(kind);
}

const clusterScoped: ReadonlySet<string> = new Set([
  'APIService',
  'ClusterIssuer',
  'ClusterRole',
  'ClusterRoleBinding',
  'ClusterTrustBundle',
  'CustomResourceDefinition',
  'GatewayClass',
  'IngressClass',
  'MutatingWebhookConfiguration',
  'Namespace',
  'Node',
  'PersistentVolume',
  'PriorityClass',
  'StorageClass',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionPolicyBinding',
  'ValidatingWebhookConfiguration',
]);

function load(channel: Channel): ReadonlyMap<string, Kind> {
  const kinds = new Map<string, Kind>();
  for (const { group, kind, plural, shortNames, scope, versions } of [...read(channel), ...read('portolan')]) {
    const current = versions.find((version) => version.storage)?.name ?? 'v1';
    // ReferenceGrant is stored as v1beta1, but v1 is what one writes today; their schemas are the same.
    const today = versions.some((version) => version.name === 'v1') ? 'v1' : current;
    kinds.set(`${group}/${kind}`, {
      group,
      kind,
      plural,
      shortNames,
      namespaced: scope === 'Namespaced',
      versions,
      current: today,
    });
  }
  for (const [key, schema] of Object.entries(coreSchemas)) kinds.set(key, coreKind(key, schema));
  return kinds;
}

function read(file: Channel | 'portolan'): Generated['kinds'] {
  const text = readFileSync(new URL(`./generated/${file}.json`, import.meta.url), 'utf8');
  return (JSON.parse(text) as Generated).kinds;
}

const corePlurals: Readonly<Record<string, readonly [plural: string, ...shortNames: string[]]>> = {
  Namespace: ['namespaces', 'ns'],
  Service: ['services', 'svc'],
  Secret: ['secrets'],
  ConfigMap: ['configmaps', 'cm'],
  ClusterTrustBundle: ['clustertrustbundles'],
  EndpointSlice: ['endpointslices'],
  Ingress: ['ingresses', 'ing'],
  IngressClass: ['ingressclasses'],
};

function coreKind(key: string, schema: Schema): Kind {
  const slash = key.indexOf('/');
  const group = key.slice(0, slash);
  const kind = key.slice(slash + 1);
  const [plural = `${kind.toLowerCase()}s`, ...shortNames] = corePlurals[kind] ?? [];
  const namespaced = !clusterScoped.has(kind);
  // The only one that is still in wide use before v1.
  const older = kind === 'ClusterTrustBundle' ? ['v1beta1', 'v1alpha1'] : [];
  return {
    group,
    kind,
    plural,
    shortNames,
    namespaced,
    versions: ['v1', ...older].map((name) => ({ name, served: true, deprecated: false, schema })),
    current: 'v1',
  };
}
