// XBackendTrafficPolicy → what it sets for the backends that it targets: retry budgets (GEP-3388) and sessions (GEP-1619). Of
// several with one target the oldest counts, then the first by namespace and name.
import type { XBackendTrafficPolicy } from '../../api/generated/types.ts';
import type { Sourced } from '../../api/sourced.ts';
import { originOf } from '../../api/sourced.ts';
import type { RetryBudget, Session } from '../../routing/model.ts';
import type { ObjectRef, Origin } from '../../routing/origin.ts';
import type { Problem } from '../../routing/problem.ts';
import { compareText } from '../../support/sorted.ts';
import { durationOf } from '../routes/durations.ts';
import { sessionOf } from './sessions.ts';

export interface BoundTrafficPolicy {
  /** namespace/name. */
  readonly key: string;
  readonly ref: ObjectRef;
  readonly generation?: number;
  /** RFC 3339 or ''. */
  readonly created: string;
  /** Each with the key of the backend: kind/namespace/name. */
  readonly targets: readonly { readonly backend: string; readonly ref: ObjectRef; readonly origin: Origin }[];
  readonly retryBudget?: RetryBudget;
  readonly session?: Session;
  readonly problems: readonly Problem[];
}

export const experimentalGroup = 'gateway.networking.x-k8s.io';

export function bindTrafficPolicy(
  sourced: Sourced<XBackendTrafficPolicy>,
  _: unknown,
  key: string,
): BoundTrafficPolicy {
  const { metadata, spec } = sourced.object;
  const { namespace = '', name, generation, creationTimestamp = '' } = metadata;
  const problems: Problem[] = [];
  const targets = spec.targetRefs.flatMap(({ group, kind, name: target }, index) => {
    const origin = originOf(sourced, `spec.targetRefs[${index}]`);
    const ref: ObjectRef = { group, kind, namespace, name: target };
    if (!(group === '' && kind === 'Service') && !(group === experimentalGroup && kind === 'XBackend')) {
      problems.push({
        code: 'InvalidPolicy',
        at: origin,
        message: `${kind} cannot be targeted; Service and XBackend can`,
      });
      return [];
    }
    return [{ backend: `${kind}/${namespace}/${target}`, ref, origin }];
  });
  return {
    key,
    ref: { group: experimentalGroup, kind: 'XBackendTrafficPolicy', namespace, name },
    ...(generation === undefined ? {} : { generation }),
    created: creationTimestamp,
    targets,
    ...(spec.retryConstraint === undefined ? {} : { retryBudget: budgetOf(spec.retryConstraint) }),
    ...(spec.sessionPersistence === undefined
      ? {}
      : { session: sessionOf(spec.sessionPersistence, `XBackendTrafficPolicy/${key}`) }),
    problems,
  };
}

function budgetOf({
  budget,
  minRetryRate,
}: NonNullable<XBackendTrafficPolicy['spec']['retryConstraint']>): RetryBudget {
  return {
    percent: budget.percent,
    interval: durationOf(budget.interval) ?? 10_000,
    minimum: { count: minRetryRate.count ?? 10, interval: durationOf(minRetryRate.interval ?? '') ?? 1000 },
  };
}

export function compareTrafficPolicies(a: BoundTrafficPolicy, b: BoundTrafficPolicy): number {
  return compareText(a.created, b.created) || compareText(a.key, b.key);
}
