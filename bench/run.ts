// npm run bench: CPU per request of Portolan against HAProxy, nginx and Envoy, without TLS or with, in paired bursts: all proxies run at once on
// one core, idle unless loaded, and bursts of one second rotate over them, so that what the machine does meanwhile hits all
// alike. The generator and the backend have the other core. Read the ratios within a round, not the absolute figures.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { certificateFor } from '../test/features/tls-certificates.ts';
import { common, contenders, type Contender, type Pair } from './http/contenders.ts';
import {
  backendConfig,
  burst,
  cpuOf,
  datagrams,
  handshakes,
  hostName,
  installed,
  loadProgram,
  memoryOf,
  paced,
  start,
  stopAll,
  streams,
  tlsClientConfig,
  type Burst,
  type Load,
  type Running,
} from './http/measure.ts';
import { datagramPrograms, hasNginxStreams } from './http/streams.ts';
import { table, type Bars, type LatencySample, type Routes, type Sample } from './http/table.ts';
import { freePorts } from '../test/free-port.ts';

type Workload = {
  readonly name: string;
  readonly bars: Bars;
  /** Default: HTTP/1.1 on connections that stay open. */
  readonly by?: 'streams' | 'handshakes' | 'datagrams';
} & Omit<Load, 'hosts'>;

interface Suite {
  readonly what: string;
  readonly workloads: readonly Workload[];
  readonly secure: boolean;
  /** TCP and UDP, and nothing of HTTP. */
  readonly layer4?: boolean;
  readonly routes: readonly Routes[];
}

const small = { method: 'GET', body: 0, large: false } as const;
const clear: Bars = [
  ['haproxy', 1.5],
  ['envoy', 0.5],
];
const http1: Suite = {
  what: 'HTTP/1.1 without TLS.',
  secure: false,
  routes: ['one', 'many'],
  workloads: [
    { name: 'small GET', bars: clear, ...small },
    { name: '10 KiB GET', bars: clear, ...small, large: true },
    { name: '10 KiB POST', bars: clear, ...small, method: 'POST', body: 10_240 },
  ],
};
const layer4: Suite = {
  what: 'Octets carried over TCP (requests of HTTP on connections that stay), and datagrams of 100 octets there and back.',
  secure: false,
  layer4: true,
  routes: ['one'],
  workloads: [
    { name: 'small GET over TCP', bars: [['haproxy', 1.5]], ...small },
    { name: '10 KiB GET over TCP', bars: [['haproxy', 1.5]], ...small, large: true },
    { name: 'UDP echo', bars: [['nginx', 1.5]], by: 'datagrams', ...small },
  ],
};
const suites: Readonly<Record<string, Suite>> = {
  http1,
  l4: layer4,
  tls: {
    what: 'TLS 1.3 (TLS_AES_128_GCM_SHA256, X25519, ECDSA P-256) with clients, none with the backend.',
    secure: true,
    routes: ['one'],
    workloads: [
      {
        name: 'small GET over HTTPS',
        bars: [
          ['haproxy', 1.8],
          ['envoy', 0.7],
        ],
        ...small,
      },
      { name: 'small GET over HTTP/2', bars: [['envoy', 1]], by: 'streams', ...small },
      { name: 'handshake and GET', bars: [['envoy', 1.4]], by: 'handshakes', ...small },
    ],
  },
};
/** Connections of one burst of handshakes. */
const handshakesAtOnce = 500;
/** Of HTTP/2. */
const h2Connections = 16;
const hosts: Readonly<Record<Routes, number>> = { one: 0, many: 1000 };

const usage = `npm run bench -- [options]
  --smoke            seconds: one workload, two bursts; shows that it runs and that every contender answers
  --bursts N         bursts of each contender and workload (default 9)
  --suite NAME       ${Object.keys(suites).join(' or ')} (default http1)
  --only A,B         these contenders: ${contenders.map(({ name }) => name).join(', ')}
  --workload TEXT    workloads whose name contains TEXT: ${Object.values(suites)
    .flatMap(({ workloads }) => workloads.map(({ name }) => name))
    .join(', ')}
  --routes one|many  one route only, or 1000 hosts × 5 routes only (default both; with TLS one)
  --warm N           requests before the first burst that counts, of each contender (default 50000)
  --connections N    of the generator (default 64)
  --rate N           requests a second for the latencies; 0 leaves them out (default 2000)
  --write            keeps the table in bench/results, under the name of the suite
`;

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    smoke: { type: 'boolean', default: false },
    bursts: { type: 'string', default: '9' },
    suite: { type: 'string', default: 'http1' },
    only: { type: 'string', default: '' },
    workload: { type: 'string', default: '' },
    routes: { type: 'string', default: '' },
    warm: { type: 'string', default: '50000' },
    connections: { type: 'string', default: '64' },
    rate: { type: 'string', default: '2000' },
    write: { type: 'boolean', default: false },
  },
});
const suite = suites[values.suite] ?? http1;
const settings = {
  bursts: values.smoke ? 2 : Number(values.bursts),
  warm: values.smoke ? 1 : Number(values.warm),
  connections: Number(values.connections),
  rate: values.smoke ? 0 : Number(values.rate),
};

const proxyCore = 0;
const loadCore = cpus().length > 1 ? 1 : 0;
const folder = mkdtempSync(join(tmpdir(), 'portolan-bench-'));
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.on(signal, () => void finish(code));
}

if (values.help) {
  process.stdout.write(usage);
  await finish(0);
}
if (suites[values.suite] === undefined) {
  process.stderr.write(`there is no suite ${values.suite}: ${Object.keys(suites).join(', ')}\n`);
  await finish(1);
}
const missing = ['taskset', 'nginx', 'wrk', ...(suite.secure ? ['h2load'] : [])].filter(
  (program) => !installed(program),
);
if (missing.length > 0) {
  process.stderr.write(`nothing was measured: ${missing.join(', ')} not installed (backend, generator, pinning)\n`);
  await finish(values.smoke ? 0 : 1);
}
try {
  await finish(await bench());
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  await finish(1);
}

/** @returns the exit code */
async function bench(): Promise<number> {
  const present = contenders.filter(
    (each) => (values.only === '' || values.only.split(',').includes(each.name)) && isPresent(each),
  );
  const lanes = await startAll(present);
  const samples: Sample[] = [];
  for (const workload of suite.workloads
    .filter((each) => each.name.includes(values.workload))
    .slice(0, values.smoke ? 1 : undefined)) {
    say(`${workload.name}: ${settings.bursts} bursts of each`);
    samples.push(...(await measure(workload, lanes)));
  }
  const latencies = await measureLatencies(lanes.filter(({ routes }) => routes === 'one'));
  const text = table(samples, latencies, {
    what: suite.what,
    bars: Object.fromEntries(suite.workloads.map(({ name, bars }) => [name, bars])),
    cores: cpus().length,
    kernel: release().split('-')[0] ?? '',
    connections: settings.connections,
    common,
    contenders: contenders.map((each) => `${each.name} ${each.version() ?? '(not installed)'}: ${each.features}`),
    routes: { one: '1 route', many: `${hosts.many} hosts × 5 routes` },
    rate: settings.rate,
  });
  process.stdout.write(`${text}\n`);
  if (values.write) keep(text);
  const failed = samples.filter((sample) => sample.errors > 0);
  for (const { contender, workload, errors } of failed) say(`${contender}: ${errors} failed requests in ${workload}`);
  const silent = present.filter(
    ({ name }) => !samples.some(({ contender, perSecond }) => contender === name && perSecond > 0),
  );
  for (const { name } of silent) say(`${name} answered nothing`);
  return samples.length === 0 || failed.length > 0 || silent.length > 0 ? 1 : 0;
}

/** One proxy with one set of routes. */
interface Lane {
  readonly proxy: Running;
  readonly routes: Routes;
  readonly port: number;
}

async function startAll(present: readonly Contender[]): Promise<readonly Lane[]> {
  const pair = suite.secure ? await keyPair() : undefined;
  const sets = suite.routes.filter((each) => values.routes === '' || values.routes === each);
  const ports = [...(await freePorts(1 + present.length * sets.length * 2))];
  const backendPort = ports.pop() as number;
  const log = join(folder, 'backend-error.log');
  await start('backend', ['nginx', '-c', backendConfig(folder, backendPort), '-e', log], {
    core: loadCore,
    port: backendPort,
    folder,
  });
  if (suite.layer4 === true) {
    const { echo } = datagramPrograms(folder);
    await start('echo', [process.execPath, echo, String(backendPort)], { core: loadCore, port: 0, folder });
  }
  const lanes: Lane[] = [];
  for (const contender of present) {
    for (const routes of sets) {
      const [port = 0, adminPort = 0] = ports.splice(0, 2);
      const own = join(folder, `${contender.name}-${routes}`);
      mkdirSync(own);
      const setup = { folder: own, port, adminPort, backendPort, hosts: hosts[routes], streams: suite.layer4 === true };
      const command = contender.command(pair === undefined ? setup : { ...setup, tls: pair });
      const options = { core: proxyCore, port, folder: own, secure: suite.secure };
      lanes.push({ proxy: await start(contender.name, command, options), routes, port });
    }
  }
  return lanes;
}

async function measure(workload: Workload, lanes: readonly Lane[]): Promise<readonly Sample[]> {
  const run = runnerOf(workload);
  // Compilers, pools and caches are warm when it begins: what counts is the proxy that has been running for a while.
  for (const { routes, port, proxy } of lanes) {
    if (workload.by === 'datagrams' && proxy.name === 'haproxy') continue;
    let sent = 0;
    for (let bursts = 0; bursts < 15 && sent < settings.warm; bursts++)
      sent += (await run(routes, port, settings.warm > 1 ? 2 : 1)).requests;
  }
  const samples: Sample[] = [];
  for (let round = 0; round < settings.bursts; round++) {
    // Each round begins with another, so that nobody always follows the same.
    const first = round % lanes.length;
    for (const { proxy, routes, port } of [...lanes.slice(first), ...lanes.slice(0, first)]) {
      // It knows no datagrams but those of QUIC and logs.
      if (workload.by === 'datagrams' && proxy.name === 'haproxy') continue;
      const before = cpuOf(proxy.pid);
      const { requests, errors, perSecond } = await run(routes, port, 1);
      const after = cpuOf(proxy.pid);
      samples.push({
        workload: workload.name,
        routes,
        contender: proxy.name,
        round,
        user: ((after.user - before.user) / requests) * 1000,
        system: ((after.system - before.system) / requests) * 1000,
        perSecond,
        errors,
        memory: memoryOf(proxy.pid),
      });
    }
  }
  // As they were started, not as the rounds began.
  return samples.toSorted(
    (a, b) =>
      lanes.findIndex(({ proxy }) => proxy.name === a.contender) -
      lanes.findIndex(({ proxy }) => proxy.name === b.contender),
  );
}

function runnerOf(workload: Workload): (routes: Routes, port: number, seconds: number) => Promise<Burst> {
  const options = {
    connections: settings.connections,
    core: loadCore,
    ...(suite.secure ? { tls: tlsClientConfig(folder) } : {}),
  };
  if (workload.by === 'streams')
    return (_routes, port, seconds) => streams(port, { ...options, connections: h2Connections, seconds });
  if (workload.by === 'handshakes')
    return (_routes, port, seconds) => handshakes(port, { ...options, seconds, count: handshakesAtOnce * seconds });
  if (workload.by === 'datagrams') {
    const { clients } = datagramPrograms(folder);
    return (_routes, port, seconds) => datagrams(clients, port, { ...options, seconds });
  }
  const programs = {
    one: loadProgram(folder, { ...workload, hosts: hosts.one }),
    many: loadProgram(folder, { ...workload, hosts: hosts.many }),
  };
  return (routes, port, seconds) => burst(programs[routes], port, { ...options, seconds });
}

/** A certificate of its own making, of the usual kind of key. */
async function keyPair(): Promise<Pair> {
  const { certificate, privateKey } = await certificateFor('bench', [hostName(0)]);
  const pair = {
    certificate: join(folder, 'tls.crt'),
    key: join(folder, 'tls.key'),
    both: join(folder, 'tls.pem'),
  };
  writeFileSync(pair.certificate, certificate);
  writeFileSync(pair.key, privateKey);
  writeFileSync(pair.both, `${certificate}\n${privateKey}`);
  return pair;
}

async function measureLatencies(lanes: readonly Lane[]): Promise<readonly LatencySample[]> {
  if (settings.rate === 0 || suite.secure || suite.layer4 === true) return [];
  if (!installed('h2load')) {
    say('h2load is not installed: no latencies');
    return [];
  }
  say(`latencies at ${settings.rate} requests a second`);
  const samples: LatencySample[] = [];
  const options = { seconds: 2, connections: 32, core: loadCore, folder };
  for (let round = 0; round < 5; round++)
    for (const { proxy, port } of lanes)
      samples.push({ contender: proxy.name, ...(await paced(port, settings.rate, options)) });
  return samples;
}

function keep(text: string): void {
  const results = join(import.meta.dirname, 'results');
  mkdirSync(results, { recursive: true });
  writeFileSync(join(results, `${values.suite}.txt`), `${text}\n`);
}

function isPresent(contender: Contender): boolean {
  const present =
    contender.version() !== undefined && (suite.layer4 !== true || contender.name !== 'nginx' || hasNginxStreams());
  if (!present) say(`${contender.name} is not installed and is left out`);
  return present;
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

async function finish(code: number): Promise<never> {
  await stopAll();
  rmSync(folder, { recursive: true, force: true });
  process.exit(code);
}
