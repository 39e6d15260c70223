// Entries and rules with a value that Envoy would refuse in its configuration: the smallest unit is left out, never the whole.
import type { Filter, PathChange } from '../../../routing/filters.ts';
import { pathKey } from '../../../routing/match/conditions.ts';
import type { Frontend, Match, Rule } from '../../../routing/model.ts';
import { refusedRegex } from './regex.ts';

/** Milliseconds: what a google.protobuf.Duration holds. */
const LONGEST = 315_576_000_000_000;

/** Why a match cannot be said in Envoy's words: its entry takes no request there. undefined: it can. */
export function refusedMatch({ path, headers, query }: Match): string | undefined {
  if (path.type === 'regex') {
    const wrong = refusedRegex(path.value);
    if (wrong !== undefined) return `path: ${wrong}`;
  } else if (path.type !== 'grpc-method' && /[?#\0\r\n]/.test(pathKey(path))) {
    return 'path: no request has such a path';
  }
  if (headers.length + query.length === 0) return undefined;
  for (const { name, type, value } of [...headers, ...query]) {
    const wrong = type === 'regex' ? refusedRegex(value) : undefined;
    if (wrong !== undefined) return `${name}: ${wrong}`;
    if (/[\0\r\n]/.test(value)) return `${name}: no request has such a value`;
  }
  const bad = headers.find(({ name }) => !/^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/.test(name));
  return bad === undefined ? undefined : `"${bad.name}" is no name of a header`;
}

/** Why a rule has to be answered 500 as a whole; undefined: it is served. */
export function refusedRule({ filters, action, timeouts, retry }: Rule): string | undefined {
  const isLate =
    isOutOfRange(timeouts.request) || isOutOfRange(timeouts.backendRequest) || isOutOfRange((retry?.backoff ?? 0) * 10);
  const late = isLate ? 'a timeout is out of range' : undefined;
  const backends = action.kind === 'forward' ? action.backends : [];
  // Most have no filters.
  let isPlain = action.kind !== 'redirect' && filters.length === 0;
  for (let at = 0; isPlain && at < backends.length; at++) isPlain = backends[at]?.filters.length === 0;
  if (isPlain) return late;
  if (late !== undefined) return late;
  if (action.kind === 'redirect') {
    const wrong = refusedChange(action.redirect.path) ?? refusedHostname(action.redirect.hostname);
    if (wrong !== undefined) return wrong;
  }
  const all = backends.flatMap((backend) => backend.filters);
  for (const filter of [...filters, ...all]) {
    const wrong = refusedFilter(filter);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

function isOutOfRange(time = 0): boolean {
  return !Number.isFinite(time) || time < 0 || time > LONGEST;
}

/** Why no host of that name can be served; undefined: it can. '' is any host. */
export function refusedHost(hostname: string): string | undefined {
  if (hostname === '' || /^(?:\*\.)?[\x21-\x29\x2b-\x7e]+$/.test(hostname)) return undefined;
  return 'the hostname: no request, and no handshake, has such a one';
}

/** Why every request of a listener is answered 500, or why it is not served at all. */
export function refusedFrontend({ hostname, filters = [] }: Frontend): string | undefined {
  const host = refusedHost(hostname);
  if (host !== undefined) return host;
  return filters.every(({ kind }) => kind === 'external-auth' || kind === 'request-headers')
    ? undefined
    : 'a listener has filters for headers of requests and for authorisation, and no others';
}

function refusedFilter(filter: Filter): string | undefined {
  if (filter.kind === 'rewrite') return refusedChange(filter.path) ?? refusedHostname(filter.hostname);
  if (filter.kind === 'mirror' && !(filter.denominator > 0 && filter.numerator >= 0))
    return 'the share of a mirror is none';
  return undefined;
}

function refusedChange(change: PathChange | undefined): string | undefined {
  return change?.type === 'regex' ? refusedRegex(change.pattern) : undefined;
}

function refusedHostname(hostname: string | undefined): string | undefined {
  if (hostname === undefined || /^[\x21-\x7e]+$/.test(hostname)) return undefined;
  return 'the hostname cannot be written in a header';
}
