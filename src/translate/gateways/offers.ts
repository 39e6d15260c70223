// What a Gateway and its ListenerSets offer to routes, and nothing else: a certificate that rotates, a port that is placed elsewhere or an
// engine's report changes a Gateway but not its offer, and so wakes none of its routes.
import type { BoundGateway, BoundListener, NamespaceRule, RouteKind } from '../../routing/bound.ts';
import type { ObjectRef } from '../../routing/origin.ts';

export interface ListenerOffer {
  readonly key: string;
  readonly name: string;
  readonly port: number;
  readonly hostname: string;
  readonly namespaces: NamespaceRule;
  readonly supportedKinds: readonly RouteKind[];
  /** Routes attach to a listener that is not served as well, and are counted there; they give it no entries. */
  readonly served: boolean;
}

/** What one object offers that routes may name as their parent: a Gateway, or a ListenerSet of one. */
export interface Offer {
  /** Of the Gateway. */
  readonly key: string;
  /** The parent. */
  readonly ref: ObjectRef;
  readonly managed: boolean;
  /** Shown to backends. */
  readonly clientCertificate?: string;
  readonly listeners: readonly ListenerOffer[];
}

/** Each with the key that parentRefs find it by: kind/namespace/name. */
export function* offersOf(gateway: BoundGateway): Iterable<[string, Offer]> {
  const { key, managed, clientCertificate } = gateway;
  const common = { key, managed, ...(clientCertificate === undefined ? {} : { clientCertificate }) };
  yield [`Gateway/${key}`, { ...common, ref: gateway.ref, listeners: gateway.listeners.map(listenerOffer) }];
  for (const { key: set, ref, listeners } of gateway.listenerSets) {
    yield [`ListenerSet/${set}`, { ...common, ref, listeners: listeners.map(listenerOffer) }];
  }
}

function listenerOffer(listener: BoundListener): ListenerOffer {
  const { key, name, port, hostname, namespaces, supportedKinds, frontend } = listener;
  return { key, name, port, hostname, namespaces, supportedKinds, served: frontend !== undefined };
}
