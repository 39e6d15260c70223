// Which listeners a route attaches to, for each parentRef by itself, and under which hostnames. The order of the checks
// is that of the reasons for Accepted: no such listener, not allowed, no hostname in common.
import type { NamespaceRule, ParentRef, RouteKind } from '../../routing/bound.ts';
import type { AttachedHost, Attachment } from '../../routing/bound.ts';
import { compareSpecificity, intersectHostnames } from '../../routing/match/hostnames.ts';
import type { ObjectRef, Origin } from '../../routing/origin.ts';
import { at } from '../../routing/origin.ts';
import type { Problem } from '../../routing/problem.ts';
import { selects } from '../../routing/label-selector.ts';
import type { Offer, ListenerOffer } from '../gateways/offers.ts';

export interface Applicant {
  readonly kind: RouteKind;
  readonly namespace: string;
  /** As in spec.hostnames; empty = any host. */
  readonly hostnames: readonly string[];
  /** Of the namespace it is in; asked only by listeners that select namespaces by label. */
  readonly namespaceLabels: () => Readonly<Record<string, string>>;
}

export interface Attached {
  /** Empty when `problem` says why not. */
  readonly attachments: readonly Attachment[];
  readonly problem?: Problem;
}

export function attach(applicant: Applicant, parentRef: ParentRef, offer: Offer, origin: Origin): Attached {
  const candidates = offer.listeners.filter((listener) => isMeant(listener, parentRef));
  if (candidates.length === 0) return refused(noMatchingParent(parentRef, offer.ref, origin));
  const why: string[] = [];
  const allowing: ListenerOffer[] = [];
  for (const listener of candidates) {
    const refusal = refusalOf(listener, applicant);
    if (refusal === undefined) allowing.push(listener);
    else why.push(refusal);
  }
  if (allowing.length === 0) {
    return refused({ code: 'NotAllowedByListeners', at: origin, parent: offer.ref, why });
  }
  const attachments: Attachment[] = [];
  for (const listener of allowing) {
    const hosts = commonHosts(listener.hostname, applicant.hostnames);
    if (hosts.length > 0) attachments.push({ frontend: listener.key, hosts });
  }
  if (attachments.length > 0) return { attachments: attachments.slice() };
  return refused({
    code: 'NoMatchingListenerHostname',
    at: { object: origin.object, path: 'spec.hostnames' },
    hostnames: applicant.hostnames,
    listeners: allowing.map(({ name, hostname }) => `${name} (${hostname === '' ? '*' : hostname})`),
  });
}

function refused(problem: Problem): Attached {
  return { attachments: [], problem };
}

function isMeant(listener: ListenerOffer, { sectionName, port }: ParentRef): boolean {
  return (sectionName === undefined || listener.name === sectionName) && (port === undefined || listener.port === port);
}

function noMatchingParent({ sectionName, port }: ParentRef, parent: ObjectRef, origin: Origin): Problem {
  return {
    code: 'NoMatchingParent',
    at: sectionName === undefined ? (port === undefined ? origin : at(origin, 'port')) : at(origin, 'sectionName'),
    parent,
    ...(sectionName === undefined ? {} : { sectionName }),
    ...(port === undefined ? {} : { port }),
  };
}

/** Why the listener does not take the route; undefined when it does. */
function refusalOf(listener: ListenerOffer, applicant: Applicant): string | undefined {
  const { kind } = applicant;
  if (!listener.supportedKinds.some((known) => known.kind === kind.kind && known.group === kind.group)) {
    const kinds = listener.supportedKinds.map((known) => known.kind).join(', ');
    return `listener ${listener.name} takes ${kinds === '' ? 'no kind of route' : `only ${kinds}`}`;
  }
  return namespaceRefusal(listener.name, listener.namespaces, applicant);
}

function namespaceRefusal(name: string, rule: NamespaceRule, applicant: Applicant): string | undefined {
  switch (rule.from) {
    case 'All':
      return undefined;
    case 'None':
      return `listener ${name} has a namespace selector that cannot be read`;
    case 'Same':
      if (rule.namespace === applicant.namespace) return undefined;
      return `listener ${name} takes routes of its own namespace ${rule.namespace} only`;
    case 'Selector':
      if (selects(rule, applicant.namespaceLabels())) return undefined;
      return `listener ${name} selects namespaces by labels that namespace ${applicant.namespace} does not have`;
    default:
      return rule satisfies never;
  }
}

const everyHost: readonly string[] = [''];

/** Each common hostname once; of several route hostnames that give the same one, the most specific counts. */
function commonHosts(listener: string, hostnames: readonly string[]): readonly AttachedHost[] {
  const found = new Map<string, string>();
  for (const written of hostnames.length === 0 ? everyHost : hostnames) {
    const original = written.toLowerCase();
    const hostname = intersectHostnames(listener, original);
    if (hostname === undefined) continue;
    const other = found.get(hostname);
    if (other === undefined || compareSpecificity(original, other) < 0) found.set(hostname, original);
  }
  return Array.from(found, ([hostname, original]) => ({ hostname, original }));
}
