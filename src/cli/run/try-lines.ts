// Requests to try, as command lines: one for each of a few matches, spread over the listeners.
import type { Tables } from '../../pipeline/tables.ts';
import { takesPath } from '../../routing/match/conditions.ts';
import { leadingLiteral } from '../../routing/match/regex.ts';
import type { Entry, Frontend, PathMatch, Placement } from '../../routing/model.ts';
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
    if (frontend === undefined || placement === undefined) continue;
    if (tables.reports.get(frontend.bind)?.state === 'failed') continue;
    const lines: string[] = [];
    for (const host of hosts) {
      for (const entry of tables.virtualHosts.get(host)?.slice(0, limit) ?? []) {
        const line = lineFor({ frontend, placement, hostname: host.slice(host.indexOf('|') + 1), authority }, entry);
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
  readonly placement: Placement;
  readonly hostname: string;
  readonly authority: string | undefined;
}

/** undefined where no request that fits can be told. */
function lineFor(target: Target, { match }: Entry): string | undefined {
  const { headers, query } = match;
  if ([...headers, ...query].some(({ type }) => type === 'regex')) return undefined;
  const path = match.path.type === 'regex' ? guess(match.path) : match.path;
  if (path === undefined) return undefined;
  const host = target.hostname.replace(/^\*\./, 'www.');
  const { address, port } = target.placement;
  const local = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address;
  if (match.protocol === 'grpc') {
    const call = path.type === 'exact' ? path.value.slice(1) : 'list';
    const authority = host === '' ? [] : ['-authority', host];
    const security =
      target.frontend.tls === undefined ? ['-plaintext'] : trustFor('-cacert', target.authority, '-insecure');
    return ['grpcurl', ...security, ...authority, formatHostPort({ host: local, port }), call].map(quote).join(' ');
  }
  if (path.type === 'grpc-method') return undefined;
  const words = ['curl'];
  if (match.method === 'HEAD') words.push('-I');
  else if (match.method !== undefined && match.method !== 'GET') words.push('-X', match.method);
  for (const { name, value } of headers) words.push('-H', `${name}: ${value}`);
  const search = query.map(({ name, value }) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join('&');
  const tail = `${path.value}${search === '' ? '' : `?${search}`}`;
  const own = isLocal(host) && local.startsWith('127.');
  if (target.frontend.tls === undefined) {
    if (host !== '' && !own) words.push('-H', `Host: ${host}`);
    words.push(`http://${formatHostPort({ host: own ? host : local, port })}${tail}`);
  } else {
    words.push(...trustFor('--cacert', target.authority, '-k'));
    const name = host === '' ? 'localhost' : host;
    if (!isLocal(name)) words.push('--resolve', `${name}:${port}:${local}`);
    words.push(`https://${name}:${port}${tail}`);
  }
  return words.map(quote).join(' ');
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
