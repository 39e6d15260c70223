// The pool of connections to a backend.
import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from './engine-tests.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { httpBackend, serve } from './engine-fixture.ts';

function post(port: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, method: 'POST', agent: false }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode));
    });
    request.on('error', reject);
    request.end('body');
  });
}

test('a pool full of connections that are too old for a POST keeps the new one', async (t) => {
  const sockets = new Set<unknown>();
  const backend = await httpBackend(t, (request, response) => {
    sockets.add(request.socket);
    request.resume().on('end', () => response.end());
  });
  const { port } = await serve(
    t,
    { routes: [{ backends: [{ to: backend }] }] },
    { limits: { poolSize: 1, freshTimeout: 400 } },
  );
  assert.equal(await post(port), 200);
  // The clock of a worker moves in quarters of a second.
  await sleep(1000);
  for (let n = 0; n < 5; n++) assert.equal(await post(port), 200);
  assert.equal(sockets.size, 2);
});
