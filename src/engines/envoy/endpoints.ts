// Endpoint sets -> ClusterLoadAssignments: those that take requests, and those that only keep their sessions (draining).
import net from 'node:net';
import type { Endpoint, EndpointSet } from '../../routing/model.ts';
import type { Message } from './tree.ts';

export function endpointsResource(row: EndpointSet | undefined, key: string): Message {
  const all = (row?.endpoints ?? []).filter(isUsable);
  const ready = all.filter((endpoint) => endpoint.ready);
  const leaving = all.filter(({ ready: isReady, serving, terminating }) => !isReady && serving && terminating);
  // None ready: those that still serve are better than nothing (KEP-1669).
  const taking = ready.length > 0 ? ready : leaving;
  const keeping = ready.length > 0 ? leaving : [];
  const endpoints = [
    ...unique(taking).map((endpoint) => lbEndpoint(endpoint, 'HEALTHY')),
    ...unique(keeping).map((endpoint) => lbEndpoint(endpoint, 'DRAINING')),
  ];
  return {
    cluster_name: key,
    ...(endpoints.length === 0 ? {} : { endpoints: [{ lb_endpoints: endpoints }] }),
  };
}

function isUsable({ address, port }: Endpoint): boolean {
  return port > 0 && port < 65_536 && net.isIP(address) !== 0;
}

function unique(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  return [...new Map(endpoints.map((endpoint) => [`${endpoint.address} ${endpoint.port}`, endpoint])).values()];
}

function lbEndpoint({ address, port }: Endpoint, health: string): Message {
  return {
    health_status: health,
    endpoint: { address: { socket_address: { address, port_value: port } } },
  };
}
