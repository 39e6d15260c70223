// One route changed among 10,000, on 10,000 hosts and on one: time from handing the object to the pipeline until the worker of
// the engine has it in force (checking, computing, sending, applying). Usage: node bench/change.ts [--routes N] [--changes N]
import { parseArgs } from 'node:util';
import { startEngine } from '../src/engines/embedded/engine.ts';
import { quantile } from './http/table.ts';
import { changedRoute, filledPipeline, shapes, type Shape } from './many-routes.ts';
import { freePorts } from '../test/free-port.ts';

const { values } = parseArgs({
  options: { routes: { type: 'string', default: '10000' }, changes: { type: 'string', default: '500' } },
});
const routes = Number(values.routes);
const bars = { p50: 0.5, p99: 10 };
let met = true;

for (const shape of shapes) await measure(shape);
process.exit(met ? 0 : 1);

async function measure(shape: Shape): Promise<void> {
  const [port = 0] = await freePorts(1);
  const pipeline = filledPipeline(routes, shape, port);
  const engine = startEngine({});
  await engine.apply(pipeline.snapshot());

  const computed: number[] = [];
  const inForce: number[] = [];
  for (let version = 1; version <= Number(values.changes); version++) {
    const object = changedRoute(version, routes, shape);
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
