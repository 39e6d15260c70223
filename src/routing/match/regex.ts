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
  const regex = whole(pattern);
  if (compiled.size >= kept) for (const oldest of compiled.keys()) return replaceOldest(oldest, pattern, regex);
  compiled.set(pattern, regex);
  return regex;
}

/** Why the pattern cannot be used, or undefined when it can. */
export function checkRegex(pattern: string): string | undefined {
  const re = parse(pattern);
  return typeof re === 'string' ? re : undefined;
}

/**
 * The characters that every text that matches as a whole begins with, as far as they are plain to see (in lower case behind
 * `(?i)`): most texts that do not match are told apart by these, without running the expression.
 */
export function leadingLiteral(pattern: string): string {
  if (pattern.includes('|')) return '';
  const folded = pattern.startsWith(ignoringCase);
  let start = folded ? ignoringCase.length : 0;
  if (pattern.charAt(start) === '^') start++;
  let end = start;
  while (end < pattern.length && literal.includes(pattern.charAt(end))) end++;
  // What a quantifier follows may be absent, and groups of flags and empty quotes do not stand between the two.
  if (end > start && !/^(?:$|[.[$]|\((?!\?)|\\[^A-Za-z])/.test(pattern.slice(end, end + 2))) end--;
  const found = pattern.slice(start, end);
  return folded ? found.toLowerCase() : found;
}

const ignoringCase = '(?i)';
const literal = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/_-~,:;=@%&!\'" ';

function whole(pattern: string): Regex {
  const re = parse(pattern);
  if (typeof re === 'string') return nothing;
  const beginning = leadingLiteral(pattern);
  if (beginning === '') return { test: (text) => re.testExact(text) };
  if (pattern.startsWith(ignoringCase)) return { test: (text) => mayBegin(text, beginning) && re.testExact(text) };
  return { test: (text) => text.startsWith(beginning) && re.testExact(text) };
}

/** False only when the text does not begin with the letters in either case. Beyond ASCII the expression has to say. */
function mayBegin(text: string, lower: string): boolean {
  for (let i = 0; i < lower.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 127) return true;
    const wanted = lower.charCodeAt(i);
    if (code !== wanted && !(code >= 65 && code <= 90 && code + 32 === wanted)) return false;
  }
  return true;
}

function parse(pattern: string): RE2JS | string {
  if (pattern.length > longest) return `is longer than ${longest} characters`;
  try {
    return RE2JS.compile(pattern);
  } catch (error) {
    return `is not RE2 syntax: ${error instanceof Error ? error.message : String(error)}`;
  }
}

const nothing: Regex = { test: () => false };

function replaceOldest(oldest: string, pattern: string, regex: Regex): Regex {
  compiled.delete(oldest);
  compiled.set(pattern, regex);
  return regex;
}
