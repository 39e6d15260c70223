// Who answers a request, and why: a reading of the model. Asks the tables and the matcher that the engine uses, in the
// order in which the engine asks them; sends nothing and prints nothing.
import { isPreflight } from '../../routing/filters/cors.ts';
import type { MatchRequest } from '../../routing/match/conditions.ts';
import { judge } from '../../routing/match/frontends.ts';
import { matchPreflight } from '../../routing/match/preflight.ts';
import type { Entry, Frontend, VirtualHost } from '../../routing/model.ts';
import type { Tables } from '../../pipeline/tables.ts';
import { closest, describeCandidate, nearMisses, runnersUp, type Elsewhere } from './candidates.ts';
import type { Answer, Explanation, NotFound, Outcome, Question, Taken } from './explanation.ts';
import { ListenerHosts } from './hosts.ts';
import { leftOut } from './left-out.ts';
import { describeBind, placesFor, unattachedTo, verdictsOf, type Place } from './places.ts';
import { readQuestion, type AskedRequest, type Misasked } from './request.ts';
import { explainRule } from './rule.ts';
import { outcomeOf } from './stream.ts';

export function explain(tables: Tables, question: Question): Explanation | Misasked {
  const asked = readQuestion(question);
  if ('misasked' in asked) return asked;
  const { scheme, port, host } = asked.described;
  const security = scheme === 'https' ? 'tls' : 'none';
  const usual = scheme === 'https' ? 443 : 80;
  const wanted = { transport: 'tcp', security, port: port ?? usual, isGiven: port !== undefined, host } as const;
  const places = placesFor(tables, wanted, question.gateway);
  const rest = { request: asked.described, leftOut: leftOut(tables) };
  if ('reason' in places) return { ...rest, answers: [], unreachable: places };
  return { ...rest, answers: places.map((place) => answer({ tables, asked, place })) };
}

interface Inquiry {
  readonly tables: Tables;
  readonly asked: AskedRequest;
  readonly place: Place;
}

interface Verdict {
  readonly outcome: Outcome;
  readonly frontend?: Frontend;
  readonly connection?: Frontend;
  readonly covering?: readonly VirtualHost[];
}

function answer(inquiry: Inquiry): Answer {
  const { place, asked } = inquiry;
  const { gateway } = place;
  const { outcome, frontend, connection, covering = [] } = decide(inquiry);
  const took = outcome.kind === 'taken' ? outcome.winner.virtualHost : undefined;
  return {
    gateway: gateway.written,
    bind: describeBind(place),
    listeners: verdictsOf(place, asked.described.host, { frontend, connection }),
    virtualHosts: covering.map(({ hostname, entries }) => ({
      hostname,
      entries: entries.length,
      took: hostname === took,
    })),
    outcome,
  };
}

/** In the engine's order: handshake, target, listener, virtual hosts. */
function decide(inquiry: Inquiry): Verdict {
  const { asked, place } = inquiry;
  const { frontends, bind } = place;
  const { scheme, sni, host } = asked.described;
  if ((scheme === 'https') !== (bind.security === 'tls')) {
    return { outcome: { kind: 'wrong-scheme', security: bind.security } };
  }
  const connection = scheme === 'http' ? undefined : sni === undefined ? frontends.get('') : frontends.lookUp(sni);
  if (scheme === 'https' && connection === undefined) {
    return { outcome: { kind: 'no-handshake', ...(sni === undefined ? {} : { sni }) } };
  }
  const chosen = connection === undefined ? {} : { connection };
  const carrier = connection ?? frontends.get('');
  if (carrier?.protocol === 'TLS' || carrier?.protocol === 'TCP') {
    const stream = outcomeOf(inquiry.tables, place, { frontend: carrier, host: sni ?? '' });
    return { outcome: { kind: 'stream', outcome: stream }, frontend: carrier, ...chosen };
  }
  if (asked.matched === undefined) {
    const reason = `${asked.described.target} is not a target that every server reads alike`;
    return { outcome: { kind: 'refused', status: 400, reason }, ...chosen };
  }
  const owner = frontends.lookUp(host);
  if (owner === undefined) return { outcome: notFound(inquiry, 'no-listener', undefined), ...chosen };
  // A certificate that the handshake did not ask for, or asked for by others, does not count (GEP-91).
  const isStranger = insists(owner) && clientsOf(owner) !== clientsOf(connection ?? frontends.get(''));
  // Without a server name there is nothing that the host could contradict.
  const isElsewhere =
    connection !== undefined && sni !== undefined && judge(frontends, connection, host).outcome === 'misdirected';
  if (connection !== undefined && (isElsewhere || isStranger)) {
    return {
      outcome: { kind: 'misdirected', status: 421, connection: connection.key, owner: owner.key },
      ...chosen,
    };
  }
  return { ...route(inquiry, asked.matched, owner), ...chosen };
}

function route(inquiry: Inquiry, request: MatchRequest, frontend: Frontend): Verdict {
  const { tables, asked } = inquiry;
  const { host } = asked.described;
  const hosts = new ListenerHosts(tables, frontend.key);
  const covering = hosts.covering(host);
  const { entry, effective } = find(inquiry, request, hosts);
  const virtualHost = covering.find(({ entries }) => entry !== undefined && entries.includes(entry));
  const rule = entry === undefined ? undefined : tables.rules.get(entry.rule);
  // An entry whose rule has no row serves nothing, in the engine too.
  if (entry === undefined || virtualHost === undefined || rule === undefined) {
    const reason = covering.length === 0 ? 'no-virtual-host' : 'no-match';
    return { outcome: notFound(inquiry, reason, frontend), frontend, covering };
  }
  const winner = { entry, virtualHost };
  const { first, total } = runnersUp(tables, winner, covering, effective);
  const outcome: Taken = {
    kind: 'taken',
    ...(effective === request ? {} : { announced: effective.method }),
    winner: describeCandidate(tables, entry, virtualHost),
    runnersUp: first,
    runnersUpTotal: total,
    nearMisses: nearMisses(tables, winner, covering, effective),
    rule: explainRule(tables, rule, { described: asked.described, matched: request, frontend }),
  };
  return { outcome, frontend, covering };
}

/** The entry that takes the request, and the request as it was matched: a preflight may be, as the one it announces. */
function find(
  { tables, asked }: Inquiry,
  request: MatchRequest,
  hosts: ListenerHosts,
): { readonly entry: Entry | undefined; readonly effective: MatchRequest } {
  const { host } = asked.described;
  const match = (each: MatchRequest): Entry | undefined => hosts.match(host, each);
  const announced = request.header('access-control-request-method');
  if (announced === undefined || !isPreflight(request.method, request.header('origin'), announced)) {
    return { entry: match(request), effective: request };
  }
  const hasCors = ({ rule }: Entry): boolean =>
    tables.rules.get(rule)?.filters.some(({ kind }) => kind === 'cors') === true;
  const entry = matchPreflight(match, request, announced, hasCors);
  const effective = entry === match(request) ? request : { ...request, method: announced, grpc: false };
  return { entry, effective };
}

function notFound(
  { tables, asked, place }: Inquiry,
  reason: NotFound['reason'],
  frontend: Frontend | undefined,
): NotFound {
  const { matched, described } = asked;
  const listeners = [...place.frontends.values()].filter(({ protocol }) => protocol.startsWith('HTTP'));
  const elsewhere = listeners.flatMap((each) => elsewhereIn(tables, each, { described, frontend }));
  return {
    kind: 'not-found',
    status: 404,
    reason,
    closest: matched === undefined ? [] : closest(tables, elsewhere, matched),
    unattached: unattachedTo(tables, place),
  };
}

/** The virtual hosts of a listener, each with why its entries were not asked. */
function elsewhereIn(
  tables: Tables,
  listener: Frontend,
  { described, frontend }: { readonly described: AskedRequest['described']; readonly frontend: Frontend | undefined },
): readonly Elsewhere[] {
  const hosts = new ListenerHosts(tables, listener.key);
  const covering = new Set(hosts.covering(described.host));
  return [...hosts.all()].map((virtualHost) => {
    if (!covering.has(virtualHost)) {
      const expected = virtualHost.hostname;
      return { virtualHost, failed: [{ condition: 'hostname', expected, actual: described.host }] };
    }
    if (frontend === undefined || listener.key === frontend.key) return { virtualHost, failed: [] };
    return {
      virtualHost,
      failed: [{ condition: 'listener', expected: listener.listener, actual: frontend.listener }],
    };
  });
}

function insists({ tls }: Frontend): boolean {
  return tls?.mode === 'terminate' && tls.clients?.mode === 'require';
}

function clientsOf(frontend: Frontend | undefined): string {
  return frontend?.tls?.mode === 'terminate' ? JSON.stringify(frontend.tls.clients ?? '') : '';
}
