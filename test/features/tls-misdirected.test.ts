// HTTPS listeners through the front door: HTTP/1.1 and HTTP/2 by ALPN, and 421 for requests that came on the connection of
// another listener. The table is that of GatewayHTTPSListenerDetectMisdirectedRequests (GEP-3567).
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import { before, describe, it } from './engine-tests.ts';
import tls from 'node:tls';
import { atEnd, type Gateway, httpRoute, listen, secret, service, startGateway } from './http2-gateway.ts';
import { certificateFor } from './tls-certificates.ts';

const listeners = [
  { name: 'any', hostname: '' },
  { name: 'second', hostname: 'second-example.org' },
  { name: 'wildcard', hostname: '*.wildcard.org' },
  { name: 'fourth', hostname: 'fourth-example.wildcard.org' },
];

let gateway: Gateway;
let port: number;
before(async () => {
  const certificates = await Promise.all(
    listeners.map(({ name }) => certificateFor(`default/${name}`, [`${name}.test`])),
  );
  const backend = await listen(
    http.createServer((request, response) => {
      response.setHeader('x-proto', String(request.headers['x-forwarded-proto']));
      response.end(request.headers.host);
    }),
  );
  const entries = listeners.map(
    ({ name, hostname }) =>
      `  - { name: ${name}, port: 443, protocol: HTTPS, tls: { certificateRefs: [{ name: ${name} }] }${
        hostname === '' ? '' : `, hostname: '${hostname}'`
      } }\n`,
  );
  gateway = await startGateway(
    `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: gw }
spec:
  gatewayClassName: any
  listeners:
${entries.join('')}` +
      certificates.map(secret).join('') +
      httpRoute('any', ['example.org'], ', sectionName: any') +
      httpRoute('second', ['second-example.org'], ', sectionName: second') +
      httpRoute('wildcard', ['*.wildcard.org'], ', sectionName: wildcard') +
      httpRoute('fourth', ['fourth-example.wildcard.org'], ', sectionName: fourth') +
      listeners.map(({ name }) => service(name, backend)).join(''),
  );
  port = gateway.port(443);
});

async function connect(servername: string): Promise<http2.ClientHttp2Session> {
  const socket = tls.connect({ port, host: '127.0.0.1', servername, ALPNProtocols: ['h2'], rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  assert.equal(socket.alpnProtocol, 'h2');
  const session = http2.connect(`https://${servername === '' ? 'x' : servername}`, { createConnection: () => socket });
  session.on('error', () => {});
  atEnd(() => session.destroy());
  return session;
}

async function statusOf(session: http2.ClientHttp2Session, authority: string): Promise<number> {
  const stream = session.request({ ':authority': authority, ':path': '/' }, { endStream: true });
  stream.resume();
  const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
  return Number(headers[':status']);
}

const table: readonly (readonly [serverName: string, host: string, status: number])[] = [
  ['example.org', 'example.org', 200],
  ['example.org', 'second-example.org', 421],
  ['example.org', 'unknown-example.org', 404],
  ['second-example.org', 'second-example.org', 200],
  ['second-example.org', 'example.org', 421],
  ['second-example.org', 'unknown-example.org', 421],
  ['third-example.wildcard.org', 'third-example.wildcard.org', 200],
  ['third-example.wildcard.org', 'fith-example.wildcard.org', 200],
  ['third-example.wildcard.org', 'fourth-example.wildcard.org', 421],
  ['third-example.wildcard.org', 'second-example.org', 421],
  ['third-example.wildcard.org', 'unknown-example.org', 421],
  ['fourth-example.wildcard.org', 'fourth-example.wildcard.org', 200],
  ['fourth-example.wildcard.org', 'fith-example.wildcard.org', 421],
  ['unknown-example.org', 'example.org', 200],
  ['unknown-example.org', 'unknown-example.org', 404],
];

describe('a request on a connection whose SNI chose a listener', () => {
  for (const [serverName, host, status] of table) {
    it(`SNI ${serverName}, host ${host}: ${status}`, async () => {
      const session = await connect(serverName);
      assert.equal(await statusOf(session, host), status);
      session.close();
    });
  }

  it('is judged by itself: one connection serves some and refuses others', async () => {
    const session = await connect('third-example.wildcard.org');
    const hosts = [
      'third-example.wildcard.org',
      'second-example.org',
      'a.wildcard.org:443',
      'fourth-example.wildcard.org',
    ];
    assert.deepEqual(await Promise.all(hosts.map((host) => statusOf(session, host))), [200, 421, 200, 421]);
    session.close();
  });

  it('is judged the same on HTTP/1.1', async () => {
    const ask = (servername: string, host: string): Promise<[number, string]> =>
      new Promise((resolve, reject) => {
        const options = { port, host: '127.0.0.1', servername, headers: { host }, rejectUnauthorized: false };
        https
          .get({ ...options, agent: false }, (response) => {
            response.resume();
            resolve([response.statusCode as number, String(response.headers['x-proto'])]);
          })
          .on('error', reject);
      });
    assert.deepEqual(await ask('second-example.org', 'second-example.org'), [200, 'https']);
    assert.equal((await ask('second-example.org', 'example.org'))[0], 421);
    assert.equal((await ask('unknown-example.org', 'unknown-example.org'))[0], 404);
  });

  it('without SNI is judged by its host alone', async () => {
    const session = await connect('');
    assert.equal(await statusOf(session, 'example.org'), 200);
    session.close();
  });
});

describe('certificates that rotate under load', () => {
  it('lose no request, and new connections get the new one', async () => {
    const rotations = await Promise.all(
      Array.from({ length: 5 }, () => certificateFor('default/second', ['second-example.org'])),
    );
    const session = await connect('second-example.org');
    const load = { goesOn: true };
    const statuses = new Map<number, number>();
    const count = (status: number): unknown => statuses.set(status, (statuses.get(status) ?? 0) + 1);
    const onOne = (async (): Promise<void> => {
      while (load.goesOn) count(await statusOf(session, 'second-example.org'));
    })();
    const onNew = (async (): Promise<void> => {
      while (load.goesOn) {
        const fresh = await connect('second-example.org');
        count(await statusOf(fresh, 'second-example.org'));
        fresh.close();
      }
    })();
    for (const row of rotations) {
      await gateway.apply(secret(row));
      const socket = tls.connect({
        port,
        host: '127.0.0.1',
        servername: 'second-example.org',
        rejectUnauthorized: false,
      });
      await once(socket, 'secureConnect');
      const fingerprint = socket.getPeerCertificate().fingerprint256.replaceAll(':', '').toLowerCase();
      assert.equal(fingerprint, row.fingerprint);
      socket.destroy();
    }
    load.goesOn = false;
    await Promise.all([onOne, onNew]);
    assert.deepEqual([...statuses.keys()], [200]);
    assert.ok((statuses.get(200) ?? 0) > 10);
    session.close();
  });
});
