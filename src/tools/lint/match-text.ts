// A match and the place of an entry, for people.
import type { Tables } from '../../pipeline/tables.ts';
import type { Entry, Match, PathMatch } from '../../routing/model.ts';
import { at, type Origin } from '../../routing/origin.ts';

/** `GET prefix /cart, header x-canary=1`. */
export function describeMatch({ method, path, headers, query }: Match): string {
  const parts = [`${method === undefined ? '' : `${method} `}${pathText(path)}`];
  for (const { name, type, value } of headers) parts.push(`header ${name}${type === 'exact' ? '=' : '~'}${value}`);
  for (const { name, type, value } of query) parts.push(`query ${name}${type === 'exact' ? '=' : '~'}${value}`);
  return parts.join(', ');
}

/** Where the match of an entry stands; undefined for an entry whose rule is gone. */
export function originOfEntry(tables: Tables, entry: Entry): Origin | undefined {
  const rule = tables.rules.get(entry.rule);
  if (rule === undefined) return undefined;
  // A rule of an Ingress has an origin of its own shape, where there are no `matches`.
  return /^spec\.rules\[\d+\]$/.test(rule.origin.path) ? at(rule.origin, 'matches', entry.rank.match) : rule.origin;
}

/** `example.com (listener shop/gateway/http)` for the key of a virtual host. */
export function describeHost(key: string): string {
  const bar = key.indexOf('|');
  const host = key.slice(bar + 1);
  return `${host === '' ? 'any host' : host} (listener ${describeListener(key.slice(0, bar))})`;
}

/** By the key of its frontend: that of a ListenerSet is named with the set. */
export function describeListener(frontend: string): string {
  const parts = frontend.split('/');
  return `${parts.slice(-3).join('/')}${parts.length > 3 ? ' of the ListenerSet' : ''}`;
}

function pathText(path: PathMatch): string {
  switch (path.type) {
    case 'exact':
      return `path ${path.value}`;
    case 'prefix':
      return `prefix ${path.value === '' ? '/' : path.value}`;
    case 'regex':
      return `path ~ ${path.value}`;
    case 'grpc-method':
      return `gRPC method ${path.value}`;
    default:
      return path satisfies never;
  }
}
