// ExternalAuth filters compiled for the data path: what is asked in which order, and what of the other filters a request has behind it
// when a service judges it. Asking is admission.ts.
import type { ExternalAuth, Filter } from '../../../routing/filters.ts';
import { askedPrefix } from '../../../routing/filters/external-auth.ts';
import { compileHeaderChanges, type HeaderPlan } from '../../../routing/filters/header-changes.ts';
import type { LiveCluster } from '../balance.ts';

export interface CheckPlan {
  /** Header modifiers written before it, and behind the check before it: the service sees what they did. */
  readonly before: HeaderPlan;
  /** null: unresolved; every request is refused. */
  readonly cluster: LiveCluster | null;
  readonly auth: ExternalAuth;
  /** Over HTTP: of the path that is asked for. */
  readonly prefix: string;
}

export interface Checks {
  readonly checks: readonly CheckPlan[];
  /** The filters that are left when all checks are passed, in their order. */
  readonly rest: readonly Filter[];
}

/** @returns null when nobody is asked */
export function compileChecks(filters: readonly Filter[], cluster: (key: string) => LiveCluster): Checks | null {
  const last = filters.findLastIndex(({ kind }) => kind === 'external-auth');
  if (last < 0) return null;
  const checks: CheckPlan[] = [];
  const rest: Filter[] = [];
  let before: Extract<Filter, { kind: 'request-headers' }>[] = [];
  filters.forEach((filter, index) => {
    if (filter.kind === 'external-auth') {
      checks.push({
        before: compileHeaderChanges(before),
        cluster: filter.cluster === undefined ? null : cluster(filter.cluster),
        auth: filter,
        prefix: filter.check.protocol === 'http' ? askedPrefix(filter.check.path) : '',
      });
      before = [];
    } else if (filter.kind === 'request-headers' && index < last) {
      before.push(filter);
    } else {
      rest.push(filter);
    }
  });
  return { checks, rest };
}

/** What a listener does with every request before a route is looked for. */
export interface ListenerPlan {
  readonly checks: readonly CheckPlan[];
  /** Behind the last check. */
  readonly after: HeaderPlan;
  /** It has a filter that listeners do not have: none may be skipped, so that no request passes. */
  readonly refuses: boolean;
}

export function compileListener(
  filters: readonly Filter[],
  cluster: (key: string) => LiveCluster,
): ListenerPlan | null {
  if (filters.length === 0) return null;
  const { checks, rest } = compileChecks(filters, cluster) ?? { checks: [], rest: filters };
  const after = rest.filter((filter) => filter.kind === 'request-headers');
  return { checks, after: compileHeaderChanges(after), refuses: after.length < rest.length };
}
