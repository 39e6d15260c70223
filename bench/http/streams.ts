// The same proxies as carriers of octets: TCP, and UDP where they can, to the same port of one backend.
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Setup } from './contenders.ts';

export function streamObjects({ port, backendPort }: Setup): readonly unknown[] {
  const group = 'gateway.networking.k8s.io/v1';
  const route = (kind: string, service: string): unknown => ({
    apiVersion: group,
    kind,
    metadata: { name: 'all' },
    spec: { parentRefs: [{ name: 'bench' }], rules: [{ backendRefs: [{ name: service, port: 1 }] }] },
  });
  const service = (name: string, protocol: string): readonly unknown[] => [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name },
      spec: { ports: [{ name: 'p', port: 1, protocol }] },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['127.0.0.1'] }],
      ports: [{ name: 'p', port: backendPort, protocol }],
    },
  ];
  return [
    {
      apiVersion: group,
      kind: 'Gateway',
      metadata: { name: 'bench' },
      spec: {
        gatewayClassName: 'portolan',
        listeners: [
          { name: 'tcp', port, protocol: 'TCP' },
          { name: 'udp', port, protocol: 'UDP' },
        ],
      },
    },
    route('TCPRoute', 'tcp'),
    route('UDPRoute', 'udp'),
    ...service('tcp', 'TCP'),
    ...service('udp', 'UDP'),
  ];
}

export function haproxyStreams({ port, adminPort, backendPort }: Setup): string {
  return `global
  nbthread 1
  maxconn 4000
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend metrics
  mode http
  bind 127.0.0.1:${adminPort}
  http-request use-service prometheus-exporter if { path /metrics }
listen in
  bind 127.0.0.1:${port}
  server one 127.0.0.1:${backendPort}
`;
}

/** Debian's nginx has its stream module apart. */
const modules = '/usr/lib/nginx/modules';

export function hasNginxStreams(): boolean {
  try {
    return readdirSync(modules).includes('ngx_stream_module.so');
  } catch {
    return false;
  }
}

export function nginxStreams({ folder, port, backendPort }: Setup): string {
  return `load_module ${modules}/ngx_stream_module.so;
daemon off;
master_process off;
pid ${folder}/nginx.pid;
events { worker_connections 4096; }
stream {
  server { listen 127.0.0.1:${port} backlog=4096; proxy_pass 127.0.0.1:${backendPort}; }
  server { listen 127.0.0.1:${port} udp; proxy_pass 127.0.0.1:${backendPort}; proxy_timeout 60s; }
}
`;
}

export function envoyStreams({ port, adminPort, backendPort }: Setup): unknown {
  const address = (value: number, protocol = 'TCP'): unknown => ({
    socket_address: { address: '127.0.0.1', port_value: value, protocol },
  });
  const filter = (name: string, config: object): unknown => ({
    name: `envoy.filters.${name}`,
    typed_config: { ...config, stat_prefix: 'in' },
  });
  const any = 'type.googleapis.com/envoy.extensions.filters';
  return {
    admin: { address: address(adminPort) },
    static_resources: {
      listeners: [
        {
          name: 'tcp',
          address: address(port),
          filter_chains: [
            {
              filters: [
                filter('network.tcp_proxy', { '@type': `${any}.network.tcp_proxy.v3.TcpProxy`, cluster: 'backend' }),
              ],
            },
          ],
        },
        {
          name: 'udp',
          address: address(port, 'UDP'),
          listener_filters: [
            filter('udp_listener.udp_proxy', {
              '@type': `${any}.udp.udp_proxy.v3.UdpProxyConfig`,
              matcher: {
                on_no_match: {
                  action: {
                    name: 'route',
                    typed_config: { '@type': `${any}.udp.udp_proxy.v3.Route`, cluster: 'datagrams' },
                  },
                },
              },
            }),
          ],
        },
      ],
      clusters: [clusterOf('backend', address(backendPort)), clusterOf('datagrams', address(backendPort, 'UDP'))],
    },
  };
}

function clusterOf(name: string, address: unknown): unknown {
  return {
    name,
    connect_timeout: '5s',
    circuit_breakers: { thresholds: [{ max_connections: 4096 }] },
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
  };
}

/** An echo of datagrams, and clients that each send the next when the last came back. Plain JavaScript, run as it is. */
export function datagramPrograms(folder: string): { readonly echo: string; readonly clients: string } {
  const echo = join(folder, 'echo.mjs');
  const clients = join(folder, 'clients.mjs');
  const lookup = `{ lookup: (address, options, done) => done(null, address, 4) }`;
  writeFileSync(
    echo,
    `import dgram from 'node:dgram';
const socket = dgram.createSocket({ type: 'udp4', ...${lookup} });
socket.on('message', (octets, from) => socket.send(octets, from.port, from.address));
socket.bind(Number(process.argv[2]), '127.0.0.1');
`,
  );
  writeFileSync(
    clients,
    `import dgram from 'node:dgram';
const [port, count, seconds] = process.argv.slice(2).map(Number);
const octets = Buffer.alloc(100, 120);
let answers = 0;
let lost = 0;
const began = performance.now();
for (let i = 0; i < count; i++) {
  const socket = dgram.createSocket({ type: 'udp4', ...${lookup} });
  let heard = 0;
  socket.connect(port, '127.0.0.1', () => {
    socket.on('message', () => { answers++; heard = performance.now(); socket.send(octets); });
    socket.send(octets);
    setInterval(() => { if (performance.now() - heard > 500) { lost++; socket.send(octets); } }, 500);
  });
}
setTimeout(() => {
  console.log('RESULT ' + answers + ' ' + lost + ' ' + Math.round((performance.now() - began) * 1000));
  process.exit(0);
}, seconds * 1000);
`,
  );
  return { echo, clients };
}
