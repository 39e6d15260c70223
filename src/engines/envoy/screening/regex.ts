// Expressions that are good RE2 and that Envoy refuses all the same: it reads them by octets, knows fewer classes, and bounds the
// program that they become.
import { RE2JS } from 're2js';
import { checkRegex } from '../../../routing/match/regex.ts';

/** Instructions as re2js counts them; RE2 takes at least five times as many within the memory that Envoy gives it. */
const LARGEST_PROGRAM = 16_000;

const categories =
  'L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp C Cc Cf Cs Co Any';
const scripts = 'Arabic Armenian Common Cyrillic Devanagari Greek Han Hangul Hebrew Hiragana Katakana Latin Thai';
const classes: ReadonlySet<string> = new Set(`${categories} ${scripts}`.split(' '));

/** Why Envoy would refuse the expression; undefined: it takes it. */
export function refusedRegex(pattern: string): string | undefined {
  const wrong = checkRegex(pattern);
  if (wrong !== undefined) return wrong;
  if (/\\x\{0*[1-9a-f][0-9a-f]{2,}\}/i.test(pattern)) return 'names a character beyond U+00FF by number';
  for (const [, negated, name] of pattern.matchAll(/\\[pP](?:\{(\^?)([^}]*)\}|)/g)) {
    if (name !== undefined && !classes.has(name))
      return `names the class ${negated ?? ''}${name}, which Envoy does not know`;
  }
  if (!isWellFormed(pattern)) return 'is not Unicode';
  return RE2JS.compile(pattern).programSize() > LARGEST_PROGRAM ? 'becomes too large a program' : undefined;
}

function isWellFormed(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}
