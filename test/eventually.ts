// Waits for what tells nobody that it happened: looks again and again until it holds, and says what it waited for when it never does.
import assert from 'node:assert/strict';

/** Milliseconds. What works is there within some of them; the rest is for a machine that has far more to do. */
const PATIENCE = 20_000;
const LONGEST_PAUSE = 10;

/**
 * Rejects with an AssertionError when it does not hold in time, and with what the condition throws. The last look begins after that
 * time, however busy the machine was until then.
 * @param what is waited for; a function is asked when it did not come. Default: the source of the condition
 * @param timeout milliseconds
 */
export async function eventually(
  condition: () => unknown,
  what: string | (() => string) = String(condition),
  timeout: number = PATIENCE,
): Promise<void> {
  const end = performance.now() + timeout;
  for (let pause = 1; ; pause = Math.min(LONGEST_PAUSE, pause * 2)) {
    const isLast = performance.now() > end;
    if (await condition()) return;
    if (isLast) assert.fail(`not within ${timeout / 1000} s: ${typeof what === 'string' ? what : what()}`);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
