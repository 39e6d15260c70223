// What a Gateway offers to routes, and nothing else: a certificate that rotates, a port that is placed elsewhere or an
// engine's report changes a Gateway but not its offer, and so wakes none of its routes.
import type { BoundGateway, NamespaceRule, RouteKind } from '../../routing/bound.ts';
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

export interface GatewayOffer {
  readonly key: string;
  readonly ref: ObjectRef;
  readonly managed: boolean;
  readonly listeners: readonly ListenerOffer[];
}

export function offerOf({ key, ref, managed, listeners }: BoundGateway): GatewayOffer {
  return {
    key,
    ref,
    managed,
    listeners: listeners.map(({ key, name, port, hostname, namespaces, supportedKinds, frontend }) => ({
      key,
      name,
      port,
      hostname,
      namespaces,
      supportedKinds,
      served: frontend !== undefined,
    })),
  };
}
