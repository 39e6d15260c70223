// An entry and its rule -> Routes of Envoy, in the order in which they are to be asked: as many as its backends and the origins of
// its requests call for.
import type { Cors, Filter } from '../../../routing/filters.ts';
import { type HeaderPlan, noHeaderChanges } from '../../../routing/filters/header-changes.ts';
import { compileFilters, type FilterPlan } from '../../../routing/filters/plan.ts';
import type { Entry, Rule, WeightedBackend } from '../../../routing/model.ts';
import { routeMetadata } from '../guard.ts';
import type { EnvoyLimits } from '../limits.ts';
import type { Message, Tree } from '../tree.ts';
import { answer } from './answers.ts';
import { bodyLimit, checkConfigs, lacksRoom, splitAtChecks } from './checks.ts';
import { type CorsVariant, originVariants, preflightVariants } from './cors.ts';
import type { ListenerFacts } from './facts.ts';
import { headerChanges } from './header-changes.ts';
import { routeMatch } from './match.ts';
import { pathSubstitution } from './path-rewrite.ts';
import { redirectAction } from './redirect.ts';
import { isOnce, timesAndRetries } from './retries.ts';
import { sessionConfig } from './sessions.ts';

/** Names no cluster: what goes there is answered 500. */
export const UNRESOLVED = 'portolan/unresolved';

/** Of weights that are told apart by chance. */
const MILLION = 1_000_000;

/** `rule key|index of the match`: what the access log says of a request. */
export function routeName({ rule, rank }: Entry): string {
  return `${rule}|${rank.match}`;
}

export function routesOf(entry: Entry, whole: Rule, facts: ListenerFacts, limits: EnvoyLimits): readonly Message[] {
  const apart = apartByChecks(whole);
  if (apart === undefined) return ruleRoutes(entry, whole, facts, limits);
  return apart.flatMap(({ rule, match }) =>
    ruleRoutes(entry, rule, facts, limits).map((route) => ({
      ...route,
      match: { ...(route['match'] as Message), ...match },
    })),
  );
}

/** Where a backend has a check of its own: a rule for each, taken by chance, whose filters are those of the rule and its own. */
function apartByChecks(rule: Rule): readonly { readonly rule: Rule; readonly match: Message }[] | undefined {
  if (rule.action.kind !== 'forward') return undefined;
  const backends = rule.action.backends.filter(({ weight }) => weight > 0);
  if (!backends.some(({ filters }) => filters.some(({ kind }) => kind === 'external-auth'))) return undefined;
  const chances = chancesOf(backends);
  return backends.map((backend, index) => ({
    rule: {
      ...rule,
      filters: [...rule.filters, ...backend.filters],
      action: { kind: 'forward', backends: [{ ...backend, filters: [] }] },
    },
    match: chances[index] ?? {},
  }));
}

function ruleRoutes(entry: Entry, whole: Rule, facts: ListenerFacts, limits: EnvoyLimits): readonly Message[] {
  const { steps, unresolved, before, rest } = splitAtChecks(whole.filters);
  const rule = { ...whole, filters: rest };
  const name = routeName(entry);
  const match = routeMatch(entry.match);
  const cors = corsOf(rule.filters);
  const preflights = cors === undefined ? [] : preflightRoutes(name, entry, cors);
  const unasked = unresolved && rule.action.kind !== 'respond';
  const actions = unasked ? [{ direct_response: answer(500, 'auth-unresolved') }] : actionsOf(rule, facts);
  const common = {
    name,
    ...metadataOf(rule, before, bodyLimit(steps, limits)),
    ...filterConfigs({
      ...checkConfigs('rule', steps, limits),
      ...(rule.action.kind === 'forward' ? sessionConfig(rule.action.backends) : {}),
    }),
  };
  const { action } = rule;
  const routes = actions.flatMap((each) => {
    const plain = { ...common, ...each, match: { ...match, ...(each['match'] as Message | undefined) } };
    return cors === undefined || action.kind !== 'forward' ? [plain] : [...withOrigins(plain, cors), plain];
  });
  // What is not honoured is not honoured for preflights either.
  return action.kind === 'respond' ? routes : [...preflights, ...unready(name, match, steps.length), ...routes];
}

/** Not to be asked on connections that cannot ask all services. */
function unready(name: string, match: Message, steps: number): readonly Message[] {
  const lacks = lacksRoom('rule', steps);
  if (lacks.length === 0) return [];
  const metadata = (match['dynamic_metadata'] as readonly Tree[] | undefined) ?? [];
  const wanting = { ...match, dynamic_metadata: [...metadata, ...lacks] };
  return [{ name, match: wanting, direct_response: answer(503, 'not-yet') }];
}

function corsOf(filters: readonly Filter[]): Cors | undefined {
  return filters.find((filter) => filter.kind === 'cors');
}

function preflightRoutes(name: string, entry: Entry, cors: Cors): readonly Message[] {
  const { method, ...rest } = entry.match;
  const match = routeMatch({ ...rest, protocol: 'http' });
  return preflightVariants(cors, method === 'OPTIONS' ? undefined : method).map((variant) => ({
    ...varied({ name, match }, variant),
    direct_response: { status: 204 },
  }));
}

function withOrigins(route: Message, cors: Cors): readonly Message[] {
  return originVariants(cors).map((variant) => varied(route, variant));
}

function varied(route: Message, { headers, remove, add }: CorsVariant): Message {
  const match = route['match'] as Message;
  const list = (name: string): readonly Tree[] => (route[name] as readonly Tree[] | undefined) ?? [];
  return {
    ...route,
    match: { ...match, headers: [...((match['headers'] as readonly Tree[] | undefined) ?? []), ...headers] },
    ...(remove.length > 0
      ? { response_headers_to_remove: [...new Set([...list('response_headers_to_remove'), ...remove])] }
      : {}),
    // Ours first: modifiers of the rule see what CORS says.
    response_headers_to_add: [...add, ...list('response_headers_to_add')],
  };
}

/** Everything of the routes but name and match; a `match` among the fields is more of it. */
function actionsOf(rule: Rule, facts: ListenerFacts): readonly Message[] {
  const { action } = rule;
  switch (action.kind) {
    case 'respond':
      return [{ direct_response: answer(action.status, 'not-honoured') }];
    case 'redirect':
      return [
        {
          redirect: redirectAction(action.redirect, facts),
        },
      ];
    case 'forward':
      return forwards(rule, action.backends);
    default:
      return action satisfies never;
  }
}

interface Share {
  readonly backend: WeightedBackend;
  readonly plan: FilterPlan;
}

function forwards(rule: Rule, all: readonly WeightedBackend[]): readonly Message[] {
  const shares = all
    .filter(({ weight }) => weight > 0)
    .map((backend) => ({ backend, plan: compileFilters(rule.filters, backend.filters) }));
  const [first, ...others] = shares;
  if (first === undefined) return [{ direct_response: answer(500, 'no-backend') }];
  if (others.length === 0) return [single(rule, first)];
  return shares.every(({ backend }) => isLight(backend)) ? [weighted(rule, shares)] : drawn(rule, shares);
}

/** Whether all that is special about a backend can be said within a route for several. */
function isLight({ filters }: WeightedBackend): boolean {
  return filters.every(({ kind }) => kind === 'request-headers' || kind === 'response-headers');
}

function single(rule: Rule, { backend, plan }: Share): Message {
  const { target } = backend;
  if (target.kind === 'unresolved') return { direct_response: answer(500, 'unresolved-backend') };
  return {
    route: { cluster: target.cluster, ...forwarding(rule, plan) },
    ...headerChanges(plan.request, plan.response),
  };
}

function weighted(rule: Rule, shares: readonly Share[]): Message {
  const clusters = shares.map(({ backend: { target, weight }, plan }) => ({
    name: target.kind === 'cluster' ? target.cluster : UNRESOLVED,
    weight,
    ...headerChanges(plan.request, plan.response),
  }));
  const plan = compileFilters(rule.filters);
  return {
    route: { weighted_clusters: { clusters }, ...forwarding(rule, plan) },
  };
}

function metadataOf(rule: Rule, before: HeaderPlan, body: number | undefined): Message {
  const { action } = rule;
  return routeMetadata({
    bare: action.kind === 'redirect' && action.redirect.hostname === undefined,
    once: action.kind === 'forward' && isOnce(rule),
    before: action.kind === 'respond' ? noHeaderChanges : before,
    body,
  });
}

/** Whether the guard has to look at the routes of a rule. */
export function isTold(rule: Rule, limits: EnvoyLimits): boolean {
  if (rule.action.kind === 'forward' && !isFiltered(rule.filters, rule.action.backends)) return isOnce(rule);
  return rulesOf(rule).some((each) => {
    const { steps, before } = splitAtChecks(each.filters);
    return Object.keys(metadataOf(each, before, bodyLimit(steps, limits))).length > 0;
  });
}

/** For how many steps of checks the chain has to have room. */
export function checkSteps(rule: Rule): number {
  if (!isFiltered(rule.filters, rule.action.kind === 'forward' ? rule.action.backends : [])) return 0;
  return Math.max(...rulesOf(rule).map(({ filters }) => splitAtChecks(filters).steps.length));
}

function rulesOf(rule: Rule): readonly Rule[] {
  return apartByChecks(rule)?.map((each) => each.rule) ?? [rule];
}

function isFiltered(filters: readonly Filter[], backends: readonly WeightedBackend[]): boolean {
  if (filters.length > 0) return true;
  for (let at = 0; at < backends.length; at++) if ((backends[at] as WeightedBackend).filters.length > 0) return true;
  return false;
}

function filterConfigs(configs: Message): Message {
  return Object.keys(configs).length === 0 ? {} : { typed_per_filter_config: configs };
}

/** A route for each, taken by chance. */
function drawn(rule: Rule, shares: readonly Share[]): readonly Message[] {
  const chances = chancesOf(shares.map(({ backend }) => backend));
  return shares.map((share, index) => {
    const match = chances[index] ?? {};
    return { ...single(rule, share), ...(Object.keys(match).length > 0 ? { match } : {}) };
  });
}

/** What a match says besides for each to be taken by its weight. Envoy asks all of them with the same number. */
function chancesOf(backends: readonly WeightedBackend[]): readonly Message[] {
  const total = backends.reduce((sum, { weight }) => sum + weight, 0);
  let sum = 0;
  return backends.map(({ weight }, index) => {
    sum += weight;
    if (index === backends.length - 1) return {};
    const numerator = Math.round((sum / total) * MILLION);
    return { runtime_fraction: { default_value: { numerator, denominator: 'MILLION' } } };
  });
}

/** Fields of RouteAction beside where it leads. */
function forwarding(rule: Rule, plan: FilterPlan): Message {
  const path = pathSubstitution(plan.paths);
  return {
    cluster_not_found_response_code: 'INTERNAL_SERVER_ERROR',
    ...timesAndRetries(rule),
    // The time that a call gives itself (grpc-timeout).
    ...(rule.protocol === 'grpc' ? { max_stream_duration: { grpc_timeout_header_max: '0s' } } : {}),
    ...(plan.hostname === undefined ? {} : { host_rewrite_literal: plan.hostname }),
    ...(path === undefined ? {} : { regex_rewrite: path }),
    ...(plan.mirrors.length === 0 ? {} : { request_mirror_policies: plan.mirrors.map(mirrorPolicy) }),
  };
}

function mirrorPolicy({ cluster, numerator, denominator }: FilterPlan['mirrors'][number]): Message {
  const share = Math.min(MILLION, Math.round((numerator / denominator) * MILLION));
  return {
    cluster,
    runtime_fraction: { default_value: { numerator: share, denominator: 'MILLION' } },
    trace_sampled: false,
    disable_shadow_host_suffix_append: true,
  };
}
