// ConfigMaps (`ca.crt`) and ClusterTrustBundles → certificate authorities that an engine can use, or why it cannot. Only those
// that somebody refers to are read, and who refers sees the state of a bundle, not what is in it: a rotation wakes no Gateway,
// policy or route.
import { X509Certificate } from 'node:crypto';
import type { ClusterTrustBundle, ConfigMap } from '../../api/objects.ts';
import type { Sourced } from '../../api/sourced.ts';
import type { TrustBundle } from '../../routing/model.ts';
import type { ObjectRef } from '../../routing/origin.ts';

export type ParsedBundle = { readonly bundle: TrustBundle } | { readonly wrong: string };

/** What those that refer to it depend on. */
export type BundleState = { readonly usable: true } | { readonly usable: false; readonly wrong: string };

/** kind/namespace/name; undefined for objects of a kind that holds no authorities. */
export function bundleKey({ group, kind, namespace, name }: ObjectRef): string | undefined {
  if (group === '' && kind === 'ConfigMap') return `ConfigMap/${namespace}/${name}`;
  if (group === 'certificates.k8s.io' && kind === 'ClusterTrustBundle') return `ClusterTrustBundle//${name}`;
  return undefined;
}

export function parseConfigMap(key: string, sourced: Sourced<ConfigMap> | undefined): ParsedBundle {
  if (sourced === undefined) return { wrong: 'the ConfigMap does not exist' };
  const text = sourced.object.data?.['ca.crt'];
  return text === undefined || text === '' ? { wrong: 'the ConfigMap has no ca.crt' } : parse(key, text, 'ca.crt');
}

/** GEP-5075. */
export function parseTrustBundle(key: string, sourced: Sourced<ClusterTrustBundle> | undefined): ParsedBundle {
  if (sourced === undefined) return { wrong: 'the ClusterTrustBundle does not exist' };
  return parse(key, sourced.object.spec.trustBundle, 'spec.trustBundle');
}

export function bundleState(parsed: ParsedBundle): BundleState {
  return 'bundle' in parsed ? { usable: true } : { usable: false, wrong: parsed.wrong };
}

/** One certificate that cannot be read makes the whole bundle unusable: nobody can tell whom it was to vouch for. */
function parse(key: string, text: string, field: string): ParsedBundle {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) return { wrong: `${field} holds no PEM certificate` };
  if (!blocks.every(isCertificate)) return { wrong: `${field} holds a PEM block that is not a certificate` };
  return { bundle: { key, certificates: `${blocks.join('\n')}\n` } };
}

function isCertificate(block: string): boolean {
  try {
    return new X509Certificate(block).raw.length > 0;
  } catch {
    return false;
  }
}
