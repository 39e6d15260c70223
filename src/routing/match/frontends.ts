// From a host to what serves it: which frontend of a bind, and in which order the virtual hosts of that frontend are asked.
// Look-ups, not scans: neither the number of listeners nor that of hosts shows in a request.
import { compareSpecificity, coversHost, isWildcard } from './hostnames.ts';

/**
 * Values by hostname pattern, asked from the most to the least specific: the exact host, then wildcards from the longest
 * suffix to the shortest, then ''.
 */
export class HostTable<T> {
  readonly #exact = new Map<string, T>();
  /** By what follows the `*`: `.example.com`. */
  readonly #wildcards = new Map<string, T>();
  #any: T | undefined;
  /** No wildcard ever was longer: bounds the look-ups that a host full of dots can cause. */
  #longest = 0;

  get size(): number {
    return this.#exact.size + this.#wildcards.size + (this.#any === undefined ? 0 : 1);
  }

  get(hostname: string): T | undefined {
    if (hostname === '') return this.#any;
    return isWildcard(hostname) ? this.#wildcards.get(hostname.slice(1)) : this.#exact.get(hostname);
  }

  set(hostname: string, value: T): void {
    if (hostname === '') this.#any = value;
    else if (isWildcard(hostname)) {
      this.#wildcards.set(hostname.slice(1), value);
      this.#longest = Math.max(this.#longest, hostname.length - 1);
    } else this.#exact.set(hostname, value);
  }

  delete(hostname: string): void {
    if (hostname === '') this.#any = undefined;
    else if (isWildcard(hostname)) this.#wildcards.delete(hostname.slice(1));
    else this.#exact.delete(hostname);
  }

  *values(): Iterable<T> {
    yield* this.#exact.values();
    yield* this.#wildcards.values();
    if (this.#any !== undefined) yield this.#any;
  }

  /** The first value, from the most specific pattern that covers the normalised host, for which `use` gives a result. */
  find<R>(host: string, use: (value: T) => R | undefined): R | undefined {
    const exact = this.#exact.get(host);
    if (exact !== undefined) {
      const result = use(exact);
      if (result !== undefined) return result;
    }
    if (this.#wildcards.size > 0) {
      // From the second character on: a `*` stands for one label or more, and a label has a character.
      const from = Math.max(1, host.length - this.#longest);
      for (let dot = host.indexOf('.', from); dot >= 0; dot = host.indexOf('.', dot + 1)) {
        const value = this.#wildcards.get(host.slice(dot));
        const result = value === undefined ? undefined : use(value);
        if (result !== undefined) return result;
      }
    }
    return this.#any === undefined ? undefined : use(this.#any);
  }

  /** The value of the most specific pattern that covers the host: the listener that a request belongs to (isolation). */
  lookUp(host: string): T | undefined {
    return this.find(host, same);
  }
}

function same<T>(value: T): T {
  return value;
}

export interface HostOwner {
  /** '' = every host. */
  readonly hostname: string;
}

export type Judgement<F> =
  | { readonly outcome: 'serve'; readonly frontend: F }
  /** 421: the connection belongs to another listener than the host (RFC 9110 section 15.5.20, GEP-3567). */
  | { readonly outcome: 'misdirected' }
  | { readonly outcome: 'not-found' };

/**
 * Which frontend serves a request on a TLS connection whose SNI chose `connection`, for the normalised host. Another
 * frontend that covers the host more specifically, or at all when the connection's own does not, makes it misdirected.
 */
export function judge<F extends HostOwner>(frontends: HostTable<F>, connection: F, host: string): Judgement<F> {
  const owner = frontends.lookUp(host);
  if (owner === undefined) return { outcome: 'not-found' };
  if (owner === connection) return { outcome: 'serve', frontend: connection };
  if (!coversHost(connection.hostname, host)) return { outcome: 'misdirected' };
  return compareSpecificity(owner.hostname, connection.hostname) < 0
    ? { outcome: 'misdirected' }
    : { outcome: 'serve', frontend: connection };
}
