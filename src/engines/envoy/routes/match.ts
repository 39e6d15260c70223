// A match of the model -> a RouteMatch of Envoy that takes the same requests. Query parameters are matched decoded: guard.ts puts
// them into metadata.
import { pathKey } from '../../../routing/match/conditions.ts';
import type { Match, PathMatch, ValueMatch } from '../../../routing/model.ts';
import type { Message } from '../tree.ts';

/** Namespace of what the guard tells the matches. */
export const METADATA = 'portolan';

/** Of the value of a query parameter within METADATA. */
export function queryKey(name: string): string {
  return `query:${name}`;
}

/** The headers of gRPC requests as the routing model understands them: POST, and one of its content types. */
export const grpcHeaders: readonly Message[] = [
  { name: ':method', string_match: { exact: 'POST' } },
  { name: 'content-type', string_match: { safe_regex: { regex: '(?is)application/grpc(?:[+; ].*)?' } } },
];

export function routeMatch(match: Match): Message {
  const { method } = match;
  // Most say nothing but a path.
  if (method === undefined && match.protocol === 'http' && match.headers.length + match.query.length === 0)
    return pathMatch(match.path);
  const headers = [
    ...(match.protocol === 'grpc' ? grpcHeaders : []),
    ...(method === undefined ? [] : [{ name: ':method', string_match: { exact: method } }]),
    ...match.headers.map((header) => ({ name: header.name, string_match: valueMatch(header) })),
  ];
  const queries = match.query.map((query) => ({
    filter: METADATA,
    path: [{ key: queryKey(query.name) }],
    value: { string_match: valueMatch(query) },
  }));
  return {
    ...pathMatch(match.path),
    ...(headers.length > 0 ? { headers } : {}),
    ...(queries.length > 0 ? { dynamic_metadata: queries } : {}),
  };
}

function pathMatch(path: PathMatch): Message {
  const key = pathKey(path);
  switch (path.type) {
    case 'exact':
      return { path: key };
    case 'regex':
      return { safe_regex: { regex: expression(path.value) } };
    case 'grpc-method':
      return { safe_regex: { regex: `/[^/]*/${quoted(path.value)}` } };
    case 'prefix':
      // '' takes the target `*` as well.
      if (key === '') return { prefix: '' };
      // What Envoy does not take for the beginning of a path by elements.
      if (!/^[^?#]+[^?#/]$/.test(key)) return { safe_regex: { regex: `(?s)${quoted(key)}(?:/.*)?` } };
      return { path_separated_prefix: key };
    default:
      return path satisfies never;
  }
}

export function valueMatch({ type, value }: Pick<ValueMatch, 'type' | 'value'>): Message {
  return type === 'regex' ? { safe_regex: { regex: expression(value) } } : { exact: value };
}

/** Envoy wants a character at least. */
function expression(regex: string): string {
  return regex === '' ? '(?:)' : regex;
}

/** A text as a regular expression of RE2. */
export function quoted(text: string): string {
  return text.replaceAll(/[\\^$.|?*+()[\]{}]/g, String.raw`\$&`);
}
