// Filters of a listener (GEP-5224) -> what its virtual hosts say for all of their routes. They run for every request, also those that
// no route takes: these have a route of their own.
import type { Filter } from '../../../routing/filters.ts';
import { compileHeaderChanges, type HeaderPlan, noHeaderChanges } from '../../../routing/filters/header-changes.ts';
import type { EnvoyLimits } from '../limits.ts';
import type { Message } from '../tree.ts';
import { answer } from './answers.ts';
import { checkConfig, LISTENER_CHECK, splitAtCheck } from './checks.ts';
import { headerChanges } from './header-changes.ts';

export interface ListenerFilters {
  /** What the guard changes before a route is looked for. */
  readonly before: HeaderPlan;
  /** Fields of the VirtualHost. */
  readonly fields: Message;
  /** Routes before those of its entries. */
  readonly first: readonly Message[];
}

const none: ListenerFilters = { before: noHeaderChanges, fields: {}, first: [] };

export function listenerFilters(filters: readonly Filter[], limits: EnvoyLimits): ListenerFilters {
  if (filters.length === 0) return none;
  const { auth, before, rest, tooMany } = splitAtCheck(filters);
  const changes = rest.filter((filter) => filter.kind === 'request-headers');
  // None may be skipped: what a listener does not have, or cannot be asked, refuses every request.
  if (changes.length < rest.length || tooMany) return refusing('not-honoured');
  const plan = compileHeaderChanges(changes);
  if (auth === undefined) return { ...none, before: plan };
  const { cluster } = auth;
  if (cluster === undefined) return refusing('auth-unresolved');
  return {
    before,
    fields: {
      ...headerChanges(plan, noHeaderChanges),
      typed_per_filter_config: checkConfig(LISTENER_CHECK, { ...auth, cluster }, limits),
    },
    first: [],
  };
}

/** Every request is answered 500. */
export function refusing(reason: string): ListenerFilters {
  return { ...none, first: [{ name: reason, match: { prefix: '/' }, direct_response: answer(500, reason) }] };
}
