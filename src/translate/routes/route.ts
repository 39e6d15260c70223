// Routes of every kind → BoundRoute: what became of each parentRef, the rules per gateway, and the entries that go into
// virtual hosts. Reads what gateways offer, Services, grants and namespace labels; never endpoints.
import type { Sourced } from '../../api/sourced.ts';
import { originOf } from '../../api/sourced.ts';
import type { Read, Table } from '../../incremental/table.ts';
import type { BoundParent, BoundRoute, ParentRef } from '../../routing/bound.ts';
import type { ObjectRef } from '../../routing/origin.ts';
import type { Problem } from '../../routing/problem.ts';
import type { ServiceRow } from '../backends/services.ts';
import type { Offer } from '../gateways/offers.ts';
import type { Grant } from '../references/grants.ts';
import type { BoundTlsPolicy, TlsPolicyTarget } from '../policies/backend-tls.ts';
import { effectiveTarget, unreachableTls } from '../policies/backend-tls.ts';
import { permits } from '../references/grants.ts';
import type { Applicant } from './attach.ts';
import { attach } from './attach.ts';
import type { BackendScope } from './backends.ts';
import type { AnyRoute, Dialect } from './dialects.ts';
import type { Serving } from './entries.ts';
import { entryLimit, nothingServed, serve } from './entries.ts';
import type { Refusals } from './refusals.ts';
import { refusalsOf } from './refusals.ts';
import type { RouteScope, TranslatedRule } from './rules.ts';
import { translateRules } from './rules.ts';

export interface RouteTables {
  readonly offers: Table<Offer>;
  readonly listenerSets: Table<unknown>;
  readonly services: Table<ServiceRow>;
  /** By namespace. */
  readonly grants: Table<readonly Grant[]>;
  /** Labels by namespace. */
  readonly namespaces: Table<Readonly<Record<string, string>>>;
  /** By namespace/name of the Service. */
  readonly tlsPolicyTargets: Table<readonly TlsPolicyTarget[]>;
  readonly tlsPolicies: Table<BoundTlsPolicy>;
  /** Whether an absent Namespace has the label that the API server gives to each. */
  readonly presume: boolean;
}

const group = 'gateway.networking.k8s.io';

interface Translation extends Refusals {
  readonly rules: readonly TranslatedRule[];
}

/** A route while it is being bound. */
interface Route extends Omit<RouteScope, 'gateway' | 'tls'> {
  readonly applicant: Applicant;
  readonly offer: (key: string) => Offer | undefined;
  readonly hasListenerSet: (key: string) => boolean;
  /** The rules as they are under a gateway, translated once for each. */
  readonly translate: (gateway: string) => Translation;
}

export function bindRoute(
  dialect: Dialect,
  tables: RouteTables,
): (sourced: Sourced<AnyRoute>, read: Read, key: string) => BoundRoute {
  return (sourced, read, key) => bind(routeOf(dialect, tables, sourced, { read, key }));
}

function bind(route: Route): BoundRoute {
  const { sourced } = route;
  const { metadata, spec } = sourced.object;
  const outcomes = (spec.parentRefs ?? []).map((parentRef, index) => bindParent(route, parentRef, index));
  const servings = outcomes.flatMap(({ serving }) => (serving === undefined ? [] : [serving]));
  const served = serve(sourced, servings);
  const parents = outcomes.map(({ parent }) => parent);
  const problems = ownProblems(route);
  // What is wrong with its rules is worth saying although nobody serves them.
  if (parents.every(({ outcome }) => outcome === 'unmanaged')) problems.push(...route.translate('').problems);
  return {
    key: route.routeKey,
    ref: route.from,
    written: sourced.written,
    ...(metadata.generation === undefined ? {} : { generation: metadata.generation }),
    parents: served === undefined ? parents.map((parent) => tooLarge(parent, route)) : parents,
    ...(served ?? nothingServed),
    problems,
  };
}

function routeOf(
  dialect: Dialect,
  tables: RouteTables,
  sourced: Sourced<AnyRoute>,
  { read, key }: { readonly read: Read; readonly key: string },
): Route {
  const { namespace = '', name } = sourced.object.metadata;
  const from: ObjectRef = { group, kind: dialect.kind, namespace, name };
  const translations = new Map<string, Translation>();
  const route: Route = {
    sourced,
    dialect,
    routeKey: `${dialect.kind}/${key}`,
    from,
    protocol: dialect.backends,
    offer: (parent) => read(tables.offers, parent),
    hasListenerSet: (set) => read(tables.listenerSets, set) !== undefined,
    service: (service) => read(tables.services, service),
    permitted: (target) =>
      namespace === target.namespace || permits(read(tables.grants, target.namespace), from, target),
    applicant: {
      kind: from,
      namespace,
      hostnames: hostnamesOf(sourced.object),
      namespaceLabels: () =>
        read(tables.namespaces, namespace) ?? (tables.presume ? { 'kubernetes.io/metadata.name': namespace } : {}),
    },
    translate: (gateway) => {
      let translation = translations.get(gateway);
      if (translation === undefined) {
        const rules = translateRules({ ...route, gateway, tls: backendTls(tables, read, gateway) });
        translations.set(gateway, (translation = { rules, ...refusalsOf(rules) }));
      }
      return translation;
    },
  };
  return route;
}

/** TLS to a port of a Service, when a policy asks for it, with the certificate of the gateway. */
function backendTls(tables: RouteTables, read: Read, gateway: string): BackendScope['tls'] {
  return (service, portName) => {
    const target = effectiveTarget(read(tables.tlsPolicyTargets, service) ?? [], portName);
    if (target === undefined) return undefined;
    const tls = read(tables.tlsPolicies, target.policy)?.tls ?? unreachableTls;
    const certificate = read(tables.offers, `Gateway/${gateway}`)?.clientCertificate;
    return certificate === undefined ? tls : { ...tls, certificate };
  };
}

/** TCPRoute and UDPRoute know none. */
function hostnamesOf({ spec }: AnyRoute): readonly string[] {
  return 'hostnames' in spec ? (spec.hostnames ?? []) : [];
}

interface Outcome {
  readonly parent: BoundParent;
  readonly serving?: Serving;
}

function bindParent(route: Route, parentRef: ParentRef, index: number): Outcome {
  const namespace = parentRef.namespace ?? route.from.namespace;
  const parent: ObjectRef = { group: parentRef.group, kind: parentRef.kind, namespace, name: parentRef.name };
  const origin = originOf(route.sourced, `spec.parentRefs[${index}]`);
  const bound = { index, parentRef, parent };
  const unmanaged = (problems: readonly Problem[]): Outcome => ({
    parent: { ...bound, outcome: 'unmanaged', attachments: [], problems },
  });
  if (parent.group !== group || (parent.kind !== 'Gateway' && parent.kind !== 'ListenerSet')) {
    return unmanaged([{ code: 'InvalidKind', at: origin, target: parent }]);
  }
  const offer = route.offer(`${parent.kind}/${namespace}/${parent.name}`);
  if (offer === undefined) {
    // A set whose Gateway is not ours, or does not exist: that is said of the set.
    const known = parent.kind === 'ListenerSet' && route.hasListenerSet(`${namespace}/${parent.name}`);
    return unmanaged(known ? [] : [{ code: 'ParentNotFound', at: origin, parent }]);
  }
  if (!offer.managed) return unmanaged([]);
  const { attachments, problem } = attach(route.applicant, parentRef, offer, origin);
  const { rules, problems, refused } = route.translate(offer.key);
  if (problem !== undefined) {
    return { parent: { ...bound, outcome: 'rejected', attachments, problems: [problem, ...problems] } };
  }
  return {
    parent: { ...bound, outcome: refused ? 'rejected' : 'attached', attachments: refused ? [] : attachments, problems },
    serving: { offer, attachments, rules },
  };
}

function ownProblems({ sourced }: Route): Problem[] {
  const { parentRefs = [], useDefaultGateways } = sourced.object.spec;
  const problems: Problem[] = [];
  if (parentRefs.length === 0) problems.push({ code: 'NoParent', at: originOf(sourced, 'spec.parentRefs') });
  if (useDefaultGateways === 'All') {
    const message = 'default Gateways are not served yet; name the Gateway in parentRefs';
    problems.push({ code: 'IgnoredField', at: originOf(sourced, 'spec.useDefaultGateways'), message });
  }
  return problems;
}

function tooLarge(parent: BoundParent, { sourced }: Route): BoundParent {
  if (parent.outcome === 'unmanaged') return parent;
  const problem: Problem = { code: 'TooManyEntries', at: originOf(sourced, 'spec'), limit: entryLimit };
  return { ...parent, outcome: 'rejected', attachments: [], problems: [problem, ...parent.problems] };
}
