// Gateway and the ListenerSets that want to belong to it → BoundGateway: their listeners, one bind per port, and what is wrong.
// Routes are not known here: they attach to what a Gateway offers (offers.ts).
import type { Gateway } from '../../api/generated/types.ts';
import type { Sourced } from '../../api/sourced.ts';
import { originOf } from '../../api/sourced.ts';
import type { Read, Table } from '../../incremental/table.ts';
import type { BoundClass, BoundGateway, BoundListenerSet } from '../../routing/bound.ts';
import type { BindReport, Exposure, Placement } from '../../routing/model.ts';
import type { ObjectRef, Origin } from '../../routing/origin.ts';
import type { Engines, Parameters } from '../../routing/parameters.ts';
import type { Problem } from '../../routing/problem.ts';
import type { BackendTables } from '../backends/scope.ts';
import { backendLookups } from '../backends/scope.ts';
import type { Grant } from '../references/grants.ts';
import { permits } from '../references/grants.ts';
import type { BundleState } from '../trust/bundles.ts';
import { judgeAddresses } from './addresses.ts';
import type { CertificateState } from './certificates.ts';
import { insecureFallback, withClientValidation } from './client-validation.ts';
import type { ListenerSetDraft } from './listener-sets.ts';
import type { ListenerDraft, ListenerScope } from './listeners.ts';
import { draftListener } from './listeners.ts';
import type { LeftOutTable } from '../left-out.ts';
import { listenerProblems, shownCertificateProblems } from '../left-out.ts';
import { namespaceRule } from './namespaces.ts';
import type { ConfigState, GatewayParameters } from './parameters.ts';
import { parametersOf } from './parameters.ts';
import { proxiedPorts } from './proxy-protocol.ts';
import { bindsOf, clustersOf, finishListener, judgeSiblings, publicPortsOf, setRefusal } from './siblings.ts';

export interface GatewayTables extends BackendTables {
  readonly classes: Table<BoundClass>;
  /** By namespace. */
  readonly grants: Table<readonly Grant[]>;
  readonly certificates: Table<CertificateState>;
  readonly bundles: Table<BundleState>;
  /** Those that name a Gateway, by its key, in the order of their precedence. */
  readonly listenerSets: Table<readonly ListenerSetDraft[]>;
  /** Labels by namespace. */
  readonly namespaces: Table<Readonly<Record<string, string>>>;
  /** Whether an absent Namespace has the label that the API server gives to each. */
  readonly presume: boolean;
  readonly engines: Engines | undefined;
  /** Whether Gateways have addresses within a cluster. */
  readonly clusterAddresses: boolean;
  readonly placements: Table<Placement>;
  readonly reports: Table<BindReport>;
  readonly leftOut: LeftOutTable;
  readonly exposures: Table<Exposure>;
  readonly configs: Table<ConfigState>;
  /** By gateway. */
  readonly lastParameters: Table<Parameters>;
}

export function bindGateway(
  tables: GatewayTables,
): (sourced: Sourced<Gateway>, read: Read, key: string) => BoundGateway {
  return (sourced, read, key) => {
    const { metadata, spec } = sourced.object;
    const { namespace = '', name } = metadata;
    const ref: ObjectRef = { group: 'gateway.networking.k8s.io', kind: 'Gateway', namespace, name };
    const gatewayClass = read(tables.classes, spec.gatewayClassName);
    const gateway = identityOf(sourced, key, ref);
    if (gatewayClass?.managed !== true) return unmanaged(sourced, gateway, gatewayClass);
    const { problems, ...found } = gatewayParameters(sourced, gatewayClass, { tables, read, key });
    const accepted = found.parameters !== undefined;
    const permitted = (target: ObjectRef): boolean =>
      ref.namespace === target.namespace || permits(read(tables.grants, target.namespace), ref, target);
    const client = clientCertificate(sourced, {
      ref,
      permitted,
      certificate: (secret) => read(tables.certificates, secret),
      leftOut: (secret, origin) => shownCertificateProblems({ gateway: key, key: secret }, origin, tables, read),
    });
    const validated = withClientValidation(sourced, {
      from: ref,
      permitted,
      bundle: (bundle) => read(tables.bundles, bundle),
    });
    const sets = (read(tables.listenerSets, key) ?? []).map((draft) => admit(draft, sourced, tables, read));
    const taken = sets.filter(({ problem }) => problem === undefined).map(({ draft }) => draft);
    const judged = judgeSiblings(draftListeners(sourced, tables, read, { key, ref, permitted }), taken);
    const unserved = ({ listener }: ListenerDraft): ListenerDraft => ({ listener, clusters: [] });
    const admitted = accepted ? validated : unserved;
    const own = judged.own.map(admitted);
    const ofSets = judged.sets.map((drafts) => drafts.map(admitted));
    const all = [...own, ...ofSets.flat()];
    const proxied = proxiedPorts(sourced);
    const binds = bindsOf(key, all, proxied.has);
    const placements = new Map(binds.map((bind) => [bind.key, read(tables.placements, bind.key)]));
    const publicPorts = publicPortsOf(binds, placements);
    const reports = new Map(binds.map((bind) => [bind.key, read(tables.reports, bind.key)]));
    const finish = (draft: ListenerDraft): BoundGateway['listeners'][number] =>
      finishListener(draft, publicPorts, reports, (frontend) => listenerProblems(frontend, tables, read));
    const { requests, problems: unaddressed } = judgeAddresses(sourced, {
      placements: [...placements.values()],
      exposure: read(tables.exposures, key),
      clusterAddresses: tables.clusterAddresses,
    });
    let next = 0;
    return {
      ...gateway,
      managed: true,
      listeners: own.map(finish),
      listenerSets: sets.map(({ draft, problem }): BoundListenerSet => {
        if (problem !== undefined) return boundSet(draft, [], [problem]);
        const parent: Problem = { code: 'GatewayNotAccepted', at: draft.origin, gateway: ref };
        return boundSet(draft, (ofSets[next++] ?? []).map(finish), accepted ? [] : [parent]);
      }),
      clusters: clustersOf(all, client.key),
      addresses: requests,
      ...found,
      isDefault: spec.defaultScope === 'All',
      ...(client.key === undefined ? {} : { clientCertificate: client.key }),
      binds,
      problems: [...problems, ...client.problems, ...insecureFallback(sourced), ...proxied.problems, ...unaddressed],
    };
  };
}

type GatewayIdentity = Pick<BoundGateway, 'key' | 'ref' | 'written' | 'className' | 'generation'>;

function identityOf({ object, written }: Sourced<Gateway>, key: string, ref: ObjectRef): GatewayIdentity {
  const { metadata, spec } = object;
  const generation = metadata.generation === undefined ? {} : { generation: metadata.generation };
  return { key, ref, written, className: spec.gatewayClassName, ...generation };
}

function unmanaged(
  sourced: Sourced<Gateway>,
  gateway: GatewayIdentity,
  gatewayClass: BoundClass | undefined,
): BoundGateway {
  const problems = gatewayClass === undefined ? [classNotFound(sourced)] : [];
  const nothing = { listeners: [], listenerSets: [], clusters: [], binds: [], addresses: [], isDefault: false };
  return { ...gateway, ...nothing, managed: false, problems };
}

interface Admission {
  readonly draft: ListenerSetDraft;
  /** Why the Gateway does not take it. */
  readonly problem?: Problem;
}

function admit(draft: ListenerSetDraft, sourced: Sourced<Gateway>, tables: GatewayTables, read: Read): Admission {
  const { metadata, spec } = sourced.object;
  const { namespace } = draft.ref;
  const from = spec.allowedListeners?.namespaces;
  const { rule } = namespaceRule(from ?? { from: 'None' }, metadata.namespace ?? '');
  const message = setRefusal(
    rule,
    namespace,
    () => read(tables.namespaces, namespace) ?? (tables.presume ? { 'kubernetes.io/metadata.name': namespace } : {}),
  );
  if (message === undefined) return { draft };
  const gateway: ObjectRef = {
    group: 'gateway.networking.k8s.io',
    kind: 'Gateway',
    namespace: metadata.namespace ?? '',
    name: metadata.name,
  };
  return { draft, problem: { code: 'ListenerSetNotAllowed', at: draft.origin, gateway, message } };
}

function boundSet(
  { key, ref, written, generation, gateway }: ListenerSetDraft,
  listeners: BoundListenerSet['listeners'],
  problems: readonly Problem[],
): BoundListenerSet {
  return { key, ref, written, gateway, ...(generation === undefined ? {} : { generation }), listeners, problems };
}

function draftListeners(
  sourced: Sourced<Gateway>,
  tables: GatewayTables,
  read: Read,
  { key, ref, permitted }: Pick<ListenerScope, 'ref' | 'permitted'> & { readonly key: string },
): readonly ListenerDraft[] {
  const scope: ListenerScope = {
    gateway: key,
    prefix: key,
    ref,
    sourced,
    permitted,
    certificate: (secret) => read(tables.certificates, secret),
    // The certificate is added with those of ListenerSets: clustersOf.
    backends: { from: ref, gateway: key, spoken: 'http', permitted, ...backendLookups(tables, read, () => undefined) },
  };
  return sourced.object.spec.listeners.map((spec, index) => draftListener(scope, spec, index));
}

interface Client {
  readonly key?: string;
  readonly problems: readonly Problem[];
}

interface ClientScope extends Pick<ListenerScope, 'ref' | 'permitted' | 'certificate'> {
  /** What engines make of a certificate. */
  readonly leftOut: (secret: string, origin: Origin) => readonly Problem[];
}

/** What is shown to backends over TLS (GEP-3155). One that cannot be used is not shown: the backend then decides. */
function clientCertificate(sourced: Sourced<Gateway>, { ref, permitted, certificate, leftOut }: ClientScope): Client {
  const written = sourced.object.spec.tls?.backend?.clientCertificateRef;
  if (written === undefined) return { problems: [] };
  const { group, kind, namespace = ref.namespace, name } = written;
  const target: ObjectRef = { group, kind, namespace, name };
  const at = originOf(sourced, 'spec.tls.backend.clientCertificateRef');
  if (!permitted(target)) return { problems: [{ code: 'RefNotPermitted', at, from: ref, target }] };
  const invalid = (message: string): Client => ({
    problems: [{ code: 'InvalidClientCertificateRef', at, target, message }],
  });
  if (group !== '' || kind !== 'Secret') return invalid('only a Secret can hold a certificate');
  const key = `${namespace}/${name}`;
  const state = certificate(key);
  if (state?.usable === true) return { key, problems: leftOut(key, at) };
  return invalid(state?.wrong ?? 'the Secret does not exist');
}

function classNotFound(sourced: Sourced<Gateway>): Problem {
  const name = sourced.object.spec.gatewayClassName;
  return { code: 'GatewayClassNotFound', at: originOf(sourced, 'spec.gatewayClassName'), name };
}

/** A Gateway without parameters, old or new, waits for those of its class or is refused for its own. */
function gatewayParameters(
  sourced: Sourced<Gateway>,
  gatewayClass: BoundClass,
  { tables, read, key }: { readonly tables: GatewayTables; readonly read: Read; readonly key: string },
): GatewayParameters {
  const found = parametersOf(sourced, gatewayClass, {
    config: (config) => read(tables.configs, config),
    last: () => read(tables.lastParameters, key),
    engines: tables.engines,
  });
  if (found.parameters !== undefined || gatewayClass.parameters !== undefined) return found;
  const name = sourced.object.spec.gatewayClassName;
  const waits: Problem = { code: 'GatewayClassNotAccepted', at: originOf(sourced, 'spec.gatewayClassName'), name };
  return { ...found, problems: [waits, ...found.problems] };
}
