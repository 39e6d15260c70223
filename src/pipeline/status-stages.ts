// The status of every object that has one.
import { Derived } from '../incremental/derived.ts';
import { Prefixed } from '../incremental/prefixed.ts';
import type { Table } from '../incremental/table.ts';
import type { BoundClass, BoundGateway, BoundRoute } from '../routing/bound.ts';
import { classStatus } from '../status/class-status.ts';
import { gatewayStatus } from '../status/gateway-status.ts';
import type { ObjectStatus } from '../status/object-status.ts';
import { routeStatus } from '../status/route-status.ts';
import type { Add, Facts } from './stage-list.ts';

interface Inputs {
  readonly classes: Table<BoundClass>;
  readonly gateways: Table<BoundGateway>;
  readonly routes: Table<BoundRoute>;
  readonly attached: Table<readonly string[]>;
  readonly facts: Facts;
  readonly options: {
    readonly channel: 'standard' | 'experimental';
    readonly controllerName: string;
    readonly awaitEngine: boolean;
  };
}

const group = 'gateway.networking.k8s.io';

export function statusStages(inputs: Inputs, add: Add): Table<ObjectStatus> {
  const { classes, gateways, routes, attached, facts, options } = inputs;
  const classStatuses = new Derived('class statuses', classes, (bound) => classStatus(bound, options.channel));
  const gatewayStatuses = new Derived('gateway statuses', gateways, (bound: BoundGateway, read) =>
    gatewayStatus(bound, {
      attached: (frontend) => read(attached, frontend)?.length ?? 0,
      placement: (bind) => read(facts.placements, bind),
      report: (bind) => read(facts.reports, bind),
      awaitEngine: options.awaitEngine,
    }),
  );
  const routeStatuses = new Derived('route statuses', routes, (bound) => routeStatus(bound, options.controllerName));
  return add(
    new Prefixed('statuses', {
      // The class is cluster-scoped: its refKey has an empty namespace.
      [`${group}/GatewayClass//`]: add(classStatuses),
      [`${group}/Gateway/`]: add(gatewayStatuses),
      // Keys of routes begin with their kind.
      [`${group}/`]: add(routeStatuses),
    }),
  );
}
