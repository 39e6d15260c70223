// Label selectors as v1alpha1 objects write them. One that cannot be read selects nothing.
import { isLabelOperator, type LabelSelector } from '../../routing/label-selector.ts';
import { list, record, text, texts } from '../../support/untrusted.ts';

export function readSelector(value: unknown): LabelSelector | undefined {
  const selector = record(value);
  const matchExpressions = list(selector['matchExpressions']).flatMap((each) => {
    const { key, operator, values } = record(each);
    const name = text(key);
    if (name === undefined || !isLabelOperator(operator)) return [];
    return [{ key: name, operator, values: list(values).filter((item) => typeof item === 'string') }];
  });
  if (matchExpressions.length < list(selector['matchExpressions']).length) return undefined;
  return { matchLabels: texts(selector['matchLabels']), matchExpressions };
}
