// The virtual hosts of a listener, asked as the engine asks them: the same tables, the same matcher.
import { HostTable } from '../../routing/match/frontends.ts';
import type { MatchRequest } from '../../routing/match/conditions.ts';
import { VirtualHostMatcher } from '../../routing/match/matcher.ts';
import type { Entry, VirtualHost } from '../../routing/model.ts';
import type { Tables } from '../../pipeline/tables.ts';

export class ListenerHosts {
  readonly #hosts = new HostTable<VirtualHost>();
  readonly #matchers = new Map<string, VirtualHostMatcher>();

  constructor(tables: Tables, frontend: string) {
    for (const key of tables.virtualHosts.keys()) {
      if (!key.startsWith(`${frontend}|`)) continue;
      const hostname = key.slice(frontend.length + 1);
      this.#hosts.set(hostname, { key, frontend, hostname, entries: tables.virtualHosts.get(key) ?? [] });
    }
  }

  /** The entry that takes a request. */
  match(host: string, request: MatchRequest): Entry | undefined {
    return this.#hosts.find(host, (virtualHost) => this.#matcherOf(virtualHost).match(request));
  }

  /** Those that cover the host, in the order in which they are asked. */
  covering(host: string): readonly VirtualHost[] {
    const found: VirtualHost[] = [];
    this.#hosts.find(host, (virtualHost) => {
      found.push(virtualHost);
      return undefined;
    });
    return found;
  }

  all(): Iterable<VirtualHost> {
    return this.#hosts.values();
  }

  #matcherOf(virtualHost: VirtualHost): VirtualHostMatcher {
    let matcher = this.#matchers.get(virtualHost.key);
    if (matcher === undefined) {
      this.#matchers.set(virtualHost.key, (matcher = new VirtualHostMatcher()));
      for (const entry of virtualHost.entries) matcher.insert(entry);
    }
    return matcher;
  }
}
