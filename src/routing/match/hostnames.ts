// Hostnames of listeners and routes: what they cover, how two of them intersect, which is more specific (GEP-1097;
// HTTPRouteSpec.hostnames). '' stands for every host; a wildcard is `*.` first and covers one label or more.

/** The host of an authority, as it is compared: lower case, no port, no trailing dot; IPv6 literals keep their brackets. */
export function normalizeHost(authority: string): string {
  let end = authority.length;
  if (authority.charCodeAt(0) === OPEN_BRACKET) {
    const close = authority.indexOf(']');
    if (close > 0) end = close + 1;
  } else {
    const colon = authority.indexOf(':');
    if (colon >= 0) end = colon;
  }
  if (end > 0 && authority.charCodeAt(end - 1) === DOT) end--;
  const host = end === authority.length ? authority : authority.slice(0, end);
  for (let i = 0; i < host.length; i++) {
    const code = host.charCodeAt(i);
    if (code >= UPPER_A && code <= UPPER_Z) return host.toLowerCase();
  }
  return host;
}

const DOT = 46;
const UPPER_A = 65;
const UPPER_Z = 90;
const OPEN_BRACKET = 91;

export function isWildcard(pattern: string): boolean {
  return pattern.startsWith('*.');
}

/** Whether a normalised host falls under the pattern. `*.example.com` covers `a.b.example.com`, never `example.com`. */
export function coversHost(pattern: string, host: string): boolean {
  if (pattern === '' || pattern === host) return true;
  return isWildcard(pattern) && host.length > pattern.length - 1 && host.endsWith(pattern.slice(1));
}

/** The hosts that both patterns cover, as one pattern, or undefined when there is none. */
export function intersectHostnames(listener: string, route: string): string | undefined {
  if (listener === '' || listener === route) return route;
  if (route === '') return listener;
  if (coversHost(listener, route)) return route;
  if (coversHost(route, listener)) return listener;
  return undefined;
}

/**
 * Order by specificity, the most specific first: a hostname without wildcard before one with, more characters before
 * fewer, '' last ("most characters in a matching non-wildcard hostname, then most characters in any").
 */
export function compareSpecificity(a: string, b: string): number {
  const wildA = a === '' || isWildcard(a);
  const wildB = b === '' || isWildcard(b);
  if (wildA !== wildB) return wildA ? 1 : -1;
  return b.length - a.length;
}
