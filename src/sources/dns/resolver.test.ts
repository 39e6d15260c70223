import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Answer } from './resolver.ts';
import { HostResolver } from './resolver.ts';

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

test('each name is asked once when it is wanted, and told when its answer differs', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const told: string[] = [];
  const asked: string[] = [];
  let answer: Answer = { addresses: ['192.0.2.2', '192.0.2.1'], ttl: 10 };
  const resolver = new HostResolver({
    resolved: (name, addresses) => told.push(`${name} ${addresses.join(' ')}`),
    ask: (name) => {
      asked.push(name);
      return Promise.resolve(answer);
    },
  });
  resolver.want(['a.example.com']);
  resolver.want(['a.example.com']);
  await turn();
  assert.deepEqual(asked, ['a.example.com']);
  assert.deepEqual(told, ['a.example.com 192.0.2.1 192.0.2.2']);
  answer = { addresses: ['192.0.2.1', '192.0.2.2'], ttl: 10 };
  context.mock.timers.tick(12_000);
  await turn();
  assert.equal(asked.length, 2);
  assert.equal(told.length, 1);
  answer = { addresses: ['192.0.2.3'], ttl: 0 };
  context.mock.timers.tick(12_000);
  await turn();
  assert.equal(told.at(-1), 'a.example.com 192.0.2.3');
  resolver.close();
  context.mock.timers.tick(600_000);
  await turn();
  assert.equal(asked.length, 3);
});

test('a resolver that fails takes no address away; a host that does not exist has none', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const told: string[] = [];
  const answers = [{ addresses: ['192.0.2.1'] }, 'ETIMEOUT', 'ENOTFOUND'] as const;
  let count = 0;
  const resolver = new HostResolver({
    resolved: (_, addresses) => told.push(addresses.join(' ')),
    ask: () => {
      const next = answers[count++] as (typeof answers)[number];
      return typeof next === 'string'
        ? Promise.reject(Object.assign(new Error(next), { code: next }))
        : Promise.resolve(next);
    },
  });
  resolver.want(['a.example.com']);
  for (let i = 0; i < 3; i++) {
    await turn();
    context.mock.timers.tick(40_000);
  }
  await turn();
  assert.deepEqual(told, ['192.0.2.1', '']);
  resolver.close();
});
