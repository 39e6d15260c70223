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

/** The entries of routes of one hostname. */
class Tier {
  readonly hostname: string;
  readonly #grpc = new PathTable();
  readonly #http = new PathTable();
  /** Entries with an explicit rank. While there are none, the kind of path alone says where to look first. */
  #ranked = 0;

  constructor(hostname: string) {
    this.hostname = hostname;
  }

  get size(): number {
    return this.#grpc.size + this.#http.size;
  }

  insert(compiled: CompiledEntry): void {
    (compiled.grpc ? this.#grpc : this.#http).insert(compiled);
    if ((compiled.entry.rank.explicit ?? 0) !== 0) this.#ranked++;
  }

  remove(compiled: CompiledEntry): boolean {
    if (!(compiled.grpc ? this.#grpc : this.#http).remove(compiled)) return false;
    if ((compiled.entry.rank.explicit ?? 0) !== 0) this.#ranked--;
    return true;
  }

  match(request: MatchRequest): CompiledEntry | undefined {
    if (this.#ranked === 0) {
      return (request.grpc ? this.#grpc.first(request) : undefined) ?? this.#http.first(request);
    }
    const http = this.#http.best(request);
    return request.grpc ? better(this.#grpc.best(request), http) : http;
  }
}

/** Entries of one protocol and hostname, by path. */
class PathTable {
  readonly #exact = new Map<string, CompiledEntry[]>();
  readonly #regexes: CompiledEntry[] = [];
  readonly #prefixes = new PrefixTable<CompiledEntry>();
  readonly #methods = new Map<string, CompiledEntry[]>();
  /** Those of the prefix `/`. */
  readonly #rest: CompiledEntry[] = [];
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
    if (path.type === 'exact') this.#exact.delete(key);
    else if (path.type === 'grpc-method') this.#methods.delete(key);
    else if (path.type === 'prefix') this.#prefixes.delete(key);
    return true;
  }

  /** The first taker, where exact paths go before regular expressions, these before prefixes, long before short. */
  first(request: MatchRequest): CompiledEntry | undefined {
    if (this.size === 0) return undefined;
    const { path } = request;
    if (this.#exact.size > 0) {
      const found = firstOf(this.#exact.get(path), request);
      if (found !== undefined) return found;
    }
    if (this.#regexes.length > 0) {
      const found = this.#firstRegex(request);
      if (found !== undefined) return found;
    }
    for (let at = this.#prefixes.next(path, 0); at >= 0; at = this.#prefixes.next(path, at)) {
      const found = firstOf(this.#prefixes.found, request);
      if (found !== undefined) return found;
    }
    if (this.#methods.size > 0) {
      const found = firstOf(this.#methods.get(methodOf(path)), request);
      if (found !== undefined) return found;
    }
    return firstOf(this.#rest, request);
  }

  /** The best of the first takers of every kind of path: explicit ranks go above the kind. */
  best(request: MatchRequest): CompiledEntry | undefined {
    const { path } = request;
    let best = better(firstOf(this.#exact.get(path), request), this.#firstRegex(request));
    for (let at = this.#prefixes.next(path, 0); at >= 0; at = this.#prefixes.next(path, at)) {
      best = better(best, firstOf(this.#prefixes.found, request));
    }
    if (this.#methods.size > 0) best = better(best, firstOf(this.#methods.get(methodOf(path)), request));
    return better(best, firstOf(this.#rest, request));
  }

  #firstRegex(request: MatchRequest): CompiledEntry | undefined {
    for (let i = 0; i < this.#regexes.length; i++) {
      const compiled = this.#regexes[i] as CompiledEntry;
      // The expression last: it is the dearest of the conditions.
      if (takesRest(compiled, request) && compiled.path?.test(request.path) === true) return compiled;
    }
    return undefined;
  }

  #bucket({ entry: { match } }: CompiledEntry): CompiledEntry[] | undefined {
    const key = pathKey(match.path);
    const { type } = match.path;
    switch (type) {
      case 'exact':
        return this.#exact.get(key);
      case 'regex':
        return this.#regexes;
      case 'prefix':
        return key === '' ? this.#rest : this.#prefixes.get(key);
      case 'grpc-method':
        return this.#methods.get(key);
      default:
        return type satisfies never;
    }
  }

  #newBucket({ entry: { match } }: CompiledEntry): CompiledEntry[] {
    const key = pathKey(match.path);
    if (match.path.type === 'prefix') return this.#prefixes.add(key);
    const bucket: CompiledEntry[] = [];
    (match.path.type === 'exact' ? this.#exact : this.#methods).set(key, bucket);
    return bucket;
  }
}

function firstOf(bucket: readonly CompiledEntry[] | undefined, request: MatchRequest): CompiledEntry | undefined {
  if (bucket === undefined) return undefined;
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
