// A BackendTLSPolicy beside others with the same targets, and beside the Services that it targets → everything that is wrong
// with it.
import type { ObjectRef } from '../../routing/origin.ts';
import type { Problem } from '../../routing/problem.ts';
import type { ServiceRow } from '../backends/services.ts';
import type { BoundTlsPolicy, TlsPolicyTarget } from './backend-tls.ts';
import { rivalOf } from './backend-tls.ts';

export interface TlsPolicySurroundings {
  /** Policies with a target in that Service, in the order of their precedence. */
  readonly rivals: (service: string) => readonly TlsPolicyTarget[];
  readonly service: (key: string) => ServiceRow | undefined;
}

export function judgeTlsPolicy(bound: BoundTlsPolicy, { rivals, service }: TlsPolicySurroundings): readonly Problem[] {
  const { key, ref, targets } = bound;
  const problems: Problem[] = [];
  const lost = targets.flatMap(({ service, sectionName, origin }) => {
    const rival = rivalOf(rivals(service), key, sectionName);
    return rival === undefined ? [] : [{ rival: refOf(rival), origin }];
  });
  for (const { rival, origin } of lost) {
    if (lost.length === targets.length) problems.push({ code: 'PolicyConflict', at: origin, other: rival });
    else {
      const message = `BackendTLSPolicy ${rival.namespace}/${rival.name} has the same target and comes first`;
      problems.push({ code: 'IgnoredField', at: origin, message });
    }
  }
  for (const { service: name, sectionName, origin } of targets) {
    const row = service(name);
    if (row?.ports.some((port) => sectionName === undefined || port.name === sectionName) === true) continue;
    const target: ObjectRef = {
      group: '',
      kind: 'Service',
      namespace: ref.namespace,
      name: name.slice(name.indexOf('/') + 1),
    };
    if (row === undefined) problems.push({ code: 'TargetNotFound', at: origin, target });
    else problems.push({ code: 'SectionNotFound', at: origin, target, sectionName: sectionName ?? '' });
  }
  return [...problems, ...bound.problems];
}

function refOf(policy: string): ObjectRef {
  const slash = policy.indexOf('/');
  return {
    group: 'gateway.networking.k8s.io',
    kind: 'BackendTLSPolicy',
    namespace: policy.slice(0, slash),
    name: policy.slice(slash + 1),
  };
}
