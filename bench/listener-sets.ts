// How long the pipeline takes for one Gateway with thousands of ListenerSets: the first settle, then one listener, one route and one
// whole set changed among them. Run: node bench/listener-sets.ts [--sets N] [--routes N] [--changes N]
import { parseArgs } from 'node:util';
import type { KubeObject } from '../src/api/objects.ts';
import { Pipeline } from '../src/pipeline/pipeline.ts';

const { values } = parseArgs({
  options: {
    sets: { type: 'string', default: '2500' },
    routes: { type: 'string', default: '40000' },
    changes: { type: 'string', default: '50' },
  },
});
const sets = Number(values.sets);
const routes = Number(values.routes);
const changes = Number(values.changes);
const group = 'gateway.networking.k8s.io';

const pipeline = new Pipeline({
  channel: 'standard',
  controllerName: 'portolan.dev/gateway-controller',
  classes: 'any',
  presume: true,
  engine: 'embedded',
  awaitEngine: false,
});
const began = performance.now();
pipeline.apply({
  apiVersion: `${group}/v1`,
  kind: 'Gateway',
  metadata: { name: 'gw', namespace: 'default' },
  spec: {
    gatewayClassName: 'portolan',
    allowedListeners: { namespaces: { from: 'All' } },
    listeners: [{ name: 'http', port: 80, protocol: 'HTTP', hostname: 'own.example.com' }],
  },
});
pipeline.apply({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'app', namespace: 'default' },
  spec: { ports: [{ port: 80 }] },
});
for (let i = 0; i < sets; i++) pipeline.apply(setOf(i, 0));
for (let i = 0; i < routes; i++) pipeline.apply(routeOf(i, 0));
const checked = performance.now();
pipeline.settle();
const settled = performance.now();
const attached = pipeline.tables.attached.get('default/gw/default/set-0/http')?.length ?? 0;
if (attached === 0) throw new Error('no route is attached');
const heap = process.memoryUsage().heapUsed / 1_048_576;
console.log(
  `${sets} ListenerSets, ${routes} routes: checked in ${(checked - began).toFixed(0)} ms, settled in ` +
    `${(settled - checked).toFixed(0)} ms, heap ${heap.toFixed(0)} MB`,
);
time('one route changed', (i) => routeOf((i * 7919) % routes, i));
time('one listener changed', (i) => setOf((i * 7919) % sets, i));

function time(what: string, next: (i: number) => KubeObject): void {
  const times: number[] = [];
  for (let i = 1; i <= changes; i++) {
    const object = next(i);
    const start = performance.now();
    pipeline.apply(object);
    pipeline.settle();
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  const at = (share: number): string => (times[Math.floor((times.length - 1) * share)] ?? 0).toFixed(2);
  console.log(`${what}: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`);
}

function setOf(i: number, version: number): KubeObject {
  return {
    apiVersion: `${group}/v1`,
    kind: 'ListenerSet',
    metadata: { name: `set-${i}`, namespace: 'default', generation: version + 1 },
    spec: {
      parentRef: { name: 'gw' },
      listeners: [{ name: 'http', port: 80, protocol: 'HTTP', hostname: `host-${i}-${version}.example.com` }],
    },
  };
}

function routeOf(i: number, version: number): KubeObject {
  return {
    apiVersion: `${group}/v1`,
    kind: 'HTTPRoute',
    metadata: { name: `route-${i}`, namespace: 'default', generation: version + 1 },
    spec: {
      parentRefs: [{ kind: 'ListenerSet', name: `set-${i % sets}` }],
      rules: [{ matches: [{ path: { value: `/app-${i}-${version}` } }], backendRefs: [{ name: 'app', port: 80 }] }],
    },
  };
}
