// Binds and their frontends -> Listeners: a filter chain for each TLS listener, by server name; one for all without TLS.
import type { Bind, Frontend, Placement } from '../../routing/model.ts';
import { secretOf } from './clusters.ts';
import { connectionManager, type HttpSettings } from './connection-manager.ts';
import { certificateSecret, trustSecret } from './names.ts';
import { duration, extension, type Message } from './tree.ts';

const TLS = 'envoy.transport_sockets.tls';
const TLS_CONTEXT = 'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext';

/** @param frontends of the bind, from the most to the least specific hostname */
export function httpListener(
  bind: Bind,
  placement: Placement,
  frontends: readonly Frontend[],
  settings: HttpSettings,
): Message {
  const http = { routes: bind.key, authority: authorityOf(placement) };
  const chains =
    bind.security === 'none'
      ? [{ name: bind.key, filters: [connectionManager({ ...http, validation: '' }, settings)] }]
      : frontends.map((frontend) => tlsChain(frontend, http, settings));
  return {
    name: bind.key,
    address: socketAddress(placement, 'TCP'),
    filter_chains: chains,
    ...(bind.security === 'tls' || bind.proxyProtocol === true ? { listener_filters: listenerFilters(bind) } : {}),
    listener_filters_timeout: duration(settings.limits.headTimeout),
    per_connection_buffer_limit_bytes: settings.limits.bufferBytes,
    enable_reuse_port: true,
  };
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

function tlsChain(
  frontend: Frontend,
  http: { readonly routes: string; readonly authority: string },
  settings: HttpSettings,
): Message {
  return {
    name: frontend.key,
    filter_chain_match: {
      ...(frontend.hostname === '' ? {} : { server_names: [frontend.hostname] }),
      transport_protocol: 'tls',
    },
    filters: [connectionManager({ ...http, frontend: frontend.key, validation: validationOf(frontend) }, settings)],
    transport_socket_connect_timeout: duration(settings.limits.headTimeout),
    transport_socket: extension(TLS, TLS_CONTEXT, terminating(frontend, ['h2', 'http/1.1'])),
  };
}

/** Tells apart what listeners ask of their clients; '' = nothing. */
export function validationOf({ tls }: Pick<Frontend, 'tls'>): string {
  if (tls?.mode !== 'terminate' || tls.clients === undefined) return '';
  return JSON.stringify([tls.clients.mode, ...tls.clients.authorities]);
}

/** A DownstreamTlsContext. @param protocols for ALPN; none: what is inside is for the backend to agree on */
export function terminating({ tls }: Frontend, protocols: readonly string[]): Message {
  if (tls?.mode !== 'terminate') throw new Error('a listener that terminates TLS says how');
  const { certificates, clients } = tls;
  return {
    common_tls_context: {
      tls_params: { tls_minimum_protocol_version: 'TLSv1_2' },
      tls_certificate_sds_secret_configs: certificates.map((key) => secretOf(certificateSecret(key))),
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

export function socketAddress({ address, port }: Placement, protocol: 'TCP' | 'UDP'): Message {
  return {
    socket_address: {
      protocol,
      address,
      port_value: port,
      ...(address === '::' ? { ipv4_compat: true } : {}),
    },
  };
}
