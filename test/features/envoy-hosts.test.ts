// Hosts that come and go on a real Envoy: each has its route configuration only as long as it has hosts, and no request is lost to one
// that is on its way.
import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import { startEnvoyEngine } from '../../src/engines/envoy/engine.ts';
import { shardOf } from '../../src/engines/envoy/route-tables.ts';
import type { VirtualHostChange } from '../../src/routing/update.ts';
import { entryOf, httpBackend, origin, ruleOf, updateOf, type Route } from './engine-fixture.ts';
import { envoyBinary, noEnvoy } from './envoy-binary.ts';
import { freePort } from '../free-port.ts';

const FRONTEND = 'test/gateway/http';
const ROUNDS = 12;

test('a host that comes and goes loses no request', { skip: noEnvoy, timeout: 60_000 }, async (t) => {
  const backend = await httpBackend(t, (_, response) => response.end());
  const port = await freePort();
  const refusals: unknown[] = [];
  const engine = await startEnvoyEngine({
    envoy: envoyBinary() ?? '',
    onRefusal: (refusal) => refusals.push(refusal),
  });
  t.after(() => engine.close());
  const marked = (name: string): Route => ({
    host: name === 'any' ? '' : `${name}.test`,
    backends: [{ to: backend }],
    filters: [{ kind: 'response-headers', origin, set: [{ name: 'by', value: name }], add: [], remove: [] }],
  });
  await engine.apply(updateOf({ port, routes: [marked('any'), marked('stays')] }));

  const agent = new http.Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  const ask = (host: string): Promise<string> => answerOf({ port, host, agent });
  const failed: string[] = [];
  const enough = new AbortController();
  const client = async (): Promise<void> => {
    while (!enough.signal.aborted) {
      const said = await ask('guest.test');
      if (said !== '200 any' && said !== '200 guest') failed.push(said);
    }
  };
  const clients = Promise.all([client(), client()]);
  const rule = ruleOf(marked('guest'), 'test/gateway|HTTPRoute/test/guest|0');
  const entry = entryOf(marked('guest'), rule.key, 9);
  const change = (change: Pick<VirtualHostChange, 'inserted' | 'removed'>): VirtualHostChange[] => [
    { key: `${FRONTEND}|guest.test`, frontend: FRONTEND, hostname: 'guest.test', ...change },
  ];
  for (let round = 0; round < ROUNDS; round++) {
    const version = 2 + round * 2;
    const rules = { set: [rule], delete: [] };
    await engine.apply({ version, rules, virtualHosts: change({ inserted: [entry], removed: [] }) });
    assert.equal(await ask('guest.test'), '200 guest');
    assert.equal(await ask('stays.test'), '200 stays');
    const gone = { set: [], delete: [rule.key] };
    await engine.apply({ version: version + 1, rules: gone, virtualHosts: change({ inserted: [], removed: [entry] }) });
    assert.equal(await ask('guest.test'), '200 any');
  }
  enough.abort();
  await clients;
  assert.notEqual(shardOf('guest.test'), shardOf('stays.test'));
  assert.deepEqual(failed, []);
  assert.deepEqual(refusals, []);
});

/** Status, and who says that it answered. */
function answerOf({ port, host, agent }: { port: number; host: string; agent: http.Agent }): Promise<string> {
  return new Promise((resolve) => {
    const request = http.get({ port, agent, headers: { host } }, (response) => {
      response.resume();
      response.on('end', () => resolve(`${response.statusCode} ${String(response.headers['by'])}`));
    });
    request.on('error', (error) => resolve(error.message));
  });
}
