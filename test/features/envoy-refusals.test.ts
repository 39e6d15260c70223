// What a real Envoy refuses although nothing was found wrong with it, since nobody looked: the rows to blame are found and told, the rest
// is in force and stays so, and what is mended is served.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import { startEnvoyEngine } from '../../src/engines/envoy/engine.ts';
import type { Refusal } from '../../src/engines/stream/resource.ts';
import type { Engine, LeftOut } from '../../src/routing/engine.ts';
import type { Update } from '../../src/routing/update.ts';
import { replacement } from '../../src/pipeline/replacement.ts';
import { envoyBinary, noEnvoy } from './envoy-binary.ts';
import { type Route, ruleKey, updateOf, type World } from './engine-fixture.ts';
import { freePort } from '../free-port.ts';

const bad = String.raw`/\x{10FFFF}`;

interface Served {
  readonly engine: Engine;
  readonly port: number;
  readonly refusals: Refusal[];
  /** Reasons, by table and key. */
  readonly leftOut: ReadonlyMap<string, string>;
  /** Brings it from what it had to this. */
  readonly apply: (world: Omit<World, 'port'>) => Promise<void>;
  readonly status: (path: string) => Promise<number>;
}

async function served(t: TestContext): Promise<Served> {
  const refusals: Refusal[] = [];
  const leftOut = new Map<string, string>();
  const binary = envoyBinary();
  const engine = await startEnvoyEngine({
    ...(binary === undefined ? {} : { envoy: binary }),
    screens: false,
    onRefusal: (refusal) => refusals.push(refusal),
    onLeftOut: (rows: readonly LeftOut[]) => {
      for (const { table, key, faults } of rows) {
        if (faults.length === 0) leftOut.delete(`${table} ${key}`);
        else leftOut.set(`${table} ${key}`, faults.map(({ reason }) => reason).join('; '));
      }
    },
  });
  t.after(() => engine.close());
  const port = await freePort();
  let before: Update | undefined;
  return {
    engine,
    port,
    refusals,
    leftOut,
    apply: async (world) => {
      const next = updateOf({ ...world, port });
      await engine.apply(before === undefined ? next : replacement(before, next));
      before = next;
    },
    status: async (path) => (await fetch(`http://127.0.0.1:${port}${path}`)).status,
  };
}

function fine(index: number): Route {
  return { path: `/${index}`, action: { kind: 'respond', status: 503 } };
}

function wrong(): Route {
  return { match: { path: { type: 'regex', value: bad } }, action: { kind: 'respond', status: 500 } };
}

test('two rules of twenty are to blame: found, told, and left out alone', { skip: noEnvoy }, async (t) => {
  const { apply, status, leftOut, refusals } = await served(t);
  const routes = Array.from({ length: 20 }, (_, index) => (index === 3 || index === 16 ? wrong() : fine(index)));
  await apply({ routes });
  assert.deepEqual([...leftOut.keys()].toSorted(), [`rules ${ruleKey(16)}`, `rules ${ruleKey(3)}`]);
  for (const reason of leftOut.values()) assert.match(reason, /invalid|escape|regex/i);
  assert.equal(refusals.length, 1, 'those of trials are no news');
  for (const index of [0, 4, 15, 19]) assert.equal(await status(`/${index}`), 503);
  // Mended, one after the other.
  await apply({ routes: routes.map((route, index) => (index === 3 ? fine(3) : route)) });
  assert.deepEqual([...leftOut.keys()], [`rules ${ruleKey(16)}`]);
  assert.equal(await status('/3'), 503);
  await apply({ routes: routes.map((_, index) => fine(index)) });
  assert.deepEqual([...leftOut.keys()], []);
  assert.equal(await status('/16'), 503);
});

test('what is in force stays in force while somebody is looked for', { skip: noEnvoy }, async (t) => {
  const { apply, status, leftOut } = await served(t);
  const good = Array.from({ length: 8 }, (_, index) => fine(index));
  await apply({ routes: good });
  const seen = new Set<number>();
  const done = new AbortController();
  const asking = (async () => {
    while (!done.signal.aborted) seen.add(await status('/5'));
  })();
  await apply({ routes: [...good, wrong(), fine(9), wrong(), fine(11)] });
  done.abort();
  await asking;
  assert.deepEqual([...seen], [503]);
  assert.deepEqual([...leftOut.keys()].toSorted(), [`rules ${ruleKey(10)}`, `rules ${ruleKey(8)}`]);
  assert.deepEqual([await status('/9'), await status('/11')], [503, 503]);
});

test('a certificate is to blame, and its secret alone is not sent', { skip: noEnvoy }, async (t) => {
  const { apply, status, leftOut } = await served(t);
  const { privateKey } = generateKeyPairSync('ed25519');
  const certificate = {
    key: 'test/bad',
    certificate: '-----BEGIN CERTIFICATE-----\nbm9uc2Vuc2U=\n-----END CERTIFICATE-----\n',
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    names: [],
    notAfter: '',
    fingerprint: 'bad',
  };
  const special = {
    one: {
      tls: { serverName: 'a.test', names: [], authorities: 'system' as const, certificate: 'test/bad' },
    },
  };
  const routes = [fine(0), { path: '/one', backends: [{ to: 'one' }] }];
  await apply({ routes, clusters: { one: [9] }, special, certificates: [certificate] });
  assert.deepEqual([...leftOut.keys()], ['certificates test/bad']);
  assert.ok(!JSON.stringify([...leftOut]).includes('PRIVATE KEY'));
  assert.equal(await status('/0'), 503);
  await apply({ routes, clusters: { one: [9] } });
  assert.equal(await status('/0'), 503);
});

test('no field is sent that Envoy will not take one day', { skip: noEnvoy }, async (t) => {
  const { engine, apply, status } = await served(t);
  const retry = { attempts: 2, codes: [503], backoff: 5 };
  await apply({ routes: [fine(0), { path: '/one', backends: [{ to: 'one' }], retry }], clusters: { one: [9] } });
  assert.equal(await status('/0'), 503);
  const [, used] = /^envoy_runtime_deprecated_feature_use\S* (\d+)$/m.exec(await engine.metrics()) ?? [];
  assert.equal(used, '0');
});
