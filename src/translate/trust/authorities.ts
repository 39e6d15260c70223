// caCertificateRefs → keys of trust bundles, with what is wrong with each that cannot be used.
import type { ObjectRef, Origin } from '../../routing/origin.ts';
import { at } from '../../routing/origin.ts';
import type { Problem } from '../../routing/problem.ts';
import type { BundleState } from './bundles.ts';
import { bundleKey } from './bundles.ts';

export interface AuthorityRef {
  readonly group: string;
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
}

export interface AuthorityScope {
  /** Who refers. */
  readonly from: ObjectRef;
  readonly bundle: (key: string) => BundleState | undefined;
  /** Whether an object of another namespace may be referred to. */
  readonly permitted: (target: ObjectRef) => boolean;
  /** The code for kinds that hold no authorities. */
  readonly unknownKind: 'InvalidKind' | 'InvalidCACertificateKind';
}

export interface Authorities {
  /** Of those that can be used. */
  readonly keys: readonly string[];
  readonly problems: readonly Problem[];
}

/** @param origin of the list */
export function authoritiesOf(refs: readonly AuthorityRef[], scope: AuthorityScope, origin: Origin): Authorities {
  const keys: string[] = [];
  const problems: Problem[] = [];
  refs.forEach((ref, index) => {
    const found = authorityOf(ref, scope, at(origin, index));
    if (typeof found === 'string') keys.push(found);
    else problems.push(found);
  });
  if (keys.length === 0 && problems.length > 0) problems.push({ code: 'NoValidCACertificate', at: origin });
  return { keys: [...new Set(keys)], problems };
}

/** Where a ref leads; ClusterTrustBundles belong to no namespace. */
export function targetOf({ group, kind, namespace, name }: AuthorityRef, own: string): ObjectRef {
  return { group, kind, namespace: kind === 'ClusterTrustBundle' ? '' : (namespace ?? own), name };
}

function authorityOf(ref: AuthorityRef, scope: AuthorityScope, origin: Origin): string | Problem {
  const target = targetOf(ref, scope.from.namespace);
  const key = bundleKey(target);
  if (key === undefined) {
    const here = at(origin, 'kind');
    if (scope.unknownKind === 'InvalidCACertificateKind') return { code: scope.unknownKind, at: here, target };
    return { code: 'InvalidKind', at: here, target, kinds: ['ConfigMap', 'ClusterTrustBundle.certificates.k8s.io'] };
  }
  // Before everything else, so that nobody learns whether the object exists.
  if (target.namespace !== '' && !scope.permitted(target)) {
    return { code: 'RefNotPermitted', at: origin, from: scope.from, target };
  }
  const state = scope.bundle(key);
  if (state?.usable === true) return key;
  return {
    code: 'InvalidCACertificateRef',
    at: origin,
    target,
    message: state?.wrong ?? `the ${ref.kind} does not exist`,
  };
}
