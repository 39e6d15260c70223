// npm run validation: thousands of mutated objects, what `portolan lint` refuses of each against what a real API server refuses. In the
// lab (test/lab), once for each channel of CRDs, or against any cluster (--kubeconfig). One difference fails.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Channel } from '../../src/api/kinds.ts';
import type { KubeObject } from '../../src/api/objects.ts';
import { validate } from '../../src/api/validate.ts';
import { runInside } from '../lab/inside.ts';
import { basesByKind, namespace } from './bases.ts';
import { generated, type Generated } from './generated.ts';
import { recordedFile, type Recorded } from './recorded.ts';
import { DryRunServer } from './server.ts';
import { agree, ourVerdict, serverVerdict, type Verdict } from './verdict.ts';

const usage = `npm run validation -- [options]
  --count N          objects, both channels together (default 2000)
  --seed N           of the mutations (default 1)
  --channel NAME     standard, experimental or both (default both)
  --record N         write the answers to N objects to test/validation/recorded.json, which npm test compares with
  --kubeconfig FILE  any cluster with the CRDs of Gateway API, instead of the lab
`;

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '2000' },
    seed: { type: 'string', default: '1' },
    channel: { type: 'string', default: 'both' },
    record: { type: 'string' },
    kubeconfig: { type: 'string' },
    /** Inside the lab already: compare, and print what is to be recorded. */
    here: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const PARALLEL = 12;

process.exitCode = await main();

async function main(): Promise<number> {
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  if (values.here || values.kubeconfig !== undefined) return compare(Number(values.count));
  const channels = (['experimental', 'standard'] as const).filter(
    (channel) => values.channel === 'both' || values.channel === channel,
  );
  if (channels.length === 0) return stop(`--channel ${values.channel}: there are standard, experimental and both`);
  let failed = 0;
  for (const channel of channels) failed += inLab(channel, Math.ceil(Number(values.count) / channels.length));
  return failed === 0 ? 0 : 1;
}

/** Has the comparison run inside the lab's network namespace. */
function inLab(channel: 'standard' | 'experimental', count: number): number {
  const recording = values.record === undefined ? [] : ['--record', values.record];
  const args = ['--here', '--count', String(count), '--seed', values.seed, ...recording];
  return runInside({ script: import.meta.filename, args, channel });
}

interface Compared extends Generated {
  readonly theirs: Verdict;
}

async function compare(count: number): Promise<number> {
  if (values.kubeconfig !== undefined) process.env['KUBECONFIG'] = values.kubeconfig;
  const server = new DryRunServer();
  const channel = await server.channel();
  await server.makeNamespace(namespace);
  const began = performance.now();
  const cases = generated(await servedBases(server, channel), channel, { seed: Number(values.seed), count });
  const compared = await ask(server, cases, channel);
  server.close();
  const differing = compared.filter(({ object, theirs }) => !agree(ourVerdict(object, channel), theirs));
  for (const each of differing.slice(0, 20)) tell(each, channel);
  const accepted = compared.filter(({ theirs }) => theirs.refused.length === 0 && theirs.unknown.length === 0).length;
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  say(
    `${channel} channel, seed ${values.seed}: ${compared.length} objects, ${accepted} of them accepted, ${differing.length} differences (${seconds} s)`,
  );
  if (values.record !== undefined) record(await sample(channel, Number(values.record) / 2), channel);
  return differing.length === 0 ? 0 : 1;
}

/** Of the kinds that the server has; the others are named. */
async function servedBases(server: DryRunServer, channel: Channel): Promise<Map<string, KubeObject[]>> {
  const served = new Map<string, KubeObject[]>();
  for (const [kind, bases] of basesByKind(channel)) {
    const there: KubeObject[] = [];
    for (const base of bases) if (await server.has(base, channel)) there.push(base);
    if (there.length > 0) served.set(kind, there);
    else say(`${kind} is left out: the server does not have it`);
  }
  return served;
}

/** The server's verdicts, but of what only the server's settings decide. */
async function ask(server: DryRunServer, cases: readonly Generated[], channel: Channel): Promise<Compared[]> {
  const found: Compared[] = [];
  const queue = cases.entries();
  const worker = async (): Promise<void> => {
    for (const [n, one] of queue) {
      const theirs = serverVerdict(await server.ask(one.object, namespace, channel), one.object);
      if (theirs !== undefined) found[n] = { ...one, theirs };
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  return found.filter((one) => one !== undefined);
}

/** Of small bases, so that the file stays small. */
async function sample(channel: Channel, count: number): Promise<Compared[]> {
  const server = new DryRunServer();
  const small = new Map(
    [...(await servedBases(server, channel))].map(([kind, bases]) => [
      kind,
      bases.toSorted((a, b) => JSON.stringify(a).length - JSON.stringify(b).length).slice(0, 5),
    ]),
  );
  const compared = await ask(server, generated(small, channel, { seed: 2026, count }), channel);
  server.close();
  return compared;
}

function record(compared: readonly Compared[], channel: Channel): void {
  const file = recordedFile(channel);
  const bases = [...new Map(compared.map(({ base }) => [JSON.stringify(base), base])).values()];
  const recorded: Recorded = {
    bases,
    cases: compared.map(({ base, mutations, theirs }) => ({ base: bases.indexOf(base), mutations, ...theirs })),
  };
  const lines = (items: readonly unknown[]): string => items.map((item) => JSON.stringify(item)).join(',\n');
  writeFileSync(file, `{"bases":[\n${lines(recorded.bases)}\n],"cases":[\n${lines(recorded.cases)}\n]}\n`);
  say(`${compared.length} answers recorded in ${file}`);
}

function tell({ base, mutations, object, theirs }: Compared, channel: Channel): void {
  const result = validate(object, channel);
  const ours = ourVerdict(object, channel);
  process.stdout.write(
    [
      `${base.apiVersion} ${base.kind} ${base.metadata.name}`,
      ...mutations.map(({ at, value }) => `  ${JSON.stringify(at)} = ${JSON.stringify(value)?.slice(0, 300)}`),
      `  server: ${JSON.stringify(theirs)}`,
      `  ours:   ${JSON.stringify(ours)}`,
      ...(result.ok ? [] : result.problems.map(({ path, message }) => `    ${path}: ${message.slice(0, 200)}`)),
      '',
    ].join('\n'),
  );
}

function say(text: string): void {
  process.stdout.write(`validation: ${text}\n`);
}

function stop(text: string): number {
  process.stderr.write(`validation: ${text}\n`);
  return 1;
}
