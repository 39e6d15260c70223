// The functions of CEL that CRDs call: the standard ones, those of the strings extension, and Kubernetes' own (isIP,
// format). Each takes evaluated arguments and answers `failure` for arguments that it has no overload for.
import { isIP as ipVersion } from 'node:net';
import { codePoints, failure, Optional, size } from './values.ts';
import { isDns1123Subdomain, isQualifiedName } from '../names.ts';

type Call = (...values: readonly unknown[]) => unknown;

/** By name and number of arguments. */
export const functions: Readonly<Record<string, Call>> = {
  'size/1': size,
  'duration/1': duration,
  'isIP/1': (value) => (typeof value === 'string' ? isIP(value) : failure),
};

/** By name and number of arguments; the receiver goes first. `matches` is compiled apart (compile.ts). */
export const methods: Readonly<Record<string, Call>> = {
  'size/0': size,
  'contains/1': onTexts((text, part) => text.includes(part)),
  'startsWith/1': onTexts((text, part) => text.startsWith(part)),
  'endsWith/1': onTexts((text, part) => text.endsWith(part)),
  'split/1': onTexts((text, separator) => (separator === '' ? Array.from(text) : text.split(separator))),
  'substring/1': substring,
  'substring/2': substring,
  'hasValue/0': (value) => (value instanceof Optional ? value.present : failure),
  'value/0': (value) => (value instanceof Optional && value.present ? value.value : failure),
  'orValue/1': (value, other) => (value instanceof Optional ? (value.present ? value.value : other) : failure),
  'validate/1': (format, text) =>
    format instanceof Format && typeof text === 'string' ? format.validate(text) : failure,
};

function onTexts(apply: (text: string, part: string) => unknown): Call {
  return (text, part) => (typeof text === 'string' && typeof part === 'string' ? apply(text, part) : failure);
}

function substring(text: unknown, start: unknown, end?: unknown): unknown {
  if (typeof text !== 'string' || typeof start !== 'number') return failure;
  const stop = end ?? codePoints(text);
  if (typeof stop !== 'number' || start < 0 || start > stop || stop > codePoints(text)) return failure;
  return Array.from(text).slice(start, stop).join('');
}

/** A value of Kubernetes' format library: `validate` answers a list of complaints, or none for text that is well formed. */
class Format {
  readonly #name: string;
  readonly #accepts: (text: string) => boolean;

  constructor(name: string, accepts: (text: string) => boolean) {
    this.#name = name;
    this.#accepts = accepts;
  }

  validate(text: string): Optional {
    return this.#accepts(text) ? Optional.none : new Optional([`must be a ${this.#name}`]);
  }
}

/** `format.NAME()`. */
export const formats: Readonly<Record<string, Format>> = {
  dns1123Subdomain: new Format('DNS subdomain', isDns1123Subdomain),
  qualifiedName: new Format('qualified name', isQualifiedName),
};

/** An IPv4 or IPv6 address without zone; IPv4-mapped IPv6 addresses are none (Kubernetes' CEL library says so). */
function isIP(text: string): boolean {
  const version = ipVersion(text);
  if (version !== 6) return version === 4;
  if (text.includes('%')) return false;
  return !/^\[::ffff:[^:]+:[^:]+\]$/.test(new URL(`http://[${text}]`).hostname);
}

const nanoseconds: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};
const longestDuration = 2n ** 63n - 1n;

/** Go's time.ParseDuration: `1h30m`, `1.5s`, `-2ms`, `0`. */
function duration(value: unknown): unknown {
  if (typeof value === 'bigint') return value;
  if (typeof value !== 'string' || value.length > 128) return failure;
  const signed = /^([-+]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+|0)$/.exec(value);
  if (signed === null) return failure;
  let total = 0n;
  for (const [, whole = '', fraction = '', unit = ''] of (signed[2] as string).matchAll(/(\d*)\.?(\d*)([a-zµμ]+)/g)) {
    const each = nanoseconds[unit] ?? 0n;
    total += BigInt(whole) * each + (BigInt(fraction || '0') * each) / 10n ** BigInt(fraction.length);
  }
  if (total > longestDuration) return failure;
  return signed[1] === '-' ? -total : total;
}
