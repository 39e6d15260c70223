// A host with many routes on a real Envoy: it is sent in parts by the first elements of paths, and no request is lost while it grows and
// shrinks, so that the parts come, are others, and go.
import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import { startEnvoyEngine } from '../../src/engines/envoy/engine.ts';
import type { Entry, Rule } from '../../src/routing/model.ts';
import { entryOf, httpBackend, origin, ruleOf, updateOf, type Route } from './engine-fixture.ts';
import { envoyBinary, noEnvoy } from './envoy-binary.ts';
import { freePort } from '../free-port.ts';

const FRONTEND = 'test/gateway/http';
/** Small, so that it is quick; a third of the routes may be in every part. */
const splitting = { from: 8, share: 3, parts: [4, 16, 64], crowd: 2 };

test('a host in parts answers as a whole, also while it changes', { skip: noEnvoy, timeout: 60_000 }, async (t) => {
  const backend = await httpBackend(t, (_, response) => response.end());
  const port = await freePort();
  const refusals: unknown[] = [];
  const engine = await startEnvoyEngine({
    envoy: envoyBinary() ?? '',
    splitting,
    onRefusal: (refusal) => refusals.push(refusal),
  });
  t.after(() => engine.close());
  const routeAt = (path: string): Route => ({
    path,
    host: 'big.test',
    backends: [{ to: backend }],
    filters: [{ kind: 'response-headers', origin, set: [{ name: 'by', value: path }], add: [], remove: [] }],
  });
  await engine.apply(updateOf({ port, routes: [routeAt('/'), routeAt('/one/stays')] }));

  const agent = new http.Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  const ask = (path: string): Promise<string> => answerOf({ port, path, agent });
  const failed: string[] = [];
  const enough = new AbortController();
  const clients = Promise.all(
    ['/one/stays/here', '/one/%73tays', '/one/x/../stays?q'].map(async (path) => {
      while (!enough.signal.aborted) {
        const said = await ask(path);
        if (said !== '200 /one/stays') failed.push(`${path}: ${said}`);
      }
    }),
  );
  // In 4 parts by three elements, in 16 by two of them, by one, in 64, and as a whole again.
  const batches = [
    Array.from({ length: 12 }, (_, at) => `/api/v1/item-${at}`),
    Array.from({ length: 12 }, (_, at) => `/two/item-${at}`),
    Array.from({ length: 24 }, (_, at) => `/item-${at}`),
    Array.from({ length: 24 }, (_, at) => `/more-${at}`),
  ];
  let version = 1;
  const change = async (paths: readonly string[], what: 'inserted' | 'removed'): Promise<void> => {
    const rows = paths.map((path): { rule: Rule; entry: Entry } => {
      const rule = ruleOf(routeAt(path), `test/gateway|HTTPRoute/test/at${path.replaceAll('/', '-')}|0`);
      return { rule, entry: entryOf(routeAt(path), rule.key, 9) };
    });
    const entries = rows.map(({ entry }) => entry);
    const rules = rows.map(({ rule }) => rule);
    await engine.apply({
      version: ++version,
      rules: what === 'inserted' ? { set: rules, delete: [] } : { set: [], delete: rules.map(({ key }) => key) },
      virtualHosts: [
        {
          key: `${FRONTEND}|big.test`,
          frontend: FRONTEND,
          hostname: 'big.test',
          inserted: what === 'inserted' ? entries : [],
          removed: what === 'removed' ? entries : [],
        },
      ],
    });
  };
  for (const paths of batches) {
    await change(paths, 'inserted');
    for (const path of paths) assert.equal(await ask(`${path}/below`), `200 ${path}`);
    assert.equal(await ask('/nobody/knows/this'), '200 /');
  }
  for (const paths of batches.toReversed()) {
    await change(paths, 'removed');
    for (const path of paths) assert.equal(await ask(path), '200 /');
  }
  enough.abort();
  await clients;
  assert.deepEqual(failed.slice(0, 5), []);
  assert.deepEqual(refusals, []);
});

/** Status, and which route answered. */
function answerOf({ port, path, agent }: { port: number; path: string; agent: http.Agent }): Promise<string> {
  return new Promise((resolve) => {
    const request = http.get({ port, path, agent, headers: { host: 'big.test' } }, (response) => {
      response.resume();
      response.on('end', () => resolve(`${response.statusCode} ${String(response.headers['by'])}`));
    });
    request.on('error', (error) => resolve(error.message));
  });
}
