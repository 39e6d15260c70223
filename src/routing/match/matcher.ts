// The one matcher of the product, for the engine and for explain: the entries of one virtual host, compiled so that a
// request costs a few look-ups however many entries there are, and a changed entry costs one insertion.
//
// Entries fall into tiers by the hostname of their routes. In a tier they lie by protocol and path: exact paths in a map,
// regular expressions in a list, prefixes by length, gRPC methods in a map. Entries of one path stand in precedence order.
import { insertSorted, removeSorted } from '../../support/sorted.ts';
import type { Entry } from '../model.ts';
import { compileMatch, methodOf, pathKey, takesRest, type CompiledMatch, type MatchRequest } from './conditions.ts';
import { compareSpecificity } from './hostnames.ts';
import { compareEntries } from './precedence.ts';
import { PrefixTable } from './prefixes.ts';
import { compileRegex, type Regex } from './regex.ts';

export class VirtualHostMatcher {
  /** In order of precedence. */
  readonly #tiers: Tier[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  insert(entry: Entry): void {
    const { hostname } = entry.rank;
    let tier = this.#tiers.find((each) => each.hostname === hostname);
    if (tier === undefined) {
      insertSorted(this.#tiers, (tier = new Tier(hostname)), (a, b) => compareSpecificity(a.hostname, b.hostname));
    }
    tier.insert(compile(entry));
    this.#size++;
  }

  /** Removes the entry of the same rule and match, given as it was inserted; an unknown one is ignored. */
  remove(entry: Entry): void {
    const at = this.#tiers.findIndex((each) => each.hostname === entry.rank.hostname);
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

interface CompiledEntry extends CompiledMatch {
  readonly entry: Entry;
  readonly path: Regex | undefined;
}

function compile(entry: Entry): CompiledEntry {
  const { path } = entry.match;
  return { ...compileMatch(entry.match), entry, path: path.type === 'regex' ? compileRegex(path.value) : undefined };
}

/** The entries of routes of one hostname. There may be tens of thousands, so what has no entries takes no memory. */
class Tier {
  readonly hostname: string;
  #grpc: PathTable | null = null;
  #http: PathTable | null = null;
  /** Entries with an explicit rank. While there are none, the kind of path alone says where to look first. */
  #ranked = 0;

  constructor(hostname: string) {
    this.hostname = hostname;
  }

  get size(): number {
    return (this.#grpc?.size ?? 0) + (this.#http?.size ?? 0);
  }

  insert(compiled: CompiledEntry): void {
    const table = compiled.grpc ? (this.#grpc ??= new PathTable()) : (this.#http ??= new PathTable());
    table.insert(compiled);
    if ((compiled.entry.rank.explicit ?? 0) !== 0) this.#ranked++;
  }

  remove(compiled: CompiledEntry): boolean {
    const table = compiled.grpc ? this.#grpc : this.#http;
    if (table === null || !table.remove(compiled)) return false;
    if ((compiled.entry.rank.explicit ?? 0) !== 0) this.#ranked--;
    return true;
  }

  match(request: MatchRequest): CompiledEntry | undefined {
    const [grpc, http] = [request.grpc ? this.#grpc : null, this.#http];
    if (this.#ranked === 0) return grpc?.first(request) ?? http?.first(request);
    return better(grpc?.best(request), http?.best(request));
  }
}

/** Entries of one protocol and hostname, by path. */
class PathTable {
  #exact: Map<string, CompiledEntry[]> | null = null;
  #regexes: CompiledEntry[] | null = null;
  #prefixes: PrefixTable<CompiledEntry> | null = null;
  #methods: Map<string, CompiledEntry[]> | null = null;
  /** Those of the prefix `/`. */
  #rest: CompiledEntry[] | null = null;
  size = 0;

  insert(compiled: CompiledEntry): void {
    this.size++;
    insertSorted(this.#bucket(compiled) ?? this.#newBucket(compiled), compiled, compareCompiled);
  }

  remove(compiled: CompiledEntry): boolean {
    const bucket = this.#bucket(compiled);
    if (bucket === undefined || !removeSorted(bucket, compiled, compareCompiled)) return false;
    this.size--;
    if (bucket.length > 0) return true;
    const { path } = compiled.entry.match;
    const key = pathKey(path);
    if (path.type === 'exact') this.#exact?.delete(key);
    else if (path.type === 'grpc-method') this.#methods?.delete(key);
    else if (path.type === 'prefix') this.#prefixes?.delete(key);
    return true;
  }

  /** The first taker, where exact paths go before regular expressions, these before prefixes, long before short. */
  first(request: MatchRequest): CompiledEntry | undefined {
    const { path } = request;
    if (this.#exact !== null) {
      const found = firstOf(this.#exact.get(path), request);
      if (found !== undefined) return found;
    }
    if (this.#regexes !== null) {
      const found = firstRegex(this.#regexes, request);
      if (found !== undefined) return found;
    }
    const prefixes = this.#prefixes;
    if (prefixes !== null) {
      for (let at = prefixes.next(path, 0); at >= 0; at = prefixes.next(path, at)) {
        const found = firstOf(prefixes.found, request);
        if (found !== undefined) return found;
      }
    }
    if (this.#methods !== null) {
      const found = firstOf(this.#methods.get(methodOf(path)), request);
      if (found !== undefined) return found;
    }
    return firstOf(this.#rest, request);
  }

  /** The best of the first takers of every kind of path: explicit ranks go above the kind. */
  best(request: MatchRequest): CompiledEntry | undefined {
    const { path } = request;
    let best = better(firstOf(this.#exact?.get(path), request), firstRegex(this.#regexes, request));
    const prefixes = this.#prefixes;
    if (prefixes !== null) {
      for (let at = prefixes.next(path, 0); at >= 0; at = prefixes.next(path, at)) {
        best = better(best, firstOf(prefixes.found, request));
      }
    }
    if (this.#methods !== null) best = better(best, firstOf(this.#methods.get(methodOf(path)), request));
    return better(best, firstOf(this.#rest, request));
  }

  #bucket({ entry: { match } }: CompiledEntry): CompiledEntry[] | undefined {
    const key = pathKey(match.path);
    const { type } = match.path;
    switch (type) {
      case 'exact':
        return this.#exact?.get(key);
      case 'regex':
        return this.#regexes ?? undefined;
      case 'prefix':
        return key === '' ? (this.#rest ?? undefined) : this.#prefixes?.get(key);
      case 'grpc-method':
        return this.#methods?.get(key);
      default:
        return type satisfies never;
    }
  }

  #newBucket({ entry: { match } }: CompiledEntry): CompiledEntry[] {
    const key = pathKey(match.path);
    const { type } = match.path;
    if (type === 'regex') return (this.#regexes = []);
    if (type === 'prefix') return key === '' ? (this.#rest = []) : (this.#prefixes ??= new PrefixTable()).add(key);
    const bucket: CompiledEntry[] = [];
    if (type === 'exact') (this.#exact ??= new Map<string, CompiledEntry[]>()).set(key, bucket);
    else (this.#methods ??= new Map<string, CompiledEntry[]>()).set(key, bucket);
    return bucket;
  }
}

function firstRegex(entries: readonly CompiledEntry[] | null, request: MatchRequest): CompiledEntry | undefined {
  if (entries === null) return undefined;
  for (let i = 0; i < entries.length; i++) {
    const compiled = entries[i] as CompiledEntry;
    // The expression last: it is the dearest of the conditions.
    if (takesRest(compiled, request) && compiled.path?.test(request.path) === true) return compiled;
  }
  return undefined;
}

function firstOf(
  bucket: readonly CompiledEntry[] | undefined | null,
  request: MatchRequest,
): CompiledEntry | undefined {
  if (bucket === undefined || bucket === null) return undefined;
  for (let i = 0; i < bucket.length; i++) {
    const compiled = bucket[i] as CompiledEntry;
    if (takesRest(compiled, request)) return compiled;
  }
  return undefined;
}

function better(a: CompiledEntry | undefined, b: CompiledEntry | undefined): CompiledEntry | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return compareCompiled(a, b) <= 0 ? a : b;
}

function compareCompiled(a: CompiledEntry, b: CompiledEntry): number {
  return compareEntries(a.entry, b.entry);
}
