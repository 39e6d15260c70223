// Deadlines of the wheel: on time, once, in any order of arming and disarming; and of the sweeper, where the loop stood still.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Sweeper } from './sweep.ts';
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

/** As many times as said. */
async function rang(alarm: Alarm, times = 1): Promise<void> {
  const end = performance.now() + 10_000;
  while (alarm.rang.length < times && performance.now() < end) await sleep(1);
  assert.equal(alarm.rang.length, times);
}

test('never early, little late, only once', async () => {
  const wheel = new Wheel();
  let latest = Number.POSITIVE_INFINITY;
  // A machine that holds us up makes all that is due late: not every time.
  for (let round = 0; round < 30 && latest >= 40; round++) {
    const start = performance.now();
    const alarms = [0, 1, 5, 20, 33, 60].map((delay) => {
      const alarm = new Alarm();
      wheel.arm(alarm, start + delay);
      return { alarm, delay };
    });
    for (const { alarm } of alarms) await rang(alarm);
    await sleep(20);
    const late = alarms.map(({ alarm, delay }) => (alarm.rang[0] as number) - start - delay);
    assert.ok(Math.min(...late) >= 0, late.join());
    for (const { alarm, delay } of alarms) assert.equal(alarm.rang.length, 1, `${delay}`);
    latest = Math.max(...late);
  }
  assert.ok(latest < 40, `${latest} late`);
});

test('disarmed and armed anew', async () => {
  const wheel = new Wheel();
  const start = performance.now();
  const [never, later, twice] = [new Alarm(), new Alarm(), new Alarm()];
  for (const alarm of [never, later, twice]) wheel.arm(alarm, start + 10);
  wheel.disarm(never);
  wheel.disarm(never);
  wheel.arm(later, start + 60);
  await rang(twice);
  wheel.arm(twice, performance.now() + 5);
  await rang(later);
  await rang(twice, 2);
  assert.ok((later.rang[0] as number) >= start + 60);
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
  await rang(again);
  await rang(postponed);
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
  await rang(near);
  assert.equal(far.rang.length, 0);
  wheel.disarm(far);
});

/** Both ends of a connection. */
async function connection(t: TestContext): Promise<readonly [net.Socket, net.Socket]> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[net.Socket]>;
  const near = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
  const [far] = await accepted;
  t.after(() => {
    near.destroy();
    far.destroy();
    server.close();
  });
  return [near, far];
}

/** The loop stands still for so many milliseconds, with an octet that waits at the other end. */
function standStill(far: net.Socket, time: number): Promise<void> {
  return new Promise((resolve) => {
    // Behind the sockets, before the timers of the next turn.
    setImmediate(() => {
      far.write('x');
      for (const end = performance.now() + time; performance.now() < end;);
      resolve();
    });
  });
}

test('what came while the loop stood still is read before a deadline of the wheel', async (t) => {
  const [near, far] = await connection(t);
  const wheel = new Wheel();
  const [answered, silent] = [new Alarm(), new Alarm()];
  near.on('data', () => wheel.disarm(answered));
  for (const alarm of [answered, silent]) wheel.arm(alarm, performance.now() + 200);
  await standStill(far, 260);
  await rang(silent);
  assert.equal(answered.rang.length, 0);
});

test('and before the sweeper looks', async (t) => {
  const [near, far] = await connection(t);
  const sweeper = new Sweeper();
  t.after(() => sweeper.close());
  const seen: string[] = [];
  near.on('data', () => seen.push('heard'));
  const swept = new Promise<void>((resolve) => {
    sweeper.add({
      sweep: () => {
        seen.push('swept');
        resolve();
      },
    });
  });
  await standStill(far, 520);
  await swept;
  assert.deepEqual(seen, ['heard', 'swept']);
});
