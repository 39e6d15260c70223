// The entries of a virtual host that go before one, found by what one of them must have in common with it to cover it: a
// host of ten thousand entries costs a few look-ups for each.
import type { Entry, Match, PathMatch } from '../../routing/model.ts';
import { beginningOf, covers, pathIdentity } from './covers.ts';

export class EarlierEntries {
  /** By path and by one condition that whatever is covered has to have. */
  readonly #byCondition = new Map<string, Entry[]>();
  readonly #byRegex: Entry[] = [];

  add(entry: Entry): void {
    const { match } = entry;
    // A regular expression can cover paths and values that are spelt differently; of those, few are compared.
    if (isLoose(match) && this.#byRegex.length < comparedRegexes) this.#byRegex.push(entry);
    const key = `${pathIdentity(match.path)} ${requirement(match)}`;
    const entries = this.#byCondition.get(key);
    if (entries === undefined) this.#byCondition.set(key, [entry]);
    // What has no conditions covers alike, whoever it is.
    else if (requirement(match) !== '') entries.push(entry);
  }

  /** The first one, in no particular order, that takes every request of the match. */
  covering(match: Match): Entry | undefined {
    for (const path of pathsAbove(match.path)) {
      for (const condition of conditionsOf(match)) {
        const found = this.#byCondition.get(`${path} ${condition}`)?.find((entry) => covers(entry.match, match));
        if (found !== undefined) return found;
      }
    }
    return this.#byRegex.find((entry) => covers(entry.match, match));
  }
}

const comparedRegexes = 256;

function isLoose({ path, headers, query }: Match): boolean {
  return path.type === 'regex' || [...headers, ...query].some(({ type }) => type === 'regex');
}

/** One condition that every match that this one covers has, spelt as in conditionsOf. */
function requirement(match: Match): string {
  const { headers, query, method, protocol } = match;
  const [header] = headers;
  if (header !== undefined) return `header ${header.type} ${header.name} ${header.value}`;
  const [parameter] = query;
  if (parameter !== undefined) return `query ${parameter.type} ${parameter.name} ${parameter.value}`;
  if (method !== undefined) return `method ${method}`;
  return protocol === 'grpc' ? 'grpc' : '';
}

function conditionsOf({ headers, query, method, protocol }: Match): string[] {
  const found = [''];
  if (protocol === 'grpc') found.push('grpc');
  const taken = method ?? (protocol === 'grpc' ? 'POST' : undefined);
  if (taken !== undefined) found.push(`method ${taken}`);
  for (const { type, name, value } of headers) found.push(`header ${type} ${name} ${value}`);
  for (const { type, name, value } of query) found.push(`query ${type} ${name} ${value}`);
  return found;
}

/** The path itself, and every prefix that it lies under. */
function pathsAbove(path: PathMatch): string[] {
  const found = [pathIdentity(path), 'prefix '];
  const beginning = beginningOf(path);
  for (let end = beginning.length; end > 0; end = beginning.lastIndexOf('/', end - 1)) {
    found.push(`prefix ${beginning.slice(0, end)}`);
  }
  return found;
}
