// References in an object as it was written: whatever names a kind and a name, wherever it stands below spec.
import type { KubeObject } from '../../api/objects.ts';
import { isRecord, text } from '../../support/untrusted.ts';

export interface Reference {
  /** `spec.parentRefs[0]`. */
  readonly path: string;
  /** What is not written and not the default of its field is undefined. */
  readonly group: string | undefined;
  readonly kind: string | undefined;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
}

/** The kinds that references are to when they do not say. */
const kindsOfFields: ReadonlyMap<string, string> = new Map([
  ['parentRef', 'Gateway'],
  ['parentRefs', 'Gateway'],
  ['backendRef', 'Service'],
  ['backendRefs', 'Service'],
  ['certificateRefs', 'Secret'],
  ['clientCertificateRef', 'Secret'],
]);

/** Deeper than references stand in any kind. */
const deepest = 24;

export function referencesOf(object: KubeObject): Iterable<Reference> {
  return below(object['spec'], { path: 'spec', field: 'spec', depth: 0 });
}

function* below(
  value: unknown,
  at: { readonly path: string; readonly field: string; readonly depth: number },
): Iterable<Reference> {
  const { path, field } = at;
  const depth = at.depth + 1;
  if (depth > deepest) return;
  if (Array.isArray(value)) {
    for (const [n, item] of value.entries()) yield* below(item, { path: `${path}[${n}]`, field, depth });
  } else if (isRecord(value)) {
    const kind = text(value['kind']) ?? kindsOfFields.get(field);
    const [group, namespace, name] = [text(value['group']), text(value['namespace']), text(value['name'])];
    if (kind !== undefined || name !== undefined) yield { path, group, kind, namespace, name };
    for (const [field, each] of Object.entries(value)) {
      if (typeof each === 'object') yield* below(each, { path: `${path}.${field}`, field, depth });
    }
  }
}
