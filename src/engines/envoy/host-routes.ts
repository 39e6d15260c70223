// The virtual hosts of one frontend -> encoded VirtualHosts. Envoy does not fall through to a less specific host, so each carries the
// entries of those as well. The octets of an entry are made once; a host is copied together from them whenever its table is written.
import { coversHost, isWildcard } from '../../routing/match/hostnames.ts';
import type { Frontend, PathMatch, Rule } from '../../routing/model.ts';
import type { VirtualHostChange } from '../../routing/update.ts';
import { codec } from './encode.ts';
import { type GuardedHost, guardMetadata } from './guard.ts';
import {
  defaultSplitting,
  HostEntries,
  type Part,
  type Placed,
  partName,
  type Split,
  type Splitting,
} from './host-entries.ts';
import type { EnvoyLimits } from './limits.ts';
import { answer } from './routes/answers.ts';
import { type StreamHost, validationOf } from './listeners.ts';
import { type CheckRoom, leastRoom, roomFor, roomier } from './routes/checks.ts';
import { factsOf, type ListenerFacts } from './routes/facts.ts';
import { type ListenerFilters, listenerFilters, refusing } from './routes/listener-filters.ts';
import { writePlainRoute } from './routes/plain-route.ts';
import { checkSteps, isTold, routesOf } from './routes/route.ts';
import type { Faults } from './screening/faults.ts';
import { Piece, pieceOf, type TableWriter, writeNames } from './table-writer.ts';
import { WireWriter } from './wire.ts';

const VIRTUAL_HOST = 'envoy.config.route.v3.VirtualHost';
const MOST_HEADS = 1024;

/** Behind the routes of each host, so that there is a route wherever there is a host: the guard asks for one. */
const noRoute = pieceOf(VIRTUAL_HOST, {
  routes: [{ name: 'no-route', match: { prefix: '/' }, direct_response: answer(404, 'no-route') }],
});

/** For one entry after the other. */
const routeWriter = new WireWriter();

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
  readonly #hosts = new Map<string, HostEntries>();
  /** Hosts to which others fall through. */
  #patterns = 0;
  /** Entries by the rule that they name. */
  readonly #users = new Map<string, Placed[]>();
  #described: Described | undefined;
  #room: CheckRoom = leastRoom;
  /** What hosts have in common, by what it depends on. */
  readonly #heads = new Map<string, Piece>();
  /** All of them before they are taken for the first time, and when the frontend is another one. */
  #staleHosts: Map<string, PathMatch[]> | 'all' = 'all';

  constructor(rule: FindRule, settings: HostSettings, faults: Pick<Faults, 'ofEntry' | 'ofRule'>) {
    this.#faults = faults;
    this.#rule = rule;
    this.#settings = settings;
  }

  get isEmpty(): boolean {
    return this.#hosts.size === 0;
  }

  /** That its listener and its rules have asked for. It stays where it was more before: another room is another chain of filters. */
  get room(): CheckRoom {
    return this.#room;
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
    const steps = this.#described?.filters.steps ?? 0;
    this.#room = roomier(this.#room, { ...leastRoom, listener: roomFor(steps) });
    this.#heads.clear();
    for (const entries of this.#hosts.values()) for (const placed of entries.each()) placed.routes = undefined;
    this.#staleHosts = 'all';
  }

  change({ hostname, removed, inserted }: VirtualHostChange): void {
    let entries = this.#hosts.get(hostname);
    if (entries === undefined) {
      this.#hosts.set(hostname, (entries = new HostEntries()));
      if (isPattern(hostname)) this.#patterns++;
    }
    for (const entry of removed) {
      const placed = entries.remove(entry);
      if (placed !== undefined) this.#unuse(placed);
    }
    for (const entry of inserted) {
      const placed = { entry, hostname, routes: undefined, named: false, told: false };
      entries.insert(placed);
      this.#use(placed);
      this.#makeRoom(entry.rule);
    }
    if (entries.size === 0 && this.#hosts.delete(hostname) && isPattern(hostname)) this.#patterns--;
    for (const entry of removed) this.#stale(hostname, entry.match.path);
    for (const entry of inserted) this.#stale(hostname, entry.match.path);
  }

  /** Of all hosts, with repetitions. */
  *matches(): Iterable<readonly [rule: string, match: number]> {
    for (const entries of this.#hosts.values()) {
      for (const { entry } of entries.each()) yield [entry.rule, entry.rank.match];
    }
  }

  /** Says whether anything here depends on the rule. */
  ruleChanged(key: string): boolean {
    const users = this.#users.get(key);
    for (const placed of users ?? []) {
      placed.routes = undefined;
      this.#stale(placed.hostname, placed.entry.match.path);
    }
    if (users !== undefined) this.#makeRoom(key);
    return users !== undefined;
  }

  /** With one for the frontend's own hostname in any case; none while the frontend is not known. */
  hostnames(): Iterable<string> {
    const own = this.#described?.frontend.hostname;
    if (own === undefined) return [];
    return this.#hosts.has(own) ? this.#hosts.keys() : [...this.#hosts.keys(), own];
  }

  /** Those that may have changed since they were last taken. */
  takeStale(): ReadonlyMap<string, readonly PathMatch[]> | 'all' {
    const stale = this.#staleHosts;
    this.#staleHosts = new Map();
    return stale;
  }

  /** With routes, or that of the frontend. */
  has(hostname: string): boolean {
    return (
      this.#described !== undefined && (this.#hosts.has(hostname) || hostname === this.#described.frontend.hostname)
    );
  }

  /** How the host is sent in parts: what `write` makes of it is then only what all of them have. undefined: it is sent as a whole. */
  split(hostname: string): Split | undefined {
    const entries = this.#hosts.get(hostname);
    if (entries === undefined || this.#described === undefined || this.#described.isOut) return undefined;
    const splitting = this.#settings.splitting ?? defaultSplitting;
    const others = entries.size < splitting.from ? [] : this.#reachable(hostname).slice(1);
    return entries.split(others, splitting);
  }

  /** What requests for paths of the part can meet, of a host that is there (`has`). */
  writePart(table: TableWriter, hostname: string, split: Split, part: number): void {
    this.#write(table, hostname, { split, part });
  }

  /** A host that is there (`has`). */
  write(table: TableWriter, hostname: string): void {
    const split = this.split(hostname);
    this.#write(table, hostname, split === undefined ? undefined : { split, part: 'general' });
  }

  /** Of a listener for streams: for each name the rule that takes every connection, if there is one. */
  streams(): readonly StreamHost[] {
    return [...this.hostnames()].map((hostname) => {
      const [first] = this.#reachable(hostname).flatMap((entries) => entries.all());
      return { hostname, rule: first === undefined ? undefined : this.#rule(first.entry.rule) };
    });
  }

  #makeRoom(key: string): void {
    const rule = this.#rule(key);
    if (rule === undefined) return;
    const room = roomFor(checkSteps(rule));
    if (room > this.#room.rule) this.#room = { ...this.#room, rule: room };
  }

  #use(placed: Placed): void {
    const { rule } = placed.entry;
    const users = this.#users.get(rule);
    if (users === undefined) this.#users.set(rule, [placed]);
    else users.push(placed);
  }

  #unuse(placed: Placed): void {
    const { rule } = placed.entry;
    const users = this.#users.get(rule) ?? [];
    users.splice(users.indexOf(placed), 1);
    if (users.length === 0) this.#users.delete(rule);
  }

  /** Its entries with that path. */
  #stale(hostname: string, path: PathMatch): void {
    if (this.#staleHosts === 'all') return;
    noteStale(this.#staleHosts, hostname, path);
    if (!isPattern(hostname)) return;
    for (const other of this.#hosts.keys()) if (coversHost(hostname, other)) noteStale(this.#staleHosts, other, path);
  }

  /** @param of a host that is sent in parts; undefined: the whole of one that is not */
  #write(table: TableWriter, hostname: string, of?: { readonly split: Split; readonly part: Part }): void {
    const described = this.#described as Described;
    const { frontend, filters } = described;
    const isOwn = of === undefined && !described.isOut && this.#patterns === 0 && filters.first.length === 0;
    const only = isOwn ? this.#hosts.get(hostname)?.only : undefined;
    if (only !== undefined) {
      const routes = this.#routes(only, true);
      table.host('', [], [routes, this.#head(described, { queries: [], told: only.told, parts: undefined }), noRoute]);
      return;
    }
    const pieces: Piece[] = [noRoute];
    const queries = new Set<string>();
    // Of a part that is not at hand, too.
    let told = of !== undefined;
    for (const entries of described.isOut ? [] : this.#reachable(hostname)) {
      for (const placed of entries.asking()) {
        if (this.#routes(placed).octets !== '') for (const { name } of placed.entry.match.query) queries.add(name);
      }
      for (const placed of of === undefined ? entries.all() : entries.of(of.part, of.split)) {
        pieces.push(this.#routes(placed));
        told ||= placed.told;
      }
    }
    pieces.push(noRoute);
    const parts =
      of?.part === 'general' ? { ...of.split, names: partName(frontend.bind, hostname, of.split, '') } : undefined;
    pieces[0] = this.#head(described, { queries: [...queries].sort(), told, parts });
    table.host(hostName(frontend, hostname), domainsOf(hostname), pieces);
  }

  #head({ frontend, filters }: Described, told: Pick<GuardedHost, 'queries' | 'told' | 'parts'>): Piece {
    const isUsual = told.queries.length === 0 && told.parts === undefined;
    const key = isUsual ? (told.told ? 'told' : 'usual') : JSON.stringify(told);
    let head = this.#heads.get(key);
    if (head !== undefined) return head;
    const { before, fields, first, body } = filters;
    const insists = frontend.tls?.mode === 'terminate' && frontend.tls.clients?.mode === 'require';
    head = pieceOf(VIRTUAL_HOST, {
      metadata: guardMetadata({
        frontend: frontend.key,
        ...(insists ? { insists: validationOf(frontend) } : {}),
        ...told,
        before,
        body,
      }),
      request_body_buffer_limit: this.#settings.limits.replayBytes,
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
      const entries = this.#hosts.get(each);
      if (entries !== undefined) found.push(entries);
    }
    return found;
  }

  /** @param named with name and domains of its host: of hosts with one entry all that is theirs is one piece */
  #routes(placed: Placed, named = false): Piece {
    if (placed.routes !== undefined && placed.named === named) return placed.routes;
    const rule = this.#rule(placed.entry.rule);
    // What failed before may have left something.
    routeWriter.reset();
    if (named) {
      const { frontend } = this.#described as Described;
      writeNames(routeWriter, hostName(frontend, placed.hostname), domainsOf(placed.hostname));
    }
    if (rule !== undefined) this.#writeRoutes(placed, rule);
    placed.named = named;
    return (placed.routes = new Piece(routeWriter.taken()));
  }

  #writeRoutes(placed: Placed, rule: Rule): void {
    const { entry } = placed;
    placed.told = false;
    if (this.#faults.ofEntry(entry) !== undefined) return;
    const isRefused = this.#faults.ofRule(rule) !== undefined;
    const served: Rule = isRefused ? { ...rule, filters: [], action: { kind: 'respond', status: 500 } } : rule;
    if (writePlainRoute(routeWriter, entry, served)) return;
    placed.told = isTold(rule, this.#settings.limits);
    const facts = this.#described?.facts as ListenerFacts;
    codec.write(routeWriter, VIRTUAL_HOST, { routes: routesOf(entry, served, facts, this.#settings.limits) });
  }
}

function hostName({ key }: Frontend, hostname: string): string {
  return `${key}|${hostname}`;
}

/** With repetitions. */
function noteStale(stale: Map<string, PathMatch[]>, hostname: string, path: PathMatch): void {
  const known = stale.get(hostname);
  if (known === undefined) stale.set(hostname, [path]);
  else known.push(path);
}

function isPattern(hostname: string): boolean {
  return hostname === '' || isWildcard(hostname);
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
