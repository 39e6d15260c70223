// The tables that backends are resolved from, as one referrer under one gateway sees them.
import type { Read, Table } from '../../incremental/table.ts';
import type { ClusterTls } from '../../routing/model.ts';
import type { BoundTlsPolicy, TlsPolicyTarget } from '../policies/backend-tls.ts';
import { effectiveTarget, unreachableTls } from '../policies/backend-tls.ts';
import type { BoundTrafficPolicy } from '../policies/traffic.ts';
import type { BackendScope } from '../routes/backends.ts';
import type { ServiceRow } from './services.ts';
import type { BoundBackend } from './xbackends.ts';

export interface BackendTables {
  /** By namespace/name. */
  readonly services: Table<ServiceRow>;
  readonly xbackends: Table<BoundBackend>;
  /** BackendTLSPolicies by namespace/name of the Service that they target, in the order of their precedence. */
  readonly tlsPolicyTargets: Table<readonly TlsPolicyTarget[]>;
  readonly tlsPolicies: Table<BoundTlsPolicy>;
  /** By kind/namespace/name of the backend, in the order of their precedence. */
  readonly trafficPolicies: Table<readonly BoundTrafficPolicy[]>;
}

/** @param certificate key of what the gateway shows to backends over TLS */
export function backendLookups(
  tables: BackendTables,
  read: Read,
  certificate: () => string | undefined,
): Pick<BackendScope, 'service' | 'xbackend' | 'tls' | 'traffic'> {
  return {
    service: (service) => read(tables.services, service),
    xbackend: (backend) => read(tables.xbackends, backend),
    traffic: (backend) => read(tables.trafficPolicies, backend)?.[0],
    tls: (service, portName): ClusterTls | undefined => {
      const target = effectiveTarget(read(tables.tlsPolicyTargets, service) ?? [], portName);
      if (target === undefined) return undefined;
      const tls = read(tables.tlsPolicies, target.policy)?.tls ?? unreachableTls;
      const shown = certificate();
      return shown === undefined ? tls : { ...tls, certificate: shown };
    },
  };
}
