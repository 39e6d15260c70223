// Routes of every kind, bound to what Gateways offer; and which of them are attached to each listener.
import { Derived } from '../incremental/derived.ts';
import { Grouped } from '../incremental/grouped.ts';
import { Prefixed } from '../incremental/prefixed.ts';
import type { Table } from '../incremental/table.ts';
import type { BoundRoute } from '../routing/bound.ts';
import { compareText } from '../support/sorted.ts';
import type { Offer } from '../translate/gateways/offers.ts';
import { grpcDialect, httpDialect, tcpDialect, tlsDialect, udpDialect } from '../translate/routes/dialects.ts';
import { bindRoute } from '../translate/routes/route.ts';
import type { Current } from './current.ts';
import type { References } from './reference-stages.ts';
import type { Add, Facts } from './stage-list.ts';

interface Inputs {
  readonly current: Current;
  readonly references: References;
  readonly offers: Table<Offer>;
  readonly facts: Facts;
  readonly options: { readonly presume: boolean };
}

export interface Routes {
  readonly routes: Table<BoundRoute>;
  readonly attached: Table<readonly string[]>;
}

export function routeStages({ current, references, offers, facts, options }: Inputs, add: Add): Routes {
  const reads = {
    ...references,
    offers,
    listenerSets: current.listenerSets,
    leftOut: facts.leftOut,
    presume: options.presume,
  };
  const httpRoutes = add(new Derived('HTTPRoutes', current.httpRoutes, bindRoute(httpDialect, reads)));
  const grpcRoutes = add(new Derived('GRPCRoutes', current.grpcRoutes, bindRoute(grpcDialect, reads)));
  const tlsRoutes = add(new Derived('TLSRoutes', current.tlsRoutes, bindRoute(tlsDialect, reads)));
  const tcpRoutes = add(new Derived('TCPRoutes', current.tcpRoutes, bindRoute(tcpDialect, reads)));
  const udpRoutes = add(new Derived('UDPRoutes', current.udpRoutes, bindRoute(udpDialect, reads)));
  const routes = add(
    new Prefixed('routes', {
      'HTTPRoute/': httpRoutes,
      'GRPCRoute/': grpcRoutes,
      'TLSRoute/': tlsRoutes,
      'TCPRoute/': tcpRoutes,
      'UDPRoute/': udpRoutes,
    }),
  );
  const attached = add(new Grouped('attached', [{ table: routes, split: byListener }], compareText));
  return { routes, attached };
}

/** A route counts once on a listener, however many of its parentRefs lead there. */
function byListener({ key, parents }: BoundRoute): Iterable<readonly [string, string]> {
  const [only, second] = parents;
  // Nearly every route has one parent, whose listeners are different.
  if (only !== undefined && second === undefined)
    return only.attachments.map(({ frontend }) => [frontend, key] as const);
  const listeners = new Set<string>();
  for (const { attachments } of parents) for (const { frontend } of attachments) listeners.add(frontend);
  return Array.from(listeners, (listener) => [listener, key] as const);
}
