// Which ports of which gateways something may be meant for: by the gateway that is named, by the port of the URL, as
// declared or as it is really served, by scheme and by host.
import type { BoundGateway, BoundListener } from '../../routing/bound.ts';
import { HostTable } from '../../routing/match/frontends.ts';
import { coversHost } from '../../routing/match/hostnames.ts';
import type { Bind, Frontend, Placement } from '../../routing/model.ts';
import { refKey, type ObjectRef } from '../../routing/origin.ts';
import type { Problem } from '../../routing/problem.ts';
import type { Table } from '../../incremental/table.ts';
import type { Tables } from '../../pipeline/tables.ts';
import { listenersOf } from '../listeners.ts';
import type { ExplainedBind, ListenerVerdict, Unattached, Unreachable } from './explanation.ts';

export interface Place {
  readonly gateway: BoundGateway;
  readonly bind: Bind;
  readonly placement?: Placement;
  /** Listeners that are served. */
  readonly frontends: HostTable<Frontend>;
}

export interface Wanted {
  readonly transport: Bind['transport'];
  readonly security: Bind['security'];
  readonly port: number;
  /** False: the port is the one that the scheme has when the URL names none. */
  readonly isGiven: boolean;
  /** That the listeners are told apart by. */
  readonly host: string;
}

/** @param named `[namespace/]name` of a gateway */
export function placesFor(tables: Tables, wanted: Wanted, named?: string): readonly Place[] | Unreachable {
  const { transport, security, port, isGiven, host } = wanted;
  const gateways = [...rows(tables.gateways)].filter(
    ({ ref, written }) => isNamed(named, ref) || isNamed(named, written),
  );
  const all = gateways.flatMap((gateway) =>
    [...rows(tables.binds)]
      .filter((bind) => bind.gateway === gateway.key)
      .map((bind) => placeOf(tables, gateway, bind)),
  );
  const places = all.filter(({ bind }) => bind.transport === transport);
  const onPort = places.filter(({ bind, placement }) => bind.port === port || placement?.port === port);
  const secured = onPort.filter(({ bind }) => bind.security === security);
  const ported = secured.length > 0 ? secured : onPort;
  // A URL without a port that no gateway listens on: any port of the scheme will do.
  const meant = ported.length > 0 || isGiven ? ported : places.filter(({ bind }) => bind.security === security);
  if (meant.length === 0) return unreachable(tables, gateways, all, { named, port });
  const covering = meant.filter(({ frontends }) => frontends.lookUp(host) !== undefined);
  return covering.length > 0 ? covering : meant;
}

export function describeBind({ bind, placement }: Place): ExplainedBind {
  const { key, port, transport, security, proxyProtocol } = bind;
  return {
    key,
    port,
    transport,
    security,
    ...(proxyProtocol === undefined ? {} : { proxyProtocol }),
    ...(placement === undefined ? {} : { placement }),
  };
}

/** How the listeners of a place stand to a host; the one that serves it first. */
export function verdictsOf(
  { gateway, bind, frontends }: Place,
  host: string,
  served: { readonly frontend: Frontend | undefined; readonly connection: Frontend | undefined },
): readonly ListenerVerdict[] {
  return listenersOf(gateway)
    .filter(({ listener: { port, protocol, frontend } }) =>
      frontend === undefined
        ? port === bind.port && (protocol === 'UDP') === (bind.transport === 'udp')
        : frontend.bind === bind.key,
    )
    .map(({ listener, owner }): ListenerVerdict => {
      const frontend = frontends.get(listener.hostname);
      const isServed = frontend?.key === listener.key;
      return describe(listener, owner, {
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
  { key, name, hostname, protocol, frontend, problems, origin }: BoundListener,
  owner: ObjectRef,
  verdict: Pick<ListenerVerdict, 'verdict' | 'connection'>,
): ListenerVerdict {
  const { tls, filters } = frontend ?? {};
  const clients = tls?.mode === 'terminate' ? tls.clients : undefined;
  return {
    key,
    name,
    owner,
    hostname,
    protocol,
    ...verdict,
    ...(tls === undefined ? {} : { tls: tls.mode }),
    ...(clients === undefined ? {} : { clients }),
    ...(filters === undefined ? {} : { filters }),
    problems,
    origin,
  };
}

const shownUnattached = 10;

/** Routes that name the gateway, or one of its ListenerSets, and are not attached to it. */
export function unattachedTo(tables: Tables, { gateway }: Place): readonly Unattached[] {
  const names = new Set([gateway.ref, ...gateway.listenerSets.map(({ ref }) => ref)].map(refKey));
  const found: Unattached[] = [];
  for (const { written, parents, problems } of rows(tables.routes)) {
    for (const { parent, parentRef, outcome, problems: why } of parents) {
      if (outcome !== 'rejected' || !names.has(refKey(parent))) continue;
      if (found.length < shownUnattached) found.push({ route: written, parentRef, problems: [...problems, ...why] });
    }
  }
  return found;
}

function placeOf(tables: Tables, gateway: BoundGateway, bind: Bind): Place {
  const frontends = new HostTable<Frontend>();
  for (const key of bind.frontends) {
    const frontend = tables.frontends.get(key);
    if (frontend !== undefined) frontends.set(frontend.hostname, frontend);
  }
  const placement = tables.placements.get(bind.key);
  return { gateway, bind, frontends, ...(placement === undefined ? {} : { placement }) };
}

function unreachable(
  tables: Tables,
  gateways: readonly BoundGateway[],
  places: readonly Place[],
  asked: { readonly named: string | undefined; readonly port: number },
): Unreachable {
  const unserved = gateways.flatMap((gateway) =>
    listenersOf(gateway)
      .filter(({ listener: { port, frontend } }) => frontend === undefined && port === asked.port)
      .map(({ listener, owner }) => ({
        gateway: gateway.written,
        port: listener.port,
        ...describe(listener, owner, { verdict: 'not-served', connection: false }),
        problems: whyUnserved(tables, gateway, listener),
      })),
  );
  return {
    reason: gateways.length > 0 ? 'no-such-port' : asked.named === undefined ? 'no-gateway' : 'no-such-gateway',
    ports: places.map(({ gateway, bind, placement }) => ({
      gateway: gateway.written,
      port: bind.port,
      ...(placement === undefined ? {} : { placement }),
      transport: bind.transport,
      security: bind.security,
    })),
    unserved,
  };
}

/** What is wrong with the listener; else with its Gateway, or with the class of that. */
function whyUnserved({ classes }: Tables, gateway: BoundGateway, { problems }: BoundListener): readonly Problem[] {
  if (problems.length > 0) return problems;
  return [...gateway.problems, ...(classes.get(gateway.className)?.problems ?? [])];
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
