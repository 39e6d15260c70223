// The status of every object that has one.
import { Derived } from '../incremental/derived.ts';
import { Prefixed } from '../incremental/prefixed.ts';
import type { Read, Table } from '../incremental/table.ts';
import type { BoundClass, BoundGateway, BoundListenerSet, BoundRoute } from '../routing/bound.ts';
import type { Engines } from '../routing/parameters.ts';
import { classStatus } from '../status/class-status.ts';
import { gatewayStatus } from '../status/gateway-status.ts';
import { ingressStatus } from '../status/ingress-status.ts';
import type { ListenerFacts } from '../status/listener-status.ts';
import { listenerSetStatus } from '../status/listener-set-status.ts';
import type { ObjectStatus } from '../status/object-status.ts';
import type { PolicyFacts } from '../status/policy-status.ts';
import { policyStatus } from '../status/policy-status.ts';
import { routeStatus } from '../status/route-status.ts';
import type { ServedIngress } from '../upgrade/ingress/stages.ts';
import type { Add, Facts } from './stage-list.ts';

interface Inputs {
  readonly ingresses: Table<ServedIngress>;
  readonly classes: Table<BoundClass>;
  readonly gateways: Table<BoundGateway>;
  readonly listenerSets: Table<BoundListenerSet>;
  readonly routes: Table<BoundRoute>;
  readonly attached: Table<readonly string[]>;
  /** Of every kind that has ancestors, by group/kind/. */
  readonly policies: Readonly<Record<string, Table<PolicyFacts>>>;
  readonly facts: Facts;
  readonly options: {
    readonly channel: 'standard' | 'experimental';
    readonly engine: 'embedded' | 'envoy';
    readonly engines?: Engines | undefined;
    readonly controllerName: string;
    readonly awaitEngine: boolean;
  };
}

const group = 'gateway.networking.k8s.io';

export function statusStages(inputs: Inputs, add: Add): Table<ObjectStatus> {
  const { classes, gateways, listenerSets, routes, attached, facts, options } = inputs;
  const classStatuses = new Derived('class statuses', classes, (bound, read) =>
    classStatus(bound, options, {
      kinds: read(facts.servedKinds, 'all'),
      forbidden: read(facts.forbiddenKinds, 'all'),
    }),
  );
  const listenerFacts = (read: Read): ListenerFacts => ({
    attached: (frontend) => read(attached, frontend)?.length ?? 0,
    report: (bind) => read(facts.reports, bind),
    awaitEngine: options.awaitEngine,
  });
  const gatewayStatuses = new Derived('gateway statuses', gateways, (bound: BoundGateway, read) =>
    gatewayStatus(bound, {
      ...listenerFacts(read),
      placement: (bind) => read(facts.placements, bind),
      exposure: read(facts.exposures, bound.key),
      routability: options.channel === 'experimental',
    }),
  );
  const setStatuses = new Derived('ListenerSet statuses', listenerSets, (bound, read) =>
    listenerSetStatus(bound, listenerFacts(read)),
  );
  const routeStatuses = new Derived('route statuses', routes, (bound) => routeStatus(bound, options.controllerName));
  const policyStatuses = Object.fromEntries(
    Object.entries(inputs.policies).map(([prefix, table]) => [
      prefix,
      add(new Derived(`statuses of ${prefix}`, table, (policy) => policyStatus(policy, options.controllerName))),
    ]),
  );
  const classRows = add(classStatuses);
  const gatewayRows = add(gatewayStatuses);
  const ingressStatuses = add(
    new Derived('Ingress statuses', inputs.ingresses, ({ ref, gateway }, read) =>
      ingressStatus(ref, read(gatewayRows, gateway)),
    ),
  );
  return add(
    new Prefixed('statuses', {
      // The class is cluster-scoped: its refKey has an empty namespace.
      [`${group}/GatewayClass//`]: classRows,
      [`${group}/Gateway/`]: gatewayRows,
      [`${group}/ListenerSet/`]: add(setStatuses),
      ...policyStatuses,
      'networking.k8s.io/Ingress/': ingressStatuses,
      // Keys of routes begin with their kind.
      [`${group}/`]: add(routeStatuses),
    }),
  );
}
