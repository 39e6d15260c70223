// From a host to what serves it: which frontend of a bind, and in which order the virtual hosts of that frontend are asked.
// Look-ups, not scans: neither the number of listeners nor that of hosts shows in a request.
import { compareSpecificity, coversHost } from './hostnames.ts';

/**
 * Values by hostname pattern, asked from the most to the least specific: the exact host, then wildcards from the longest
 * suffix to the shortest, then ''.
 */
export class HostTable<T> {
  readonly #byHostname = new Map<string, T>();
  #wildcards = 0;

  get size(): number {
    return this.#byHostname.size;
  }

  get(hostname: string): T | undefined {
    return this.#byHostname.get(hostname);
  }

  set(hostname: string, value: T): void {
    if (!this.#byHostname.has(hostname) && hostname.startsWith('*.')) this.#wildcards++;
    this.#byHostname.set(hostname, value);
  }

  delete(hostname: string): void {
    if (this.#byHostname.delete(hostname) && hostname.startsWith('*.')) this.#wildcards--;
  }

  values(): Iterable<T> {
    return this.#byHostname.values();
  }

  /** The first value, from the most specific pattern that covers the normalised host, for which `use` gives a result. */
  find<R>(host: string, use: (value: T) => R | undefined): R | undefined {
    const exact = this.#byHostname.get(host);
    if (exact !== undefined && host !== '') {
      const result = use(exact);
      if (result !== undefined) return result;
    }
    if (this.#wildcards > 0) {
      for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) {
        const value = dot > 0 ? this.#byHostname.get(`*${host.slice(dot)}`) : undefined;
        const result = value === undefined ? undefined : use(value);
        if (result !== undefined) return result;
      }
    }
    const any = this.#byHostname.get('');
    return any === undefined ? undefined : use(any);
  }

  /** The value of the most specific pattern that covers the host. */
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
