// BackendTLSPolicy (GEP-1897) → TLS to the backends of the Services that it targets. A policy that cannot be honoured leaves them
// unreachable: they must never be spoken to in the clear.
import type { BackendTLSPolicy } from '../../api/generated/types.ts';
import type { KubeObject } from '../../api/objects.ts';
import { versionOf } from '../../api/objects.ts';
import type { Sourced } from '../../api/sourced.ts';
import { originOf } from '../../api/sourced.ts';
import type { Read, Table } from '../../incremental/table.ts';
import type { ClusterTls } from '../../routing/model.ts';
import type { ObjectRef, Origin } from '../../routing/origin.ts';
import { at } from '../../routing/origin.ts';
import type { Problem } from '../../routing/problem.ts';
import { compareText } from '../../support/sorted.ts';
import type { UnknownRecord } from '../../support/untrusted.ts';
import { list, record, text } from '../../support/untrusted.ts';
import type { AuthorityScope } from '../trust/authorities.ts';
import { authoritiesOf } from '../trust/authorities.ts';
import type { BundleState } from '../trust/bundles.ts';

/** Without a certificate of the Gateway's. */
export type PolicyTls = Omit<ClusterTls, 'certificate'>;

export interface BoundTlsPolicy {
  /** namespace/name. */
  readonly key: string;
  readonly ref: ObjectRef;
  readonly generation?: number;
  readonly targets: readonly { readonly service: string; readonly sectionName?: string; readonly origin: Origin }[];
  readonly tls: PolicyTls;
  readonly problems: readonly Problem[];
}

export function bindTlsPolicy(
  bundles: Table<BundleState>,
): (sourced: Sourced<BackendTLSPolicy>, read: Read, key: string) => BoundTlsPolicy {
  return (sourced, read, key) => {
    const { metadata, spec } = sourced.object;
    const { namespace = '', name, generation } = metadata;
    const ref: ObjectRef = { group: 'gateway.networking.k8s.io', kind: 'BackendTLSPolicy', namespace, name };
    const scope: AuthorityScope = {
      from: ref,
      bundle: (bundle) => read(bundles, bundle),
      // Its references have no namespace.
      permitted: () => true,
      unknownKind: 'InvalidKind',
    };
    const { tls, problems: found } = tlsOf(spec.validation, scope, { object: ref, path: 'spec.validation' });
    // The fields of older vintages have other names.
    const problems = found.map((problem): Problem => ({ ...problem, at: originOf(sourced, problem.at.path) }));
    const options = Object.keys(spec.options ?? {});
    const ignored: Problem[] =
      options.length === 0
        ? []
        : [
            {
              code: 'IgnoredField',
              at: originOf(sourced, 'spec.options'),
              message: `no option is known, so ${options.join(', ')} changes nothing`,
            },
          ];
    return {
      key,
      ref,
      ...(generation === undefined ? {} : { generation }),
      targets: spec.targetRefs.flatMap(({ group, kind, name: target, sectionName }, index) =>
        group === '' && kind === 'Service'
          ? [
              {
                service: `${namespace}/${target}`,
                ...(sectionName === undefined ? {} : { sectionName }),
                origin: originOf(sourced, `spec.targetRefs[${index}]`),
              },
            ]
          : [],
      ),
      tls,
      problems: [...problems, ...ignored],
    };
  };
}

type Validation = BackendTLSPolicy['spec']['validation'];

/** Of a policy or an XBackend: whom the backend's certificate has to be for, and who has to vouch for it. */
export function tlsOf(
  validation: Validation,
  scope: AuthorityScope,
  origin: Origin,
): { readonly tls: PolicyTls; readonly problems: readonly Problem[] } {
  const { hostname, subjectAltNames = [], wellKnownCACertificates, caCertificateRefs = [] } = validation;
  // With alternative names the hostname is SNI and no more.
  const alternatives = subjectAltNames.map(({ type, hostname: dns, uri }): ClusterTls['names'][number] =>
    type === 'URI' ? { type: 'uri', value: uri ?? '' } : { type: 'dns', value: (dns ?? '').toLowerCase() },
  );
  const names = alternatives.length > 0 ? alternatives : [{ type: 'dns' as const, value: hostname.toLowerCase() }];
  const identity = { serverName: hostname, names };
  if (wellKnownCACertificates === 'System') return { tls: { ...identity, authorities: 'system' }, problems: [] };
  if (wellKnownCACertificates !== undefined) {
    const message = `${wellKnownCACertificates} is not known; System is`;
    const problem: Problem = { code: 'InvalidPolicy', at: at(origin, 'wellKnownCACertificates'), message };
    return { tls: { ...identity, authorities: [] }, problems: [problem] };
  }
  const { keys, problems } = authoritiesOf(caCertificateRefs, scope, at(origin, 'caCertificateRefs'));
  return { tls: { ...identity, authorities: keys }, problems };
}

/** A policy at one of its targets, whatever else is wrong with it. */
export interface TlsPolicyTarget {
  /** namespace/name of the policy. */
  readonly policy: string;
  readonly created: string;
  readonly sectionName?: string;
}

/** Of objects as they were written, since one that is refused must not be taken for none. By namespace/name of the Service. */
export function* tlsPolicyTargets(object: KubeObject): Iterable<readonly [service: string, target: TlsPolicyTarget]> {
  const { namespace = '', name, creationTimestamp = '' } = object.metadata;
  const seen = new Set<string>();
  for (const target of targetsOf(object)) {
    if ((text(target['namespace']) ?? namespace) !== namespace) continue;
    if (target['kind'] !== 'Service' || (text(target['group']) ?? '') !== '') continue;
    const service = text(target['name']) ?? '';
    const sectionName = text(target['sectionName']);
    const key = `${service} ${sectionName ?? ''}`;
    if (seen.has(key)) continue;
    seen.add(key);
    yield [
      `${namespace}/${service}`,
      {
        policy: `${namespace}/${name}`,
        created: creationTimestamp,
        ...(sectionName === undefined ? {} : { sectionName }),
      },
    ];
  }
}

/** v1alpha2 had one, which could name its namespace. */
function targetsOf({ apiVersion, spec }: KubeObject): readonly UnknownRecord[] {
  const { targetRef, targetRefs } = record(spec);
  return versionOf(apiVersion) === 'v1alpha2' ? [record(targetRef)] : list(targetRefs).map(record);
}

/** The older first, then by namespace and name. */
export function compareTargets(a: TlsPolicyTarget, b: TlsPolicyTarget): number {
  return (
    compareText(a.created, b.created) ||
    compareText(a.policy, b.policy) ||
    compareText(a.sectionName ?? '', b.sectionName ?? '')
  );
}

/** What has the last word on a port: a policy for just that port before one for the whole Service. */
export function effectiveTarget(targets: readonly TlsPolicyTarget[], portName: string): TlsPolicyTarget | undefined {
  return (
    targets.find(({ sectionName }) => sectionName !== undefined && sectionName === portName) ??
    targets.find(({ sectionName }) => sectionName === undefined)
  );
}

/** The policy that takes a target from this one, when there is one: that is older and has the same target. */
export function rivalOf(targets: readonly TlsPolicyTarget[], policy: string, sectionName?: string): string | undefined {
  const first = targets.find((target) => target.sectionName === sectionName);
  return first === undefined || first.policy === policy ? undefined : first.policy;
}

/** For a policy that was refused: nobody vouches for the backend. */
export const unreachableTls: PolicyTls = { serverName: '', names: [], authorities: [] };
