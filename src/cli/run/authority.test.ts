import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { connect, createServer } from 'node:tls';
import { openAuthority } from './authority.ts';
import { trustAdvice } from './trust.ts';

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'portolan-authority-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return join(path, 'data');
}

test('the authority is made once, for its user only', async (t) => {
  const dir = folder(t);
  const [first, second] = await Promise.all([openAuthority(dir), openAuthority(dir)]);
  assert.equal(first.certificate, second.certificate);
  assert.equal([first, second].filter(({ made }) => made).length, 1);
  const again = await openAuthority(dir);
  assert.ok(!again.made);
  assert.equal(again.certificate, first.certificate);
  assert.equal(statSync(join(dirname(first.path), 'key.pem')).mode & 0o777, 0o600);
  assert.equal(statSync(dir).mode & 0o777, 0o700);
  assert.deepEqual(readdirSync(dir), ['authority']);
  assert.doesNotMatch(readFileSync(first.path, 'utf8'), /PRIVATE/);
  const certificate = new X509Certificate(readFileSync(first.path));
  assert.ok(certificate.ca && certificate.verify(certificate.publicKey));
  assert.match(trustAdvice(first.path)[0] as string, /curl --cacert .*authority/);
});

test('a leaf is trusted by who trusts the authority', async (t) => {
  const authority = await openAuthority(folder(t));
  const { certificate, privateKey } = await authority.issue(['*.example.com', 'localhost', '127.0.0.1', '::1']);
  const server = createServer({ cert: certificate, key: privateKey });
  t.after(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  for (const servername of ['a.example.com', 'localhost']) {
    const socket = connect({ port, host: '127.0.0.1', servername, ca: authority.certificate });
    await once(socket, 'secureConnect');
    assert.ok(socket.authorized);
    socket.destroy();
  }
  const leaf = new X509Certificate(certificate);
  assert.equal(
    leaf.subjectAltName,
    'DNS:*.example.com, DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1',
  );
  assert.ok(!leaf.ca);
});
