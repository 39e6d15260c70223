// Layer 4 through the front door: TCPRoute, UDPRoute, TLSRoute, TLSRouteModeTerminate, TLSRouteModeMixed, and the PROXY protocol.
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import type { AddressInfo } from 'node:net';
import { test } from './engine-tests.ts';
import type { TestContext } from './engine-tests.ts';
import tls from 'node:tls';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../src/api/objects.ts';
import type { CertificateSet } from '../../src/routing/model.ts';
import type { Gateway } from './gateway-fixture.ts';
import { serveObjects } from './gateway-fixture.ts';
import type { Authority } from './tls-certificates.ts';
import { authority } from './tls-certificates.ts';
import { eventually } from '../eventually.ts';

function objectsIn(yaml: string): readonly KubeObject[] {
  return parseAllDocuments(yaml).flatMap((document) => (document.toJS() as KubeObject | null) ?? []);
}

function gatewayOf(listeners: string, annotations = '{}'): string {
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: gw, annotations: ${annotations} }
spec:
  gatewayClassName: any
  listeners: ${listeners}
`;
}

function routeOf(kind: string, name: string, backendRefs: string, more = ''): string {
  return `---
apiVersion: gateway.networking.k8s.io/v1
kind: ${kind}
metadata: { name: ${name} }
spec:
  parentRefs: [{ name: gw }]
  ${more}
  rules: [{ backendRefs: ${backendRefs} }]
`;
}

function serviceAt(name: string, port: number, protocol = 'TCP', annotations = '{}'): string {
  return `---
apiVersion: v1
kind: Service
metadata: { name: ${name}, annotations: ${annotations} }
spec: { ports: [{ name: p, port: 1, protocol: ${protocol} }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: ${name}-1, labels: { kubernetes.io/service-name: ${name} } }
addressType: IPv4
ports: [{ name: p, port: ${port}, protocol: ${protocol} }]
endpoints: [{ addresses: [127.0.0.1] }]
`;
}

/** A backend on loopback. */
async function backend(t: TestContext, accept: (socket: net.Socket) => void): Promise<number> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    accept(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

function echoAs(name: string): (socket: net.Socket) => void {
  return (socket) => {
    socket.on('data', (octets) => socket.write(`${name}:${octets.toString()}`));
    socket.on('end', () => socket.end(`${name} bye`));
  };
}

interface Talk {
  readonly socket: net.Socket;
  readonly said: () => string;
  readonly closed: Promise<void>;
}

function talk(t: TestContext, socket: net.Socket): Talk {
  let text = '';
  socket.on('data', (octets: Buffer) => (text += octets.toString()));
  socket.on('end', () => socket.end());
  socket.on('error', () => {});
  t.after(() => socket.destroy());
  return { socket, said: () => text, closed: new Promise((resolve) => socket.on('close', () => resolve())) };
}

function connect(t: TestContext, gateway: Gateway, port: number): Talk {
  return talk(t, net.connect({ host: '127.0.0.1', port: gateway.port('default/gw', port), allowHalfOpen: true }));
}

test('TCPRoute: octets go both ways, and each side may close its half', async (t) => {
  const port = await backend(t, echoAs('db'));
  const yaml =
    gatewayOf('[{ name: tcp, port: 5432, protocol: TCP }]') +
    routeOf('TCPRoute', 'db', '[{ name: db, port: 1 }]') +
    serviceAt('db', port);
  const gateway = await serveObjects(t, objectsIn(yaml));
  const { socket, said, closed } = connect(t, gateway, 5432);
  socket.write('one');
  await eventually(() => said() === 'db:one', 'an answer');
  socket.write('two');
  await eventually(() => said() === 'db:onedb:two', 'a second answer');
  socket.end();
  await closed;
  assert.equal(said(), 'db:onedb:twodb bye');
});

test('TCPRoute: a client that says nothing and closes its half hears the backend out', async (t) => {
  const port = await backend(t, (socket) => {
    socket.on('data', () => {});
    socket.on('end', () => setTimeout(() => socket.end('the time is now'), 20));
  });
  const yaml =
    gatewayOf('[{ name: tcp, port: 37, protocol: TCP }]') +
    routeOf('TCPRoute', 'time', '[{ name: time, port: 1 }]') +
    serviceAt('time', port);
  const gateway = await serveObjects(t, objectsIn(yaml));
  for (let each = 0; each < 10; each++) {
    const { socket, said, closed } = connect(t, gateway, 37);
    socket.end();
    await eventually(() => said() === 'the time is now', 'an answer');
    await closed;
  }
});

test('TCPRoute: a megabyte each way, and a backend that does not read stops the client', async (t) => {
  let held: net.Socket | undefined;
  const port = await backend(t, (socket) => {
    held = socket;
    socket.pause();
  });
  const yaml =
    gatewayOf('[{ name: tcp, port: 5432, protocol: TCP }]') +
    routeOf('TCPRoute', 'db', '[{ name: db, port: 1 }]') +
    serviceAt('db', port);
  const gateway = await serveObjects(t, objectsIn(yaml));
  const { socket, said } = connect(t, gateway, 5432);
  const piece = Buffer.alloc(65_536, 120);
  let written = 0;
  await eventually(() => held !== undefined, 'the backend');
  for (let stuck = false; !stuck; written++) {
    assert.ok(written < 512, 'nobody holds the client back');
    if (socket.write(piece)) continue;
    const drained = once(socket, 'drain').then(() => false);
    stuck = await Promise.race([drained, new Promise<boolean>((resolve) => setTimeout(() => resolve(true), 300))]);
  }
  let received = 0;
  held?.on('data', (octets) => (received += octets.length));
  held?.resume();
  const total = written * piece.length;
  await eventually(() => received === total, 'everything arrives');
  held?.write(Buffer.alloc(1_048_576, 121));
  await eventually(() => said().length === 1_048_576, 'everything comes back');
});

test('TCPRoute: what leads nowhere is reset, in proportion to its weight', async (t) => {
  const port = await backend(t, echoAs('db'));
  const yaml =
    gatewayOf('[{ name: tcp, port: 1000, protocol: TCP }, { name: lost, port: 2000, protocol: TCP }]') +
    routeOf('TCPRoute', 'half', '[{ name: db, port: 1 }, { name: missing, port: 1 }]').replace(
      '{ name: gw }',
      '{ name: gw, port: 1000 }',
    ) +
    routeOf('TCPRoute', 'lost', '[{ name: missing, port: 1 }]').replace('{ name: gw }', '{ name: gw, port: 2000 }') +
    serviceAt('db', port);
  const gateway = await serveObjects(t, objectsIn(yaml));
  let answered = 0;
  for (let i = 0; i < 60; i++) {
    const { socket, said, closed } = connect(t, gateway, 1000);
    socket.end('x');
    await closed;
    if (said() !== '') answered++;
  }
  assert.ok(answered > 10 && answered < 50, `${answered} of 60`);
  const { closed, said } = connect(t, gateway, 2000);
  await closed;
  assert.equal(said(), '');
});

test('TCPRoute: connections live on while the route changes, new ones take the new backend; an endpoint that refuses is passed over', async (t) => {
  const first = await backend(t, echoAs('first'));
  const second = await backend(t, echoAs('second'));
  const dead = await backend(t, (socket) => socket.destroy());
  const listeners = gatewayOf('[{ name: tcp, port: 5432, protocol: TCP }]');
  const route = (name: string): string => routeOf('TCPRoute', 'db', `[{ name: ${name}, port: 1 }]`);
  const services = serviceAt('a', first) + serviceAt('b', second);
  const gateway = await serveObjects(t, objectsIn(listeners + route('a') + services));
  const old = connect(t, gateway, 5432);
  old.socket.write('1');
  await eventually(() => old.said() === 'first:1', 'the first');
  await gateway.apply(...objectsIn(route('b').slice(4)));
  const young = connect(t, gateway, 5432);
  young.socket.write('2');
  await eventually(() => young.said() === 'second:2', 'the second');
  old.socket.write('3');
  await eventually(() => old.said() === 'first:1first:3', 'the first again');
  assert.ok(dead > 0);
});

async function udpBackend(t: TestContext, name: string): Promise<number> {
  const socket = dgram.createSocket('udp4');
  socket.on('message', (octets, from) => socket.send(`${name}:${octets.toString('latin1')}`, from.port, from.address));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.after(() => socket.close());
  return socket.address().port;
}

async function askUdp(t: TestContext, port: number, text: string): Promise<string> {
  const socket = dgram.createSocket('udp4');
  t.after(() => socket.close());
  socket.send(text, port, '127.0.0.1');
  const timer = setTimeout(() => socket.emit('message', Buffer.from('(nothing)')), 1000);
  const [answer] = (await once(socket, 'message')) as [Buffer];
  clearTimeout(timer);
  return answer.toString();
}

test('UDPRoute: each client has a backend of its own, and gets its answers', async (t) => {
  const port = await udpBackend(t, 'dns');
  const yaml =
    gatewayOf('[{ name: udp, port: 53, protocol: UDP }]') +
    routeOf('UDPRoute', 'dns', '[{ name: dns, port: 1 }]') +
    serviceAt('dns', port, 'UDP');
  const gateway = await serveObjects(t, objectsIn(yaml));
  const local = gateway.port('default/gw', 53, 'udp');
  const texts = Array.from({ length: 50 }, (_, i) => `question ${i}`);
  const answers = await Promise.all(texts.map((text) => askUdp(t, local, text)));
  assert.deepEqual(
    answers,
    texts.map((text) => `dns:${text}`),
  );
  const large = 'x'.repeat(8000);
  assert.equal(await askUdp(t, local, large), `dns:${large}`);
  // A route that goes takes its traffic along.
  await gateway.delete(objectsIn(routeOf('UDPRoute', 'dns', '[]').slice(4))[0] as KubeObject);
  assert.equal(await askUdp(t, local, 'more'), '(nothing)');
});

function secret(name: string, { certificate, privateKey }: CertificateSet): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name },
    type: 'kubernetes.io/tls',
    stringData: { 'tls.crt': certificate, 'tls.key': privateKey },
  };
}

/** What a TLS client of that name hears. */
function shake(t: TestContext, ca: Authority, port: number, servername: string): Talk {
  return talk(
    t,
    tls.connect({ host: '127.0.0.1', port, servername, ca: ca.certificate, ALPNProtocols: ['h2', 'http/1.1'] }),
  );
}

test('TLSRouteModeMixed: one port lets TLS pass, terminates it, and serves HTTPS, by name', async (t) => {
  const ca = await authority('ca');
  const own = await ca.issue({ names: ['pass.example.com'] });
  const inner = tls.createServer({ cert: own.certificate, key: own.privateKey }, (socket) => {
    socket.on('error', () => {});
    socket.on('data', (octets) => socket.write(`inner:${octets.toString()}`));
  });
  inner.listen(0, '127.0.0.1');
  await once(inner, 'listening');
  const inside = new Set<net.Socket>();
  inner.on('connection', (socket: net.Socket) => inside.add(socket));
  t.after(() => {
    for (const socket of inside) socket.destroy();
    inner.close();
  });
  const plain = await backend(t, echoAs('plain'));
  const yaml =
    gatewayOf(`
    - { name: pass, port: 443, protocol: TLS, hostname: pass.example.com, tls: { mode: Passthrough } }
    - { name: open, port: 443, protocol: TLS, hostname: open.example.com, tls: { mode: Terminate, certificateRefs: [{ name: open }] } }
    - { name: web, port: 443, protocol: HTTPS, hostname: web.example.com, tls: { certificateRefs: [{ name: web }] } }`) +
    routeOf('TLSRoute', 'pass', '[{ name: inner, port: 1 }]', 'hostnames: [pass.example.com]') +
    routeOf('TLSRoute', 'open', '[{ name: plain, port: 1 }]', 'hostnames: [open.example.com]') +
    serviceAt('inner', (inner.address() as AddressInfo).port) +
    serviceAt('plain', plain);
  const gateway = await serveObjects(t, [
    ...objectsIn(yaml),
    secret('open', await ca.issue({ names: ['open.example.com'] })),
    secret('web', await ca.issue({ names: ['web.example.com'] })),
  ]);
  const port = gateway.port('default/gw', 443);
  const pass = shake(t, ca, port, 'pass.example.com');
  pass.socket.write('a');
  await eventually(() => pass.said() === 'inner:a', 'what passes');
  const open = shake(t, ca, port, 'open.example.com');
  open.socket.write('b');
  await eventually(() => open.said() === 'plain:b', 'what is terminated');
  // What is inside is for client and backend to agree on.
  assert.equal((open.socket as tls.TLSSocket).alpnProtocol, false);
  const web = shake(t, ca, port, 'web.example.com');
  await once(web.socket, 'secureConnect');
  assert.equal((web.socket as tls.TLSSocket).alpnProtocol, 'h2');
  const unknown = tls.connect({ host: '127.0.0.1', port, servername: 'other.example.com' });
  const [error] = (await once(unknown, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNRESET');
});

test('PROXY protocol: believed where the Gateway says so, and sent where the Service says so', async (t) => {
  const seen: string[] = [];
  const port = await backend(t, (socket) => {
    socket.on('data', (octets) => {
      seen.push(octets.toString('latin1'));
      socket.end('ok');
    });
  });
  const yaml =
    gatewayOf(
      '[{ name: tcp, port: 5432, protocol: TCP }, { name: http, port: 80, protocol: HTTP }]',
      `{ portolan.dev/accept-proxy-protocol: '*' }`,
    ) +
    routeOf('TCPRoute', 'db', '[{ name: db, port: 1 }]') +
    routeOf('HTTPRoute', 'web', '[{ name: web, port: 80 }]') +
    `---\napiVersion: v1\nkind: Service\nmetadata: { name: web }\nspec: { ports: [{ port: 80 }] }\n` +
    serviceAt('db', port, 'TCP', `{ portolan.dev/send-proxy-protocol: v1 }`);
  const gateway = await serveObjects(t, objectsIn(yaml));
  const header = 'PROXY TCP4 192.0.2.9 198.51.100.1 1234 5432\r\n';
  const stream = connect(t, gateway, 5432);
  stream.socket.write(`${header}hello`);
  await stream.closed;
  assert.match(seen.join(''), /^PROXY TCP4 192\.0\.2\.9 127\.0\.0\.1 1234 \d+\r\nhello$/);
  const http = connect(t, gateway, 80);
  for (const octet of `${header}GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`) http.socket.write(octet);
  await http.closed;
  assert.match(http.said(), /"x-forwarded-for": "192\.0\.2\.9"/);
  const none = connect(t, gateway, 80);
  none.socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await none.closed;
  assert.equal(none.said(), '');
});
