// The virtual hosts of one frontend -> encoded VirtualHosts. Envoy does not fall through to a less specific host, so each carries the
// entries of those as well. The bytes of an entry are made once; what changes in one host is encoded anew there, and in the
// hosts that fall through to it.
import { coversHost, isWildcard } from '../../routing/match/hostnames.ts';
import type { Entry, Frontend, PathMatch, Rule } from '../../routing/model.ts';
import type { VirtualHostChange } from '../../routing/update.ts';
import { codec } from './encode.ts';
import { type GuardedHost, guardMetadata } from './guard.ts';
import { defaultSplitting, HostEntries, type Part, partName, type Splitting } from './host-entries.ts';
import type { EnvoyLimits } from './limits.ts';
import { answer } from './routes/answers.ts';
import { type StreamHost, validationOf } from './listeners.ts';
import { factsOf, type ListenerFacts } from './routes/facts.ts';
import { type ListenerFilters, listenerFilters, refusing } from './routes/listener-filters.ts';
import { isTold, routesOf } from './routes/route.ts';
import type { Faults } from './screening/faults.ts';
import { Encoded, type Message } from './tree.ts';

const VIRTUAL_HOST = 'envoy.config.route.v3.VirtualHost';
const MOST_HEADS = 1024;

/** Behind the routes of each host, so that there is a route wherever there is a host: the guard asks for one. */
const noRoute = routesField([{ name: 'no-route', match: { prefix: '/' }, direct_response: answer(404, 'no-route') }]);

interface EncodedEntry {
  readonly rule: Rule | undefined;
  /** Its routes as fields of a VirtualHost. */
  readonly routes: Uint8Array;
  readonly told: boolean;
}

interface Host {
  readonly entries: HostEntries;
  encoded: Encoded | undefined;
}

/** What changed of a host: its entries with these paths. */
export type Stale = 'all' | ReadonlySet<PathMatch>;

/** Paths of the entries of a rule, by hostname. */
type Users = Map<string, PathMatch[]>;

interface Described {
  readonly frontend: Frontend;
  readonly isOut: boolean;
  readonly facts: ListenerFacts;
  readonly filters: ListenerFilters;
}

export interface HostSettings {
  readonly limits: EnvoyLimits;
  readonly splitting?: Splitting;
}

/** What is known of an entry's rule. */
export type FindRule = (key: string) => Rule | undefined;

export class HostRoutes {
  readonly #rule: FindRule;
  readonly #settings: HostSettings;
  readonly #faults: Pick<Faults, 'ofEntry' | 'ofRule'>;
  readonly #hosts = new Map<string, Host>();
  /** Hosts to which others fall through. */
  #patterns = 0;
  /** Whose entries name a rule. */
  readonly #users = new Map<string, Users>();
  #entries = new WeakMap<Entry, EncodedEntry>();
  #described: Described | undefined;
  /** What hosts have in common, by what it depends on. */
  readonly #heads = new Map<string, Uint8Array>();
  #staleHosts = new Map<string, 'all' | Set<PathMatch>>();

  constructor(rule: FindRule, settings: HostSettings, faults: Pick<Faults, 'ofEntry' | 'ofRule'>) {
    this.#faults = faults;
    this.#rule = rule;
    this.#settings = settings;
  }

  get isEmpty(): boolean {
    return this.#hosts.size === 0;
  }

  /** The row of the frontend came, changed or went. @param isOut it is not served, but its requests go nowhere else either */
  describe(frontend: Frontend | undefined, isOut = false): void {
    this.#described =
      frontend === undefined
        ? undefined
        : {
            frontend,
            isOut,
            facts: factsOf(frontend),
            filters: isOut ? refusing('left-out') : listenerFilters(frontend.filters ?? [], this.#settings.limits),
          };
    this.#heads.clear();
    this.#entries = new WeakMap();
    for (const [hostname, host] of this.#hosts) {
      host.encoded = undefined;
      this.#staleHosts.set(hostname, 'all');
    }
  }

  change({ hostname, removed, inserted }: VirtualHostChange): void {
    let host = this.#hosts.get(hostname);
    if (host === undefined) {
      this.#hosts.set(hostname, (host = { entries: new HostEntries(), encoded: undefined }));
      if (isPattern(hostname)) this.#patterns++;
    }
    const { entries } = host;
    for (const entry of removed) if (entries.remove(entry)) this.#use(entry, hostname, -1);
    for (const entry of inserted) {
      entries.insert(entry);
      this.#use(entry, hostname, 1);
    }
    if (entries.size === 0 && this.#hosts.delete(hostname) && isPattern(hostname)) this.#patterns--;
    for (const entry of [...removed, ...inserted]) this.#stale(hostname, entry.match.path);
  }

  /** Of all hosts, with repetitions. */
  *matches(): Iterable<readonly [rule: string, match: number]> {
    for (const { entries } of this.#hosts.values()) {
      for (const { rule, rank } of entries.all()) yield [rule, rank.match];
    }
  }

  /** Says whether anything here depends on the rule. */
  ruleChanged(key: string): boolean {
    const users = this.#users.get(key);
    for (const [hostname, paths] of users ?? []) for (const path of paths) this.#stale(hostname, path);
    return users !== undefined;
  }

  /** With one for the frontend's own hostname in any case; none while the frontend is not known. */
  hostnames(): Iterable<string> {
    const own = this.#described?.frontend.hostname;
    return own === undefined ? [] : new Set([...this.#hosts.keys(), own]);
  }

  /** Those that may have changed since they were last taken. */
  takeStale(): ReadonlyMap<string, Stale> {
    const stale = this.#staleHosts;
    this.#staleHosts = new Map();
    return stale;
  }

  /**
   * Elements of paths by which the host is sent in parts: what `encoded` makes of it is then only what all of them have. 0: it is
   * sent as a whole.
   */
  depth(hostname: string): number {
    const entries = this.#hosts.get(hostname)?.entries;
    if (this.#described === undefined || this.#described.isOut || entries === undefined) return 0;
    const splitting = this.#settings.splitting ?? defaultSplitting;
    return entries.size < splitting.from ? 0 : entries.depth(this.#reachable(hostname).slice(1), splitting);
  }

  /** What requests for paths of the part can meet. */
  part(hostname: string, depth: number, part: number): Encoded {
    return this.#encode(hostname, this.#described as Described, { depth, part });
  }

  /** undefined: there is no such host. */
  encoded(hostname: string): Encoded | undefined {
    const described = this.#described;
    const host = this.#hosts.get(hostname);
    if (described === undefined || (host === undefined && hostname !== described.frontend.hostname)) return undefined;
    if (host?.encoded !== undefined) return host.encoded;
    const depth = this.depth(hostname);
    const encoded = this.#encode(hostname, described, depth > 0 ? { depth, part: 'general' } : undefined);
    if (host !== undefined) host.encoded = encoded;
    return encoded;
  }

  /** Of a listener for streams: for each name the rule that takes every connection, if there is one. */
  streams(): readonly StreamHost[] {
    return [...this.hostnames()].map((hostname) => {
      const [entry] = this.#reachable(hostname).flatMap((entries) => entries.all());
      return { hostname, rule: entry === undefined ? undefined : this.#rule(entry.rule) };
    });
  }

  #use({ rule, match }: Entry, hostname: string, by: 1 | -1): void {
    let users = this.#users.get(rule);
    if (users === undefined) this.#users.set(rule, (users = new Map()));
    const paths = users.get(hostname) ?? [];
    const { type, value } = match.path;
    if (by === 1) paths.push(match.path);
    else
      paths.splice(
        paths.findIndex((path) => path.type === type && path.value === value),
        1,
      );
    if (paths.length > 0) users.set(hostname, paths);
    else users.delete(hostname);
    if (users.size === 0) this.#users.delete(rule);
  }

  #stale(hostname: string, path: PathMatch): void {
    this.#staleHost(hostname, path);
    if (!isPattern(hostname)) return;
    for (const other of this.#hosts.keys()) if (coversHost(hostname, other)) this.#staleHost(other, path);
  }

  #staleHost(hostname: string, path: PathMatch): void {
    const host = this.#hosts.get(hostname);
    if (host !== undefined) host.encoded = undefined;
    const known = this.#staleHosts.get(hostname);
    if (known === undefined) this.#staleHosts.set(hostname, new Set([path]));
    else if (known !== 'all') known.add(path);
  }

  /** @param of a host that is sent in parts; undefined: the whole of one that is not */
  #encode(hostname: string, described: Described, of?: { readonly depth: number; readonly part: Part }): Encoded {
    const { frontend } = described;
    const own = codec.encode(VIRTUAL_HOST, { name: `${frontend.key}|${hostname}`, domains: domainsOf(hostname) });
    const routes: Uint8Array[] = [];
    const queries = new Set<string>();
    // Of a part that is not at hand, too.
    let told = of !== undefined;
    for (const entries of described.isOut ? [] : this.#reachable(hostname)) {
      for (const entry of entries.asking()) {
        if (this.#encodeEntry(entry).routes.length > 0) for (const { name } of entry.match.query) queries.add(name);
      }
      for (const entry of of === undefined ? entries.all() : entries.of(of.part, of.depth)) {
        const encoded = this.#encodeEntry(entry);
        routes.push(encoded.routes);
        told ||= encoded.told;
      }
    }
    const parts =
      of?.part === 'general' ? { depth: of.depth, names: partName(frontend.bind, hostname, of.depth, '') } : undefined;
    const head = this.#head(described, { queries: [...queries].sort(), told, parts });
    return new Encoded([own, head, ...routes, noRoute]);
  }

  #head({ frontend, filters }: Described, told: Pick<GuardedHost, 'queries' | 'told' | 'parts'>): Uint8Array {
    const key = JSON.stringify(told);
    let head = this.#heads.get(key);
    if (head !== undefined) return head;
    const { before, fields, first } = filters;
    const insists = frontend.tls?.mode === 'terminate' && frontend.tls.clients?.mode === 'require';
    head = codec.encode(VIRTUAL_HOST, {
      metadata: guardMetadata({
        frontend: frontend.key,
        ...(insists ? { insists: validationOf(frontend) } : {}),
        ...told,
        before,
      }),
      per_request_buffer_limit_bytes: this.#settings.limits.replayBytes,
      ...fields,
      routes: first,
    });
    // Whatever sets of queries come and go.
    if (this.#heads.size >= MOST_HEADS) this.#heads.clear();
    this.#heads.set(key, head);
    return head;
  }

  /** Of the host and of those that it falls through to, in the order in which they are asked. */
  #reachable(hostname: string): readonly HostEntries[] {
    const found: HostEntries[] = [];
    for (const each of this.#patterns === 0 ? [hostname] : lessSpecific(hostname)) {
      const entries = this.#hosts.get(each)?.entries;
      if (entries !== undefined) found.push(entries);
    }
    return found;
  }

  #routes(entry: Entry, rule: Rule): readonly Message[] {
    const facts = this.#described?.facts as ListenerFacts;
    if (this.#faults.ofEntry(entry) !== undefined) return [];
    const served: Rule =
      this.#faults.ofRule(rule) === undefined
        ? rule
        : { ...rule, filters: [], action: { kind: 'respond', status: 500 } };
    return routesOf(entry, served, facts, this.#settings.limits);
  }

  #encodeEntry(entry: Entry): EncodedEntry {
    const rule = this.#rule(entry.rule);
    const known = this.#entries.get(entry);
    if (known !== undefined && known.rule === rule) return known;
    const trees = rule === undefined ? [] : this.#routes(entry, rule);
    const encoded = { rule, routes: routesField(trees), told: rule !== undefined && isTold(rule) };
    this.#entries.set(entry, encoded);
    return encoded;
  }
}

function isPattern(hostname: string): boolean {
  return hostname === '' || isWildcard(hostname);
}

function routesField(routes: readonly Message[]): Uint8Array {
  return codec.encode(VIRTUAL_HOST, { routes });
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
