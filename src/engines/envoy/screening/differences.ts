// What Envoy serves and does otherwise than it is asked for (docs/reference/envoy-differences.md), where that can be seen in a row: it is
// told, and becomes a part of the condition of the object.
import type { Fault } from '../../../routing/engine.ts';
import type { PathChange } from '../../../routing/filters.ts';
import type { Bind, Cluster, Frontend, Rule, Session, WeightedBackend } from '../../../routing/model.ts';
import { equal } from '../../../support/equal.ts';

const nothing: readonly Fault[] = [];

export function differencesOfRule({ action, filters }: Rule): readonly Fault[] {
  if (action.kind !== 'forward') return nothing;
  const found = sessionDifferences(action.backends);
  const own = filters.length === 0 ? undefined : pathOf(filters);
  if (own === undefined) return found;
  const lost = action.backends.some((backend) => isLost(own, pathOf(backend.filters)));
  if (!lost) return found;
  return [
    ...found,
    differs('of the path rewrites of a rule and of its backend, where one is a regular expression, the last acts'),
  ];
}

function sessionDifferences(backends: readonly WeightedBackend[]): readonly Fault[] {
  let isAny = false;
  for (let at = 0; at < backends.length; at++) isAny ||= backends[at]?.session !== undefined;
  if (!isAny) return nothing;
  const sessions = backends.flatMap(({ session }) => session ?? []);
  const [first] = sessions;
  if (first === undefined) return nothing;
  const found: Fault[] = [];
  if (first.absoluteTimeout !== undefined && !endsInTime(first)) {
    found.push(differs('a session does not end by absoluteTimeout, but when the client forgets it'));
  }
  const live = backends.filter(({ weight }) => weight > 0);
  if (live.length > 1 && first.drawn !== true) {
    found.push(differs('each request draws its backend anew, and a session stays with an endpoint only'));
  }
  if (sessions.some((session) => !equal(session, first))) {
    found.push(differs('the backends of a rule have one session, which is that of the first'));
  }
  return found;
}

/** Browsers let go of the cookie then. */
function endsInTime({ type, permanent }: Session): boolean {
  return type === 'cookie' && permanent;
}

function pathOf(filters: Rule['filters']): PathChange | undefined {
  return filters.findLast((filter) => filter.kind === 'rewrite')?.path;
}

function isLost(own: PathChange, next: PathChange | undefined): boolean {
  if (next === undefined || next.type === 'full' || own.type === 'full') return false;
  return own.type === 'regex' || next.type === 'regex';
}

export function differencesOfCluster({ protocol, proxyProtocol, retryBudget }: Cluster): readonly Fault[] {
  const found: Fault[] = [];
  if (protocol === 'udp' && proxyProtocol !== undefined) {
    found.push(differs('datagrams are sent without a PROXY header'));
  }
  if (retryBudget !== undefined) {
    const reason = 'the retry budget is a share of the requests under way, not of those of an interval';
    found.push({ ...differs(reason), field: 'retryBudget' });
  }
  return found;
}

export function differencesOfFrontend({ protocol }: Frontend, bind: Bind | undefined): readonly Fault[] {
  if (protocol !== 'UDP' || bind?.proxyProtocol !== true) return nothing;
  return [differs('PROXY headers of datagrams are not read: datagrams pass as they are')];
}

function differs(reason: string): Fault {
  return { effect: 'differs', reason };
}
