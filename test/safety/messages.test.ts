// What an intermediary must do with single fields and methods (RFC 9110), where an attacker would like it otherwise. Frames and
// boundaries are framing.test.ts; what features of the engine say about messages is test/features.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { frame, END_HEADERS, END_STREAM, fields, HEADERS, PREFACE, SETTINGS } from '../features/http2-frames.ts';
import { attackers, leave } from './attackers.ts';
import { Direct } from './framing/direct.ts';
import { readResponses } from './framing/responses.ts';
import { type Message, startWitness, valuesOf, type Witness } from './framing/witness.ts';
import { type Proxy, startProxy } from './proxy.ts';

let witness: Witness;
let direct: Direct;
let proxy: Proxy;
before(async () => {
  witness = await startWitness();
  const world = { routes: [{ backends: [{ to: witness.port }] }] };
  direct = new Direct(world);
  proxy = await startProxy(world);
});
after(async () => {
  direct.close();
  await proxy.engine.close();
  witness.close();
});

/** What the backend gets of a request, and what the client gets for it. */
async function pass(head: string, body = ''): Promise<{ readonly status: number; readonly got: readonly Message[] }> {
  witness.clear();
  const conversation = direct.connect();
  await conversation.send(`${head}\r\nConnection: close\r\n\r\n${body}`);
  const [answer] = readResponses(await conversation.ended, [head.slice(0, head.indexOf(' '))]);
  conversation.close();
  assert.deepEqual(witness.doubts, []);
  return { status: answer?.status ?? 0, got: [...witness.messages] };
}

describe('Connection (RFC 9110 section 7.6.1)', () => {
  const ours = [
    'host',
    'content-length',
    'transfer-encoding',
    'x-forwarded-for',
    'x-forwarded-proto',
    'x-forwarded-host',
  ];
  it('cannot take away what the proxy itself says', async () => {
    for (const option of [...ours, ...ours.map((name) => name.toUpperCase()), ours.join(', ')]) {
      const { got } = await pass(
        `POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nConnection: ${option}\r\nX-Forwarded-For: 6.6.6.6`,
        'hello',
      );
      assert.equal(got.length, 1, option);
      const { lines, content } = got[0] as Message;
      assert.equal(content, 'hello', option);
      assert.deepEqual(valuesOf(lines, 'host'), ['a.test'], option);
      assert.deepEqual(valuesOf(lines, 'x-forwarded-for'), ['127.0.0.1'], option);
      assert.deepEqual(valuesOf(lines, 'x-forwarded-proto'), ['http'], option);
      assert.deepEqual(valuesOf(lines, 'x-forwarded-host'), ['a.test'], option);
      assert.deepEqual(valuesOf(lines, 'connection'), [], option);
    }
  });

  it('takes away every line of what it names, and nothing that only looks like it', async () => {
    const { got } = await pass(
      'GET /a HTTP/1.1\r\nHost: a\r\nX-Hop: 1\r\nConnection: x-hop\r\nx-HOP: 2\r\nX-Hop-2: 3\r\nX_Hop: 4\r\nAuthorization: b\r\nConnection: authorization',
    );
    const { lines } = got[0] as Message;
    assert.deepEqual(valuesOf(lines, 'x-hop'), []);
    assert.deepEqual(valuesOf(lines, 'authorization'), []);
    assert.deepEqual(valuesOf(lines, 'x-hop-2'), ['3']);
    assert.deepEqual(valuesOf(lines, 'x_hop'), ['4']);
  });
});

describe('fields that are for one hop', () => {
  it('do not pass: Upgrade, HTTP2-Settings, Keep-Alive, Proxy-Connection, TE', async () => {
    const { got } = await pass(
      'GET /a HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nKeep-Alive: timeout=9\r\nProxy-Connection: close\r\nTE: trailers, deflate',
    );
    const names = (got[0] as Message).lines.map((line) => line.slice(0, line.indexOf(':')).toLowerCase());
    assert.deepEqual(names.toSorted(), ['host', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto']);
  });

  it('of trailers that are framing, routing or credentials do not pass', async () => {
    const trailers = [
      'Host: b',
      'Content-Length: 9',
      'Authorization: x',
      'Cookie: a=b',
      'X-Forwarded-For: 6.6.6.6',
      'Forwarded: for=6.6.6.6',
      'Connection: x',
      'Expect: 100-continue',
      'Content-Type: text/html',
      'X-Sum: 1',
    ];
    const body = `5\r\nhello\r\n0\r\n${trailers.join('\r\n')}\r\n\r\n`;
    const { got } = await pass('POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked', body);
    assert.deepEqual(got[0]?.trailers, ['X-Sum: 1']);
    assert.equal(got[0]?.content, 'hello');
  });
});

describe('Max-Forwards (RFC 9110 section 7.6.2)', () => {
  for (const method of ['OPTIONS', 'TRACE']) {
    it(`counts the hops of ${method}`, async () => {
      const { got } = await pass(`${method} /a HTTP/1.1\r\nHost: a\r\nMax-Forwards: 10`);
      assert.deepEqual(valuesOf((got[0] as Message).lines, 'max-forwards'), ['9']);
    });
    it(`ends ${method} at 0`, async () => {
      const { got, status } = await pass(`${method} /a HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0`);
      assert.deepEqual(got, []);
      assert.equal(status, method === 'OPTIONS' ? 200 : 501);
    });
  }
  it('means nothing with other methods, nor when it is no number', async () => {
    for (const head of [
      'GET /a HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0',
      'OPTIONS /a HTTP/1.1\r\nHost: a\r\nMax-Forwards: -0',
    ]) {
      const { got } = await pass(head);
      assert.deepEqual(valuesOf((got[0] as Message).lines, 'max-forwards'), [head.slice(head.lastIndexOf(' ') + 1)]);
    }
  });

  it('counts over HTTP/2, too', async () => {
    witness.clear();
    const head = (method: string, hops: string): Buffer =>
      fields(':method', method, ':scheme', 'http', ':authority', 'a', ':path', '/two', 'max-forwards', hops);
    const flags = END_HEADERS | END_STREAM;
    const octets = [
      PREFACE,
      frame(SETTINGS, 0, 0),
      frame(HEADERS, flags, 1, head('OPTIONS', '3')),
      frame(HEADERS, flags, 3, head('TRACE', '0')),
    ];
    const all = await attackers(1, proxy.port, Buffer.concat(octets));
    const end = performance.now() + 3000;
    while (witness.messages.length === 0 && performance.now() < end)
      await new Promise((resolve) => setTimeout(resolve, 10));
    leave(all);
    assert.deepEqual(
      witness.messages.map(({ method, lines }) => [method, ...valuesOf(lines, 'max-forwards')]),
      [['OPTIONS', '2']],
    );
  });
});

describe('methods', () => {
  it('that nobody knows pass as they are, letter case and all', async () => {
    for (const method of ['BREW', 'get', 'M-SEARCH', 'PROPFIND', "X!#$%&'*+-.^_`|~9"]) {
      const { got, status } = await pass(`${method} /a HTTP/1.1\r\nHost: a`);
      assert.deepEqual([status, got[0]?.method], [200, method]);
    }
  });

  it('CONNECT is refused, whatever its target', async () => {
    for (const target of ['a:443', '[::1]:443', '/a']) {
      const { got, status } = await pass(`CONNECT ${target} HTTP/1.1\r\nHost: a:443`);
      assert.deepEqual(got, []);
      assert.equal(status, target === '/a' ? 400 : 501);
    }
  });

  it('that ask for an upgrade and are refused it leave what follows a request', async () => {
    witness.clear();
    const conversation = direct.connect();
    await conversation.send(
      'GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    );
    const answers = readResponses(await conversation.ended, ['GET', 'GET']);
    assert.deepEqual(
      answers.map(({ content }) => content),
      ['GET /upgrade ', 'GET /next '],
    );
  });
});
