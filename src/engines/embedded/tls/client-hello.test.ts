// The server name in real ClientHellos, at every cut, and in broken ones.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { before, describe, it } from 'node:test';
import tls from 'node:tls';
import fc from 'fast-check';
import { type ClientHello, readClientHello } from './client-hello.ts';

/** What Node's own client sends first. */
async function helloOf(options: tls.ConnectionOptions): Promise<Buffer> {
  const server = net.createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  const client = tls.connect({ port, host: '127.0.0.1', ...options });
  client.on('error', () => {});
  const [socket] = (await once(server, 'connection')) as [net.Socket];
  const [octets] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return octets;
}

/** The same message in records of at most `size` octets. */
function inRecords(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const piece = message.subarray(at, at + size);
    records.push(Buffer.from([22, 3, 1, piece.length >> 8, piece.length & 255]), piece);
  }
  return Buffer.concat(records);
}

const named = (serverName: string): ClientHello => ({ state: 'complete', serverName });

describe('a ClientHello', () => {
  let hello: Buffer;
  before(async () => {
    hello = await helloOf({ servername: 'a.example.test', ALPNProtocols: ['h2'] });
  });

  it('says the server name, whatever the versions', async () => {
    assert.deepEqual(readClientHello(hello), named('a.example.test'));
    const old = await helloOf({ servername: 'b.example.test', maxVersion: 'TLSv1.2' });
    assert.deepEqual(readClientHello(old), named('b.example.test'));
  });

  it('without a name has none', async () => {
    assert.deepEqual(readClientHello(await helloOf({})), named(''));
  });

  it('is incomplete at every cut', () => {
    for (let end = 0; end < hello.length; end++) {
      assert.deepEqual(readClientHello(hello.subarray(0, end)), { state: 'incomplete' }, String(end));
    }
  });

  it('may be spread over records, and followed by others', () => {
    for (const size of [1, 2, 3, 5, 50, 200]) {
      const spread = inRecords(hello, size);
      assert.deepEqual(readClientHello(spread), named('a.example.test'), String(size));
      assert.deepEqual(readClientHello(Buffer.concat([spread, Buffer.from('more')])), named('a.example.test'));
      assert.deepEqual(readClientHello(spread.subarray(0, -1)), { state: 'incomplete' });
    }
  });

  it('is not what begins otherwise', () => {
    for (const text of ['GET / HTTP/1.1\r\n\r\n', 'PRI * HTTP/2.0', '\x16\x02\x00\x00\x05', '\x16\x03\x01\x00\x00']) {
      assert.deepEqual(readClientHello(Buffer.from(text, 'latin1')), { state: 'invalid' }, text);
    }
    const other = Buffer.from(hello);
    other[5] = 2;
    assert.deepEqual(readClientHello(other), { state: 'invalid' });
  });

  it('that grows without end is given up', () => {
    const claimed = inRecords(Buffer.concat([Buffer.alloc(5), Buffer.from([1, 255, 255, 255])]), 4);
    assert.deepEqual(readClientHello(claimed), { state: 'invalid' });
    const slow = inRecords(Buffer.concat([Buffer.alloc(5), Buffer.from([1, 0, 63, 255]), Buffer.alloc(60_000)]), 1);
    assert.deepEqual(readClientHello(slow), { state: 'invalid' });
  });

  it('with any octets changed is read without a throw', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(hello.length - 1), fc.nat(255)), { maxLength: 4 }), (changes) => {
        const broken = Buffer.from(hello);
        for (const [at, octet] of changes) broken[at] = octet;
        const { state } = readClientHello(broken);
        return state === 'complete' || state === 'invalid' || state === 'incomplete';
      }),
      { numRuns: 2000 },
    );
  });
});
