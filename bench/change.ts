// One route changed among 10,000, on 10,000 hosts and on one: time from handing the object to the pipeline until the worker of
// the engine has it in force (checking, computing, sending, applying). Usage: node bench/change.ts [--routes N] [--changes N]
import { parseArgs } from 'node:util';
import type { KubeObject } from '../src/api/objects.ts';
import { startEngine } from '../src/engines/embedded/engine.ts';
import { Pipeline } from '../src/pipeline/pipeline.ts';
import { freePorts } from './http/measure.ts';
import { quantile } from './http/table.ts';

const { values } = parseArgs({
  options: { routes: { type: 'string', default: '10000' }, changes: { type: 'string', default: '500' } },
});
const routes = Number(values.routes);
const bars = { p50: 0.5, p99: 10 };
let met = true;

for (const shape of ['many hosts', 'one host'] as const) await measure(shape);
process.exit(met ? 0 : 1);

async function measure(shape: 'many hosts' | 'one host'): Promise<void> {
  const pipeline = new Pipeline({
    channel: 'standard',
    controllerName: 'portolan.dev/gateway-controller',
    classes: 'any',
    presume: true,
    engine: 'embedded',
    awaitEngine: false,
  });
  const engine = startEngine({});
  for (const object of base()) pipeline.apply(object);
  for (let at = 0; at < routes; at++) pipeline.apply(routeOf(at, shape, 0));
  const [port = 0] = await freePorts(1);
  pipeline.settle();
  pipeline.place([...pipeline.tables.binds.keys()].map((bind) => ({ bind, address: '127.0.0.1', port })));
  pipeline.settle();
  await engine.apply(pipeline.snapshot());

  const computed: number[] = [];
  const inForce: number[] = [];
  for (let version = 1; version <= Number(values.changes); version++) {
    const object = routeOf((version * 7919) % routes, shape, version);
    const began = performance.now();
    pipeline.apply(object);
    const { update } = pipeline.settle();
    computed.push(performance.now() - began);
    await engine.apply(update);
    inForce.push(performance.now() - began);
    if (update.virtualHosts?.length !== 1) throw new Error('the change did not reach its virtual host');
  }
  await engine.close();
  const [p50, p99] = [quantile(inForce, 0.5), quantile(inForce, 0.99)];
  met &&= p50 <= bars.p50 && p99 <= bars.p99;
  process.stdout.write(
    `${shape}, ${routes} routes, ${inForce.length} changes: in force p50 ${p50.toFixed(3)} ms (bar ${bars.p50} ${verdict(p50 <= bars.p50)}), ` +
      `p99 ${p99.toFixed(3)} ms (bar ${bars.p99} ${verdict(p99 <= bars.p99)}); ` +
      `of which computed p50 ${quantile(computed, 0.5).toFixed(3)} ms, p99 ${quantile(computed, 0.99).toFixed(3)} ms\n`,
  );
}

function verdict(within: boolean): string {
  return within ? 'met' : 'MISSED';
}

function base(): readonly KubeObject[] {
  return [
    {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'Gateway',
      metadata: { name: 'gateway', namespace: 'default' },
      spec: { gatewayClassName: 'portolan', listeners: [{ name: 'http', port: 80, protocol: 'HTTP' }] },
    },
    ...Array.from({ length: 100 }, (_, at) => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: `service-${at}`, namespace: 'default' },
      spec: { ports: [{ port: 80, targetPort: 8080 }] },
    })),
  ];
}

function routeOf(at: number, shape: 'many hosts' | 'one host', version: number): KubeObject {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: `route-${at}`, namespace: 'default', generation: version + 1 },
    spec: {
      parentRefs: [{ name: 'gateway' }],
      hostnames: [shape === 'one host' ? 'app.example.com' : `host-${at}.example.com`],
      rules: [
        {
          matches: [{ path: { type: 'PathPrefix', value: `/api/${at}/v${version}` } }],
          backendRefs: [{ name: `service-${at % 100}`, port: 80 }],
        },
      ],
    },
  };
}
