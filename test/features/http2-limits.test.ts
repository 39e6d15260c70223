// Clients of HTTP/2 that are slow, greedy, hostile or wrong: what it costs them, and what it does not cost others.
import assert from 'node:assert/strict';
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { before, beforeEach, describe, it } from './engine-tests.ts';
import { RESET_BURST } from '../../src/engines/embedded/http2/settings.ts';
import {
  ACK,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  fields,
  type Frame,
  frame,
  get,
  HEADERS,
  PING,
  post,
  RawConnection,
  RST_STREAM,
  SETTINGS,
  uint32,
  WINDOW_UPDATE,
} from './http2-frames.ts';
import { type Gateway, listen, plainGateway, service, startGateway } from './http2-gateway.ts';
import { eventually } from '../eventually.ts';

const PROTOCOL_ERROR = 1;
const SETTINGS_TIMEOUT = 4;
const REFUSED_STREAM = 7;
const CANCEL = 8;
const ENHANCE_YOUR_CALM = 11;

/** What became of requests at the backend. */
const log: string[] = [];
/** Targets of requests that came to the backend. */
const begun = new Set<string>();
/** Octets that the backend wrote of the endless response. */
let produced = 0;
const uploads: { size: number; paused: http.IncomingMessage | null } = { size: 0, paused: null };

function backend(): http.Server {
  return http.createServer((request, response) => {
    begun.add(request.url ?? '');
    if (request.url === '/endless') {
      const more = (): void => {
        while (!response.destroyed) {
          produced += 65_536;
          if (!response.write(Buffer.alloc(65_536))) return void response.once('drain', more);
        }
      };
      more();
    } else if (request.url === '/stuck') {
      // Takes nothing of the body.
      request.pause();
      uploads.paused = request;
      request.on('data', (octets: Buffer) => {
        uploads.size += octets.length;
      });
      request.pause();
      request.on('end', () => response.end('at last'));
    } else if (request.url === '/fields') {
      for (const name of Object.keys(request.headers)) log.push(`field ${name}`);
      response.end();
    } else {
      request.on('aborted', () => log.push(`aborted ${request.url}`));
      request.on('end', () => log.push(`complete ${request.url}`));
      request.on('end', () => response.end('hello'));
      request.resume();
    }
  });
}

let gateway: Gateway;
let hasty: Gateway;
let port: number;
before(async () => {
  const manifests = plainGateway('h1') + service('h1', await listen(backend()));
  gateway = await startGateway(manifests, { limits: { headBytes: 8192, headFields: 32, bodyBytes: 10_000_000 } });
  hasty = await startGateway(manifests, {
    limits: { headTimeout: 300, idleTimeout: 300, bodyTimeout: 300, writeTimeout: 300 },
  });
  port = gateway.port(80);
});
beforeEach(() => {
  log.length = 0;
  begun.clear();
  produced = 0;
});

const ask = (stream: number, list: readonly string[], end = true): Buffer =>
  frame(HEADERS, END_HEADERS | (end ? END_STREAM : 0), stream, fields(...list));

/** The status of a response that is a literal or an indexed field, as nghttp2 encodes it. */
async function statusOf(connection: RawConnection, stream: number): Promise<number> {
  const { payload } = await connection.wait((each) => each.type === HEADERS && each.stream === stream);
  const indexed = [200, 204, 206, 304, 400, 404, 500];
  let at = 0;
  while (((payload[at] as number) & 0xe0) === 0x20) at++;
  const first = payload[at] as number;
  if ((first & 0x80) !== 0) return indexed[(first & 0x7f) - 8] ?? 0;
  const length = (payload[at + 1] as number) & 0x7f;
  const coded = payload.subarray(at + 2, at + 2 + length);
  return ((payload[at + 1] as number) & 0x80) === 0 ? Number(coded.toString('latin1')) : huffmanDigits(coded);
}

/** Digits in the Huffman code of RFC 7541: 0, 1, 2 have five bits, the others six. */
function huffmanDigits(coded: Buffer): number {
  let bits = [...coded].map((octet) => octet.toString(2).padStart(8, '0')).join('');
  let digits = '';
  while (digits.length < 3) {
    const five = Number.parseInt(bits.slice(0, 5), 2);
    digits += five <= 2 ? five : Number.parseInt(bits.slice(0, 6), 2) - 0x19 + 3;
    bits = bits.slice(five <= 2 ? 5 : 6);
  }
  return Number(digits);
}

describe('a connection of HTTP/2', () => {
  it('tells its limits', async () => {
    const connection = new RawConnection(port);
    const { payload } = await connection.wait(({ type, flags }) => type === SETTINGS && flags === 0);
    const settings = new Map<number, number>();
    for (let i = 0; i < payload.length; i += 6) settings.set(payload.readUInt16BE(i), payload.readUInt32BE(i + 2));
    assert.equal(settings.get(3), 256, 'MAX_CONCURRENT_STREAMS');
    assert.equal(settings.get(4), 131_072, 'INITIAL_WINDOW_SIZE');
    assert.equal(settings.get(6), 8192, 'MAX_HEADER_LIST_SIZE');
    assert.equal(settings.get(8) ?? 0, 0, 'ENABLE_CONNECT_PROTOCOL');
  });

  it('refuses streams beyond its limit, and only these', async () => {
    const connection = new RawConnection(port);
    const open = Array.from({ length: 257 }, (_, i) => ask(2 * i + 1, [...post], false));
    await connection.wait(({ type, flags }) => type === SETTINGS && flags === 1);
    connection.send(...open);
    assert.equal(await connection.outcome(513), REFUSED_STREAM);
    connection.send(frame(DATA, END_STREAM, 1));
    assert.equal(await connection.outcome(1), 0);
  });
});

describe('a malformed request resets its stream, and the connection goes on', () => {
  const malformed: Readonly<Record<string, readonly string[]>> = {
    'an upper-case name': [...get, 'X-Upper', '1'],
    Connection: [...get, 'connection', 'x'],
    'Transfer-Encoding': [...get, 'transfer-encoding', 'chunked'],
    Upgrade: [...get, 'upgrade', 'websocket'],
    'Keep-Alive': [...get, 'keep-alive', '1'],
    'Proxy-Connection': [...get, 'proxy-connection', '1'],
    'TE other than trailers': [...get, 'te', 'gzip'],
    'two methods': [':method', 'GET', ...get],
    'two paths': [...get, ':path', '/x'],
    'a pseudo-header field after others': ['x', 'y', ...get],
    'an unknown pseudo-header field': [...get, ':evil', '1'],
    'a response pseudo-header field': [...get, ':status', '200'],
    'no method': get.slice(2),
    'no path': get.slice(0, 6),
    'no scheme': [...get.slice(0, 2), ...get.slice(4)],
    'an empty path': [...get.slice(0, 7), ''],
    'two lengths': [...post, 'content-length', '1', 'content-length', '2'],
    'a length that is none': [...post, 'content-length', '+5'],
    'extended CONNECT': [':method', 'CONNECT', ':protocol', 'websocket', ...get.slice(2)],
  };
  for (const [what, list] of Object.entries(malformed)) {
    it(what, async () => {
      const connection = new RawConnection(port);
      connection.send(ask(1, list), ask(3, get));
      assert.equal(await connection.outcome(1), PROTOCOL_ERROR);
      assert.equal(await connection.outcome(3), 0);
      assert.equal(await statusOf(connection, 3), 200);
      assert.ok(!connection.closed);
    });
  }

  it('unless it is a field with illegal octets: nghttp2 drops the field', async () => {
    const connection = new RawConnection(port);
    const illegal = ['x y', '1', 'x-lf', 'a\r\nevil: 1', 'x-nul', 'a\0b', 'x-del', '\x7f', 'x-cr', 'a\rb', '', '1'];
    connection.send(ask(1, [...get.slice(0, 7), '/fields', ...illegal]));
    assert.equal(await connection.outcome(1), 0);
    const names = log.map((line) => line.split(' ')[1]);
    assert.deepEqual(
      names.filter((name) => name?.startsWith('x-') && !name.startsWith('x-forwarded-')),
      ['x-request-id'],
    );
    assert.ok(!names.includes('evil'));
  });

  it('a body that is shorter than it said', async () => {
    const connection = new RawConnection(port);
    connection.send(
      ask(1, [...post.slice(0, 7), '/shorter', 'content-length', '9'], false),
      frame(DATA, 0, 1, Buffer.alloc(5)),
    );
    await eventually(() => begun.has('/shorter'));
    connection.send(frame(DATA, END_STREAM, 1));
    assert.equal(await connection.outcome(1), PROTOCOL_ERROR);
    await eventually(() => log.includes('aborted /shorter'));
    assert.ok(!log.some((line) => line.startsWith('complete')), String(log));
  });

  it('unless its body is longer than it said: that ends the connection', async () => {
    const connection = new RawConnection(port);
    const head = ask(1, [...post.slice(0, 7), '/longer', 'content-length', '2'], false);
    connection.send(head, frame(DATA, END_STREAM, 1, Buffer.alloc(5)));
    assert.notEqual((await connection.goaway()).code, 0);
    await connection.end();
    assert.ok(!log.some((line) => line.startsWith('complete')), String(log));
  });
});

describe('a request that nghttp2 takes and we do not', () => {
  for (const [what, list, status] of [
    ['CONNECT', [':method', 'CONNECT', ':authority', 'a:443'], 501],
    ['a fragment', [...get.slice(0, 7), '/#x'], 400],
    ['a target without slash', [...get.slice(0, 7), 'x'], 400],
    ['an absolute target', [...get.slice(0, 7), 'http://a/'], 400],
    ['user information in the authority', [...get.slice(0, 5), 'u@h1.test', ':path', '/'], 400],
    ['a Host that differs', [...get, 'host', 'other.test'], 400],
    ['no authority', [...get.slice(0, 4), ...get.slice(6)], 400],
    ['an unknown expectation', [...get, 'expect', 'tea'], 417],
  ] as const) {
    it(`${what}: ${status}`, async () => {
      const connection = new RawConnection(port);
      connection.send(ask(1, list));
      const outcome = await connection.outcome(1);
      if (outcome === 0) assert.equal(await statusOf(connection, 1), status);
      else assert.equal(outcome, PROTOCOL_ERROR);
      connection.send(ask(3, get));
      assert.equal(await connection.outcome(3), 0);
    });
  }

  it('a target that is too long: 414; a body that is: 413', async () => {
    const large = await startGateway(plainGateway(), { limits: { targetBytes: 1000, bodyBytes: 1000 } });
    const connection = new RawConnection(large.port(80));
    connection.send(ask(1, [...get.slice(0, 7), `/${'a'.repeat(1000)}`]));
    assert.equal(await connection.outcome(1), 0);
    assert.equal(await statusOf(connection, 1), 414);
    connection.send(ask(3, [...post, 'content-length', '1001'], false));
    assert.equal(await statusOf(connection, 3), 413);
  });
});

describe('too much', () => {
  it('of header fields, in number or octets, resets the stream', async () => {
    const many = Array.from({ length: 50 }, (_, i) => [`x-${i}`, '1']).flat();
    const long = ['x', 'a'.repeat(9000)];
    for (const list of [many, long]) {
      const connection = new RawConnection(port);
      connection.send(frame(SETTINGS, ACK, 0), ask(1, [...get, ...list]), ask(3, get));
      assert.equal(await connection.outcome(1), ENHANCE_YOUR_CALM);
      assert.equal(await connection.outcome(3), 0);
    }
  });

  it('of octets of header fields is 431 when our limit was not acknowledged', async () => {
    const connection = new RawConnection(port);
    connection.send(ask(1, [...get, 'x', 'a'.repeat(9000)]), ask(3, get));
    assert.equal(await connection.outcome(1), 0);
    assert.equal(await statusOf(connection, 1), 431);
    assert.equal(await connection.outcome(3), 0);
  });

  it('of time to acknowledge our limits ends the connection', async () => {
    // Deadlines are looked at every half second: whenever it begins in between, it has its time.
    const patience: Promise<void>[] = [];
    for (let i = 0; i < 6; i++) {
      patience.push(ended());
      await sleep(90);
    }
    await Promise.all(patience);

    async function ended(): Promise<void> {
      const opened = performance.now();
      const connection = new RawConnection(hasty.port(80));
      connection.send(ask(1, get));
      assert.equal((await connection.goaway()).code, SETTINGS_TIMEOUT);
      assert.ok(performance.now() - opened >= 295, `ended after ${performance.now() - opened} ms`);
      await connection.end();
    }
  });

  it('of CONTINUATION ends the connection (CVE-2024-27316)', async () => {
    const connection = new RawConnection(port);
    connection.send(frame(HEADERS, 0, 1, fields(...get)));
    for (let i = 0; i < 1000; i++) connection.send(frame(CONTINUATION, 0, 1, fields('x', 'y')));
    await connection.end();
  });

  it('of resets ends the connection (CVE-2023-44487), before the backend has seen many', async () => {
    const connection = new RawConnection(port);
    for (let i = 0; i < RESET_BURST * 3; i++) {
      connection.send(ask(2 * i + 1, get), frame(RST_STREAM, 0, 2 * i + 1, uint32(CANCEL)));
    }
    await connection.goaway();
    await connection.end();
    assert.ok(log.length <= RESET_BURST + 20, `${log.length} at the backend`);
  });

  it('of resets that we are made to send ends it too (CVE-2025-8671)', async () => {
    const connection = new RawConnection(port);
    for (let i = 0; i < 3000 && !connection.closed; i++) {
      // An increment of 0 is an error of the stream.
      connection.send(ask(2 * i + 1, post, false), frame(WINDOW_UPDATE, 0, 2 * i + 1, uint32(0)));
      if (i % 100 === 0) await new Promise(setImmediate);
    }
    await connection.end();
  });

  it('of empty DATA ends the connection (CVE-2019-9518)', async () => {
    const connection = new RawConnection(port);
    connection.send(ask(1, post, false));
    for (let i = 0; i < 1000; i++) connection.send(frame(DATA, 0, 1));
    await connection.end();
  });

  it('of PING and SETTINGS without reading the answers ends the connection', async () => {
    for (const flood of [frame(PING, 0, 0, Buffer.alloc(8)), frame(SETTINGS, 0, 0)]) {
      const connection = new RawConnection(port);
      await connection.wait(({ type }) => type === SETTINGS);
      connection.socket.pause();
      const burst = Buffer.concat(Array.from({ length: 10_000 }, () => flood));
      for (let i = 0; i < 100 && !connection.socket.destroyed; i++) {
        if (!connection.socket.write(burst)) {
          await Promise.race([
            new Promise((resolve) => connection.socket.once('drain', resolve)),
            new Promise((resolve) => setTimeout(resolve, 50)),
          ]);
        }
      }
      connection.socket.resume();
      await connection.end();
    }
  });
});

describe('a slow client', () => {
  it('that asks for nothing is sent away, and so is one that asks no more', async () => {
    const silent = new RawConnection(hasty.port(80));
    silent.send(frame(SETTINGS, ACK, 0));
    assert.equal((await silent.goaway()).code, 0);
    await silent.end();
    const connection = new RawConnection(hasty.port(80));
    connection.send(frame(SETTINGS, ACK, 0), ask(1, get));
    assert.equal(await connection.outcome(1), 0);
    await connection.goaway();
    await connection.end();
  });

  it('in its body gets 408, and the backend no complete request', async () => {
    const connection = new RawConnection(hasty.port(80));
    connection.send(
      frame(SETTINGS, ACK, 0),
      ask(1, [...post.slice(0, 7), '/slow'], false),
      frame(DATA, 0, 1, Buffer.alloc(10)),
    );
    assert.equal(await statusOf(connection, 1), 408);
    await eventually(() => log.includes('aborted /slow'));
  });

  it('in taking the response is cut off', async () => {
    const connection = new RawConnection(hasty.port(80));
    connection.send(frame(SETTINGS, ACK, 0), ask(1, [...get.slice(0, 7), '/endless']));
    // 65,535 octets are all that its window lets through.
    assert.equal(await connection.outcome(1), CANCEL);
    assert.equal(connection.received(1), 65_535);
  });
});

describe('memory', () => {
  it('does not grow with a response that nobody takes', async () => {
    const connection = new RawConnection(port);
    connection.send(ask(1, [...get.slice(0, 7), '/endless']));
    await eventually(() => connection.received(1) === 65_535);
    await eventually(() => produced > 0);
    let before = -1;
    while (before !== produced) {
      before = produced;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    // What fits into sockets and a few buffers; not what the backend could make.
    assert.ok(produced < 12_000_000, `${produced} octets`);
    connection.socket.destroy();
  });

  it('does not grow with a request that nobody takes, and other streams go on', async () => {
    const connection = new RawConnection(port);
    await connection.wait(({ type }) => type === SETTINGS);
    connection.send(frame(SETTINGS, ACK, 0), ask(1, [...post.slice(0, 7), '/stuck'], false));
    // As much as the windows allow, which grow only as the backend takes.
    const windows = [65_535, 131_072];
    let sent = 0;
    let seen = 0;
    for (let idle = 0; idle < 10; idle++) {
      for (; seen < connection.frames.length; seen++) {
        const { type, stream, payload } = connection.frames[seen] as Frame;
        if (type === WINDOW_UPDATE) windows[stream] = (windows[stream] as number) + payload.readUInt32BE();
      }
      for (let size = 1; size > 0; sent += size) {
        size = Math.min(16_384, (windows[0] as number) - sent, (windows[1] as number) - sent);
        if (size > 0) connection.send(frame(DATA, 0, 1, Buffer.alloc(size)));
        if (size > 0) idle = 0;
      }
      await eventually(() => uploads.paused !== null);
      await new Promise((resolve) => setTimeout(resolve, 10));
      assert.ok(sent < 9_000_000, 'it never stops');
    }
    connection.send(ask(3, get));
    assert.equal(await connection.outcome(3), 0);
    uploads.paused?.resume();
    connection.send(frame(DATA, END_STREAM, 1));
    assert.equal(await connection.outcome(1), 0);
    assert.equal(uploads.size, sent);
  });
});

describe('a client that resets its upload', () => {
  it('leaves the backend without a complete request', async () => {
    const connection = new RawConnection(port);
    connection.send(ask(1, [...post.slice(0, 7), '/reset'], false), frame(DATA, 0, 1, Buffer.alloc(10)));
    await eventually(() => begun.has('/reset'));
    // NO_ERROR too is no end of the body.
    connection.send(frame(RST_STREAM, 0, 1, uint32(0)));
    await eventually(() => log.length > 0);
    assert.deepEqual(log, ['aborted /reset']);
  });
});

describe('a client that is answered before it has sent everything', () => {
  it('may go on sending for a while, and other streams do not suffer', async () => {
    const small = await startGateway(plainGateway('h1') + service('h1', 1), { limits: { bodyBytes: 1000 } });
    const connection = new RawConnection(small.port(80));
    connection.send(frame(SETTINGS, ACK, 0), ask(1, [...post, 'content-length', '10000000'], false));
    assert.equal(await statusOf(connection, 1), 413);
    for (let i = 0; i < 5; i++) connection.send(frame(DATA, 0, 1, Buffer.alloc(10_000)));
    connection.send(ask(3, [...get.slice(0, 5), 'x.test', ':path', '/']));
    assert.equal(await statusOf(connection, 3), 404);
    assert.ok(!connection.closed);
    // Beyond 256 KiB its stream is reset; what is under way meanwhile harms nobody.
    for (let i = 0; i < 40; i++) {
      connection.send(frame(DATA, 0, 1, Buffer.alloc(10_000)));
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    assert.equal((await connection.wait(({ type }) => type === RST_STREAM)).stream, 1);
    connection.send(ask(5, [...get.slice(0, 5), 'x.test', ':path', '/']));
    assert.equal(await statusOf(connection, 5), 404);
  });
});
