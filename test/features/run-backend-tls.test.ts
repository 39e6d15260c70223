// portolan run --dev-certificates --echo: backends that a BackendTLSPolicy is for, with nothing but the manifests.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openAuthority, temporaryAuthority } from '../../src/cli/run/authority.ts';
import { answeredBy, folderWith, gateway, route, serving } from './cli-process.ts';
import { freePort } from '../free-port.ts';

const policy = `apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata:
  name: app
spec:
  targetRefs:
  - group: ""
    kind: Service
    name: app
  validation:
    hostname: app.internal
    caCertificateRefs:
    - group: ""
      kind: ConfigMap
      name: app-ca
`;

function bundle(certificate: string): string {
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'app-ca' }, data: { 'ca.crt': certificate } };
  return JSON.stringify(object);
}

test('a CA bundle that is missing is the local authority, which signs for the echo', async (t) => {
  const files = { 'g.yaml': gateway(await freePort()), 'r.yaml': route('a', '/', 'app'), 'p.yaml': policy };
  const cwd = folderWith(t, files);
  const running = await serving(t, ['-f', '.', '--echo', '--dev-certificates'], { cwd });
  const port = running.port('default/web/http');
  assert.equal(await answeredBy(port, '/'), 'app');
  assert.match(running.out, /ConfigMap default\/app-ca +the local authority/);
  // A bundle of the files wins, also when it does not trust the echo; and goes.
  writeFileSync(join(cwd, 'ca.json'), bundle((await temporaryAuthority()).certificate));
  await running.prints(/ConfigMap default\/app-ca live in/);
  assert.match(await answeredBy(port, '/'), /^50[023]$/);
  writeFileSync(join(cwd, 'ca.json'), bundle((await openAuthority(join(cwd, '.data'))).certificate));
  await running.prints(/(?:[^]*ConfigMap default\/app-ca live in){2}/);
  assert.equal(await answeredBy(port, '/'), 'app');
});

test('without --dev-certificates nothing is sent to a backend that nobody vouches for', async (t) => {
  const files = { 'g.yaml': gateway(await freePort()), 'r.yaml': route('a', '/', 'app'), 'p.yaml': policy };
  const running = await serving(t, ['-f', '.', '--echo'], { cwd: folderWith(t, files) });
  assert.match(await answeredBy(running.port('default/web/http'), '/'), /^50[023]$/);
  assert.match(running.out, /ConfigMap default\/app-ca/);
});
