// Routes of streams that another route stands before: a stream meets no conditions, so that the first route of a server name, or
// of a port, takes everything.
import type { Tables } from '../../pipeline/tables.ts';
import { decidingStep } from '../../routing/match/precedence.ts';
import type { Entry } from '../../routing/model.ts';
import { nameOf } from '../../routing/origin.ts';
import { compareText } from '../../support/sorted.ts';
import type { Finding } from './finding.ts';
import { describeHost, describeListener } from './match-text.ts';

export function shadowedStreams(tables: Tables): Finding[] {
  const streams = new Map<string, Stream>();
  for (const host of [...tables.virtualHosts.keys()].toSorted(compareText)) {
    const entries = tables.virtualHosts.get(host) ?? [];
    const [first] = entries;
    if (first?.match.protocol !== 'stream') continue;
    for (const entry of entries) {
      let stream = streams.get(entry.rule);
      if (stream === undefined) streams.set(entry.rule, (stream = { hosts: 0, lost: [] }));
      stream.hosts++;
      if (entry !== first) stream.lost.push({ host, entry, first });
    }
  }
  return [...streams.values()].flatMap((stream) => findingOf(tables, stream) ?? []);
}

/** A rule of one route under one Gateway. */
interface Stream {
  hosts: number;
  readonly lost: { readonly host: string; readonly entry: Entry; readonly first: Entry }[];
}

function findingOf({ rules }: Tables, { hosts, lost }: Stream): Finding | undefined {
  const [one] = lost;
  const rule = one === undefined ? undefined : rules.get(one.entry.rule);
  const winner = one === undefined ? undefined : rules.get(one.first.rule);
  if (one === undefined || rule === undefined || winner === undefined) return undefined;
  const everywhere = lost.length === hosts;
  const where = lost.map(({ host }) => describePlace(host)).join(', ');
  return {
    severity: everywhere ? 'warning' : 'info',
    code: 'ShadowedStream',
    at: rule.origin,
    message: `the route takes no traffic on ${where}: ${nameOf(winner.origin.object)} goes before it, since ${advantage(one.first, one.entry)}`,
    fix: 'remove one of the two routes, or attach it to another listener or name',
    related: [{ at: winner.origin, message: 'takes everything' }],
  };
}

function advantage(winner: Entry, loser: Entry): string {
  switch (decidingStep(winner, loser)) {
    case 'hostname':
      return 'its hostname is more specific';
    case 'created':
      return 'it is older';
    default:
      return 'its name comes first in the alphabet';
  }
}

/** Where there are no names the listener is all there is to say. */
function describePlace(host: string): string {
  return host.endsWith('|') ? `listener ${describeListener(host.slice(0, -1))}` : describeHost(host);
}
