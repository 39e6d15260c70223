// The annotation of a Gateway that says at which of its ports clients come through a proxy that tells who they are. It belongs to
// the Gateway, not to ListenerSets: a port is shared, and whoever could turn it on there could speak for any client.
import type { Gateway } from '../../api/generated/types.ts';
import type { Sourced } from '../../api/sourced.ts';
import { originOf } from '../../api/sourced.ts';
import type { Problem } from '../../routing/problem.ts';

export const acceptProxyProtocol = 'portolan.dev/accept-proxy-protocol';

export interface ProxiedPorts {
  readonly has: (port: number) => boolean;
  readonly problems: readonly Problem[];
}

/** `*`, or ports with commas between them. */
export function proxiedPorts(sourced: Sourced<Gateway>): ProxiedPorts {
  const text = sourced.object.metadata.annotations?.[acceptProxyProtocol]?.trim();
  if (text === undefined || text === '') return { has: () => false, problems: [] };
  if (text === '*') return { has: () => true, problems: [] };
  const ports = text.split(',').map((part) => part.trim());
  const wrong = ports.filter((part) => !/^[1-9][0-9]{0,4}$/.test(part));
  const known = new Set(ports.map(Number));
  if (wrong.length === 0) return { has: (port) => known.has(port), problems: [] };
  const at = originOf(sourced, `metadata.annotations[${acceptProxyProtocol}]`);
  const message = `${wrong.join(', ')} is no port; write * or ports with commas between them`;
  return { has: (port) => known.has(port), problems: [{ code: 'IgnoredField', at, message }] };
}
