// Streams and datagrams: rules of TCP, TLS and UDP listeners -> the proxies of Envoy that need no HTTP. Who has no backend is let go.
import type { Rule } from '../../routing/model.ts';
import type { EnvoyLimits } from './limits.ts';
import { UNRESOLVED } from './routes/route.ts';
import { accessLogs } from './access-log.ts';
import { any, duration, extension, type Message } from './tree.ts';

/** For one connection: each draws an endpoint by chance, so that of two the one that is down may come several times. */
const ATTEMPTS = 8;
/** Octets. */
export const LARGEST_DATAGRAM = 65_535;
const UDP_ROUTE = 'envoy.extensions.filters.udp.udp_proxy.v3.Route';

/** Of a cluster for streams: the same without TLS of its own, for streams that are TLS already. */
export function plainVariant(cluster: string): string {
  return `${cluster}|passthrough`;
}

export interface StreamSettings {
  readonly limits: EnvoyLimits;
  /** File of the access log; '' = none. */
  readonly accessLog: string;
}

interface Share {
  readonly cluster: string;
  readonly weight: number;
}

/** A network filter. @param rule undefined: no route takes the connection, and it is closed */
export function tcpProxy(
  name: string,
  rule: Rule | undefined,
  passthrough: boolean,
  settings: StreamSettings,
): Message {
  const shares = sharesOf(rule, (cluster) => (passthrough ? plainVariant(cluster) : cluster));
  const [first] = shares;
  return extension('envoy.filters.network.tcp_proxy', 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', {
    stat_prefix: name,
    ...(shares.length > 1
      ? { weighted_clusters: { clusters: shares.map(({ cluster, weight }) => ({ name: cluster, weight })) } }
      : { cluster: first?.cluster ?? UNRESOLVED }),
    max_connect_attempts: ATTEMPTS,
    idle_timeout: duration(settings.limits.tunnelTimeout),
    ...accessLogs(settings.accessLog, { listener: name }),
  });
}

/** A listener filter. */
export function udpProxy(name: string, rule: Rule | undefined, { limits }: StreamSettings): Message {
  const shares = sharesOf(rule, (cluster) => cluster);
  return extension('envoy.filters.udp_listener.udp_proxy', 'envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig', {
    stat_prefix: name,
    matcher: udpMatcher(shares.length > 0 ? shares : [{ cluster: UNRESOLVED, weight: 1 }]),
    idle_timeout: duration(limits.udpIdleTimeout),
    upstream_socket_config: { max_rx_datagram_size: LARGEST_DATAGRAM },
  });
}

function sharesOf(rule: Rule | undefined, name: (cluster: string) => string): readonly Share[] {
  if (rule?.action.kind !== 'forward') return [];
  return rule.action.backends
    .filter(({ weight }) => weight > 0)
    .map(({ target, weight }) => ({ cluster: target.kind === 'cluster' ? name(target.cluster) : UNRESOLVED, weight }));
}

/** Which cluster takes the datagrams of a client is drawn by its port, so that it stays with it. */
function udpMatcher(shares: readonly Share[]): Message {
  const total = shares.reduce((sum, { weight }) => sum + weight, 0);
  const last = shares.at(-1) as Share;
  let below = 0;
  const matchers = shares.slice(0, -1).map(({ cluster, weight }) => {
    below += weight;
    return {
      // The matcher takes what hashes to the threshold or above: everything but what is for this share and those before.
      predicate: { not_matcher: { single_predicate: byPort(below, total) } },
      on_match: udpRoute(cluster),
    };
  });
  return {
    ...(matchers.length > 0 ? { matcher_list: { matchers } } : {}),
    on_no_match: udpRoute(last.cluster),
  };
}

function byPort(threshold: number, modulo: number): Message {
  return {
    input: {
      name: 'port',
      typed_config: any('envoy.extensions.matching.common_inputs.network.v3.SourcePortInput'),
    },
    custom_match: {
      name: 'share',
      typed_config: any('envoy.extensions.matching.input_matchers.consistent_hashing.v3.ConsistentHashing', {
        threshold,
        modulo,
      }),
    },
  };
}

function udpRoute(cluster: string): Message {
  return { action: { name: 'route', typed_config: any(UDP_ROUTE, { cluster }) } };
}
