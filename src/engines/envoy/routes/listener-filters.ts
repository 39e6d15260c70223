// Filters of a listener (GEP-5224) -> what its virtual hosts say for all of their routes. They run for every request, also those that
// no route takes: these have a route of their own.
import type { Filter } from '../../../routing/filters.ts';
import { compileHeaderChanges, type HeaderPlan, noHeaderChanges } from '../../../routing/filters/header-changes.ts';
import type { EnvoyLimits } from '../limits.ts';
import type { Message } from '../tree.ts';
import { answer } from './answers.ts';
import { bodyLimit, changeSteps, checkConfigs, lacksRoom, splitAtChecks } from './checks.ts';

export interface ListenerFilters {
  /** What the guard changes before a route is looked for. */
  readonly before: HeaderPlan;
  /** Fields of the VirtualHost. */
  readonly fields: Message;
  /** Routes before those of its entries. */
  readonly first: readonly Message[];
  /** For which the chain has to have room. */
  readonly steps: number;
  /** Octets that a body may have. */
  readonly body?: number | undefined;
}

const none: ListenerFilters = { before: noHeaderChanges, fields: {}, first: [], steps: 0 };

export function listenerFilters(filters: readonly Filter[], limits: EnvoyLimits): ListenerFilters {
  if (filters.length === 0) return none;
  const { steps: checks, unresolved, before, rest } = splitAtChecks(filters);
  const changes = rest.filter((filter) => filter.kind === 'request-headers');
  // None may be skipped: what a listener does not have refuses every request.
  if (changes.length < rest.length) return refusing('not-honoured');
  const plan = compileHeaderChanges(changes);
  if (checks.length === 0) return unresolved ? refusing('auth-unresolved') : { ...none, before: plan };
  const steps = [...checks, ...changeSteps(plan)];
  const lacks = lacksRoom('listener', steps.length);
  return {
    before,
    fields: { typed_per_filter_config: checkConfigs('listener', steps, limits) },
    first: [
      ...(lacks.length === 0 ? [] : [everything('not-yet', 503, { dynamic_metadata: lacks })]),
      ...(unresolved ? [everything('auth-unresolved', 500)] : []),
    ],
    steps: steps.length,
    body: bodyLimit(steps, limits),
  };
}

/** Every request is answered 500. */
export function refusing(reason: string): ListenerFilters {
  return { ...none, first: [everything(reason, 500)] };
}

/** A route for all requests, or those of them that the match says. */
function everything(reason: string, status: number, match: Message = {}): Message {
  return { name: reason, match: { prefix: '/', ...match }, direct_response: answer(status, reason) };
}
