// Filters of a listener (GEP-5224) → filters of its frontend, in the order written. None may be skipped: one that cannot be
// honoured takes the listener with it, and one whose service is not found refuses every request.
import type { Filter } from '../../routing/filters.ts';
import type { Cluster } from '../../routing/model.ts';
import type { Origin } from '../../routing/origin.ts';
import { at } from '../../routing/origin.ts';
import type { Problem } from '../../routing/problem.ts';
import type { BackendScope } from '../routes/backends.ts';
import { resolveBackend } from '../routes/backends.ts';
import { externalAuthFilter } from '../routes/external-auth.ts';
import type { ListenerSpec } from './listeners.ts';

export interface ListenerFilters {
  readonly filters: readonly Filter[];
  readonly clusters: readonly Cluster[];
  readonly problems: readonly Problem[];
  /** The listener cannot be served with them. */
  readonly refused: boolean;
}

export function listenerFilters(spec: ListenerSpec, backends: BackendScope, origin: Origin): ListenerFilters {
  const filters: Filter[] = [];
  const clusters = new Map<string, Cluster>();
  const problems: Problem[] = [];
  let refused = false;
  spec.filters?.requests?.forEach(({ type, externalAuth, extensionRef }, index) => {
    const here = at(origin, 'filters', 'requests', index);
    if (type === 'ExternalAuth' && externalAuth !== undefined) {
      const { filter, problem } = externalAuthFilter(
        externalAuth,
        (ref, where, spoken) => {
          const resolved = resolveBackend(ref, { ...backends, spoken }, where);
          if ('cluster' in resolved) clusters.set(resolved.cluster.key, resolved.cluster);
          return resolved;
        },
        at(here, 'externalAuth'),
      );
      filters.push(filter);
      if (problem !== undefined) problems.push({ code: 'InvalidListenerFilterRef', at: problem.at, problem });
      return;
    }
    refused = true;
    if (type === 'ExtensionRef' && extensionRef !== undefined) {
      const { group, kind, name } = extensionRef;
      const target = { group, kind, namespace: backends.from.namespace, name };
      const problem: Problem = { code: 'InvalidKind', at: at(here, 'extensionRef'), target, kinds: [] };
      problems.push({ code: 'InvalidListenerFilterRef', at: problem.at, problem });
    } else {
      problems.push({ code: 'UnsupportedValue', at: here, message: `filter type ${type} is not known here` });
    }
  });
  return { filters, clusters: [...clusters.values()], problems, refused };
}
