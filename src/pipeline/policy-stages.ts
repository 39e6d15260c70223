// Policies and XBackends beside each other and beside what they target, and the Gateways through which they have an effect.
import { Derived } from '../incremental/derived.ts';
import { Grouped } from '../incremental/grouped.ts';
import type { Read, Table } from '../incremental/table.ts';
import type { Cluster } from '../routing/model.ts';
import type { ObjectRef } from '../routing/origin.ts';
import { refKey } from '../routing/origin.ts';
import type { Problem } from '../routing/problem.ts';
import type { PolicyFacts } from '../status/policy-status.ts';
import { compareText } from '../support/sorted.ts';
import { policyProblems } from '../translate/left-out.ts';
import { judgeTlsPolicy } from '../translate/policies/backend-tls-targets.ts';
import { experimentalGroup } from '../translate/policies/traffic.ts';
import { judgeTrafficPolicy } from '../translate/policies/traffic-targets.ts';
import type { ObjectProblems } from './current.ts';
import type { References } from './reference-stages.ts';
import type { Add, Facts } from './stage-list.ts';

export interface Policies {
  /** By group/kind/, with rows by namespace/name. */
  readonly judged: Readonly<Record<string, Table<PolicyFacts>>>;
  readonly problems: Table<ObjectProblems>;
}

interface Inputs {
  readonly clusters: Table<Cluster>;
  readonly references: References;
  readonly facts: Facts;
}

export function policyStages({ clusters, references, facts }: Inputs, add: Add): Policies {
  const gateways = add(new Grouped('Gateways by backend', [{ table: clusters, split: gatewayOf }], compareText));
  const { services, xbackends, tlsPolicies, tlsPolicyTargets, boundTrafficPolicies, trafficPolicies } = references;
  const through = (backends: readonly string[], read: Read): readonly string[] =>
    [...new Set(backends.flatMap((backend) => read(gateways, backend) ?? []))].toSorted(compareText);
  const judged = {
    'gateway.networking.k8s.io/BackendTLSPolicy/': add(
      new Derived('judged BackendTLSPolicies', tlsPolicies, (bound, read) => {
        const problems = judgeTlsPolicy(bound, {
          rivals: (service) => read(tlsPolicyTargets, service) ?? [],
          service: (service) => read(services, service),
        });
        const backends = bound.targets.map(({ service }) => `Service/${service}`);
        const said = policyProblems({ backends, field: 'tls' }, { object: bound.ref, path: '' }, facts, read);
        return factsOf(bound, [...problems, ...said], through(backends, read));
      }),
    ),
    [`${experimentalGroup}/XBackendTrafficPolicy/`]: add(
      new Derived('judged XBackendTrafficPolicies', boundTrafficPolicies, (bound, read) => {
        const problems = judgeTrafficPolicy(bound, {
          rivals: (backend) => read(trafficPolicies, backend) ?? [],
          exists: ({ kind, namespace, name }) => {
            const key = `${namespace}/${name}`;
            return (kind === 'Service' ? read(services, key) : read(xbackends, key)) !== undefined;
          },
        });
        const backends = bound.targets.map(({ backend }) => backend);
        const said = policyProblems({ backends, field: 'retryBudget' }, { object: bound.ref, path: '' }, facts, read);
        return factsOf(bound, [...problems, ...said], through(backends, read));
      }),
    ),
    [`${experimentalGroup}/XBackend/`]: add(
      new Derived('judged XBackends', xbackends, (bound, read) => {
        const backends = [`XBackend/${bound.key}`];
        const said = policyProblems({ backends }, { object: bound.ref, path: '' }, facts, read);
        return factsOf(bound, [...bound.problems, ...said], through(backends, read));
      }),
    ),
  };
  const tables = Object.values(judged).map((table) => ({ table, split: problemsOf }));
  const problems = add(
    new Derived(
      'problems of judged policies',
      add(new Grouped('judged policies', tables, (a, b) => compareText(a.key, b.key))),
      ([problems]) => problems,
    ),
  );
  return { judged, problems };
}

interface Bound {
  readonly ref: ObjectRef;
  readonly generation?: number;
}

function factsOf({ ref, generation }: Bound, problems: readonly Problem[], gateways: readonly string[]): PolicyFacts {
  return { ref, ...(generation === undefined ? {} : { generation }), problems, gateways };
}

function problemsOf({ ref, problems }: PolicyFacts): Iterable<readonly [string, ObjectProblems]> {
  const key = refKey(ref);
  return problems.length === 0 ? [] : [[key, { key, problems }]];
}

/** By kind/namespace/name of the backend. */
function gatewayOf({ key, backend }: Cluster): Iterable<readonly [string, string]> {
  return [[`${backend.kind}/${backend.namespace}/${backend.name}`, key.slice(0, key.indexOf('|'))]];
}
