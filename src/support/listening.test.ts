// Ports that another program has are found taken, for streams and datagrams apart, and are looked at again until they are free.
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import net from 'node:net';
import { test, type TestContext } from 'node:test';
import { meet, type NamedPlace, TakenPlaces, tryToListen } from './listening.ts';

const address = '127.0.0.1';

async function datagrams(t: TestContext): Promise<dgram.Socket> {
  const socket = dgram.createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, address, resolve));
  t.after(() => new Promise<void>((resolve) => socket.close(() => resolve())).catch(() => {}));
  return socket;
}

test('streams and datagrams have ports of their own', async (t) => {
  const { port } = (await datagrams(t)).address();
  assert.equal((await tryToListen({ address, port, transport: 'udp' }))?.code, 'EADDRINUSE');
  const free = await tryToListen({ address, port });
  assert.ok(free === null || free.code === 'EADDRINUSE');
  const place = (bind: string): NamedPlace => ({ bind, address, port });
  assert.equal(meet(place('a:53/udp'), place('b:53/udp')), true);
  assert.equal(meet(place('a:53/udp'), place('a:53/tcp')), false);
});

test('a place that is taken is looked at again, and told with all others, until somebody has it', async (t) => {
  const socket = dgram.createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, address, resolve));
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  t.after(() => server.close());
  const told: (readonly NamedPlace[])[] = [];
  let heard = (): void => {};
  const places = new TakenPlaces<NamedPlace>((rows) => {
    told.push(rows);
    heard();
  }, 10);
  t.after(() => places.close());
  const udp = { bind: 'gw:53/udp', address, port: socket.address().port };
  const tcp = { bind: 'gw:53/tcp', address, port: (server.address() as net.AddressInfo).port };
  assert.equal((await places.try(udp))?.code, 'EADDRINUSE');
  assert.equal((await places.try(tcp))?.code, 'EADDRINUSE');
  assert.ok(places.has(udp) && places.awaits(tcp.bind) && places.size === 2);
  if (told.length === 0) await new Promise<void>((resolve) => (heard = resolve));
  assert.deepEqual(told[0], [udp, tcp]);
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  places.forget(udp.bind);
  assert.equal(await places.try(udp), null);
  assert.equal(places.awaits(udp.bind), false);
});
