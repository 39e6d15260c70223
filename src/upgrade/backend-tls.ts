// gateway.networking.k8s.io/v1alpha2 BackendTLSPolicy -> v1: one targetRef became a list, and `tls` became `validation`.
import type { BackendTLSPolicy } from '../api/generated/types.ts';
import { gatewayGroup, type Channel } from '../api/kinds.ts';
import type { KubeObject } from '../api/objects.ts';
import { versionOf } from '../api/objects.ts';
import type { Mapping, Sourced } from '../api/sourced.ts';
import { originOf } from '../api/sourced.ts';
import { validate } from '../api/validate.ts';
import { Derived } from '../incremental/derived.ts';
import { Expanded } from '../incremental/expanded.ts';
import { record, type UnknownRecord } from '../support/untrusted.ts';
import { sayFieldProblems } from './fields.ts';
import type { VintageTables } from './same-shape.ts';
import { problemsOf, type RawTables } from './tables.ts';
import { Notes, refOf, type Upgraded } from './upgraded.ts';

const kind = 'BackendTLSPolicy';
const current = `${gatewayGroup}/v1`;

export function backendTlsStages(raw: RawTables, channel: Channel): VintageTables<BackendTLSPolicy> {
  const upgraded = new Derived<KubeObject, Upgraded<BackendTLSPolicy>>(
    'v1alpha2 BackendTLSPolicy',
    raw(gatewayGroup, kind),
    (object) => (versionOf(object.apiVersion) === 'v1alpha2' ? upgrade(object, channel) : undefined),
  );
  const rows = new Expanded<Upgraded<BackendTLSPolicy>, Sourced<BackendTLSPolicy>>(
    'BackendTLSPolicy from v1alpha2',
    upgraded,
    (row) => row.rows,
  );
  const problems = problemsOf(upgraded);
  return { stages: [upgraded, rows, problems], rows, problems: [problems] };
}

/** Fields that were called something else; all others of a policy kept their place. */
const moved: readonly (readonly [path: string, from: string])[] = [
  ['spec.targetRefs', 'spec.targetRef'],
  ['spec.targetRefs[0]', 'spec.targetRef'],
  ['spec.targetRefs[0].group', 'spec.targetRef.group'],
  ['spec.targetRefs[0].kind', 'spec.targetRef.kind'],
  ['spec.targetRefs[0].name', 'spec.targetRef.name'],
  ['spec.targetRefs[0].sectionName', 'spec.targetRef.sectionName'],
  ['spec.validation', 'spec.tls'],
  ['spec.validation.caCertificateRefs', 'spec.tls.caCertRefs'],
  ['spec.validation.wellKnownCACertificates', 'spec.tls.wellKnownCACerts'],
  ['spec.validation.hostname', 'spec.tls.hostname'],
];

function upgrade(object: KubeObject, channel: Channel): Upgraded<BackendTLSPolicy> {
  const ref = refOf(object);
  const notes = new Notes(ref);
  notes.say('apiVersion', { code: 'DeprecatedVersion', from: object.apiVersion, to: current });
  const { targetRef, tls, ...rest } = record(object['spec']);
  const { caCertRefs, wellKnownCACerts, ...otherTls } = record(tls);
  const mappings: Mapping[] = moved.map(([path, from]) => ({ path, object: ref, from }));
  mappings.push({ path: '', object: ref, from: '' });
  authorityMappings(caCertRefs, notes, mappings);
  const { target, elsewhere } = targetOf(record(targetRef), ref.namespace);
  if (elsewhere !== undefined) {
    notes.say('spec.targetRef.namespace', {
      code: 'InvalidField',
      rule: 'targetRef',
      message: `a policy is in the namespace of its target, and ${elsewhere} is another one`,
    });
  }
  const spec = {
    ...rest,
    ...(targetRef === undefined ? {} : { targetRefs: [target] }),
    ...(tls === undefined
      ? {}
      : {
          validation: {
            ...otherTls,
            ...(caCertRefs === undefined ? {} : { caCertificateRefs: caCertRefs }),
            ...(wellKnownCACerts === undefined ? {} : { wellKnownCACertificates: wellKnownCACerts }),
          },
        }),
  };
  const result = validate({ ...object, apiVersion: current, kind, spec }, channel);
  const sourced = { object, written: ref, mappings };
  sayFieldProblems(notes, result, (path) => originOf(sourced, path).path);
  if (!result.ok || elsewhere !== undefined) return { ref, rows: [], problems: notes.problems };
  // The schema has been checked: the object has the shape of its generated type.
  const row = { object: result.object as unknown as BackendTLSPolicy, written: ref, mappings };
  return { ref, rows: [[`${ref.namespace}/${ref.name}`, row]], problems: notes.problems };
}

/** Its namespace could be written, and had to be that of the policy. */
function targetOf(
  { namespace, ...target }: UnknownRecord,
  own: string,
): { readonly target: UnknownRecord; readonly elsewhere?: string } {
  return typeof namespace === 'string' && namespace !== own ? { target, elsewhere: namespace } : { target };
}

function authorityMappings(refs: unknown, { ref }: Notes, mappings: Mapping[]): void {
  if (!Array.isArray(refs)) return;
  refs.forEach((_, index) => {
    for (const field of ['', '.group', '.kind', '.name']) {
      const path = `spec.validation.caCertificateRefs[${index}]${field}`;
      mappings.push({ path, object: ref, from: `spec.tls.caCertRefs[${index}]${field}` });
    }
  });
}
