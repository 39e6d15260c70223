// spec.addresses of a Gateway. Portolan does not hand out addresses: it can serve those that the outside (the command line, later
// the controller) placed its binds on or put in front of it, and says so of all others.
import type { Gateway } from '../../api/generated/types.ts';
import type { Sourced } from '../../api/sourced.ts';
import { originOf } from '../../api/sourced.ts';
import type { AddressRequest } from '../../routing/bound.ts';
import type { Exposure, Placement } from '../../routing/model.ts';
import type { Problem } from '../../routing/problem.ts';

/** Conformance tests ask for it, and for nothing of it. */
const sentinel = 'testing.x-k8s.io/sentinel';

export interface Addresses {
  readonly requests: readonly AddressRequest[];
  readonly problems: readonly Problem[];
}

/** `placements` of the Gateway's binds, unless something is in front of it. Before there is any, nothing is known of addresses. */
export function judgeAddresses(
  sourced: Sourced<Gateway>,
  placements: readonly (Placement | undefined)[],
  exposure: Exposure | undefined,
): Addresses {
  const problems: Problem[] = [];
  const placed =
    exposure === undefined
      ? placements.flatMap((placement) => (placement === undefined ? [] : [placement.address]))
      : exposure.addresses.map(({ value }) => value);
  const requests = (sourced.object.spec.addresses ?? []).map(({ type, value = '', routability }, index) => {
    const at = originOf(sourced, `spec.addresses[${index}]`);
    const isRefused = exposure?.refused?.includes(value) === true;
    const problem: Wrong | undefined = isRefused
      ? { code: 'AddressNotUsable', value }
      : wrongWith({ type, value, routability: routability ?? '' }, placed);
    if (problem !== undefined) problems.push({ ...problem, at });
    return { type, value, routability: routability ?? '', satisfied: problem === undefined && placed.length > 0 };
  });
  return { requests, problems };
}

type Wrong =
  | { readonly code: 'UnsupportedAddress'; readonly type: string }
  | { readonly code: 'UnsatisfiedRoutability'; readonly routability: string }
  | { readonly code: 'AddressNotUsable'; readonly value: string };

function wrongWith(
  { type, value, routability }: { readonly type: string; readonly value: string; readonly routability: string },
  placed: readonly string[],
): Wrong | undefined {
  if (type !== 'IPAddress' && type !== 'Hostname') return { code: 'UnsupportedAddress', type };
  if (routability !== '' && routability !== sentinel) return { code: 'UnsatisfiedRoutability', routability };
  if (placed.length === 0 || value === '' || placed.includes(value)) return undefined;
  return { code: 'AddressNotUsable', value };
}
