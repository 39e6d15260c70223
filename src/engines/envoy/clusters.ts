// Clusters of the model -> Clusters of Envoy, whose endpoints come by themselves.
import type { Cluster, ClusterTls } from '../../routing/model.ts';
import type { EnvoyLimits } from './limits.ts';
import { certificateSecret, trustSecret } from './names.ts';
import { any, duration, extension, type Message, overAds } from './tree.ts';

const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
/** There is no limit that a budget, or a limit of requests, does not set. */
const UNBOUNDED = 1_000_000_000;
/** Milliseconds that a connection waits for its client, whose end Envoy does not tell it. */
const OWNED_IDLE = 5000;

export interface ClusterTrust {
  /** PEM file with the authorities of the machine. */
  readonly system: string;
  /** Of the authorities of the cluster; undefined: those of the machine, or no TLS. */
  readonly digest: string | undefined;
}

export function clusterResource(row: Cluster, limits: EnvoyLimits, { system, digest }: ClusterTrust): Message {
  const { protocol } = row;
  const http = protocol === 'http1' || protocol === 'h2c' || protocol === 'h2';
  const socket = transportSocket(row, system);
  return {
    name: row.key,
    type: 'EDS',
    eds_cluster_config: { eds_config: overAds, service_name: row.endpoints },
    connect_timeout: duration(limits.connectTimeout),
    lb_policy: 'LEAST_REQUEST',
    common_lb_config: { healthy_panic_threshold: { value: 0 } },
    ignore_health_on_host_removal: true,
    per_connection_buffer_limit_bytes: limits.bufferBytes,
    circuit_breakers: { thresholds: [breakers(row)] },
    outlier_detection: skipping(limits),
    ...(http
      ? {
          typed_extension_protocol_options: {
            [HTTP_OPTIONS]: protocolOptions(protocol, limits, row.proxyProtocol !== undefined),
          },
        }
      : {}),
    ...(socket === undefined ? {} : { transport_socket: socket }),
    // Another cluster for Envoy when its authorities are others: no connection and no session outlives those that verified it.
    ...(digest === undefined ? {} : { metadata: { filter_metadata: { 'portolan.authorities': { digest } } } }),
    upstream_connection_options: { tcp_keepalive: {} },
    // A header in front says whose the connection is.
    ...(row.proxyProtocol === undefined ? {} : { connection_pool_per_downstream_connection: true }),
  };
}

function breakers({ retryBudget }: Cluster): Message {
  return {
    max_connections: UNBOUNDED,
    max_pending_requests: UNBOUNDED,
    max_requests: UNBOUNDED,
    ...(retryBudget === undefined
      ? { max_retries: UNBOUNDED }
      : {
          retry_budget: {
            budget_percent: { value: retryBudget.percent },
            min_retry_concurrency: retryBudget.minimum.count,
          },
        }),
  };
}

/** An endpoint that cannot be reached is left out for a while, though never all of them. */
function skipping(limits: EnvoyLimits): Message {
  return {
    split_external_local_origin_errors: true,
    consecutive_local_origin_failure: 2,
    enforcing_consecutive_local_origin_failure: 100,
    enforcing_local_origin_success_rate: 0,
    enforcing_consecutive_5xx: 0,
    enforcing_consecutive_gateway_failure: 0,
    enforcing_success_rate: 0,
    max_ejection_percent: 90,
    interval: duration(limits.skipTimeout),
    base_ejection_time: duration(limits.skipTimeout),
    max_ejection_time: duration(Math.max(limits.skipTimeout, limits.longestSkip)),
  };
}

/** @param owned connections belong to one client */
function protocolOptions(protocol: Cluster['protocol'], limits: EnvoyLimits, owned: boolean): Message {
  const http2 = protocol === 'h2c' || protocol === 'h2';
  return any(HTTP_OPTIONS, {
    common_http_protocol_options: {
      idle_timeout: duration(owned ? Math.min(limits.poolTimeout, OWNED_IDLE) : limits.poolTimeout),
      max_headers_count: limits.headFields,
    },
    explicit_http_config: http2
      ? { http2_protocol_options: http2Options(limits) }
      : { http_protocol_options: http1Options },
  });
}

/** Names keep their spelling, in both directions, and trailers pass. */
export const http1Options: Message = {
  enable_trailers: true,
  header_key_format: {
    stateful_formatter: extension(
      'preserve_case',
      'envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig',
      { formatter_type_on_envoy_headers: 'PROPER_CASE' },
    ),
  },
};

export function http2Options({ streams, streamWindow, connectionWindow }: EnvoyLimits): Message {
  return {
    max_concurrent_streams: streams,
    initial_stream_window_size: streamWindow,
    initial_connection_window_size: connectionWindow,
    // What is wrong with one message ends its stream, and not those beside it.
    override_stream_error_on_invalid_http_message: true,
  };
}

function transportSocket({ tls, protocol, proxyProtocol }: Cluster, systemTrust: string): Message | undefined {
  const inner =
    tls === undefined
      ? undefined
      : extension('envoy.transport_sockets.tls', 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', {
          sni: isServerName(tls.serverName) ? tls.serverName : '',
          common_tls_context: tlsContext(tls, protocol, systemTrust),
        });
  if (proxyProtocol === undefined) return inner;
  return extension(
    'envoy.transport_sockets.upstream_proxy_protocol',
    'envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport',
    {
      config: { version: proxyProtocol === 'v1' ? 'V1' : 'V2' },
      transport_socket:
        inner ??
        extension('envoy.transport_sockets.raw_buffer', 'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer'),
    },
  );
}

function tlsContext(tls: ClusterTls, protocol: Cluster['protocol'], systemTrust: string): Message {
  const names = tls.names.map(({ type, value }) => ({
    san_type: type === 'dns' ? 'DNS' : 'URI',
    matcher: { exact: value },
  }));
  // Of no names none will do: Envoy would take any.
  const expected = {
    match_typed_subject_alt_names: names.length > 0 && isServerName(tls.serverName) ? names : [noName],
  };
  return {
    tls_params: { tls_minimum_protocol_version: 'TLSv1_2' },
    ...(protocol === 'h2' ? { alpn_protocols: ['h2'] } : protocol === 'http1' ? { alpn_protocols: ['http/1.1'] } : {}),
    ...(tls.certificate === undefined
      ? {}
      : { tls_certificate_sds_secret_configs: [secretOf(certificateSecret(tls.certificate))] }),
    ...(tls.authorities === 'system'
      ? { validation_context: { ...expected, trusted_ca: { filename: systemTrust } } }
      : {
          combined_validation_context: {
            default_validation_context: expected,
            validation_context_sds_secret_config: secretOf(trustSecret(tls.authorities)),
          },
        }),
  };
}

/** One that TLS can carry; with another one nobody is believed. */
function isServerName(name: string): boolean {
  return /^[\x21-\x7e]{1,255}$/.test(name);
}

const noName: Message = { san_type: 'DNS', matcher: { exact: '.' } };

export function secretOf(name: string): Message {
  return { name, sds_config: overAds };
}
