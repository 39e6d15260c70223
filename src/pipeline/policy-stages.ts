// BackendTLSPolicies beside each other and beside what they target, and the Gateways through which they have an effect.
import { Derived } from '../incremental/derived.ts';
import { Grouped } from '../incremental/grouped.ts';
import type { Table } from '../incremental/table.ts';
import type { Cluster } from '../routing/model.ts';
import { refKey } from '../routing/origin.ts';
import { compareText } from '../support/sorted.ts';
import type { PolicyFacts } from '../status/policy-status.ts';
import { judgeTlsPolicy } from '../translate/policies/backend-tls-targets.ts';
import type { ObjectProblems } from './current.ts';
import type { References } from './reference-stages.ts';
import type { Add } from './stage-list.ts';

export interface Policies {
  readonly tlsPolicies: Table<PolicyFacts>;
  readonly problems: Table<ObjectProblems>;
}

export function policyStages(clusters: Table<Cluster>, references: References, add: Add): Policies {
  const gateways = add(new Grouped('Gateways by Service', [{ table: clusters, split: gatewayOf }], compareText));
  const { services, tlsPolicies, tlsPolicyTargets } = references;
  const judged = add(
    new Derived('judged BackendTLSPolicies', tlsPolicies, (bound, read): PolicyFacts => {
      const problems = judgeTlsPolicy(bound, {
        rivals: (service) => read(tlsPolicyTargets, service) ?? [],
        service: (service) => read(services, service),
      });
      const through = new Set(bound.targets.flatMap(({ service }) => read(gateways, service) ?? []));
      const { ref, generation } = bound;
      return {
        ref,
        ...(generation === undefined ? {} : { generation }),
        problems,
        gateways: [...through].toSorted(compareText),
      };
    }),
  );
  const problems = add(
    new Derived('problems of judged policies', judged, ({ ref, problems }): ObjectProblems | undefined =>
      problems.length === 0 ? undefined : { key: refKey(ref), problems },
    ),
  );
  return { tlsPolicies: judged, problems };
}

function gatewayOf({ key, backend }: Cluster): Iterable<readonly [string, string]> {
  if (backend.kind !== 'Service') return [];
  return [[`${backend.namespace}/${backend.name}`, key.slice(0, key.indexOf('|'))]];
}
