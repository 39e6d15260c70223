// Patterns of schemas and of CEL's `matches`: RE2 syntax, found anywhere in the text unless anchored. They run on the
// linear-time engine. The patterns that almost every object meets have an equal regular expression for JavaScript's faster
// engine, written without ambiguity so that it takes linear time as well; a test holds both engines to the same answers.
import { RE2JS } from 're2js';

export type Accepts = (text: string) => boolean;

const compiled = new Map<string, Accepts>();

export function compilePattern(pattern: string): Accepts {
  let accepts = compiled.get(pattern);
  if (accepts === undefined) compiled.set(pattern, (accepts = compile(pattern)));
  return accepts;
}

/** What a text that matches looks like, in words; undefined for a pattern that has none. */
export function patternWords(pattern: string): string | undefined {
  return known.get(pattern)?.words;
}

/** Compiled when first needed. */
function compile(pattern: string): Accepts {
  const equal = known.get(pattern)?.equal;
  if (equal !== undefined) return (text) => equal.test(text);
  let re2: RE2JS | undefined;
  return (text) => (re2 ??= RE2JS.compile(pattern)).test(text);
}

interface Known {
  readonly words?: string;
  readonly equal?: RegExp;
}

const dnsName = "a DNS name: lower-case letters, digits, '-' and '.', starting and ending with a letter or digit";
const pathCharacters = "[-A-Za-z0-9/._~!$&'()*+,;=:@]";

/** By the text of the pattern in the CRDs. */
export const known: ReadonlyMap<string, Known> = new Map<string, Known>([
  [
    String.raw`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`,
    {
      equal: /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/,
      words: "a DNS label: lower-case letters, digits and '-', starting and ending with a letter or digit",
    },
  ],
  [
    String.raw`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`,
    { equal: /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/, words: dnsName },
  ],
  [
    String.raw`^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`,
    {
      equal: /^(?:[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*)?$/,
      words: `empty (the core group) or ${dnsName}`,
    },
  ],
  [
    String.raw`^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`,
    {
      equal: /^(?:\*\.)?[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/,
      words: "a host name in lower case, with '*.' in front of it at most, without port",
    },
  ],
  [
    String.raw`^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$`,
    { equal: /^[a-zA-Z](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$/, words: 'the name of a kind, such as Service' },
  ],
  [
    String.raw`^[A-Za-z0-9!#$%&'*+\-.^_\x60|~]+$`,
    {
      equal: /^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/,
      words: "the name of a header: letters, digits and !#$%&'*+-.^_`|~, no spaces",
    },
  ],
  [
    String.raw`^[!-~]+([\t ]?[!-~]+)*$`,
    {
      equal: /^[!-~]+(?:[\t ][!-~]+)*$/,
      words: 'visible ASCII characters, with single spaces or tabs between them and none at the ends',
    },
  ],
  [
    `^(?:${pathCharacters}|[%][0-9a-fA-F]{2})+$`,
    {
      equal: new RegExp(`^(?:${pathCharacters}|%[0-9a-fA-F]{2})+$`),
      words: 'a path as it stands in a URL, other characters written as %XX',
    },
  ],
  [
    String.raw`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9\/\-._~%!$&'()*+,;=:]+$`,
    { words: "a domain, '/' and a path, such as example.com/gateway-controller" },
  ],
  [
    String.raw`^([0-9]{1,5}(h|m|s|ms)){1,4}$`,
    { words: 'a duration of whole numbers of at most 5 digits with the units h, m, s and ms, such as 10s or 1m30s' },
  ],
  [
    String.raw`^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$`,
    { words: 'a quantity, such as 500m or 256Mi' },
  ],
  [
    '^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$',
    { words: "empty or letters, digits, '-', '_' and '.', starting and ending with a letter or digit" },
  ],
]);
