// How long the pipeline takes from objects to an Update: the first settle of 10,000 routes, and one route changed among
// them, on 10,000 hosts and on one. Run: node bench/model.ts [--routes N] [--changes N]
import { parseArgs } from 'node:util';
import { baseObjects, changedRoute, emptyPipeline, routeObject, shapes, type Shape } from './many-routes.ts';

const { values } = parseArgs({
  options: { routes: { type: 'string', default: '10000' }, changes: { type: 'string', default: '500' } },
});
const routes = Number(values.routes);
const changes = Number(values.changes);

for (const shape of shapes) measure(shape);

function measure(shape: Shape): void {
  const pipeline = emptyPipeline();
  const checkBegan = performance.now();
  for (const object of baseObjects()) pipeline.apply(object);
  for (let i = 0; i < routes; i++) pipeline.apply(routeObject(i, shape, 0));
  const checked = performance.now() - checkBegan;
  const began = performance.now();
  const cpuBegan = process.threadCpuUsage();
  const { update } = pipeline.settle();
  const initial = performance.now() - began;
  const cpu = process.threadCpuUsage(cpuBegan);
  const entries = update.virtualHosts?.reduce((sum, host) => sum + host.inserted.length, 0);

  const times: number[] = [];
  for (let i = 0; i < changes; i++) {
    const object = changedRoute(i + 1, routes, shape);
    const start = performance.now();
    pipeline.apply(object);
    const settled = pipeline.settle();
    times.push(performance.now() - start);
    if (settled.update.virtualHosts?.length !== 1) throw new Error('the change did not reach its virtual host');
  }
  times.sort((a, b) => a - b);
  const at = (share: number): string => (times[Math.floor(times.length * share)] ?? 0).toFixed(3);
  console.log(
    `${shape}: ${routes} routes (${entries} entries) checked in ${checked.toFixed(0)} ms, settled in ${initial.toFixed(0)} ms ` +
      `(${((cpu.user + cpu.system) / 1000).toFixed(0)} ms of CPU); ` +
      `one route changed: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${(times.at(-1) ?? 0).toFixed(3)} ms; ` +
      `heap ${(process.memoryUsage().heapUsed / 1_048_576).toFixed(0)} MB`,
  );
}
