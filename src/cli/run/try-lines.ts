// Requests and connections to try, as command lines: one for each of a few matches, spread over the listeners.
import type { Tables } from '../../pipeline/tables.ts';
import { takesPath } from '../../routing/match/conditions.ts';
import { leadingLiteral } from '../../routing/match/regex.ts';
import type { Bind, Entry, Frontend, Match, PathMatch, Placement } from '../../routing/model.ts';
import { compareText } from '../../support/sorted.ts';
import { formatHostPort } from '../model/names.ts';

export interface TryRules {
  /** How many lines at most. */
  readonly limit: number;
  /** The file of the authority that clients must trust, when certificates were issued here. */
  readonly authority: string | undefined;
}

export function tryLines(tables: Tables, { limit, authority }: TryRules): readonly string[] {
  const byFrontend = Map.groupBy(
    [...tables.virtualHosts.keys()].toSorted(compareText),
    (key) => key.split('|')[0] ?? '',
  );
  const queues: string[][] = [];
  for (const [key, hosts] of byFrontend) {
    const frontend = tables.frontends.get(key);
    const placement = frontend === undefined ? undefined : tables.placements.get(frontend.bind);
    const bind = frontend === undefined ? undefined : tables.binds.get(frontend.bind);
    if (frontend === undefined || placement === undefined || bind === undefined) continue;
    if (tables.reports.get(frontend.bind)?.state === 'failed') continue;
    const lines: string[] = [];
    for (const host of hosts) {
      for (const entry of tables.virtualHosts.get(host)?.slice(0, limit) ?? []) {
        const line = lineFor(
          { frontend, bind, placement, hostname: host.slice(host.indexOf('|') + 1), authority },
          entry,
        );
        if (line !== undefined && !lines.includes(line)) lines.push(line);
      }
      if (lines.length >= limit) break;
    }
    queues.push(lines);
  }
  // One of each listener in turn, so that none is missing.
  const chosen: string[] = [];
  for (let round = 0; round < limit; round++) {
    for (const queue of queues)
      if (queue[round] !== undefined && chosen.length < limit) chosen.push(queue[round] as string);
  }
  return chosen;
}

interface Target {
  readonly frontend: Frontend;
  readonly bind: Bind;
  readonly placement: Placement;
  readonly hostname: string;
  readonly authority: string | undefined;
}

/** undefined where no request that fits can be told. */
function lineFor(target: Target, { match }: Entry): string | undefined {
  const words =
    match.protocol === 'stream'
      ? streamWords(target)
      : match.protocol === 'grpc'
        ? callWords(target, match)
        : requestWords(target, match);
  return words?.map(quote).join(' ');
}

/** Where a placement is reached from this machine. */
function localAddress({ address }: Placement): string {
  return address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address;
}

function exampleHost({ hostname }: Target): string {
  return hostname.replace(/^\*\./, 'www.');
}

/** None of these clients can write a PROXY protocol header first. */
function streamWords(target: Target): readonly string[] | undefined {
  const { frontend, bind, placement, authority } = target;
  if (bind.proxyProtocol === true) return undefined;
  const [host, port] = [localAddress(placement), String(placement.port)];
  if (frontend.tls === undefined) return ['nc', ...(bind.transport === 'udp' ? ['-u'] : []), host, port];
  const name = exampleHost(target) || 'localhost';
  // What is passed through is answered by the backend, with a certificate of its own.
  const trust = authority === undefined || frontend.tls.mode === 'passthrough' ? [] : ['-CAfile', authority];
  const connect = formatHostPort({ host, port: placement.port });
  return ['openssl', 's_client', '-connect', connect, '-servername', name, ...trust];
}

function callWords(target: Target, { path, headers, query }: Match): readonly string[] | undefined {
  const { frontend, bind, placement, authority } = target;
  const called = path.type === 'regex' ? guess(path) : path;
  if (called === undefined || hasExpression(headers, query) || bind.proxyProtocol === true) return undefined;
  const call = called.type === 'exact' ? called.value.slice(1) : 'list';
  const host = exampleHost(target);
  const named = host === '' ? [] : ['-authority', host];
  const security = frontend.tls === undefined ? ['-plaintext'] : trustFor('-cacert', authority, '-insecure');
  const address = formatHostPort({ host: localAddress(placement), port: placement.port });
  return ['grpcurl', ...security, ...shownCertificate(frontend, '-'), ...named, address, call];
}

function requestWords(target: Target, match: Match): readonly string[] | undefined {
  const { frontend, bind, placement, authority } = target;
  const { method, headers, query } = match;
  const path = match.path.type === 'regex' ? guess(match.path) : match.path;
  if (path === undefined || path.type === 'grpc-method' || hasExpression(headers, query)) return undefined;
  const host = exampleHost(target);
  const { port } = placement;
  const local = localAddress(placement);
  const words = ['curl'];
  if (bind.proxyProtocol === true) words.push('--haproxy-protocol');
  if (method === 'HEAD') words.push('-I');
  else if (method !== undefined && method !== 'GET') words.push('-X', method);
  for (const { name, value } of headers) words.push('-H', `${name}: ${value}`);
  const search = query.map(({ name, value }) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join('&');
  const tail = `${path.value}${search === '' ? '' : `?${search}`}`;
  const own = isLocal(host) && local.startsWith('127.');
  if (frontend.tls === undefined) {
    if (host !== '' && !own) words.push('-H', `Host: ${host}`);
    words.push(`http://${formatHostPort({ host: own ? host : local, port })}${tail}`);
  } else {
    words.push(...trustFor('--cacert', authority, '-k'), ...shownCertificate(frontend, '--'));
    const name = host === '' ? 'localhost' : host;
    if (!isLocal(name)) words.push('--resolve', `${name}:${port}:${local}`);
    words.push(`https://${name}:${port}${tail}`);
  }
  return words;
}

function hasExpression(...values: readonly Match['headers'][]): boolean {
  return values.flat().some(({ type }) => type === 'regex');
}

/** Files that only the user has. */
function shownCertificate({ tls }: Frontend, dashes: string): readonly string[] {
  if (tls?.mode !== 'terminate' || tls.clients?.mode !== 'require') return [];
  return [`${dashes}cert`, 'client.pem', `${dashes}key`, 'client-key.pem'];
}

/** A path that the expression takes: what it begins with, with a little behind it. */
function guess(path: PathMatch): PathMatch | undefined {
  const start = leadingLiteral(path.value.replace(/^\(\?i\)/, '')) || '/';
  const candidates = ['', '1', 'a', '/', '/1', '/a'].map((tail) => start + tail);
  const value = candidates.find((candidate) => candidate.startsWith('/') && takesPath(path, candidate));
  return value === undefined ? undefined : { type: 'exact', value };
}

/** Names that every resolver must take for this machine (RFC 6761, section 6.3). */
function isLocal(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost');
}

function trustFor(flag: string, authority: string | undefined, blind: string): readonly string[] {
  return authority === undefined ? [blind] : [flag, authority];
}

/** For a POSIX shell. */
function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
