// What the pipeline feeds an engine after each settle: only the rows that changed, serialisable, to be applied as one.
import type {
  Bind,
  CertificateSet,
  Cluster,
  EndpointSet,
  Entry,
  Frontend,
  Placement,
  Rule,
  TrustBundle,
} from './model.ts';

export interface RowChanges<T> {
  readonly set: readonly T[];
  /** Keys. */
  readonly delete: readonly string[];
}

/** Entries that left and came; a host that lost its last entry is gone. Both lists are in precedence order. */
export interface VirtualHostChange {
  readonly key: string;
  readonly frontend: string;
  readonly hostname: string;
  readonly removed: readonly Entry[];
  readonly inserted: readonly Entry[];
}

/** Absent tables did not change. Make before break: apply the sets of what others name before the rows that name them. */
export interface Update {
  /** Grows by one with each update. */
  readonly version: number;
  readonly binds?: RowChanges<Bind>;
  readonly placements?: RowChanges<Placement>;
  readonly frontends?: RowChanges<Frontend>;
  readonly virtualHosts?: readonly VirtualHostChange[];
  readonly rules?: RowChanges<Rule>;
  readonly clusters?: RowChanges<Cluster>;
  readonly endpoints?: RowChanges<EndpointSet>;
  readonly certificates?: RowChanges<CertificateSet>;
  readonly trustBundles?: RowChanges<TrustBundle>;
}
