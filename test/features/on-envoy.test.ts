// Feature tests of the embedded engine, once more on a real Envoy: the same files, in a process of their own, without those tests that
// hold what docs/reference/envoy-differences.md says is different. Without an Envoy they are skipped, and say so.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { noEnvoy } from './envoy-binary.ts';

const root = join(import.meta.dirname, '../..');

/** By file or folder of test/features, the names of tests that are left out. */
const held: Readonly<Record<string, string>> = {
  'engine-rules.test.ts': '^mirrors get the changed request',
  'gateway-tls.test.ts': '',
  'http/http.test.ts': '',
};

for (const [file, without] of Object.entries(held)) {
  test(`${file} on Envoy`, { skip: noEnvoy, timeout: 300_000 }, async () => {
    const args = ['--test', '--test-concurrency=1', ...(without === '' ? [] : [`--test-skip-pattern=${without}`])];
    const { code, said } = await ran([...args, join(root, 'test/features', file)]);
    assert.equal(code, 0, said.slice(-4000));
  });
}

function ran(args: readonly string[]): Promise<{ readonly code: number; readonly said: string }> {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      args,
      { env: { ...env, PORTOLAN_TEST_ENGINE: 'envoy' }, maxBuffer: 67_108_864 },
      (_error, out, errors) => resolve({ code: child.exitCode ?? 1, said: out + errors }),
    );
  });
}
