// How the requests of two matches relate, as far as it is certain: one takes all of the other's, or both take some in
// common. What cannot be known (of two different regular expressions) counts as no.
import { pathKey, startsWithElements } from '../../routing/match/conditions.ts';
import { compileRegex, leadingLiteral } from '../../routing/match/regex.ts';
import type { Match, PathMatch, ValueMatch } from '../../routing/model.ts';

/** Whether `a` takes every request that `b` takes. */
export function covers(a: Match, b: Match): boolean {
  return (
    (a.protocol === 'http' || b.protocol === 'grpc') &&
    (a.method === undefined || a.method === methodOf(b)) &&
    coversPath(a.path, b.path) &&
    coversValues(a.headers, b.headers) &&
    coversValues(a.query, b.query)
  );
}

/** Whether there surely is a request that both take, for two matches of one path. */
export function overlaps(a: Match, b: Match): boolean {
  const methods = new Set([a, b].flatMap(({ method, protocol }) => [method, protocol === 'grpc' ? 'POST' : undefined]));
  methods.delete(undefined);
  return methods.size < 2 && agree(a.headers, b.headers) && agree(a.query, b.query);
}

/** Two paths of one key take the same requests. */
export function pathIdentity(path: PathMatch): string {
  return `${path.type} ${pathKey(path)}`;
}

/** Elements that every path that the match takes begins with; '' when there are none. */
export function beginningOf(path: PathMatch): string {
  if (path.type === 'exact' || path.type === 'prefix') return pathKey(path);
  // Behind a group of flags the letters may not be meant as they stand.
  if (path.type !== 'regex' || path.value.startsWith('(?')) return '';
  const literal = leadingLiteral(path.value);
  return literal.slice(0, Math.max(0, literal.lastIndexOf('/')));
}

/** gRPC is always POST. */
function methodOf({ method, protocol }: Match): string | undefined {
  return method ?? (protocol === 'grpc' ? 'POST' : undefined);
}

function coversPath(a: PathMatch, b: PathMatch): boolean {
  if (pathIdentity(a) === pathIdentity(b)) return true;
  const [outer, inner] = [pathKey(a), pathKey(b)];
  if (a.type === 'prefix') {
    if (outer === '') return true;
    return startsWithElements(beginningOf(b), outer);
  }
  if (a.type !== 'regex') return false;
  // Every path begins with a slash, but for the `*` of OPTIONS, which only the prefix `/` and `.*` take.
  if (a.value === '.*') return true;
  if (a.value === '/.*') return b.type === 'exact' || (b.type === 'prefix' && inner !== '');
  return b.type === 'exact' && compileRegex(a.value).test(inner);
}

/** Each condition of `a` must follow from one of `b`. */
function coversValues(a: readonly ValueMatch[], b: readonly ValueMatch[]): boolean {
  return a.every((one) => b.some((other) => follows(one, other)));
}

function follows(one: ValueMatch, other: ValueMatch): boolean {
  if (one.name !== other.name) return false;
  if (one.type === other.type) return one.value === other.value;
  return one.type === 'regex' && compileRegex(one.value).test(other.value);
}

/** No two conditions on one name contradict each other, or may. */
function agree(a: readonly ValueMatch[], b: readonly ValueMatch[]): boolean {
  return a.every((one) => b.every((other) => one.name !== other.name || follows(one, other) || follows(other, one)));
}
