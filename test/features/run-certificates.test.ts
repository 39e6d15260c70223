// portolan run --dev-certificates: HTTPS without certificates of one's own.
import assert from 'node:assert/strict';
import type { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { folderWith, route, serving } from './cli-process.ts';
import { freePort } from '../free-port.ts';

function secureGateway(port: number, hostname = ''): string {
  return `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: web
spec:
  gatewayClassName: any
  listeners:
  - name: https
    protocol: HTTPS
    port: ${port}
${hostname === '' ? '' : `    hostname: "${hostname}"\n`}    tls:
      certificateRefs:
      - name: web-cert
`;
}

interface Shaken {
  readonly status: number | undefined;
  readonly certificate: X509Certificate;
}

/** A request that trusts only the local authority. */
async function askSecurely(port: number, servername: string, ca: string): Promise<Shaken> {
  const sent = request({
    host: '127.0.0.1',
    port,
    servername,
    ca,
    agent: false,
    headers: { host: servername },
    path: '/',
  });
  sent.end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const certificate = (response.socket as TLSSocket).getPeerX509Certificate() as X509Certificate;
  response.resume();
  await once(response, 'end');
  return { status: response.statusCode, certificate };
}

test('a missing certificate is issued for the hostname of the listener', async (t) => {
  const cwd = folderWith(t, {
    'g.yaml': secureGateway(await freePort(), '*.example.com'),
    'r.yaml': route('a', '/', 'app'),
  });
  const running = await serving(t, ['-f', '.', '--echo', '--dev-certificates'], { cwd });
  const port = running.port('default/web/https');
  const path = await running.prints(/curl --cacert (\S+certificate\.pem)/);
  assert.equal(path, join(cwd, '.data', 'authority', 'certificate.pem'));
  assert.equal(statSync(join(cwd, '.data', 'authority', 'key.pem')).mode & 0o777, 0o600);
  await running.prints(/A certificate authority was made for you\. To trust it:/);
  assert.match(running.out, /Secret default\/web-cert +issued by the local authority/);
  const { status, certificate } = await askSecurely(port, 'shop.example.com', readFileSync(path, 'utf8'));
  assert.equal(status, 200);
  assert.equal(certificate.subjectAltName, 'DNS:*.example.com');
  assert.ok(!running.out.includes('PRIVATE') && !running.out.includes('error'));
});

test('without a hostname the names come from the routes, also from those that come later', async (t) => {
  const named = (host: string): string =>
    route('a', '/', 'app').replace('  rules:', `  hostnames:\n  - ${host}\n  rules:`);
  const cwd = folderWith(t, { 'g.yaml': secureGateway(await freePort()), 'r.yaml': named('one.example.com') });
  const running = await serving(t, ['-f', '.', '--echo', '--dev-certificates'], { cwd });
  const port = running.port('default/web/https');
  const ca = readFileSync(join(cwd, '.data', 'authority', 'certificate.pem'), 'utf8');
  const first = await askSecurely(port, 'one.example.com', ca);
  assert.equal(first.status, 200);
  assert.equal((await askSecurely(port, 'localhost', ca)).status, 404);
  writeFileSync(join(cwd, 'r.yaml'), named('two.example.com'));
  await running.prints(/live in/);
  assert.equal((await askSecurely(port, 'two.example.com', ca)).status, 200);
});

test('the authority is made once, and a Secret of the files wins', async (t) => {
  const cwd = folderWith(t, {
    'g.yaml': secureGateway(await freePort(), 'a.example.com'),
    'r.yaml': route('a', '/', 'app'),
  });
  const first = await serving(t, ['-f', '.', '--echo', '--dev-certificates'], { cwd });
  await first.stop();
  const { openAuthority } = await import('../../src/cli/run/authority.ts');
  const authority = await openAuthority(join(cwd, '.data'));
  assert.ok(!authority.made);
  const { certificate, privateKey } = await authority.issue(['a.example.com', 'own.example.com']);
  const data = {
    'tls.crt': Buffer.from(certificate).toString('base64'),
    'tls.key': Buffer.from(privateKey).toString('base64'),
  };
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'web-cert' }, type: 'kubernetes.io/tls', data };
  const running = await serving(t, ['-f', '.', '--echo', '--dev-certificates'], { cwd });
  const port = running.port('default/web/https');
  const before = await askSecurely(port, 'a.example.com', authority.certificate);
  assert.equal(before.certificate.subjectAltName, 'DNS:a.example.com');
  writeFileSync(join(cwd, 'secret.json'), JSON.stringify(secret));
  await running.prints(/Secret default\/web-cert live in/);
  const after = await askSecurely(port, 'a.example.com', authority.certificate);
  assert.equal(after.certificate.subjectAltName, 'DNS:a.example.com, DNS:own.example.com');
});

test('a listener for every host gets the names that clients ask for, during the handshake', async (t) => {
  const cwd = folderWith(t, {
    'g.yaml': secureGateway(await freePort()),
    'r.yaml': route('a', '/', 'app'),
  });
  const running = await serving(t, ['-f', '.', '--echo', '--dev-certificates'], { cwd });
  const port = running.port('default/web/https');
  const ca = readFileSync(join(cwd, '.data', 'authority', 'certificate.pem'), 'utf8');
  for (const name of ['never-heard-of.example.org', 'another.test']) {
    const { status, certificate } = await askSecurely(port, name, ca);
    assert.equal(status, 200);
    assert.equal(certificate.checkHost(name), name);
  }
});
