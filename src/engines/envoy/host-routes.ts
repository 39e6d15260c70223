// The virtual hosts of one frontend -> encoded VirtualHosts. Envoy does not fall through to a less specific host, so each carries the
// entries of those as well. The bytes of an entry are made once; what changes in one host is encoded anew there, and in the
// hosts that fall through to it.
import { compareEntries } from '../../routing/match/precedence.ts';
import { coversHost, isWildcard } from '../../routing/match/hostnames.ts';
import type { Entry, Frontend, Rule } from '../../routing/model.ts';
import type { VirtualHostChange } from '../../routing/update.ts';
import { insertSorted, removeSorted } from '../../support/sorted.ts';
import { codec } from './encode.ts';
import { guardMetadata } from './guard.ts';
import type { EnvoyLimits } from './limits.ts';
import { answer } from './routes/answers.ts';
import { type StreamHost, validationOf } from './listeners.ts';
import { factsOf, type ListenerFacts } from './routes/facts.ts';
import { listenerFilters, refusing } from './routes/listener-filters.ts';
import { isTold, routesOf } from './routes/route.ts';
import type { Faults } from './screening/faults.ts';
import type { Message } from './tree.ts';

const ROUTE = 'envoy.config.route.v3.Route';
const VIRTUAL_HOST = 'envoy.config.route.v3.VirtualHost';

/** Behind the routes of each host, so that there is a route wherever there is a host: the guard asks for one. */
const noRoute = codec.encode(ROUTE, {
  name: 'no-route',
  match: { prefix: '/' },
  direct_response: answer(404, 'no-route'),
});

export interface EncodedHost {
  readonly hostname: string;
  readonly bytes: Uint8Array;
}

interface EncodedEntry {
  readonly rule: Rule | undefined;
  readonly routes: readonly Uint8Array[];
}

interface Host {
  /** In precedence order. */
  readonly entries: Entry[];
  encoded: EncodedHost | undefined;
}

/** What is known of an entry's rule. */
export type FindRule = (key: string) => Rule | undefined;

export class HostRoutes {
  readonly #rule: FindRule;
  readonly #limits: EnvoyLimits;
  readonly #faults: Pick<Faults, 'ofEntry' | 'ofRule'>;
  readonly #hosts = new Map<string, Host>();
  /** Hosts whose entries name a rule, and how many of them do. */
  readonly #users = new Map<string, Map<string, number>>();
  #entries = new WeakMap<Entry, EncodedEntry>();
  #frontend: Frontend | undefined;
  #facts: ListenerFacts | undefined;
  #isOut = false;
  #staleHosts = new Set<string>();

  constructor(rule: FindRule, limits: EnvoyLimits, faults: Pick<Faults, 'ofEntry' | 'ofRule'>) {
    this.#faults = faults;
    this.#rule = rule;
    this.#limits = limits;
  }

  get isEmpty(): boolean {
    return this.#hosts.size === 0;
  }

  /** The row of the frontend came, changed or went. @param isOut it is not served, but its requests go nowhere else either */
  describe(frontend: Frontend | undefined, isOut = false): void {
    this.#frontend = frontend;
    this.#isOut = isOut;
    this.#facts = frontend === undefined ? undefined : factsOf(frontend);
    this.#entries = new WeakMap();
    for (const [hostname, host] of this.#hosts) {
      host.encoded = undefined;
      this.#staleHosts.add(hostname);
    }
  }

  change({ hostname, removed, inserted }: VirtualHostChange): void {
    let host = this.#hosts.get(hostname);
    if (host === undefined) this.#hosts.set(hostname, (host = { entries: [], encoded: undefined }));
    for (const entry of removed) {
      if (removeSorted(host.entries, entry, compareEntries)) this.#use(entry.rule, hostname, -1);
    }
    for (const entry of inserted) {
      insertSorted(host.entries, entry, compareEntries);
      this.#use(entry.rule, hostname, 1);
    }
    if (host.entries.length === 0) this.#hosts.delete(hostname);
    this.#stale(hostname);
  }

  /** Of all hosts, with repetitions. */
  *matches(): Iterable<readonly [rule: string, match: number]> {
    for (const { entries } of this.#hosts.values()) for (const { rule, rank } of entries) yield [rule, rank.match];
  }

  /** Says whether anything here depends on the rule. */
  ruleChanged(key: string): boolean {
    const users = this.#users.get(key);
    for (const hostname of users?.keys() ?? []) this.#stale(hostname);
    return users !== undefined;
  }

  /** With one for the frontend's own hostname in any case; none while the frontend is not known. */
  hostnames(): Iterable<string> {
    return this.#frontend === undefined ? [] : new Set([...this.#hosts.keys(), this.#frontend.hostname]);
  }

  /** Those that may have changed since they were last taken. */
  takeStale(): ReadonlySet<string> {
    const stale = this.#staleHosts;
    this.#staleHosts = new Set();
    return stale;
  }

  /** undefined: there is no such host. */
  encoded(hostname: string): EncodedHost | undefined {
    const frontend = this.#frontend;
    const host = this.#hosts.get(hostname);
    if (frontend === undefined || (host === undefined && hostname !== frontend.hostname)) return undefined;
    if (host?.encoded !== undefined) return host.encoded;
    const encoded = this.#encode(hostname, frontend);
    if (host !== undefined) host.encoded = encoded;
    return encoded;
  }

  /** Of a listener for streams: for each name the rule that takes every connection, if there is one. */
  streams(): readonly StreamHost[] {
    if (this.#frontend === undefined) return [];
    const hostnames = new Set([...this.#hosts.keys(), this.#frontend.hostname]);
    return [...hostnames].map((hostname) => {
      const [entry] = this.#reachable(hostname);
      return { hostname, rule: entry === undefined ? undefined : this.#rule(entry.rule) };
    });
  }

  #use(rule: string, hostname: string, by: number): void {
    let users = this.#users.get(rule);
    if (users === undefined) this.#users.set(rule, (users = new Map()));
    const count = (users.get(hostname) ?? 0) + by;
    if (count > 0) users.set(hostname, count);
    else users.delete(hostname);
    if (users.size === 0) this.#users.delete(rule);
  }

  #stale(hostname: string): void {
    this.#staleHosts.add(hostname);
    const host = this.#hosts.get(hostname);
    if (host !== undefined) host.encoded = undefined;
    if (hostname !== '' && !isWildcard(hostname)) return;
    for (const [other, below] of this.#hosts) {
      if (!coversHost(hostname, other)) continue;
      below.encoded = undefined;
      this.#staleHosts.add(other);
    }
  }

  #encode(hostname: string, frontend: Frontend): EncodedHost {
    const listener = this.#isOut ? refusing('left-out') : listenerFilters(frontend.filters ?? [], this.#limits);
    const routes: Uint8Array[] = listener.first.map((tree) => codec.encode(ROUTE, tree));
    const queries = new Set<string>();
    let told = false;
    for (const entry of this.#isOut ? [] : this.#reachable(hostname)) {
      const encoded = this.#encodeEntry(entry);
      routes.push(...encoded.routes);
      if (encoded.routes.length > 0) for (const { name } of entry.match.query) queries.add(name);
      told ||= encoded.rule !== undefined && isTold(encoded.rule);
    }
    routes.push(noRoute);
    const validation = validationOf(frontend);
    const insists = frontend.tls?.mode === 'terminate' && frontend.tls.clients?.mode === 'require';
    const head = {
      name: `${frontend.key}|${hostname}`,
      domains: domainsOf(hostname),
      metadata: guardMetadata({
        frontend: frontend.key,
        ...(insists ? { insists: validation } : {}),
        queries: [...queries].sort(),
        told,
        before: listener.before,
      }),
      per_request_buffer_limit_bytes: this.#limits.replayBytes,
      ...listener.fields,
    };
    const bytes = codec.encode(VIRTUAL_HOST, { ...head, routes });
    return { hostname, bytes };
  }

  /** Of the host and of those that it falls through to, in the order in which they are asked. */
  *#reachable(hostname: string): Iterable<Entry> {
    for (const each of lessSpecific(hostname)) {
      for (const entry of this.#hosts.get(each)?.entries ?? []) yield entry;
    }
  }

  #routes(entry: Entry, rule: Rule): readonly Message[] {
    if (this.#faults.ofEntry(entry) !== undefined) return [];
    if (this.#faults.ofRule(rule) === undefined)
      return routesOf(entry, rule, this.#facts as ListenerFacts, this.#limits);
    return routesOf(
      entry,
      { ...rule, filters: [], action: { kind: 'respond', status: 500 } },
      this.#facts as ListenerFacts,
      this.#limits,
    );
  }

  #encodeEntry(entry: Entry): EncodedEntry {
    const rule = this.#rule(entry.rule);
    const known = this.#entries.get(entry);
    if (known !== undefined && known.rule === rule) return known;
    const trees = rule === undefined ? [] : this.#routes(entry, rule);
    const routes = trees.map((tree) => codec.encode(ROUTE, tree));
    const encoded = { rule, routes };
    this.#entries.set(entry, encoded);
    return encoded;
  }
}

/** The hostname itself, then the patterns that cover all of it, the most specific first. */
function* lessSpecific(hostname: string): Iterable<string> {
  yield hostname;
  if (hostname === '') return;
  const from = isWildcard(hostname) ? 2 : 0;
  for (let dot = hostname.indexOf('.', from); dot >= 0; dot = hostname.indexOf('.', dot + 1))
    yield `*${hostname.slice(dot)}`;
  yield '';
}

/** Hosts may be named with a dot at the end. */
function domainsOf(hostname: string): readonly string[] {
  return hostname === '' ? ['*'] : [hostname, `${hostname}.`];
}
