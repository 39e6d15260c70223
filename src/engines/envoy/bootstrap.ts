// What an Envoy is started with: where its configuration comes from, and what cannot come from there.
import type { EnvoyLimits } from './limits.ts';
import { any, duration, type Message, overAds } from './tree.ts';

export interface BootstrapOptions {
  readonly node: { readonly id: string; readonly cluster: string };
  /** A gRPC server of delta discovery: a socket in the file system. */
  readonly xds: { readonly socket: string };
  /** Socket in the file system of the admin interface. */
  readonly admin: string;
  readonly limits: EnvoyLimits;
}

const XDS = 'portolan-xds';
/** Envoy refuses expressions beyond 100 instructions, unless told otherwise; the model bounds them by their length. */
const ANY_PROGRAM = 4_294_967_295;

export function bootstrap({ node, xds, admin, limits }: BootstrapOptions): Message {
  return {
    node,
    admin: { address: { pipe: { path: admin } } },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: XDS } }],
        set_node_on_first_message_only: true,
      },
      cds_config: overAds,
      lds_config: overAds,
    },
    static_resources: { clusters: [xdsCluster(xds.socket)] },
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

function xdsCluster(socket: string): Message {
  return {
    name: XDS,
    type: 'STATIC',
    connect_timeout: duration(5000),
    load_assignment: {
      cluster_name: XDS,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path: socket } } } }] }],
    },
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': any(
        'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        {
          explicit_http_config: {
            http2_protocol_options: { connection_keepalive: { interval: '30s', timeout: '10s' } },
          },
        },
      ),
    },
  };
}
