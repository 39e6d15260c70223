// The one matcher of the product, for the engine and for explain: the entries of one virtual host, compiled so that a
// request costs a few look-ups however many entries there are, and a changed entry costs one insertion.
//
// Entries fall into tiers by what goes before the path in the order of precedence (hostname, dialect, protocol). In a
// tier they lie by path: exact paths in a map, regular expressions in a list, prefixes in a map from the longest element
// boundary of the request's path down. Entries of one path stand in precedence order.
import { insertSorted, removeSorted } from '../../support/sorted.ts';
import type { Entry, Match, ValueMatch } from '../model.ts';
import { compareSpecificity } from './hostnames.ts';
import { compareEntries } from './precedence.ts';
import { compileRegex, type Regex } from './regex.ts';

/** What is asked of a request. `header` and `query` are called only when an entry has a condition on them. */
export interface MatchRequest {
  /** Normalised (path.ts), without the query. */
  readonly path: string;
  readonly method: string;
  /** POST with content-type application/grpc. */
  readonly grpc: boolean;
  /** @param name in lower case. Several lines of one name are joined by a comma. */
  header(name: string): string | undefined;
  /** The first value of a query parameter, decoded. */
  query(name: string): string | undefined;
}

export class VirtualHostMatcher {
  /** In order of precedence. */
  readonly #tiers: Tier[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  insert(entry: Entry): void {
    let tier = this.#tiers.find((each) => each.holds(entry));
    if (tier === undefined) insertSorted(this.#tiers, (tier = new Tier(entry)), compareTiers);
    tier.insert(compile(entry));
    this.#size++;
  }

  /** Removes the entry of the same rule and match; an unknown one is ignored. */
  remove(entry: Entry): void {
    const at = this.#tiers.findIndex((tier) => tier.holds(entry));
    const tier = this.#tiers[at];
    if (tier === undefined || !tier.remove(compile(entry))) return;
    this.#size--;
    if (tier.size === 0) this.#tiers.splice(at, 1);
  }

  /** The entry that takes the request. */
  match(request: MatchRequest): Entry | undefined {
    for (let i = 0; i < this.#tiers.length; i++) {
      const found = (this.#tiers[i] as Tier).match(request);
      if (found !== undefined) return found.entry;
    }
    return undefined;
  }
}

/** Whether one match takes the request, by the same conditions as the matcher; explain asks it of runners-up. */
export function takes(match: Match, request: MatchRequest): boolean {
  return takesPath(match, request.path) && takesRest(compileMatch(match), request);
}

/** Whether the path of a match takes a path. */
export function takesPath(match: Match, path: string): boolean {
  switch (match.path.type) {
    case 'exact':
      return path === match.path.value;
    case 'regex':
      return compileRegex(match.path.value).test(path);
    case 'grpc-method':
      return methodOf(path) === match.path.value;
    case 'prefix': {
      const prefix = prefixKey(match.path.value);
      return path.startsWith(prefix) && (path.length === prefix.length || path.charCodeAt(prefix.length) === SLASH);
    }
    default:
      return match.path satisfies never;
  }
}

interface Condition {
  readonly name: string;
  readonly value: string;
  readonly regex: Regex | undefined;
}

interface CompiledMatch {
  readonly grpc: boolean;
  readonly method: string | undefined;
  readonly headers: readonly Condition[];
  readonly query: readonly Condition[];
}

interface CompiledEntry extends CompiledMatch {
  readonly entry: Entry;
  readonly path: Regex | undefined;
}

function compile(entry: Entry): CompiledEntry {
  const { path } = entry.match;
  return { ...compileMatch(entry.match), entry, path: path.type === 'regex' ? compileRegex(path.value) : undefined };
}

function compileMatch(match: Match): CompiledMatch {
  return {
    grpc: match.protocol === 'grpc',
    method: match.method,
    headers: match.headers.map(condition),
    query: match.query.map(condition),
  };
}

function condition(match: ValueMatch): Condition {
  return {
    name: match.name,
    value: match.value,
    regex: match.type === 'regex' ? compileRegex(match.value) : undefined,
  };
}

function takesRest(entry: CompiledMatch, request: MatchRequest): boolean {
  if (entry.grpc && !request.grpc) return false;
  if (entry.method !== undefined && entry.method !== request.method) return false;
  for (let i = 0; i < entry.headers.length; i++) {
    const wanted = entry.headers[i] as Condition;
    if (!satisfies(wanted, request.header(wanted.name))) return false;
  }
  for (let i = 0; i < entry.query.length; i++) {
    const wanted = entry.query[i] as Condition;
    if (!satisfies(wanted, request.query(wanted.name))) return false;
  }
  return true;
}

function satisfies(wanted: Condition, value: string | undefined): boolean {
  if (value === undefined) return false;
  return wanted.regex === undefined ? value === wanted.value : wanted.regex.test(value);
}

const SLASH = 47;
/** Up to this many distinct prefixes are tried one by one, longest first; more are looked up by the path's elements. */
const few = 16;

class Tier {
  readonly #first: Entry;
  readonly #exact = new Map<string, CompiledEntry[]>();
  readonly #regexes: CompiledEntry[] = [];
  readonly #methods = new Map<string, CompiledEntry[]>();
  readonly #prefixes = new Map<string, CompiledEntry[]>();
  /** The keys of #prefixes, longest first; '' is the prefix `/`. */
  readonly #byLength: string[] = [];
  size = 0;

  constructor(first: Entry) {
    this.#first = first;
  }

  holds(entry: Entry): boolean {
    return compareTierEntries(this.#first, entry) === 0;
  }

  compare(other: Tier): number {
    return compareTierEntries(this.#first, other.#first);
  }

  insert(entry: CompiledEntry): void {
    this.size++;
    const { path } = entry.entry.match;
    if (path.type === 'regex') {
      insertSorted(this.#regexes, entry, compareCompiled);
      return;
    }
    const map = this.#map(path.type);
    const key = path.type === 'prefix' ? prefixKey(path.value) : path.value;
    let bucket = map.get(key);
    if (bucket === undefined) {
      map.set(key, (bucket = []));
      if (path.type === 'prefix') insertSorted(this.#byLength, key, compareLengths);
    }
    insertSorted(bucket, entry, compareCompiled);
  }

  remove(entry: CompiledEntry): boolean {
    const { path } = entry.entry.match;
    const key = path.type === 'prefix' ? prefixKey(path.value) : path.value;
    const bucket = path.type === 'regex' ? this.#regexes : this.#map(path.type).get(key);
    if (bucket === undefined || !removeSorted(bucket, entry, compareCompiled)) return false;
    this.size--;
    if (bucket.length === 0 && path.type !== 'regex') {
      this.#map(path.type).delete(key);
      if (path.type === 'prefix') removeSorted(this.#byLength, key, compareLengths);
    }
    return true;
  }

  match(request: MatchRequest): CompiledEntry | undefined {
    const { path } = request;
    if (this.#exact.size > 0) {
      const found = first(this.#exact.get(path), request);
      if (found !== undefined) return found;
    }
    for (let i = 0; i < this.#regexes.length; i++) {
      const entry = this.#regexes[i] as CompiledEntry;
      if (takesRest(entry, request) && entry.path?.test(path) === true) return entry;
    }
    return this.#byLength.length <= few ? this.#scanPrefixes(path, request) : this.#lookUpPrefixes(path, request);
  }

  #scanPrefixes(path: string, request: MatchRequest): CompiledEntry | undefined {
    for (let i = 0; i < this.#byLength.length; i++) {
      const prefix = this.#byLength[i] as string;
      const { length } = prefix;
      if (length === 0) break;
      if (
        path.length < length ||
        (path.length > length && path.charCodeAt(length) !== SLASH) ||
        !path.startsWith(prefix)
      )
        continue;
      const found = first(this.#prefixes.get(prefix), request);
      if (found !== undefined) return found;
    }
    return this.#last(path, request);
  }

  #lookUpPrefixes(path: string, request: MatchRequest): CompiledEntry | undefined {
    const longest = (this.#byLength[0] as string).length;
    let end = path.length;
    if (end > longest) end = path.charCodeAt(longest) === SLASH ? longest : path.lastIndexOf('/', longest);
    for (; end > 0; end = path.lastIndexOf('/', end - 1)) {
      const found = first(this.#prefixes.get(path.slice(0, end)), request);
      if (found !== undefined) return found;
    }
    return this.#last(path, request);
  }

  /** gRPC methods of any service, then the prefix that takes everything. */
  #last(path: string, request: MatchRequest): CompiledEntry | undefined {
    if (this.#methods.size > 0) {
      const found = first(this.#methods.get(methodOf(path)), request);
      if (found !== undefined) return found;
    }
    return first(this.#prefixes.get(''), request);
  }

  #map(type: 'exact' | 'prefix' | 'grpc-method'): Map<string, CompiledEntry[]> {
    switch (type) {
      case 'exact':
        return this.#exact;
      case 'prefix':
        return this.#prefixes;
      case 'grpc-method':
        return this.#methods;
      default:
        return type satisfies never;
    }
  }
}

function first(bucket: readonly CompiledEntry[] | undefined, request: MatchRequest): CompiledEntry | undefined {
  if (bucket === undefined) return undefined;
  for (let i = 0; i < bucket.length; i++) {
    const entry = bucket[i] as CompiledEntry;
    if (takesRest(entry, request)) return entry;
  }
  return undefined;
}

/** `/a/` is `/a`; `/` is ''. */
function prefixKey(value: string): string {
  return value.endsWith('/') ? value.slice(0, -1) : value;
}

/** `Method` of `/Service/Method`; '' when the path is not of that form. */
function methodOf(path: string): string {
  const slash = path.indexOf('/', 1);
  return slash < 0 || path.includes('/', slash + 1) ? '' : path.slice(slash + 1);
}

function compareTierEntries(a: Entry, b: Entry): number {
  return (
    compareSpecificity(a.rank.hostname, b.rank.hostname) ||
    (b.rank.explicit ?? 0) - (a.rank.explicit ?? 0) ||
    Number(b.match.protocol === 'grpc') - Number(a.match.protocol === 'grpc')
  );
}

function compareTiers(a: Tier, b: Tier): number {
  return a.compare(b);
}

function compareCompiled(a: CompiledEntry, b: CompiledEntry): number {
  return compareEntries(a.entry, b.entry);
}

function compareLengths(a: string, b: string): number {
  return b.length - a.length || (a < b ? -1 : a > b ? 1 : 0);
}
