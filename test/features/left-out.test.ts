// What Envoy cannot serve, through the front door: said in statuses and by `run`, with file and line, while all the rest is served; and
// solved once it is mended.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ask, folderWith, portolan, serving } from './cli-process.ts';
import { envoyBinary, noEnvoy } from './envoy-binary.ts';
import { freePort } from '../free-port.ts';

const odd = String.raw`'/\x{10FFFF}'`;

const manifests = (path: string): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: gw }
spec:
  gatewayClassName: portolan
  listeners: [{ name: http, port: 80, protocol: HTTP }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: web }
spec:
  parentRefs: [{ name: gw }]
  rules:
    - matches: [{ path: { type: RegularExpression, value: ${path} } }]
      backendRefs: [{ name: api, port: 80 }]
    - matches: [{ path: { type: PathPrefix, value: /b } }]
      backendRefs: [{ name: api, port: 80 }]
`;

const words = 'the data plane cannot serve it: path: names a character beyond U+00FF by number';

test('status and lint say what an engine cannot serve, each by what it can', async (t) => {
  const cwd = folderWith(t, { 'web.yaml': manifests(odd) });
  const given = ['-f', 'web.yaml', '--backend', 'api=127.0.0.1:9'];
  const { out } = await portolan(['status', ...given, '--engine', 'envoy', '-o', 'wide'], { cwd });
  assert.match(
    out,
    new RegExp(`PartiallyInvalid=True {2}UnsupportedValue: Dropped Rule: .*${words.replace('+', '\\+')}`),
  );
  const linted = await portolan(['lint', ...given, '--engine', 'envoy'], { cwd });
  assert.equal(linted.code, 1);
  assert.match(linted.out, /web\.yaml:15:17 .* spec\.rules\[0\]\.matches\[0\]/);
  assert.ok(linted.out.includes(words));
  assert.equal((await portolan(['lint', ...given], { cwd })).code, 0, 'the embedded engine serves it');
});

test(
  'run says once what its Envoy does not serve, serves the rest, and says when it is solved',
  { skip: noEnvoy },
  async (t) => {
    const cwd = folderWith(t, { 'web.yaml': manifests(odd) });
    const flags = [
      '--echo',
      '--engine',
      'envoy',
      '--envoy',
      envoyBinary() ?? '',
      '--port',
      `gw/http=${await freePort()}`,
    ];
    const running = await serving(t, ['-f', 'web.yaml', ...flags], { cwd });
    await running.prints(/Try/);
    assert.equal(running.out.split(words).length, 2, running.out);
    const port = running.port('default/gw/http');
    assert.equal((await ask(port, '/b')).status, 200);
    assert.equal((await ask(port, '/a')).status, 404);
    writeFileSync(join(cwd, 'web.yaml'), manifests("'/[a]'"));
    await running.prints(/1 problem solved/);
    assert.equal((await ask(port, '/a')).status, 200);
    assert.equal(running.out.split(words).length, 2, running.out);
  },
);
