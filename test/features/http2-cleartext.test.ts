// HTTP/2 by prior knowledge on the port of HTTP/1.1, in front of backends over HTTP/1.1 and h2c, and the other way round.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { before, describe, it } from './engine-tests.ts';
import { atEnd, type Gateway, listen, plainGateway, service, startGateway } from './http2-gateway.ts';

interface Answer {
  readonly status: number;
  readonly headers: http2.IncomingHttpHeaders;
  readonly trailers: http2.IncomingHttpHeaders;
  readonly interim: readonly number[];
  readonly body: Buffer;
}

function connect(port: number): http2.ClientHttp2Session {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  atEnd(() => session.destroy());
  return session;
}

async function read(stream: http2.ClientHttp2Stream): Promise<Answer> {
  const interim: number[] = [];
  let headers: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader = {};
  let trailers: http2.IncomingHttpHeaders = {};
  const pieces: Buffer[] = [];
  stream.on('headers', (fields) => interim.push(Number(fields[':status'])));
  stream.on('response', (fields) => {
    headers = fields;
  });
  stream.on('trailers', (fields) => {
    trailers = fields;
  });
  stream.on('data', (octets: Buffer) => pieces.push(octets));
  await once(stream, 'end');
  return { status: Number(headers[':status']), headers, trailers, interim, body: Buffer.concat(pieces) };
}

function get(session: http2.ClientHttp2Session, authority: string, path = '/', more = {}): Promise<Answer> {
  return read(session.request({ ':authority': authority, ':path': path, ...more }, { endStream: true }));
}

/** What both backends answer, by path. */
const big = randomBytes(3_000_000);
const bigHash = createHash('sha256').update(big).digest('hex');

interface Seen {
  readonly method: string;
  readonly path: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly body: string;
  readonly trailers: Readonly<Record<string, unknown>>;
}

async function digest(body: AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash('sha256');
  for await (const octets of body) hash.update(octets);
  return hash.digest('hex');
}

function http1Backend(): http.Server {
  return http.createServer(async (request, response) => {
    const body = await digest(request);
    if (request.url === '/big') {
      response.end(big);
    } else if (request.url === '/early') {
      response.writeEarlyHints({ link: '</a.css>; rel=preload' });
      response.end('late');
    } else if (request.url === '/trailers') {
      response.writeHead(200, { trailer: 'x-sum' });
      response.write('body');
      response.addTrailers({ 'x-sum': '42' });
      response.end();
    } else if (request.url === '/cut') {
      response.writeHead(200, { 'content-length': '100' });
      response.write('half');
      setTimeout(() => response.destroy(), 20);
    } else {
      const seen: Seen = {
        method: String(request.method),
        path: String(request.url),
        fields: request.headers,
        body,
        trailers: request.trailers,
      };
      response.setHeader('x-octets', Buffer.from([0xe9]).toString('latin1'));
      response.setHeader('set-cookie', ['a=1', 'b=2']);
      // Of a string Node would write the head in the encoding of the body.
      response.end(Buffer.from(JSON.stringify(seen)));
    }
  });
}

function h2cBackend(): http2.Http2Server {
  const server = http2.createServer();
  server.on('stream', async (stream: http2.ServerHttp2Stream, headers) => {
    stream.on('error', () => {});
    const path = String(headers[':path']);
    let trailers: Readonly<Record<string, unknown>> = {};
    stream.on('trailers', (fields) => {
      trailers = fields;
    });
    if (path === '/reset') {
      stream.respond({ ':status': 200 });
      stream.write('half');
      setTimeout(() => stream.destroy(new Error('broken off')), 20);
      return;
    }
    if (path === '/clean-reset') {
      stream.respond({ ':status': 200 });
      stream.write('half');
      // RST_STREAM with NO_ERROR in the middle of a response: not its end.
      setTimeout(() => stream.destroy(), 20);
      return;
    }
    const body = await digest(stream).catch(() => 'cut');
    if (stream.destroyed) return;
    if (path === '/big') {
      stream.respond({ ':status': 200 });
      stream.end(big);
    } else if (path === '/early') {
      stream.additionalHeaders({ ':status': 103, link: '</a.css>; rel=preload' });
      stream.respond({ ':status': 200 });
      stream.end('late');
    } else if (path === '/trailers') {
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '42' }));
      stream.end('body');
    } else {
      const seen: Seen = { method: String(headers[':method']), path, fields: headers, body, trailers };
      stream.respond([':status', '200', 'x-octets', '\u00e9', 'set-cookie', 'a=1', 'set-cookie', 'b=2']);
      stream.end(JSON.stringify(seen));
    }
  });
  return server;
}

let gateway: Gateway;
let port: number;
before(async () => {
  const h1 = await listen(http1Backend());
  const h2 = await listen(h2cBackend());
  gateway = await startGateway(plainGateway('h1', 'h2c') + service('h1', h1) + service('h2c', h2, 'kubernetes.io/h2c'));
  port = gateway.port(80);
});

for (const backend of ['h1', 'h2c']) {
  describe(`h2 in front of ${backend}`, () => {
    const host = `${backend}.test`;

    it('forwards a request with its fields, and the response', async () => {
      const session = connect(port);
      const { status, headers, body } = await get(session, host, '/a/b?c=d', {
        cookie: ['x=1', 'y=2'],
        'x-mine': ['1', '2'],
        'x-octets': '\u00e9',
      });
      assert.equal(status, 200);
      const seen = JSON.parse(body.toString()) as Seen;
      assert.equal(seen.method, 'GET');
      assert.equal(seen.path, '/a/b?c=d');
      assert.equal(seen.fields[backend === 'h1' ? 'host' : ':authority'], host);
      assert.equal(seen.fields['cookie'], 'x=1; y=2');
      assert.equal(seen.fields['x-mine'], '1, 2');
      assert.equal(seen.fields['x-octets'], '\u00e9');
      assert.equal(seen.fields['x-forwarded-proto'], 'http');
      assert.equal(seen.fields['x-forwarded-for'], '127.0.0.1');
      assert.equal(headers['x-octets'], '\u00e9');
      assert.deepEqual(headers['set-cookie'], ['a=1', 'b=2']);
      assert.equal(headers['connection'], undefined);
      session.close();
    });

    it('carries large bodies both ways, unharmed', async () => {
      const session = connect(port);
      const stream = session.request({ ':method': 'POST', ':authority': host, ':path': '/upload' });
      stream.end(big);
      const { body } = await read(stream);
      assert.equal((JSON.parse(body.toString()) as Seen).body, bigHash);
      const down = await get(session, host, '/big');
      assert.equal(createHash('sha256').update(down.body).digest('hex'), bigHash);
      session.close();
    });

    it('runs many requests at once on one connection', async () => {
      const session = connect(port);
      const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => get(session, host, `/${i}`)));
      for (const [i, { status, body }] of answers.entries()) {
        assert.equal(status, 200);
        assert.equal((JSON.parse(body.toString()) as Seen).path, `/${i}`);
      }
      session.close();
    });

    it('passes trailers and interim responses on', async () => {
      const session = connect(port);
      const trailed = await get(session, host, '/trailers', { te: 'trailers' });
      assert.equal(trailed.body.toString(), 'body');
      assert.equal(trailed.trailers['x-sum'], '42');
      const early = await get(session, host, '/early');
      assert.deepEqual(early.interim, [103]);
      assert.equal(early.body.toString(), 'late');
      session.close();
    });

    it('passes trailers of a request on', async () => {
      const session = connect(port);
      const stream = session.request(
        { ':method': 'POST', ':authority': host, ':path': '/' },
        { waitForTrailers: true },
      );
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-request-sum': '7', host: 'evil' }));
      stream.end('hello');
      const seen = JSON.parse((await read(stream)).body.toString()) as Seen;
      assert.equal(seen.trailers['x-request-sum'], '7');
      assert.equal(seen.trailers['host'], undefined);
      session.close();
    });

    it('answers HEAD without content', async () => {
      const session = connect(port);
      const { status, body } = await get(session, host, '/', { ':method': 'HEAD' });
      assert.equal(status, 200);
      assert.equal(body.length, 0);
      session.close();
    });

    it('resets the stream of a response that breaks off, and no other', async () => {
      const session = connect(port);
      const other = get(session, host, '/big');
      for (const path of backend === 'h1' ? ['/cut'] : ['/reset', '/clean-reset']) {
        const stream = session.request({ ':authority': host, ':path': path }, { endStream: true });
        stream.resume();
        await once(stream, 'error');
        assert.equal(stream.rstCode, http2.constants.NGHTTP2_INTERNAL_ERROR, path);
      }
      assert.equal((await other).body.length, big.length);
      session.close();
    });
  });
}

describe('HTTP/1.1 in front of h2c', () => {
  const ask = (
    path: string,
    options: http.RequestOptions = {},
    body?: Buffer,
  ): Promise<{ status: number; body: Buffer; trailers: NodeJS.Dict<string>; interim: number[] }> =>
    new Promise((resolve, reject) => {
      const interim: number[] = [];
      const request = http.request({ port, host: '127.0.0.1', path, headers: { host: 'h2c.test' }, ...options });
      request.on('information', ({ statusCode }) => interim.push(statusCode));
      request.on('response', async (response) => {
        try {
          const pieces: Buffer[] = [];
          for await (const octets of response) pieces.push(octets as Buffer);
          const status = response.statusCode as number;
          resolve({ status, body: Buffer.concat(pieces), trailers: response.trailers, interim });
        } catch (error) {
          reject(error);
        }
      });
      request.on('error', reject);
      request.end(body);
    });

  it('forwards requests with and without body', async () => {
    const seen = JSON.parse((await ask('/x?y', { method: 'POST' }, big)).body.toString()) as Seen;
    assert.equal(seen.body, bigHash);
    assert.equal(seen.path, '/x?y');
    assert.equal(seen.fields[':authority'], 'h2c.test');
    assert.equal(seen.fields['connection'], undefined);
    const { body } = await ask('/big');
    assert.equal(createHash('sha256').update(body).digest('hex'), bigHash);
  });

  it('passes trailers and interim responses on', async () => {
    assert.deepEqual({ ...(await ask('/trailers')).trailers }, { 'x-sum': '42' });
    assert.deepEqual((await ask('/early')).interim, [103]);
  });

  it('closes the connection of a response that breaks off', async () => {
    for (const path of ['/reset', '/clean-reset']) await assert.rejects(ask(path), { code: 'ECONNRESET' });
  });
});

describe('the port of HTTP/1.1', () => {
  it('ignores Upgrade: h2c', async () => {
    const socket = net.connect(port, '127.0.0.1');
    atEnd(() => socket.destroy());
    socket.write(
      'GET / HTTP/1.1\r\nHost: h1.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n',
    );
    const [answer] = (await once(socket, 'data')) as [Buffer];
    assert.match(answer.toString('latin1'), /^HTTP\/1\.1 200 /);
    assert.doesNotMatch(answer.toString('latin1'), /upgrade|http2-settings/i);
    socket.destroy();
  });

  it('finds the preface of HTTP/2 however it is cut', async () => {
    const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1');
    for (let cut = 1; cut < preface.length; cut += 3) {
      const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
      atEnd(() => socket.destroy());
      socket.write(preface.subarray(0, cut));
      await new Promise((resolve) => setTimeout(resolve, 5));
      socket.write(preface.subarray(cut));
      const [answer] = (await once(socket, 'data')) as [Buffer];
      // A SETTINGS frame.
      assert.equal(answer[3], 4, `cut at ${cut}`);
      socket.destroy();
    }
  });
});
