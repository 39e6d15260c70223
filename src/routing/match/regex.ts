// Users' regular expressions: RE2 syntax in linear time (re2js), always over the whole value, as Envoy does. Never the
// backtracking RegExp, which one request could stall.
import { RE2JS } from 're2js';

export interface Regex {
  /** Whether the whole of `text` matches. */
  test(text: string): boolean;
}

/** Longest pattern in characters, and how many compiled ones are kept: a pattern is compiled once for all its matches. */
const longest = 1024;
const kept = 4096;

const compiled = new Map<string, Regex>();

/** A pattern that cannot be compiled matches nothing: `checkRegex` has reported it, and its rule never came this far. */
export function compileRegex(pattern: string): Regex {
  const known = compiled.get(pattern);
  if (known !== undefined) return known;
  const regex = checkRegex(pattern) === undefined ? whole(pattern) : nothing;
  if (compiled.size >= kept) for (const oldest of compiled.keys()) return replaceOldest(oldest, pattern, regex);
  compiled.set(pattern, regex);
  return regex;
}

/** Why the pattern cannot be used, or undefined when it can. */
export function checkRegex(pattern: string): string | undefined {
  if (pattern.length > longest) return `is longer than ${longest} characters`;
  try {
    RE2JS.compile(pattern);
    return undefined;
  } catch (error) {
    return `is not RE2 syntax: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function whole(pattern: string): Regex {
  const re = RE2JS.compile(`\\A(?:${pattern})\\z`);
  return { test: (text) => re.test(text) };
}

const nothing: Regex = { test: () => false };

function replaceOldest(oldest: string, pattern: string, regex: Regex): Regex {
  compiled.delete(oldest);
  compiled.set(pattern, regex);
  return regex;
}
