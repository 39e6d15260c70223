// Which kinds of a cluster are watched, by what is installed, and what of their objects is kept: what nobody reads is dropped before
// it is stored, status is held apart (a status that is written must not wake what it was computed from).
import type { KubeObject, ObjectMeta } from '../../api/objects.ts';
import { list, record, text, texts } from '../../support/untrusted.ts';
import type { Resource } from './reflector.ts';

export interface WatchedKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  readonly query?: Readonly<Record<string, string>>;
}

/** Kinds that every cluster has. */
export const coreKinds: readonly WatchedKind[] = [
  { group: '', version: 'v1', kind: 'Namespace', plural: 'namespaces', namespaced: false },
  { group: '', version: 'v1', kind: 'Service', plural: 'services', namespaced: true },
  { group: '', version: 'v1', kind: 'ConfigMap', plural: 'configmaps', namespaced: true },
  {
    group: '',
    version: 'v1',
    kind: 'Secret',
    plural: 'secrets',
    namespaced: true,
    query: { fieldSelector: 'type!=helm.sh/release.v1,type!=kubernetes.io/service-account-token' },
  },
  { group: 'discovery.k8s.io', version: 'v1', kind: 'EndpointSlice', plural: 'endpointslices', namespaced: true },
  { group: 'networking.k8s.io', version: 'v1', kind: 'Ingress', plural: 'ingresses', namespaced: true },
  { group: 'networking.k8s.io', version: 'v1', kind: 'IngressClass', plural: 'ingressclasses', namespaced: false },
];

/** What --selector selects from: what users write to be served, and not what that refers to. */
export function isSelectable({ group, kind }: WatchedKind): boolean {
  if (group === 'networking.k8s.io') return kind === 'Ingress';
  if (group !== 'gateway.networking.k8s.io' && group !== 'gateway.networking.x-k8s.io') return false;
  return kind !== 'GatewayClass' && kind !== 'ReferenceGrant';
}

export const definitions: WatchedKind = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  namespaced: false,
};

/** Kinds of CRDs that are read; others that are installed are left alone. */
const gatewayKinds: ReadonlySet<string> = new Set([
  'gateway.networking.k8s.io/GatewayClass',
  'gateway.networking.k8s.io/Gateway',
  'gateway.networking.k8s.io/ListenerSet',
  'gateway.networking.k8s.io/HTTPRoute',
  'gateway.networking.k8s.io/GRPCRoute',
  'gateway.networking.k8s.io/TLSRoute',
  'gateway.networking.k8s.io/TCPRoute',
  'gateway.networking.k8s.io/UDPRoute',
  'gateway.networking.k8s.io/ReferenceGrant',
  'gateway.networking.k8s.io/BackendTLSPolicy',
  'gateway.networking.x-k8s.io/XBackend',
  'gateway.networking.x-k8s.io/XBackendTrafficPolicy',
  'portolan.dev/GatewayConfig',
]);

/** Of the Gateway API, those without which it would be served wrongly: without BackendTLSPolicies in clear text. */
const neededKinds: ReadonlySet<string> = new Set(['GatewayClass', 'Gateway', 'HTTPRoute', 'BackendTLSPolicy']);

/** Whether nothing can be served before the kind was read. Others that may not be read count as if there were none. */
export function isNeeded({ group, kind }: WatchedKind): boolean {
  return !group.startsWith('gateway.networking.') || neededKinds.has(kind);
}

/** The kind that a CRD defines, in the version to read; undefined when it is none of ours, or not served yet. */
export function definedKind(definition: KubeObject): WatchedKind | undefined {
  const spec = record(definition['spec']);
  const names = record(spec['names']);
  const group = text(spec['group']) ?? '';
  const kind = text(names['kind']) ?? '';
  if (!gatewayKinds.has(`${group}/${kind}`)) return undefined;
  const served = list(spec['versions'])
    .map(record)
    .filter((version) => version['served'] === true)
    .map((version) => text(version['name']) ?? '');
  const version = served.includes('v1') ? 'v1' : served.at(-1);
  if (version === undefined) return undefined;
  return {
    group,
    version,
    kind,
    plural: text(names['plural']) ?? '',
    namespaced: spec['scope'] === 'Namespaced',
  };
}

export function channelOf(definition: KubeObject): string | undefined {
  return texts(definition.metadata.annotations)['gateway.networking.k8s.io/channel'];
}

/** @param namespace only of that one */
export function resourceOf({ group, version, kind, plural, query }: WatchedKind, namespace?: string): Resource {
  const base = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  return {
    path: `${base}${namespace === undefined ? '' : `/namespaces/${encodeURIComponent(namespace)}`}/${plural}`,
    apiVersion: group === '' ? version : `${group}/${version}`,
    kind,
    ...(query === undefined ? {} : { query }),
  };
}

/** What is written to, and read before. */
export interface Live {
  readonly resourceVersion: string;
  readonly uid: string;
  readonly generation: number;
  readonly finalizers: readonly string[];
  readonly deleting: boolean;
  readonly status: Readonly<Record<string, unknown>>;
}

const none: readonly string[] = [];

function textOf(value: unknown): readonly string[] {
  return typeof value === 'string' ? [value] : none;
}

export function liveOf(object: KubeObject): Live {
  const metadata = record(object.metadata);
  return {
    resourceVersion: text(metadata['resourceVersion']) ?? '',
    uid: text(metadata['uid']) ?? '',
    generation: typeof metadata['generation'] === 'number' ? metadata['generation'] : 0,
    finalizers: metadata['finalizers'] === undefined ? none : list(metadata['finalizers']).flatMap(textOf),
    deleting: metadata['deletionTimestamp'] !== undefined,
    status: record(object['status']),
  };
}

/** The object without status and without what nobody reads. */
export function kept(object: KubeObject): KubeObject {
  const metadata = keptMetadata(object.metadata);
  const { apiVersion, kind } = object;
  switch (kind) {
    case 'Deployment':
    case 'Namespace':
      return { apiVersion, kind, metadata };
    case 'ConfigMap':
      return { apiVersion, kind, metadata, data: only(object['data'], ['ca.crt']) };
    case 'Secret':
      return { apiVersion, kind, metadata, type: object['type'], data: only(object['data'], ['tls.crt', 'tls.key']) };
    case 'CustomResourceDefinition': {
      const { group, names, scope } = record(object['spec']);
      return { apiVersion, kind, metadata, spec: { group, names, scope } };
    }
    default: {
      const { status: _, ...rest } = object;
      return { ...rest, apiVersion, kind, metadata };
    }
  }
}

const applied = 'kubectl.kubernetes.io/last-applied-configuration';

function keptMetadata(metadata: ObjectMeta): ObjectMeta {
  const { name, namespace, uid, generation, creationTimestamp, deletionTimestamp, labels, annotations } = metadata;
  const { [applied]: _, ...others } = annotations ?? {};
  return {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(uid === undefined ? {} : { uid }),
    ...(generation === undefined ? {} : { generation }),
    ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
    ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
    ...(labels === undefined ? {} : { labels }),
    ...(Object.keys(others).length === 0 ? {} : { annotations: others }),
  };
}

function only(data: unknown, keys: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(texts(data)).filter(([key]) => keys.includes(key)));
}
