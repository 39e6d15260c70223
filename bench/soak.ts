// Mixed load for a long time while the configuration changes: HTTP/1.1, HTTPS, HTTP/2 over TLS, new connections, streams of TCP,
// datagrams of UDP, WebSockets; routes, endpoints and certificates change. No request may fail, and memory and file descriptors
// of the proxy may not grow. Usage: node bench/soak.ts [MINUTES] [REQUESTS A SECOND OF EACH KIND] [--engine envoy]
import dgram from 'node:dgram';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { WebSocket } from 'ws';
import { startEcho } from '../src/cli/run/echo-server.ts';
import { certificateFor } from '../test/features/tls-certificates.ts';
import { RunOnFolder } from './run-on-folder.ts';
import { freePorts } from '../test/free-port.ts';

const { values, positionals } = parseArgs({
  options: { engine: { type: 'string', default: 'embedded' } },
  allowPositionals: true,
});
const [minutes = 30, rate = 100] = positionals.map(Number);
const group = 'gateway.networking.k8s.io/v1';
const [clear = 0, secure = 0, tcp = 0] = await freePorts(3);
const udp = tcp;
const portolan = new RunOnFolder('soak');
const echoes = await Promise.all([0, 1].map(() => startEcho({ namespace: 'default', service: 'web', port: 80 })));
const streams = net.createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(0, '127.0.0.1');
await new Promise((resolve) => streams.once('listening', resolve));
const datagrams = dgram.createSocket('udp4');
datagrams.on('message', (octets, from) => datagrams.send(octets, from.port, from.address));
await new Promise<void>((resolve) => datagrams.bind(0, '127.0.0.1', resolve));

const certificates = await Promise.all([0, 1].map(() => certificateFor('default/pair', ['soak.example.com'])));
portolan.write('gateway.yaml', [
  {
    apiVersion: group,
    kind: 'Gateway',
    metadata: { name: 'soak' },
    spec: {
      gatewayClassName: 'portolan',
      listeners: [
        { name: 'http', port: clear, protocol: 'HTTP' },
        { name: 'https', port: secure, protocol: 'HTTPS', tls: { certificateRefs: [{ name: 'pair' }] } },
        { name: 'tcp', port: tcp, protocol: 'TCP' },
        { name: 'udp', port: udp, protocol: 'UDP' },
      ],
    },
  },
  ...['TCPRoute', 'UDPRoute'].map((kind) => ({
    apiVersion: group,
    kind,
    metadata: { name: 'stream' },
    spec: { parentRefs: [{ name: 'soak' }], rules: [{ backendRefs: [{ name: kind.toLowerCase(), port: 1 }] }] },
  })),
  { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web' }, spec: { ports: [{ port: 80 }] } },
  ...serviceAt('tcproute', 'TCP', (streams.address() as AddressInfo).port),
  ...serviceAt('udproute', 'UDP', datagrams.address().port),
]);
change(0);
portolan.start(values.engine);

const failures = new Map<string, number>();
const done = new Map<string, number>();
const keptClear = new http.Agent({ keepAlive: true, maxSockets: 8 });
const keptSecure = new https.Agent({ keepAlive: true, maxSockets: 8, rejectUnauthorized: false });
let session: http2.ClientHttp2Session | undefined;
const kinds: Readonly<Record<string, () => Promise<void>>> = {
  'HTTP/1.1': () => get(http, { port: clear, agent: keptClear }),
  'new connections': () => get(http, { port: clear, agent: false }),
  HTTPS: () => get(https, { port: secure, agent: keptSecure, rejectUnauthorized: false }),
  'new handshakes': () => get(https, { port: secure, agent: false, rejectUnauthorized: false }),
  'HTTP/2': stream,
  TCP: talk,
  UDP: send,
};

for (const end = performance.now() + 30_000; ; await sleep(50)) {
  if (
    (await kinds['HTTPS']?.().then(
      () => true,
      () => false,
    )) === true
  )
    break;
  if (performance.now() > end) throw new Error('portolan does not answer');
}
const sockets = Array.from({ length: 20 }, () => new WebSocket(`ws://127.0.0.1:${clear}/socket`));
await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('open', resolve))));
let closed = 0;
for (const socket of sockets) socket.on('close', () => closed++);

const began = performance.now();
let version = 0;
const churn = setInterval(() => change(++version), 500);
const load = setInterval(() => {
  // Some come together, as they do.
  for (const [kind, one] of Object.entries(kinds)) for (let i = 0; i < rate / 10; i++) void run(kind, one);
}, 100);
const samples: { readonly memory: number; readonly descriptors: number }[] = [];
for (let minute = 1; minute <= minutes; minute++) {
  await sleep(60_000);
  const sample = { memory: portolan.memory(), descriptors: portolan.descriptors() };
  samples.push(sample);
  const sum = [...done.values()].reduce((total, count) => total + count, 0);
  const failed = [...failures.values()].reduce((total, count) => total + count, 0);
  process.stdout.write(
    `${minute} min: ${sum} done, ${failed} failed, ${version} changes, ${sample.memory.toFixed(0)} MiB, ${sample.descriptors} descriptors\n`,
  );
}
clearInterval(load);
clearInterval(churn);
await sleep(3000);
const failed = [...failures.values()].reduce((total, count) => total + count, 0);
process.stdout.write(
  `${((performance.now() - began) / 60_000).toFixed(1)} minutes: ${[...done].map(([kind, count]) => `${kind} ${count}`).join(', ')}\n` +
    `failed: ${failed} ${failed > 0 ? JSON.stringify([...failures]) : ''}\n` +
    `WebSockets open: ${sockets.length - closed} of ${sockets.length}\n` +
    `memory: ${span(samples.map(({ memory }) => memory))} MiB; descriptors: ${span(samples.map(({ descriptors }) => descriptors))}\n`,
);
process.exit(failed === 0 && closed === 0 ? 0 : 1);

function span(values: readonly number[]): string {
  const thirds = [values.slice(0, Math.ceil(values.length / 3)), values.slice(-Math.ceil(values.length / 3))];
  const mean = (part: readonly number[]): number => part.reduce((sum, value) => sum + value, 0) / part.length;
  return thirds.map((part) => mean(part).toFixed(0)).join(' in the first third, ') + ' in the last';
}

function serviceAt(name: string, protocol: string, port: number): readonly unknown[] {
  return [
    { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { ports: [{ name: 'p', port: 1, protocol }] } },
    sliceOf(name, port, { name: 'p', protocol }),
  ];
}

function sliceOf(name: string, port: number, more: object = {}): unknown {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['127.0.0.1'] }],
    ports: [{ port, ...more }],
  };
}

function change(at: number): void {
  const backendRefs = [{ name: 'web', port: 80 }];
  const others = Array.from({ length: at % 7 }, (_, i) => ({
    matches: [{ path: { value: `/v${at}/${i}` } }],
    backendRefs,
  }));
  const spec = {
    parentRefs: [
      { name: 'soak', sectionName: 'http' },
      { name: 'soak', sectionName: 'https' },
    ],
    rules: [...others, { backendRefs }],
  };
  portolan.write('route.yaml', [{ apiVersion: group, kind: 'HTTPRoute', metadata: { name: 'web' }, spec }]);
  if (at % 4 === 0) portolan.write('endpoints.yaml', [sliceOf('web', echoes[(at / 4) % 2]?.port ?? 0)]);
  if (at % 20 !== 0) return;
  const { certificate = '', privateKey = '' } = certificates[(at / 20) % 2] ?? {};
  const stringData = { 'tls.crt': certificate, 'tls.key': privateKey };
  portolan.write('certificate.yaml', [
    { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'pair' }, type: 'kubernetes.io/tls', stringData },
  ]);
}

async function run(kind: string, one: () => Promise<void>): Promise<void> {
  try {
    await one();
    done.set(kind, (done.get(kind) ?? 0) + 1);
  } catch (error) {
    const what = `${kind}: ${(error as Error).message}`;
    failures.set(what, (failures.get(what) ?? 0) + 1);
  }
}

function get(module: typeof http | typeof https, options: https.RequestOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = module.request(
      { host: '127.0.0.1', path: '/x', servername: 'soak.example.com', timeout: 10_000, ...options },
      (response) => {
        response.resume();
        response.on('error', reject);
        response.on('end', () =>
          response.statusCode === 200 ? resolve() : reject(new Error(String(response.statusCode))),
        );
      },
    );
    request.on('timeout', () => request.destroy(new Error('timeout')));
    request.on('error', reject);
    request.end();
  });
}

function stream(): Promise<void> {
  if (session === undefined || session.closed || session.destroyed) {
    session = http2.connect(`https://127.0.0.1:${secure}`, {
      rejectUnauthorized: false,
      servername: 'soak.example.com',
    });
    session.on('error', () => {});
  }
  const request = session.request({ ':path': '/x' });
  return new Promise((resolve, reject) => {
    let status = 0;
    request.on('response', (headers) => (status = headers[':status'] ?? 0));
    request.on('error', reject);
    request.on('end', () => (status === 200 ? resolve() : reject(new Error(String(status)))));
    request.resume();
    request.end();
  });
}

function talk(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: '127.0.0.1', port: tcp });
    let heard = '';
    socket.setTimeout(10_000, () => socket.destroy(new Error('timeout')));
    socket.on('error', reject);
    socket.on('data', (octets: Buffer) => (heard += octets.toString()));
    socket.on('end', () => (heard === 'hello' ? resolve() : reject(new Error(`heard "${heard}"`))));
    socket.end('hello');
  });
}

function send(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = dgram.createSocket('udp4');
    const timer = setTimeout(() => {
      socket.close();
      reject(new Error('no answer'));
    }, 5000);
    socket.on('message', () => {
      clearTimeout(timer);
      socket.close();
      resolve();
    });
    socket.send('hello', udp, '127.0.0.1');
  });
}
