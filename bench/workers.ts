// The same load on one worker and on two: CPU per request, and how evenly two workers share it. Two cores also carry generator and
// backend, so that nothing is said of throughput. Usage: node bench/workers.ts [SECONDS]
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { portolanObjects } from './http/contenders.ts';
import { backendConfig, burst, cpuOf, loadProgram, start, stopAll } from './http/measure.ts';
import { freePorts } from '../test/free-port.ts';

const seconds = Number(process.argv[2] ?? 10);
const folder = mkdtempSync(join(tmpdir(), 'portolan-workers-'));
const [backendPort = 0, ...ports] = await freePorts(3);
const main = join(import.meta.dirname, '..', 'src/cli/main.ts');
try {
  await start('backend', ['nginx', '-c', backendConfig(folder, backendPort), '-e', join(folder, 'e.log')], {
    core: 1,
    port: backendPort,
    folder,
  });
  const program = loadProgram(folder, { hosts: 0, method: 'GET', body: 0, large: false });
  for (const [index, workers] of [1, 2].entries()) {
    const port = ports[index] ?? 0;
    const own = join(folder, String(workers));
    mkdirSync(own);
    const file = join(own, 'portolan.yaml');
    writeFileSync(
      file,
      portolanObjects({ port, backendPort, hosts: 0 })
        .map((object) => stringify(object))
        .join('---\n'),
    );
    const command = [process.execPath, main, 'run', '-f', file, '--port-offset', '0', '--workers', String(workers)];
    // On any core.
    const { pid } = await start('portolan', ['taskset', '-c', '0,1', ...command], { core: 0, port, folder: own });
    await burst(program, port, { seconds: 3, connections: 64, core: 1 });
    const [cpu, threads] = [cpuOf(pid), threadsOf(pid)];
    const { requests, errors } = await burst(program, port, { seconds, connections: 64, core: 1 });
    const after = cpuOf(pid);
    const used = after.user + after.system - cpu.user - cpu.system;
    const busy = [...threadsOf(pid)]
      .map(([id, time]) => time - (threads.get(id) ?? 0))
      .toSorted((a, b) => b - a)
      .slice(0, workers);
    const sum = busy.reduce((total, time) => total + time, 0);
    process.stdout.write(
      `${workers} worker${workers > 1 ? 's' : ''}: ${((used / requests) * 1000).toFixed(1)} ms of CPU per 1,000 requests, ` +
        `${errors} errors; shares ${busy.map((time) => `${((time / sum) * 100).toFixed(0)} %`).join(', ')}\n`,
    );
  }
} finally {
  await stopAll();
  rmSync(folder, { recursive: true, force: true });
}

/** Milliseconds of CPU by thread. */
function threadsOf(pid: number): Map<string, number> {
  return new Map(
    readdirSync(`/proc/${pid}/task`).map((id) => {
      const stat = readFileSync(`/proc/${pid}/task/${id}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return [id, (Number(fields[11]) + Number(fields[12])) * 10];
    }),
  );
}
