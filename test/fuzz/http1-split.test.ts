// Generated and damaged messages through our own parser: it never throws, gives one answer however the octets arrive, and
// what it would forward means the same to itself.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { NO_BODY } from '../../src/engines/embedded/http1/parser.ts';
import { bodies, read, readBody, requests, responses, runs, type Reading } from './http1-messages.ts';

function everySplit(octets: Buffer, reader: (octets: Buffer, cuts: Iterable<number>) => Reading): Reading {
  const whole = reader(octets, []);
  const each = Array.from({ length: octets.length }, (_, i) => i + 1);
  assert.deepEqual(reader(octets, each), whole, 'one octet at a time');
  for (const cut of each) assert.deepEqual(reader(octets, [cut]), whole, `cut at ${cut}`);
  return whole;
}

describe('a message split at every octet reads as it does whole', () => {
  const seen = new Map<string, number>();
  for (const [kind, messages] of [
    ['request', requests],
    ['response', responses],
  ] as const) {
    it(kind, () => {
      fc.assert(
        fc.property(messages, (octets) => {
          const { outcome } = everySplit(octets, (all, cuts) => read(kind, all, cuts));
          seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
        }),
        runs(250),
      );
    });
  }

  for (const pieces of ['framed', 'payload'] as const) {
    it(`chunked body, ${pieces}`, () => {
      fc.assert(
        fc.property(bodies, (octets) => {
          everySplit(octets, (all, cuts) => readBody(all, cuts, pieces));
        }),
        runs(250),
      );
    });
  }

  it('and the generators reach acceptance and many classes of refusal', () => {
    assert.ok((seen.get('done') ?? 0) > 50, JSON.stringify([...seen]));
    assert.ok(seen.size > 12, JSON.stringify([...seen]));
  });
});

describe('what is forwarded', () => {
  it('is a head with the same framing and no hop-by-hop field', () => {
    fc.assert(
      fc.property(requests, (octets) => {
        const { head } = read('request', octets, []);
        if (head === undefined) return;
        const text = `${head.method} ${head.target} HTTP/1.1\r\n${head.forwarded}${head.host === '' ? 'Host: x\r\n' : ''}\r\n`;
        const again = read('request', Buffer.from(text, 'latin1'), []);
        if (again.head === undefined && head.target.includes('://')) return;
        assert.ok(again.head, `${again.outcome}: ${JSON.stringify(text)}`);
        assert.equal(again.head.framing, head.framing);
        assert.equal(again.head.length, head.length);
        assert.equal(again.head.path, head.path);
        for (let i = 0; i < again.head.lines.length; i += 2) {
          assert.doesNotMatch(again.head.lines[i] as string, /^(connection|keep-alive|te|upgrade|proxy-connection)$/i);
        }
      }),
      runs(1000),
    );
  });

  it('of a chunked body is the same data without extensions', () => {
    fc.assert(
      fc.property(bodies, (octets) => {
        const payload = readBody(octets, [], 'payload');
        const framed = readBody(octets, [], 'framed');
        assert.equal(framed.outcome, payload.outcome);
        if (framed.outcome !== 'done') return;
        assert.equal(framed.size, payload.size);
        const again = readBody(Buffer.from(`${framed.body}\r\n`, 'latin1'), [], 'payload');
        assert.deepEqual({ ...again, size: 0, trailers: [] }, { ...payload, size: 0, trailers: [] });
        assert.ok(!/^[0-9a-f]+;/im.test((framed.body as string).split('\r\n', 1)[0] as string));
      }),
      runs(1000),
    );
  });

  it('of a response without a body never announces one', () => {
    fc.assert(
      fc.property(responses, (octets) => {
        const { head } = read('response', octets, []);
        if (head === undefined || head.framing !== NO_BODY || head.status === 304) return;
        assert.doesNotMatch(head.forwarded, /^(content-length|transfer-encoding):/im);
      }),
      runs(300),
    );
  });
});
