// Binds and their frontends -> Listeners: a filter chain for each TLS listener (and name of its routes, where they are streams), by
// server name; one for all without TLS.
import { HostTable } from '../../routing/match/frontends.ts';
import type { Bind, Frontend, Placement, Rule } from '../../routing/model.ts';
import { secretOf } from './clusters.ts';
import { connectionManager, type HttpSettings } from './connection-manager.ts';
import { certificateSecret, trustSecret } from './names.ts';
import { LARGEST_DATAGRAM, type StreamSettings, tcpProxy, udpProxy } from './streams.ts';
import type { CheckRoom } from './routes/checks.ts';
import { duration, extension, type Message } from './tree.ts';

const TLS = 'envoy.transport_sockets.tls';
const TLS_CONTEXT = 'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext';

/** A frontend of the bind, and what its connections are for where they are no HTTP. */
export interface ListenerOwner {
  readonly frontend: Frontend;
  /** By hostname; only of listeners for streams and datagrams. */
  readonly streams: readonly StreamHost[];
  /** It is not served; its names are not those of a less specific listener either. */
  readonly isOut: boolean;
}

export interface StreamHost {
  readonly hostname: string;
  /** The one that takes every connection; undefined: none does. */
  readonly rule: Rule | undefined;
}

export interface ListenerSettings extends HttpSettings, StreamSettings {
  /** Whether there is such a certificate. */
  readonly certified: (certificate: string) => boolean;
  readonly room: CheckRoom;
}

/** @param owners of the bind, from the most to the least specific hostname */
export function listenerResource(
  bind: Bind,
  placement: Placement,
  owners: readonly ListenerOwner[],
  settings: ListenerSettings,
): Message {
  const { limits } = settings;
  if (bind.transport === 'udp') {
    return {
      name: bind.key,
      address: socketAddress(placement, 'UDP'),
      udp_listener_config: { downstream_socket_config: { max_rx_datagram_size: LARGEST_DATAGRAM } },
      listener_filters: [udpProxy(bind.key, owners[0] && ruleOf(owners[0]), settings)],
      enable_reuse_port: settings.sharesPorts,
    };
  }
  const filters = listenerFilters(bind);
  return {
    name: bind.key,
    address: socketAddress(placement, 'TCP'),
    filter_chains:
      bind.security === 'tls'
        ? tlsChains(bind, placement, owners, settings)
        : [plainChain(bind, placement, owners, settings)],
    ...(filters.length > 0 ? { listener_filters: filters } : {}),
    listener_filters_timeout: duration(limits.headTimeout),
    per_connection_buffer_limit_bytes: limits.bufferBytes,
    enable_reuse_port: settings.sharesPorts,
  };
}

function plainChain(
  bind: Bind,
  placement: Placement,
  owners: readonly ListenerOwner[],
  settings: ListenerSettings,
): Message {
  const tcp = owners.find(({ frontend }) => frontend.protocol === 'TCP');
  const filter =
    tcp === undefined
      ? connectionManager(
          { bind: bind.key, authority: authorityOf(placement), validation: '', room: settings.room },
          settings,
        )
      : tcpProxy(bind.key, ruleOf(tcp), false, settings);
  return { name: bind.key, filters: [filter] };
}

/** Without server names there is one. */
function ruleOf({ streams, isOut }: ListenerOwner): Rule | undefined {
  return isOut ? undefined : streams[0]?.rule;
}

/** Each server name has one chain: that of the most specific listener, and within it of its most specific route. */
function tlsChains(
  bind: Bind,
  placement: Placement,
  owners: readonly ListenerOwner[],
  settings: ListenerSettings,
): readonly Message[] {
  const table = new HostTable<ListenerOwner>();
  for (const owner of owners) {
    if (table.get(owner.frontend.hostname) === undefined) table.set(owner.frontend.hostname, owner);
  }
  const http = { bind: bind.key, authority: authorityOf(placement), room: settings.room };
  return [...table.values()].flatMap((owner) => {
    const { frontend, streams, isOut } = owner;
    if (isOut) return [closed(frontend, settings)];
    const certified = frontend.tls?.mode !== 'terminate' || frontend.tls.certificates.some(settings.certified);
    if (frontend.protocol !== 'TLS') {
      const filter = connectionManager(
        { ...http, frontend: frontend.key, validation: validationOf(frontend) },
        settings,
      );
      return [certified ? chain(frontend, frontend.hostname, filter, settings) : closed(frontend, settings)];
    }
    if (!certified) return [closed(frontend, settings)];
    const passthrough = frontend.tls?.mode === 'passthrough';
    return streams
      .filter(({ hostname }) => table.lookUp(hostname) === owner)
      .map(({ hostname, rule }) =>
        rule === undefined
          ? closed(frontend, settings, hostname)
          : chain(frontend, hostname, tcpProxy(frontend.key, rule, passthrough, settings), settings),
      );
  });
}

function chain(frontend: Frontend, hostname: string, filter: Message, settings: ListenerSettings): Message {
  const protocols = frontend.protocol === 'TLS' ? [] : ['h2', 'http/1.1'];
  return {
    name: `${frontend.key}|${hostname}`,
    filter_chain_match: chainMatch(hostname),
    filters: [filter],
    ...(frontend.tls?.mode === 'terminate'
      ? {
          transport_socket_connect_timeout: duration(settings.limits.headTimeout),
          transport_socket: extension(TLS, TLS_CONTEXT, terminating(frontend.tls, protocols, settings)),
        }
      : {}),
  };
}

/** Nobody answers there, not even with a handshake: it must not fall to a less specific listener. */
function closed(frontend: Frontend, settings: ListenerSettings, hostname: string = frontend.hostname): Message {
  return {
    name: `${frontend.key}|${hostname}`,
    filter_chain_match: chainMatch(hostname),
    filters: [tcpProxy(frontend.key, undefined, true, settings)],
  };
}

function chainMatch(hostname: string): Message {
  return { ...(hostname === '' ? {} : { server_names: [hostname] }), transport_protocol: 'tls' };
}

function listenerFilters(bind: Bind): readonly Message[] {
  return [
    ...(bind.proxyProtocol === true
      ? [
          extension(
            'envoy.filters.listener.proxy_protocol',
            'envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol',
          ),
        ]
      : []),
    ...(bind.security === 'tls'
      ? [
          extension(
            'envoy.filters.listener.tls_inspector',
            'envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector',
          ),
        ]
      : []),
  ];
}

function authorityOf({ address, port }: Placement): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Tells apart what listeners ask of their clients; '' = nothing. */
export function validationOf({ tls }: Pick<Frontend, 'tls'>): string {
  if (tls?.mode !== 'terminate' || tls.clients === undefined) return '';
  return JSON.stringify([tls.clients.mode, ...tls.clients.authorities]);
}

type Termination = Extract<NonNullable<Frontend['tls']>, { mode: 'terminate' }>;

/** A DownstreamTlsContext. @param protocols for ALPN; none: what is inside is for the backend to agree on */
function terminating(
  { certificates, clients }: Termination,
  protocols: readonly string[],
  { certified }: ListenerSettings,
): Message {
  return {
    common_tls_context: {
      tls_params: { tls_minimum_protocol_version: 'TLSv1_2' },
      tls_certificate_sds_secret_configs: certificates.filter(certified).map((key) => secretOf(certificateSecret(key))),
      ...(protocols.length > 0 ? { alpn_protocols: protocols } : {}),
      ...(clients === undefined
        ? {}
        : clients.mode === 'require'
          ? { validation_context_sds_secret_config: secretOf(trustSecret(clients.authorities)) }
          : {
              combined_validation_context: {
                default_validation_context: { trust_chain_verification: 'ACCEPT_UNTRUSTED' },
                validation_context_sds_secret_config: secretOf(trustSecret(clients.authorities)),
              },
            }),
    },
    ...(clients?.mode === 'require' ? { require_client_certificate: true } : {}),
  };
}

function socketAddress({ address, port }: Placement, protocol: 'TCP' | 'UDP'): Message {
  return {
    socket_address: {
      protocol,
      address,
      port_value: port,
      ...(address === '::' ? { ipv4_compat: true } : {}),
    },
  };
}
