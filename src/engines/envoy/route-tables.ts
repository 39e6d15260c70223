// The virtual hosts of a bind -> its RouteConfigurations. A route that changes makes Envoy build a whole configuration anew (measured:
// 40 ms of its main thread for 1,000 hosts), so that hosts are spread over several by a hash of their names; the guard of a request
// finds the one by the same hash (guard.ts), and Envoy its configuration by the header that the guard sets (scoped routes). Patterns
// are in one of their own, which is asked for hosts that are nowhere else.
// Who owns which host is decided here, since Envoy only knows domains, not listeners: a host belongs to the most specific listener,
// whatever routes others have for it.
import { HostTable } from '../../routing/match/frontends.ts';
import { isWildcard } from '../../routing/match/hostnames.ts';
import type { Frontend } from '../../routing/model.ts';
import type { Resource } from '../stream/resource.ts';
import { encodeResource } from './encode.ts';
import type { EncodedHost, HostRoutes } from './host-routes.ts';
import { types } from './names.ts';

/** Set by the guard alone, and never sent on. */
export const SHARD_HEADER = 'x-portolan-shard';
/** Of hosts without a pattern. */
export const SHARDS = 32;
/** Of patterns. */
export const PATTERNS = 'patterns';

/** Ends of the names of the configurations of a bind, which are the values of SHARD_HEADER. */
export const shards: readonly string[] = [...Array.from({ length: SHARDS }, (_, index) => String(index)), PATTERNS];

/** Name of the RouteConfiguration, and of what leads to it. */
export function tableName(bind: string, shard: string): string {
  return `${bind}/${shard}`;
}

/** Which of them a hostname is in. The guard reckons the same, octet by octet. */
export function shardOf(hostname: string): string {
  if (hostname === '' || isWildcard(hostname)) return PATTERNS;
  let hash = 0;
  for (const octet of Buffer.from(hostname, 'utf8')) hash = (hash * 31 + octet) % 65_536;
  return String(hash % SHARDS);
}

/** What leads from the header to the configuration: one per shard, as long as the bind is there. */
export function scopesOf(bind: string): readonly Resource[] {
  return shards.map((shard) => {
    const name = tableName(bind, shard);
    const tree = { name, route_configuration_name: name, key: { fragments: [{ string_key: name }] } };
    return encodeResource(types.scopes, name, tree, [{ typeUrl: types.routes, name }]);
  });
}

export interface Owner {
  readonly frontend: Frontend;
  readonly hosts: HostRoutes;
}

export class RouteTables {
  readonly #bind: string;
  readonly #shards = new Map<string, Map<string, EncodedHost>>(shards.map((shard) => [shard, new Map()]));
  #owners = new HostTable<Owner>();

  constructor(bind: string) {
    this.#bind = bind;
  }

  /** Everything anew: the listeners of the bind changed. */
  rebuild(owners: readonly Owner[]): readonly Resource[] {
    this.#owners = new HostTable();
    for (const owner of owners) {
      if (this.#owners.get(owner.frontend.hostname) === undefined) this.#owners.set(owner.frontend.hostname, owner);
    }
    for (const table of this.#shards.values()) table.clear();
    for (const owner of this.#owners.values()) {
      owner.hosts.takeStale();
      for (const hostname of owner.hosts.hostnames()) this.#put(owner, hostname);
    }
    return shards.map((shard) => this.#resource(shard));
  }

  /** What changed in the routes of listeners that stay. */
  refresh(): readonly Resource[] {
    const changed = new Set<string>();
    for (const owner of this.#owners.values()) {
      for (const hostname of owner.hosts.takeStale()) {
        if (this.#owners.lookUp(hostname) !== owner) continue;
        this.#put(owner, hostname);
        changed.add(shardOf(hostname));
      }
    }
    return [...changed].map((shard) => this.#resource(shard));
  }

  #put(owner: Owner, hostname: string): void {
    // A pattern is looked up like a host: what covers all of it.
    if (this.#owners.lookUp(hostname) !== owner) return;
    const table = this.#shards.get(shardOf(hostname)) as Map<string, EncodedHost>;
    const encoded = owner.hosts.encoded(hostname);
    if (encoded === undefined) table.delete(hostname);
    else table.set(hostname, encoded);
  }

  #resource(shard: string): Resource {
    const hosts = [...(this.#shards.get(shard) ?? new Map<string, EncodedHost>()).values()];
    const head = {
      name: tableName(this.#bind, shard),
      ignore_port_in_host_matching: true,
      request_headers_to_remove: [SHARD_HEADER, 'x-envoy-internal', 'x-envoy-external-address'],
      max_direct_response_body_size_bytes: 65_536,
    };
    return encodeResource(types.routes, head.name, { ...head, virtual_hosts: hosts.map((host) => host.bytes) });
  }
}
