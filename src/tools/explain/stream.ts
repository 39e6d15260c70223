// Who gets a connection or a datagram, and why: by port, by the name that the client asks for, by the order of routes. A reading
// of the tables by the matcher that the engine uses.
import type { MatchRequest } from '../../routing/match/conditions.ts';
import { normalizeHost } from '../../routing/match/hostnames.ts';
import { shares } from '../../routing/filters/shares.ts';
import type { Frontend, VirtualHost } from '../../routing/model.ts';
import type { Tables } from '../../pipeline/tables.ts';
import { describeCandidate, hostMisses, runnersUpFor, type Winner } from './candidates.ts';
import type {
  Carried,
  Closed,
  ExplainedConnection,
  StreamAnswer,
  StreamBackend,
  StreamExplanation,
  StreamOutcome,
  StreamQuestion,
} from './explanation.ts';
import { ListenerHosts } from './hosts.ts';
import { leftOut } from './left-out.ts';
import { describeBind, placesFor, unattachedTo, verdictsOf, type Place } from './places.ts';
import { serverName, splitAuthority, type Misasked } from './request.ts';
import { explainTarget } from './targets.ts';

export function isStreamUrl(url: string): boolean {
  return /^(tls|tcp|udp):/i.test(url);
}

export function explainStream(tables: Tables, question: StreamQuestion): StreamExplanation | Misasked {
  const connection = readConnection(question);
  if ('misasked' in connection) return connection;
  const { scheme, host, port, sni } = connection;
  const wanted = {
    transport: scheme === 'udp' ? 'udp' : 'tcp',
    security: scheme === 'tls' ? 'tls' : 'none',
    port,
    isGiven: true,
    host: scheme === 'tls' ? (sni ?? '') : host,
  } as const;
  const places = placesFor(tables, wanted, question.gateway);
  const rest = { connection, leftOut: leftOut(tables) };
  if ('reason' in places) return { ...rest, answers: [], unreachable: places };
  return { ...rest, answers: places.map((place) => answer(tables, connection, place)) };
}

const parts = /^(tls|tcp|udp):\/\/([^/?#]*)\/?$/i;

function readConnection({ url, sni }: StreamQuestion): ExplainedConnection | Misasked {
  const [, written = '', authority = ''] = parts.exec(url) ?? [];
  const scheme = written.toLowerCase();
  if (scheme !== 'tls' && scheme !== 'tcp' && scheme !== 'udp') {
    return { misasked: `${url} is not a URL like ${/^[a-z]+/i.exec(url)?.[0] ?? 'tls'}://HOST:PORT` };
  }
  const place = splitAuthority(authority);
  if (place === undefined) return { misasked: `${authority} is not a host with a port` };
  const port = place.port ?? (scheme === 'tls' ? 443 : undefined);
  if (port === undefined) return { misasked: `${url} names no port, and only the port tells where it leads` };
  const asked = scheme === 'tls' ? (sni ?? serverName(place.name) ?? '') : '';
  return {
    scheme,
    host: normalizeHost(place.name),
    port,
    ...(asked === '' ? {} : { sni: normalizeHost(asked) }),
    notes: scheme !== 'tls' && sni !== undefined ? [`${scheme} has no server name, so ${sni} decides nothing`] : [],
  };
}

function answer(tables: Tables, { scheme, sni }: ExplainedConnection, place: Place): StreamAnswer {
  const { gateway, bind } = place;
  const isTls = bind.security === 'tls';
  const host = isTls ? (sni ?? '') : '';
  const found = place.frontends.lookUp(host);
  const outcome: StreamOutcome =
    (scheme === 'tls') !== isTls
      ? { kind: 'other-scheme', scheme: schemeOf(place, found) }
      : outcomeOf(tables, place, { frontend: found, host });
  const served = outcome.kind === 'other-scheme' ? undefined : found;
  const covering = served === undefined ? [] : new ListenerHosts(tables, served.key).covering(host);
  const took = outcome.kind === 'carried' ? outcome.winner.virtualHost : undefined;
  return {
    gateway: gateway.written,
    bind: describeBind(place),
    listeners: verdictsOf(place, host, { frontend: served, connection: isTls ? found : undefined }),
    virtualHosts: covering.map(({ hostname, entries }) => ({
      hostname,
      entries: entries.length,
      took: hostname === took,
    })),
    outcome,
  };
}

/** @param frontend that a connection with the server name `host` comes to */
export function outcomeOf(
  tables: Tables,
  place: Place,
  { frontend, host }: { readonly frontend: Frontend | undefined; readonly host: string },
): StreamOutcome {
  if (frontend === undefined) return closed(tables, place, { reason: 'no-listener', host });
  if (frontend.protocol === 'HTTP' || frontend.protocol === 'HTTPS') {
    return { kind: 'other-scheme', scheme: schemeOf(place, frontend), listener: frontend.key };
  }
  const hosts = new ListenerHosts(tables, frontend.key);
  const covering = hosts.covering(host);
  const entry = hosts.match(host, anyStream);
  const virtualHost = covering.find(({ entries }) => entry !== undefined && entries.includes(entry));
  const rule = entry === undefined ? undefined : tables.rules.get(entry.rule);
  if (entry === undefined || virtualHost === undefined || rule === undefined) {
    return closed(tables, place, { reason: covering.length === 0 ? 'no-virtual-host' : 'no-route', host });
  }
  const passthrough = frontend.tls?.mode === 'passthrough';
  return {
    kind: 'carried',
    tls: frontend.tls?.mode ?? 'none',
    winner: describeCandidate(tables, entry, virtualHost),
    ...others(tables, { entry, virtualHost }, covering),
    rule: { key: rule.key, ...(rule.name === undefined ? {} : { name: rule.name }), origin: rule.origin },
    backends: rule.action.kind === 'forward' ? backendsOf(tables, rule.action.backends, passthrough) : [],
  };
}

/** Entries for streams ask nothing of it. */
const anyStream: MatchRequest = {
  path: '/',
  method: '',
  grpc: false,
  header: () => undefined,
  query: () => undefined,
};

function others(
  tables: Tables,
  winner: Winner,
  covering: readonly VirtualHost[],
): Pick<Carried, 'runnersUp' | 'runnersUpTotal'> {
  const { first, total } = runnersUpFor(tables, winner, covering, () => true);
  return { runnersUp: first, runnersUpTotal: total };
}

type Forwards = Extract<NonNullable<ReturnType<Tables['rules']['get']>>['action'], { kind: 'forward' }>['backends'];

function backendsOf(tables: Tables, backends: Forwards, passthrough: boolean): readonly StreamBackend[] {
  const all = shares(backends.map(({ weight }) => weight));
  return backends.map((backend, index) => {
    const target = explainTarget(tables, backend, passthrough);
    return {
      weight: backend.weight,
      share: Math.round((all[index] ?? 0) * 10_000) / 100,
      target,
      closed: target.kind === 'unresolved' || target.usable === 0 || target.tls?.usable === false,
      origin: backend.origin,
    };
  });
}

function closed(
  tables: Tables,
  place: Place,
  { reason, host }: { readonly reason: Closed['reason']; readonly host: string },
): Closed {
  const streams = [...place.frontends.values()].filter(({ protocol }) => protocol === 'TLS');
  const hosts = streams.flatMap(({ key }) => [...new ListenerHosts(tables, key).all()]);
  return { kind: 'closed', reason, closest: hostMisses(tables, hosts, host), unattached: unattachedTo(tables, place) };
}

/** What to ask a listener, or a port without one for the name, with. */
function schemeOf({ bind }: Place, frontend: Frontend | undefined): 'http' | 'https' | 'tls' | 'tcp' {
  switch (frontend?.protocol) {
    case 'HTTP':
      return 'http';
    case 'HTTPS':
      return 'https';
    case 'TCP':
      return 'tcp';
    default:
      return bind.security === 'tls' ? 'tls' : 'http';
  }
}
