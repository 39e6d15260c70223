// The measures, each of which answers with the lines to print.
import http from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { collectionOf, gatewayObject, routeObject, until } from './cluster.ts';
import { startLoad, type LoadResult } from './load.ts';
import { hostnameOf, namespace, shown, type Bench, type Way } from './setup.ts';
import { nowMs, startWatcher } from './watcher.ts';

/** At most; milliseconds over the watcher, and MiB. Undefined: only told. */
export interface Bars {
  readonly idleP50: number;
  readonly idleP99?: number;
  readonly addingP99?: number;
  readonly controller: number;
  /** Of a data plane that is a process of its own. */
  readonly plane?: number;
}

export function barsOf({ mode, engine }: Way): Bars {
  if (engine === 'envoy') return { idleP50: 40, controller: 300 };
  const bars = { idleP50: 5, idleP99: 30, addingP99: 100, controller: 250 };
  return mode === 'provisioned' ? { ...bars, plane: 200 } : bars;
}

/** Of all processes, with so many routes. */
export function memory(bench: Bench, routes: number, bars: Bars): string {
  const own = bench.judge(
    `memory of the controller at ${routes} routes: `,
    bench.controller.memory(),
    bars.controller,
    'MiB',
  );
  return [`CPU of the controller so far: ${shown(bench.controller.cpu())} s`, own, ...planes(bench, bars)].join('\n');
}

function planes(bench: Bench, { plane }: Bars): readonly string[] {
  return bench.planes().map(({ name, memory: mib }) => {
    const text = `  memory of a data plane (${name}): `;
    return plane === undefined ? `${text}${shown(mib)} MiB` : bench.judge(text, mib, plane, 'MiB');
  });
}

/** Routes created on one Gateway: from the last until the Gateway tells their number and each is told to be accepted. */
export async function attachedRoutes(bench: Bench, count: number): Promise<string> {
  const accepted = new Set<string>();
  let told = 0;
  let writes = 0;
  let settled = 0;
  const done = (): void => {
    if (settled === 0 && told === count && accepted.size === count) settled = nowMs();
  };
  const route = routeObject({ namespace, name: 'x', gateway: 'attached', hostname: 'x' });
  const stopRoutes = await startWatcher(collectionOf(route), ({ name, accepted: is }) => {
    if (is) accepted.add(name);
    done();
  });
  const stopGateways = await startWatcher(collectionOf(gatewayObject(namespace, 'attached')), (event) => {
    if (event.name !== 'attached') return;
    writes++;
    told = event.attached;
    done();
  });
  const began = nowMs();
  await bench.addRoutes('attached', 'attached', count);
  const last = nowMs();
  await until(`${count} attached routes`, 120, async () => settled > 0);
  await bench.quiet();
  await Promise.all([stopRoutes(), stopGateways()]);
  return [
    `attached routes: ${count} created in ${shown((last - began) / 1000)} s`,
    bench.judge('  settled after the last was created: ', Math.max(0, settled - last) / 1000, 2, 's'),
    bench.judge('  writes of the Gateway: ', writes, 30, 'writes'),
  ].join('\n');
}

/** Routes added under load on other routes of the same Gateway. */
export async function routeScale(bench: Bench, count: number): Promise<string> {
  await bench.addRoutes('scale', 'loaded', 20);
  const address = bench.addresses.get('scale') ?? '';
  for (let n = 0; n < 20; n++) await serves(address, hostnameOf(`loaded-${n}`), 200);
  const load = startLoad(loadOn(address, 20, 'loaded'));
  await pause(500);
  const began = nowMs();
  await bench.addRoutes('scale', 'scale', count);
  const seconds = (nowMs() - began) / 1000;
  await serves(address, hostnameOf(`scale-${count - 1}`), 200);
  const result = await load.stop();
  return [
    `route scale: ${count} routes added under load in ${shown(seconds)} s (${shown(count / seconds)} a second)`,
    loadLine(bench, result),
  ].join('\n');
}

/** Routes whose backend is changed under load on just these routes. */
export async function routeChange(bench: Bench, count: number): Promise<string> {
  const address = bench.addresses.get('scale') ?? '';
  const load = startLoad(loadOn(address, 20, 'loaded'));
  const began = nowMs();
  for (let n = 0; n < count; n++) {
    const name = `loaded-${n % 20}`;
    const backend = n % 40 < 20 ? 'echo-2' : 'echo';
    const parts = { namespace, name, gateway: 'scale', hostname: hostnameOf(name), backend };
    await bench.cluster.patch(routeObject(parts), {
      spec: {
        rules: [
          {
            filters: [
              { type: 'ResponseHeaderModifier', responseHeaderModifier: { set: [{ name: 'x-n', value: `${n}` }] } },
            ],
            backendRefs: [{ name: backend, port: 80 }],
          },
        ],
      },
    });
    await pause(10);
  }
  const seconds = (nowMs() - began) / 1000;
  const last = hostnameOf(`loaded-${(count - 1) % 20}`);
  await until('the last change serves', 10, async () => (await get(address, last)).n === `${count - 1}`);
  const result = await load.stop();
  return [`route change: ${count} changes under load in ${shown(seconds)} s`, loadLine(bench, result)].join('\n');
}

export async function probeIdle(bench: Bench, count: number, bars: Bars): Promise<string> {
  await bench.quiet();
  const probes = await probe(bench, 'idle', count);
  await bench.quiet();
  return [
    `route probe, idle, ${bench.routes.length} routes standing: ${count} routes, from the request that creates one`,
    percentiles(probes),
    judged(bench, '  p50 over the watcher: ', over(probes, 0.5), bars.idleP50),
    judged(bench, '  p99 over the watcher: ', over(probes, 0.99), bars.idleP99),
  ].join('\n');
}

export async function probeWhileAdding(bench: Bench, count: number, bars: Bars): Promise<string> {
  const enough = new AbortController();
  let added = 0;
  const began = nowMs();
  const background = (async () => {
    for (; !enough.signal.aborted; added += 20) await bench.addRoutes('scale', `busy-${added}`, 20, 4);
  })();
  const probes = await probe(bench, 'adding', count);
  enough.abort();
  await background;
  const rate = added / ((nowMs() - began) / 1000);
  const lines = [
    `route probe, while ${added} routes are added (${shown(rate)} a second): ${count} routes`,
    percentiles(probes),
    judged(bench, '  p99 over the watcher: ', over(probes, 0.99), bars.addingP99),
  ];
  await bench.removeRoutes('busy');
  return lines.join('\n');
}

/** Routes come and go: memory of the controller after each round, at rest. */
export async function churn(bench: Bench, minutes: number, bars: Bars): Promise<string> {
  const end = nowMs() + minutes * 60_000;
  const told: number[] = [];
  let changed = 0;
  do {
    await bench.addRoutes('scale', 'churn', 500);
    await bench.removeRoutes('churn');
    changed += 1000;
    await bench.quiet();
    told.push(bench.controller.memory());
  } while (nowMs() < end);
  const list = told.filter((_, n) => n % Math.ceil(told.length / 12) === 0).map((mib) => mib.toFixed(0));
  const quarter = Math.trunc(told.length / 4);
  const mean = (from: number): string =>
    shown(told.slice(from, from + quarter).reduce((sum, mib) => sum + mib, 0) / quarter);
  const quarters = Array.from({ length: quarter === 0 ? 0 : 4 }, (_, n) => mean(told.length - (4 - n) * quarter));
  return [
    `churn: ${changed} routes created or deleted; memory of the controller after each round of 1,000: ${list.join(' ')} MiB`,
    ...(quarters.length === 0 ? [] : [`  mean of each quarter of the rounds: ${quarters.join(' ')} MiB`]),
    bench.judge('  memory at the end: ', told.at(-1) ?? 0, bars.controller, 'MiB'),
    ...planes(bench, bars),
  ].join('\n');
}

/** @param most milliseconds; undefined: there is no bar */
function judged(bench: Bench, text: string, value: number, most: number | undefined): string {
  return most === undefined ? `${text}${shown(value)} ms` : bench.judge(text, value, most, 'ms');
}

interface Probed {
  /** Milliseconds from the request that created the route. */
  readonly watched: number;
  readonly served: number;
}

/** One after the other: a route is created, and asked for until it answers. */
async function probe(bench: Bench, prefix: string, count: number): Promise<Probed[]> {
  const address = bench.addresses.get('probe') ?? '';
  const seen = new Map<string, number>();
  const parts = (n: number): Parameters<typeof routeObject>[0] => {
    const name = `probe-${prefix}-${n}`;
    return { namespace, name, gateway: 'probe', hostname: hostnameOf(name) };
  };
  const stop = await startWatcher(collectionOf(routeObject(parts(0))), ({ name, type, at }) => {
    if (type === 'ADDED') seen.set(name, at);
  });
  const probed: Probed[] = [];
  for (let n = 0; n < count; n++) {
    const route = routeObject(parts(n));
    const began = nowMs();
    const created = bench.cluster.create(route);
    const served = await serves(address, hostnameOf(route.metadata.name), 200);
    await created;
    const { name } = route.metadata;
    const watched = await until(`the watcher is told of ${name}`, 10, async () => seen.get(name));
    probed.push({ watched: watched - began, served: served - began });
    // Its status is written meanwhile.
    await pause(30);
  }
  await stop();
  await bench.cluster.each(
    Array.from({ length: count }, (_, n) => n),
    4,
    (n) => bench.cluster.delete(routeObject(parts(n))),
  );
  return probed;
}

function over(probes: readonly Probed[], share: number): number {
  return (
    at(
      probes.map(({ served }) => served),
      share,
    ) -
    at(
      probes.map(({ watched }) => watched),
      share,
    )
  );
}

function at(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.trunc(sorted.length * share))] ?? 0;
}

function percentiles(probes: readonly Probed[]): string {
  const line = (what: string, values: readonly number[]): string =>
    `  ${what}: p50 ${shown(at(values, 0.5))} ms, p99 ${shown(at(values, 0.99))} ms, longest ${shown(at(values, 1))} ms`;
  return [
    line(
      'watcher',
      probes.map(({ watched }) => watched),
    ),
    line(
      'served ',
      probes.map(({ served }) => served),
    ),
    line(
      'each over what the watcher was told of it',
      probes.map(({ watched, served }) => served - watched),
    ),
  ].join('\n');
}

function loadOn(address: string, count: number, prefix: string): Parameters<typeof startLoad>[0] {
  const hostnames = Array.from({ length: count }, (_, n) => hostnameOf(`${prefix}-${n}`));
  return { address, port: 80, hostnames, rate: 400, fresh: 5 };
}

function loadLine(bench: Bench, { requests, failed, failures, p50, p99, longest }: LoadResult): string {
  const why = failed === 0 ? '' : `  ${JSON.stringify(failures)}`;
  const times = `p50 ${shown(p50)} ms, p99 ${shown(p99)} ms, longest ${shown(longest)} ms`;
  return (
    bench.judge(`  ${requests} requests, one of five on a new connection, ${times}; failed: `, failed, 0, 'requests') +
    why
  );
}

const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });

/** The time at which it answered so for the first time; asked for again and again, with a pause that costs no precision. */
async function serves(address: string, hostname: string, status: number): Promise<number> {
  const end = nowMs() + 30_000;
  for (;;) {
    const answer = await get(address, hostname);
    if (answer.status === status) return nowMs();
    if (nowMs() > end) throw new Error(`${hostname} at ${address} answers ${answer.status}, not ${status}`);
    await pause(1);
  }
}

function get(address: string, hostname: string): Promise<{ readonly status: number; readonly n: string }> {
  return new Promise((resolve, reject) => {
    const request = http.get(
      { host: address, port: 80, agent, headers: { host: hostname }, timeout: 5000 },
      (response) => {
        response.resume();
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, n: String(response.headers['x-n'] ?? '') }),
        );
      },
    );
    request.on('timeout', () => request.destroy(new Error('timeout')));
    request.on('error', reject);
  });
}
