import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { programOnPath } from './binary.ts';
import { EnvoyProcess } from './envoy-process.ts';

const cannot = programOnPath('setpriv') === undefined && 'setpriv (util-linux) is not on PATH';

test('a program does not outlive a process that was killed', { skip: cannot }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'portolan-tied-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'pid');
  const script = `
    import { EnvoyProcess } from ${JSON.stringify(join(import.meta.dirname, 'envoy-process.ts'))};
    new EnvoyProcess({ path: '/bin/sh', arguments: ['-c', 'echo $$ > "$0"; exec sleep 60', ${JSON.stringify(file)}], onCrash: () => {} }).start();
    setInterval(() => {}, 1000);`;
  const parent = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], { stdio: 'ignore' });
  t.after(() => parent.kill('SIGKILL'));
  const pid = await eventually(() => Number(pidIn(file)) || undefined, 'the program runs');
  parent.kill('SIGKILL');
  await eventually(() => (isRunning(pid) ? undefined : true), 'the program is gone');
});

const log = (level: string, text: string): string => `echo "[2026-01-01 00:00:00.000][7][${level}][misc] ${text}" >&2`;

for (const [what, script, told] of [
  ['a warning is no reason', [log('warning', 'deprecated'), 'kill -KILL $$'], /^Envoy: ended by SIGKILL$/],
  [
    'an error is one, whatever is said afterwards',
    [log('critical', 'no memory'), log('warning', 'deprecated'), 'exit 3'],
    /^Envoy: it ended with 3: .*no memory$/,
  ],
  [
    'what the system says of a program that does not start is one',
    ['echo "no such library" >&2', 'exit 127'],
    /^Envoy: it ended with 127: no such library$/,
  ],
] as const)
  test(`why a program ended: ${what}`, async (t) => {
    const { promise: ended, resolve } = Promise.withResolvers<Error>();
    // What it said is read before its end is noticed.
    const [end, ...before] = [...script].toReversed();
    const lines = [...before.toReversed(), 'sleep 0.2', end];
    const program = new EnvoyProcess({ path: '/bin/sh', arguments: ['-c', lines.join('\n')], onCrash: resolve });
    t.after(() => program.stop());
    program.start();
    assert.match((await ended).message, told);
  });

function pidIn(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function isRunning(pid: number): boolean {
  try {
    // A dead one that nobody has fetched yet is dead.
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

async function eventually<T>(look: () => T | undefined, what: string): Promise<T> {
  for (let tries = 0; tries < 200; tries++) {
    const found = look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`not within 10 s: ${what}`);
}
