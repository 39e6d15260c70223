// One route changed among many, with the Envoy engine: what translating and encoding costs us, what travels, what Envoy's main thread
// spends on it and how long it takes until the change is acknowledged. And a configuration of all routes from nothing.
// Usage: node bench/envoy-change.ts [--routes 100,1000,10000] [--changes N] [--envoy PATH]
import { readdirSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { KubeObject } from '../src/api/objects.ts';
import { startEnvoyEngine } from '../src/engines/envoy/engine.ts';
import { defaultLimits } from '../src/engines/envoy/limits.ts';
import { Translation } from '../src/engines/envoy/translation.ts';
import type { ScopedChanges } from '../src/engines/envoy/batch.ts';
import { Pipeline } from '../src/pipeline/pipeline.ts';
import { freePorts } from './http/measure.ts';
import { quantile } from './http/table.ts';

const { values } = parseArgs({
  options: {
    routes: { type: 'string', default: '100,1000,10000' },
    changes: { type: 'string', default: '100' },
    envoy: { type: 'string' },
  },
});

process.stdout.write(
  'routes  shape       snapshot ms  KiB     per change: translate ms  bytes    Envoy main thread ms  acknowledged p50  p99 ms\n',
);
for (const count of values.routes.split(',').map(Number)) {
  for (const shape of ['many hosts', 'one host'] as const) await measure(count, shape);
}

async function measure(count: number, shape: 'many hosts' | 'one host'): Promise<void> {
  const pipeline = await filled(count, shape);
  const whole = pipeline.snapshot();
  const apart = new Translation({
    limits: defaultLimits,
    trustedHops: 0,
    requestIds: true,
    sharesPorts: false,
    accessLog: '',
    systemTrust: '',
  });
  const began = process.cpuUsage();
  const first = apart.apply(whole);
  const { user, system } = process.cpuUsage(began);
  const snapshot = (user + system) / 1000;

  const engine = await startEnvoyEngine(values.envoy === undefined ? {} : { envoy: values.envoy });
  await engine.apply(whole);
  const thread = mainThreadOfEnvoy();
  const before = cpuOf(thread);
  const translated: number[] = [];
  const acknowledged: number[] = [];
  let bytes = 0;
  for (let version = 1; version <= Number(values.changes); version++) {
    pipeline.apply(routeOf((version * 7919) % count, shape, version));
    const { update } = pipeline.settle();
    const from = performance.now();
    const changes = apart.apply(update);
    translated.push(performance.now() - from);
    bytes += sizeOf(changes);
    const sent = performance.now();
    await engine.apply(update);
    acknowledged.push(performance.now() - sent);
  }
  const spent = (cpuOf(thread) - before) / Number(values.changes);
  await engine.close();
  const columns = [
    String(count).padEnd(6),
    shape.padEnd(10),
    snapshot.toFixed(0).padStart(11),
    (sizeOf(first) / 1024).toFixed(0).padStart(8),
    quantile(translated, 0.5).toFixed(3).padStart(21),
    (bytes / Number(values.changes)).toFixed(0).padStart(12),
    spent.toFixed(2).padStart(16),
    quantile(acknowledged, 0.5).toFixed(1).padStart(18),
    quantile(acknowledged, 0.99).toFixed(1).padStart(8),
  ];
  process.stdout.write(`${columns.join('  ')}\n`);
}

async function filled(count: number, shape: 'many hosts' | 'one host'): Promise<Pipeline> {
  const pipeline = new Pipeline({
    channel: 'standard',
    controllerName: 'portolan.dev/gateway-controller',
    classes: 'any',
    presume: true,
    engine: 'embedded',
    awaitEngine: false,
  });
  const [port = 0] = await freePorts(1);
  pipeline.apply({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { name: 'gateway', namespace: 'default' },
    spec: { gatewayClassName: 'portolan', listeners: [{ name: 'http', port: 80, protocol: 'HTTP' }] },
  });
  for (let at = 0; at < 100; at++) {
    pipeline.apply({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: `service-${at}`, namespace: 'default' },
      spec: { ports: [{ port: 80, targetPort: 8080 }] },
    });
  }
  for (let at = 0; at < count; at++) pipeline.apply(routeOf(at, shape, 0));
  pipeline.settle();
  pipeline.place([...pipeline.tables.binds.keys()].map((bind) => ({ bind, address: '127.0.0.1', port })));
  pipeline.settle();
  return pipeline;
}

function routeOf(at: number, shape: 'many hosts' | 'one host', version: number): KubeObject {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: `route-${at}`, namespace: 'default' },
    spec: {
      parentRefs: [{ name: 'gateway' }],
      hostnames: [shape === 'many hosts' ? `host-${at}.example.com` : 'example.com'],
      rules: [
        {
          matches: [{ path: { type: 'PathPrefix', value: `/path-${at}/v${version}` } }],
          backendRefs: [{ name: `service-${at % 100}`, port: 80 }],
        },
      ],
    },
  };
}

function sizeOf(changes: ScopedChanges): number {
  let size = 0;
  for (const list of changes.values()) {
    for (const { set, remove } of list) {
      for (const { bytes } of set) size += bytes.length;
      for (const name of remove) size += name.length;
    }
  }
  return size;
}

/** Of the one Envoy that descends from this process: its first thread does all that is not traffic. */
function mainThreadOfEnvoy(): string {
  const parents = new Map<string, string>();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const [, parent = ''] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (/\((envoy|main)/.test(stat) || stat.includes('(python')) parents.set(pid, parent);
    } catch {
      // It has ended.
    }
  }
  for (const pid of parents.keys()) {
    if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('bootstrap.json')) continue;
    let ancestor: string | undefined = parents.get(pid);
    while (ancestor !== undefined && ancestor !== String(process.pid)) ancestor = parents.get(ancestor);
    if (ancestor !== undefined && !readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('python'))
      return `/proc/${pid}/task/${pid}`;
  }
  throw new Error('no Envoy found among the processes that were started here');
}

/** Milliseconds on a processor. */
function cpuOf(task: string): number {
  return Number(readFileSync(`${task}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
}
