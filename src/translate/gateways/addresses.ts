// spec.addresses of a Gateway. Portolan does not hand out addresses: it can serve those that the outside (the command line, the
// controller) placed its binds on or put in front of it, and says so of all others.
import type { Gateway } from '../../api/generated/types.ts';
import type { Sourced } from '../../api/sourced.ts';
import { originOf } from '../../api/sourced.ts';
import type { Address } from '../../routing/addresses.ts';
import { clusterRoutability, reachedAt } from '../../routing/addresses.ts';
import type { AddressRequest } from '../../routing/bound.ts';
import type { Exposure, Placement } from '../../routing/model.ts';
import type { Problem } from '../../routing/problem.ts';

/** Conformance tests ask for it, and for nothing of it. */
const sentinel = 'testing.x-k8s.io/sentinel';

export interface Addresses {
  readonly requests: readonly AddressRequest[];
  readonly problems: readonly Problem[];
}

export interface Outside {
  /** Of the Gateway's binds; they count unless something is in front of it. Before there is any, nothing is known of addresses. */
  readonly placements: readonly (Placement | undefined)[];
  readonly exposure: Exposure | undefined;
  /** Whether Gateways have addresses within a cluster. */
  readonly clusterAddresses: boolean;
}

/** Each address is given once: first to those who name it, then to those who take any. */
export function judgeAddresses(sourced: Sourced<Gateway>, outside: Outside): Addresses {
  const wishes = (sourced.object.spec.addresses ?? []).map(({ type, value = '', routability = '' }): Wish => ({
    type,
    value,
    routability,
  }));
  const left = { outer: [...reachedAt(outside.exposure, outside.placements)], inner: innerOf(outside) };
  const known = { outer: left.outer.length > 0, inner: left.inner.length > 0 };
  const given = new Map<Wish, Address>();
  for (const byName of [true, false]) {
    for (const wish of wishes.filter(({ value }) => (value !== '') === byName)) {
      const address = impossible(wish, outside) === undefined ? take(wish, left) : undefined;
      if (address !== undefined) given.set(wish, address);
    }
  }
  const problems: Problem[] = [];
  const requests = wishes.map((wish, index): AddressRequest => {
    const address = given.get(wish);
    const isKnown = known[wish.routability === clusterRoutability ? 'inner' : 'outer'];
    const wrong = impossible(wish, outside) ?? (address === undefined && isKnown ? missing(wish) : undefined);
    if (wrong !== undefined) problems.push({ ...wrong, at: originOf(sourced, `spec.addresses[${index}]`) });
    return { ...wish, ...(address === undefined ? {} : { given: address }) };
  });
  return { requests, problems };
}

type Wish = Omit<AddressRequest, 'given'>;

type Wrong =
  | { readonly code: 'UnsupportedAddress'; readonly type: string }
  | { readonly code: 'UnsatisfiedRoutability'; readonly routability: string; readonly value: string }
  | { readonly code: 'AddressNotUsable'; readonly value: string };

/** Whatever addresses there are. */
function impossible({ type, value, routability }: Wish, { exposure, clusterAddresses }: Outside): Wrong | undefined {
  if (type !== 'IPAddress' && type !== 'Hostname') return { code: 'UnsupportedAddress', type };
  if (routability === clusterRoutability) {
    const isHad = clusterAddresses && type === 'IPAddress' && exposure?.refused?.includes(value) !== true;
    return isHad ? undefined : { code: 'UnsatisfiedRoutability', routability, value };
  }
  if (routability !== '' && routability !== sentinel) return { code: 'UnsatisfiedRoutability', routability, value };
  return exposure?.refused?.includes(value) === true ? { code: 'AddressNotUsable', value } : undefined;
}

function missing({ value, routability }: Wish): Wrong {
  const isNamed = value !== '' && routability !== clusterRoutability;
  return isNamed ? { code: 'AddressNotUsable', value } : { code: 'UnsatisfiedRoutability', routability, value };
}

/** Takes away what is given. */
function take(
  { type, value, routability }: Wish,
  left: { readonly outer: Address[]; readonly inner: Address[] },
): Address | undefined {
  const addresses = routability === clusterRoutability ? left.inner : left.outer;
  const found =
    value === ''
      ? (addresses.find((address) => address.type === type) ?? addresses[0])
      : addresses.find((address) => address.value === value);
  if (found === undefined) return undefined;
  // A Service within the cluster has the same addresses for both.
  for (const list of [left.outer, left.inner]) {
    const at = list.findIndex((address) => address.value === found.value);
    if (at >= 0) list.splice(at, 1);
  }
  return value === '' ? found : { type, value };
}

function innerOf({ exposure }: Outside): Address[] {
  return (exposure?.cluster ?? []).map((value) => ({ type: 'IPAddress', value }));
}
