// The tables that the pipeline offers to engines and tools. How each is computed: pipeline.ts.
import type { Table } from '../incremental/table.ts';
import type { BoundClass, BoundGateway, BoundListenerSet, BoundPolicy, BoundRoute } from '../routing/bound.ts';
import type {
  BindReport,
  Bind,
  CertificateSet,
  Cluster,
  EndpointSet,
  Entry,
  Exposure,
  Frontend,
  Placement,
  Rule,
  TrustBundle,
} from '../routing/model.ts';
import type { Problem } from '../routing/problem.ts';
import type { ObjectStatus } from '../status/object-status.ts';

export interface Tables {
  /** By class name. */
  readonly classes: Table<BoundClass>;
  /** By namespace/name. */
  readonly gateways: Table<BoundGateway>;
  /** Those whose Gateway is ours, by namespace/name. */
  readonly listenerSets: Table<BoundListenerSet>;
  /** By kind/namespace/name. */
  readonly routes: Table<BoundRoute>;
  /** By refKey. */
  readonly policies: Table<BoundPolicy>;
  /** Problems of the objects themselves (validation, vintages), by refKey of what the user wrote. */
  readonly objectProblems: Table<readonly Problem[]>;
  /** Routes (kind/namespace/name) that are attached to a listener, by frontend key: attachedRoutes is their number. */
  readonly attached: Table<readonly string[]>;
  readonly binds: Table<Bind>;
  readonly placements: Table<Placement>;
  readonly frontends: Table<Frontend>;
  /** In precedence order, by virtual host key. */
  readonly virtualHosts: Table<readonly Entry[]>;
  readonly rules: Table<Rule>;
  readonly clusters: Table<Cluster>;
  readonly endpoints: Table<EndpointSet>;
  readonly certificates: Table<CertificateSet>;
  /** By kind/namespace/name of what holds them. */
  readonly trustBundles: Table<TrustBundle>;
  /** Hosts outside whose addresses are needed, by hostname; the rows say for what. */
  readonly wantedHosts: Table<readonly string[]>;
  readonly reports: Table<BindReport>;
  readonly exposures: Table<Exposure>;
  /** The status of every object that has one, by refKey. */
  readonly statuses: Table<ObjectStatus>;
}
