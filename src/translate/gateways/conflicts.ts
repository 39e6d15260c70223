// Listeners of one Gateway against each other. Within a Gateway no winner is chosen: all listeners that cannot be told
// apart are refused, and the others serve (Gateway.spec.listeners, "Distinct Listeners").
import { coversHost } from '../../routing/match/hostnames.ts';
import { protocolRow } from './protocols.ts';

export interface ContestedListener {
  readonly name: string;
  readonly port: number;
  readonly protocol: string;
  readonly hostname: string;
}

export interface Conflict {
  readonly code: 'ProtocolConflict' | 'HostnameConflict';
  /** The names of the others. */
  readonly listeners: readonly string[];
}

/** By index of the listener. */
export function conflictsOf(listeners: readonly ContestedListener[]): readonly (Conflict | undefined)[] {
  return listeners.map((listener) => {
    const rivals = listeners.filter((other) => other !== listener && sharesPort(listener, other));
    const foreign = rivals.filter((other) => !mayShare(listener, other));
    if (foreign.length > 0) return { code: 'ProtocolConflict', listeners: foreign.map(({ name }) => name) };
    const same = rivals.filter((other) => other.protocol === listener.protocol && other.hostname === listener.hostname);
    return same.length === 0 ? undefined : { code: 'HostnameConflict', listeners: same.map(({ name }) => name) };
  });
}

/** TCP and UDP have ports of their own. A protocol that nobody knows opens no port. */
function sharesPort(a: ContestedListener, b: ContestedListener): boolean {
  const transport = protocolRow(a.protocol)?.transport;
  return a.port === b.port && transport !== undefined && transport === protocolRow(b.protocol)?.transport;
}

/** HTTP by the Host header; HTTPS and TLS by SNI; TCP and UDP by nothing. */
function mayShare(a: ContestedListener, b: ContestedListener): boolean {
  const family = familyOf(a.protocol);
  return family !== 'port' && family === familyOf(b.protocol);
}

function familyOf(protocol: string): 'host' | 'sni' | 'port' {
  if (protocol === 'HTTP') return 'host';
  return protocol === 'HTTPS' || protocol === 'TLS' ? 'sni' : 'port';
}

/** Listeners with TLS on one port whose hostnames overlap: a client may reuse a connection across them (GEP-3567). */
export function overlapsOf(listeners: readonly ContestedListener[]): readonly (readonly string[])[] {
  return listeners.map((listener) => {
    if (familyOf(listener.protocol) !== 'sni') return [];
    return listeners
      .filter(
        (other) =>
          other !== listener &&
          other.port === listener.port &&
          familyOf(other.protocol) === 'sni' &&
          (coversHost(other.hostname, listener.hostname) || coversHost(listener.hostname, other.hostname)),
      )
      .map(({ name }) => name);
  });
}
