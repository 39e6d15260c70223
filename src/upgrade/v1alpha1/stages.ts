// networking.x-k8s.io/v1alpha1 as stages. Gateways choose their routes, so every route reads the choices of all Gateways of
// this vintage: a list that changes only when one of those Gateways does.
import type { Gateway, GatewayClass, HTTPRoute } from '../../api/generated/types.ts';
import { oldGatewayGroup } from '../../api/kinds.ts';
import type { KubeObject } from '../../api/objects.ts';
import type { Sourced } from '../../api/sourced.ts';
import { Derived } from '../../incremental/derived.ts';
import { Expanded } from '../../incremental/expanded.ts';
import { Grouped } from '../../incremental/grouped.ts';
import type { Read, Stage, Table } from '../../incremental/table.ts';
import { compareText } from '../../support/sorted.ts';
import { list, portNumber, record, texts } from '../../support/untrusted.ts';
import type { ProblemsOf, RawTables } from '../tables.ts';
import { problemsOf } from '../tables.ts';
import type { Upgraded } from '../upgraded.ts';
import { upgradeClass, upgradeGateway, type RouteBinding, type UpgradedGateway } from './gateway.ts';
import { upgradeHttpRoute, type BindingContext } from './http-route.ts';

export interface V1alpha1Tables {
  readonly stages: readonly Stage[];
  readonly classes: Table<Sourced<GatewayClass>>;
  readonly gateways: Table<Sourced<Gateway>>;
  readonly httpRoutes: Table<Sourced<HTTPRoute>>;
  readonly problems: readonly Table<ProblemsOf>[];
}

const all = 'all';

export function v1alpha1Stages(raw: RawTables): V1alpha1Tables {
  const classesOf = new Derived<KubeObject, Upgraded<GatewayClass>>(
    'v1alpha1 classes',
    raw(oldGatewayGroup, 'GatewayClass'),
    upgradeClass,
  );
  const gatewaysOf = new Derived<KubeObject, UpgradedGateway>(
    'v1alpha1 gateways',
    raw(oldGatewayGroup, 'Gateway'),
    upgradeGateway,
  );
  const bindings = new Grouped<UpgradedGateway, RouteBinding>(
    'v1alpha1 route bindings',
    [{ table: gatewaysOf, split: (upgraded) => upgraded.bindings.map((binding) => [all, binding] as const) }],
    compareBindings,
  );
  const routesOf = new Derived<KubeObject, Upgraded<HTTPRoute>>(
    'v1alpha1 routes',
    raw(oldGatewayGroup, 'HTTPRoute'),
    (object, read) => upgradeHttpRoute(object, contextOf(raw, bindings, read)),
  );
  const classes = new Expanded<Upgraded<GatewayClass>, Sourced<GatewayClass>>(
    'classes from v1alpha1',
    classesOf,
    ({ rows }) => rows,
  );
  const gateways = new Expanded<Upgraded<Gateway>, Sourced<Gateway>>(
    'gateways from v1alpha1',
    gatewaysOf,
    ({ rows }) => rows,
  );
  const httpRoutes = new Expanded<Upgraded<HTTPRoute>, Sourced<HTTPRoute>>(
    'routes from v1alpha1',
    routesOf,
    ({ rows }) => rows,
  );
  const problems = [problemsOf(classesOf), problemsOf(gatewaysOf), problemsOf(routesOf)];
  return {
    stages: [classesOf, gatewaysOf, bindings, routesOf, classes, gateways, httpRoutes, ...problems],
    classes,
    gateways,
    httpRoutes,
    problems,
  };
}

function contextOf(raw: RawTables, bindings: Table<readonly RouteBinding[]>, read: Read): BindingContext {
  return {
    bindings: read(bindings, all) ?? [],
    namespaceLabels: (namespace) => ({
      'kubernetes.io/metadata.name': namespace,
      ...texts(read(raw('', 'Namespace'), namespace)?.metadata.labels),
    }),
    onlyPort: (service) => {
      const ports = list(record(read(raw('', 'Service'), service)?.['spec'])['ports']);
      return ports.length === 1 ? portNumber(record(ports[0])['port']) : undefined;
    },
  };
}

function compareBindings(a: RouteBinding, b: RouteBinding): number {
  return (
    compareText(a.namespace, b.namespace) || compareText(a.gateway, b.gateway) || compareText(a.listener, b.listener)
  );
}
