// spec.addresses of a Gateway. Portolan does not hand out addresses: it can serve those that the outside (the command
// line, later the controller) placed its binds on, and says so of all others.
import type { Gateway } from '../../api/generated/types.ts';
import type { Sourced } from '../../api/sourced.ts';
import { originOf } from '../../api/sourced.ts';
import type { Placement } from '../../routing/model.ts';
import type { Problem } from '../../routing/problem.ts';

/** `placements` of the Gateway's binds. As long as nothing is placed, nothing is known of addresses. */
export function addressProblems(
  sourced: Sourced<Gateway>,
  placements: readonly (Placement | undefined)[],
): readonly Problem[] {
  const problems: Problem[] = [];
  const placed = placements.flatMap((placement) => (placement === undefined ? [] : [placement.address]));
  sourced.object.spec.addresses?.forEach(({ type, value = '' }, index) => {
    const at = originOf(sourced, `spec.addresses[${index}]`);
    if (type !== 'IPAddress' && type !== 'Hostname') problems.push({ code: 'UnsupportedAddress', at, type });
    else if (placed.length > 0 && value !== '' && !placed.includes(value)) {
      problems.push({ code: 'AddressNotUsable', at, value });
    }
  });
  return problems;
}
