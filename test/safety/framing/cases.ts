// requests.yaml and responses.yaml -> single cases, each with octets of its own.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

export interface Case {
  /** Shows the octets that make the difference. */
  readonly name: string;
  readonly rule: string;
  /** latin1. */
  readonly octets: string;
}

export interface RequestCase extends Case {
  /** `method target content` of each message that a backend gets. */
  readonly messages: readonly string[];
  /** What comes then: a refusal by its reason, the end of the connection, or nothing as the message is not over. */
  readonly outcome: { readonly refused: string } | 'closed' | 'waits' | 'served';
}

export interface ResponseCase extends Case {
  /** The method of the request that it answers. */
  readonly method: string;
  /** Of the response that the client gets. */
  readonly status: number;
  /** Content of it; `broken` if it must be seen to be incomplete. */
  readonly content: string;
  readonly broken: boolean;
  /** What comes in one piece with the last octet. */
  readonly surplus: string;
  /** The backend closes its side behind these octets. */
  readonly closes: boolean;
}

interface Group<T> {
  readonly what: string;
  readonly rule: string;
  readonly octets: string;
  readonly with: Readonly<Record<string, T>>;
}

export function requestCases(): readonly RequestCase[] {
  return variantsOf(read('requests.yaml') as readonly Group<string | readonly string[]>[]).map(
    ({ expected, ...rest }) => {
      const list = typeof expected === 'string' ? [expected === 'waits' ? expected : `refused ${expected}`] : expected;
      const last = list.at(-1) ?? '';
      const outcome = last.startsWith('refused ')
        ? { refused: last.slice(8) }
        : last === 'waits' || last === 'closed'
          ? last
          : 'served';
      return { ...rest, outcome, messages: outcome === 'served' ? list : list.slice(0, -1) };
    },
  );
}

export function responseCases(): readonly ResponseCase[] {
  interface Expected {
    readonly to?: string;
    readonly status: number;
    readonly content?: string;
    readonly broken?: boolean;
    readonly surplus?: string;
    readonly closes?: boolean;
  }
  return variantsOf(read('responses.yaml') as readonly Group<Expected | number>[]).map(({ expected, ...rest }) => {
    const given: Expected = typeof expected === 'number' ? { status: expected } : expected;
    const { to = 'GET', status, content = '', broken = false, surplus = '', closes = false } = given;
    return { ...rest, method: to, status, content, broken, surplus, closes };
  });
}

function read(file: string): unknown {
  return parse(readFileSync(join(import.meta.dirname, file), 'utf8'));
}

function variantsOf<T>(groups: readonly Group<T>[]): (Case & { readonly expected: T })[] {
  return groups.flatMap(({ what, rule, octets, with: variants }) =>
    Object.entries(variants).map(([variant, expected]) => ({
      name: `${what}: ${JSON.stringify(variant).slice(1, -1)}`,
      rule,
      octets: octets.replace('{}', () => variant),
      expected,
    })),
  );
}
