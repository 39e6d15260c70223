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
  // On a machine that held us up for so long between two of them the next one is too old as well, and right so.
  for (let swift = false, attempt = 0; !swift; attempt++) {
    assert.ok(attempt < 10, 'never so many in so little time');
    // The clock of a worker moves in halves of a second.
    await sleep(1000);
    const [before, began] = [sockets.size, performance.now()];
    for (let n = 0; n < 5; n++) assert.equal(await post(port), 200);
    swift = performance.now() - began < 400;
    if (swift) assert.equal(sockets.size, before + 1);
  }
});
