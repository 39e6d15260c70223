// `test` and `it` of node:test for files that hold any engine: on an Envoy (PORTOLAN_TEST_ENGINE=envoy) those that it holds otherwise
// are skipped, each by its name and with the reason (envoy-exceptions.ts). A name there that no test has is a failure.
import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { after, test as declare, type TestContext } from 'node:test';
import type { Engine } from '../../src/routing/engine.ts';
import { exceptions } from './envoy-exceptions.ts';
import { onEnvoy } from './test-engine.ts';

export { before, beforeEach, after, describe, type TestContext } from 'node:test';

interface Options {
  readonly skip?: boolean | string;
  readonly timeout?: number;
}
type Run = (t: TestContext) => void | Promise<void>;

const file = basename(process.argv[1] ?? '');
const held: Readonly<Record<string, string>> = onEnvoy ? (exceptions[file] ?? {}) : {};
const seen = new Set<string>();

/** @param options as of node:test */
export function test(name: string, options: Options | Run, run?: Run): void {
  const reason = exceptionOf(name);
  const given = typeof options === 'function' ? {} : options;
  const body = typeof options === 'function' ? options : run;
  assert.ok(body !== undefined, name);
  void declare(name, reason === undefined ? given : { ...given, skip: reason }, body);
}

export const it: typeof test = test;

/** What the embedded engine counts by names of its own; an Envoy has others (docs/reference/envoy-differences.md). */
export async function assertCounted(engine: Engine, ...series: readonly RegExp[]): Promise<void> {
  if (onEnvoy) return;
  const text = await engine.metrics();
  for (const each of series) assert.match(text, each);
}

/** A name of the list, or the beginning of several where it ends with `*`. */
function exceptionOf(name: string): string | undefined {
  const key = Object.keys(held).find((each) =>
    each.endsWith('*') ? name.startsWith(each.slice(0, -1)) : name === each,
  );
  if (key === undefined) return undefined;
  seen.add(key);
  return held[key];
}

// Of a run of all tests of a file: what is excepted has to be there.
if (onEnvoy && !process.execArgv.some((each) => each.includes('name-pattern'))) {
  after(() => {
    const unknown = Object.keys(held).filter((name) => !seen.has(name));
    assert.deepEqual(unknown, [], `exceptions of ${file} that no test has`);
  });
}
