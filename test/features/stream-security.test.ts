// Who gets in, and what they get: streams of delta discovery over mTLS, with certificates right, wrong and stolen.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { DeltaServer } from '../../src/engines/stream/delta-server.ts';
import { controllerUri, gatewayUri } from '../../src/engines/stream/identity.ts';
import { listen, type StreamListener } from '../../src/engines/stream/listen.ts';
import type { Resource } from '../../src/engines/stream/resource.ts';
import { gatewayMaterial, materialOf, RawClient, serverMaterial } from './stream-fixture.ts';
import { type Authority, authority } from './tls-certificates.ts';

const A = 'type/a';
const SECRETS = 'type/secrets';

let ca: Authority;
let other: Authority;
let server: DeltaServer;
let listener: StreamListener;
let address: string;

function resource(name: string): Resource {
  return { name, version: '1', bytes: Buffer.from(`secret of ${name}`) };
}

before(async () => {
  ca = await authority('ours');
  other = await authority('theirs');
  server = new DeltaServer({ order: [SECRETS, A], essential: [A] });
  for (const gateway of ['ns/mine', 'ns/yours']) {
    void server.publish(gateway, [
      { typeUrl: A, set: [resource(`a-${gateway}`)], remove: [] },
      { typeUrl: SECRETS, set: [resource(`s-${gateway}`)], remove: [] },
    ]);
  }
  server.synced();
  listener = await listen(server, { address: '127.0.0.1:0', trust: { tls: await serverMaterial(ca) } });
  address = `127.0.0.1:${listener.port}`;
});

after(() => listener.close());

test('a stolen certificate gets what its own gateway has, whatever it claims and asks for', async () => {
  const stolen = new RawClient(address, await gatewayMaterial(ca, 'ns/mine'));
  try {
    const node = { id: 'ns/yours', agent: 'envoy' };
    stolen.ask(SECRETS, ['s-ns/yours', 's-ns/mine', '*'], { node });
    stolen.ask(A, ['a-ns/yours', '*'], { node, initialVersions: new Map([['a-ns/yours', '0']]) });
    await stolen.until(() => stolen.names.has(`${A} a-ns/mine`) && stolen.names.has(`${SECRETS} s-ns/mine`));
    stolen.ask(A, ['a-ns/yours', 'ns/yours', '../yours']);
    // What is published next for both tells when everything before it was answered.
    void server.publish('ns/yours', [{ typeUrl: A, set: [resource('later-yours')], remove: [] }]);
    void server.publish('ns/mine', [{ typeUrl: A, set: [resource('later-mine')], remove: [] }]);
    await stolen.until(() => stolen.names.has(`${A} later-mine`));
    assert.deepEqual([...stolen.names].sort(), [`${A} a-ns/mine`, `${A} later-mine`, `${SECRETS} s-ns/mine`]);
    assert.ok(
      !stolen.responses.some(({ resources }) => resources.some(({ bytes }) => String(bytes).includes('yours'))),
    );
  } finally {
    stolen.close();
  }
});

test('without a certificate, or with one of another authority or expired, nobody gets in', async () => {
  const uris = [gatewayUri('ns/mine')];
  const strangers = {
    none: { ca: Buffer.from(ca.certificate) },
    foreign: { ...materialOf(other, await other.issue({ uris })), ca: Buffer.from(ca.certificate) },
    expired: materialOf(ca, await ca.issue({ uris, expired: true })),
  };
  for (const [what, material] of Object.entries(strangers)) {
    const client = new RawClient(address, material);
    client.ask(A);
    assert.equal((await client.ended).code, status.UNAVAILABLE, what);
    assert.deepEqual(client.responses, []);
    client.close();
  }
});

test('a certificate that names no gateway, or more than one, gets nothing', async () => {
  const uris = {
    nobody: [],
    controller: [controllerUri],
    two: [gatewayUri('ns/mine'), gatewayUri('ns/yours')],
    foreign: ['spiffe://elsewhere.example/gateway/ns/mine'],
    deeper: [gatewayUri('ns/mine/x')],
    // Looks like two entries in the text form of Node.
    smuggled: ['spiffe://x/y, URI:spiffe://portolan.dev/gateway/ns/mine'],
  };
  for (const [what, list] of Object.entries(uris)) {
    const client = new RawClient(address, materialOf(ca, await ca.issue({ uris: list })));
    client.ask(A);
    assert.equal((await client.ended).code, status.PERMISSION_DENIED, what);
    assert.deepEqual(client.responses, []);
    client.close();
  }
});

test('a node does not take the word of a server with a certificate of another authority', async () => {
  const material = await gatewayMaterial(ca, 'ns/mine');
  const client = new RawClient(address, { ...material, ca: Buffer.from(other.certificate) });
  client.ask(A);
  assert.equal((await client.ended).code, status.UNAVAILABLE);
  client.close();
});

test('new certificates are for new connections; streams stay', async () => {
  const material = await gatewayMaterial(ca, 'ns/mine');
  const before = new RawClient(address, material).ask(A);
  await before.until(() => before.names.size > 0);
  const next = await authority('next');
  listener.reload(await serverMaterial(next));
  const refused = new RawClient(address, material).ask(A);
  assert.equal((await refused.ended).code, status.UNAVAILABLE);
  const fresh = new RawClient(address, await gatewayMaterial(next, 'ns/mine')).ask(A);
  await fresh.until(() => fresh.names.size > 0);
  void server.publish('ns/mine', [{ typeUrl: A, set: [resource('reloaded')], remove: [] }]);
  await before.until(() => before.names.has(`${A} reloaded`));
  for (const client of [before, refused, fresh]) client.close();
  listener.reload(await serverMaterial(ca));
});

test('a socket of this machine serves one identity without TLS', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'portolan-'));
  const address = `unix:${join(folder, 'xds.sock')}`;
  const local = await listen(server, { address, trust: { identity: { kind: 'gateway', gateway: 'ns/yours' } } });
  const client = new RawClient(address).ask(SECRETS);
  await client.until(() => client.names.size > 0);
  assert.deepEqual([...client.names], [`${SECRETS} s-ns/yours`]);
  client.close();
  await local.close();
  rmSync(folder, { recursive: true });
});
