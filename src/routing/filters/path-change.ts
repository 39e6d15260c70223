// Path changes of URLRewrite and RequestRedirect (HTTPPathModifier). The query string is not theirs and always survives.
import { RE2JS } from 're2js';
import type { PathChange } from '../filters.ts';
import { pathKey, startsWithElements } from '../match/conditions.ts';
import { toOctets } from '../match/octets.ts';
import { normalizePath } from '../match/path.ts';

/**
 * The path after the change. `path` is the normalised path of the request, which the rule's match took; the result is a
 * normalised path too, whatever a user wrote: what no path may contain is percent-encoded.
 */
export function changePath(path: string, change: PathChange): string {
  let compiled = changes.get(change);
  if (compiled === undefined) changes.set(change, (compiled = compile(change)));
  return compiled(path);
}

/** Compiled once per change; the rows that hold changes live as long as the rules that use them. */
const changes = new WeakMap<PathChange, (path: string) => string>();

function compile(change: PathChange): (path: string) => string {
  switch (change.type) {
    case 'full': {
      const value = writtenPath(change.value);
      return () => value;
    }
    case 'prefix': {
      const prefix = pathKey({ type: 'prefix', value: change.prefix });
      const value = writtenPath(change.value);
      const base = value.endsWith('/') ? value.slice(0, -1) : value;
      return (path) => replacePrefix(path, prefix, base);
    }
    case 'regex':
      return replaceGroups(change.pattern, change.value);
    default:
      return change satisfies never;
  }
}

/** Element-wise: the table of HTTPPathModifier.replacePrefixMatch. A path without the prefix stays as it is. */
function replacePrefix(path: string, prefix: string, base: string): string {
  if (!startsWithElements(path, prefix)) return path;
  const result = base + path.slice(prefix.length);
  return result === '' ? '/' : result;
}

/** `$1` in `value` is the first group of the pattern, as in ingress-nginx's rewrite-target; unmatched groups are empty. */
function replaceGroups(pattern: string, value: string): (path: string) => string {
  let regex: RE2JS;
  try {
    regex = RE2JS.compile(pattern);
  } catch {
    // Reported when it was translated; such a rule takes no request.
    return (path) => path;
  }
  return (path) => {
    const matcher = regex.matcher(path);
    if (!matcher.lookingAt()) return path;
    const groups = matcher.groupCount();
    return writtenPath(
      value.replaceAll(/\$(\d)/g, (_, group: string) =>
        Number(group) <= groups ? (matcher.group(Number(group)) ?? '') : '',
      ),
    );
  };
}

/** A path as a user wrote it, absolute, with what no path may contain percent-encoded, and normalised. */
export function writtenPath(value: string): string {
  const encoded = toOctets(value.startsWith('/') ? value : `/${value}`).replaceAll(
    /%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9\-._~!$&'()*+,;=:@/%|^[\]{}]/g,
    (octet) => `%${octet.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
  return normalizePath(encoded) ?? encoded;
}
