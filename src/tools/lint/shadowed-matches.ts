// Matches that can never be reached, matches that two routes claim alike, and those that overlap where only age or the
// alphabet decides. Sound, not complete: what is said is certain, but two regular expressions are only compared as text.
import type { Tables } from '../../pipeline/tables.ts';
import { decidingStep } from '../../routing/match/precedence.ts';
import type { Entry } from '../../routing/model.ts';
import { nameOf, type Origin } from '../../routing/origin.ts';
import { compareText } from '../../support/sorted.ts';
import { covers, overlaps, pathIdentity } from './covers.ts';
import { EarlierEntries } from './earlier-entries.ts';
import type { Finding } from './finding.ts';
import { describeHost, describeMatch, originOfEntry } from './match-text.ts';

export function shadowedMatches(tables: Tables): Finding[] {
  const matches = new Map<string, Seen>();
  for (const host of [...tables.virtualHosts.keys()].toSorted(compareText)) {
    const entries = tables.virtualHosts.get(host) ?? [];
    const earlier = new EarlierEntries();
    const tied = new TiedEntries();
    for (const entry of entries) {
      // Those of streams ask nothing: streams.ts.
      if (entry.match.protocol === 'stream') continue;
      const seen = seenMatch(matches, entry);
      seen.hosts++;
      const by = earlier.covering(entry.match);
      if (by === undefined) seen.rival ??= tied.rivalOf(entry);
      else seen.covered.push({ host, by });
      earlier.add(entry);
      tied.add(entry);
    }
  }
  return [...matches.values()].flatMap((seen) => findingOf(tables, seen) ?? []);
}

/** One match of one rule, over all virtual hosts that it is in. */
interface Seen {
  readonly entry: Entry;
  hosts: number;
  /** Where another entry takes all of it. */
  readonly covered: { readonly host: string; readonly by: Entry }[];
  /** An earlier entry with which it has some requests in common. */
  rival: Entry | undefined;
}

function seenMatch(matches: Map<string, Seen>, entry: Entry): Seen {
  const key = `${ruleName(entry)}/${entry.rank.match}`;
  let seen = matches.get(key);
  if (seen === undefined) matches.set(key, (seen = { entry, hosts: 0, covered: [], rival: undefined }));
  return seen;
}

/** The same rule of the same route, whatever the gateway. */
function ruleName(entry: Entry): string {
  return entry.rule.slice(entry.rule.indexOf('|') + 1);
}

function routeName(entry: Entry): string {
  const rule = ruleName(entry);
  return rule.slice(0, rule.lastIndexOf('|'));
}

function findingOf(tables: Tables, { entry, hosts, covered, rival }: Seen): Finding | undefined {
  const by = covered[0]?.by ?? rival;
  const place = originOfEntry(tables, entry);
  const winner = by && originOfEntry(tables, by);
  if (by === undefined || place === undefined || winner === undefined) return undefined;
  const everywhere = covered.length === hosts;
  const where = everywhere || covered.length === 0 ? '' : ` on ${hostsText(covered.map(({ host }) => host))}`;
  const pair: Pair = { entry, by, place, winner, where };
  if (covered.length === 0) return ambiguous(pair);
  if (ruleName(entry) === ruleName(by)) return redundant(pair);
  return isTied(entry, by) ? conflicting(pair) : shadowed(pair, everywhere);
}

const shownHosts = 5;

function hostsText(hosts: readonly string[]): string {
  const shown = hosts.slice(0, shownHosts).map(describeHost).join(', ');
  return hosts.length > shownHosts ? `${shown} and ${hosts.length - shownHosts} more` : shown;
}

interface Pair {
  readonly entry: Entry;
  readonly by: Entry;
  readonly place: Origin;
  readonly winner: Origin;
  readonly where: string;
}

function related({ by, winner }: Pair): Finding['related'] {
  return [{ at: winner, message: `takes them first: ${describeMatch(by.match)}` }];
}

function redundant(pair: Pair): Finding {
  return {
    severity: 'info',
    code: 'RedundantMatch',
    at: pair.place,
    message: `${describeMatch(pair.entry.match)} adds nothing${pair.where}: another match of this rule takes the same requests`,
    fix: 'remove one of the two matches',
    related: related(pair),
  };
}

function conflicting(pair: Pair): Finding {
  const { entry, by, place, winner, where } = pair;
  return {
    severity: 'warning',
    code: 'ConflictingMatch',
    at: place,
    message: `${nameOf(winner.object)} takes every request of ${describeMatch(entry.match)}${where}, only because ${advantage(entry, by)}`,
    fix: 'give the two routes different hostnames, paths or conditions, or merge them',
    related: related(pair),
  };
}

function ambiguous(pair: Pair): Finding {
  const { entry, by, place, winner } = pair;
  return {
    severity: 'info',
    code: 'AmbiguousMatch',
    at: place,
    message: `requests that meet both ${describeMatch(entry.match)} and ${describeMatch(by.match)} go to ${nameOf(winner.object)}, only because ${advantage(entry, by)}`,
    fix: 'add the conditions of one to the other, so that one of the two is more specific',
    related: related(pair),
  };
}

function shadowed(pair: Pair, everywhere: boolean): Finding {
  const { entry, by, place, winner, where } = pair;
  return {
    severity: everywhere ? 'warning' : 'info',
    code: 'ShadowedMatch',
    at: place,
    message: `${describeMatch(entry.match)} is never reached${where}: ${nameOf(winner.object)} takes all of it with ${describeMatch(by.match)}`,
    fix: 'remove this match, or make it more specific than the one that comes first',
    related: related(pair),
  };
}

/** Whether nothing that the routes say decides between the two. */
function isTied(a: Entry, b: Entry): boolean {
  const step = decidingStep(a, b);
  return step === 'created' || step === 'route';
}

function advantage(entry: Entry, by: Entry): string {
  return decidingStep(by, entry) === 'created' ? 'it is older' : 'its name comes first in the alphabet';
}

/** Entries that nothing but age and names puts in order, and that take some requests in common for certain. */
class TiedEntries {
  readonly #groups = new Map<string, Entry[]>();

  add(entry: Entry): void {
    const key = groupOf(entry);
    const group = this.#groups.get(key);
    if (group === undefined) this.#groups.set(key, [entry]);
    else group.push(entry);
  }

  /** Among the last few: a group may have thousands, each with another value of one header. */
  rivalOf(entry: Entry): Entry | undefined {
    return this.#groups
      .get(groupOf(entry))
      ?.slice(-compared)
      .find(
        (other) =>
          routeName(other) !== routeName(entry) &&
          isTied(other, entry) &&
          overlaps(other.match, entry.match) &&
          !covers(entry.match, other.match),
      );
  }
}

const compared = 16;

/** Entries in different groups differ in a step of precedence, or take no requests in common. */
function groupOf({ match, rank }: Entry): string {
  const counts = `${match.method ?? ''} ${match.headers.length} ${match.query.length}`;
  return `${rank.hostname} ${rank.explicit ?? 0} ${match.protocol} ${counts} ${pathIdentity(match.path)}`;
}
