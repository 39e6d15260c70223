// The versions of the Gateway API CRDs that are installed, from their annotation. Files seldom bring the CRDs along: then
// nothing is known, and nothing is said.
import type { KubeObject } from '../../api/objects.ts';
import { groupOf } from '../../api/objects.ts';
import { record } from '../../support/untrusted.ts';

const annotation = 'gateway.networking.k8s.io/bundle-version';

/** Of a CRD of the Gateway API: its version, '' when it has none. By one key, for they are only asked for together. */
export function* bundleVersion(object: KubeObject): Iterable<readonly [key: 'installed', version: string]> {
  if (object.kind !== 'CustomResourceDefinition' || groupOf(object.apiVersion) !== 'apiextensions.k8s.io') return;
  if (record(object['spec'])['group'] !== 'gateway.networking.k8s.io') return;
  const version = record(object.metadata.annotations)[annotation];
  yield ['installed', typeof version === 'string' ? version : ''];
}

/** v1.0 to v1.7, whatever the patch and pre-release: later ones may have changed what is read here. */
export function isRecognised(version: string): boolean {
  return /^v1\.[0-7]\.\d+(-[0-9A-Za-z.-]+)?$/.test(version);
}
