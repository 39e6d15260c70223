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

/** Where a match says nothing but a path, and Envoy has a field for it: most do. */
export function plainPath({ path, method, protocol, headers, query }: Match): PlainPath | undefined {
  const isAll = method === undefined && protocol === 'http' && headers.length + query.length === 0;
  return isAll ? plain(path) : undefined;
}

interface PlainPath {
  /** Of a RouteMatch. */
  readonly field: 'path' | 'path_separated_prefix';
  readonly text: string;
}

function plain(path: PathMatch): PlainPath | undefined {
  if (path.type === 'exact') return { field: 'path', text: pathKey(path) };
  if (path.type !== 'prefix') return undefined;
  const text = pathKey(path);
  // What Envoy does not take for the beginning of a path by elements.
  return /^[^?#]+[^?#/]$/.test(text) ? { field: 'path_separated_prefix', text } : undefined;
}

function pathMatch(path: PathMatch): Message {
  const named = plain(path);
  if (named !== undefined) return { [named.field]: named.text };
  const key = pathKey(path);
  switch (path.type) {
    case 'regex':
      return { safe_regex: { regex: expression(path.value) } };
    case 'grpc-method':
      return { safe_regex: { regex: `/[^/]*/${quoted(path.value)}` } };
    case 'prefix':
      // '' takes the target `*` as well.
      return key === '' ? { prefix: '' } : { safe_regex: { regex: `(?s)${quoted(key)}(?:/.*)?` } };
    default:
      return { path: key };
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
