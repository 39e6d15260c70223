// Samples of paired bursts -> the table that is kept: medians with quartiles, the ratios to the peers within each round, and
// whether they stay within the bars.

export type Routes = 'one' | 'many';

export interface Sample {
  readonly workload: string;
  readonly routes: Routes;
  readonly contender: string;
  readonly round: number;
  /** CPU milliseconds per 1,000 requests. */
  readonly user: number;
  readonly system: number;
  readonly perSecond: number;
  readonly errors: number;
  /** MiB. */
  readonly memory: number;
}

export interface LatencySample {
  readonly contender: string;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

export interface Surroundings {
  /** What was sent, in a few words. */
  readonly what: string;
  /** By workload. */
  readonly bars: Readonly<Record<string, Bars>>;
  readonly cores: number;
  readonly kernel: string;
  readonly connections: number;
  readonly common: string;
  readonly contenders: readonly string[];
  readonly routes: Readonly<Record<Routes, string>>;
  /** Requests per second of the latencies. */
  readonly rate: number;
}

/** At most so many times the CPU of the peer, in the median of the rounds. */
export type Bars = readonly (readonly [peer: string, bar: number])[];

/** What many routes may cost more than one: at most this share above what they cost HAProxy. */
const slopeBar = 1.1;

export function table(
  samples: readonly Sample[],
  latencies: readonly LatencySample[],
  surroundings: Surroundings,
): string {
  const lines = [
    'CPU of the proxy process per request: milliseconds per 1,000 requests, user and system, all threads.',
    `${surroundings.what} Bursts rotate over all proxies; × is the median of the ratios within each round, [q1-q3].`,
    `${new Date().toISOString().slice(0, 10)}, ${surroundings.cores} cores, Linux ${surroundings.kernel}. Proxies on one core; generator (${surroundings.connections} connections) and backend (nginx) on the other.`,
    `All: ${surroundings.common}.`,
    ...surroundings.contenders.map((each) => `  ${each}`),
    '',
  ];
  for (const workload of new Set(samples.map((sample) => sample.workload))) {
    const ofWorkload = samples.filter((sample) => sample.workload === workload);
    for (const routes of ['one', 'many'] as const) {
      const own = ofWorkload.filter((sample) => sample.routes === routes);
      if (own.length > 0) {
        const bars = surroundings.bars[workload] ?? [];
        lines.push(...block(`${workload}, ${surroundings.routes[routes]}`, own, bars), '');
      }
    }
    lines.push(...slopes(ofWorkload));
  }
  lines.push(...latencyBlock(latencies, surroundings));
  return lines.join('\n').trimEnd();
}

function block(title: string, samples: readonly Sample[], bars: Bars): readonly string[] {
  const lines = [
    title,
    row(['', 'n', 'q1', 'median', 'q3', 'user/system', '× haproxy', '× envoy', 'req/s', 'MiB']),
    ...names(samples).map((contender) => contenderRow(contender, samples)),
  ];
  for (const [peer, bar] of bars) {
    const found = quantile(ratios(peer, 'portolan', samples), 0.5);
    if (!Number.isNaN(found)) lines.push(verdict(`portolan ≤ ${bar} × ${peer}`, found, bar));
  }
  return lines;
}

function contenderRow(contender: string, samples: readonly Sample[]): string {
  const own = samples.filter((sample) => sample.contender === contender);
  const cpu = own.map(total);
  const median = (select: (sample: Sample) => number): number => quantile(own.map(select), 0.5);
  return row([
    contender,
    String(own.length),
    quantile(cpu, 0.25).toFixed(1),
    quantile(cpu, 0.5).toFixed(1),
    quantile(cpu, 0.75).toFixed(1),
    `${median((sample) => sample.user).toFixed(1)}/${median((sample) => sample.system).toFixed(1)}`,
    spread(ratios('haproxy', contender, samples)),
    spread(ratios('envoy', contender, samples)),
    median((sample) => sample.perSecond).toFixed(0),
    median((sample) => sample.memory).toFixed(0),
  ]);
}

/** What many routes cost against one, of the same proxy in the same round. */
function slopes(samples: readonly Sample[]): readonly string[] {
  const found = new Map(
    names(samples).map((contender) => {
      const own = samples.filter((sample) => sample.contender === contender);
      const one = new Map(own.filter(({ routes }) => routes === 'one').map((sample) => [sample.round, total(sample)]));
      const many = own.filter(({ routes, round }) => routes === 'many' && one.has(round));
      return [
        contender,
        quantile(
          many.map((sample) => total(sample) / (one.get(sample.round) as number)),
          0.5,
        ),
      ] as const;
    }),
  );
  if ([...found.values()].some(Number.isNaN)) return [];
  const lines = [
    `  many routes against one: ${[...found].map(([name, value]) => `${name} ${value.toFixed(2)}`).join(', ')}`,
  ];
  const [own, peer] = [found.get('portolan'), found.get('haproxy')];
  if (own !== undefined && peer !== undefined)
    lines.push(verdict(`slope of portolan ≤ ${slopeBar} × that of haproxy`, own / peer, slopeBar));
  return [...lines, ''];
}

function latencyBlock(latencies: readonly LatencySample[], { rate }: Surroundings): readonly string[] {
  if (latencies.length === 0) return [];
  const lines = [`latency of a small GET at ${rate} requests a second (medians of the bursts, milliseconds)`];
  for (const contender of new Set(latencies.map((each) => each.contender))) {
    const own = latencies.filter((each) => each.contender === contender);
    const median = (select: (sample: LatencySample) => number): string =>
      quantile(own.map(select), 0.5).toFixed(2).padStart(7);
    lines.push(
      `  ${contender.padEnd(10)} n ${own.length}  p50 ${median(({ p50 }) => p50)}  p99 ${median(({ p99 }) => p99)}`,
    );
  }
  return lines;
}

function names(samples: readonly Sample[]): readonly string[] {
  return [...new Set(samples.map((sample) => sample.contender))];
}

function ratios(peer: string, contender: string, samples: readonly Sample[]): readonly number[] {
  const peers = new Map(
    samples.filter((sample) => sample.contender === peer).map((sample) => [sample.round, total(sample)]),
  );
  return samples.flatMap((sample) => {
    const other = peers.get(sample.round);
    return sample.contender === contender && other !== undefined ? [total(sample) / other] : [];
  });
}

function total(sample: Sample): number {
  return sample.user + sample.system;
}

export function quantile(values: readonly number[], at: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const position = (sorted.length - 1) * at;
  const low = sorted[Math.floor(position)] ?? Number.NaN;
  const high = sorted[Math.ceil(position)] ?? Number.NaN;
  return low + (high - low) * (position - Math.floor(position));
}

function spread(values: readonly number[]): string {
  if (values.length === 0) return '-';
  const [q1, median, q3] = [0.25, 0.5, 0.75].map((at) => quantile(values, at).toFixed(2));
  return `${median} [${q1}-${q3}]`;
}

function verdict(what: string, found: number, bar: number): string {
  return `  ${what}: ${found.toFixed(2)} ${found <= bar ? 'met' : 'MISSED'}`;
}

function row(cells: readonly string[]): string {
  const widths = [10, 3, 7, 7, 7, 12, 17, 17, 7, 5];
  return `  ${cells.map((cell, at) => (at === 0 ? cell.padEnd(widths[0] as number) : cell.padStart(widths[at] as number))).join(' ')}`;
}
