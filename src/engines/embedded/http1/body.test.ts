// The chunk scanner on single bodies; splits and the comparison with Node are in test/fuzz.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ChunkScanner, defaultChunkLimits, type ChunkLimits } from './body.ts';
import { DONE, INCOMPLETE, refusalOf } from './refusals.ts';

interface Outcome {
  readonly result: string;
  readonly pieces: string;
  readonly rest: string;
  readonly trailers: readonly string[];
}

function scan(text: string, pieces: 'framed' | 'payload', limits: ChunkLimits = defaultChunkLimits): Outcome {
  const scanner = new ChunkScanner(pieces, limits);
  const buf = Buffer.from(text, 'latin1');
  let out = '';
  let result = INCOMPLETE;
  for (let at = 0; at < buf.length && result === INCOMPLETE; at = scanner.next) {
    result = scanner.scan(buf, at, buf.length);
    if (result >= 0) out += text.slice(scanner.from, scanner.to);
  }
  return {
    result: result === DONE ? 'done' : result === INCOMPLETE ? 'incomplete' : refusalOf(result).reason,
    pieces: out,
    rest: result === DONE ? text.slice(scanner.next) : '',
    trailers: scanner.trailers,
  };
}

describe('a chunked body', () => {
  it('ends behind its last chunk', () => {
    const body = '5\r\nhello\r\n00A\r\n0123456789\r\n0\r\n\r\n';
    assert.deepEqual(scan(`${body}GET`, 'payload'), {
      result: 'done',
      pieces: 'hello0123456789',
      rest: 'GET',
      trailers: [],
    });
    assert.deepEqual(scan(`${body}GET`, 'framed'), {
      result: 'done',
      pieces: body.slice(0, -2),
      rest: 'GET',
      trailers: [],
    });
  });

  it('loses its extensions on the way', () => {
    const body = '5;a=b;c="d;e"\r\nhello\r\n1 \r\n';
    assert.equal(scan('5;a=b;c="d;e"\r\nhello\r\n0;last\r\n\r\n', 'framed').pieces, '5\r\nhello\r\n0\r\n');
    assert.equal(scan('5;a=b\r\nhello\r\n0;last\r\n\r\n', 'payload').pieces, 'hello');
    assert.equal(scan(body, 'framed').result, 'bad-chunk-size');
  });

  it('gives the trailers that may pass', () => {
    const body = '0\r\nX-Sum: \t1 2 \r\nContent-Length: 5\r\nhost: b\r\nGrpc-Status: 0\r\nX-Empty:\r\n\r\nrest';
    for (const pieces of ['framed', 'payload'] as const) {
      const { result, trailers, rest } = scan(body, pieces);
      assert.equal(result, 'done');
      assert.equal(rest, 'rest');
      assert.deepEqual(trailers, ['X-Sum', '1 2', 'Grpc-Status', '0', 'X-Empty', '']);
    }
    const scanner = new ChunkScanner('framed');
    scanner.scan(Buffer.from(body), 0, body.length);
    assert.equal(scanner.trailerSection(), 'X-Sum: 1 2\r\nGrpc-Status: 0\r\nX-Empty: \r\n\r\n');
    scanner.reset();
    assert.equal(scanner.trailerSection(), '\r\n');
  });

  it('counts its data', () => {
    const scanner = new ChunkScanner('payload');
    scanner.scan(Buffer.from('ff\r\nabc'), 0, 7);
    assert.equal(scanner.payload, 3);
  });

  for (const [text, reason] of [
    ['\r\n', 'bad-chunk-size'],
    ['g\r\n', 'bad-chunk-size'],
    ['+5\r\n', 'bad-chunk-size'],
    ['0x5\r\n', 'bad-chunk-size'],
    [' 5\r\n', 'bad-chunk-size'],
    ['5 \r\n', 'bad-chunk-size'],
    ['5,5\r\n', 'bad-chunk-size'],
    ['0000000000000005\r\n', 'bad-chunk-size'],
    ['fffffffffffffff\r\n', 'bad-chunk-size'],
    ['5\nhello', 'bare-lf'],
    ['5\rhello', 'bare-cr'],
    ['5;a\nhello', 'bare-lf'],
    ['5;a\0\r\nhello', 'bad-chunk-extension'],
    ['5;a\r\rhello', 'bare-cr'],
    [`5;${'a'.repeat(1024)}\r\nhello`, 'bad-chunk-extension'],
    ['5\r\nhello0\r\n', 'bad-chunk-end'],
    ['5\r\nhello\n0\r\n', 'bad-chunk-end'],
    ['5\r\nhello\r0\r\n', 'bad-chunk-end'],
    ['0\r\nX: a\nY: b\r\n\r\n', 'bad-trailer'],
    ['0\r\n X: a\r\n\r\n', 'bad-trailer'],
    ['0\r\nX : a\r\n\r\n', 'bad-trailer'],
    ['0\r\nX: a\r\n b\r\n\r\n', 'bad-trailer'],
    ['0\r\n: a\r\n\r\n', 'bad-trailer'],
    ['0\r\nX: \0\r\n\r\n', 'bad-trailer'],
    ['0\r\n\rX', 'bad-trailer'],
    ['0\r\n\n', 'bad-trailer'],
    [`0\r\n${'X: y\r\n'.repeat(65)}\r\n`, 'trailers-too-large'],
    [`0\r\nX: ${'y'.repeat(8192)}\r\n\r\n`, 'trailers-too-large'],
  ] as const) {
    it(`is refused as ${reason}: ${JSON.stringify(text.slice(0, 40))}`, () => {
      assert.equal(scan(text, 'framed').result, reason);
      assert.equal(scan(text, 'payload').result, reason);
    });
  }

  it('may come in the smallest chunks, but not with long extensions on them', () => {
    assert.equal(scan(`${'1\r\nx\r\n'.repeat(10_000)}0\r\n\r\n`, 'payload').result, 'done');
    assert.equal(scan(`1;${'e'.repeat(1000)}\r\nx\r\n`.repeat(10_000), 'payload').result, 'chunk-overhead');
    assert.equal(
      scan(`4000;${'e'.repeat(1000)}\r\n${'x'.repeat(0x4000)}\r\n`.repeat(50), 'payload').result,
      'incomplete',
    );
  });
});
