// The listeners of a Gateway and of the ListenerSets that it takes, as one list → what each of them is beside the others:
// conflicts, overlaps, limits; and the sockets that they need.
import type { BoundListener, NamespaceRule } from '../../routing/bound.ts';
import { compareSpecificity } from '../../routing/match/hostnames.ts';
import { selects } from '../../routing/label-selector.ts';
import type { Bind, BindReport, Cluster, Frontend, Placement } from '../../routing/model.ts';
import type { Problem } from '../../routing/problem.ts';
import { compareText } from '../../support/sorted.ts';
import type { ContestedListener } from './conflicts.ts';
import { conflictsOf, overlapsOf } from './conflicts.ts';
import type { ListenerSetDraft } from './listener-sets.ts';
import type { ListenerDraft } from './listeners.ts';
import { protocolRow } from './protocols.ts';

/** Of a Gateway and all of its sets together. */
export const listenerLimit = 16_384;

/** @param sets in the order of their precedence */
export function judgeSiblings(
  own: readonly ListenerDraft[],
  sets: readonly ListenerSetDraft[],
): { readonly own: readonly ListenerDraft[]; readonly sets: readonly (readonly ListenerDraft[])[] } {
  const drafts = [...own, ...sets.flatMap(({ listeners }) => listeners)];
  const contested: ContestedListener[] = [
    ...own.map(({ listener }) => contestedOf(listener, '')),
    ...sets.flatMap(({ key, listeners }) => listeners.map(({ listener }) => contestedOf(listener, `${key} `))),
  ];
  const conflicts = conflictsOf(contested, own.length);
  const overlaps = overlapsOf(contested);
  const judged = drafts.map((draft, index): ListenerDraft => {
    const { origin: at, problems } = draft.listener;
    const conflict = conflicts[index];
    if (index >= listenerLimit) return refused(draft, { code: 'TooManyListeners', at, limit: listenerLimit });
    if (conflict !== undefined) return refused(draft, { at, ...conflict });
    const listeners = overlaps[index] ?? [];
    // Listeners that are refused serve nothing, so that there is nothing to overlap.
    if (listeners.length === 0) return draft;
    const overlap: Problem = { code: 'OverlappingTLSConfig', at, listeners };
    return { ...draft, listener: { ...draft.listener, problems: [...problems, overlap] } };
  });
  let next = own.length;
  return {
    own: judged.slice(0, next),
    sets: sets.map(({ listeners }) => judged.slice(next, (next += listeners.length))),
  };
}

/** Spoken of in another object, the listener of a set is named with the set. */
function contestedOf({ name, port, protocol, hostname }: ListenerDraft['listener'], set: string): ContestedListener {
  return { name: `${set}${name}`, port, protocol, hostname };
}

function refused({ listener }: ListenerDraft, problem: Problem): ListenerDraft {
  return { listener: { ...listener, problems: [...listener.problems, problem] }, clusters: [] };
}

/** Why a Gateway does not take a ListenerSet of that namespace; undefined when it does. */
export function setRefusal(
  rule: NamespaceRule,
  namespace: string,
  labels: () => Readonly<Record<string, string>>,
): string | undefined {
  switch (rule.from) {
    case 'All':
      return undefined;
    case 'None':
      return 'it takes none';
    case 'Same':
      return rule.namespace === namespace ? undefined : `it takes those of its own namespace ${rule.namespace} only`;
    case 'Selector':
      if (selects(rule, labels())) return undefined;
      return `it selects namespaces by labels that namespace ${namespace} does not have`;
    default:
      return rule satisfies never;
  }
}

/** What the filters of served listeners ask, each once, with the certificate that the Gateway shows to backends. */
export function clustersOf(drafts: readonly ListenerDraft[], certificate: string | undefined): readonly Cluster[] {
  const found = new Map<string, Cluster>();
  for (const { clusters } of drafts) {
    for (const cluster of clusters) {
      const { tls, backend } = cluster;
      const shown = tls !== undefined && certificate !== undefined && backend.kind === 'Service';
      found.set(cluster.key, shown ? { ...cluster, tls: { ...tls, certificate } } : cluster);
    }
  }
  return [...found.values()];
}

/** One socket for each port and transport that has a listener to serve. */
export function bindsOf(
  gateway: string,
  drafts: readonly ListenerDraft[],
  proxied: (port: number) => boolean,
): readonly Bind[] {
  const byKey = new Map<string, Omit<Frontend, 'publicPorts'>[]>();
  for (const { frontend } of drafts) {
    if (frontend === undefined) continue;
    const frontends = byKey.get(frontend.bind);
    if (frontends) frontends.push(frontend);
    else byKey.set(frontend.bind, [frontend]);
  }
  return Array.from(byKey, ([key, frontends]): Bind => {
    const [first] = frontends as [Frontend];
    const row = protocolRow(first.protocol);
    const ordered = frontends.toSorted(
      (a, b) => compareSpecificity(a.hostname, b.hostname) || compareText(a.hostname, b.hostname),
    );
    return {
      key,
      gateway,
      port: first.port,
      transport: row?.transport ?? 'tcp',
      security: row?.security ?? 'none',
      frontends: ordered.map((frontend) => frontend.key),
      ...(proxied(first.port) ? { proxyProtocol: true as const } : {}),
    };
  });
}

export function publicPortsOf(
  binds: readonly Bind[],
  placements: ReadonlyMap<string, Placement | undefined>,
): Readonly<Record<string, number>> {
  const ports: Record<string, number> = {};
  for (const { key, port, transport } of binds) {
    const placed = placements.get(key);
    if (transport === 'tcp' && placed !== undefined && placed.port !== port) ports[port] = placed.port;
  }
  return ports;
}

/** A port that an engine could not open is said on the listener; the bind stays, so that the engine may succeed yet. */
export function finishListener(
  { listener, frontend }: ListenerDraft,
  publicPorts: Frontend['publicPorts'],
  reports: ReadonlyMap<string, BindReport | undefined>,
  leftOut: (frontend: Frontend) => readonly Problem[],
): BoundListener {
  if (frontend === undefined) return listener;
  const report = reports.get(frontend.bind);
  const served = { ...frontend, publicPorts };
  const bound = { ...listener, frontend: served, problems: [...listener.problems, ...leftOut(served)] };
  if (report?.state !== 'failed') return bound;
  const message = report.message ?? report.code ?? 'the port cannot be opened';
  const problem: Problem = { code: 'PortUnavailable', at: listener.origin, port: listener.port, message };
  return { ...bound, problems: [...bound.problems, problem] };
}
