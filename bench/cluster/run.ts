// npm run bench:cluster: how fast what is created in a cluster is served and told in statuses, and what requests see of it. After the ideas
// of gateway-api-bench: attached routes, route probe, route change, route scale. In the lab, or against any cluster whose Gateways are
// served by a controller that this starts. Propagation is read against a bare watcher of the same objects in the same run.
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runInside } from '../../test/lab/inside.ts';
import { attachedRoutes, churn, probeIdle, probeWhileAdding, routeChange, routeScale } from './measures.ts';
import { prepare, type Bench } from './setup.ts';

const usage = `npm run bench:cluster -- [options]
  --routes N         routes that stand when probes are measured (default 5000)
  --churn MINUTES    how long routes come and go at the end, for memory (default 1)
  --smoke            a tenth of everything: does it run at all
  --mode NAME        all-in-one (default)
  --write            keep the table in bench/results/cluster.txt
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

process.exitCode = await main();

async function main(): Promise<number> {
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  if (values.mode !== 'all-in-one') return stop(`--mode ${values.mode}: there is all-in-one`);
  if (!values.here && values.kubeconfig === undefined) {
    const args = ['--here', ...process.argv.slice(2)];
    return runInside({ script: import.meta.filename, args, channel: 'standard', keep: values.keep });
  }
  const kubeconfig = values.kubeconfig ?? process.env['KUBECONFIG'];
  if (kubeconfig === undefined) return stop('no cluster is named: give --kubeconfig');
  const logs = join(tmpdir(), 'portolan-bench-cluster.log');
  writeFileSync(logs, '');
  const bench = await prepare({ kubeconfig, log: logs, pool: values.pool, backend: values.backend });
  const lines: string[] = [];
  const print = (line: string): void => {
    lines.push(line);
    process.stdout.write(`${line}\n`);
  };
  try {
    heading(print);
    await measure(bench, print);
    print(`load averages at the end: ${loads()}`);
  } finally {
    await bench.close();
  }
  if (values.write) {
    const folder = join(import.meta.dirname, '../results');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'cluster.txt'), `${lines.join('\n')}\n`);
  }
  return bench.missed.length === 0 ? 0 : 1;
}

async function measure(bench: Bench, print: (line: string) => void): Promise<void> {
  const share = values.smoke ? 10 : 1;
  const stand = Math.trunc(Number(values.routes) / share);
  print(`memory of the controller with nothing: ${bench.controller.memory().toFixed(0)} MiB`);
  print(await attachedRoutes(bench, 1000 / share));
  print(await routeScale(bench, 3000 / share));
  await bench.standing(stand);
  print(bench.judge(`memory of the controller at ${stand} routes: `, bench.controller.memory(), 250, 'MiB'));
  print(await probeIdle(bench, 300 / share));
  print(await probeWhileAdding(bench, 100 / share));
  print(await routeChange(bench, 300 / share));
  print(await churn(bench, values.smoke ? 0.1 : Number(values.churn)));
  if (bench.missed.length > 0) print(`missed: ${bench.missed.join('; ')}`);
}

function heading(print: (line: string) => void): void {
  const options = process.argv.slice(2).filter((option) => option !== '--here' && option !== '--write');
  print(`npm run bench:cluster ${options.length === 0 ? '' : `-- ${options.join(' ')}`}`.trimEnd());
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`;
  print(`${cpus()[0]?.model ?? ''}, ${cpus().length} cores, ${memory}, Linux ${release()}, Node ${process.version}`);
  print(`mode ${values.mode}; API server, etcd, controller, data plane, load and backend share the machine`);
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
