import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { RetryBudget } from '../../routing/model.ts';
import { BudgetCounter, budgetFor, SlidingCount } from './budget.ts';

const none = { count: 0, interval: 1000 };

test('a share of the requests of the interval may be retried, and no more', () => {
  const budget = new BudgetCounter({ percent: 20, interval: 10_000, minimum: none });
  for (let i = 0; i < 100; i++) budget.requested(i * 10);
  let allowed = 0;
  for (let i = 0; i < 100; i++) if (budget.allows(1000 + i)) allowed++;
  assert.equal(allowed, 20);
});

test('requests count for the interval, retries too', () => {
  const budget = new BudgetCounter({ percent: 50, interval: 1000, minimum: none });
  budget.requested(0);
  budget.requested(0);
  assert.equal(budget.allows(500), true);
  assert.equal(budget.allows(500), false);
  assert.equal(budget.allows(1200), false, 'the requests are forgotten');
  budget.requested(1500);
  budget.requested(1500);
  assert.equal(budget.allows(1600), true, 'so is the retry, by then');
});

test('the minimum is allowed without any traffic, per its own interval', () => {
  const budget = new BudgetCounter({ percent: 0, interval: 10_000, minimum: { count: 2, interval: 100 } });
  const at = (now: number): boolean => budget.allows(now);
  assert.deepEqual([at(0), at(1), at(2)], [true, true, false]);
  assert.deepEqual([at(150), at(151), at(152)], [true, true, false]);
});

test('a count never says less than what the interval holds, nor more than a part beyond it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 16, max: 5000 }), fc.array(fc.integer({ min: 0, max: 2000 })), (interval, gaps) => {
      const count = new SlidingCount(interval);
      const times: number[] = [];
      let now = 0;
      for (const gap of gaps) {
        now += gap;
        times.push(now);
        count.add(now);
        const least = times.filter((time) => time > now - interval).length;
        const most = times.filter((time) => time > now - interval - interval / 16 - 1e-6).length;
        assert.ok(count.total >= least && count.total <= most, `${least} <= ${count.total} <= ${most}`);
      }
    }),
  );
});

test('a row that says the same keeps what was counted', () => {
  const row: RetryBudget = { percent: 20, interval: 1000, minimum: none };
  const counter = budgetFor(row, null);
  assert.equal(budgetFor(structuredClone(row), counter), counter);
  assert.notEqual(budgetFor({ ...row, percent: 30 }, counter), counter);
  assert.equal(budgetFor(undefined, counter), null);
});
