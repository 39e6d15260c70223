// What stands behind a backendRef: the cluster with its endpoints, how it is spoken to, and whether it can be spoken to at all.
import type { Cluster, ClusterTls, Endpoint, RetryBudget, WeightedBackend } from '../../routing/model.ts';
import type { Tables } from '../../pipeline/tables.ts';
import type { ExplainedTarget, ExplainedTls } from './explanation.ts';

/** @param passthrough what is sent is TLS already, and not wrapped once more */
export function explainTarget(tables: Tables, { target }: WeightedBackend, passthrough = false): ExplainedTarget {
  if (target.kind === 'unresolved') return target;
  const cluster = tables.clusters.get(target.cluster);
  const endpoints = cluster === undefined ? [] : (tables.endpoints.get(cluster.endpoints)?.endpoints ?? []);
  return {
    kind: 'cluster',
    key: target.cluster,
    protocol: cluster?.protocol ?? 'http1',
    backend: cluster?.backend ?? { kind: 'Service', namespace: '', name: target.cluster, port: 0 },
    ...connectionOf(tables, cluster, passthrough),
    endpoints,
    usable: usable(endpoints).length,
  };
}

function connectionOf(
  tables: Tables,
  cluster: Cluster | undefined,
  passthrough: boolean,
): { readonly tls?: ExplainedTls; readonly proxyProtocol?: 'v1' | 'v2'; readonly retryBudget?: RetryBudget } {
  const { tls, proxyProtocol, retryBudget } = cluster ?? {};
  return {
    ...(tls === undefined || passthrough ? {} : { tls: explainTls(tables, tls) }),
    ...(proxyProtocol === undefined ? {} : { proxyProtocol }),
    ...(retryBudget === undefined ? {} : { retryBudget }),
  };
}

function explainTls({ trustBundles, certificates }: Tables, tls: ClusterTls): ExplainedTls {
  const { authorities, certificate } = tls;
  const isShown = certificate === undefined || certificates.get(certificate) !== undefined;
  const bundles = authorities === 'system' ? [] : authorities.filter((key) => trustBundles.get(key) === undefined);
  return {
    ...tls,
    missing: [...bundles, ...(certificate === undefined || isShown ? [] : [certificate])],
    // One bundle that is there is enough.
    usable: isShown && (authorities === 'system' || bundles.length < authorities.length),
  };
}

/** Ready ones; when there are none, those that still serve while they terminate (KEP-1669). */
function usable(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const ready = endpoints.filter((endpoint) => endpoint.ready);
  return ready.length > 0 ? ready : endpoints.filter(({ serving, terminating }) => serving && terminating);
}
