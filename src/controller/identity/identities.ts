// The Secrets of Gateways' data planes in the cluster, made and renewed.
import type { KubeObject } from '../../api/objects.ts';
import type { KubeClient } from '../../sources/cluster/client.ts';
import { ApiError } from '../../sources/cluster/client.ts';
import { equal } from '../../support/equal.ts';
import { list, record } from '../../support/untrusted.ts';
import type { ProvidedMetadata } from '../infrastructure/owned.ts';
import { manager, pathOf } from '../infrastructure/owned.ts';
import { ForeignObjectError } from '../infrastructure/provisioner.ts';
import { secretData, secretTexts } from './authority.ts';
import type { AuthorityState } from './authority-state.ts';
import { renewedIdentity } from './gateway-identity.ts';

export interface IdentityOwner {
  /** namespace/name of the Gateway. */
  readonly gateway: string;
  readonly uri: string;
  readonly metadata: ProvidedMetadata;
}

/** Makes the Secret, or renews what is due in it. */
export async function ensureIdentity(
  client: KubeClient,
  state: AuthorityState,
  { gateway, uri, metadata }: IdentityOwner,
): Promise<void> {
  const path = pathOf('secrets', metadata.namespace, metadata.name);
  const stored = await client.request<KubeObject>('GET', path).catch(absent);
  if (stored !== undefined) refuseForeign(stored, metadata);
  const wish = { state, uri, subject: gateway, now: Date.now() };
  const before = secretTexts(stored);
  const renewed = await renewedIdentity(before, wish);
  if (renewed === undefined && isMarked(stored, metadata)) return;
  await client.request('PATCH', path, {
    query: { fieldManager: manager, force: 'true' },
    type: 'application/apply-patch+yaml',
    body: { apiVersion: 'v1', kind: 'Secret', metadata, type: 'Opaque', data: secretData(renewed ?? before) },
  });
}

/** What users ask for on all that belongs to a Gateway is on it. */
function isMarked(stored: KubeObject | undefined, { labels, annotations }: ProvidedMetadata): boolean {
  const { metadata } = stored ?? {};
  return equal(metadata?.labels ?? {}, labels) && equal(metadata?.annotations ?? {}, annotations);
}

/** Somebody else's Secret is neither read nor written over. */
function refuseForeign(stored: KubeObject, { namespace, name, ownerReferences }: ProvidedMetadata): void {
  const owners = new Set(ownerReferences.map((owner) => record(owner)['uid']));
  if (list(record(stored.metadata)['ownerReferences']).some((owner) => owners.has(record(owner)['uid']))) return;
  throw new ForeignObjectError(
    `Secret ${namespace}/${name} exists and does not belong to the Gateway: delete or rename it`,
  );
}

function absent(error: unknown): undefined {
  if (error instanceof ApiError && error.status === 404) return undefined;
  throw error;
}
