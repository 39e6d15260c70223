// Redirects that lead back to where they came from. Each is followed as a client would follow it, through the listeners,
// virtual hosts and matches that serve: what is reported is a request that really never ends.
import type { Table } from '../../incremental/table.ts';
import type { Tables } from '../../pipeline/tables.ts';
import { redirectLocation } from '../../routing/filters/redirect.ts';
import type { Redirect } from '../../routing/filters.ts';
import type { MatchRequest } from '../../routing/match/conditions.ts';
import { HostTable } from '../../routing/match/frontends.ts';
import { isWildcard } from '../../routing/match/hostnames.ts';
import { VirtualHostMatcher } from '../../routing/match/matcher.ts';
import { normalizeTarget } from '../../routing/match/path.ts';
import { queryParameter } from '../../routing/match/query.ts';
import type { Entry, Frontend, Rule } from '../../routing/model.ts';
import { compareText } from '../../support/sorted.ts';
import type { Finding } from './finding.ts';

/** Browsers give up after about as many. */
const mostHops = 20;

export function lintRedirects(tables: Tables): Finding[] {
  const redirecting = [...rows(tables.rules)].filter(({ action }) => action.kind === 'redirect');
  if (redirecting.length === 0) return [];
  const listeners = new Listeners(tables);
  const findings = new Map<string, Finding>();
  for (const key of [...tables.virtualHosts.keys()].toSorted(compareText)) {
    const frontend = tables.frontends.get(key.slice(0, key.indexOf('|')));
    if (frontend === undefined) continue;
    for (const entry of tables.virtualHosts.get(key) ?? []) {
      const redirect = redirectOf(tables, entry);
      const request = redirect && requestFor(frontend, key.slice(key.indexOf('|') + 1), entry);
      if (redirect === undefined || request === undefined) continue;
      const place = JSON.stringify(redirect.origin);
      if (findings.has(place) || listeners.entryFor(frontend, request) !== entry) continue;
      const found = follow(tables, listeners, { frontend, request });
      if (found !== undefined) findings.set(place, finding(redirect, frontend, found));
    }
  }
  return [...findings.values()];
}

interface Request {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly query: string;
}

interface Step {
  readonly frontend: Frontend;
  readonly request: Request;
}

/** A request without headers that the entry takes; none when it asks for more than that, or for what cannot be made up. */
function requestFor(frontend: Frontend, hostname: string, { match }: Entry): Request | undefined {
  const { path, method, headers, query, protocol } = match;
  if (protocol === 'grpc' || headers.length > 0 || query.length > 0) return undefined;
  if (method !== undefined && method !== 'GET') return undefined;
  if (path.type !== 'exact' && path.type !== 'prefix') return undefined;
  const host = hostname === '' ? 'example.com' : isWildcard(hostname) ? `any${hostname.slice(1)}` : hostname;
  const scheme = frontend.protocol === 'HTTPS' ? 'https' : 'http';
  return { scheme, host, port: frontend.port, path: path.value === '' ? '/' : path.value, query: '' };
}

/** The URLs passed until one comes again, or until a client gives up; undefined when the way ends. */
function follow(tables: Tables, listeners: Listeners, start: Step): readonly string[] | undefined {
  const urls: string[] = [urlOf(start.request)];
  let step = start;
  for (let hop = 0; hop < mostHops; hop++) {
    const entry = listeners.entryFor(step.frontend, step.request);
    const redirect = entry && redirectOf(tables, entry);
    if (redirect === undefined) return undefined;
    const next = listeners.next(step, redirect);
    if (next === undefined) return undefined;
    const url = urlOf(next.request);
    const seen = urls.includes(url);
    urls.push(url);
    if (seen) return urls;
    step = next;
  }
  return urls;
}

/** A rule that sets headers on its answers may set a cookie, and a client with a cookie is another client. */
function redirectOf(tables: Tables, { rule: key }: Entry): Redirect | undefined {
  const rule: Rule | undefined = tables.rules.get(key);
  if (rule?.action.kind !== 'redirect' || rule.filters.some(({ kind }) => kind === 'response-headers'))
    return undefined;
  return rule.action.redirect;
}

function urlOf({ scheme, host, port, path, query }: Request): string {
  const usual = scheme === 'http' ? 80 : 443;
  return `${scheme}://${host}${port === usual ? '' : `:${port}`}${path}${query}`;
}

const shownHops = 4;

function finding(redirect: Redirect, frontend: Frontend, urls: readonly string[]): Finding {
  const [first = ''] = urls;
  const message =
    urls.length === 2 && urls[1] === first
      ? `${first} is redirected to itself, without end (listener ${frontend.listener})`
      : `the redirect leads on without end (listener ${frontend.listener}): ${urls.slice(0, shownHops).join(' -> ')}${urls.length > shownHops ? ' -> …' : ''}`;
  const toItself = redirect.path === undefined && redirect.hostname === undefined && frontend.protocol === 'HTTPS';
  return {
    severity: 'error',
    code: 'RedirectLoop',
    at: redirect.origin,
    message,
    fix: toItself
      ? 'attach the route to the HTTP listener alone, by sectionName in its parentRefs'
      : 'redirect to where this rule does not match',
    related: [],
  };
}

/** The listeners of the model as a client meets them, by what it connects to. */
class Listeners {
  readonly #tables: Tables;
  /** By gateway and port. */
  readonly #frontends = new Map<string, HostTable<Frontend>>();
  readonly #hosts = new Map<string, HostTable<() => VirtualHostMatcher>>();

  constructor(tables: Tables) {
    this.#tables = tables;
    for (const frontend of rows(tables.frontends)) {
      if (frontend.protocol !== 'HTTP' && frontend.protocol !== 'HTTPS') continue;
      const key = `${frontend.gateway}:${frontend.port}`;
      let hosts = this.#frontends.get(key);
      if (hosts === undefined) this.#frontends.set(key, (hosts = new HostTable()));
      hosts.set(frontend.hostname, frontend);
    }
    for (const key of tables.virtualHosts.keys()) {
      const bar = key.indexOf('|');
      let hosts = this.#hosts.get(key.slice(0, bar));
      if (hosts === undefined) this.#hosts.set(key.slice(0, bar), (hosts = new HostTable()));
      hosts.set(key.slice(bar + 1), this.#matcher(key));
    }
  }

  /** The entry that takes the request, when its listener is the one that the host belongs to. */
  entryFor(frontend: Frontend, request: Request): Entry | undefined {
    const owner = this.#frontends.get(`${frontend.gateway}:${frontend.port}`)?.lookUp(request.host);
    if (owner !== frontend) return undefined;
    const asked: MatchRequest = {
      path: request.path,
      method: 'GET',
      grpc: false,
      header: () => undefined,
      query: (name) => queryParameter(request.query, name),
    };
    return this.#hosts.get(frontend.key)?.find(request.host, (matcher) => matcher().match(asked));
  }

  /** Where the redirect leads, when that is for certain this gateway again. */
  next({ frontend, request }: Step, redirect: Redirect): Step | undefined {
    const location = redirectLocation(redirect, {
      ...request,
      authority: request.host,
      listenerPort: frontend.port,
      publicPorts: {},
    });
    if (!URL.canParse(location)) return undefined;
    const url = new URL(location);
    const target = normalizeTarget(url.pathname + url.search);
    const scheme = url.protocol === 'https:' ? 'https' : 'http';
    const port = url.port === '' ? (scheme === 'https' ? 443 : 80) : Number(url.port);
    const host = url.hostname;
    const listener = this.#frontends.get(`${frontend.gateway}:${port}`)?.lookUp(host);
    if (target === undefined || listener === undefined) return undefined;
    if ((listener.protocol === 'HTTPS') !== (scheme === 'https')) return undefined;
    // Another name may lead to another machine, unless this gateway has routes for just that name.
    if (host !== request.host && this.#hosts.get(listener.key)?.get(host) === undefined) return undefined;
    return { frontend: listener, request: { scheme, host, port, ...target } };
  }

  /** Compiled when first asked. */
  #matcher(key: string): () => VirtualHostMatcher {
    let compiled: VirtualHostMatcher | undefined;
    return () => {
      if (compiled === undefined) {
        compiled = new VirtualHostMatcher();
        for (const entry of this.#tables.virtualHosts.get(key) ?? []) compiled.insert(entry);
      }
      return compiled;
    };
  }
}

function* rows<T>(table: Table<T>): Iterable<T> {
  for (const key of table.keys()) {
    const row = table.get(key);
    if (row !== undefined) yield row;
  }
}
