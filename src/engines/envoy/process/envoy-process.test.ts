import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { programOnPath } from './binary.ts';

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
