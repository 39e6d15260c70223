// A policy and the Gateways that it has an effect through → its status, with an entry for each of them (GEP-713).
import type { ObjectRef } from '../routing/origin.ts';
import type { Problem } from '../routing/problem.ts';
import { conditionOf, firstGeneration, holds } from './conditions.ts';
import type { ObjectStatus } from './object-status.ts';

/** As many as the CRDs take. */
const ANCESTORS = 16;

export interface PolicyFacts {
  readonly ref: ObjectRef;
  readonly generation?: number;
  readonly problems: readonly Problem[];
  /** namespace/name, sorted. */
  readonly gateways: readonly string[];
}

/** Undefined when no Gateway has to do with it: then nobody is to write into it. */
export function policyStatus(
  { ref, generation = firstGeneration, problems, gateways }: PolicyFacts,
  controllerName: string,
): ObjectStatus | undefined {
  if (gateways.length === 0) return undefined;
  const subject = { ref, generation };
  const conditions = [
    conditionOf('Accepted', problems, subject) ?? holds('Accepted', 'Accepted', 'The policy is accepted', subject),
    conditionOf('ResolvedRefs', problems, subject) ??
      holds('ResolvedRefs', 'ResolvedRefs', 'All references are resolved', subject),
  ];
  return {
    ref,
    status: {
      ancestors: gateways.slice(0, ANCESTORS).map((gateway) => {
        const slash = gateway.indexOf('/');
        return {
          ancestorRef: {
            group: 'gateway.networking.k8s.io',
            kind: 'Gateway',
            namespace: gateway.slice(0, slash),
            name: gateway.slice(slash + 1),
          },
          controllerName,
          conditions,
        };
      }),
    },
  };
}
