// Deadlines of the wheel: on time, once, in any order of arming and disarming.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Deadline, Wheel } from './wheel.ts';

class Alarm extends Deadline {
  rang: number[] = [];
  readonly #then: () => void;

  constructor(then: () => void = () => {}) {
    super();
    this.#then = then;
  }

  override expired(): void {
    this.rang.push(performance.now());
    this.#then();
  }
}

test('never early, little late, only once', async () => {
  const wheel = new Wheel();
  const start = performance.now();
  const alarms = [0, 1, 5, 20, 33, 60].map((delay) => {
    const alarm = new Alarm();
    wheel.arm(alarm, start + delay);
    return { alarm, delay };
  });
  await sleep(150);
  for (const { alarm, delay } of alarms) {
    assert.equal(alarm.rang.length, 1, `${delay}`);
    const late = (alarm.rang[0] as number) - start - delay;
    assert.ok(late >= 0 && late < 60, `${delay} was ${late} late`);
  }
});

test('disarmed and armed anew', async () => {
  const wheel = new Wheel();
  const start = performance.now();
  const [never, later, twice] = [new Alarm(), new Alarm(), new Alarm()];
  for (const alarm of [never, later, twice]) wheel.arm(alarm, start + 10);
  wheel.disarm(never);
  wheel.disarm(never);
  wheel.arm(later, start + 60);
  await sleep(40);
  assert.equal(twice.rang.length, 1);
  assert.equal(later.rang.length, 0);
  wheel.arm(twice, performance.now() + 5);
  await sleep(100);
  assert.deepEqual([never.rang.length, later.rang.length, twice.rang.length], [0, 1, 2]);
});

test('an expiry may disarm and arm others that are due in the same tick', async () => {
  const wheel = new Wheel();
  const due = performance.now() + 20;
  const victim = new Alarm();
  const postponed = new Alarm();
  const again = new Alarm();
  const killer = new Alarm(() => {
    wheel.disarm(victim);
    wheel.arm(postponed, performance.now() + 30);
    wheel.arm(again, performance.now());
  });
  for (const alarm of [killer, victim, postponed]) wheel.arm(alarm, due);
  await sleep(25);
  await sleep(100);
  assert.deepEqual(
    [killer, victim, postponed, again].map((alarm) => alarm.rang.length),
    [1, 0, 1, 1],
  );
  assert.ok((postponed.rang[0] as number) >= due + 29);
});

test('deadlines beyond one turn of the wheel wait for theirs', async () => {
  const wheel = new Wheel();
  const far = new Alarm();
  // The same slot as one that is due soon: 512 slots of 8 milliseconds.
  wheel.arm(far, performance.now() + 20 + 4096);
  const near = new Alarm();
  wheel.arm(near, performance.now() + 20);
  await sleep(80);
  assert.equal(near.rang.length, 1);
  assert.equal(far.rang.length, 0);
  wheel.disarm(far);
});
