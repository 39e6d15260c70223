// portolan config envoy --bootstrap: the files that it writes, and what it does not take. An Envoy starts with them in
// fleet-envoy.test.ts.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { codec } from '../../src/engines/envoy/encode.ts';
import type { Message } from '../../src/engines/envoy/tree.ts';
import { folderWith, portolan } from './cli-process.ts';

const needed = ['--controller', 'edge.example:9443', '--tls-dir', '/etc/portolan/identity'];

test('the files are what Envoy takes, name each other where they will lie, and hold no key', async (t) => {
  const cwd = folderWith(t);
  const more = ['--mounted-at', '/etc/envoy', '--node', 'one', '--admin', '/run/admin.sock'];
  const { code, out } = await portolan(['config', 'envoy', '--bootstrap', 'made/here', ...needed, ...more], { cwd });
  assert.equal(code, 0);
  assert.match(out, /envoy -c \/etc\/envoy\/bootstrap\.json/);
  const read = (name: string): Message => JSON.parse(readFileSync(join(cwd, 'made/here', name), 'utf8')) as Message;
  const bootstrap = read('bootstrap.json');
  // A field that Envoy does not have is an error here. The monitor of connections is not among the messages that are sent.
  const { overload_manager: _, ...known } = bootstrap;
  codec.encode('envoy.config.bootstrap.v3.Bootstrap', known);
  const text = JSON.stringify(bootstrap);
  for (const part of [
    '"api_type":"DELTA_GRPC"',
    '"id":"one"',
    '"pipe":{"path":"/run/admin.sock"}',
    '"address":"edge.example","port_value":9443',
    '"exact":"portolan-controller"',
    '/etc/envoy/identity.json',
    '/etc/envoy/authorities.json',
  ])
    assert.ok(text.includes(part), part);
  for (const name of ['identity.json', 'authorities.json']) {
    const { resources } = read(name);
    const [secret] = resources as readonly Message[];
    const { '@type': _, ...fields } = secret ?? {};
    codec.encode('envoy.extensions.transport_sockets.tls.v3.Secret', fields);
    assert.match(JSON.stringify(fields), /"watched_directory":\{"path":"\/etc\/portolan\/identity"\}/);
  }
});

test('what is missing or goes not together is said, and nothing is written', async (t) => {
  const cwd = folderWith(t, { file: '' });
  const wrong: Readonly<Record<string, readonly string[]>> = {
    '--controller is missing': ['--bootstrap', 'out', '--tls-dir', '/x'],
    '--tls-dir is missing': ['--bootstrap', 'out', '--controller', 'a:1'],
    '--bootstrap and -f go not together': ['--bootstrap', 'out', '-f', '.', ...needed],
    'is not a loopback address': ['--bootstrap', 'out', '--admin', '0.0.0.0:9901', ...needed],
    '--controller is for --bootstrap': needed,
  };
  for (const [why, args] of Object.entries(wrong)) {
    const { code, err } = await portolan(['config', 'envoy', ...args], { cwd });
    assert.equal(code, 2, why);
    assert.ok(err.includes(why), err);
  }
  assert.ok(!existsSync(join(cwd, 'out')));
  const { code, err } = await portolan(['config', 'envoy', '--bootstrap', 'file/x', ...needed], { cwd });
  assert.deepEqual([code, /ENOTDIR|EEXIST/.test(err)], [1, true]);
});
