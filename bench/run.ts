// npm run bench: CPU per request of Portolan against HAProxy, nginx and Envoy, in paired bursts: all proxies run at once on
// one core, idle unless loaded, and bursts of one second rotate over them, so that what the machine does meanwhile hits all
// alike. The generator and the backend have the other core. Read the ratios within a round, not the absolute figures.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { contenders, type Contender } from './http/contenders.ts';
import {
  backendConfig,
  burst,
  cpuOf,
  loadProgram,
  memoryOf,
  start,
  stop,
  stopAll,
  type Load,
  type Running,
} from './http/measure.ts';
import { table, type Sample } from './http/table.ts';

interface Workload extends Load {
  readonly name: string;
  /** Added to the port of the backend: 1 answers with 10 KiB. */
  readonly backend: 0 | 1;
}

const shapes: readonly { readonly name: string; readonly load: Omit<Load, 'hosts'>; readonly backend: 0 | 1 }[] = [
  { name: 'small GET', load: { method: 'GET', body: 0 }, backend: 0 },
  { name: '10 KiB GET', load: { method: 'GET', body: 0 }, backend: 1 },
  { name: '10 KiB POST', load: { method: 'POST', body: 10_240 }, backend: 0 },
];
const workloads: readonly Workload[] = [0, 1000].flatMap((hosts) =>
  shapes.map(({ name, load, backend }) => ({
    name: `${name}, ${hosts === 0 ? '1 route' : `${hosts} hosts × 5 routes`}`,
    hosts,
    ...load,
    backend,
  })),
);

const { values } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    bursts: { type: 'string', default: '9' },
    seconds: { type: 'string', default: '1' },
    connections: { type: 'string', default: '64' },
    only: { type: 'string', default: '' },
    workload: { type: 'string', default: '' },
    write: { type: 'boolean', default: false },
  },
});

const proxyCore = 0;
const loadCore = cpus().length > 1 ? 1 : 0;
const folder = mkdtempSync(join(tmpdir(), 'portolan-bench-'));
process.on('SIGINT', () => finish(130));
process.on('SIGTERM', () => finish(143));

try {
  const samples = await measure();
  const text = table(samples, {
    node: process.versions.node,
    cores: cpus().length,
    kernel: release().split('-')[0] ?? '',
    contenders: contenders.map((each) => `${each.name} ${each.version() ?? '(not installed)'}: ${each.features}`),
  });
  process.stdout.write(`${text}\n`);
  if (values.write) {
    const results = join(import.meta.dirname, 'results');
    mkdirSync(results, { recursive: true });
    writeFileSync(join(results, 'http1.txt'), `${text}\n`);
  }
  const failed = samples.filter((sample) => sample.errors > 0);
  for (const sample of failed)
    process.stderr.write(`${sample.contender}: ${sample.errors} failed requests in ${sample.workload}\n`);
  finish(samples.length === 0 || failed.length > 0 ? 1 : 0);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  finish(1);
}

async function measure(): Promise<Sample[]> {
  const present = contenders.filter(
    (each) => (values.only === '' || values.only.split(',').includes(each.name)) && isPresent(each),
  );
  const chosen = workloads.filter((each) => each.name.includes(values.workload)).slice(0, values.smoke ? 1 : undefined);
  const backendPort = 19_000;
  await start('backend', ['nginx', '-c', backendConfig(folder, backendPort), '-e', join(folder, 'backend-error.log')], {
    core: loadCore,
    port: backendPort,
    folder,
  });
  const samples: Sample[] = [];
  for (const [at, workload] of chosen.entries()) {
    process.stderr.write(`${workload.name}: ${present.map((each) => each.name).join(', ')}\n`);
    samples.push(
      ...(await measureOne(workload, present, { backendPort: backendPort + workload.backend, base: 19_100 + at * 10 })),
    );
  }
  return samples;
}

async function measureOne(
  workload: Workload,
  present: readonly Contender[],
  ports: { readonly backendPort: number; readonly base: number },
): Promise<Sample[]> {
  const program = loadProgram(folder, workload);
  const running: { readonly proxy: Running; readonly port: number }[] = [];
  for (const [at, contender] of present.entries()) {
    const port = ports.base + at;
    const own = join(folder, `${contender.name}-${port}`);
    mkdirSync(own);
    const command = contender.command({ folder: own, port, backendPort: ports.backendPort, hosts: workload.hosts });
    running.push({ proxy: await start(contender.name, command, { core: proxyCore, port, folder: own }), port });
  }
  const options = { seconds: Number(values.seconds), connections: Number(values.connections), core: loadCore };
  // The first bursts warm up compilers, pools and caches, and do not count.
  for (const { port } of running) await burst(program, port, { ...options, seconds: values.smoke ? 1 : 3 });
  const samples: Sample[] = [];
  for (let round = 0; round < (values.smoke ? 2 : Number(values.bursts)); round++) {
    for (const { proxy, port } of running) {
      const before = cpuOf(proxy.pid);
      const result = await burst(program, port, options);
      const after = cpuOf(proxy.pid);
      samples.push({
        workload: workload.name,
        contender: proxy.name,
        round,
        user: ((after.user - before.user) / result.requests) * 1000,
        system: ((after.system - before.system) / result.requests) * 1000,
        perSecond: result.perSecond,
        p50: result.p50,
        p99: result.p99,
        errors: result.errors,
        memory: memoryOf(proxy.pid),
      });
    }
  }
  for (const { proxy } of running) stop(proxy);
  return samples;
}

function isPresent(contender: Contender): boolean {
  const present = contender.version() !== undefined;
  if (!present) process.stderr.write(`${contender.name} is not installed and is left out\n`);
  return present;
}

function finish(code: number): never {
  stopAll();
  rmSync(folder, { recursive: true, force: true });
  process.exit(code);
}
