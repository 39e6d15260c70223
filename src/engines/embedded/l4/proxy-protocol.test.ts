import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Client } from '../sides.ts';
import { proxyHeader, readProxyHeader } from './proxy-protocol.ts';

function client(address: string, port: number, localAuthority: string): Client {
  return { bind: 'b', scheme: 'http', serverName: undefined, address, port, localAuthority, forwarded: '' };
}

const v4 = client('192.0.2.1', 40_000, '198.51.100.7:443');
const v6 = client('2001:db8::1', 40_000, '[2001:db8:0:1::7]:443');

test('what is written is read again, in every version and family', () => {
  for (const version of ['v1', 'v2'] as const) {
    for (const each of [v4, v6]) {
      const header = proxyHeader(version, each);
      assert.deepEqual(readProxyHeader(Buffer.concat([header, Buffer.from('GET')])), {
        state: 'complete',
        size: header.length,
        source: { address: each.address, port: each.port },
      });
    }
    const own = proxyHeader(version, null);
    assert.deepEqual(readProxyHeader(own), { state: 'complete', size: own.length });
  }
  assert.equal(proxyHeader('v1', v4).toString(), 'PROXY TCP4 192.0.2.1 198.51.100.7 40000 443\r\n');
  assert.equal(proxyHeader('v2', v4).toString('hex'), '0d0a0d0a000d0a515549540a2111000cc0000201c63364079c4001bb');
});

test('every beginning of a header is incomplete, and nothing else is', () => {
  for (const header of [proxyHeader('v1', v4), proxyHeader('v1', v6), proxyHeader('v2', v4), proxyHeader('v2', v6)]) {
    for (let size = 0; size < header.length; size++) {
      assert.deepEqual(readProxyHeader(header.subarray(0, size)), { state: 'incomplete' }, `${size}`);
    }
  }
});

test('what is not exactly a header is none', () => {
  for (const text of [
    'GET / HTTP/1.1\r\n',
    'proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n',
    'PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n',
    'PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n',
    'PROXY TCP4 1.1.1.1 ::1 1 2\r\n',
    'PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n',
    'PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n',
    'PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n',
    'PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n',
    `PROXY UNKNOWN ${'x'.repeat(120)}\r\n`,
    `PROXY ${'x'.repeat(120)}`,
  ]) {
    assert.deepEqual(readProxyHeader(Buffer.from(text, 'latin1')), { state: 'invalid' }, text);
  }
  const header = proxyHeader('v2', v4);
  for (const [at, octet] of [
    [12, 0x11],
    [12, 0x22],
    [14, 0xff],
    [15, 4],
  ] as const) {
    const wrong = Buffer.from(header);
    wrong[at] = octet;
    assert.deepEqual(readProxyHeader(wrong), { state: 'invalid' }, `${at}`);
  }
});

test('extensions are passed over; whatever comes, it does not throw', () => {
  const header = Buffer.concat([proxyHeader('v2', v4), Buffer.from([4, 0, 1, 0])]);
  header.writeUInt16BE(16, 14);
  assert.deepEqual(readProxyHeader(header), {
    state: 'complete',
    size: 32,
    source: { address: '192.0.2.1', port: 40_000 },
  });
  const beginnings = [Buffer.alloc(0), Buffer.from('PROXY '), header.subarray(0, 12), header.subarray(0, 16)];
  fc.assert(
    fc.property(fc.constantFrom(...beginnings), fc.uint8Array({ maxLength: 120 }), (beginning, rest) => {
      const octets = Buffer.concat([beginning, rest]);
      const read = readProxyHeader(octets);
      if (read.state === 'complete') assert.ok(read.size <= octets.length);
    }),
  );
});
