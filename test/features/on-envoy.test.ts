// Tests of engines once more on a real Envoy: the same files, each in a process of its own. With PORTOLAN_ENVOY_TESTS=all every file
// that starts a test engine (npm run test:envoy; some 6 minutes on two cores), otherwise those of `quick`. What an Envoy holds otherwise
// is skipped there by name (envoy-exceptions.ts). Without an Envoy all of it is skipped, and says so.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { noEnvoy } from './envoy-binary.ts';
import { exceptions } from './envoy-exceptions.ts';

const root = join(import.meta.dirname, '../..');

/** Some of each kind, in two minutes. */
const quick: readonly string[] = [
  'engine-auth-grpc.test.ts',
  'engine-auth-listener.test.ts',
  'engine-changes.test.ts',
  'engine-load.test.ts',
  'engine-rules.test.ts',
  'engine-tls-clients.test.ts',
  'gateway-tls.test.ts',
  'grpc-routes.test.ts',
  'http.test.ts',
  'streams.test.ts',
];

const held = globSync('test/features/{,*/}*.test.ts', { cwd: root })
  .filter((file) => /from '\.{1,2}\/engine-tests\.ts'/.test(readFileSync(join(root, file), 'utf8')))
  .sort();
const wanted =
  process.env['PORTOLAN_ENVOY_TESTS'] === 'all' ? held : held.filter((file) => quick.includes(basename(file)));

if (noEnvoy !== false) process.stderr.write(`nothing is tested on an Envoy: ${noEnvoy}\n`);

for (const file of wanted) {
  test(`${file} on Envoy`, { skip: noEnvoy, timeout: 300_000 }, async () => {
    const { code, said } = await ran(['--test', '--test-concurrency=1', join(root, file)]);
    assert.equal(code, 0, said.slice(-6000));
  });
}

test('files that are named here are there, and start a test engine', () => {
  const names = new Set(held.map((file) => basename(file)));
  for (const name of [...quick, ...Object.keys(exceptions)]) assert.ok(names.has(name), name);
});

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
