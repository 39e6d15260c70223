// Which ports of which gateways a request may be meant for: by the gateway that is named, by the port of the URL, as
// declared or as it is really served, by scheme and by host.
import type { BoundGateway, BoundListener } from '../../routing/bound.ts';
import { HostTable } from '../../routing/match/frontends.ts';
import { coversHost } from '../../routing/match/hostnames.ts';
import type { Bind, Frontend, Placement } from '../../routing/model.ts';
import type { Table } from '../../incremental/table.ts';
import type { Tables } from '../../pipeline/tables.ts';
import type { ExplainedRequest, ListenerVerdict, Unreachable } from './explanation.ts';

export interface Place {
  readonly gateway: BoundGateway;
  readonly bind: Bind;
  readonly placement?: Placement;
  /** HTTP and HTTPS listeners that are served. */
  readonly frontends: HostTable<Frontend>;
}

/** @param named `[namespace/]name` of a gateway */
export function placesFor(tables: Tables, request: ExplainedRequest, named?: string): readonly Place[] | Unreachable {
  const gateways = [...rows(tables.gateways)].filter(
    ({ ref, written }) => isNamed(named, ref) || isNamed(named, written),
  );
  const places = gateways.flatMap((gateway) =>
    [...rows(tables.binds)]
      .filter((bind) => bind.gateway === gateway.key && bind.transport === 'tcp')
      .map((bind) => placeOf(tables, gateway, bind)),
  );
  const security = request.scheme === 'https' ? 'tls' : 'none';
  const port = request.port ?? (request.scheme === 'https' ? 443 : 80);
  const onPort = places.filter(({ bind, placement }) => bind.port === port || placement?.port === port);
  const secured = onPort.filter(({ bind }) => bind.security === security);
  const ported = secured.length > 0 ? secured : onPort;
  // A URL without a port that no gateway listens on: any port of the scheme will do.
  const meant =
    ported.length > 0 || request.port !== undefined ? ported : places.filter(({ bind }) => bind.security === security);
  if (meant.length === 0) return unreachable(gateways, places, { named, port });
  const covering = meant.filter(({ frontends }) => frontends.lookUp(request.host) !== undefined);
  return covering.length > 0 ? covering : meant;
}

/** How the listeners of a place stand to a host; the one that serves it first. */
export function verdictsOf(
  { gateway, bind, frontends }: Place,
  host: string,
  served: { readonly frontend: Frontend | undefined; readonly connection: Frontend | undefined },
): readonly ListenerVerdict[] {
  return gateway.listeners
    .filter(({ port, frontend }) => (frontend === undefined ? port === bind.port : frontend.bind === bind.key))
    .map((listener): ListenerVerdict => {
      const frontend = frontends.get(listener.hostname);
      const isServed = frontend?.key === listener.key;
      return describe(listener, {
        connection: served.connection?.key === listener.key,
        verdict: !isServed
          ? 'not-served'
          : served.frontend?.key === listener.key
            ? 'serves'
            : coversHost(listener.hostname, host)
              ? 'less-specific'
              : 'other-host',
      });
    })
    .toSorted((a, b) => verdictOrder.indexOf(a.verdict) - verdictOrder.indexOf(b.verdict));
}

const verdictOrder: readonly ListenerVerdict['verdict'][] = ['serves', 'less-specific', 'other-host', 'not-served'];

function describe(
  { key, name, hostname, protocol, problems, origin }: BoundListener,
  verdict: Pick<ListenerVerdict, 'verdict' | 'connection'>,
): ListenerVerdict {
  return { key, name, hostname, protocol, ...verdict, problems, origin };
}

function placeOf(tables: Tables, gateway: BoundGateway, bind: Bind): Place {
  const frontends = new HostTable<Frontend>();
  for (const key of bind.frontends) {
    const frontend = tables.frontends.get(key);
    if (frontend?.protocol === 'HTTP' || frontend?.protocol === 'HTTPS') frontends.set(frontend.hostname, frontend);
  }
  const placement = tables.placements.get(bind.key);
  return { gateway, bind, frontends, ...(placement === undefined ? {} : { placement }) };
}

function unreachable(
  gateways: readonly BoundGateway[],
  places: readonly Place[],
  asked: { readonly named: string | undefined; readonly port: number },
): Unreachable {
  const unserved = gateways.flatMap((gateway) =>
    gateway.listeners
      .filter(({ port, frontend }) => frontend === undefined && port === asked.port)
      .map((listener) => ({
        gateway: gateway.written,
        port: listener.port,
        ...describe(listener, { verdict: 'not-served', connection: false }),
      })),
  );
  return {
    reason: gateways.length > 0 ? 'no-such-port' : asked.named === undefined ? 'no-gateway' : 'no-such-gateway',
    ports: places.map(({ gateway, bind, placement }) => ({
      gateway: gateway.written,
      port: bind.port,
      ...(placement === undefined ? {} : { placement }),
      security: bind.security,
    })),
    unserved,
  };
}

function isNamed(named: string | undefined, ref: { readonly namespace: string; readonly name: string }): boolean {
  return named === undefined || named === ref.name || named === `${ref.namespace}/${ref.name}`;
}

export function* rows<T>(table: Table<T>): Iterable<T> {
  for (const key of table.keys()) {
    const row = table.get(key);
    if (row !== undefined) yield row;
  }
}
