// What objects refer to, reduced to what those that refer depend on, so that nothing else of it wakes them. Lists are
// keyed by what they are asked for with: slices by Service, grants by namespace.
import type { Gateway } from '../api/generated/types.ts';
import type { KubeObject, Namespace } from '../api/objects.ts';
import type { Sourced } from '../api/sourced.ts';
import { Derived } from '../incremental/derived.ts';
import { Grouped } from '../incremental/grouped.ts';
import type { Table } from '../incremental/table.ts';
import { refKey } from '../routing/origin.ts';
import { compareText } from '../support/sorted.ts';
import type { SliceRow } from '../translate/backends/endpoints.ts';
import { sliceRow } from '../translate/backends/endpoints.ts';
import type { ServiceRow } from '../translate/backends/services.ts';
import { serviceRow } from '../translate/backends/services.ts';
import type { CertificateState, ParsedCertificate } from '../translate/gateways/certificates.ts';
import { parseCertificate, stateOf } from '../translate/gateways/certificates.ts';
import { bundleVersion } from '../translate/gateways/bundle-versions.ts';
import { tlsPolicyTargets } from '../translate/policies/backend-tls.ts';
import type { Grant } from '../translate/references/grants.ts';
import { compareGrants, grantsOf } from '../translate/references/grants.ts';
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
  /** By the one key `installed`. */
  readonly bundleVersions: Table<readonly string[]>;
  /** Names of policies, by namespace/name of the Service that they target. */
  readonly tlsPolicies: Table<readonly string[]>;
  /** By namespace/name of the Secret; only of Secrets that a listener names, whether they exist or not. */
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
  const named = { table: current.gateways, split: secretsNamed };
  const secretsOfListeners = add(new Grouped('secrets named by listeners', [named], compareText));
  const parsedCertificates = add(
    new Derived('parsed certificates', secretsOfListeners, (_, read, key) =>
      parseCertificate(key, read(current.secrets, key)),
    ),
  );
  return {
    namespaces: add(new Derived('namespace labels', current.namespaces, labelsOf)),
    grants: add(new Grouped('grants by namespace', [{ table: current.grants, split: grantsOf }], compareGrants)),
    services: add(new Derived('services', current.services, serviceRow)),
    slices: add(new Grouped('slices by service', [{ table: slices, split: byService }], compareSlices)),
    sliceProblems: add(new Derived('problems of slices', slices, sliceProblems)),
    bundleVersions: add(new Grouped('bundle versions', [{ table: others, split: bundleVersion }], compareText)),
    tlsPolicies: add(new Grouped('BackendTLSPolicies', [{ table: others, split: tlsPolicyTargets }], compareText)),
    parsedCertificates,
    certificateStates: add(new Derived('certificate states', parsedCertificates, stateOf)),
  };
}

/** The API server gives each the label of its name; an object from a file may lack it. */
function labelsOf({ object }: Sourced<Namespace>): Readonly<Record<string, string>> {
  return { 'kubernetes.io/metadata.name': object.metadata.name, ...object.metadata.labels };
}

/** Secrets of its listeners, each with the Gateway as a member. */
function* secretsNamed({ object }: Sourced<Gateway>, key: string): Iterable<readonly [string, string]> {
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
