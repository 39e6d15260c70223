// 10,000 HTTPRoutes in files -> serving. First through `portolan run`: time until the last route answers, and the memory of
// the process; then step by step in a process of its own: reading, checking, computing the model, updating the engine.
// Usage: node bench/load-files.ts [--routes N] [--rules N] [--files N]
import { spawn } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { openFiles } from '../src/cli/model/model.ts';
import { startEcho } from '../src/cli/run/echo-server.ts';
import { startEngine } from '../src/engines/embedded/engine.ts';
import { Pipeline } from '../src/pipeline/pipeline.ts';
import { portolanObjects, routeObjects } from './http/contenders.ts';
import { hostName } from './http/measure.ts';
import { RunOnFolder } from './run-on-folder.ts';
import { freePorts } from '../test/free-port.ts';

const { values } = parseArgs({
  options: {
    routes: { type: 'string', default: '10000' },
    rules: { type: 'string', default: '1' },
    files: { type: 'string', default: '100' },
    steps: { type: 'string' },
  },
});
const routes = Number(values.routes);

if (values.steps === undefined) await compare();
else await steps(values.steps);

async function compare(): Promise<void> {
  const run = new RunOnFolder('load');
  const { folder } = run;
  const echo = await startEcho({ namespace: 'default', service: 'backend', port: 80 });
  const [port = 0] = await freePorts(1);
  writeFiles(run, { port, backendPort: echo.port });
  const sizes = readdirSync(folder).map((name) => statSync(join(folder, name)).size);
  const megabytes = sizes.reduce((sum, size) => sum + size, 0) / 1e6;
  process.stdout.write(
    `${routes} routes of ${values.rules} rule(s), ${megabytes.toFixed(1)} MB in ${sizes.length} files\n`,
  );
  const good = await throughRun(run, port);
  await inSteps(folder);
  echo.close();
  process.exit(good ? 0 : 1);
}

function writeFiles(run: RunOnFolder, ports: { readonly port: number; readonly backendPort: number }): void {
  run.write('gateway.yaml', portolanObjects({ ...ports, hosts: -1 }));
  const objects = routeObjects(routes, Number(values.rules));
  const perFile = Math.ceil(routes / Math.max(1, Number(values.files)));
  for (let at = 0; at < routes; at += perFile) run.write(`routes-${at}.yaml`, objects.slice(at, at + perFile));
}

async function throughRun(run: RunOnFolder, port: number): Promise<boolean> {
  const started = performance.now();
  run.start('embedded');
  const last = hostName(routes - 1);
  while (performance.now() - started < 120_000 && !run.hasEnded && (await statusOf(port, last)) !== 200)
    await sleep(20);
  const seconds = (performance.now() - started) / 1000;
  const answers = [await statusOf(port, hostName(0)), await statusOf(port, last)];
  const { status, cpu } = run.vitals();
  const memory = (name: string): string => (Number.parseInt(status(name) ?? '', 10) / 1024).toFixed(0);
  process.stdout.write(
    `portolan run: serving after ${seconds.toFixed(2)} s (${cpu.toFixed(2)} s of CPU, all threads); ` +
      `${memory('VmRSS')} MiB resident, peak ${memory('VmHWM')}; first and last host answer ${answers.join(' and ')}\n`,
  );
  run.stop();
  return answers.every((status) => status === 200);
}

function inSteps(folder: string): Promise<void> {
  const child = spawn(process.execPath, [import.meta.filename, '--steps', folder], { stdio: 'inherit' });
  return new Promise((resolve) => child.on('exit', () => resolve()));
}

async function steps(folder: string): Promise<void> {
  const engine = startEngine({});
  const source = openFiles({
    paths: [folder],
    recursive: false,
    standardInput: () => Promise.resolve(Buffer.alloc(0)),
  });
  const pipeline = new Pipeline({
    channel: 'standard',
    controllerName: 'portolan.dev/gateway-controller',
    classes: 'any',
    presume: true,
    engine: 'embedded',
    awaitEngine: true,
  });
  const [port = 0] = await freePorts(1);
  const taken: string[] = [];
  const step = async <T>(name: string, run: () => T | Promise<T>): Promise<T> => {
    const began = performance.now();
    const cpu = process.threadCpuUsage();
    const result = await run();
    const used = process.threadCpuUsage(cpu);
    const wall = (performance.now() - began).toFixed(0);
    taken.push(`${name} ${wall} ms (CPU of the main thread ${((used.user + used.system) / 1000).toFixed(0)})`);
    return result;
  };
  const { applied } = await step('read', () => source.load());
  await step('check', () => {
    for (const object of applied) pipeline.apply(object);
  });
  await step('settle', () => {
    pipeline.settle();
    pipeline.place([...pipeline.tables.binds.keys()].map((bind) => ({ bind, address: '127.0.0.1', port })));
    return pipeline.settle();
  });
  await step('update the engine', () => engine.apply(pipeline.snapshot()));
  process.stdout.write(`step by step: ${taken.join(', ')}\n`);
  source.close();
  await engine.close();
}

function statusOf(port: number, host: string): Promise<number> {
  return new Promise((resolve) => {
    const request = http.request(
      { host: '127.0.0.1', port, path: '/static/a', headers: { host }, agent: false, timeout: 5000 },
      (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode ?? 0));
      },
    );
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(0));
    request.end();
  });
}
