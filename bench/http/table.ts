// Samples of paired bursts -> the table that is kept: medians with quartiles, and the ratio to the peers in the same round.

export interface Sample {
  readonly workload: string;
  readonly contender: string;
  readonly round: number;
  /** CPU milliseconds per 1,000 requests. */
  readonly user: number;
  readonly system: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly errors: number;
  /** MiB. */
  readonly memory: number;
}

export interface Surroundings {
  readonly node: string;
  readonly cores: number;
  readonly kernel: string;
  readonly contenders: readonly string[];
}

/** At most so many times the CPU of the peer, in the median of the rounds. */
const bars: readonly (readonly [peer: string, bar: number])[] = [
  ['haproxy', 1.5],
  ['envoy', 0.5],
];

export function table(samples: readonly Sample[], surroundings: Surroundings): string {
  const lines = [
    'HTTP/1.1 cleartext, keep-alive, CPU milliseconds of the proxy process per 1,000 requests (user + system, all threads).',
    `${new Date().toISOString().slice(0, 10)}, ${surroundings.cores} cores, Linux ${surroundings.kernel}; proxies on one core, generator and backend on the other.`,
    'All: X-Forwarded-For and -Proto added, keep-alive on both sides, access log off, 7 request headers.',
    ...surroundings.contenders.map((each) => `  ${each}`),
    '',
  ];
  for (const workload of new Set(samples.map((sample) => sample.workload))) {
    const own = samples.filter((sample) => sample.workload === workload);
    lines.push(
      workload,
      row(['', 'n', 'q1', 'median', 'q3', 'user/system', '× haproxy', '× envoy', 'req/s', 'p99 ms', 'MiB']),
    );
    for (const contender of new Set(own.map((sample) => sample.contender))) {
      lines.push(contenderRow(contender, own));
    }
    for (const [peer, bar] of bars) {
      const ratio = ratioTo(peer, 'portolan', own);
      if (!Number.isNaN(ratio))
        lines.push(`  portolan ≤ ${bar} × ${peer}: ${ratio.toFixed(2)} ${ratio <= bar ? 'met' : 'MISSED'}`);
    }
    lines.push('');
  }
  return lines.join('\n').trimEnd();
}

function contenderRow(contender: string, samples: readonly Sample[]): string {
  const own = samples.filter((sample) => sample.contender === contender);
  const cpu = own.map(total);
  const pick = (select: (sample: Sample) => number): number => quantile(own.map(select), 0.5);
  return row([
    contender,
    String(own.length),
    quantile(cpu, 0.25).toFixed(1),
    quantile(cpu, 0.5).toFixed(1),
    quantile(cpu, 0.75).toFixed(1),
    `${pick((sample) => sample.user).toFixed(1)}/${pick((sample) => sample.system).toFixed(1)}`,
    number(ratioTo('haproxy', contender, samples)),
    number(ratioTo('envoy', contender, samples)),
    pick((sample) => sample.perSecond).toFixed(0),
    pick((sample) => sample.p99).toFixed(1),
    pick((sample) => sample.memory).toFixed(0),
  ]);
}

/** The median of the ratios within each round. */
function ratioTo(peer: string, contender: string, samples: readonly Sample[]): number {
  const peers = new Map(
    samples.filter((sample) => sample.contender === peer).map((sample) => [sample.round, total(sample)]),
  );
  const ratios = samples.flatMap((sample) => {
    const other = peers.get(sample.round);
    return sample.contender === contender && other !== undefined ? [total(sample) / other] : [];
  });
  return quantile(ratios, 0.5);
}

function total(sample: Sample): number {
  return sample.user + sample.system;
}

function quantile(values: readonly number[], at: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const position = (sorted.length - 1) * at;
  const low = sorted[Math.floor(position)] ?? Number.NaN;
  const high = sorted[Math.ceil(position)] ?? Number.NaN;
  return low + (high - low) * (position - Math.floor(position));
}

function number(value: number): string {
  return Number.isNaN(value) ? '-' : value.toFixed(2);
}

function row(cells: readonly string[]): string {
  const widths = [10, 3, 8, 8, 8, 12, 10, 8, 8, 8, 6];
  return `  ${cells.map((cell, at) => (at === 0 ? cell.padEnd(widths[0] as number) : cell.padStart(widths[at] as number))).join(' ')}`;
}
