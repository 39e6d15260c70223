// Everything that becomes a current object on the way in: networking.x-k8s.io/v1alpha1, v1alpha2, Ingress. The pipeline
// merges these tables with those of the objects that were written in a current version.
import type { Gateway, GatewayClass, GRPCRoute, HTTPRoute, ReferenceGrant } from '../api/generated/types.ts';
import type { Channel } from '../api/kinds.ts';
import type { Sourced } from '../api/sourced.ts';
import { Merged } from '../incremental/merged.ts';
import type { Stage, Table } from '../incremental/table.ts';
import { ingressStages } from './ingress/stages.ts';
import type { ServedIngress } from './ingress/stages.ts';
import type { ProblemsOf, RawTables } from './tables.ts';
import { v1alpha1Stages } from './v1alpha1/stages.ts';
import { v1alpha2Stages } from './v1alpha2.ts';

export interface UpgradeTables {
  /** In order. */
  readonly stages: readonly Stage[];
  /** By class name. */
  readonly classes: Table<Sourced<GatewayClass>>;
  /** By namespace/name, as references find them. */
  readonly gateways: Table<Sourced<Gateway>>;
  /** Keys begin with the kind that was written, and its vintage. */
  readonly httpRoutes: Table<Sourced<HTTPRoute>>;
  readonly grpcRoutes: Table<Sourced<GRPCRoute>>;
  readonly grants: Table<Sourced<ReferenceGrant>>;
  /** By namespace/name. */
  readonly ingresses: Table<ServedIngress>;
  readonly problems: readonly Table<ProblemsOf>[];
}

export function upgradeStages(raw: RawTables, channel: Channel): UpgradeTables {
  const classes2 = v1alpha2Stages<GatewayClass>(raw, 'GatewayClass', channel);
  const gateways2 = v1alpha2Stages<Gateway>(raw, 'Gateway', channel);
  const httpRoutes2 = v1alpha2Stages<HTTPRoute>(raw, 'HTTPRoute', channel);
  const grpcRoutes2 = v1alpha2Stages<GRPCRoute>(raw, 'GRPCRoute', channel);
  const grants2 = v1alpha2Stages<ReferenceGrant>(raw, 'ReferenceGrant', channel);
  const policies2 = v1alpha2Stages<ReferenceGrant>(raw, 'ReferenceGrant', channel, 'ReferencePolicy');
  const v1alpha1 = v1alpha1Stages(raw);
  const ingress = ingressStages(raw, channel);
  const classes = new Merged('upgraded classes', [classes2.rows, v1alpha1.classes, ingress.classes]);
  const gateways = new Merged('upgraded gateways', [gateways2.rows, v1alpha1.gateways, ingress.gateways]);
  const httpRoutes = new Merged('upgraded HTTPRoutes', [httpRoutes2.rows, v1alpha1.httpRoutes, ingress.httpRoutes]);
  const grants = new Merged('upgraded grants', [grants2.rows, policies2.rows, ingress.grants]);
  const vintages = [classes2, gateways2, httpRoutes2, grpcRoutes2, grants2, policies2];
  return {
    stages: [
      ...vintages.flatMap(({ stages }) => stages),
      ...v1alpha1.stages,
      ...ingress.stages,
      classes,
      gateways,
      httpRoutes,
      grants,
    ],
    classes,
    gateways,
    httpRoutes,
    grpcRoutes: grpcRoutes2.rows,
    grants,
    ingresses: ingress.ingresses,
    problems: [...vintages.map(({ problems }) => problems), ...v1alpha1.problems, ...ingress.problems],
  };
}
