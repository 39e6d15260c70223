// BoundGateway, what is attached to it, where it is placed and what engines say → status of a Gateway.
import type { Address } from '../routing/addresses.ts';
import { reachedAt } from '../routing/addresses.ts';
import type { BoundGateway } from '../routing/bound.ts';
import type { Exposure, Placement } from '../routing/model.ts';
import type { Problem } from '../routing/problem.ts';
import type { Subject } from './conditions.ts';
import { conditionOf, fails, firstGeneration, holds, messageOf, pending } from './conditions.ts';
import { acceptedSet } from './listener-set-status.ts';
import type { ListenerFacts } from './listener-status.ts';
import { isServing, isValid, listenerStatus } from './listener-status.ts';
import type { Condition, ObjectStatus } from './object-status.ts';
import { subjectOf } from './object-status.ts';

export interface GatewayFacts extends ListenerFacts {
  readonly placement: (bind: string) => Placement | undefined;
  /** Of the Gateway, where something stands in front of it. */
  readonly exposure: Exposure | undefined;
  /** Whether addresses have a routability (GEP-5093), which is experimental. */
  readonly routability: boolean;
}

export function gatewayStatus(bound: BoundGateway, facts: GatewayFacts): ObjectStatus | undefined {
  if (!bound.managed) return undefined;
  const subject = { ref: bound.ref, generation: bound.generation ?? firstGeneration };
  const listeners = bound.listeners.map((listener) => listenerStatus(listener, facts, subject));
  const accepted = acceptedOf(bound, subject);
  const addresses = addressesOf(bound, facts);
  const sets = bound.listenerSets.filter((set) => acceptedSet(set, subject).status === 'True').length;
  return {
    ...subjectOf(bound),
    status: {
      ...(addresses.length === 0 ? {} : { addresses }),
      conditions: [
        accepted,
        programmedOf(bound, facts, accepted, subject),
        ...referencesOf(bound, subject),
        ...othersOf(bound, facts, subject),
        ...outdatedOf(facts, subject),
      ],
      listeners,
      ...(sets === 0 ? {} : { attachedListenerSets: sets }),
    },
  };
}

function acceptedOf({ listeners, problems }: BoundGateway, subject: Subject): Condition {
  const own = conditionOf('Accepted', problems, subject);
  if (own !== undefined) return own;
  const invalid = listeners.filter((listener) => !isValid(listener)).map(({ name }) => name);
  if (invalid.length === 0) return holds('Accepted', 'Accepted', 'The Gateway is accepted', subject);
  const several = invalid.length > 1;
  const message = `Not served: listener${several ? 's' : ''} ${invalid.join(', ')}; see ${several ? 'their' : 'its'} conditions`;
  return invalid.length < listeners.length
    ? holds('Accepted', 'ListenersNotValid', message, subject)
    : fails('Accepted', 'ListenersNotValid', message, subject);
}

function programmedOf(bound: BoundGateway, facts: GatewayFacts, accepted: Condition, subject: Subject): Condition {
  if (accepted.status === 'Unknown') return pending('Programmed', accepted.message, subject);
  // What was good before goes on, and is said to.
  const kept = bound.keptParameters === true && accepted.reason === 'InvalidParameters';
  if (accepted.status === 'False' && !kept) return fails('Programmed', 'Invalid', accepted.message, subject);
  const assigned = facts.routability ? assignedOf(bound, facts, subject) : undefined;
  if (assigned?.reason === 'NotAssigned') return fails('Programmed', 'AddressNotAssigned', assigned.message, subject);
  const own = conditionOf('Programmed', bound.problems, subject);
  if (own !== undefined) return own;
  const missing = facts.exposure?.missing;
  if (missing !== undefined) return fails('Programmed', missing.reason, missing.message, subject);
  const waiting = bound.listeners.filter((listener) => isValid(listener) && !isServing(listener, facts));
  if (waiting.length === 0) return holds('Programmed', 'Programmed', 'The Gateway is served', subject);
  return fails('Programmed', 'Pending', `Not yet served: ${waiting.map(({ name }) => name).join(', ')}`, subject);
}

/** Of references outside its listeners, and only where something is to be said. */
function referencesOf({ clientCertificate, problems }: BoundGateway, subject: Subject): readonly Condition[] {
  const resolved =
    conditionOf('ResolvedRefs', problems, subject) ??
    (clientCertificate === undefined
      ? undefined
      : holds('ResolvedRefs', 'ResolvedRefs', 'All references are resolved', subject));
  const insecure = conditionOf('InsecureFrontendValidationMode', problems, subject);
  return [resolved, insecure].filter((condition) => condition !== undefined);
}

/** Only where newer wishes than those that are served cannot be had. */
function outdatedOf({ exposure }: GatewayFacts, subject: Subject): readonly Condition[] {
  if (exposure?.outdated === undefined) return [];
  const message = `What was applied before stands, and this cannot be: ${exposure.outdated}`;
  return [fails('portolan.dev/Complete', 'NoResources', message, subject)];
}

/** GEP-3793 and GEP-5093. */
function othersOf(bound: BoundGateway, facts: GatewayFacts, subject: Subject): readonly Condition[] {
  const isDefault = holds('DefaultGateway', 'DefaultGateway', 'Scope: All', subject);
  const assigned = facts.routability ? assignedOf(bound, facts, subject) : undefined;
  return [...(bound.isDefault ? [isDefault] : []), ...(assigned === undefined ? [] : [assigned])];
}

const aboutAddresses: ReadonlySet<Problem['code']> = new Set([
  'AddressNotUsable',
  'UnsatisfiedRoutability',
  'UnsupportedAddress',
]);

/** Omitted until anything is placed: before that nothing is known of addresses. */
function assignedOf(
  { addresses, binds, problems }: BoundGateway,
  facts: GatewayFacts,
  subject: Subject,
): Condition | undefined {
  if (placesOf(binds, facts).length === 0) return undefined;
  const missing = addresses.filter(({ given }) => given === undefined);
  if (missing.length === 0) {
    return holds('AddressesAssigned', 'AddressesAssigned', 'Every address is assigned', subject);
  }
  const message = messageOf(
    problems.filter(({ code }) => aboutAddresses.has(code)),
    subject,
  );
  const reason = missing.length < addresses.length ? 'PartiallyAssigned' : 'NotAssigned';
  return fails('AddressesAssigned', reason, message, subject);
}

interface StatusAddress extends Address {
  readonly routability?: string;
}

/** Where the Gateway can be reached; not known before it is placed. */
function addressesOf({ binds, addresses }: BoundGateway, facts: GatewayFacts): readonly StatusAddress[] {
  const { routability } = facts;
  const placed = placesOf(binds, facts);
  const told = (routabilityOf: string): { readonly routability?: string } =>
    routability ? { routability: routabilityOf } : {};
  if (addresses.length === 0) return placed.map((address) => ({ ...address, ...told('') }));
  // One for each request that is satisfied, and nothing else.
  return addresses.flatMap(({ given, routability: wanted }) =>
    given === undefined ? [] : [{ ...given, ...told(wanted) }],
  );
}

function placesOf(binds: BoundGateway['binds'], { exposure, placement }: GatewayFacts): readonly Address[] {
  return reachedAt(
    exposure,
    binds.map(({ key }) => placement(key)),
  );
}
