// The virtual hosts of a bind -> its RouteConfiguration: who owns which host is decided here, since Envoy only knows domains, not
// listeners (a host belongs to the most specific listener, whatever routes others have for it).
import { HostTable } from '../../routing/match/frontends.ts';
import type { Frontend } from '../../routing/model.ts';
import type { Resource } from '../stream/resource.ts';
import { codec, digest } from './encode.ts';
import type { EncodedHost, HostRoutes } from './host-routes.ts';

const ROUTE_CONFIGURATION = 'envoy.config.route.v3.RouteConfiguration';

export interface Owner {
  readonly frontend: Frontend;
  readonly hosts: HostRoutes;
}

export function routeConfiguration(name: string, owners: readonly Owner[]): Resource {
  const hosts = ownHosts(owners);
  const head = {
    name,
    ignore_port_in_host_matching: true,
    request_headers_to_remove: ['x-envoy-internal', 'x-envoy-external-address'],
    max_direct_response_body_size_bytes: 65_536,
  };
  const bytes = codec.encode(ROUTE_CONFIGURATION, { ...head, virtual_hosts: hosts.map((host) => host.bytes) });
  return { name, version: digest(JSON.stringify(head) + hosts.map((host) => host.digest).join()), bytes };
}

/** Those that a request can reach: a host of another, more specific listener is not asked for. */
function ownHosts(owners: readonly Owner[]): readonly EncodedHost[] {
  const [only] = owners;
  if (owners.length === 1 && only !== undefined) return only.hosts.encoded();
  const table = new HostTable<Owner>();
  for (const owner of owners) {
    if (table.get(owner.frontend.hostname) === undefined) table.set(owner.frontend.hostname, owner);
  }
  const hosts: EncodedHost[] = [];
  for (const owner of table.values()) {
    // A pattern is looked up like a host: what covers all of it.
    for (const host of owner.hosts.encoded()) if (table.lookUp(host.hostname) === owner) hosts.push(host);
  }
  return hosts;
}
