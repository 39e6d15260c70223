// UDP flows through the engine: who gets whose datagrams, how long a flow lasts, what it may cost, and what changes do to it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from './engine-tests.ts';
import { onEnvoy } from './test-engine.ts';
import { proxyHeader, readProxyHeader } from '../../src/engines/embedded/l4/proxy-protocol.ts';
import {
  closeQuietly,
  serveStreams,
  type StreamBackend,
  type StreamGateway,
  type StreamWorld,
  udpBackend,
  UdpClient,
} from './engine-l4-fixture.ts';
import { freeUdpPort } from '../free-port.ts';
import { eventually } from '../eventually.ts';

const sleep = (time: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, time));

/** Link-local ones are left out: they need an interface, too. */
function ownAddresses(family: 'IPv4' | 'IPv6'): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses = []) => addresses)
    .filter((each) => each.family === family && !each.address.startsWith('fe80:'))
    .map(({ address }) => address);
}

function listenerTo(...backends: readonly StreamBackend[]): StreamWorld['listeners'] {
  return [{ name: 'udp', protocol: 'UDP', routes: { '': backends } }];
}

function worldTo(...ports: readonly number[]): StreamWorld {
  return { listeners: listenerTo({ to: 'one' }), clusters: { one: ports } };
}

const active = 'portolan_streams_active{listener="test/gateway/udp"}';
const routed = '{listener="test/gateway/udp",route="TCPRoute/test/udp"}';

const clientsOf = (t: TestContext, { port }: StreamGateway, count: number): Promise<UdpClient[]> =>
  Promise.all(Array.from({ length: count }, () => UdpClient.open(t, port)));

describe('the datagrams of a client', () => {
  it('come from one port of ours, and those of another client from another', async (t) => {
    const behind = await udpBackend(t, '');
    const gateway = await serveStreams(t, worldTo(behind.port));
    const [a, b] = [await UdpClient.open(t, gateway.port), await UdpClient.open(t, gateway.port)];
    for (let i = 0; i < 5; i++) {
      assert.equal(await a.ask(`a${i}`), `a${i}`);
      assert.equal(await b.ask(`b${i}`), `b${i}`);
    }
    const portsOf = (name: string): Set<number> =>
      new Set(behind.received.filter(({ octets }) => octets.toString().startsWith(name)).map(({ port }) => port));
    assert.equal(portsOf('a').size, 1);
    assert.equal(portsOf('b').size, 1);
    assert.notDeepEqual(portsOf('a'), portsOf('b'));
    assert.deepEqual([a.answers.length, b.answers.length], [5, 5]);
    await gateway.counts(active, 2);
  });

  it('are answered as often as the backend likes, and when it likes', async (t) => {
    const behind = await udpBackend(t);
    const gateway = await serveStreams(t, worldTo(behind.port));
    const client = await UdpClient.open(t, gateway.port);
    client.send('subscribe');
    await eventually(() => behind.received.length === 1, 'the datagram');
    const port = behind.received[0]?.port ?? 0;
    for (let i = 0; i < 3; i++) behind.socket.send(`${i}`, port, '127.0.0.1');
    await eventually(() => client.answers.length === 3, 'three answers');
    // Longer than the sweeps of the engine are apart.
    await sleep(1200);
    behind.socket.send('late', port, '127.0.0.1');
    await eventually(() => client.answers.length === 4, 'the late one');
    assert.equal(String(client.answers[3]), 'late');
  });

  it('are of any size up to the largest that there is', async (t) => {
    const behind = await udpBackend(t, '');
    const gateway = await serveStreams(t, worldTo(behind.port));
    const client = await UdpClient.open(t, gateway.port);
    for (const size of [0, 1, 512, 1472, 1473, 9000, 65_507]) {
      const octets = Buffer.alloc(size, size % 251);
      const { length } = client.answers;
      client.send(octets);
      await eventually(() => client.answers.length === length + 1, `${size} octets`);
      assert.ok(client.answers[length]?.equals(octets), `${size} octets`);
    }
    await gateway.counts(active, 1);
  });

  it('stay in order and whole in a burst, from the first on', async (t) => {
    const behind = await udpBackend(t, '');
    const gateway = await serveStreams(t, worldTo(behind.port));
    const client = await UdpClient.open(t, gateway.port);
    for (let i = 0; i < 16; i++) client.send(`${i}`);
    await eventually(() => client.answers.length === 16, 'all of them');
    assert.equal(client.answers.join(), Array.from({ length: 16 }, (_, i) => i).join());
  });

  it('are only answered by the backend that was asked', async (t) => {
    const behind = await udpBackend(t, '');
    const gateway = await serveStreams(t, worldTo(behind.port));
    const client = await UdpClient.open(t, gateway.port);
    await client.ask('x');
    const stranger = await UdpClient.open(t, behind.received[0]?.port ?? 0);
    stranger.send('forged');
    assert.equal(await client.ask('y'), 'y');
    assert.deepEqual(client.answers.map(String), ['x', 'y']);
  });

  it('are dropped where nothing takes them: no route, no endpoint, nothing resolved', async (t) => {
    const behind = await udpBackend(t, '');
    const gateway = await serveStreams(t, { listeners: [{ name: 'udp', protocol: 'UDP' }] });
    const client = await UdpClient.open(t, gateway.port);
    assert.equal(await client.ask('no route', 100), '');
    await gateway.change({ ...worldTo() });
    assert.equal(await client.ask('no endpoint', 100), '');
    await gateway.change({ listeners: listenerTo({}) });
    assert.equal(await client.ask('nothing resolved', 100), '');
    await gateway.counts(`portolan_streams_failed_total${routed}`, 2);
    await gateway.counts(active, 0);
    await gateway.change(worldTo(behind.port));
    assert.equal(await client.ask('now'), 'now');
  });

  it('draw their backend once, by weight', async (t) => {
    const [a, b] = [await udpBackend(t, 'a'), await udpBackend(t, 'b')];
    const gateway = await serveStreams(t, {
      listeners: listenerTo({ to: 'a', weight: 3 }, { to: 'b', weight: 1 }),
      clusters: { a: [a.port], b: [b.port] },
    });
    const clients = await clientsOf(t, gateway, 120);
    const first = await Promise.all(clients.map((client) => client.ask('')));
    const second = await Promise.all(clients.map((client) => client.ask('')));
    assert.deepEqual(second, first);
    const share = first.filter((name) => name === 'b').length;
    // 30 are expected; five standard deviations.
    assert.ok(share > 6 && share < 54, `${share} of 120`);
    assert.equal(first.filter((name) => name === 'a').length, 120 - share);
  });
});

describe('a flow', () => {
  it('ends in silence, and not while anything is said, by either side', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'portolan-l4-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const accessLog = join(folder, 'access.log');
    const behind = await udpBackend(t, '>');
    const gateway = await serveStreams(t, worldTo(behind.port), { accessLog, limits: { udpIdleTimeout: 1500 } });
    const [silent, asked, told] = [
      await UdpClient.open(t, gateway.port),
      await UdpClient.open(t, gateway.port),
      await UdpClient.open(t, gateway.port),
    ];
    await Promise.all([silent.ask('silent'), asked.ask('asked'), told.ask('told')]);
    const portOf = (word: string): number =>
      behind.received.find(({ octets }) => octets.toString() === word)?.port ?? 0;
    const [askedFrom, toldFrom] = [portOf('asked'), portOf('told')];
    for (let i = 0; i < 10; i++) {
      await sleep(250);
      asked.send('asked');
      behind.socket.send('news', toldFrom, '127.0.0.1');
    }
    if (!onEnvoy) await eventually(async () => (await gateway.metric(active)) === 2, 'the end of the silent one');
    assert.equal(portOf('asked'), askedFrom);
    await eventually(() => told.answers.filter((each) => String(each) === 'news').length === 10, 'all of the news');
    await gateway.counts(`portolan_streams_total${routed}`, 1);
    await gateway.counts(`portolan_stream_received_bytes_total${routed}`, 6);
    await gateway.counts(`portolan_stream_sent_bytes_total${routed}`, 7);
    await eventually(() => readFileSync(accessLog, 'utf8') !== '', 'a line');
    const line = JSON.parse(readFileSync(accessLog, 'utf8')) as Record<string, unknown>;
    assert.equal(line['scheme'], 'udp');
    assert.equal(line['upstream'], `127.0.0.1:${behind.port}`);
    assert.equal(await silent.ask('again'), '>again');
  });

  it('ends when there are too many: the ones that were silent for longest', async (t) => {
    const behind = await udpBackend(t, '');
    const gateway = await serveStreams(t, worldTo(behind.port), { limits: { udpFlows: 8 } });
    const clients = await clientsOf(t, gateway, 8);
    for (const client of clients) assert.equal(await client.ask('1'), '1');
    // The clock of flows is that of the sweeps.
    await sleep(1100);
    const [oldest, ...others] = clients;
    for (const client of others) assert.equal(await client.ask('2'), '2');
    await sleep(600);
    const ports = new Map(behind.received.map(({ octets, port }) => [`${String(octets)} ${port}`, port]));
    const extra = await UdpClient.open(t, gateway.port);
    assert.equal(await extra.ask('3'), '3');
    await gateway.counts('portolan_udp_flows_dropped_total', 1);
    await gateway.counts(active, 8);
    const before = behind.received.length;
    for (const client of others) assert.equal(await client.ask('4'), '4');
    for (const { port } of behind.received.slice(before)) assert.ok(ports.has(`2 ${port}`), 'a flow that was dropped');
    // It begins anew, at the cost of another.
    assert.equal(await oldest?.ask('5'), '5');
    await gateway.counts(active, 8);
  });

  it('costs nobody anything when very many clients come at once', async (t) => {
    const behind = await udpBackend(t, '');
    const gateway = await serveStreams(t, worldTo(behind.port), { limits: { udpFlows: 32 } });
    for (let round = 0; round < 5; round++) {
      const clients = await clientsOf(t, gateway, 60);
      for (const client of clients) client.send('x');
      await sleep(30);
      for (const { socket } of clients) closeQuietly(socket);
    }
    if (!onEnvoy) {
      await eventually(async () => (await gateway.metric('portolan_udp_flows_dropped_total')) > 100, 'dropped flows');
      assert.ok((await gateway.metric(active)) <= 32);
    }
    const client = await UdpClient.open(t, gateway.port);
    assert.equal(await client.ask('still there'), 'still there');
  });

  it('to a port where nobody listens ends, and the next datagram tries another endpoint', async (t) => {
    const behind = await udpBackend(t, '');
    const dead = await freeUdpPort();
    const gateway = await serveStreams(t, worldTo(dead, behind.port), { limits: { skipTimeout: 60_000 } });
    const clients = await clientsOf(t, gateway, 10);
    for (const client of clients) {
      await client.ask('lost, perhaps', 50);
      assert.equal(await client.ask('arrives'), 'arrives');
    }
    assert.ok((await gateway.metric('portolan_upstream_failures_total{reason="refused"}')) <= 1);
  });

  it('to the only endpoint, where nobody listens, works as soon as somebody does', async (t) => {
    const port = await freeUdpPort();
    const gateway = await serveStreams(t, worldTo(port));
    const client = await UdpClient.open(t, gateway.port);
    for (let i = 0; i < 20; i++) assert.equal(await client.ask('x', 10), '');
    await udpBackend(t, 'up:', port);
    // What was refused before may still come back on the first.
    await eventually(async () => (await client.ask('x', 50)) === 'up:x', 'an answer');
  });
});

describe('changes under flows', () => {
  it('leave them with their endpoint while it is there; new ones take what is new', async (t) => {
    const [a, b] = [await udpBackend(t, 'a'), await udpBackend(t, 'b')];
    const gateway = await serveStreams(t, worldTo(a.port));
    const old = await UdpClient.open(t, gateway.port);
    assert.equal(await old.ask('1'), 'a1');
    await gateway.change({ listeners: listenerTo({ to: 'two' }), clusters: { one: [a.port], two: [b.port] } });
    await sleep(700);
    assert.equal(await old.ask('2'), 'a2');
    const young = await UdpClient.open(t, gateway.port);
    assert.equal(await young.ask('3'), 'b3');
    // Another endpoint beside it changes nothing for the flow.
    await gateway.change({ clusters: { one: [b.port, a.port], two: [b.port] } });
    await sleep(700);
    assert.equal(await old.ask('4'), 'a4');
  });

  it('end those whose endpoint goes: they find another with their next datagram', async (t) => {
    const [a, b] = [await udpBackend(t, 'a'), await udpBackend(t, 'b')];
    const gateway = await serveStreams(t, worldTo(a.port));
    const client = await UdpClient.open(t, gateway.port);
    assert.equal(await client.ask('1'), 'a1');
    await gateway.change({ clusters: { one: [b.port] } });
    await eventually(async () => (await gateway.metric(active)) === 0, 'the end of the flow');
    assert.equal(await client.ask('2'), 'b2');
  });

  it('keep the flows of an endpoint that is on its way out', async (t) => {
    const [a, b] = [await udpBackend(t, 'a'), await udpBackend(t, 'b')];
    const gateway = await serveStreams(t, worldTo(a.port));
    const client = await UdpClient.open(t, gateway.port);
    assert.equal(await client.ask('1'), 'a1');
    await gateway.change({ clusters: { one: [{ port: a.port, ready: false, terminating: true }, b.port] } });
    await sleep(700);
    assert.equal(await client.ask('2'), 'a2');
    const young = await UdpClient.open(t, gateway.port);
    assert.equal(await young.ask('3'), 'b3');
  });

  it('close the flows of a listener that goes, and its port', async (t) => {
    const behind = await udpBackend(t, '');
    const gateway = await serveStreams(t, worldTo(behind.port));
    const client = await UdpClient.open(t, gateway.port);
    assert.equal(await client.ask('1'), '1');
    await gateway.retire();
    assert.equal(await client.ask('2', 100), '');
    await gateway.counts(active, 0);
    // Somebody else may have it.
    await udpBackend(t, '', gateway.port);
  });
});

describe('a listener at every address of the machine', () => {
  for (const [address, hosts] of [
    ['0.0.0.0', ownAddresses('IPv4')],
    ['::', [...ownAddresses('IPv4'), ...ownAddresses('IPv6')]],
  ] as const) {
    it(`answers from the one that was asked: ${address}`, async (t) => {
      const behind = await udpBackend(t, '');
      const world = { ...worldTo(behind.port), special: { one: { proxyProtocol: 'v2' as const } } };
      for (const workers of [1, 2]) {
        const gateway = await serveStreams(t, { ...world, address }, { workers });
        for (const host of hosts) {
          // From one port, to show that what is asked tells flows apart.
          const client = await UdpClient.open(t, gateway.port, host);
          // Connected: what comes from elsewhere never gets here.
          await new Promise<void>((resolve) => client.socket.connect(gateway.port, host, () => resolve()));
          const before = behind.received.length;
          client.socket.send('x');
          await eventually(() => client.answers.length === 1, `an answer from ${host}`);
          assert.equal(behind.received.length, before + 1);
        }
        await gateway.engine.close();
      }
    });
  }

  it('is not opened beside one of another program', async (t) => {
    const taken = await udpBackend(t);
    const behind = await udpBackend(t, '');
    const gateway = await serveStreams(t, worldTo(behind.port));
    const placement = { bind: gateway.bind, address: '0.0.0.0', port: taken.port };
    await gateway.engine.apply({ version: 100, placements: { set: [placement], delete: [] } });
    assert.deepEqual([gateway.reports.at(-1)?.state, gateway.reports.at(-1)?.code], ['failed', 'EADDRINUSE']);
  });

  it('moves to one of them, and back', async (t) => {
    const behind = await udpBackend(t, '');
    const gateway = await serveStreams(t, { ...worldTo(behind.port), address: '0.0.0.0' });
    for (const address of ['127.0.0.1', '0.0.0.0', '127.0.0.1']) {
      await gateway.change({ address });
      const client = await UdpClient.open(t, gateway.port);
      assert.equal(await client.ask(address), address);
    }
    assert.deepEqual(new Set(gateway.reports.map(({ state }) => state)), new Set(['serving']));
  });
});

describe('two workers', () => {
  it('share the clients, each of which stays with one', async (t) => {
    const behind = await udpBackend(t, '');
    const gateway = await serveStreams(t, worldTo(behind.port), { workers: 2 });
    const clients = await clientsOf(t, gateway, 40);
    for (let round = 0; round < 3; round++)
      assert.deepEqual(
        new Set(await Promise.all(clients.map((client) => client.ask(`${round}`)))),
        new Set([`${round}`]),
      );
    assert.equal(new Set(behind.received.map(({ port }) => port)).size, 40);
    await gateway.counts(active, 40);
  });
});

describe('the PROXY protocol in datagrams', () => {
  const proxied = proxyHeader(
    'v2',
    {
      bind: '',
      scheme: 'http',
      serverName: undefined,
      address: '192.0.2.33',
      port: 3333,
      localAuthority: '198.51.100.1:53',
      forwarded: '',
    },
    'udp',
  );

  it('is read off the first of a flow, and off any other that has it; what has none at first is dropped and counted', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'portolan-l4-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const accessLog = join(folder, 'access.log');
    const behind = await udpBackend(t, '');
    const world = { ...worldTo(behind.port), proxyProtocol: true as const };
    const gateway = await serveStreams(t, world, { accessLog });
    const client = await UdpClient.open(t, gateway.port);
    assert.equal(await client.ask('bare', 100), '');
    await gateway.counts('portolan_requests_refused_total{reason="proxy-protocol"}', 1);
    assert.equal(await client.ask(Buffer.concat([proxied, Buffer.from('first')])), 'first');
    assert.equal(await client.ask('second'), 'second');
    assert.equal(await client.ask(Buffer.concat([proxied, Buffer.from('third')])), 'third');
    await gateway.retire();
    await eventually(() => readFileSync(accessLog, 'utf8') !== '', 'a line');
    assert.equal((JSON.parse(readFileSync(accessLog, 'utf8')) as { client: string }).client, '192.0.2.33');
  });

  it('is written before the first of a flow', async (t) => {
    const behind = await udpBackend(t, '');
    const gateway = await serveStreams(t, { ...worldTo(behind.port), special: { one: { proxyProtocol: 'v2' } } });
    const client = await UdpClient.open(t, gateway.port);
    client.send('one');
    await eventually(() => behind.received.length === 1, 'the first');
    client.send('two');
    await eventually(() => behind.received.length === 2, 'the second');
    const [first, second] = behind.received;
    const header = readProxyHeader(first?.octets ?? Buffer.alloc(0));
    assert.ok(header.state === 'complete');
    assert.deepEqual(header.source, { address: '127.0.0.1', port: client.socket.address().port });
    // 1 for IPv4, 2 for datagrams.
    assert.equal(first?.octets[13], 0x12);
    assert.equal(String(first?.octets.subarray(header.size)), 'one');
    assert.equal(String(second?.octets), 'two');
  });
});

it('a port that another program has is reported, and taken once it is free', async (t) => {
  const taken = await udpBackend(t, undefined, await freeUdpPort());
  const behind = await udpBackend(t, '');
  const gateway = await serveStreams(t, worldTo(behind.port));
  await gateway.engine.apply({
    version: 100,
    placements: { set: [{ bind: gateway.bind, address: '127.0.0.1', port: taken.port }], delete: [] },
  });
  const report = gateway.reports.at(-1);
  assert.deepEqual([report?.state, report?.code], ['failed', 'EADDRINUSE']);
  // Where it was it is still served.
  const client = await UdpClient.open(t, gateway.port);
  assert.equal(await client.ask('x'), 'x');
  const closed = once(taken.socket, 'close');
  taken.socket.close();
  await closed;
  const moved = await UdpClient.open(t, taken.port);
  await eventually(async () => (await moved.ask('y', 100)) === 'y', 'the other port');
});
