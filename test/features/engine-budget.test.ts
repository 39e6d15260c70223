// Retry budgets in the embedded engine (GEP-3388): however many retries the rules allow, a backend gets only so many.
import assert from 'node:assert/strict';
import { test } from './engine-tests.ts';
import type { RetryBudget } from '../../src/routing/model.ts';
import { httpBackend, serve } from './engine-fixture.ts';
import { freePort } from '../free-port.ts';

const interval = 10_000;
const budget = (percent: number, count: number, every = 1000): RetryBudget => ({
  percent,
  interval,
  minimum: { count, interval: every },
});

test('a backend that fails gets a bounded number of attempts, and clients 503 beyond it', async (t) => {
  let attempts = 0;
  const backend = await httpBackend(t, (_, response) => {
    attempts++;
    response.writeHead(500).end('mine');
  });
  const { url, engine } = await serve(t, {
    clusters: { a: [backend] },
    special: { a: { retryBudget: budget(20, 0) } },
    routes: [{ backends: [{ to: 'a' }], retry: { attempts: 3, codes: [500], backoff: 1 } }],
  });
  const requests = 200;
  const statuses: number[] = [];
  for (let batch = 0; batch < 10; batch++) {
    const answers = await Promise.all(Array.from({ length: requests / 10 }, () => fetch(url)));
    for (const response of answers) {
      statuses.push(response.status);
      const text = await response.text();
      if (response.status === 503) assert.match(text, /retry-budget/);
      else assert.equal(text, 'mine', 'after the last attempt the backend’s own answer stands');
    }
  }
  const retries = attempts - requests;
  assert.ok(retries > 0.1 * requests && retries <= 0.2 * requests, `${retries} retries`);
  assert.ok(statuses.every((status) => status === 503 || status === 500));
  assert.ok(statuses.filter((status) => status === 503).length > requests * 0.5);
  const metrics = await engine.metrics();
  assert.match(metrics, new RegExp(`^portolan_upstream_retries_total ${retries}$`, 'm'));
  const refused = Number(/^portolan_upstream_retries_refused_total (\d+)$/m.exec(metrics)?.[1]);
  assert.equal(refused, statuses.filter((status) => status === 503).length);
});

test('without a budget every request gets the attempts of its rule', async (t) => {
  let attempts = 0;
  const backend = await httpBackend(t, (_, response) => {
    attempts++;
    response.writeHead(500).end();
  });
  const { url } = await serve(t, {
    clusters: { a: [backend] },
    routes: [{ backends: [{ to: 'a' }], retry: { attempts: 3, codes: [500], backoff: 1 } }],
  });
  await Promise.all(Array.from({ length: 20 }, async () => (await fetch(url)).text()));
  assert.equal(attempts, 80);
});

test('the minimum is allowed when there is little traffic', async (t) => {
  let attempts = 0;
  const backend = await httpBackend(t, (_, response) => {
    attempts++;
    response.writeHead(attempts % 2 === 1 ? 500 : 200).end();
  });
  const { url } = await serve(t, {
    clusters: { a: [backend] },
    special: { a: { retryBudget: budget(0, 3, 60_000) } },
    routes: [{ backends: [{ to: 'a' }], retry: { attempts: 1, codes: [500], backoff: 1 } }],
  });
  const statuses: number[] = [];
  for (let i = 0; i < 5; i++) statuses.push((await fetch(url)).status);
  assert.deepEqual(statuses, [200, 200, 200, 503, 200]);
});

test('timeouts and connections that cannot be made are held to it, too; failovers of rules that say nothing as well', async (t) => {
  const silent = await httpBackend(t, () => {});
  const good = await httpBackend(t, (_, response) => response.end());
  const down = await freePort();
  const world = {
    clusters: { silent: [silent], down: [down], half: [down, good] },
    special: {
      silent: { retryBudget: budget(0, 0) },
      down: { retryBudget: budget(0, 0) },
      half: { retryBudget: budget(0, 0) },
    },
    routes: [
      {
        path: '/silent',
        backends: [{ to: 'silent' }],
        retry: { attempts: 2, codes: [] },
        timeouts: { backendRequest: 50 },
      },
      { path: '/down', backends: [{ to: 'down' }], retry: { attempts: 2, codes: [] } },
      { path: '/half', backends: [{ to: 'half' }] },
    ],
  };
  const { url } = await serve(t, world);
  for (const path of ['silent', 'down']) {
    const response = await fetch(`${url}/${path}`);
    assert.equal(response.status, 503, path);
    assert.match(await response.text(), /retry-budget/);
  }
  const statuses = new Set<number>();
  for (let i = 0; i < 20; i++) statuses.add((await fetch(`${url}/half`)).status);
  assert.ok(statuses.has(200));
});

test('a row that changes something else does not forget what was counted, one that changes the budget does', async (t) => {
  const backend = await httpBackend(t, (_, response) => response.writeHead(500).end());
  const { clusterOf } = await import('./engine-fixture.ts');
  const special = { retryBudget: budget(0, 1, 60_000) };
  const { url, engine } = await serve(t, {
    clusters: { a: [backend] },
    special: { a: special },
    routes: [{ backends: [{ to: 'a' }], retry: { attempts: 1, codes: [500], backoff: 1 } }],
  });
  const status = async (): Promise<number> => (await fetch(url)).status;
  assert.deepEqual([await status(), await status()], [500, 503]);
  await engine.apply({ version: 2, clusters: { set: [{ ...clusterOf('a', 'http1'), ...special }], delete: [] } });
  assert.equal(await status(), 503);
  const wider = { retryBudget: budget(0, 2, 60_000) };
  await engine.apply({ version: 3, clusters: { set: [{ ...clusterOf('a', 'http1'), ...wider }], delete: [] } });
  assert.deepEqual([await status(), await status(), await status()], [500, 500, 503]);
});
