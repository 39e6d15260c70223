// allowedRoutes.namespaces and allowedListeners.namespaces: which namespaces a listener takes routes from, and a Gateway ListenerSets.
import type { Gateway } from '../../api/generated/types.ts';
import type { LabelExpression, NamespaceRule } from '../../routing/bound.ts';
import { isLabelOperator } from '../../routing/label-selector.ts';

type AllowedRoutes = Gateway['spec']['listeners'][number]['allowedRoutes']['namespaces'];
/** Of routes by a listener, or of ListenerSets by a Gateway. */
type AllowedNamespaces = Omit<AllowedRoutes, 'from'> & { readonly from: AllowedRoutes['from'] | 'None' };

/** A selector that cannot be read allows nobody; `wrong` says why. */
export function namespaceRule(
  { from, selector }: AllowedNamespaces,
  namespace: string,
): { readonly rule: NamespaceRule; readonly wrong?: string } {
  switch (from) {
    case 'All':
    case 'None':
      return { rule: { from } };
    case 'Selector':
      return selectorRule(selector);
    case 'Same':
      return { rule: { from, namespace } };
    default:
      return from satisfies never;
  }
}

/** Label selectors of Kubernetes: an absent selector selects nothing, an empty one everything. */
function selectorRule(selector: AllowedNamespaces['selector']): { rule: NamespaceRule; wrong?: string } {
  if (selector === undefined) {
    return { rule: { from: 'None' }, wrong: 'from: Selector needs a selector; without one no namespace is selected' };
  }
  const matchExpressions: LabelExpression[] = [];
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    if (!isLabelOperator(operator)) {
      return { rule: { from: 'None' }, wrong: `operator ${operator} is not In, NotIn, Exists or DoesNotExist` };
    }
    const wantsValues = operator === 'In' || operator === 'NotIn';
    if (wantsValues !== values.length > 0) {
      return { rule: { from: 'None' }, wrong: `operator ${operator} ${wantsValues ? 'needs' : 'takes no'} values` };
    }
    matchExpressions.push({ key, operator, values });
  }
  return { rule: { from: 'Selector', matchLabels: selector.matchLabels ?? {}, matchExpressions } };
}
