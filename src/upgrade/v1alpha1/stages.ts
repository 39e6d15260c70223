// networking.x-k8s.io/v1alpha1 as stages. Gateways choose their routes, so every route reads the choices of all Gateways of
// this vintage: a list that changes only when one of those Gateways does.
import type { Gateway, GatewayClass, HTTPRoute, TCPRoute, TLSRoute, UDPRoute } from '../../api/generated/types.ts';
import { oldGatewayGroup } from '../../api/kinds.ts';
import type { KubeObject } from '../../api/objects.ts';
import type { Sourced } from '../../api/sourced.ts';
import { Derived } from '../../incremental/derived.ts';
import { Expanded } from '../../incremental/expanded.ts';
import { Grouped } from '../../incremental/grouped.ts';
import { Merged } from '../../incremental/merged.ts';
import type { Read, Stage, Table } from '../../incremental/table.ts';
import { compareText } from '../../support/sorted.ts';
import { list, portNumber, record, texts } from '../../support/untrusted.ts';
import type { ProblemsOf, RawTables } from '../tables.ts';
import { problemsOf } from '../tables.ts';
import type { Upgraded } from '../upgraded.ts';
import { upgradeClass, upgradeGateway, type RouteBinding, type UpgradedGateway } from './gateway.ts';
import { upgradeHttpRoute } from './http-route.ts';
import type { BindingContext } from './parents.ts';
import { upgradeStreamRoute, type StreamKind, type StreamRoute } from './stream-routes.ts';

export interface V1alpha1Tables {
  readonly stages: readonly Stage[];
  readonly classes: Table<Sourced<GatewayClass>>;
  readonly gateways: Table<Sourced<Gateway>>;
  readonly httpRoutes: Table<Sourced<HTTPRoute>>;
  readonly tlsRoutes: Table<Sourced<TLSRoute>>;
  readonly tcpRoutes: Table<Sourced<TCPRoute>>;
  readonly udpRoutes: Table<Sourced<UDPRoute>>;
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
  const streams = streamStages(raw, bindings);
  const problems = [problemsOf(classesOf), problemsOf(gatewaysOf), problemsOf(routesOf), ...streams.problems];
  return {
    stages: [classesOf, gatewaysOf, bindings, routesOf, classes, gateways, httpRoutes, ...streams.stages, ...problems],
    classes,
    gateways,
    httpRoutes,
    tlsRoutes: streams.tlsRoutes,
    tcpRoutes: streams.tcpRoutes,
    udpRoutes: streams.udpRoutes,
    problems,
  };
}

function streamStages(
  raw: RawTables,
  bindings: Table<readonly RouteBinding[]>,
): Pick<V1alpha1Tables, 'tlsRoutes' | 'tcpRoutes' | 'udpRoutes'> & {
  readonly stages: readonly Stage[];
  readonly problems: readonly (Stage & Table<ProblemsOf>)[];
} {
  const upgraded = (kind: StreamKind): Derived<KubeObject, Upgraded<StreamRoute>> => {
    const upgrade = upgradeStreamRoute(kind);
    return new Derived(`v1alpha1 ${kind}`, raw(oldGatewayGroup, kind), (object, read) =>
      upgrade(object, contextOf(raw, bindings, read)),
    );
  };
  const [tls, tcp, udp] = [upgraded('TLSRoute'), upgraded('TCPRoute'), upgraded('UDPRoute')];
  const ofTls = routesFrom<TLSRoute>('TLSRoute', tls);
  const ofTcp = routesFrom<TLSRoute>('TLSRoute', tcp);
  const tlsRoutes = new Merged('TLSRoutes from v1alpha1', [ofTls, ofTcp]);
  const tcpRoutes = routesFrom<TCPRoute>('TCPRoute', tcp);
  const udpRoutes = routesFrom<UDPRoute>('UDPRoute', udp);
  return {
    stages: [tls, tcp, udp, ofTls, ofTcp, tlsRoutes, tcpRoutes, udpRoutes],
    problems: [problemsOf(tls), problemsOf(tcp), problemsOf(udp)],
    tlsRoutes,
    tcpRoutes,
    udpRoutes,
  };
}

function routesFrom<Route extends StreamRoute>(
  kind: Route['kind'],
  upgraded: Derived<KubeObject, Upgraded<StreamRoute>>,
): Expanded<Upgraded<StreamRoute>, Sourced<Route>> {
  return new Expanded(`${kind} from ${upgraded.name}`, upgraded, ({ rows }) =>
    rows.flatMap(([key, row]) => (row.object.kind === kind ? [[key, row as Sourced<Route>] as const] : [])),
  );
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
