// HTTP/1.1 through the embedded engine: what a client sends and gets, octet by octet, over real sockets.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { echo, type Echoed, httpBackend, serve } from './engine-fixture.ts';

test('a GET goes to the backend and its response comes back', async (t) => {
  const backend = await httpBackend(t, echo);
  const { url, reports } = await serve(t, { routes: [{ backends: [{ to: backend }] }] });
  const response = await fetch(`${url}/hello?x=1`, { headers: { 'x-test': 'yes' } });
  assert.equal(response.status, 200);
  const echoed = (await response.json()) as Echoed;
  assert.equal(echoed.url, '/hello?x=1');
  assert.equal(echoed.headers['x-test'], 'yes');
  assert.deepEqual(reports, [{ bind: 'test/gateway:80/tcp', state: 'serving' }]);
});
