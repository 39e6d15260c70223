// The proxies that are compared, each with the same routes and the same work per request: X-Forwarded-For, -Proto and -Host
// written, a request id given, keep-alive on both sides, timeouts, metrics on, access log off, one thread. A contender is a
// command line and the files that it reads.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { version } from '../../src/cli/version.ts';
import { hostName } from './measure.ts';
import { envoyStreams, haproxyStreams, nginxStreams, streamObjects } from './streams.ts';

export interface Setup {
  /** For configuration and logs. */
  readonly folder: string;
  readonly port: number;
  /** Where its metrics are read. */
  readonly adminPort: number;
  readonly backendPort: number;
  /** 0: one route for every host. Else that many hosts with five routes each. */
  readonly hosts: number;
  /** Files in PEM: clients are served over TLS, with HTTP/1.1 and HTTP/2; the backend is not. */
  readonly tls?: Pair;
  /** Octets are carried, and nothing is known of HTTP. */
  readonly streams?: boolean;
}

export interface Pair {
  readonly certificate: string;
  readonly key: string;
  /** Both in one file. */
  readonly both: string;
}

export interface Contender {
  readonly name: string;
  /** The version, or undefined when it is not installed. */
  readonly version: () => string | undefined;
  /** How the common features are done, and what is on beside them. */
  readonly features: string;
  readonly command: (setup: Setup) => readonly string[];
}

const root = join(import.meta.dirname, '..', '..');
const envoyBinary = process.env['ENVOY'] ?? join(root, '.cache/envoy/bin/envoy');

/** First line of what a command says of its version. */
function versionOf(command: string, args: readonly string[]): string | undefined {
  try {
    const output = execFileSync('sh', ['-c', '"$@" 2>&1', 'sh', command, ...args], { encoding: 'utf8' });
    return /\d+\.\d+\.\d+/.exec(output)?.[0];
  } catch {
    return undefined;
  }
}

/** On in all of them. */
export const common: string =
  'X-Forwarded-For, -Proto and -Host written, X-Request-Id given, keep-alive on both sides, timeouts, metrics on, access log off';

const prefixes: readonly string[] = ['/api/v1', '/api/v2', '/static', '/'];

function hostNames(hosts: number): readonly string[] {
  return Array.from({ length: hosts }, (_, at) => hostName(at));
}

export const contenders: readonly Contender[] = [
  {
    name: 'portolan',
    version: () => `${version()} on Node ${process.versions.node}`,
    features: 'one worker; counters and histograms by listener and route; passive health',
    command: (setup) => {
      const file = join(setup.folder, 'portolan.yaml');
      writeFileSync(
        file,
        (setup.streams === true ? streamObjects(setup) : portolanObjects(setup))
          .map((object) => stringify(object, { aliasDuplicateObjects: false }))
          .join('---\n'),
      );
      return [
        process.execPath,
        join(root, 'src/cli/main.ts'),
        'run',
        '-f',
        file,
        '--port-offset',
        '0',
        '--admin',
        `127.0.0.1:${setup.adminPort}`,
        '--workers',
        '1',
      ];
    },
  },
  {
    name: 'haproxy',
    version: () => versionOf('haproxy', ['-v']),
    features: 'one thread; Prometheus exporter; routes in a map of prefixes',
    command: (setup) => {
      const file = join(setup.folder, 'haproxy.cfg');
      writeFileSync(file, setup.streams === true ? haproxyStreams(setup) : haproxyConfig(setup));
      return ['haproxy', '-db', '-f', file];
    },
  },
  {
    name: 'nginx',
    version: () => versionOf('nginx', ['-v']),
    features: 'one process; stub_status only (no metrics by route)',
    command: (setup) => {
      const file = join(setup.folder, 'nginx.conf');
      writeFileSync(file, setup.streams === true ? nginxStreams(setup) : nginxConfig(setup));
      return ['nginx', '-c', file, '-e', join(setup.folder, 'nginx-error.log')];
    },
  },
  {
    name: 'envoy',
    version: () => (existsSync(envoyBinary) ? versionOf(envoyBinary, ['--version']) : undefined),
    features: 'one worker; statistics and histograms by listener and cluster',
    command: (setup) => {
      const file = join(setup.folder, 'envoy.json');
      writeFileSync(file, JSON.stringify(setup.streams === true ? envoyStreams(setup) : envoyConfig(setup)));
      return [envoyBinary, '-c', file, '--concurrency', '1', '-l', 'error', '--disable-hot-restart'];
    },
  },
];

/** @param setup.hosts -1: no route at all */
export function portolanObjects(setup: {
  readonly port: number;
  readonly backendPort: number;
  readonly hosts: number;
  readonly tls?: Pair;
}): readonly unknown[] {
  const { port, backendPort, hosts, tls } = setup;
  const listener =
    tls === undefined
      ? { name: 'http', port, protocol: 'HTTP' }
      : { name: 'https', port, protocol: 'HTTPS', tls: { certificateRefs: [{ name: 'pair' }] } };
  const one = {
    ...routeHead('all'),
    spec: { parentRefs: [{ name: 'bench' }], rules: [{ backendRefs: [{ name: 'backend', port: 80 }] }] },
  };
  return [
    {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'GatewayClass',
      metadata: { name: 'portolan' },
      spec: { controllerName: 'portolan.dev/gateway-controller' },
    },
    {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'Gateway',
      metadata: { name: 'bench' },
      spec: { gatewayClassName: 'portolan', listeners: [listener] },
    },
    ...(tls === undefined ? [] : [secretOf(tls)]),
    { apiVersion: 'v1', kind: 'Service', metadata: { name: 'backend' }, spec: { ports: [{ port: 80 }] } },
    endpointsOf(backendPort),
    ...(hosts === 0 ? [one] : routeObjects(Math.max(0, hosts), 5)),
  ];
}

function secretOf(tls: Pair): unknown {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'pair' },
    type: 'kubernetes.io/tls',
    stringData: { 'tls.crt': readFileSync(tls.certificate, 'utf8'), 'tls.key': readFileSync(tls.key, 'utf8') },
  };
}

export function endpointsOf(backendPort: number): unknown {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'backend-1', labels: { 'kubernetes.io/service-name': 'backend' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['127.0.0.1'] }],
    ports: [{ port: backendPort }],
  };
}

/** A route for each of so many hosts; up to five rules each, the last of them for every path. */
export function routeObjects(count: number, rules: number): readonly unknown[] {
  const backendRefs = [{ name: 'backend', port: 80 }];
  const all = [
    { matches: [{ path: { value: '/api/v1' }, headers: [{ name: 'x-canary', value: '1' }] }], backendRefs },
    ...prefixes.map((value) => ({ matches: [{ path: { value } }], backendRefs })),
  ];
  return hostNames(count).map((host, at) => ({
    ...routeHead(`r${at}`),
    spec: { parentRefs: [{ name: 'bench' }], hostnames: [host], rules: all.slice(-rules) },
  }));
}

export function routeHead(name: string): {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
} {
  return { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata: { name } };
}

function haproxyConfig({ folder, port, adminPort, backendPort, hosts, tls }: Setup): string {
  const secure = tls === undefined ? '' : ` ssl crt ${tls.both} alpn h2,http/1.1`;
  const map = join(folder, 'routes.map');
  if (hosts > 0)
    writeFileSync(
      map,
      hostNames(hosts)
        .flatMap((host) => prefixes.map((prefix) => `${host}${prefix} backend\n`))
        .join(''),
    );
  const choice =
    hosts === 0
      ? 'default_backend backend'
      : `use_backend canary if { req.hdr(x-canary) 1 } { base,map_beg(${map}) -m found }\n  use_backend %[base,map_beg(${map},none)]`;
  const server = `  http-reuse always\n  server one 127.0.0.1:${backendPort}\n`;
  return `global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout http-request 10s
  timeout http-keep-alive 60s
  unique-id-format %{+X}o%Ts%pid%rt
frontend metrics
  bind 127.0.0.1:${adminPort}
  http-request use-service prometheus-exporter if { path /metrics }
frontend in
  bind 127.0.0.1:${port}${secure}
  option forwardfor
  http-request set-header X-Forwarded-Proto ${tls === undefined ? 'http' : 'https'}
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  unique-id-header X-Request-Id
  ${choice}
backend backend
${server}backend canary
${server}backend none
  http-request return status 404
`;
}

function nginxConfig({ folder, port, adminPort, backendPort, hosts, tls }: Setup): string {
  const secure = tls === undefined ? '' : ' ssl http2';
  const location = (path: string): string => `    location ${path} { proxy_pass http://backend; }\n`;
  const server = (name: string, locations: string): string =>
    `  server {\n    listen 127.0.0.1:${port}${secure} backlog=4096;\n    server_name ${name};\n${locations}  }\n`.replace(
      name === '_' || name.startsWith('h0.') ? '' : ' backlog=4096',
      '',
    );
  const servers =
    hosts === 0
      ? server('_', location('/'))
      : hostNames(hosts)
          .map((host) => server(host, prefixes.map(location).join('')))
          .join('');
  return `daemon off;
master_process off;
pid ${folder}/nginx.pid;
events { worker_connections 4096; }
http {
  access_log off;
  ${tls === undefined ? '' : `ssl_certificate ${tls.certificate}; ssl_certificate_key ${tls.key}; ssl_protocols TLSv1.2 TLSv1.3;`}
  client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p; fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  server_names_hash_max_size 8192;
  server_names_hash_bucket_size 128;
  keepalive_requests 100000000;
  upstream backend { server 127.0.0.1:${backendPort}; keepalive 512; keepalive_requests 100000000; }
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $http_host;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_set_header X-Forwarded-Proto $scheme;
  proxy_set_header X-Forwarded-Host $http_host;
  proxy_set_header X-Request-Id $request_id;
  server { listen 127.0.0.1:${adminPort}; location /metrics { stub_status; } }
${servers}}
`;
}

function envoyConfig({ port, adminPort, backendPort, hosts, tls }: Setup): unknown {
  const route = { cluster: 'backend', timeout: '60s' };
  const routes = [
    { match: { prefix: '/api/v1', headers: [{ name: 'x-canary', string_match: { exact: '1' } }] }, route },
    ...prefixes.map((prefix) => ({ match: { prefix }, route })),
  ];
  const virtualHosts =
    hosts === 0
      ? [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route }] }]
      : hostNames(hosts).map((host) => ({ name: host, domains: [host], routes }));
  const address = (value: number): unknown => ({ socket_address: { address: '127.0.0.1', port_value: value } });
  return {
    admin: { address: address(adminPort) },
    static_resources: {
      listeners: [
        {
          name: 'in',
          address: address(port),
          filter_chains: [
            {
              ...(tls === undefined ? {} : { transport_socket: envoyTls(tls) }),
              filters: [
                {
                  name: 'envoy.filters.network.http_connection_manager',
                  typed_config: {
                    '@type':
                      'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
                    stat_prefix: 'in',
                    use_remote_address: true,
                    generate_request_id: true,
                    request_headers_timeout: '10s',
                    route_config: {
                      virtual_hosts: virtualHosts,
                      request_headers_to_add: [
                        {
                          header: { key: 'x-forwarded-host', value: '%REQ(:AUTHORITY)%' },
                          append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
                        },
                      ],
                    },
                    http_filters: [
                      {
                        name: 'envoy.filters.http.router',
                        typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
                      },
                    ],
                  },
                },
              ],
            },
          ],
        },
      ],
      clusters: [
        {
          name: 'backend',
          connect_timeout: '5s',
          circuit_breakers: { thresholds: [{ max_connections: 4096, max_pending_requests: 4096, max_requests: 4096 }] },
          load_assignment: {
            cluster_name: 'backend',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: address(backendPort) } }] }],
          },
        },
      ],
    },
  };
}

function envoyTls(tls: Pair): unknown {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
      common_tls_context: {
        alpn_protocols: ['h2', 'http/1.1'],
        tls_params: { tls_minimum_protocol_version: 'TLSv1_2', tls_maximum_protocol_version: 'TLSv1_3' },
        tls_certificates: [{ certificate_chain: { filename: tls.certificate }, private_key: { filename: tls.key } }],
      },
    },
  };
}
