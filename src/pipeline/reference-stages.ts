// What objects refer to, reduced to what those that refer depend on, so that nothing else of it wakes them. Lists are
// keyed by what they are asked for with: slices by Service, grants by namespace.
import type { BackendTLSPolicy, Gateway, ListenerSet, XBackend } from '../api/generated/types.ts';
import type { KubeObject, Namespace } from '../api/objects.ts';
import type { Sourced } from '../api/sourced.ts';
import { Derived } from '../incremental/derived.ts';
import type { GroupedInput } from '../incremental/grouped.ts';
import { Grouped } from '../incremental/grouped.ts';
import type { Table } from '../incremental/table.ts';
import { refKey } from '../routing/origin.ts';
import { compareText } from '../support/sorted.ts';
import type { SliceRow } from '../translate/backends/endpoints.ts';
import { sliceRow } from '../translate/backends/endpoints.ts';
import type { ServiceRow } from '../translate/backends/services.ts';
import type { BoundBackend } from '../translate/backends/xbackends.ts';
import { bindBackend } from '../translate/backends/xbackends.ts';
import type { BoundTrafficPolicy } from '../translate/policies/traffic.ts';
import { bindTrafficPolicy, compareTrafficPolicies } from '../translate/policies/traffic.ts';
import { serviceProblems, serviceRow } from '../translate/backends/services.ts';
import type { CertificateState, ParsedCertificate } from '../translate/gateways/certificates.ts';
import { parseCertificate, stateOf } from '../translate/gateways/certificates.ts';
import { bundleVersion } from '../translate/gateways/bundle-versions.ts';
import type { BoundTlsPolicy, TlsPolicyTarget } from '../translate/policies/backend-tls.ts';
import { bindTlsPolicy, compareTargets, tlsPolicyTargets } from '../translate/policies/backend-tls.ts';
import type { Grant } from '../translate/references/grants.ts';
import { compareGrants, grantsOf } from '../translate/references/grants.ts';
import { targetOf } from '../translate/trust/authorities.ts';
import type { AuthorityRef } from '../translate/trust/authorities.ts';
import type { BundleState, ParsedBundle } from '../translate/trust/bundles.ts';
import { bundleKey, bundleState, parseConfigMap, parseTrustBundle } from '../translate/trust/bundles.ts';
import type { Current, ObjectProblems } from './current.ts';
import type { Add } from './stage-list.ts';

export interface References {
  /** Labels, by namespace. */
  readonly namespaces: Table<Readonly<Record<string, string>>>;
  /** By namespace. */
  readonly grants: Table<readonly Grant[]>;
  /** By namespace/name. */
  readonly services: Table<ServiceRow>;
  /** By namespace/name of their Service. */
  readonly slices: Table<readonly SliceRow[]>;
  readonly sliceProblems: Table<ObjectProblems>;
  readonly serviceProblems: Table<ObjectProblems>;
  /** By namespace/name. */
  readonly xbackends: Table<BoundBackend>;
  /** By kind/namespace/name of the backend, in the order of their precedence. */
  readonly trafficPolicies: Table<readonly BoundTrafficPolicy[]>;
  /** By namespace/name. */
  readonly boundTrafficPolicies: Table<BoundTrafficPolicy>;
  /** Keys of Gateways that take routes which name none, under the one key `All`. */
  readonly defaultGateways: Table<readonly string[]>;
  /** By the one key `installed`. */
  readonly bundleVersions: Table<readonly string[]>;
  /** BackendTLSPolicies by namespace/name of the Service that they target, in the order of their precedence. */
  readonly tlsPolicyTargets: Table<readonly TlsPolicyTarget[]>;
  /** By namespace/name. */
  readonly tlsPolicies: Table<BoundTlsPolicy>;
  /** By kind/namespace/name; only of objects that somebody refers to, whether they exist or not. */
  readonly parsedBundles: Table<ParsedBundle>;
  readonly bundleStates: Table<BundleState>;
  /** By namespace/name of the Secret; only of Secrets that a Gateway or listener names, whether they exist or not. */
  readonly parsedCertificates: Table<ParsedCertificate>;
  readonly certificateStates: Table<CertificateState>;
}

export function referenceStages(
  current: Current,
  others: Table<KubeObject>,
  options: { readonly presume: boolean; readonly loopbackEndpoints?: boolean },
  add: Add,
): References {
  const loopback = options.loopbackEndpoints ?? options.presume;
  const slices = add(new Derived('slices', current.slices, (slice) => sliceRow(slice, loopback)));
  const inputs = [
    { table: current.gateways, split: secretsOfGateway },
    { table: current.listenerSets, split: secretsOfSet },
    { table: current.xbackends, split: secretOfBackend },
  ];
  const secretsOfListeners = add(
    new Grouped('secrets named by listeners', inputs as GroupedInput<unknown, string>[], compareText),
  );
  const parsedCertificates = add(
    new Derived('parsed certificates', secretsOfListeners, (_, read, key) =>
      parseCertificate(key, read(current.secrets, key)),
    ),
  );
  const trust = trustStages(current, add);
  const targets = { table: current.writtenTlsPolicies, split: tlsPolicyTargets };
  const grants = add(new Grouped('grants by namespace', [{ table: current.grants, split: grantsOf }], compareGrants));
  const certificateStates = add(new Derived('certificate states', parsedCertificates, stateOf));
  const backends = { bundles: trust.bundleStates, certificates: certificateStates, grants };
  const policies = add(new Derived('XBackendTrafficPolicies', current.trafficPolicies, bindTrafficPolicy));
  return {
    ...trust,
    xbackends: add(new Derived('XBackends', current.xbackends, bindBackend(backends))),
    boundTrafficPolicies: policies,
    trafficPolicies: add(
      new Grouped('traffic policies by backend', [{ table: policies, split: byBackend }], compareTrafficPolicies),
    ),
    defaultGateways: add(
      new Grouped('default Gateways', [{ table: current.gateways, split: defaultScope }], compareText),
    ),
    serviceProblems: add(
      new Derived('problems of Services', current.services, (service): ObjectProblems | undefined => {
        const problems = serviceProblems(service);
        return problems.length === 0 ? undefined : { key: refKey(service.written), problems };
      }),
    ),
    namespaces: add(new Derived('namespace labels', current.namespaces, labelsOf)),
    grants,
    services: add(new Derived('services', current.services, serviceRow)),
    slices: add(new Grouped('slices by service', [{ table: slices, split: byService }], compareSlices)),
    sliceProblems: add(new Derived('problems of slices', slices, sliceProblems)),
    bundleVersions: add(new Grouped('bundle versions', [{ table: others, split: bundleVersion }], compareText)),
    tlsPolicyTargets: add(new Grouped('targets of BackendTLSPolicies', [targets], compareTargets)),
    tlsPolicies: add(new Derived('BackendTLSPolicies', current.backendTlsPolicies, bindTlsPolicy(trust.bundleStates))),
    parsedCertificates,
    certificateStates,
  };
}

/** Only what Gateways and policies refer to. */
function trustStages(current: Current, add: Add): Pick<References, 'parsedBundles' | 'bundleStates'> {
  const inputs = [
    { table: current.gateways, split: authoritiesOfGateway },
    { table: current.backendTlsPolicies, split: authoritiesOfPolicy },
    { table: current.xbackends, split: authoritiesOfBackend },
  ];
  const named = add(new Grouped('trust bundles named', inputs as GroupedInput<unknown, string>[], compareText));
  const parsedBundles = add(
    new Derived('parsed trust bundles', named, (_, read, key): ParsedBundle => {
      const [kind = '', ...rest] = key.split('/');
      return kind === 'ConfigMap'
        ? parseConfigMap(key, read(current.configMaps, rest.join('/')))
        : parseTrustBundle(key, read(current.trustBundles, rest.at(-1) ?? ''));
    }),
  );
  return { parsedBundles, bundleStates: add(new Derived('trust bundle states', parsedBundles, bundleState)) };
}

function authoritiesOfGateway({ object }: Sourced<Gateway>, key: string): Iterable<readonly [string, string]> {
  const frontend = object.spec.tls?.frontend;
  const validations = [frontend?.default.validation, ...(frontend?.perPort ?? []).map(({ tls }) => tls.validation)];
  const refs = validations.flatMap((validation) => validation?.caCertificateRefs ?? []);
  return bundlesNamed(refs, object.metadata.namespace ?? '', `Gateway/${key}`);
}

function authoritiesOfPolicy({ object }: Sourced<BackendTLSPolicy>, key: string): Iterable<readonly [string, string]> {
  const refs = object.spec.validation.caCertificateRefs ?? [];
  return bundlesNamed(refs, object.metadata.namespace ?? '', `BackendTLSPolicy/${key}`);
}

function authoritiesOfBackend({ object }: Sourced<XBackend>, key: string): Iterable<readonly [string, string]> {
  const refs = object.spec.tls.validation?.caCertificateRefs ?? [];
  return bundlesNamed(refs, object.metadata.namespace ?? '', `XBackend/${key}`);
}

function bundlesNamed(
  refs: readonly AuthorityRef[],
  namespace: string,
  by: string,
): Iterable<readonly [string, string]> {
  const keys = refs.flatMap((ref) => bundleKey(targetOf(ref, namespace)) ?? []);
  return [...new Set(keys)].map((key) => [key, by] as const);
}

/** The API server gives each the label of its name; an object from a file may lack it. */
function labelsOf({ object }: Sourced<Namespace>): Readonly<Record<string, string>> {
  return { 'kubernetes.io/metadata.name': object.metadata.name, ...object.metadata.labels };
}

/** Secrets of listeners, each with the object that they stand in as a member. */
function* secretsOfGateway({ object }: Sourced<Gateway>, key: string): Iterable<readonly [string, string]> {
  const own = object.spec.tls?.backend?.clientCertificateRef;
  // Another member than that of the listeners, which may name the same Secret.
  if (own !== undefined) yield [`${own.namespace ?? object.metadata.namespace ?? ''}/${own.name}`, `Gateway/${key}/`];
  yield* secretsNamed(object, `Gateway/${key}`);
}

function secretsOfSet({ object }: Sourced<ListenerSet>, key: string): Iterable<readonly [string, string]> {
  return secretsNamed(object, `ListenerSet/${key}`);
}

function secretOfBackend({ object }: Sourced<XBackend>, key: string): Iterable<readonly [string, string]> {
  const ref = object.spec.tls.clientCertificateRef;
  if (ref === undefined) return [];
  return [[`${ref.namespace ?? object.metadata.namespace ?? ''}/${ref.name}`, `XBackend/${key}`]];
}

function* secretsNamed(object: Gateway | ListenerSet, key: string): Iterable<readonly [string, string]> {
  const seen = new Set<string>();
  for (const { tls } of object.spec.listeners) {
    for (const { group, kind, namespace, name } of tls?.certificateRefs ?? []) {
      const secret = `${namespace ?? object.metadata.namespace ?? ''}/${name}`;
      if (group !== '' || kind !== 'Secret' || seen.has(secret)) continue;
      seen.add(secret);
      yield [secret, key];
    }
  }
}

function byBackend(policy: BoundTrafficPolicy): Iterable<readonly [string, BoundTrafficPolicy]> {
  return policy.targets.map(({ backend }) => [backend, policy] as const);
}

function defaultScope({ object }: Sourced<Gateway>, key: string): Iterable<readonly [string, string]> {
  return object.spec.defaultScope === 'All' ? [['All', key]] : [];
}

function byService(slice: SliceRow): Iterable<readonly [string, SliceRow]> {
  return slice.service === undefined ? [] : [[slice.service, slice]];
}

function compareSlices(a: SliceRow, b: SliceRow): number {
  return compareText(a.key, b.key);
}

function sliceProblems({ problems }: SliceRow): ObjectProblems | undefined {
  const [first] = problems;
  return first === undefined ? undefined : { key: refKey(first.at.object), problems };
}
