// The rules of an attached route → entries of virtual hosts: one for each hostname, rule and match of each listener that
// is served. A rule that was refused is entered as well and answers 500: its requests must not fall to a rule that lacks
// what this one asks for.
import type { Sourced } from '../../api/sourced.ts';
import type { Attachment, BoundRoute } from '../../routing/bound.ts';
import type { Cluster, Entry, Rank, Rule } from '../../routing/model.ts';
import type { Offer } from '../gateways/offers.ts';
import type { AnyRoute } from './dialects.ts';
import type { TranslatedRule } from './rules.ts';

/** One parentRef that attached to listeners of a gateway. */
export interface Serving {
  readonly offer: Offer;
  readonly attachments: readonly Attachment[];
  readonly rules: readonly TranslatedRule[];
}

/** The most entries that one route may put into virtual hosts: hostnames × listeners × matches. */
export const entryLimit = 16_384;

export type Served = Pick<BoundRoute, 'rules' | 'entries' | 'clusters'>;

export const nothingServed: Served = { rules: [], entries: [], clusters: [] };

/** Undefined when there would be more entries than the limit. */
export function serve(sourced: Sourced<AnyRoute>, servings: readonly Serving[]): Served | undefined {
  const lots = servings.length === 1 ? servings : withoutRepeats(servings);
  if (count(lots) > entryLimit) return undefined;
  const rules = new Map<string, Rule>();
  const clusters = new Map<string, Cluster>();
  const entries: { virtualHost: string; entry: Entry }[] = [];
  for (const lot of lots) {
    const added = entries.length;
    for (const attachment of lot.attachments) {
      if (isServed(lot.offer, attachment.frontend)) enter(sourced, attachment, lot.rules, entries);
    }
    if (entries.length === added) continue;
    for (const { rule, clusters: used } of lot.rules) {
      rules.set(rule.key, rule);
      for (const cluster of used) clusters.set(cluster.key, cluster);
    }
  }
  // Copies: lists that grew have room for more than they will ever need, and there are thousands.
  return { rules: [...rules.values()], entries: entries.slice(), clusters: [...clusters.values()] };
}

/** Two parentRefs may mean the same listener. */
function withoutRepeats(servings: readonly Serving[]): readonly Serving[] {
  const seen = new Set<string>();
  return servings.map((serving) => ({
    ...serving,
    attachments: serving.attachments.filter(({ frontend }) => !seen.has(frontend) && seen.add(frontend)),
  }));
}

function count(servings: readonly Serving[]): number {
  let sum = 0;
  for (const { attachments, rules } of servings) {
    const matches = rules.reduce((total, rule) => total + rule.matches.length, 0);
    for (const { hosts } of attachments) sum += hosts.length * matches;
  }
  return sum;
}

function isServed(offer: Offer, frontend: string): boolean {
  return offer.listeners.some((listener) => listener.key === frontend && listener.served);
}

function enter(
  { object: { metadata }, explicit }: Sourced<AnyRoute>,
  { frontend, hosts }: Attachment,
  rules: readonly TranslatedRule[],
  entries: { virtualHost: string; entry: Entry }[],
): void {
  const route = `${metadata.namespace ?? ''}/${metadata.name}`;
  const created = metadata.creationTimestamp ?? '';
  for (const { hostname, original } of hosts) {
    const virtualHost = `${frontend}|${hostname}`;
    rules.forEach(({ rule, matches }, index) => {
      matches.forEach((match, at) => {
        if (match === undefined) return;
        const order = explicit?.[`${index}/${at}`];
        const rank: Rank = { hostname: original, created, route, rule: index, match: at };
        entries.push({
          virtualHost,
          entry: { rule: rule.key, match, rank: order === undefined ? rank : { ...rank, explicit: order } },
        });
      });
    });
  }
}
