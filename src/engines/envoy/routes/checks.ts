// External authorisation (GEP-1494, GEP-5224) -> ext_authz of Envoy, with settings of its own for each rule or listener: a composite
// filter stands in every chain, and the route that was found says what it executes. What of other filters comes before the check,
// the guard does.
import type { ExternalAuth, Filter } from '../../../routing/filters.ts';
import { askedPrefix } from '../../../routing/filters/external-auth.ts';
import {
  compileHeaderChanges,
  type HeaderPlan,
  isFieldName,
  noHeaderChanges,
} from '../../../routing/filters/header-changes.ts';
import type { EnvoyLimits } from '../limits.ts';
import { any, duration, extension, type Message } from '../tree.ts';

/** Names of filters: of listeners, which run before a route is looked for, and of rules. */
export const LISTENER_CHECK = 'portolan.listener-check';
export const RULE_CHECK = 'portolan.rule-check';

const COMPOSITE = 'envoy.extensions.filters.http.composite.v3';
const MATCHING = 'envoy.extensions.common.matching.v3';

/** A filter that does nothing unless a route says what. */
export function checkFilter(name: string): Message {
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

export interface CheckedFilters {
  /** The one that is asked; undefined: nobody. */
  readonly auth: ExternalAuth | undefined;
  /** What happens to the request before. */
  readonly before: HeaderPlan;
  /** What is left to do behind it, in the order written. */
  readonly rest: readonly Filter[];
  /** There is more than Envoy can ask for one request. */
  readonly tooMany: boolean;
}

export function splitAtCheck(filters: readonly Filter[]): CheckedFilters {
  const checks = filters.filter((filter) => filter.kind === 'external-auth');
  const at = filters.findIndex(({ kind }) => kind === 'external-auth');
  const [auth] = checks;
  if (auth === undefined) return { auth, before: noHeaderChanges, rest: filters, tooMany: false };
  const early = filters.slice(0, at);
  const plan = compileHeaderChanges(early.filter((filter) => filter.kind === 'request-headers'));
  // Only the service may say what is listed: what the client says of it goes.
  const said = auth.check.protocol === 'http' ? (auth.check.responseHeaders ?? []) : [];
  const before = { dropped: new Set([...plan.dropped, ...said]), appended: plan.appended };
  const rest = [...early.filter(({ kind }) => kind !== 'request-headers'), ...filters.slice(at + 1)];
  return { auth, before, rest, tooMany: checks.length > 1 };
}

/** The field `typed_per_filter_config` of a Route or VirtualHost; its cluster is there. */
export function checkConfig(
  name: string,
  auth: ExternalAuth & { readonly cluster: string },
  limits: EnvoyLimits,
): Message {
  const action = any(`${COMPOSITE}.ExecuteFilterAction`, {
    typed_config: extension(
      'ext_authz',
      'envoy.extensions.filters.http.ext_authz.v3.ExtAuthz',
      settings(auth, limits, name === LISTENER_CHECK),
    ),
  });
  return {
    [name]: any(`${MATCHING}.ExtensionWithMatcherPerRoute`, {
      xds_matcher: { on_no_match: { action: { name: 'check', typed_config: action } } },
    }),
  };
}

/** Headers of an answer that frame a message, or describe content that is not the request's. */
const neverGiven =
  '(?i)(?::.*|host|connection|content-(?:encoding|language|length|location|range|type)|keep-alive|proxy-connection|te|trailer|transfer-encoding|upgrade|http2-settings)';

function settings(auth: ExternalAuth & { readonly cluster: string }, limits: EnvoyLimits, rematch: boolean): Message {
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
    num_retries: 2,
    // The longest pause is how long Envoy waits for each answer, too.
    retry_back_off: { base_interval: '0.001s', max_interval: duration(Math.max(1, authTimeout)) },
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
