// What Envoy does with HTTP before and after routes: limits, times, forwarded headers, answers of its own. The same for all listeners,
// and equal to what the embedded engine does.
import { accessLogs } from './access-log.ts';
import { http1Options, http2Options } from './clusters.ts';
import { type GuardedConnection, guardFilter, settlingFilter } from './guard.ts';
import type { EnvoyLimits } from './limits.ts';
import { localReplies } from './routes/answers.ts';
import { SHARD_HEADER } from './names.ts';
import { type CheckRoom, checkFilters, leastRoom } from './routes/checks.ts';
import { sessionFilter } from './routes/sessions.ts';
import { shardFilter } from './shard-filter.ts';
import { any, duration, extension, type Message, overAds } from './tree.ts';

export interface HttpSettings {
  readonly limits: EnvoyLimits;
  readonly trustedHops: number;
  readonly requestIds: boolean;
  /** Several threads listen on one port. Without it another program that would share the port is noticed. */
  readonly sharesPorts: boolean;
  /** File of the access log; '' = none. */
  readonly accessLog: string;
}

export const HTTP_MANAGER = 'envoy.filters.network.http_connection_manager';

/** Envoy wants them by name: beside WebSockets those of kubectl and docker (exec, attach, port-forward). */
const upgrades = ['websocket', 'SPDY/3.1', 'tcp'];

/** A setting of HTTP/2 that Envoy does not tell by itself (RFC 9113 section 6.5.2). */
const MAX_HEADER_LIST_SIZE = 6;

/** Commands of Envoy to itself that clients may not give. */
const commands = [
  'x-envoy-attempt-count',
  'x-envoy-decorator-operation',
  'x-envoy-expected-rq-timeout-ms',
  'x-envoy-external-address',
  'x-envoy-force-trace',
  'x-envoy-hedge-on-per-try-timeout',
  'x-envoy-internal',
  'x-envoy-ip-tags',
  'x-envoy-is-timeout-retry',
  'x-envoy-max-retries',
  'x-envoy-original-host',
  'x-envoy-original-path',
  'x-envoy-retriable-header-names',
  'x-envoy-retriable-status-codes',
  'x-envoy-retry-grpc-on',
  'x-envoy-retry-on',
  'x-envoy-upstream-alt-stat-name',
  'x-envoy-upstream-rq-per-try-timeout-ms',
  'x-envoy-upstream-rq-timeout-alt-response',
  'x-envoy-upstream-rq-timeout-ms',
  'x-envoy-upstream-stream-duration-ms',
];

export interface ManagedConnection extends Omit<GuardedConnection, 'targetBytes' | 'keptBytes' | 'settles'> {
  /** Key of the bind whose routes it has. */
  readonly bind: string;
  /** Host and port of the socket: what requests of HTTP/1.0 without a host are for. */
  readonly authority: string;
  readonly room: CheckRoom;
}

export function connectionManager(
  { bind, authority, room, ...connection }: ManagedConnection,
  settings: HttpSettings,
): Message {
  const { limits, trustedHops } = settings;
  // Services of the listener decide about the route, too.
  const settles = room.listener === leastRoom.listener;
  return extension(HTTP_MANAGER, 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
    stat_prefix: bind,
    codec_type: 'AUTO',
    scoped_routes: scopedRoutes,
    http_filters: [
      shardFilter(bind, room),
      guardFilter({ ...connection, targetBytes: limits.targetBytes, keptBytes: limits.bufferBytes, settles }),
      ...checkFilters('listener', room),
      ...(settles ? [] : [settlingFilter(limits.bufferBytes)]),
      ...checkFilters('rule', room),
      sessionFilter,
      extension('envoy.filters.http.router', 'envoy.extensions.filters.http.router.v3.Router', {
        suppress_envoy_headers: true,
      }),
    ],
    early_header_mutation_extensions: [earlyMutations(trustedHops > 0)],
    // X-Forwarded-For is written by the early mutations: Envoy itself would name another address for clients on loopback.
    use_remote_address: false,
    // For the log, and whoever else asks Envoy for the client: behind it in the list are trusted proxies.
    xff_num_trusted_hops: trustedHops,
    skip_xff_append: true,
    // Nobody is within: Envoy would say so in a header.
    internal_address_config: { cidr_ranges: [{ address_prefix: '255.255.255.255', prefix_len: 32 }] },
    ...requestIds(settings.requestIds),
    server_header_transformation: 'PASS_THROUGH',
    // The guard does it.
    normalize_path: false,
    path_with_escaped_slashes_action: 'KEEP_UNCHANGED',
    upgrade_configs: upgrades.map((upgrade_type) => ({ upgrade_type })),
    max_request_headers_kb: Math.ceil(limits.headBytes / 1024),
    request_headers_timeout: duration(limits.headTimeout),
    stream_idle_timeout: duration(limits.responseTimeout),
    drain_timeout: duration(limits.drainTimeout),
    common_http_protocol_options: {
      idle_timeout: duration(limits.idleTimeout),
      max_headers_count: limits.headFields,
      headers_with_underscores_action: 'ALLOW',
    },
    http_protocol_options: { ...http1Options, accept_http_10: true, default_host_for_http_10: authority },
    proxy_100_continue: true,
    http2_protocol_options: {
      ...http2Options(limits),
      custom_settings_parameters: [{ identifier: MAX_HEADER_LIST_SIZE, value: limits.headBytes }],
    },
    local_reply_config: localReplies(),
    ...accessLogs(settings.accessLog, 'http'),
  });
}

/** What the header says that the guard sets decides which routes a request has; the same for all listeners, so that they share them. */
const scopedRoutes: Message = {
  name: 'portolan',
  scope_key_builder: {
    fragments: [{ header_value_extractor: { name: SHARD_HEADER, index: 0 } }],
  },
  rds_config_source: overAds,
  scoped_rds: { scoped_rds_config_source: overAds },
};

function earlyMutations(trusted: boolean): Message {
  const removed = [
    ...commands,
    SHARD_HEADER,
    ...(trusted ? [] : ['x-forwarded-for', 'x-forwarded-port', 'x-forwarded-proto', 'forwarded']),
  ];
  return extension(
    'envoy.http.early_header_mutation.header_mutation',
    'envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation',
    {
      mutations: [
        ...removed.map((name) => ({ remove: name })),
        set('x-forwarded-for', `%REQ(x-forwarded-for)%, ${CLIENT}`, 'OVERWRITE_IF_EXISTS'),
        set('x-forwarded-for', CLIENT, 'ADD_IF_ABSENT'),
        set('x-forwarded-host', '%REQ(:authority)%', trusted ? 'ADD_IF_ABSENT' : 'OVERWRITE_IF_EXISTS_OR_ADD'),
      ],
    },
  );
}

const CLIENT = '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%';

function set(key: string, value: string, action: string): Message {
  return { append: { header: { key, value }, append_action: action } };
}

function requestIds(wanted: boolean): Message {
  return {
    generate_request_id: wanted,
    preserve_external_request_id: true,
    request_id_extension: {
      typed_config: any('envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig', { pack_trace_reason: false }),
    },
  };
}
