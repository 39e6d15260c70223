// Which entry judges a CORS preflight. The standard says that a CORS filter answers preflights, not how one finds its rule
// when matches ask for a method: a preflight is OPTIONS and stands for a request of another method (docs/semantics.md).
import type { Entry } from '../model.ts';
import type { MatchRequest } from './conditions.ts';

/**
 * The entry that takes the request which the preflight announces, when its rule has a CORS filter; otherwise, and whenever
 * a match asks for OPTIONS itself, the entry that takes the OPTIONS request as it is.
 * @param find the entry that takes a request
 * @param announced Access-Control-Request-Method
 */
export function matchPreflight(
  find: (request: MatchRequest) => Entry | undefined,
  request: MatchRequest,
  announced: string,
  hasCors: (entry: Entry) => boolean,
): Entry | undefined {
  const literal = find(request);
  if (literal?.match.method === 'OPTIONS') return literal;
  const meant = find({
    path: request.path,
    method: announced,
    grpc: false,
    header: (name) => request.header(name),
    query: (name) => request.query(name),
  });
  return meant !== undefined && hasCors(meant) ? meant : literal;
}
