// Policies that target what a request passes: class, gateway, listener, route, rule or backend (GEP-713).
import type { BoundPolicy } from '../../routing/bound.ts';
import type { Frontend, Rule } from '../../routing/model.ts';
import type { ObjectRef } from '../../routing/origin.ts';
import type { Tables } from '../../pipeline/tables.ts';
import { routeOf } from './candidates.ts';
import type { ExplainedPolicy } from './explanation.ts';
import { rows } from './places.ts';

/** From the least to the most specific level. */
export function policiesOf(tables: Tables, rule: Rule, frontend: Frontend): readonly ExplainedPolicy[] {
  const found: ExplainedPolicy[] = [];
  for (const policy of rows(tables.policies)) {
    for (const target of policy.targets) {
      const level = levelOf(tables, target, { rule, frontend });
      if (level === undefined) continue;
      found.push({
        policy: policy.ref,
        level,
        target: target.ref,
        ...(target.sectionName === undefined ? {} : { sectionName: target.sectionName }),
        override: policy.override,
        default: policy.default,
        applied: false,
        origin: target.origin,
      });
    }
  }
  return found.toSorted((a, b) => levels.indexOf(a.level) - levels.indexOf(b.level));
}

const levels: readonly ExplainedPolicy['level'][] = ['class', 'gateway', 'listener', 'route', 'rule', 'backend'];

function levelOf(
  tables: Tables,
  { ref, sectionName }: BoundPolicy['targets'][number],
  { rule, frontend }: { readonly rule: Rule; readonly frontend: Frontend },
): ExplainedPolicy['level'] | undefined {
  const gateway = tables.gateways.get(frontend.gateway);
  if (ref.kind === 'GatewayClass') return ref.name === gateway?.className ? 'class' : undefined;
  if (gateway !== undefined && (isSame(ref, gateway.ref) || isSame(ref, gateway.written))) {
    if (sectionName === undefined) return 'gateway';
    return sectionName === frontend.listener ? 'listener' : undefined;
  }
  if (isSame(ref, routeOf(tables, rule.key)) || isSame(ref, rule.origin.object)) {
    if (sectionName === undefined) return 'route';
    return sectionName === rule.name ? 'rule' : undefined;
  }
  return backendsOf(tables, rule).some((backend) => isSame(ref, backend)) ? 'backend' : undefined;
}

function backendsOf(tables: Tables, { action }: Rule): readonly ObjectRef[] {
  if (action.kind !== 'forward') return [];
  return action.backends.flatMap(({ target }) => {
    const backend = target.kind === 'cluster' ? tables.clusters.get(target.cluster)?.backend : undefined;
    return backend === undefined ? [] : [{ group: '', ...backend }];
  });
}

function isSame(a: ObjectRef, b: ObjectRef): boolean {
  return a.group === b.group && a.kind === b.kind && a.namespace === b.namespace && a.name === b.name;
}
