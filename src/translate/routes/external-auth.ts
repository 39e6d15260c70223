// ExternalAuth filters of rules and listeners (GEP-1494, GEP-5224) → the filter of the model. Where the service cannot be found
// the filter stands without it, and refuses every request.
import type { Filter } from '../../routing/filters.ts';
import type { Origin } from '../../routing/origin.ts';
import { at } from '../../routing/origin.ts';
import type { Problem } from '../../routing/problem.ts';
import type { BackendRef, Resolved } from './backends.ts';

export interface ExternalAuthSpec {
  readonly backendRef: BackendRef;
  readonly forwardBody?: { readonly maxSize?: number };
  readonly grpc?: { readonly allowedHeaders?: readonly string[] };
  readonly http?: {
    readonly allowedHeaders?: readonly string[];
    readonly allowedResponseHeaders?: readonly string[];
    readonly path?: string;
  };
  readonly protocol: 'HTTP' | 'GRPC';
}

export function externalAuthFilter(
  spec: ExternalAuthSpec,
  resolve: (ref: BackendRef, origin: Origin, spoken: 'http' | 'grpc') => Resolved,
  origin: Origin,
): { readonly filter: Filter; readonly problem?: Problem } {
  const isGrpc = spec.protocol === 'GRPC';
  const resolved = resolve(spec.backendRef, at(origin, 'backendRef'), isGrpc ? 'grpc' : 'http');
  const told = lowered((isGrpc ? spec.grpc : spec.http)?.allowedHeaders);
  const given = lowered(spec.http?.allowedResponseHeaders);
  return {
    filter: {
      kind: 'external-auth',
      ...('cluster' in resolved ? { cluster: resolved.cluster.key } : {}),
      check: isGrpc
        ? { protocol: 'grpc' }
        : {
            protocol: 'http',
            path: spec.http?.path ?? '',
            ...(given.length === 0 ? {} : { responseHeaders: given }),
          },
      // An empty list means every field over gRPC, and none beside those that are always told over HTTP.
      ...(isGrpc && told.length === 0 ? {} : { headers: told }),
      bodyLimit: spec.forwardBody?.maxSize ?? 0,
      origin,
    },
    ...('problem' in resolved ? { problem: resolved.problem } : {}),
  };
}

function lowered(names: readonly string[] = []): readonly string[] {
  return [...new Set(names.map((name) => name.toLowerCase()))];
}
