// An object in its current form, with the way back to what the user wrote: upgrade stages turn an Ingress or an old
// vintage into current objects, and everything said later about those must name the original and its fields.
import type { KubeObject } from './objects.ts';

/** A reference to an object, spelt as in routing/origin.ts (which this folder may not import). */
export interface SourceRef {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/** `path` of the current object came from `from` of `object`. The longest matching path wins; see originOf for what is below it. */
export interface Mapping {
  readonly path: string;
  readonly object: SourceRef;
  readonly from: string;
}

export interface Sourced<T extends KubeObject | { readonly metadata: KubeObject['metadata'] }> {
  /** Validated, with the defaults of its CRD filled in. */
  readonly object: T;
  /** What the user wrote; for native objects the object itself. */
  readonly written: SourceRef;
  /** Empty for native objects, whose paths are their own. */
  readonly mappings: readonly Mapping[];
  /** Upgrade stages only: explicit order of matches by `rule/match` index, above the spec's precedence (Rank.explicit). */
  readonly explicit?: Readonly<Record<string, number>>;
}

/** The object and path to name when something is said about `path` of the current object. */
export function originOf(
  sourced: Sourced<{ readonly metadata: KubeObject['metadata'] }>,
  path: string,
): { object: SourceRef; path: string } {
  let best: Mapping | undefined;
  for (const mapping of sourced.mappings) {
    if (within(path, mapping.path) && (best === undefined || mapping.path.length > best.path.length)) best = mapping;
  }
  if (best === undefined) return { object: sourced.written, path: sourced.mappings.length === 0 ? path : '' };
  // Below a field that kept its path the shape is the same; below one that moved, nothing is known of the written shape.
  const rest = best.from === best.path ? path.slice(best.path.length) : '';
  return { object: best.object, path: best.from === '' && rest.startsWith('.') ? rest.slice(1) : best.from + rest };
}

function within(path: string, prefix: string): boolean {
  return (
    path === prefix ||
    (path.startsWith(prefix) && (prefix === '' || path[prefix.length] === '.' || path[prefix.length] === '['))
  );
}
