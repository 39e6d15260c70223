// What an Envoy is started with: where its configuration comes from, and what cannot come from there.
import { isIP } from 'node:net';
import type { EnvoyLimits } from './limits.ts';
import { any, duration, extension, type Message, overAds } from './tree.ts';

export interface BootstrapOptions {
  readonly node: { readonly id: string; readonly cluster: string };
  /** A gRPC server of delta discovery: a socket in the file system, or a controller elsewhere. */
  readonly xds: { readonly socket: string } | Controller;
  /** Of the admin interface: a socket in the file system, or an address of this machine. */
  readonly admin: string | Address;
  readonly limits: EnvoyLimits;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface Controller extends Address {
  /** That its certificate has to be for. */
  readonly serverName: string;
  /** Files with the Secrets `identity` and `authorities` (`secretFiles`). */
  readonly identity: string;
  readonly authorities: string;
}

const XDS = 'portolan-xds';
/** When the stream has ended. Without it an Envoy may wait for half a minute, and what changes meanwhile with it. */
const comeBack: Message = { base_interval: duration(500), max_interval: duration(5000) };
/** Envoy refuses expressions beyond 100 instructions, unless told otherwise; the model bounds them by their length. */
const ANY_PROGRAM = 4_294_967_295;

/** Of each RouteConfiguration, which are a thousand: they would be most of what /metrics says, and what is refused is told anyway. */
const perTable = String.raw`http\..*/tcp\.rds\..*/tcp/(?:\d+|patterns|host/.*)\.\w+`;

export function bootstrap({ node, xds, admin, limits }: BootstrapOptions): Message {
  return {
    node,
    admin: { address: typeof admin === 'string' ? { pipe: { path: admin } } : socketAddress(admin) },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: XDS, retry_policy: { retry_back_off: comeBack } } }],
        set_node_on_first_message_only: true,
      },
      cds_config: overAds,
      lds_config: overAds,
    },
    static_resources: { clusters: ['socket' in xds ? localCluster(xds.socket) : remoteCluster(xds)] },
    stats_config: { stats_matcher: { exclusion_list: { patterns: [{ safe_regex: { regex: perTable } }] } } },
    layered_runtime: {
      layers: [
        {
          name: 'portolan',
          static_layer: {
            // Repeated lines are one list, as for the embedded engine and in RFC 9110 section 5.3.
            'envoy.reloadable_features.match_headers_individually': false,
            re2: { max_program_size: { error_level: ANY_PROGRAM, warn_level: ANY_PROGRAM } },
          },
        },
      ],
    },
    overload_manager: {
      resource_monitors: [
        {
          name: 'envoy.resource_monitors.global_downstream_max_connections',
          typed_config: any(
            'envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig',
            { max_active_downstream_connections: limits.connections },
          ),
        },
      ],
    },
  };
}

/** The folder that holds `tls.crt`, `tls.key` and `ca.crt`, as the Secrets by which an Envoy and a controller know each other. */
export function secretFiles(folder: string): { readonly identity: Message; readonly authorities: Message } {
  // A file that is moved into the folder, or a link of it that leads elsewhere (as in mounted Secrets), is read anew.
  const watched_directory = { path: folder };
  const secret = (fields: Message): Message => ({
    resources: [any('envoy.extensions.transport_sockets.tls.v3.Secret', fields)],
  });
  return {
    identity: secret({
      name: IDENTITY,
      tls_certificate: {
        certificate_chain: { filename: `${folder}/tls.crt` },
        private_key: { filename: `${folder}/tls.key` },
        watched_directory,
      },
    }),
    authorities: secret({
      name: AUTHORITIES,
      validation_context: { trusted_ca: { filename: `${folder}/ca.crt` }, watched_directory },
    }),
  };
}

/** Milliseconds after which a connection takes no further stream. */
const RECONNECT = 3_600_000;

const IDENTITY = 'identity';
const AUTHORITIES = 'authorities';

function localCluster(socket: string): Message {
  return { type: 'STATIC', ...xdsCluster({ pipe: { path: socket } }) };
}

function remoteCluster({ host, port, serverName, identity, authorities }: Controller): Message {
  const isName = isIP(serverName) === 0;
  const secret = (name: string, path: string): Message => ({
    name,
    sds_config: { path_config_source: { path }, resource_api_version: 'V3' },
  });
  return {
    type: isIP(host) === 0 ? 'STRICT_DNS' : 'STATIC',
    dns_lookup_family: 'ALL',
    ...xdsCluster(socketAddress({ host, port }), {
      // Its stream stays. When that ends with the certificate that it began with, the next one is on a connection with the next.
      common_http_protocol_options: { max_connection_duration: duration(RECONNECT) },
    }),
    transport_socket: extension(
      'envoy.transport_sockets.tls',
      'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
      {
        ...(isName ? { sni: serverName } : {}),
        common_tls_context: {
          tls_params: { tls_minimum_protocol_version: 'TLSv1_2' },
          alpn_protocols: ['h2'],
          tls_certificate_sds_secret_configs: [secret(IDENTITY, identity)],
          combined_validation_context: {
            default_validation_context: {
              match_typed_subject_alt_names: [
                { san_type: isName ? 'DNS' : 'IP_ADDRESS', matcher: { exact: serverName } },
              ],
            },
            validation_context_sds_secret_config: secret(AUTHORITIES, authorities),
          },
        },
      },
    ),
  };
}

function socketAddress({ host, port }: Address): Message {
  return { socket_address: { address: host, port_value: port } };
}

function xdsCluster(address: Message, options: Message = {}): Message {
  return {
    name: XDS,
    connect_timeout: duration(5000),
    load_assignment: {
      cluster_name: XDS,
      endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }],
    },
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': any(
        'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        {
          ...options,
          explicit_http_config: {
            http2_protocol_options: { connection_keepalive: { interval: '30s', timeout: '10s' } },
          },
        },
      ),
    },
  };
}
