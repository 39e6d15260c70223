// Routes of every kind → BoundRoute: what became of each parentRef, the rules per gateway, and the entries that go into
// virtual hosts. Reads what gateways offer, Services, grants and namespace labels; never endpoints.
import { experimentalGatewayGroup } from '../../api/kinds.ts';
import type { Sourced } from '../../api/sourced.ts';
import { originOf } from '../../api/sourced.ts';
import type { Read, Table } from '../../incremental/table.ts';
import type { BoundParent, BoundRoute, ParentRef } from '../../routing/bound.ts';
import type { ObjectRef, Origin } from '../../routing/origin.ts';
import type { Problem } from '../../routing/problem.ts';
import type { BackendTables } from '../backends/scope.ts';
import { backendLookups } from '../backends/scope.ts';
import type { Offer } from '../gateways/offers.ts';
import type { LeftOutTable } from '../left-out.ts';
import { asServed, readerOf } from '../left-out.ts';
import type { Grant } from '../references/grants.ts';
import { permits } from '../references/grants.ts';
import type { Applicant } from './attach.ts';
import { attach } from './attach.ts';
import type { AnyRoute, Dialect } from './dialects.ts';
import type { Serving } from './entries.ts';
import { entryLimit, nothingServed, serve } from './entries.ts';
import type { Refusals } from './refusals.ts';
import { refusalsOf } from './refusals.ts';
import type { RouteScope, TranslatedRule } from './rules.ts';
import { translateRules } from './rules.ts';

export interface RouteTables extends BackendTables {
  readonly offers: Table<Offer>;
  readonly listenerSets: Table<unknown>;
  /** By namespace. */
  readonly grants: Table<readonly Grant[]>;
  /** Labels by namespace. */
  readonly namespaces: Table<Readonly<Record<string, string>>>;
  /** Keys of Gateways that take routes which name none, under the one key `All`. */
  readonly defaultGateways: Table<readonly string[]>;
  /** Whether an absent Namespace has the label that the API server gives to each. */
  readonly presume: boolean;
  readonly leftOut: LeftOutTable;
}

const group = 'gateway.networking.k8s.io';

interface Translation extends Refusals {
  readonly rules: readonly TranslatedRule[];
}

/** A route while it is being bound. */
interface Route extends Omit<RouteScope, 'gateway' | 'service' | 'xbackend' | 'tls' | 'traffic'> {
  readonly applicant: Applicant;
  readonly offer: (key: string) => Offer | undefined;
  readonly hasListenerSet: (key: string) => boolean;
  /** Gateways that it does not name and that take it all the same (GEP-3793). */
  readonly defaults: readonly { readonly parentRef: ParentRef; readonly origin: Origin }[];
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
  const named = (spec.parentRefs ?? []).map((parentRef, index) =>
    bindParent(route, { parentRef, index, origin: originOf(sourced, `spec.parentRefs[${index}]`) }),
  );
  const others = route.defaults.map((parent, index) => bindParent(route, { ...parent, index: named.length + index }));
  const outcomes = [...named, ...others.filter(isTaken)];
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
    spoken: dialect.backends,
    offer: (parent) => read(tables.offers, parent),
    defaults: defaultParents(sourced, read, tables),
    hasListenerSet: (set) => read(tables.listenerSets, set) !== undefined,
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
        const shown = (): string | undefined => read(tables.offers, `Gateway/${gateway}`)?.clientCertificate;
        const said = read(tables.leftOut, readerOf({ table: 'rules', key: `|${route.routeKey}` })) ?? [];
        const written = translateRules({ ...route, gateway, ...backendLookups(tables, read, shown) });
        const rules = said.length === 0 ? written : written.map((rule, at) => asServed(rule, at, said, sourced));
        translations.set(gateway, (translation = { rules, ...refusalsOf(rules) }));
      }
      return translation;
    },
  };
  return route;
}

/** TCPRoute and UDPRoute know none. */
function hostnamesOf({ spec }: AnyRoute): readonly string[] {
  return 'hostnames' in spec ? (spec.hostnames ?? []) : [];
}

interface Outcome {
  readonly parent: BoundParent;
  readonly serving?: Serving;
}

/** Those that it does not name itself: a parentRef of its own may be narrower. */
function defaultParents(sourced: Sourced<AnyRoute>, read: Read, tables: RouteTables): Route['defaults'] {
  const { spec, metadata } = sourced.object;
  if (spec.useDefaultGateways !== 'All') return [];
  const named = new Set(
    (spec.parentRefs ?? [])
      .filter(({ kind }) => kind === 'Gateway')
      .map(({ namespace = metadata.namespace ?? '', name }) => `${namespace}/${name}`),
  );
  const origin = originOf(sourced, 'spec.useDefaultGateways');
  return (read(tables.defaultGateways, 'All') ?? [])
    .filter((key) => !named.has(key))
    .map((key) => {
      const slash = key.indexOf('/');
      const parentRef = { group, kind: 'Gateway', namespace: key.slice(0, slash), name: key.slice(slash + 1) };
      return { parentRef, origin };
    });
}

/** A default Gateway that does not take the route is none of its parents. */
function isTaken({ parent }: Outcome): boolean {
  return parent.problems.every(({ code }) => code !== 'NotAllowedByListeners');
}

interface Candidate {
  readonly parentRef: ParentRef;
  readonly index: number;
  readonly origin: Origin;
}

function bindParent(route: Route, { parentRef, index, origin }: Candidate): Outcome {
  const namespace = parentRef.namespace ?? route.from.namespace;
  const parent: ObjectRef = { ...currentKind(parentRef), namespace, name: parentRef.name };
  const bound = { index, parentRef, parent };
  const unmanaged = (problems: readonly Problem[]): Outcome => ({
    parent: { ...bound, outcome: 'unmanaged', attachments: [], problems },
  });
  if (parent.group !== group || (parent.kind !== 'Gateway' && parent.kind !== 'ListenerSet')) {
    const kinds = [`Gateway.${group}`, `ListenerSet.${group}`];
    return unmanaged([{ code: 'InvalidKind', at: origin, target: parent, kinds }]);
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

/** A ListenerSet is still referred to by the name that it had while it was tried out. */
function currentKind({ group: written, kind }: ParentRef): Pick<ObjectRef, 'group' | 'kind'> {
  const isOld = written === experimentalGatewayGroup && kind === 'XListenerSet';
  return isOld ? { group, kind: 'ListenerSet' } : { group: written, kind };
}

function ownProblems({ sourced, defaults }: Route): Problem[] {
  const { parentRefs = [] } = sourced.object.spec;
  if (parentRefs.length > 0 || defaults.length > 0) return [];
  return [{ code: 'NoParent', at: originOf(sourced, 'spec.parentRefs') }];
}

function tooLarge(parent: BoundParent, { sourced }: Route): BoundParent {
  if (parent.outcome === 'unmanaged') return parent;
  const problem: Problem = { code: 'TooManyEntries', at: originOf(sourced, 'spec'), limit: entryLimit };
  return { ...parent, outcome: 'rejected', attachments: [], problems: [problem, ...parent.problems] };
}
