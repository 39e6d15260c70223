// Filters that only upgrade stages write: they have no form in the Gateway API, so they stand as an ExtensionRef of a
// group that nobody else has, and that users cannot refer to.
import type { PathChange } from '../../routing/filters.ts';

/** What upgrade stages put into `extensionRef` beside group, kind and name. */
interface InternalRef {
  readonly group: string;
  readonly kind: string;
  readonly regexRewrite?: { readonly pattern: string; readonly value: string };
}

export const internalGroup = 'internal.portolan.dev';

/** A rewrite by the groups of a pattern, as ingress-nginx's rewrite-target. */
export function regexRewriteOf(ref: InternalRef): PathChange | undefined {
  if (ref.group !== internalGroup || ref.kind !== 'RegexRewrite' || ref.regexRewrite === undefined) return undefined;
  return { type: 'regex', ...ref.regexRewrite };
}
