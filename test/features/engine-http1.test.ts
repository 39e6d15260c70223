// HTTP/1.1 through the embedded engine: what a client sends and gets, octet by octet, over real sockets.
import assert from 'node:assert/strict';
import http from 'node:http';
import { test, type TestContext } from './engine-tests.ts';
import { onEnvoy } from './test-engine.ts';
import { converse, echo, type Echoed, httpBackend, rawBackend, RawClient, serve } from './engine-fixture.ts';
import { eventually } from '../eventually.ts';

const bodyOf = (response: string): string => response.slice(response.indexOf('\r\n\r\n') + 4);
const headOf = (response: string): string => response.slice(0, response.indexOf('\r\n\r\n') + 2);
const echoed = (response: string): Echoed => JSON.parse(bodyOf(response)) as Echoed;

/** A backend that answers each connection's first octets with a text, whatever they are. */
async function answering(t: TestContext, text: string, close = false): Promise<number> {
  return rawBackend(t, (socket) => {
    socket.on('data', () => (close ? socket.end(text, 'latin1') : socket.write(text, 'latin1')));
  });
}

async function client(t: TestContext, port: number): Promise<RawClient> {
  const raw = new RawClient(port);
  t.after(() => raw.close());
  return raw;
}

test('a GET goes to the backend and its response comes back', async (t) => {
  const backend = await httpBackend(t, echo);
  const { url, reports } = await serve(t, { routes: [{ backends: [{ to: backend }] }] });
  const response = await fetch(`${url}/hello?x=1`, { headers: { 'x-test': 'yes' } });
  assert.equal(response.status, 200);
  const said = (await response.json()) as Echoed;
  assert.equal(said.url, '/hello?x=1');
  assert.equal(said.headers['x-test'], 'yes');
  assert.deepEqual(reports, [{ bind: 'test/gateway:80/tcp', state: 'serving' }]);
});

test('both connections are kept for the next request', async (t) => {
  let connections = 0;
  const backend = await rawBackend(t, (socket) => {
    connections++;
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
  });
  const { port } = await serve(t, { routes: [{ backends: [{ to: backend }] }] });
  const raw = await client(t, port);
  for (let i = 1; i <= 5; i++) {
    raw.send(`GET /${i} HTTP/1.1\r\nHost: a\r\n\r\n`);
    await raw.until((text) => text.split('HTTP/1.1 200').length === i + 1);
  }
  assert.equal(connections, 1);
});

test('pipelined requests are answered in their order, wherever their octets are split', async (t) => {
  const backend = await httpBackend(t, (request, response) => {
    // The first is the slowest: order is not luck.
    const delay = request.url === '/1' ? 15 : 0;
    request.resume();
    request.on('end', () => setTimeout(() => response.end(`<${request.method} ${request.url}>`), delay));
  });
  const { port } = await serve(t, { routes: [{ backends: [{ to: backend }] }] });
  const text =
    'GET /1 HTTP/1.1\r\nHost: a\r\n\r\n' +
    'POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc' +
    'POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxy\r\n0\r\n\r\n' +
    'GET /4 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
  const conversations: Promise<void>[] = [];
  for (let at = 1; at < text.length; at += 3) {
    conversations.push(
      (async () => {
        const raw = await client(t, port);
        raw.send(text.slice(0, at));
        await new Promise((resolve) => setTimeout(resolve, 10));
        raw.send(text.slice(at));
        const received = await raw.rest();
        assert.deepEqual(
          [...received.matchAll(/<[^>]*>/g)].map(([each]) => each),
          ['<GET /1>', '<POST /2>', '<POST /3>', '<GET /4>'],
          `split at ${at}`,
        );
      })(),
    );
  }
  await Promise.all(conversations);
});

test('octet by octet is as good as at once', async (t) => {
  const backend = await httpBackend(t, echo);
  const { port } = await serve(t, { routes: [{ backends: [{ to: backend }] }] });
  const raw = await client(t, port);
  const text =
    'POST /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n';
  for (const octet of text) {
    raw.send(octet);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const said = echoed(await raw.rest());
  assert.equal(said.body, 'hello');
  assert.deepEqual(said.trailers, { 'x-sum': '1' });
});

test('a response is the same wherever the backend splits it', async (t) => {
  const answer =
    'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n' +
    'HTTP/1.1 200 Fine\r\nConnection: keep-alive, X-Secret\r\nX-Secret: 1\r\nKeep-Alive: timeout=5\r\nX-A: b\r\n' +
    'Transfer-Encoding: chunked\r\n\r\n4;ext=1\r\nwiki\r\n0\r\nX-Trail: t\r\n\r\n';
  let at = 0;
  const backend = await rawBackend(t, (socket) => {
    const split = ++at;
    socket.on('data', () => {
      socket.write(answer.slice(0, split), 'latin1');
      setTimeout(() => socket.write(answer.slice(split), 'latin1'), 10);
    });
  });
  const { port } = await serve(t, { routes: [{ backends: [{ to: backend }] }] });
  const expected =
    'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n' +
    'HTTP/1.1 200 Fine\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwiki\r\n0\r\nX-Trail: t\r\n\r\n';
  await Promise.all(
    Array.from({ length: answer.length - 1 }, async () => {
      const raw = await client(t, port);
      raw.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      assert.equal(await raw.until((text) => text.endsWith('X-Trail: t\r\n\r\n')), expected);
    }),
  );
});

test('bodies of a known length and chunked ones pass in both directions', async (t) => {
  const backend = await httpBackend(t, (request, response) => {
    if (request.url === '/fixed') response.setHeader('content-length', request.headers['content-length'] ?? '0');
    request.pipe(response);
  });
  const { url } = await serve(t, { routes: [{ backends: [{ to: backend }] }] });
  for (const size of [0, 1, 100, 16_384, 70_000, 1_000_000]) {
    const body = Buffer.alloc(size, 'abcdefghij');
    for (const path of size === 0 ? ['/chunked'] : ['/fixed', '/chunked']) {
      const response = await fetch(url + path, { method: 'POST', body });
      assert.deepEqual(Buffer.from(await response.arrayBuffer()), body, `${path} ${size}`);
    }
    const stream = new Blob([body]).stream();
    const response = await fetch(`${url}/chunked`, { method: 'POST', body: stream, duplex: 'half' });
    assert.equal((await response.arrayBuffer()).byteLength, size);
  }
});

test('HEAD, 204 and 304 have no content, and the connection goes on', async (t) => {
  const backend = await httpBackend(t, (request, response) => {
    const status = Number(request.url?.slice(1));
    if (request.method === 'HEAD') response.setHeader('content-length', 1234);
    response.writeHead(status, { etag: '"x"' });
    response.end();
  });
  const { port } = await serve(t, { routes: [{ backends: [{ to: backend }] }] });
  const raw = await client(t, port);
  raw.send('HEAD /200 HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.match(await raw.until((text) => text.endsWith('\r\n\r\n')), /content-length: 1234/i);
  for (const status of [204, 304]) {
    raw.received = '';
    raw.send(`GET /${status} HTTP/1.1\r\nHost: a\r\n\r\n`);
    const text = await raw.until((each) => each.endsWith('\r\n\r\n'));
    assert.match(text, new RegExp(`^HTTP/1.1 ${status} `));
    assert.doesNotMatch(text, /content-length|transfer-encoding/i);
  }
});

test('interim responses pass; Expect: 100-continue reaches the backend and its answer the client', async (t) => {
  const backend = await httpBackend(t, echo);
  const { port } = await serve(t, { routes: [{ backends: [{ to: backend }] }] });
  const raw = await client(t, port);
  raw.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n');
  assert.equal(await raw.until((text) => text.endsWith('\r\n\r\n')), 'HTTP/1.1 100 Continue\r\n\r\n');
  raw.send('hello');
  const text = await raw.until((each) => each.includes('"body":"hello"'));
  assert.match(text, /HTTP\/1.1 200 OK/);
});

test('a client that waited in vain to continue is not left with an ambiguous connection', async (t) => {
  const backend = await httpBackend(t, echo);
  const { port } = await serve(t, { routes: [{ path: '/known', backends: [{ to: backend }] }] });
  const answer = await converse(
    t,
    port,
    'POST /other HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n',
  );
  assert.match(answer, /^HTTP\/1.1 404 /);
});

test('an early answer is forwarded, and the rest of a small body is dropped', async (t) => {
  const backend = await answering(t, 'HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno');
  const { port } = await serve(t, { routes: [{ backends: [{ to: backend }] }] });
  const raw = await client(t, port);
  raw.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello');
  await raw.until((text) => text.endsWith('no'));
  raw.received = '';
  raw.send('worldGET /next HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.match(await raw.until((text) => text.endsWith('no')), /^HTTP\/1.1 403 /);
});

test('HTTP/1.0 clients: closed unless they ask, content without chunks', async (t) => {
  const backend = await httpBackend(t, (_request, response) => {
    response.write('wiki');
    response.end('pedia');
  });
  const { port } = await serve(t, { routes: [{ backends: [{ to: backend }] }] });
  const closed = await converse(t, port, 'GET / HTTP/1.0\r\n\r\n');
  assert.match(headOf(closed), /Connection: close\r\n/);
  assert.doesNotMatch(headOf(closed), /transfer-encoding/i);
  assert.equal(bodyOf(closed), 'wikipedia');

  const fixed = await answering(t, 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  const kept = await serve(t, { routes: [{ backends: [{ to: fixed }] }] });
  const raw = await client(t, kept.port);
  raw.send('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
  assert.match(await raw.until((text) => text.endsWith('ok')), /Connection: keep-alive\r\n/);
  raw.received = '';
  raw.send('GET / HTTP/1.0\r\n\r\n');
  assert.match(await raw.rest(), /Connection: close\r\n[^]*ok$/);
});

test('responses that end with the connection are chunked for HTTP/1.1, and a broken one is seen to be broken', async (t) => {
  const whole = await answering(t, 'HTTP/1.0 200 OK\r\nX-Old: 1\r\n\r\nuntil the end', true);
  const { port } = await serve(t, { routes: [{ backends: [{ to: whole }] }] });
  const raw = await client(t, port);
  raw.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  const text = await raw.until((each) => each.endsWith('0\r\n\r\n'));
  assert.match(text, /^HTTP\/1.1 200 OK\r\nX-Old: 1\r\n(?:Date: .*\r\n)?Transfer-Encoding: chunked\r\n/);
  assert.ok(bodyOf(text).endsWith('d\r\nuntil the end\r\n0\r\n\r\n'), bodyOf(text));

  const broken = await rawBackend(t, (socket) => {
    socket.on('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this');
      setTimeout(() => socket.resetAndDestroy(), 20);
    });
  });
  const second = await serve(t, { routes: [{ backends: [{ to: broken }] }] });
  await assert.rejects(async () => (await fetch(second.url)).text());
});

test('hop-by-hop fields and those that Connection names do not pass, in either direction', async (t) => {
  const backend = await rawBackend(t, (socket) => {
    socket.on('data', (octets) => {
      const body = JSON.stringify(octets.toString('latin1'));
      socket.write(
        `HTTP/1.1 200 OK\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\nProxy-Connection: x\r\nUpgrade: foo\r\nX-Kept: 1\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
    });
  });
  const { port } = await serve(t, { routes: [{ backends: [{ to: backend }] }] });
  const raw = await client(t, port);
  raw.send(
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Private\r\nX-Private: 1\r\nTE: trailers\r\nKeep-Alive: timeout=9\r\nX-Public: 1\r\nProxy-Connection: y\r\n\r\n',
  );
  const text = await raw.until((each) => each.endsWith('"'));
  assert.match(headOf(text), /X-Kept: 1\r\n/);
  assert.doesNotMatch(headOf(text), /X-Mine|Proxy-Connection|Upgrade|Connection/);
  const sent = JSON.parse(bodyOf(text)) as string;
  assert.match(sent, /X-Public: 1\r\n/);
  assert.doesNotMatch(sent, /X-Private|Keep-Alive|TE:|Proxy-Connection|Connection/);
});

test('a request says where it came from, and what a client claims about that does not count', async (t) => {
  const backend = await httpBackend(t, echo);
  const { url, port } = await serve(t, { routes: [{ backends: [{ to: backend }] }] });
  const forged = {
    'x-forwarded-for': '6.6.6.6',
    'x-forwarded-proto': 'gopher',
    'x-forwarded-host': 'evil',
    'x-forwarded-port': '1',
    forwarded: 'for=6.6.6.6',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  };
  const { headers } = (await (await fetch(url, { headers: forged })).json()) as Echoed;
  assert.equal(headers['x-forwarded-for'], '127.0.0.1');
  assert.equal(headers['x-forwarded-proto'], 'http');
  assert.equal(headers['x-forwarded-host'], `127.0.0.1:${port}`);
  assert.equal(headers['x-forwarded-port'], undefined);
  assert.equal(headers['forwarded'], undefined);
  assert.equal(headers['traceparent'], forged.traceparent);
  const made = onEnvoy ? /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/ : /^[0-9a-f]{16}-[0-9a-f]+$/;
  assert.match(headers['x-request-id'] ?? '', made);
  const own = (await (await fetch(url, { headers: { 'x-request-id': 'mine' } })).json()) as Echoed;
  assert.equal(own.headers['x-request-id'], 'mine');
});

test('with trusted proxies in front the chain goes on', async (t) => {
  const backend = await httpBackend(t, echo);
  const { url } = await serve(t, { routes: [{ backends: [{ to: backend }] }] }, { trustedHops: 1, requestIds: false });
  const before = { 'x-forwarded-for': '1.2.3.4', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'shop.example' };
  const { headers } = (await (await fetch(url, { headers: before })).json()) as Echoed;
  assert.equal(headers['x-forwarded-for'], '1.2.3.4, 127.0.0.1');
  assert.equal(headers['x-forwarded-proto'], 'https');
  assert.equal(headers['x-forwarded-host'], 'shop.example');
  assert.equal(headers['x-request-id'], undefined);
});

test('an absolute target becomes origin form, Host stays', async (t) => {
  const backend = await httpBackend(t, echo);
  const { port } = await serve(t, { routes: [{ host: 'shop.example', backends: [{ to: backend }] }] });
  const answer = await converse(
    t,
    port,
    'GET http://shop.example/a?b=c HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n',
  );
  const said = echoed(answer);
  assert.equal(said.url, '/a?b=c');
  assert.equal(said.headers['host'], 'shop.example');
});

test('the path that is matched is the path that is forwarded', async (t) => {
  const backend = await httpBackend(t, echo);
  const { port } = await serve(t, { routes: [{ path: '/b', backends: [{ to: backend }] }] });
  const answer = await converse(t, port, 'GET /a/../b/%63?d=/../ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  assert.equal(echoed(answer).url, '/b/c?d=/../');
});

test('field values pass as the octets that they are', async (t) => {
  const backend = await rawBackend(t, (socket) => {
    socket.on('data', (octets) => {
      const name = /X-Name: ([^\r]*)/.exec(octets.toString('latin1'))?.[1] ?? '';
      socket.write(Buffer.from(`HTTP/1.1 200 OK\r\nX-Name: ${name}\r\nContent-Length: 0\r\n\r\n`, 'latin1'));
    });
  });
  const { port } = await serve(t, { routes: [{ backends: [{ to: backend }] }] });
  const raw = await client(t, port);
  const utf8 = Buffer.from('Zoë ☃', 'utf8').toString('latin1');
  raw.send(`GET / HTTP/1.1\r\nHost: a\r\nX-Name: ${utf8}\r\n\r\n`);
  assert.ok((await raw.until((text) => text.endsWith('\r\n\r\n'))).includes(`X-Name: ${utf8}\r\n`));
});

const refused: readonly (readonly [string, string, number])[] = [
  ['garbage', 'nonsense\r\n\r\n', 400],
  ['two lengths', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab', 400],
  [
    'length and chunks',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
  ],
  ['no host', 'GET / HTTP/1.1\r\n\r\n', 400],
  ['two hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 400],
  ['folded line', 'GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n', 400],
  ['bare line feed', 'GET / HTTP/1.1\nHost: a\n\n', 400],
  ['bad chunk', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', 400],
  ['bad path', 'GET /%zz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', 400],
  ['long target', `GET /${'a'.repeat(17_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414],
  ['long head', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(70_000)}\r\n\r\n`, 431],
  ['many fields', `GET / HTTP/1.1\r\nHost: a\r\n${'X: y\r\n'.repeat(129)}\r\n`, 431],
  ['unknown coding', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n', 501],
  ['CONNECT', 'CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n', 501],
  ['HTTP/3.0', 'GET / HTTP/3.0\r\nHost: a\r\n\r\n', 505],
  ['unknown expectation', 'GET / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n\r\n', 417],
];

/** What an Envoy reads as it was meant, or answers without an end of the connection. */
const lenient: ReadonlySet<string> = new Set([
  'folded line',
  'bare line feed',
  'long target',
  'HTTP/3.0',
  'unknown expectation',
]);

test('what is no valid request is refused, the connection closed, and no backend sees it', async (t) => {
  const seen: string[] = [];
  const backend = await rawBackend(t, (socket) => {
    socket.on('data', (octets) => seen.push(octets.toString('latin1')));
  });
  const { port } = await serve(t, { routes: [{ backends: [{ to: backend }] }] });
  await Promise.all(
    refused.map(async ([name, text, status]) => {
      if (onEnvoy && lenient.has(name)) return;
      const answer = await converse(t, port, text);
      assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `), name);
      assert.match(answer, /Connection: close\r\n/i, name);
    }),
  );
  // Of the request with the bad chunk the head may have gone out before.
  assert.deepEqual(
    seen.filter((text) => !text.includes('Transfer-Encoding: chunked')),
    [],
  );
});

test('a body over the limit is answered 413', async (t) => {
  const backend = await httpBackend(t, echo);
  const { port } = await serve(t, { routes: [{ backends: [{ to: backend }] }] }, { limits: { bodyBytes: 10 } });
  assert.match(await converse(t, port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n'), /^HTTP\/1.1 413 /);
  const chunked = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nabcdefgh\r\n8\r\nabcdefgh\r\n';
  assert.match(await converse(t, port, chunked), /^HTTP\/1.1 413 /);
});

test('a client that closed its side still gets its answers', async (t) => {
  const backend = await httpBackend(t, (_request, response) => setTimeout(() => response.end('late'), 50));
  const { port } = await serve(t, { routes: [{ backends: [{ to: backend }] }] });
  const raw = await client(t, port);
  raw.socket.end('GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.equal((await raw.rest()).split('late').length, 3);
});

test('a client that goes away takes its request with it', async (t) => {
  let [asked, gone] = [false, false];
  const backend = await rawBackend(t, (socket) => {
    socket.on('close', () => (gone = true));
    socket.on('end', () => socket.end());
    socket.on('data', () => (asked = true));
  });
  const { port } = await serve(t, { routes: [{ backends: [{ to: backend }] }] });
  const raw = await client(t, port);
  raw.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await eventually(() => asked, 'the backend has it');
  raw.socket.resetAndDestroy();
  await eventually(() => gone, 'the backend connection closes');
});

test('octets behind a response are not taken for the next one', async (t) => {
  let connections = 0;
  const backend = await rawBackend(t, (socket) => {
    connections++;
    socket.on('data', () =>
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil'),
    );
  });
  const { url } = await serve(t, { routes: [{ backends: [{ to: backend }] }] });
  for (let i = 0; i < 3; i++) assert.equal(await (await fetch(url)).text(), 'ok');
  assert.equal(connections, 3);
});

test('a response that breaks the rules is 502', async (t) => {
  const answers = [
    'this is nonsense\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n',
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n',
    `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(70_000)}\r\n\r\n`,
    'HTTP/1.1 100 Continue\r\n\r\n'.repeat(40),
  ];
  for (const answer of answers) {
    const backend = await answering(t, answer);
    const { port } = await serve(t, { routes: [{ backends: [{ to: backend }] }] });
    const received = await converse(t, port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    assert.match(received, /HTTP\/1.1 502 Bad Gateway\r\n/, JSON.stringify(answer.slice(0, 80)));
    assert.equal(bodyOf(received.slice(received.indexOf('HTTP/1.1 502'))), '502 Bad Gateway: broken-response\n');
  }
});

test('slow heads, slow bodies and idle connections end in time', async (t) => {
  const backend = await httpBackend(t, echo);
  const limits = { headTimeout: 300, idleTimeout: 300, bodyTimeout: 300 };
  const { port } = await serve(t, { routes: [{ backends: [{ to: backend }] }] }, { limits });
  const [head, body, silent, idle] = await Promise.all([
    converse(t, port, 'GET / HTTP/1.1\r\nHo'),
    converse(t, port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc'),
    converse(t, port, ''),
    converse(t, port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'),
  ]);
  assert.match(head, /^HTTP\/1.1 408 /);
  assert.match(body, /^HTTP\/1.1 408 /);
  assert.equal(silent, '');
  assert.match(idle, /^HTTP\/1.1 200 /);
});

test('no more clients than allowed', async (t) => {
  const backend = await httpBackend(t, echo);
  const { port } = await serve(t, { routes: [{ backends: [{ to: backend }] }] }, { limits: { connections: 2 } });
  const first = [await client(t, port), await client(t, port)];
  for (const raw of first) {
    raw.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await raw.until((text) => text.includes('200 OK'));
  }
  assert.equal(await converse(t, port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'), '');
  first[0]?.close();
  await eventually(async () => (await converse(t, port, 'GET / HTTP/1.0\r\n\r\n')) !== '', 'room for one more');
});

test('Node as client and as backend: a hundred requests at once over agents', async (t) => {
  const backend = await httpBackend(t, echo);
  const { port } = await serve(t, { routes: [{ backends: [{ to: backend }] }] });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 10 });
  t.after(() => agent.destroy());
  const answers = Array.from({ length: 100 }, (_, i) => {
    return new Promise<string>((resolve, reject) => {
      const request = http.request({ port, host: '127.0.0.1', agent, method: 'POST', path: `/${i}` }, (response) => {
        let text = '';
        response.on('data', (piece: Buffer) => (text += piece.toString()));
        response.on('end', () => resolve((JSON.parse(text) as Echoed).body));
      });
      request.on('error', reject);
      request.end(String(i).repeat(200));
    });
  });
  (await Promise.all(answers)).forEach((body, i) => assert.equal(body, String(i).repeat(200)));
});
