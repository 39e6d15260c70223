// Path changes of URLRewrite and RequestRedirect (HTTPPathModifier). The query string is not theirs and always survives.
import { RE2JS } from 're2js';
import type { PathChange } from '../filters.ts';

/** The path after the change. `path` is the normalised path of the request, which the rule's match took. */
export function changePath(path: string, change: PathChange): string {
  switch (change.type) {
    case 'full':
      return absolute(change.value);
    case 'prefix':
      return replacePrefix(path, change.prefix, change.value);
    case 'regex':
      return replaceGroups(path, change.pattern, change.value);
    default:
      return change satisfies never;
  }
}

/** Element-wise: the table of HTTPPathModifier.replacePrefixMatch. */
function replacePrefix(path: string, prefix: string, value: string): string {
  const end = prefix.endsWith('/') ? prefix.length - 1 : prefix.length;
  const rest = path.slice(end);
  const base = value.endsWith('/') ? value.slice(0, -1) : value;
  return absolute(base + rest);
}

function absolute(path: string): string {
  return path.startsWith('/') ? path : `/${path}`;
}

const patterns = new Map<string, RE2JS>();
const kept = 1024;

/** `$1` in `value` is the first group of the pattern, as in ingress-nginx's rewrite-target; unmatched groups are empty. */
function replaceGroups(path: string, pattern: string, value: string): string {
  let regex = patterns.get(pattern);
  if (regex === undefined) {
    if (patterns.size >= kept) patterns.clear();
    patterns.set(pattern, (regex = RE2JS.compile(pattern)));
  }
  const matcher = regex.matcher(path);
  if (!matcher.lookingAt()) return path;
  return absolute(
    value.replaceAll(/\$(\d)/g, (_, group: string) =>
      Number(group) <= matcher.groupCount() ? (matcher.group(Number(group)) ?? '') : '',
    ),
  );
}
