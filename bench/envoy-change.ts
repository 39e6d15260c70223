// One route changed among many, with the Envoy engine: what translating and encoding costs us, what travels, what Envoy's main thread
// spends on it and how long it takes until the change is acknowledged. And a configuration of all routes from nothing. Each row is
// measured by a process of its own, so that the first translation finds a cold program.
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { startEnvoyEngine } from '../src/engines/envoy/engine.ts';
import { defaultLimits } from '../src/engines/envoy/limits.ts';
import type { ScopedChanges } from '../src/engines/envoy/batch.ts';
import { Translation } from '../src/engines/envoy/translation.ts';
import type { Pipeline } from '../src/pipeline/pipeline.ts';
import type { Update } from '../src/routing/update.ts';
import { descendantsOf } from './cluster/gateway.ts';
import { quantile } from './http/table.ts';
import { changedRoute, filledPipeline, routeObject, shapes, type Shape } from './many-routes.ts';
import { freePorts } from '../test/free-port.ts';

const usage = `node bench/envoy-change.ts [options]
  --routes A,B       how many routes stand (default 100,1000,10000)
  --changes N        routes changed, one after the other (default 2000)
  --shape NAME       'many hosts' or 'one host' only
  --envoy PATH       default: envoy of PATH
  -o, --output NAME  table (default) or json
  --write            keep the table in bench/results/envoy-change.txt
`;

const { values } = parseArgs({
  options: {
    routes: { type: 'string', default: '100,1000,10000' },
    changes: { type: 'string', default: '2000' },
    shape: { type: 'string' },
    envoy: { type: 'string' },
    output: { type: 'string', short: 'o', default: 'table' },
    write: { type: 'boolean', default: false },
    /** Measures one row, as JSON. */
    row: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

/** Milliseconds and octets. */
interface Row {
  readonly shape: Shape;
  readonly routes: number;
  /** CPU to translate and encode everything: first in a process (with what compiles it, on other threads), and the median of five more. */
  readonly cold: number;
  /** As long as it took. */
  readonly coldWall: number;
  readonly warm: number;
  readonly octets: number;
  /** CPU to translate and encode one change, in the mean. */
  readonly translate: number;
  readonly changeOctets: number;
  readonly mainThread: number;
  readonly acknowledgedP50: number;
  readonly acknowledgedP99: number;
  /** A route on a host that nobody had. */
  readonly newHostP50: number;
  /** Of Envoy, in MiB. */
  readonly memory: number;
}

/** Of a whole configuration of 10,000 routes, in milliseconds. */
const WHOLE_BAR = 300;
/** A change may cost so much more, or less, than among as many routes as the first row of its shape has. */
const FLAT_BAR = 0.2;

type Column = readonly [title: string, value: (row: Row, first: Row) => string];

const columns: readonly Column[] = [
  ['routes', ({ routes }) => String(routes)],
  ['all: CPU ms cold', ({ cold }) => cold.toFixed(0)],
  ['wall', ({ coldWall }) => coldWall.toFixed(0)],
  ['warm', ({ warm }) => warm.toFixed(0)],
  ['KiB', ({ octets }) => (octets / 1024).toFixed(0)],
  ['one: CPU ms', ({ translate }) => translate.toFixed(3)],
  ['×', ({ translate }, first) => (translate / first.translate).toFixed(2)],
  ['octets', ({ changeOctets }) => changeOctets.toFixed(0)],
  ['Envoy main ms', ({ mainThread }) => mainThread.toFixed(2)],
  ['×', ({ mainThread }, first) => (mainThread / first.mainThread).toFixed(2)],
  ['acknowledged ms p50', ({ acknowledgedP50 }) => acknowledgedP50.toFixed(1)],
  ['p99', ({ acknowledgedP99 }) => acknowledgedP99.toFixed(1)],
  ['new host p50', ({ newHostP50 }) => newHostP50.toFixed(1)],
  ['Envoy MiB', ({ memory }) => memory.toFixed(0)],
];

const changes = Number(values.changes);
process.exitCode = await main();

async function main(): Promise<number> {
  if (values.help) process.stdout.write(usage);
  else if (values.output !== 'table' && values.output !== 'json') {
    process.stderr.write(`bench/envoy-change.ts: --output ${values.output}: there are table and json\n`);
    return 1;
  } else if (values.row) {
    const shape = shapes.find((each) => each === values.shape);
    process.stdout.write(JSON.stringify(await measure(Number(values.routes), shape ?? 'many hosts')));
  } else return await all();
  return 0;
}

async function all(): Promise<number> {
  const rows: Row[] = [];
  const before = loadavg();
  for (const shape of shapes) {
    if (values.shape !== undefined && values.shape !== shape) continue;
    for (const routes of values.routes.split(',')) rows.push(await rowOf(routes, shape));
  }
  const text = values.output === 'json' ? `${JSON.stringify(rows, null, 2)}\n` : tableOf(rows, before);
  process.stdout.write(text);
  if (values.write) {
    mkdirSync(join(import.meta.dirname, 'results'), { recursive: true });
    writeFileSync(join(import.meta.dirname, 'results/envoy-change.txt'), text);
  }
  return 0;
}

async function rowOf(routes: string, shape: Shape): Promise<Row> {
  const options = ['--row', '--routes', routes, '--shape', shape, '--changes', values.changes];
  const envoy = values.envoy === undefined ? [] : ['--envoy', values.envoy];
  const { stdout } = await promisify(execFile)(process.execPath, [import.meta.filename, ...options, ...envoy]);
  return JSON.parse(stdout) as Row;
}

// ---- One row.

async function measure(routes: number, shape: Shape): Promise<Row> {
  const [port = 0] = await freePorts(1);
  const pipeline = filledPipeline(routes, shape, port);
  const whole = pipeline.snapshot();
  const first = translation();
  const [began, start] = [process.cpuUsage(), performance.now()];
  const octets = sizeOf(first.apply(whole));
  const coldWall = performance.now() - start;
  const cold = since(process.cpuUsage(began));
  const warm = Array.from({ length: 5 }, () => {
    const from = process.cpuUsage();
    translation().apply(whole);
    return since(process.cpuUsage(from));
  });

  const updates = updatesOf(pipeline, routes, shape);
  const from = process.threadCpuUsage();
  let changeOctets = 0;
  for (const update of updates) changeOctets += sizeOf(first.apply(update));
  const translate = since(process.threadCpuUsage(from)) / updates.length;
  return {
    shape,
    routes,
    cold,
    coldWall,
    warm: quantile(warm, 0.5),
    octets,
    translate,
    changeOctets: changeOctets / updates.length,
    ...(await served({ whole, updates, pipeline, routes })),
  };
}

function updatesOf(pipeline: Pipeline, routes: number, shape: Shape): readonly Update[] {
  return Array.from({ length: changes }, (_, index) => {
    pipeline.apply(changedRoute(index + 1, routes, shape));
    return pipeline.settle().update;
  });
}

interface Served {
  readonly whole: Update;
  readonly updates: readonly Update[];
  readonly pipeline: Pipeline;
  readonly routes: number;
}

async function served({
  whole,
  updates,
  pipeline,
  routes,
}: Served): Promise<Pick<Row, 'mainThread' | 'acknowledgedP50' | 'acknowledgedP99' | 'newHostP50' | 'memory'>> {
  const engine = await startEnvoyEngine(values.envoy === undefined ? {} : { envoy: values.envoy });
  await engine.apply(whole);
  const pid = envoyPid();
  const before = cpuOf(pid);
  const acknowledged: number[] = [];
  for (const update of updates) {
    const sent = performance.now();
    await engine.apply(update);
    acknowledged.push(performance.now() - sent);
  }
  const mainThread = (cpuOf(pid) - before) / updates.length;
  const fresh: number[] = [];
  for (let at = 0; at < Math.min(50, changes); at++) {
    pipeline.apply(routeObject(routes + at, 'many hosts', 0));
    const { update } = pipeline.settle();
    const sent = performance.now();
    await engine.apply(update);
    fresh.push(performance.now() - sent);
  }
  const memory = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  await engine.close();
  return {
    mainThread,
    acknowledgedP50: quantile(acknowledged, 0.5),
    acknowledgedP99: quantile(acknowledged, 0.99),
    newHostP50: quantile(fresh, 0.5),
    memory,
  };
}

function translation(): Translation {
  return new Translation({
    limits: defaultLimits,
    trustedHops: 0,
    requestIds: true,
    sharesPorts: false,
    accessLog: '',
    systemTrust: '',
  });
}

function since({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) / 1000;
}

function sizeOf(scopes: ScopedChanges): number {
  let size = 0;
  for (const list of scopes.values()) {
    for (const { set, remove } of list) {
      for (const { bytes } of set) size += bytes.length;
      for (const name of remove) size += name.length;
    }
  }
  return size;
}

/** Of the one Envoy that descends from this process: its first thread does all that is not traffic. */
function envoyPid(): number {
  const found = descendantsOf(process.pid).find(
    ({ command }) => command.includes('bootstrap.json') && !/^\S*python/.test(command),
  );
  if (found === undefined) throw new Error('no Envoy found among the processes that were started here');
  return found.pid;
}

/** Milliseconds of the main thread on a processor. */
function cpuOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
}

// ---- The table.

function tableOf(rows: readonly Row[], before: readonly number[]): string {
  const shown = (loads: readonly number[]): string => loads.map((each) => each.toFixed(1)).join(' ');
  const lines = [
    `node bench/envoy-change.ts: ${changes} changes, one after the other; × is against the first row of the shape`,
    `${cpus()[0]?.model ?? ''}, ${cpus().length} cores, Linux ${release()}, Node ${process.version}`,
    `load averages before: ${shown(before)}; at the end: ${shown(loadavg())}`,
  ];
  for (const shape of shapes) {
    const own = rows.filter((row) => row.shape === shape);
    const [first] = own;
    if (first === undefined) continue;
    const cells = [columns.map(([title]) => title), ...own.map((row) => columns.map(([, value]) => value(row, first)))];
    const widths = columns.map((_, at) => Math.max(...cells.map((line) => line[at]?.length ?? 0)));
    lines.push('', shape, ...cells.map((line) => line.map((cell, at) => cell.padStart(widths[at] ?? 0)).join('  ')));
    lines.push(...verdicts(own, first));
  }
  return `${lines.join('\n')}\n`;
}

function verdicts(rows: readonly Row[], first: Row): readonly string[] {
  const ratios = rows.map(({ translate }) => translate / first.translate);
  const flat = ratios.every((ratio) => Math.abs(ratio - 1) <= FLAT_BAR);
  const largest = rows.find(({ routes }) => routes === 10_000);
  const line = (what: string, kept: boolean): string => `  ${what}: ${kept ? 'kept' : 'MISSED'}`;
  return [
    ...(rows.length > 1 ? [line(`CPU of a change flat within ${FLAT_BAR * 100} %`, flat)] : []),
    ...(largest === undefined
      ? []
      : [line(`10,000 routes in ${WHOLE_BAR} ms of CPU, cold`, largest.cold <= WHOLE_BAR)]),
  ];
}
