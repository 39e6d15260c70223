// Protocols of listeners: which routes may attach, and whether the engine can serve them.
import type { RouteKind } from '../../routing/bound.ts';
import type { Bind, Frontend } from '../../routing/model.ts';

const group = 'gateway.networking.k8s.io';

export interface ProtocolRow {
  readonly protocol: Frontend['protocol'];
  readonly transport: Bind['transport'];
  readonly security: Bind['security'];
  readonly kinds: readonly RouteKind[];
}

const httpKinds: readonly RouteKind[] = [
  { group, kind: 'HTTPRoute' },
  { group, kind: 'GRPCRoute' },
];

/** What the embedded engine can do. */
const embedded: readonly ProtocolRow[] = [
  { protocol: 'HTTP', transport: 'tcp', security: 'none', kinds: httpKinds },
  { protocol: 'HTTPS', transport: 'tcp', security: 'tls', kinds: httpKinds },
  { protocol: 'TLS', transport: 'tcp', security: 'tls', kinds: [{ group, kind: 'TLSRoute' }] },
  { protocol: 'TCP', transport: 'tcp', security: 'none', kinds: [{ group, kind: 'TCPRoute' }] },
  { protocol: 'UDP', transport: 'udp', security: 'none', kinds: [{ group, kind: 'UDPRoute' }] },
];

const rows: ReadonlyMap<string, ProtocolRow> = new Map(embedded.map((row) => [row.protocol, row]));

/** Undefined for protocols that the Gateway API does not define: listeners of them are UnsupportedProtocol. */
export function protocolRow(protocol: string): ProtocolRow | undefined {
  return rows.get(protocol);
}
