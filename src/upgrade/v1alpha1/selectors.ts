// Label selectors as v1alpha1 Gateways write them, over labels of routes and namespaces. A selector that cannot be read
// selects nothing.
import { list, text, type UnknownRecord } from '../../support/untrusted.ts';

export function selects(
  matchLabels: Readonly<Record<string, string>>,
  expressions: readonly UnknownRecord[],
  labels: Readonly<Record<string, string>>,
): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    expressions.every((expression) => holds(expression, labels))
  );
}

function holds(expression: UnknownRecord, labels: Readonly<Record<string, string>>): boolean {
  const key = text(expression['key']);
  if (key === undefined) return false;
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  const values = list(expression['values']);
  switch (expression['operator']) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    default:
      return false;
  }
}
