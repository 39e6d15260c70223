// Rules that cannot be served as written → what that means for the route: refused when nothing of it is left ("a Route
// MUST be considered Accepted if at least one of its rules is implemented"), else PartiallyInvalid.
import type { Problem } from '../../routing/problem.ts';
import type { TranslatedRule } from './rules.ts';

export interface Refusals {
  readonly refused: boolean;
  /** References that did not resolve, and the refusals in the form that their condition needs. */
  readonly problems: readonly Problem[];
}

export function refusalsOf(rules: readonly TranslatedRule[]): Refusals {
  const refused = rules.length > 0 && rules.every((rule) => rule.dropped);
  const problems: Problem[] = [];
  for (const { problems: unresolved, refusals } of rules) {
    problems.push(...unresolved);
    for (const refusal of refusals) problems.push(refused ? refusal : dropped(refusal));
  }
  return { refused, problems };
}

function dropped(refusal: Problem): Problem {
  if (refusal.code !== 'UnsupportedValue' && refusal.code !== 'IncompatibleFilters') return refusal;
  return { code: 'DroppedRule', at: refusal.at, message: refusal.message };
}
