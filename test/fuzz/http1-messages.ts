// Generators of HTTP/1.1 messages, well-formed and damaged, and the reading of one message by our parser as a plain value.
import * as fc from 'fast-check';
import { ChunkScanner } from '../../src/engines/embedded/http1/body.ts';
import { NAME_END, STRIDE, VALUE_END, VALUE_START } from '../../src/engines/embedded/http1/lines.ts';
import * as parser from '../../src/engines/embedded/http1/parser.ts';
import { DONE, INCOMPLETE, refusalOf } from '../../src/engines/embedded/http1/refusals.ts';

/** Runs per property: about a second in all; PORTOLAN_FUZZ_RUNS=100000 for a long one, PORTOLAN_FUZZ_SEED to repeat one. */
export function runs(usual: number): { numRuns: number; seed?: number } {
  const seed = process.env['PORTOLAN_FUZZ_SEED'];
  return {
    numRuns: Number(process.env['PORTOLAN_FUZZ_RUNS'] ?? usual),
    ...(seed === undefined ? {} : { seed: Number(seed) }),
  };
}

const method = fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'OPTIONS', 'DELETE', 'PATCH', 'BREW');
const target = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('/', '/a/b', '/?q', '/a%2Fb?x=[1]|{2}', '/%zz', '//', '/..;/x', "/~'()*") },
  { weight: 1, arbitrary: fc.constantFrom('*', 'http://a/', 'http://a', 'https://a:443/x?y', 'http://b/', 'a', '/#f') },
  { weight: 1, arbitrary: fc.webPath().map((path) => `/${path}`) },
);
const version = fc.oneof(
  { weight: 9, arbitrary: fc.constant('HTTP/1.1') },
  { weight: 1, arbitrary: fc.constantFrom('HTTP/1.0', 'HTTP/1.2', 'HTTP/2.0', 'HTTP/0.9', 'http/1.1', 'HTTP/1.1 ') },
);
const line = fc.oneof(
  fc.constantFrom(
    'Host: a',
    'host: a:80',
    'Host: b',
    'HOST:  [::1]:8080 ',
    'X-Empty:',
    'X: \t a  b\t ',
    'Cookie: a=b; c="d"',
  ),
  fc.constantFrom(
    'Content-Length: 5',
    'content-length: 0',
    'Content-Length: 05',
    'Content-Length: +5',
    'Content-Length: 5,5',
  ),
  fc.constantFrom('Transfer-Encoding: chunked', 'transfer-encoding:\tCHUNKED', 'Transfer-Encoding: gzip, chunked'),
  fc.constantFrom('Transfer-Encoding: identity', 'Transfer-Encoding: xchunked', 'Transfer-Encoding : chunked'),
  fc.constantFrom('Connection: close', 'Connection: keep-alive, X', 'Connection: Upgrade', 'Upgrade: websocket'),
  fc.constantFrom(
    'TE: trailers',
    'Expect: 100-continue',
    'X: a\r\n b',
    'X: \xe9\xff',
    'Trailer: x',
    ': x',
    'X : y',
    'X',
  ),
  fc
    .tuple(fc.constantFrom('A', 'X-Request-Id', "x!#$%&'*+-.^_`|~9"), fc.string({ maxLength: 12 }))
    .map(([name, value]) => `${name}: ${value}`),
);
const chunk = fc
  .tuple(
    fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme-ascii' }),
    fc.constantFrom('', '', ';a', ';a=b', ';a="b;c"', ' '),
  )
  .map(([data, extension]) => `${data.length.toString(16)}${extension}\r\n${data}\r\n`);
const chunks = fc
  .tuple(
    fc.array(chunk, { maxLength: 4 }),
    fc.constantFrom('', '', 'X-T: 1\r\n', 'Content-Length: 5\r\n', 'X:\r\nY: 2\r\n'),
  )
  .map(([list, trailers]) => `${list.join('')}0\r\n${trailers}\r\n`);

/** Most requests have a Host and at most one framing field, or hardly any would be accepted. */
const plainLines = fc
  .tuple(fc.array(line, { maxLength: 3 }), fc.array(fc.constantFrom('X: 1', 'Accept: */*', 'B:'), { maxLength: 3 }))
  .map(([odd, plain]) => ['Host: a'].concat(plain, odd));
const framed = fc.oneof(
  fc.constant({ lines: [] as string[], body: '' }),
  fc
    .string({ maxLength: 40, unit: 'grapheme-ascii' })
    .map((body) => ({ lines: [`Content-Length: ${body.length}`], body })),
  chunks.map((body) => ({ lines: ['Transfer-Encoding: chunked'], body })),
);
const soundLines = fc.array(
  fc.constantFrom('X: 1', 'Accept: */*', 'B:', 'C: \t a  b\t ', 'Connection: close', 'X: \xe9'),
  {
    maxLength: 4,
  },
);

const whole = fc.oneof(
  fc
    .tuple(method, target, version, plainLines, fc.oneof(fc.constant('hello'), chunks, fc.constant('')))
    .map(([m, t, v, lines, body]) => `${m} ${t} ${v}\r\n${lines.join('\r\n')}\r\n\r\n${body}`),
  fc
    .tuple(method, target, soundLines, framed)
    .map(
      ([m, t, lines, f]) => `${m} ${t} HTTP/1.1\r\n${['Host: a', ...lines, ...f.lines].join('\r\n')}\r\n\r\n${f.body}`,
    ),
);

const response = fc
  .tuple(
    fc.constantFrom('HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0'),
    fc.constantFrom('200 OK', '204 No Content', '304 Not Modified', '404', '500 ', '99 x', '600 x', '200 \xe9'),
    fc.array(line, { maxLength: 2 }),
    framed,
  )
  .map(([v, status, lines, f]) => `${[`${v} ${status}`, ...lines, ...f.lines].join('\r\n')}\r\n\r\n${f.body}`);

const DAMAGE = [
  '\r',
  '\n',
  '\r\n',
  '\0',
  ' ',
  '\t',
  ':',
  ';',
  ',',
  '0',
  '5',
  'a',
  '\x7f',
  '\x80',
  '\xff',
  '#',
  '/',
  '',
  '\r\n\r\n',
];
const damage = fc.array(
  fc.record({ at: fc.nat(400), take: fc.constantFrom(0, 0, 1, 1, 2), put: fc.constantFrom(...DAMAGE) }),
  { maxLength: 3 },
);

function damaged(text: string, wounds: readonly { at: number; take: number; put: string }[]): string {
  let out = text;
  for (const { at, take, put } of wounds) {
    const index = at % (out.length + 1);
    out = out.slice(0, index) + put + out.slice(index + take);
  }
  return out;
}

const maybeDamaged = (arbitrary: fc.Arbitrary<string>): fc.Arbitrary<Buffer> =>
  fc
    .tuple(arbitrary, fc.oneof(fc.constant([]), damage))
    .map(([text, wounds]) => Buffer.from(damaged(text, wounds), 'latin1'));

export const requests: fc.Arbitrary<Buffer> = maybeDamaged(whole);
export const responses: fc.Arbitrary<Buffer> = maybeDamaged(response);
export const bodies: fc.Arbitrary<Buffer> = maybeDamaged(chunks);

/** What a reader made of the octets. */
export interface Reading {
  /** `done`, `incomplete`, or the reason of the refusal. */
  readonly outcome: string;
  readonly head?: HeadReading;
  readonly body?: string;
  readonly trailers?: readonly string[];
  /** Octets that the message took. */
  readonly size?: number;
}

export interface HeadReading {
  readonly method: string;
  readonly target: string;
  readonly minor: number;
  readonly status: number;
  readonly lines: readonly string[];
  readonly size: number;
  readonly framing: number;
  readonly length: number;
  readonly keepAlive: boolean;
  readonly upgrade: boolean;
  readonly forwarded: string;
  readonly path: string;
  readonly host: string;
}

/** The head that `head` just parsed from `text`. */
export function headReading(head: parser.Head, text: string): HeadReading {
  const lines: string[] = [];
  for (let i = 0, k = 0; i < head.count; i++, k += STRIDE) {
    lines.push(text.slice(head.fields[k], head.fields[k + NAME_END]));
    lines.push(text.slice(head.fields[k + VALUE_START], head.fields[k + VALUE_END]));
  }
  let forwarded = '';
  for (let pair = 0, n = head.kept(); pair < n; pair++) {
    forwarded += text.slice(head.runs[pair * 2], head.runs[pair * 2 + 1]);
  }
  const { minor, size, length, keepAlive, upgrade } = head;
  const framing = head.request ? head.framing : head.responseFraming(false);
  const own = head.request
    ? {
        method: text.slice(head.methodStart, head.methodEnd),
        target: text.slice(head.targetStart, head.targetEnd),
        path: text.slice(head.pathStart, head.pathEnd),
        host: text.slice(head.hostStart, head.hostEnd),
        status: 0,
      }
    : { method: '', target: '', path: '', host: '', status: head.status };
  return { ...own, minor, lines, size, framing, length, keepAlive, upgrade, forwarded };
}

export function outcomeOf(code: number): string {
  return code === DONE ? 'done' : code === INCOMPLETE ? 'incomplete' : refusalOf(code).reason;
}

/** Reads one message, given in pieces that end at `cuts` (ascending). */
export function read(kind: 'request' | 'response', octets: Buffer, cuts: Iterable<number>): Reading {
  const head = new parser.Head(kind);
  const text = octets.toString('latin1');
  let code = INCOMPLETE;
  for (const end of [...cuts, octets.length]) {
    // Octets beyond `end` are hidden, and the buffer moves.
    const shift = end % 3;
    const buf = Buffer.alloc(shift + end, '!');
    octets.copy(buf, shift, 0, end);
    code = head.parse(buf, shift, shift + end);
    if (code !== INCOMPLETE) break;
  }
  if (code !== DONE) return { outcome: outcomeOf(code) };
  const reading = headReading(head, text);
  if (reading.framing === parser.CHUNKED) {
    const body = readBody(octets.subarray(reading.size), [], 'payload');
    return { ...body, head: reading, size: reading.size + (body.size ?? 0) };
  }
  const length = reading.framing === parser.FIXED_LENGTH ? reading.length : 0;
  if (octets.length - reading.size < length) return { outcome: 'incomplete', head: reading };
  const size = reading.framing === parser.UNTIL_CLOSE ? octets.length : reading.size + length;
  return { outcome: 'done', head: reading, body: text.slice(reading.size, size), trailers: [], size };
}

/** Reads one chunked body, given in pieces that end at `cuts`. */
export function readBody(octets: Buffer, cuts: Iterable<number>, pieces: 'framed' | 'payload'): Reading {
  const scanner = new ChunkScanner(pieces);
  let body = '';
  let at = 0;
  let code = INCOMPLETE;
  for (const end of [...cuts, octets.length]) {
    while (at < end && code === INCOMPLETE) {
      code = scanner.scan(octets, at, end);
      if (code < 0) return { outcome: outcomeOf(code) };
      body += octets.toString('latin1', scanner.from, scanner.to);
      if (scanner.next <= at) throw new Error('the scanner stands still');
      at = scanner.next;
    }
  }
  const trailers = scanner.trailers;
  return code === DONE ? { outcome: 'done', body, trailers, size: at } : { outcome: 'incomplete', body };
}
