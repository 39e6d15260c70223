// Listeners of one Gateway and its ListenerSets against each other. Within the Gateway no winner is chosen: all listeners that
// cannot be told apart are refused, and the others serve (Gateway.spec.listeners, "Distinct Listeners"). Of ListenerSets the
// first to come has the place: the Gateway's own, then older sets, then by namespace and name (GEP-1713).
import { isWildcard } from '../../routing/match/hostnames.ts';
import { protocolRow } from './protocols.ts';

export interface ContestedListener {
  /** As others are told of it. */
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

/** So many others are named; the rest are only more of the same. */
const NAMED = 8;

/**
 * By index of the listener.
 * @param own so many of them, from the first on, are the Gateway's own
 */
export function conflictsOf(listeners: readonly ContestedListener[], own: number): readonly (Conflict | undefined)[] {
  const ports = new Map<string, Port>();
  for (const listener of listeners.slice(0, own)) portOf(listener, ports)?.claim(listener);
  return listeners.map((listener, index) => {
    const port = portOf(listener, ports);
    if (port === undefined) return undefined;
    const conflict = port.conflict(listener);
    if (index >= own && conflict === undefined) port.claim(listener);
    return conflict;
  });
}

/** TCP and UDP have ports of their own. A protocol that nobody knows opens no port. */
function portOf({ port, protocol }: ContestedListener, ports: Map<string, Port>): Port | undefined {
  const transport = protocolRow(protocol)?.transport;
  if (transport === undefined) return undefined;
  const key = `${port}/${transport}`;
  let found = ports.get(key);
  if (found === undefined) ports.set(key, (found = new Port()));
  return found;
}

/** Who claims one port. HTTP is told apart by the Host header; HTTPS and TLS by SNI; TCP and UDP by nothing. */
class Port {
  readonly #families = new Map<Family, ContestedListener[]>();
  readonly #hosts = new Map<string, ContestedListener[]>();

  claim(listener: ContestedListener): void {
    add(this.#families, familyOf(listener.protocol), listener);
    add(this.#hosts, listener.hostname, listener);
  }

  conflict(listener: ContestedListener): Conflict | undefined {
    const family = familyOf(listener.protocol);
    for (const [other, claims] of this.#families) {
      if (other === family && family !== 'port') continue;
      const foreign = namesOf(claims, listener);
      if (foreign.length > 0) return { code: 'ProtocolConflict', listeners: foreign };
    }
    const same = namesOf(this.#hosts.get(listener.hostname) ?? [], listener);
    return same.length === 0 ? undefined : { code: 'HostnameConflict', listeners: same };
  }
}

function add<K>(lists: Map<K, ContestedListener[]>, key: K, listener: ContestedListener): void {
  const list = lists.get(key);
  if (list) list.push(listener);
  else lists.set(key, [listener]);
}

function namesOf(listeners: readonly ContestedListener[], except: ContestedListener): readonly string[] {
  const names: string[] = [];
  for (const listener of listeners) {
    if (listener === except) continue;
    names.push(listener.name);
    if (names.length === NAMED) break;
  }
  return names;
}

type Family = 'host' | 'sni' | 'port';

function familyOf(protocol: string): Family {
  if (protocol === 'HTTP') return 'host';
  return protocol === 'HTTPS' || protocol === 'TLS' ? 'sni' : 'port';
}

/**
 * Listeners with TLS on one port whose hostnames overlap: a client may reuse a connection across them (GEP-3567). By index of
 * the listener, the names of the others.
 */
export function overlapsOf(listeners: readonly ContestedListener[]): readonly (readonly string[])[] {
  const byHost = new Map<string, number[]>();
  listeners.forEach(({ port, protocol, hostname }, index) => {
    if (familyOf(protocol) !== 'sni') return;
    const key = `${port} ${hostname}`;
    const list = byHost.get(key);
    if (list) list.push(index);
    else byHost.set(key, [index]);
  });
  const overlaps = listeners.map((): Set<number> => new Set());
  const note = (a: number, b: number): void => {
    if (a === b) return;
    if ((overlaps[a]?.size ?? 0) < NAMED) overlaps[a]?.add(b);
    if ((overlaps[b]?.size ?? 0) < NAMED) overlaps[b]?.add(a);
  };
  for (const indices of byHost.values()) {
    const [first] = indices as [number];
    const { port, hostname } = listeners[first] as ContestedListener;
    for (const covering of coveringPatterns(hostname)) {
      for (const other of byHost.get(`${port} ${covering}`)?.slice(0, NAMED + 1) ?? []) {
        for (const index of indices) note(index, other);
      }
    }
  }
  return overlaps.map((others) => [...others].map((other) => (listeners[other] as ContestedListener).name));
}

/** The hostname itself and every pattern that covers it. */
function coveringPatterns(hostname: string): readonly string[] {
  if (hostname === '') return [''];
  const patterns = ['', hostname];
  for (let dot = hostname.indexOf('.', isWildcard(hostname) ? 2 : 0); dot > 0; dot = hostname.indexOf('.', dot + 1)) {
    patterns.push(`*${hostname.slice(dot)}`);
  }
  return patterns;
}
