// HTTP/1.1 over TLS: the same code as in cleartext, on a socket that encrypts.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { before, describe, it } from './engine-tests.ts';
import tls from 'node:tls';
import { WebSocket, WebSocketServer } from 'ws';
import { atEnd, type Gateway, httpRoute, listen, secret, service, startGateway } from './http2-gateway.ts';
import { certificateFor } from './tls-certificates.ts';

const big = randomBytes(600_000);
const sha256 = (octets: Buffer): string => createHash('sha256').update(octets).digest('hex');

let gateway: Gateway;
let port: number;
before(async () => {
  const row = await certificateFor('default/cert', ['b.test']);
  const server = http.createServer(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const octets of request) pieces.push(octets as Buffer);
    response.setHeader('x-proto', String(request.headers['x-forwarded-proto']));
    if (request.url === '/big') response.end(big);
    else if (request.url === '/chunks') {
      for (let at = 0; at < big.length; at += 70_000) response.write(big.subarray(at, at + 70_000));
      response.end();
    } else response.end(sha256(Buffer.concat(pieces)));
  });
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => socket.on('message', (data, binary) => socket.send(data, { binary })));
  gateway = await startGateway(
    `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: gw }
spec:
  gatewayClassName: any
  listeners:
  - { name: https, port: 443, protocol: HTTPS, tls: { certificateRefs: [{ name: cert }] } }
${secret(row)}${httpRoute('b', ['b.test'])}${service('b', await listen(server))}`,
  );
  port = gateway.port(443);
});

interface Answer {
  readonly status: number;
  readonly proto: string;
  readonly body: Buffer;
}

function ask(agent: https.Agent, path: string, body?: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { port, host: '127.0.0.1', servername: 'b.test', path, agent, rejectUnauthorized: false };
    const method = body === undefined ? 'GET' : 'POST';
    const request = https.request({ ...options, method, headers: { host: 'b.test' } }, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (octets: Buffer) => pieces.push(octets));
      response.on('error', reject);
      response.on('end', () => {
        const proto = String(response.headers['x-proto']);
        resolve({ status: response.statusCode as number, proto, body: Buffer.concat(pieces) });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

describe('HTTP/1.1 over TLS', () => {
  it('keeps the connection, and carries bodies both ways unharmed', async () => {
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
    atEnd(() => agent.destroy());
    for (let i = 0; i < 3; i++) {
      const { status, proto, body } = await ask(agent, '/', big);
      assert.equal(status, 200);
      assert.equal(proto, 'https');
      assert.equal(body.toString(), sha256(big));
      for (const path of ['/big', '/chunks']) assert.equal(sha256((await ask(agent, path)).body), sha256(big));
    }
    assert.equal(Object.values(agent.freeSockets).flat().length, 1);
  });

  it('carries many at once, none mixed with another', async () => {
    const agent = new https.Agent({ keepAlive: true, maxSockets: 8 });
    atEnd(() => agent.destroy());
    const bodies = Array.from({ length: 40 }, (_, i) => Buffer.alloc(50_000 + i, i));
    const answers = await Promise.all([
      ...bodies.map((body) => ask(agent, '/', body)),
      ...bodies.map((_, i) => ask(agent, i % 2 === 0 ? '/big' : '/chunks')),
    ]);
    for (const [i, body] of bodies.entries()) {
      assert.equal(answers[i]?.body.toString(), sha256(body));
      assert.equal(sha256(answers[i + bodies.length]?.body as Buffer), sha256(big));
    }
  });

  it('carries WebSockets', async () => {
    const options = { rejectUnauthorized: false, servername: 'b.test', headers: { host: 'b.test' } };
    const socket = new WebSocket(`wss://127.0.0.1:${port}/`, options);
    await once(socket, 'open');
    for (const message of ['hello', big]) {
      socket.send(message);
      const [data] = (await once(socket, 'message')) as [Buffer];
      assert.equal(sha256(data), sha256(Buffer.from(message)));
    }
    socket.close();
    await once(socket, 'close');
  });

  it('answers a client that closes its side after the request', async () => {
    const half = { allowHalfOpen: true };
    const options = { port, host: '127.0.0.1', servername: 'b.test', rejectUnauthorized: false, ...half };
    const socket = tls.connect(options);
    await once(socket, 'secureConnect');
    socket.end('GET / HTTP/1.1\r\nHost: b.test\r\n\r\n');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    assert.match(answer.toString('latin1'), /^HTTP\/1\.1 200 /);
    socket.destroy();
  });

  it('refuses a malformed request', async () => {
    const socket = tls.connect({ port, host: '127.0.0.1', servername: 'b.test', rejectUnauthorized: false });
    socket.write('GET / HTTP/1.1\r\nHost: b.test\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    assert.match(answer.toString('latin1'), /^HTTP\/1\.1 400 /);
    await once(socket, 'close');
  });
});
