// Backends over h2c that refuse, go away, die, stall or speak something else; and clients of HTTP/2 while the gateway drains.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { describe, it } from './engine-tests.ts';
import { END_STREAM, fields, frame, GOAWAY, HEADERS, PREFACE, RST_STREAM, SETTINGS, uint32 } from './http2-frames.ts';
import { ACK, END_HEADERS, get, RawConnection } from './http2-frames.ts';
import type { Limits } from '../../src/engines/embedded/options.ts';
import { atEnd, type Gateway, httpRoute, listen, plainGateway, service, startGateway } from './http2-gateway.ts';
import { eventually } from '../eventually.ts';

const REFUSED_STREAM = 7;

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Over HTTP/1.1, on a connection of its own. */
function ask({ port, host: name }: Target, path = '/', method = 'GET', body = ''): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = {
      port,
      host: '127.0.0.1',
      path,
      method,
      agent: false,
      headers: { host: name },
    };
    const request = http.request(options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (piece: string) => {
        text += piece;
      });
      response.on('end', () => resolve({ status: response.statusCode as number, body: text }));
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}

interface Backend {
  readonly port: number;
  readonly sessions: Set<http2.ServerHttp2Session>;
  connections: number;
}

type Handler = (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders, session: number) => void;

/** @param handle is told the number of the connection, from 1 on */
async function backend(handle: Handler, settings: http2.Settings = {}): Promise<Backend> {
  const server = http2.createServer({ settings });
  const sessions = new Set<http2.ServerHttp2Session>();
  const numbers = new WeakMap<object, number>();
  const result = { sessions, connections: 0 };
  server.on('session', (session) => {
    sessions.add(session);
    numbers.set(session, ++result.connections);
    session.on('error', () => {});
    session.on('close', () => sessions.delete(session));
  });
  server.on('stream', (stream: http2.ServerHttp2Stream, headers) => {
    stream.on('error', () => {});
    handle(stream, headers, numbers.get(stream.session as object) ?? 0);
  });
  const port = await listen(server);
  return Object.assign(result, { port });
}

/** A host of a gateway. */
interface Target {
  readonly gateway: Gateway;
  readonly port: number;
  readonly host: string;
}

let shared: Promise<Gateway> | undefined;
let targets = 0;

/** A host of its own for a backend: of the gateway that all tests share, or of one with other limits. */
async function gatewayTo(backendPort: number, limits?: Partial<Limits>): Promise<Target> {
  return targetOf(
    await (limits === undefined ? (shared ??= startGateway(plainGateway())) : startGateway(plainGateway(), { limits })),
    backendPort,
  );
}

async function targetOf(gateway: Gateway, backendPort: number): Promise<Target> {
  const name = `b${++targets}`;
  await gateway.apply(httpRoute(name, [`${name}.test`]) + service(name, backendPort, 'kubernetes.io/h2c'));
  return { gateway, port: gateway.port(80), host: `${name}.test` };
}

const ok = (stream: http2.ServerHttp2Stream, text = 'ok'): void => {
  stream.respond({ ':status': 200 });
  stream.end(text);
};

describe('a backend over h2c', () => {
  it('gets all requests on one connection, kept between them', async () => {
    const b = await backend((stream) => ok(stream));
    const gateway = await gatewayTo(b.port);
    for (let i = 0; i < 5; i++) assert.equal((await ask(gateway)).status, 200);
    await Promise.all(Array.from({ length: 50 }, () => ask(gateway)));
    assert.equal(b.connections, 1);
  });

  it('that allows few streams gets more connections instead of a queue', async () => {
    let active = 0;
    let most = 0;
    const b = await backend(
      (stream) => {
        most = Math.max(most, ++active);
        setTimeout(() => {
          active--;
          ok(stream);
        }, 50);
      },
      { maxConcurrentStreams: 2 },
    );
    const gateway = await gatewayTo(b.port);
    // So that its SETTINGS are known.
    await ask(gateway);
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask(gateway)));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
    assert.equal(most, 10);
    assert.equal(b.connections, 5);
  });

  it('that refuses a stream gets the request again, of any method', async () => {
    let refused = 0;
    let bodies = '';
    const b = await backend((stream, headers) => {
      if (headers[':path'] === '/once' && refused++ === 0) {
        stream.close(REFUSED_STREAM);
        return;
      }
      stream.setEncoding('utf8');
      stream.on('data', (text: string) => {
        bodies += text;
      });
      stream.on('end', () => ok(stream));
    });
    const gateway = await gatewayTo(b.port);
    assert.equal((await ask(gateway, '/once', 'POST', 'body')).status, 200);
    assert.equal(refused, 2);
    assert.equal(bodies, 'body');
  });

  it('that resets a stream otherwise does not: 502', async () => {
    let requests = 0;
    const b = await backend((stream) => {
      requests++;
      stream.destroy(new Error('broken off'));
    });
    const gateway = await gatewayTo(b.port);
    assert.equal((await ask(gateway)).status, 502);
    assert.equal(requests, 1);
  });

  it('that goes away in good order finishes what it has, and the next request takes a new connection', async () => {
    const b = await backend((stream, headers) => {
      if (headers[':path'] === '/slow') {
        stream.session?.goaway(0, stream.id);
        setTimeout(() => ok(stream, 'slow'), 100);
      } else {
        ok(stream);
      }
    });
    const gateway = await gatewayTo(b.port);
    const slow = ask(gateway, '/slow');
    await eventually(() => b.connections === 1);
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.equal((await ask(gateway)).status, 200);
    assert.equal(b.connections, 2);
    assert.deepEqual(await slow, { status: 200, body: 'slow' });
  });

  it('whose GOAWAY leaves requests out gets them again, of any method', async () => {
    let connections = 0;
    const requests: string[] = [];
    const port = await listen(
      net.createServer((socket) => {
        const number = ++connections;
        socket.write(frame(SETTINGS, 0, 0));
        let data = Buffer.alloc(0);
        socket.on('data', (octets: Buffer) => {
          data = Buffer.concat([data, octets]);
          // Every HEADERS frame is a request; the body is not looked at.
          for (let at = PREFACE.length; at + 9 <= data.length; at += 9 + data.readUIntBE(at, 3)) {
            if (data[at + 3] !== HEADERS) continue;
            const id = data.readUInt32BE(at + 5);
            const request = `${number}/${id}`;
            if (requests.includes(request)) continue;
            requests.push(request);
            const left = number === 1 ? frame(GOAWAY, 0, 0, Buffer.concat([uint32(0), uint32(0)])) : null;
            socket.write(left ?? frame(HEADERS, END_HEADERS | END_STREAM, id, fields(':status', '200')));
          }
        });
        socket.on('error', () => {});
      }),
    );
    const gateway = await gatewayTo(port);
    assert.equal((await ask(gateway, '/', 'POST', 'x')).status, 200);
    assert.deepEqual(requests, ['1/1', '2/1']);
  });

  it('that closed the connection meanwhile does not cost a request', async () => {
    const b = await backend((stream) => ok(stream));
    const gateway = await gatewayTo(b.port);
    for (let i = 0; i < 5; i++) {
      assert.equal((await ask(gateway)).status, 200);

      for (const session of b.sessions) session.destroy();
      if (i % 2 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });

  it('that answers before it has the whole request: the client gets the answer', async () => {
    const b = await backend((stream) => {
      stream.respond({ ':status': 403 });
      stream.end('no');
    });
    const gateway = await gatewayTo(b.port);
    const session = http2.connect(`http://127.0.0.1:${gateway.port}`);
    atEnd(() => session.destroy());
    const stream = session.request({ ':method': 'POST', ':path': '/', ':authority': gateway.host });
    stream.on('error', () => {});
    stream.write(Buffer.alloc(100_000));
    const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
    assert.equal(headers[':status'], 403);
    stream.resume();
    await once(stream, 'end');
  });

  it('sees a reset, and no end of the body, when the client breaks off its upload', async () => {
    const seen: string[] = [];
    let begun = 0;
    const b = await backend((stream) => {
      stream.once('data', () => begun++);
      stream.on('aborted', () => seen.push(`aborted ${stream.rstCode}`));
      stream.on('end', () => seen.push('end'));
      stream.resume();
    });
    const gateway = await gatewayTo(b.port);
    const h1 = http.request({ port: gateway.port, host: '127.0.0.1', method: 'POST', headers: { host: gateway.host } });
    h1.on('error', () => {});
    h1.write('half');
    await eventually(() => begun === 1);
    h1.destroy();
    await eventually(() => seen.length > 0);
    assert.equal(seen[0], 'aborted 8');
    seen.length = 0;
    const session = http2.connect(`http://127.0.0.1:${gateway.port}`);
    atEnd(() => session.destroy());
    const h2 = session.request({ ':method': 'POST', ':path': '/', ':authority': gateway.host });
    h2.on('error', () => {});
    h2.write('half');
    await eventually(() => begun === 2);
    h2.destroy(new Error('enough'));
    await eventually(() => seen.length > 0);
    assert.equal(seen[0], 'aborted 8');
  });

  it('that speaks HTTP/1.1 is 502, and soon', async () => {
    const port = await listen(http.createServer((_request, response) => response.end('hello')));
    const gateway = await gatewayTo(port);
    assert.equal((await ask(gateway)).status, 502);
  });

  it('that cannot be reached is 503', async () => {
    const gateway = await gatewayTo(1);
    assert.equal((await ask(gateway)).status, 503);
  });

  it('that is silent is 504, and its connection is not trusted any more', async () => {
    const b = await backend((stream) => ok(stream));
    let stalled = false;
    const sockets = new Set<net.Socket>();
    // Between the gateway and the backend: swallows everything once `stalled`.
    const port = await listen(
      net.createServer((socket) => {
        const upstream = net.connect(b.port, '127.0.0.1');
        sockets.add(socket);
        const deaf = stalled;
        socket.on('data', (octets) => {
          if (!stalled || !sockets.has(socket) || deaf) upstream.write(octets);
        });
        upstream.on('data', (octets) => socket.write(octets));
        for (const each of [socket, upstream]) each.on('error', () => {});
        socket.on('close', () => upstream.destroy());
      }),
    );
    const gateway = await gatewayTo(port, { responseTimeout: 2000 });
    assert.equal((await ask(gateway)).status, 200);
    stalled = true;
    assert.equal((await ask(gateway)).status, 504);
    assert.equal((await ask(gateway)).status, 200, 'on a new connection');
  });

  it('is left alone when nothing was asked for a while', async () => {
    const b = await backend((stream) => ok(stream));
    const gateway = await gatewayTo(b.port, { poolTimeout: 200 });
    assert.equal((await ask(gateway)).status, 200);
    assert.equal(b.sessions.size, 1);
    await eventually(() => b.sessions.size === 0);
    assert.equal((await ask(gateway)).status, 200);
  });

  it('that never closes its half does not keep the connection', async () => {
    let left = false;
    const port = await listen(
      net.createServer({ allowHalfOpen: true }, (socket) => {
        socket.write(frame(SETTINGS, 0, 0));
        socket.once('data', () => socket.write(frame(HEADERS, END_HEADERS | END_STREAM, 1, fields(':status', '200'))));
        socket.resume();
        // Only a connection that is gone resets what is still sent on it.
        const timer = setInterval(() => socket.write(frame(SETTINGS, 0, 0)), 50);
        socket.on('close', () => {
          clearInterval(timer);
          left = true;
        });
      }),
    );
    const gateway = await gatewayTo(port, { poolTimeout: 100 });
    assert.equal((await ask(gateway)).status, 200);
    await eventually(() => left);
  });

  it('that breaks the rules of a response is 502', async () => {
    const answers: readonly Buffer[] = [
      // Status out of range, missing, twice; a connection-specific field; a length that the content does not have.
      frame(HEADERS, END_HEADERS | END_STREAM, 1, fields(':status', '600')),
      frame(HEADERS, END_HEADERS | END_STREAM, 1, fields('x', 'y')),
      frame(HEADERS, END_HEADERS | END_STREAM, 1, fields(':status', '200', ':status', '200')),
      frame(HEADERS, END_HEADERS | END_STREAM, 1, fields(':status', '200', 'connection', 'close')),
      frame(HEADERS, END_HEADERS | END_STREAM, 1, fields(':status', '200', 'content-length', '5')),
      frame(HEADERS, END_HEADERS | END_STREAM, 1, fields(':status', '101')),
      frame(RST_STREAM, 0, 1, uint32(1)),
    ];
    const gateway = await startGateway(plainGateway(), { limits: { responseTimeout: 10_000 } });
    for (const [i, answer] of answers.entries()) {
      const port = await listen(
        net.createServer((socket) => {
          socket.on('error', () => {});
          socket.write(frame(SETTINGS, 0, 0));
          // The request comes in one piece, behind the preface.
          socket.on('data', (octets: Buffer) => {
            if (octets.length > 60) socket.write(answer);
          });
        }),
      );
      assert.equal((await ask(await targetOf(gateway, port))).status, 502, `answer ${i}`);
    }
  });
});

describe('draining', () => {
  it('tells clients of HTTP/2 which requests are still served, and ends with these', async () => {
    const waiting: http.ServerResponse[] = [];
    const port = await listen(http.createServer((_request, response) => waiting.push(response)));
    const gateway = await startGateway(plainGateway('h1') + service('h1', port));
    const connection = new RawConnection(gateway.port(80));
    const idle = new RawConnection(gateway.port(80));
    connection.send(frame(SETTINGS, ACK, 0), frame(HEADERS, END_HEADERS | END_STREAM, 1, fields(...get)));
    await idle.wait(({ type }) => type === SETTINGS);
    await eventually(() => waiting.length === 1);
    const drained = gateway.engine.drain(10_000);
    assert.deepEqual(await connection.goaway(), { last: 1, code: 0 });
    assert.deepEqual(await idle.goaway(), { last: 0, code: 0 });
    await idle.end();
    connection.send(frame(HEADERS, END_HEADERS | END_STREAM, 3, fields(...get)));
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.equal(waiting.length, 1);
    waiting[0]?.end('done');
    assert.equal(await connection.outcome(1), 0);
    await connection.end();
    await drained;
  });
});
