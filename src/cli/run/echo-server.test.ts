import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { WebSocket } from 'ws';
import { startEcho } from './echo-server.ts';
import type { Echo } from './echo-server.ts';

async function started(t: TestContext): Promise<Echo> {
  const echo = await startEcho({ namespace: 'shop', service: 'cart', port: 80 });
  t.after(() => echo.close());
  return echo;
}

async function textOf(stream: AsyncIterable<unknown>): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  return text;
}

test('HTTP/1.1: names the service and shows the request', async (t) => {
  const { port } = await started(t);
  const sent = request({
    port,
    host: '127.0.0.1',
    method: 'POST',
    path: '/a?b=c',
    headers: { host: 'x.example.com', 'X-A': 'b' },
  });
  sent.end('hello');
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  assert.equal(response.statusCode, 200);
  assert.equal(response.headers['x-echo-service'], 'cart');
  const body = JSON.parse(await textOf(response)) as Record<string, unknown>;
  assert.equal((body['headers'] as Record<string, string>)['x-a'], 'b');
  delete body['headers'];
  const expected = {
    namespace: 'shop',
    service: 'cart',
    port: 80,
    method: 'POST',
    host: 'x.example.com',
    path: '/a?b=c',
  };
  assert.deepEqual(body, { ...expected, httpVersion: '1.1', body: 'hello' });
});

test('HTTP/2 without TLS, and gRPC', async (t) => {
  const { port } = await started(t);
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  t.after(() => session.destroy());
  const plain = session.request({ ':path': '/p', ':authority': 'y.example.com' });
  const body = JSON.parse(await textOf(plain)) as Record<string, unknown>;
  assert.deepEqual([body['host'], body['path'], body['httpVersion']], ['y.example.com', '/p', '2.0']);
  const call = session.request({ ':method': 'POST', ':path': '/shop.Cart/Add', 'content-type': 'application/grpc' });
  call.end(Buffer.alloc(5));
  const trailers = once(call, 'trailers') as Promise<[Record<string, string>]>;
  assert.equal(await textOf(call), '\0\0\0\0\0');
  assert.equal((await trailers)[0]['grpc-status'], '0');
});

test('WebSocket: messages come back', async (t) => {
  const { port } = await started(t);
  const socket = new WebSocket(`ws://127.0.0.1:${port}/chat`);
  await once(socket, 'open');
  for (const size of [5, 200, 70_000]) {
    const message = once(socket, 'message') as Promise<[Buffer]>;
    socket.send('x'.repeat(size));
    assert.equal((await message)[0].toString(), 'x'.repeat(size));
  }
  const pong = once(socket, 'pong');
  socket.ping('?');
  await pong;
  socket.close(1000);
  assert.equal(((await once(socket, 'close')) as [number])[0], 1000);
});
