// External authorisation (GEP-1494, GEP-5224) -> ext_authz of Envoy, with settings of its own for each rule or listener: composite
// filters stand in every chain, and the route that was found says what each of them executes. What of other filters comes before the
// first check, the guard does; what comes between two is a step like them.
import type { ExternalAuth, Filter, HeaderChanges } from '../../../routing/filters.ts';
import { askedPrefix } from '../../../routing/filters/external-auth.ts';
import {
  compileHeaderChanges,
  type HeaderPlan,
  isFieldName,
  isUntouchableHeader,
  noHeaderChanges,
} from '../../../routing/filters/header-changes.ts';
import type { EnvoyLimits } from '../limits.ts';
import { SHARD_HEADER } from '../names.ts';
import { any, duration, extension, type Message } from '../tree.ts';
import { additions } from './header-changes.ts';
import { METADATA } from './match.ts';
import { elsewhere } from './retries.ts';

/** Of listeners, which run before a route is looked for, and of rules. */
export type CheckStage = 'listener' | 'rule';

/** For how many steps a chain of filters has room. */
export type CheckRoom = Readonly<Record<CheckStage, number>>;

/** Every chain has it. */
export const leastRoom: CheckRoom = { listener: 1, rule: 1 };

/**
 * A filter that has nothing to do costs each request about a microsecond (measured), and another number of them another chain, with
 * new connections. So there is one where nobody is asked, and from the first check on more than are needed.
 */
export function roomFor(steps: number): number {
  if (steps === 0) return 1;
  let room = 4;
  while (room < steps) room *= 4;
  return room;
}

export function roomier(a: CheckRoom, b: CheckRoom): CheckRoom {
  return { listener: Math.max(a.listener, b.listener), rule: Math.max(a.rule, b.rule) };
}

/** Names of the filters of a stage, in their order. */
function filterName(stage: CheckStage, index: number): string {
  return `portolan.${stage}-check${index === 0 ? '' : `.${index + 1}`}`;
}

export function checkFilters(stage: CheckStage, room: CheckRoom): readonly Message[] {
  return Array.from({ length: room[stage] }, (_, index) => checkFilter(filterName(stage, index)));
}

const COMPOSITE = 'envoy.extensions.filters.http.composite.v3';
const MATCHING = 'envoy.extensions.common.matching.v3';

/** A filter that does nothing unless a route says what. */
function checkFilter(name: string): Message {
  const never = {
    'x-portolan-never': { action: extension('skip', 'envoy.extensions.filters.common.matcher.action.v3.SkipFilter') },
  };
  return extension(name, `${MATCHING}.ExtensionWithMatcher`, {
    extension_config: extension('composite', `${COMPOSITE}.Composite`),
    xds_matcher: {
      matcher_tree: {
        input: extension('method', 'envoy.type.matcher.v3.HttpRequestHeaderMatchInput', { header_name: ':method' }),
        exact_match_map: { map: never },
      },
    },
  });
}

/** What is in METADATA where a chain has that room. */
export function roomKey(stage: CheckStage, room: number): string {
  return `${stage}-checks:${room}`;
}

/** Rooms that a chain has more than every other has, by their keys. */
export function roomKeys(room: CheckRoom): readonly string[] {
  const stages = ['listener', 'rule'] as const;
  return stages.flatMap((stage) => {
    const keys: string[] = [];
    for (let each = roomFor(1); each <= room[stage]; each = roomFor(each + 1)) keys.push(roomKey(stage, each));
    return keys;
  });
}

/**
 * A DynamicMetadata of a RouteMatch, where the steps ask for more than the room of every chain: requests on a connection that was there
 * before the chain was extended. Nobody may pass because half of the services were not asked.
 */
export function lacksRoom(stage: CheckStage, steps: number): readonly Message[] {
  if (steps <= leastRoom[stage]) return [];
  const path = [{ key: roomKey(stage, roomFor(steps)) }];
  return [{ filter: METADATA, path, value: { present_match: true }, invert: true }];
}

type Asked = ExternalAuth & { readonly cluster: string };

export type CheckStep =
  | { readonly kind: 'check'; readonly auth: Asked }
  | { readonly kind: 'change'; readonly plan: HeaderPlan };

export interface CheckedFilters {
  /** Until one of whose service there is none. */
  readonly steps: readonly CheckStep[];
  /** There is one whose service is not there: nothing passes. */
  readonly unresolved: boolean;
  /** What happens to the request before. */
  readonly before: HeaderPlan;
  /** What is left to do behind them, in the order written. */
  readonly rest: readonly Filter[];
}

export function splitAtChecks(filters: readonly Filter[]): CheckedFilters {
  const last = filters.findLastIndex(({ kind }) => kind === 'external-auth');
  if (last < 0) return { steps: [], unresolved: false, before: noHeaderChanges, rest: filters };
  const rest = filters.filter(
    ({ kind }, index) => kind !== 'external-auth' && (index > last || kind !== 'request-headers'),
  );
  let before: HeaderPlan | undefined;
  const steps: CheckStep[] = [];
  let changes: HeaderChanges[] = [];
  for (const filter of filters.slice(0, last + 1)) {
    if (filter.kind === 'request-headers') changes.push(filter);
    if (filter.kind !== 'external-auth') continue;
    const plan = compileHeaderChanges(changes);
    changes = [];
    // Only the service may say what is listed: what was said of it before goes.
    const said = filter.check.protocol === 'http' ? (filter.check.responseHeaders ?? []) : [];
    const dropped = new Set([...plan.dropped, ...said.filter((name) => !isUntouchableHeader(name))]);
    const change = { dropped, appended: plan.appended };
    if (before === undefined) before = change;
    else steps.push(...changeSteps(change));
    const { cluster } = filter;
    if (cluster === undefined) return { steps, unresolved: true, before, rest };
    steps.push({ kind: 'check', auth: { ...filter, cluster } });
  }
  return { steps, unresolved: false, before: before ?? noHeaderChanges, rest };
}

/** Octets of a body that one of them is told as a whole; undefined: none of them is told any. The least of several. */
export function bodyLimit(steps: readonly CheckStep[], limits: EnvoyLimits): number | undefined {
  const limit = Math.min(
    ...steps.map((step) => (step.kind === 'check' && step.auth.bodyLimit > 0 ? step.auth.bodyLimit : Infinity)),
  );
  return limit === Infinity ? undefined : Math.min(limit, limits.authBodyBytes);
}

/** None where nothing is changed. */
export function changeSteps(plan: HeaderPlan): readonly CheckStep[] {
  return plan.dropped.size + plan.appended.length === 0 ? [] : [{ kind: 'change', plan }];
}

/** The field `typed_per_filter_config` of a Route or VirtualHost. */
export function checkConfigs(stage: CheckStage, steps: readonly CheckStep[], limits: EnvoyLimits): Message {
  // One after the other in filters of their own: in a chain within one composite filter (`filter_chain`), what comes behind a filter
  // that had to wait is not asked at all (Envoy 1.40).
  return Object.fromEntries(
    steps.map((step, index) => [
      filterName(stage, index),
      executed(
        step.kind === 'change'
          ? extension('header_mutation', 'envoy.extensions.filters.http.header_mutation.v3.HeaderMutation', {
              mutations: { request_mutations: mutations(step.plan) },
            })
          : extension(
              'ext_authz',
              'envoy.extensions.filters.http.ext_authz.v3.ExtAuthz',
              settings(step.auth, limits, stage === 'listener'),
            ),
      ),
    ]),
  );
}

function executed(filter: Message): Message {
  const action = any(`${COMPOSITE}.ExecuteFilterAction`, { typed_config: filter });
  return any(`${MATCHING}.ExtensionWithMatcherPerRoute`, {
    xds_matcher: { on_no_match: { action: { name: 'check', typed_config: action } } },
  });
}

function mutations({ dropped, appended }: HeaderPlan): readonly Message[] {
  return [
    ...[...dropped].filter(isFieldName).map((name) => ({ remove: name })),
    ...additions(appended).map((each) => ({ append: each })),
  ];
}

/** Headers of an answer that frame a message, or describe content that is not the request's. */
const neverGiven =
  '(?i)(?::.*|host|connection|content-(?:encoding|language|length|location|range|type)|keep-alive|proxy-connection|te|trailer|transfer-encoding|upgrade|http2-settings)';

function settings(auth: Asked, limits: EnvoyLimits, rematch: boolean): Message {
  const { check, headers, bodyLimit, cluster } = auth;
  const told =
    headers === undefined
      ? [everything]
      : namedBy([...headers, ...(check.protocol === 'http' ? ['authorization'] : [])]);
  return {
    transport_api_version: 'V3',
    ...(check.protocol === 'grpc'
      ? { grpc_service: grpcService(cluster, limits) }
      : { http_service: httpService(check, cluster, limits) }),
    allowed_headers: { patterns: told },
    disallowed_headers: { patterns: ours },
    status_on_error: { code: 'ServiceUnavailable' },
    clear_route_cache: rematch,
    validate_mutations: true,
    decoder_header_mutation_rules: { disallow_expression: { regex: neverGiven } },
    ...(bodyLimit > 0
      ? {
          with_request_body: {
            max_request_bytes: Math.min(bodyLimit, limits.authBodyBytes),
            allow_partial_message: false,
            pack_as_bytes: check.protocol === 'grpc',
          },
        }
      : {}),
  };
}

/** A question changes nothing, so that it is asked once more wherever the first one was lost. */
function askedAgain({ authTimeout }: EnvoyLimits): Message {
  return {
    retry_on: 'connect-failure,refused-stream,reset',
    // An endpoint that is down and a connection that was about to end may come one after the other. Then both have been asked, and either
    // may be drawn: the pauses, which double, are as long as it takes until what is down is left out.
    num_retries: 5,
    ...elsewhere,
    // The longest pause is how long Envoy waits for each answer, too.
    retry_back_off: { base_interval: '0.002s', max_interval: duration(Math.max(2, authTimeout)) },
  };
}

function grpcService(cluster: string, limits: EnvoyLimits): Message {
  return {
    envoy_grpc: { cluster_name: cluster, authority: serviceOf(cluster), skip_envoy_headers: true },
    timeout: duration(limits.authTimeout),
    retry_policy: askedAgain(limits),
  };
}

/** `name.namespace`, from `gateway|Kind/namespace/name:port|…`: the key itself is no authority. */
function serviceOf(cluster: string): string {
  const [, target = ''] = cluster.split('|');
  const [name = '', namespace = ''] = target.split('/').toReversed();
  const words = [name.replace(/:.*$/, ''), namespace].map((word) => word.replaceAll(/[^A-Za-z0-9.-]/g, '-'));
  return words.filter((word) => word !== '').join('.') || 'authorization';
}

function httpService(
  check: Extract<ExternalAuth['check'], { protocol: 'http' }>,
  cluster: string,
  limits: EnvoyLimits,
): Message {
  const prefix = askedPrefix(check.path);
  return {
    server_uri: { uri: 'http://authorization', cluster, timeout: duration(limits.authTimeout) },
    retry_policy: askedAgain(limits),
    ...(prefix === '' ? {} : { path_prefix: prefix }),
    authorization_response: {
      allowed_upstream_headers: {
        patterns: check.responseHeaders === undefined ? [everything] : namedBy(check.responseHeaders),
      },
      allowed_client_headers: { patterns: [everything] },
    },
  };
}

/** What Envoy says to itself in a request. */
const ours: readonly Message[] = [SHARD_HEADER, 'x-envoy-retry-on'].map((name) => ({ exact: name }));

const everything: Message = { safe_regex: { regex: '.*' } };
const nothing: Message = { exact: ':' };

/** Patterns for names, of which Envoy wants one at least. */
function namedBy(names: readonly string[]): readonly Message[] {
  const patterns = names.filter(isFieldName).map(named);
  return patterns.length > 0 ? patterns : [nothing];
}

function named(name: string): Message {
  return { exact: name, ignore_case: true };
}
