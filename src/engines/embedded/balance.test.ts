// Which endpoint takes an attempt: readiness, load, failures.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint } from '../../routing/model.ts';
import { LiveEndpoints } from './balance.ts';
import { defaultLimits } from './options.ts';
import { Thread } from './thread.ts';

const thread = new Thread({
  limits: { ...defaultLimits, skipTimeout: 100, longestSkip: 350 },
  trustedHops: 0,
  requestIds: false,
  accessLog: '',
  shared: false,
  ticketKeys: new Uint8Array(48),
  sessionKeys: [new Uint8Array(32)],
  asksNames: false,
});

const endpoint = (port: number, state: Partial<Endpoint> = {}): Endpoint => ({
  id: String(port),
  address: '127.0.0.1',
  port,
  ready: true,
  serving: true,
  terminating: false,
  ...state,
});

const endpointsOf = (...list: readonly Endpoint[]): LiveEndpoints => {
  const endpoints = new LiveEndpoints();
  endpoints.update({ key: 'test', endpoints: list }, thread);
  return endpoints;
};

const portsOf = ({ usable }: LiveEndpoints): number[] => usable.map((each) => each.endpoint.port);

test('only ready endpoints; else those that terminate but serve; else none', () => {
  const leaving = endpoint(2, { ready: false, terminating: true });
  const dead = endpoint(3, { ready: false, serving: false, terminating: true });
  const starting = endpoint(4, { ready: false });
  assert.deepEqual(portsOf(endpointsOf(endpoint(1), leaving, dead, starting)), [1]);
  assert.deepEqual(portsOf(endpointsOf(leaving, dead, starting)), [2]);
  assert.deepEqual(portsOf(endpointsOf(dead, starting)), []);
  assert.equal(endpointsOf().pick(0, null), undefined);
  assert.deepEqual(portsOf(endpointsOf(endpoint(0), endpoint(70_000), endpoint(5))), [5]);
});

test('endpoints that stay are the same objects, with their load', () => {
  const endpoints = endpointsOf(endpoint(1), endpoint(2));
  const [first] = endpoints.usable;
  assert.ok(first !== undefined);
  first.active = 7;
  endpoints.update({ key: 'test', endpoints: [endpoint(3), endpoint(1)] }, thread);
  assert.equal(endpoints.usable[1], first);
  assert.deepEqual(portsOf(endpoints), [3, 1]);
});

test('the less loaded of two: of three, the busiest gets nothing', () => {
  const endpoints = endpointsOf(endpoint(1), endpoint(2), endpoint(3));
  endpoints.usable.forEach((each, i) => (each.active = i * 10));
  const counts = [0, 0, 0];
  for (let i = 0; i < 3000; i++) {
    const at = endpoints.usable.indexOf(endpoints.pick(0, null) as (typeof endpoints.usable)[number]);
    counts[at] = (counts[at] as number) + 1;
  }
  assert.equal(counts[2], 0);
  // Two of three pairs have the idle one.
  assert.ok(Math.abs((counts[0] as number) - 2000) < 160, String(counts));
});

test('one that failed in this exchange is not asked again while there is another', () => {
  const endpoints = endpointsOf(endpoint(1), endpoint(2));
  const [first, second] = endpoints.usable;
  for (let i = 0; i < 50; i++) assert.equal(endpoints.pick(0, first ?? null), second);
  assert.equal(endpointsOf(endpoint(1)).pick(0, null)?.endpoint.port, 1);
});

test('an unreachable endpoint is skipped, longer with each failure, up to a limit; and forgiven at once', () => {
  const endpoints = endpointsOf(endpoint(1), endpoint(2), endpoint(3));
  const [bad] = endpoints.usable;
  assert.ok(bad !== undefined);
  const skips: number[] = [];
  let now = 1000;
  for (let i = 0; i < 4; i++) {
    bad.unreachable(now);
    // Others that were under way at the same time count as one.
    bad.unreachable(now + 1);
    skips.push(bad.skippedUntil - now);
    for (let k = 0; k < 30; k++) assert.notEqual(endpoints.pick(now + 50, null), bad);
    now = bad.skippedUntil;
  }
  assert.deepEqual(skips, [100, 200, 350, 350]);
  let taken = false;
  for (let k = 0; k < 200; k++) taken ||= endpoints.pick(now, null) === bad;
  assert.ok(taken);
  bad.unreachable(now);
  bad.reached();
  assert.equal(bad.skippedUntil, 0);
});

test('when all are being skipped the one whose turn comes first is tried', () => {
  const endpoints = endpointsOf(endpoint(1), endpoint(2), endpoint(3));
  endpoints.usable.forEach((each, i) => (each.skippedUntil = 100 - i));
  for (let k = 0; k < 30; k++) assert.equal(endpoints.pick(50, null)?.endpoint.port, 3);
  for (let k = 0; k < 30; k++) assert.equal(endpoints.pick(50, endpoints.usable[2] ?? null)?.endpoint.port, 2);
});
