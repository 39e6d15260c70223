// Tables of a pipeline -> the virtual hosts of one listener, as the naive matcher asks for them.
import type { Tables } from '../../src/pipeline/tables.ts';
import type { Entry, Frontend, VirtualHost } from '../../src/routing/model.ts';

/** @param frontend undefined: no listener takes the host, so that there are none */
export function hostsOf(tables: Tables, frontend: Frontend | undefined): readonly VirtualHost[] {
  if (frontend === undefined) return [];
  return [...tables.virtualHosts.keys()].flatMap((key) => {
    const [owner, hostname = ''] = key.split('|');
    const entries: readonly Entry[] = tables.virtualHosts.get(key) ?? [];
    return owner === frontend.key ? [{ key, frontend: frontend.key, hostname, entries }] : [];
  });
}
