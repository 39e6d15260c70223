// The examples, served as their first lines say.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:http2';
import { request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { answeredBy, ask, folderWith, root, serving } from './cli-process.ts';
import type { Running } from './cli-process.ts';
import { envoyBinary, noEnvoy } from './envoy-binary.ts';
import { freePort } from '../free-port.ts';

async function example(t: TestContext, name: string, ...flags: readonly string[]): Promise<Running> {
  const ports = ['--port', `web/http=${await freePort()}`];
  return serving(t, ['-f', join(root, 'examples', name), '--echo', ...ports, ...flags], { cwd: folderWith(t) });
}

test('quickstart', async (t) => {
  const running = await example(t, 'quickstart');
  const port = running.port('default/web/http');
  const host = 'shop.localhost';
  assert.equal(await answeredBy(port, '/cart/1', { host }), 'cart');
  assert.equal(await answeredBy(port, '/cart', { host, headers: { 'x-version': 'next' } }), 'cart-next');
  const redirect = await ask(port, '/old/7', { host });
  assert.deepEqual([redirect.status, redirect.headers.location], [302, `http://shop.localhost:${port}/cart/7`]);
  const rewritten = await ask(port, '/api/v1?x=y', { host });
  assert.equal((JSON.parse(rewritten.body) as { path: string }).path, '/v1?x=y');
  assert.equal(rewritten.headers['x-served-by'], 'portolan');
  const seen = new Set<string>();
  for (let n = 0; n < 200; n++) seen.add(await answeredBy(port, '/search', { host }));
  assert.deepEqual([...seen].sort(), ['search', 'search-new']);
  assert.equal((await ask(port, '/cart', { host: 'other.localhost' })).status, 404);
  assert.match(running.out, new RegExp(`curl http://shop.localhost:${port}/cart`));
});

test('canary', async (t) => {
  const port = (await example(t, 'canary')).port('default/web/http');
  const host = 'shop.localhost';
  assert.equal(await answeredBy(port, '/', { host, headers: { 'x-canary': 'yes' } }), 'shop-v2');
  const answers: string[] = [];
  for (let n = 0; n < 200; n++) answers.push(await answeredBy(port, '/', { host }));
  const share = answers.filter((by) => by === 'shop-v2').length / answers.length;
  assert.ok(share > 0.01 && share < 0.3, `${share}`);
});

test('envoy, with the engine of this process', async (t) => {
  const port = (await example(t, 'envoy')).port('default/web/http');
  assert.equal(await answeredBy(port, '/', { host: 'shop.localhost' }), 'shop');
});

test('envoy, with an Envoy', { skip: noEnvoy }, async (t) => {
  const port = (await example(t, 'envoy', '--engine', 'envoy', '--envoy', envoyBinary() ?? '')).port(
    'default/web/http',
  );
  assert.equal(await answeredBy(port, '/', { host: 'shop.localhost' }), 'shop');
});

test('cross-namespace', async (t) => {
  const cwd = folderWith(t);
  const flags = ['--echo', '--port', `platform/web/http=${await freePort()}`];
  const running = await serving(t, ['-f', join(root, 'examples', 'cross-namespace'), ...flags], { cwd });
  const port = running.port('platform/web/http');
  const paid = await ask(port, '/pay/1', { host: 'shop.localhost' });
  assert.deepEqual([paid.headers['x-echo-namespace'], paid.headers['x-echo-service']], ['payments', 'checkout']);
  assert.equal(await answeredBy(port, '/', { host: 'shop.localhost' }), 'shop');
});

test('https', async (t) => {
  const secure = await freePort();
  const running = await example(t, 'https', '--dev-certificates', '--port', `web/https=${secure}`);
  const plain = await ask(running.port('default/web/http'), '/x', { host: 'shop.localhost' });
  assert.deepEqual([plain.status, plain.headers.location], [301, `https://shop.localhost:${secure}/x`]);
  const ca = readFileSync(await running.prints(/--cacert (\S+)/));
  const sent = request({
    host: '127.0.0.1',
    port: secure,
    servername: 'shop.localhost',
    ca,
    headers: { host: 'shop.localhost' },
    agent: false,
  });
  sent.end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  response.resume();
  assert.equal(response.headers['x-echo-service'], 'shop');
});

test('grpc', async (t) => {
  const session = connect(`http://127.0.0.1:${(await example(t, 'grpc')).port('default/web/http')}`);
  t.after(() => session.destroy());
  const call = async (method: string): Promise<string> => {
    const headers = {
      ':method': 'POST',
      ':path': `/shop.v1.Cart/${method}`,
      ':authority': 'api.localhost',
      'content-type': 'application/grpc',
      te: 'trailers',
    };
    const stream = session.request(headers);
    const answer = once(stream, 'response') as Promise<[Record<string, string>]>;
    const trailers = once(stream, 'trailers') as Promise<[Record<string, string>]>;
    stream.end(Buffer.alloc(5));
    stream.resume();
    return `${(await answer)[0]['x-echo-service']} ${(await trailers)[0]['grpc-status']}`;
  };
  assert.equal(await call('Add'), 'cart 0');
  assert.equal(await call('Checkout'), 'checkout 0');
});

test('cors', async (t) => {
  const port = (await example(t, 'cors')).port('default/web/http');
  const preflight = (origin: string): Promise<{ headers: Record<string, unknown> }> =>
    ask(port, '/', {
      method: 'OPTIONS',
      host: 'api.localhost',
      headers: { origin, 'access-control-request-method': 'POST' },
    });
  const allowed = await preflight('http://www.localhost:8080');
  assert.equal(allowed.headers['access-control-allow-origin'], 'http://www.localhost:8080');
  assert.equal(allowed.headers['access-control-allow-credentials'], 'true');
  assert.equal((await preflight('http://evil.localhost')).headers['access-control-allow-origin'], undefined);
});

test('listener-sets', async (t) => {
  const ports = ['--port', `shared/status=${await freePort()}`, '--port', `blog/blog/web=${await freePort()}`];
  const flags = ['--echo', '--dev-certificates', ...ports];
  const running = await serving(t, ['-f', join(root, 'examples', 'listener-sets'), ...flags], { cwd: folderWith(t) });
  const plain = running.port('platform/shared/status');
  assert.equal(running.port('shop/shop/web'), plain);
  assert.equal(await answeredBy(plain, '/', { host: 'status.localhost' }), 'status');
  assert.equal(await answeredBy(plain, '/', { host: 'shop.localhost' }), 'shop');
  assert.equal(await answeredBy(plain, '/', { host: 'blog.localhost' }), '404');
  const secure = running.port('blog/blog/web');
  const ca = readFileSync(await running.prints(/--cacert (\S+)/));
  const headers = { host: 'blog.localhost' };
  const sent = request({ host: '127.0.0.1', port: secure, servername: 'blog.localhost', ca, headers, agent: false });
  sent.end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  response.resume();
  assert.equal(response.headers['x-echo-service'], 'blog');
});

for (const name of ['mirror', 'retries-and-timeouts']) {
  test(name, async (t) => {
    const port = (await example(t, name)).port('default/web/http');
    assert.equal(await answeredBy(port, '/', { host: 'shop.localhost' }), 'shop');
  });
}
