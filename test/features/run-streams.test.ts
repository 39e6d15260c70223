// portolan run: TCP, UDP and TLS listeners on this machine, with echoes, processes of one's own, and certificates made here.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { folderWith, root, serving } from './cli-process.ts';
import { freePort } from '../free-port.ts';

const api = 'apiVersion: gateway.networking.k8s.io/v1';

function gateway(...listeners: readonly string[]): string {
  return `${api}
kind: Gateway
metadata: { name: in }
spec:
  gatewayClassName: any
  listeners:
${listeners.map((listener) => `  - { ${listener} }\n`).join('')}`;
}

function route(kind: string, service: string, { attached = true, more = '' } = {}): string {
  return `---
${api}
kind: ${kind}
metadata: { name: ${service} }
spec:
${attached ? '  parentRefs: [{ name: in }]\n' : ''}${more}  rules: [{ backendRefs: [{ name: ${service}, port: 7 }] }]
`;
}

/** What comes back, until the other side ends. */
async function exchange(stream: NodeJS.ReadWriteStream, sent: string): Promise<string> {
  stream.end(sent);
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  return text;
}

function overTcp(port: number, sent: string): Promise<string> {
  return exchange(connect({ port, host: '127.0.0.1', allowHalfOpen: true }), sent);
}

async function overUdp(t: TestContext, port: number, sent: string): Promise<string> {
  const socket = await datagramSocket(t);
  const back = once(socket, 'message') as Promise<[Buffer]>;
  socket.send(sent, port, '127.0.0.1');
  return String((await back)[0]);
}

async function datagramSocket(t: TestContext): Promise<Socket> {
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

async function overTls(port: number, servername: string, ca?: Buffer): Promise<{ text: string; names: string }> {
  const socket = connectTls({
    port,
    host: '127.0.0.1',
    servername,
    ...(ca === undefined ? { rejectUnauthorized: false } : { ca }),
  });
  await once(socket, 'secureConnect');
  const names = String(socket.getPeerX509Certificate()?.subjectAltName);
  return { text: await exchange(socket, 'hello'), names };
}

test('the example: octets and datagrams come back, and TLS that passes through', async (t) => {
  const [tcp, udp, tls] = [await freePort(), await freePort(), await freePort()];
  const ports = ['--port', `streams/mysql=${tcp}`, '--port', `streams/dns=${udp}`, '--port', `streams/tls=${tls}`];
  const cwd = folderWith(t);
  const flags = ['--echo', '--dev-certificates', ...ports];
  const running = await serving(t, ['-f', join(root, 'examples', 'streams'), ...flags], { cwd });
  assert.deepEqual(
    ['mysql', 'dns', 'tls'].map((name) => running.port(`default/streams/${name}`)),
    [tcp, udp, tls],
  );
  assert.match(running.out, new RegExp(`default/streams/mysql +:13306 +tcp://127\\.0\\.0\\.1:${tcp} `));
  assert.match(running.out, new RegExp(`default/streams/dns +:53 +udp://127\\.0\\.0\\.1:${udp} `));
  assert.match(running.out, new RegExp(`default/streams/tls +:443 +tls://127\\.0\\.0\\.1:${tls} `));
  for (const line of [
    `nc 127.0.0.1 ${tcp}`,
    `nc -u 127.0.0.1 ${udp}`,
    `openssl s_client -connect 127.0.0.1:${tls} -servername vault.localhost`,
  ])
    assert.ok(running.out.includes(`  ${line}\n`), `${line}\n${running.out}`);
  assert.equal(await overTcp(tcp, 'select 1'), 'select 1');
  assert.equal(await overUdp(t, udp, 'who is it?'), 'who is it?');
  assert.deepEqual(await overTls(tls, 'vault.localhost'), { text: 'hello', names: 'DNS:vault.localhost' });
  // The echo's certificate is from the authority that --dev-certificates keeps.
  const ca = readFileSync(join(cwd, '.data', 'authority', 'certificate.pem'));
  assert.equal((await overTls(tls, 'other.localhost', ca)).text, 'hello');
  await assert.rejects(overTls(tls, 'nobody.example.com'), /unrecognized|alert|ECONNRESET/i);
});

test('processes of one’s own behind TCP and UDP', async (t) => {
  const server = createServer((socket) => socket.on('data', () => socket.end('from the process')));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const process = await datagramSocket(t);
  process.on('message', (message, { port, address }) => process.send(`${String(message)}!`, port, address));
  const [tcp, udp] = [await freePort(), await freePort()];
  const listeners = [`name: tcp, protocol: TCP, port: ${tcp}`, `name: udp, protocol: UDP, port: ${udp}`];
  const cwd = folderWith(t, { 'g.yaml': gateway(...listeners) + route('TCPRoute', 'db') + route('UDPRoute', 'names') });
  const backends = [
    `db=127.0.0.1:${(server.address() as AddressInfo).port}`,
    `names:7=127.0.0.1:${process.address().port}`,
  ];
  const running = await serving(t, ['-f', '.', ...backends.flatMap((each) => ['--backend', each])], { cwd });
  assert.equal(await overTcp(running.port('default/in/tcp'), 'hey'), 'from the process');
  assert.equal(await overUdp(t, running.port('default/in/udp'), 'hey'), 'hey!');
  assert.ok(!running.out.includes('note'), running.out);
});

test('one Service behind TCP and UDP: an echo for each', async (t) => {
  const [tcp, udp] = [await freePort(), await freePort()];
  const listeners = [`name: tcp, protocol: TCP, port: ${tcp}`, `name: udp, protocol: UDP, port: ${udp}`];
  const cwd = folderWith(t, { 'g.yaml': gateway(...listeners) + route('TCPRoute', 'dns') + route('UDPRoute', 'dns') });
  const running = await serving(t, ['-f', '.', '--echo'], { cwd });
  assert.equal(await overTcp(running.port('default/in/tcp'), 'over TCP'), 'over TCP');
  assert.equal(await overUdp(t, running.port('default/in/udp'), 'over UDP'), 'over UDP');
});

test('--attach takes routes of every kind to the Gateway', async (t) => {
  const [tcp, udp, tls] = [await freePort(), await freePort(), await freePort()];
  const listeners = [
    `name: tcp, protocol: TCP, port: ${tcp}`,
    `name: udp, protocol: UDP, port: ${udp}`,
    `name: tls, protocol: TLS, port: ${tls}, tls: { mode: Passthrough }`,
  ];
  const alone = { attached: false };
  const routes = [
    route('TCPRoute', 'a', alone),
    route('UDPRoute', 'b', alone),
    route('TLSRoute', 'c', { ...alone, more: '  hostnames: [c.test]\n' }),
  ];
  const cwd = folderWith(t, { 'g.yaml': gateway(...listeners) + routes.join('') });
  const running = await serving(t, ['-f', '.', '--echo', '--attach', 'in'], { cwd });
  assert.equal(await overTcp(running.port('default/in/tcp'), 'a'), 'a');
  assert.equal(await overUdp(t, running.port('default/in/udp'), 'b'), 'b');
  assert.equal((await overTls(running.port('default/in/tls'), 'c.test')).text, 'hello');
});

test('a TLS listener that ends TLS gets a certificate for the names of its TLSRoutes', async (t) => {
  const tls = await freePort();
  const listener = `name: tls, protocol: TLS, port: ${tls}, tls: { certificateRefs: [{ name: missing }] }`;
  const files = {
    'g.yaml': gateway(listener) + route('TLSRoute', 'app', { more: '  hostnames: [app.example.com]\n' }),
  };
  const cwd = folderWith(t, files);
  const running = await serving(t, ['-f', '.', '--echo', '--dev-certificates'], { cwd });
  const path = await running.prints(/openssl s_client .* -servername app\.example\.com -CAfile (\S+)/);
  const { text, names } = await overTls(running.port('default/in/tls'), 'app.example.com', readFileSync(path));
  assert.equal(text, 'hello');
  assert.match(names, /DNS:app\.example\.com/);
});

test('a taken UDP port moves to the next free one, which is said', async (t) => {
  const taken = await datagramSocket(t);
  const { port } = taken.address();
  const cwd = folderWith(t, {
    'g.yaml': gateway(`name: udp, protocol: UDP, port: ${port}`) + route('UDPRoute', 'dns'),
  });
  const running = await serving(t, ['-f', '.', '--echo'], { cwd });
  assert.notEqual(running.port('default/in/udp'), port);
  assert.match(running.out, new RegExp(`port ${port} was taken`));
  assert.equal(await overUdp(t, running.port('default/in/udp'), 'x'), 'x');
});
