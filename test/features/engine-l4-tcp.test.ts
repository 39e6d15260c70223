// TCP streams through the engine: halves, resets, times, failover, draining and changes, as client and backend see them.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assertCounted, describe, it, type TestContext } from './engine-tests.ts';
import { onEnvoy } from './test-engine.ts';
import {
  assertReset,
  dialIn,
  echoAs,
  isGone,
  firstEnd,
  serveStreams,
  type StreamWorld,
  tcpBackend,
} from './engine-l4-fixture.ts';
import { freePort } from '../free-port.ts';
import { eventually } from '../eventually.ts';

const sleep = (time: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, time));

/** One TCP listener whose route leads to cluster `one`. */
function worldTo(...ports: readonly number[]): StreamWorld {
  return {
    listeners: [{ name: 'tcp', protocol: 'TCP', routes: { '': [{ to: 'one' }] } }],
    clusters: { one: ports },
  };
}

const failures = (reason: string): string => `portolan_upstream_failures_total{reason="${reason}"}`;

describe('halves of a TCP stream', () => {
  it('that the client closes first leave the backend its say', async (t) => {
    const behind = await tcpBackend(t);
    const { port } = await serveStreams(t, worldTo(behind.port));
    const client = dialIn(t, port);
    client.socket.end('question');
    const backend = await firstEnd(behind);
    await eventually(() => backend.ended, 'the end at the backend');
    assert.equal(backend.received, 'question');
    assert.equal(client.ended, false);
    backend.socket.write('an answer ');
    await sleep(50);
    backend.socket.end('in two parts');
    await eventually(() => client.closed, 'the end at the client');
    assert.equal(client.received, 'an answer in two parts');
    assert.equal(client.broke, '');
    await eventually(() => backend.closed, 'the end of it all');
    assert.equal(backend.broke, '');
  });

  it('that the backend closes first leave the client its say', async (t) => {
    const behind = await tcpBackend(t, ({ socket }) => socket.end('greeting'));
    const { port } = await serveStreams(t, worldTo(behind.port));
    const client = dialIn(t, port);
    await eventually(() => client.ended, 'the end of the backend');
    assert.equal(client.received, 'greeting');
    const backend = await firstEnd(behind);
    for (const part of ['one ', 'two ', 'three']) {
      client.socket.write(part);
      await sleep(20);
    }
    await eventually(() => backend.received === 'one two three', 'what the client still says');
    assert.equal(client.closed, false);
    client.socket.end();
    await eventually(() => backend.closed && client.closed, 'the end of it all');
    assert.equal(client.broke + backend.broke, '');
  });

  it('that are reset break the other side off, whoever it was', async (t) => {
    const behind = await tcpBackend(t);
    const { port } = await serveStreams(t, worldTo(behind.port));
    const first = dialIn(t, port);
    first.socket.write('x');
    const one = await firstEnd(behind);
    await eventually(() => one.received === 'x', 'an octet');
    first.socket.resetAndDestroy();
    await eventually(() => one.closed, 'the break at the backend');
    assert.equal(one.broke, 'ECONNRESET');
    const second = dialIn(t, port);
    second.socket.write('x');
    const two = await firstEnd(behind, 1);
    await eventually(() => two.received === 'x', 'an octet');
    two.socket.resetAndDestroy();
    await eventually(() => second.closed, 'the break at the client');
    assert.equal(second.broke, 'ECONNRESET');
  });

  it('that are reset after a half was closed break the other side off, too', async (t) => {
    const behind = await tcpBackend(t);
    const { port } = await serveStreams(t, worldTo(behind.port));
    const client = dialIn(t, port);
    client.socket.end('x');
    const backend = await firstEnd(behind);
    await eventually(() => backend.ended, 'the half');
    backend.socket.write('the beginning of');
    await eventually(() => client.received !== '', 'a part');
    backend.socket.resetAndDestroy();
    await eventually(() => client.closed, 'the break');
    assert.equal(client.broke, 'ECONNRESET');
  });
});

describe('a side of a TCP stream that does not read', () => {
  for (const slow of ['client', 'backend'] as const) {
    it(`holds the other back: the ${slow}`, async (t) => {
      const behind = await tcpBackend(t);
      const { port, engine } = await serveStreams(t, worldTo(behind.port));
      const client = dialIn(t, port);
      const backend = await firstEnd(behind);
      const [from, to] = slow === 'client' ? [backend.socket, client.socket] : [client.socket, backend.socket];
      to.pause();
      const piece = Buffer.alloc(65_536, 120);
      let written = 0;
      for (let stuck = false; !stuck;) {
        written += piece.length;
        assert.ok(written < 64 * 1_048_576, 'nobody holds it back');
        if (from.write(piece)) continue;
        const drained = once(from, 'drain').then(() => false);
        stuck = await Promise.race([drained, sleep(300).then(() => true)]);
      }
      let received = 0;
      to.removeAllListeners('data');
      to.on('data', (octets: Buffer) => {
        assert.ok(octets.every((octet) => octet === 120));
        received += octets.length;
      });
      to.resume();
      await eventually(() => received === written, 'everything, once it reads');
      await assertCounted(engine, /portolan_client_connections_active 1/);
    });
  }
});

describe('a TCP stream without a backend', () => {
  it('is reset: no route, no endpoint, nothing resolved, no weight', async (t) => {
    const none = [{ name: 'tcp', protocol: 'TCP' as const }];
    const gateway = await serveStreams(t, { listeners: none });
    const broken = async (why: string): Promise<void> => {
      const client = dialIn(t, gateway.port);
      client.socket.write('x');
      await eventually(() => isGone(client), why);
      assertReset(client, why);
      assert.equal(client.received, '', why);
    };
    await broken('no route');
    await gateway.change({ ...worldTo() });
    await broken('no endpoint');
    await gateway.change({ listeners: [{ name: 'tcp', protocol: 'TCP', routes: { '': [{}] } }] });
    await broken('nothing resolved');
    await gateway.change({ listeners: [{ name: 'tcp', protocol: 'TCP', routes: { '': [{ to: 'one', weight: 0 }] } }] });
    await broken('no weight');
    const labels = '{listener="test/gateway/tcp",route="TCPRoute/test/tcp"}';
    await gateway.counts(`portolan_streams_failed_total${labels}`, 3);
  });

  it('is one in proportion to the weight of what is not resolved', async (t) => {
    const behind = await tcpBackend(t, echoAs('a'));
    const { port } = await serveStreams(t, {
      ...worldTo(behind.port),
      listeners: [{ name: 'tcp', protocol: 'TCP', routes: { '': [{ to: 'one', weight: 3 }, { weight: 1 }] } }],
    });
    const clients = Array.from({ length: 200 }, () => dialIn(t, port));
    for (const { socket } of clients) socket.end('x');
    await eventually(() => clients.every(({ closed }) => closed), 'all of them');
    const refused = clients.filter(({ broke, received }) =>
      onEnvoy ? received === '' : broke === 'ECONNRESET',
    ).length;
    assert.equal(clients.filter(({ received }) => received === 'a:x').length, 200 - refused);
    // Six standard deviations.
    assert.ok(refused > 14 && refused < 86, `${refused} of 200`);
  });

  it('fails over to an endpoint that can be reached, and leaves the other out', async (t) => {
    const behind = await tcpBackend(t, echoAs('b'));
    const gateway = await serveStreams(t, worldTo(await freePort(), behind.port), { limits: { skipTimeout: 60_000 } });
    for (let i = 0; i < 30; i++) {
      const client = dialIn(t, gateway.port);
      client.socket.end(`${i}`);
      await eventually(() => client.closed, 'an answer');
      assert.equal(client.received, `b:${i}`);
    }
    if (onEnvoy) return;
    const refused = await gateway.metric(failures('refused'));
    assert.ok(refused <= 1, `${refused} attempts at an endpoint that refuses`);
  });

  it('fails over with every octet of the answer, and none of anybody else', async (t) => {
    const text = 'abcdefghij'.repeat(20_000);
    const behind = await tcpBackend(t, ({ socket }) => socket.end(text));
    const limits = { skipTimeout: 1, longestSkip: 1 };
    const gateway = await serveStreams(t, worldTo(await freePort(), behind.port), { limits });
    for (let i = 0; i < 30; i++) {
      const client = dialIn(t, gateway.port);
      client.socket.end('x');
      await eventually(() => client.closed, 'an answer');
      assert.ok(client.received === text, `answer ${i} of ${client.received.length} octets`);
    }
    // Otherwise nothing was shown.
    assert.ok(onEnvoy || (await gateway.metric(failures('refused'))) > 0);
  });

  it('is reset when no endpoint can be reached, and is a stream again when one can', async (t) => {
    const dead = await freePort();
    const gateway = await serveStreams(t, worldTo(dead));
    const client = dialIn(t, gateway.port);
    await eventually(() => isGone(client), 'the reset');
    assertReset(client);
    await gateway.counts(failures('refused'), 1);
    const behind = await tcpBackend(t, echoAs('c'));
    await gateway.change({ clusters: { one: [behind.port] } });
    const next = dialIn(t, gateway.port);
    next.socket.end('x');
    await eventually(() => next.closed, 'an answer');
    assert.equal(next.received, 'c:x');
  });

  it('is reset after the connect timeout, and what the client said is not lost on the endpoint that answers', async (t) => {
    const silent = await silentPort(t);
    const limits = { connectTimeout: 300 };
    const gateway = await serveStreams(t, worldTo(silent), { limits });
    const client = dialIn(t, gateway.port);
    const started = Date.now();
    client.socket.write('early');
    await eventually(() => isGone(client), 'the reset');
    assert.ok(Date.now() - started > 250);
    assertReset(client);
    await gateway.counts(failures('connect-timeout'), 1);
    const behind = await tcpBackend(t, echoAs('d'));
    await gateway.change({ clusters: { one: [silent, behind.port] } });
    const clients = Array.from({ length: 8 }, () => dialIn(t, gateway.port));
    for (const { socket } of clients) socket.end('early');
    await eventually(() => clients.every(({ closed }) => closed), 'answers');
    assert.deepEqual(new Set(clients.map(({ received }) => received)), new Set(['d:early']));
  });
});

/** After a while, and a look at what came meanwhile: a machine that stood still is no full queue. */
async function isStuck(socket: net.Socket): Promise<boolean> {
  await sleep(150);
  await new Promise((resolve) => setImmediate(resolve));
  return socket.connecting;
}

/** A port where nobody answers: a process that listens and sleeps, with more connections waiting than it has room for. */
async function silentPort(t: TestContext): Promise<number> {
  const program = `require('net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, function () {
    process.stdout.write(this.address().port + '\\n');
  })`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const sockets: net.Socket[] = [];
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    child.kill('SIGKILL');
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  child.kill('SIGSTOP');
  const port = Number(line.toString());
  for (let full = false; !full;) {
    assert.ok(sockets.length < 16, 'the queue is full at last');
    const socket = net.connect({ port, host: '127.0.0.1' });
    socket.on('error', () => {});
    sockets.push(socket);
    full = await Promise.race([once(socket, 'connect').then(() => false), isStuck(socket)]);
  }
  return port;
}

describe('a client that leaves early', () => {
  it('does no harm to the endpoint that it waited for', async (t) => {
    const silent = await silentPort(t);
    const gateway = await serveStreams(t, worldTo(silent), { limits: { drainTimeout: 1 } });
    const client = dialIn(t, gateway.port);
    await once(client.socket, 'connect');
    await sleep(50);
    // The listener goes, and with it whoever waits, as soon as the time to drain is over.
    await gateway.retire();
    await eventually(() => isGone(client), 'the end');
    await gateway.counts(failures('refused'), 0);
  });
});

describe('times and numbers of TCP streams', () => {
  it('silence ends them, words do not', async (t) => {
    const behind = await tcpBackend(t, echoAs('e'));
    const { port } = await serveStreams(t, worldTo(behind.port), { limits: { tunnelTimeout: 1500 } });
    const [talker, silent] = [dialIn(t, port), dialIn(t, port)];
    silent.socket.write('x');
    talker.socket.write('x');
    const talk = setInterval(() => talker.socket.write('.'), 100);
    t.after(() => clearInterval(talk));
    await eventually(() => isGone(silent), 'the end of the silent one');
    await sleep(500);
    clearInterval(talk);
    assert.equal(talker.closed, false);
    await eventually(() => talker.received.endsWith('.'), 'an echo');
    const backend = behind.ends.filter(({ closed }) => closed);
    assert.equal(backend.length, 1);
  });

  it('more than the limit are refused, until one leaves', async (t) => {
    const behind = await tcpBackend(t, echoAs('f'));
    const gateway = await serveStreams(t, worldTo(behind.port), { limits: { connections: 3 } });
    const three = Array.from({ length: 3 }, () => dialIn(t, gateway.port));
    for (const { socket } of three) socket.write('x');
    await eventually(() => three.every(({ received }) => received === 'f:x'), 'three echoes');
    const fourth = dialIn(t, gateway.port);
    await eventually(() => fourth.ended || fourth.closed, 'the refusal');
    assert.equal(fourth.received, '');
    fourth.socket.destroy();
    await gateway.counts('portolan_client_connections_refused_total', 1);
    three[0]?.socket.destroy();
    // Who comes before it is noticed is refused still.
    const isTaken = async (): Promise<boolean> => {
      const fifth = dialIn(t, gateway.port);
      fifth.socket.write('y');
      await eventually(() => fifth.received === 'f:y' || fifth.ended || fifth.closed, 'an echo or a refusal');
      return fifth.received === 'f:y';
    };
    await eventually(isTaken, 'room');
  });
});

describe('changes under TCP streams', () => {
  it('leave the ones that live alone: other routes, other endpoints, no route', async (t) => {
    const [a, b] = [await tcpBackend(t, echoAs('a')), await tcpBackend(t, echoAs('b'))];
    const gateway = await serveStreams(t, worldTo(a.port));
    const old = dialIn(t, gateway.port);
    let said = 0;
    const stillA = async (why: string): Promise<void> => {
      const word = `${said++};`;
      old.socket.write(word);
      await eventually(() => old.received.endsWith(`a:${word}`), why);
    };
    await stillA('before');
    await gateway.change({ clusters: { one: [b.port] } });
    await stillA('after its endpoint went');
    await gateway.change({
      clusters: { two: [b.port] },
      listeners: [{ name: 'tcp', protocol: 'TCP', routes: { '': [{ to: 'two' }] } }],
    });
    await stillA('after its cluster went');
    const young = dialIn(t, gateway.port);
    young.socket.write('x');
    await eventually(() => young.received === 'b:x', 'the new backend');
    await gateway.change({ listeners: [{ name: 'tcp', protocol: 'TCP' }] });
    await stillA('after its route went');
    assert.equal(old.closed, false);
  });

  it('a listener that goes lets them live until the time to drain is over, and takes no more', async (t) => {
    const behind = await tcpBackend(t, echoAs('g'));
    const gateway = await serveStreams(t, worldTo(behind.port), { limits: { drainTimeout: 1200 } });
    const client = dialIn(t, gateway.port);
    client.socket.write('1');
    await eventually(() => client.received === 'g:1', 'an echo');
    await gateway.retire();
    const late = dialIn(t, gateway.port);
    await eventually(() => late.closed, 'a refusal');
    assert.equal(late.broke, 'ECONNREFUSED');
    client.socket.write('2');
    await eventually(() => client.received === 'g:1g:2', 'an echo after the listener went');
    await eventually(() => isGone(client), 'the end');
  });

  it('an engine that drains waits for them, and not for ever', async (t) => {
    const behind = await tcpBackend(t, echoAs('h'));
    const gateway = await serveStreams(t, worldTo(behind.port));
    const [quick, slow] = [dialIn(t, gateway.port), dialIn(t, gateway.port)];
    for (const { socket } of [quick, slow]) socket.write('1');
    await eventually(() => quick.received + slow.received === 'h:1h:1', 'echoes');
    const started = Date.now();
    const drained = gateway.engine.drain(1500);
    await sleep(100);
    quick.socket.end('2');
    await eventually(() => quick.closed, 'the end of what is finished');
    assert.equal(quick.received, 'h:1h:2');
    assert.equal(slow.closed, false);
    await drained;
    const took = Date.now() - started;
    assert.ok(took >= 1450 && took < 10_000, `${took} ms`);
    await eventually(() => isGone(slow), 'the end of what is not');
  });

  it('every 20 ms cost none of 100 connections', async (t) => {
    const [a, b] = [await tcpBackend(t, echoAs('')), await tcpBackend(t, echoAs(''))];
    const gateway = await serveStreams(t, worldTo(a.port), { workers: 2 });
    const stop = new AbortController();
    let changes = 0;
    const churn = (async (): Promise<void> => {
      for (; !stop.signal.aborted; changes++) {
        const clusters = { [`c${changes % 3}`]: changes % 2 === 0 ? [a.port] : [a.port, b.port] };
        await gateway.change({
          clusters,
          listeners: [{ name: 'tcp', protocol: 'TCP', routes: { '': [{ to: `c${changes % 3}` }] } }],
        });
        await sleep(20);
      }
    })();
    const failed: string[] = [];
    const one = async (i: number): Promise<void> => {
      // A new one every few milliseconds; each speaks over several changes.
      await sleep(i * 8);
      const client = dialIn(t, gateway.port);
      for (let word = 0; word < 5; word++) {
        client.socket.write(`${word}`);
        await sleep(25);
      }
      client.socket.end();
      await eventually(() => client.closed, `the end of ${i}`);
      // Words may share a segment.
      if (client.received.replaceAll(':', '') !== '01234' || client.broke !== '')
        failed.push(`${i}: ${client.received} ${client.broke}`);
    };
    await Promise.all(Array.from({ length: 100 }, (_, i) => one(i)));
    stop.abort();
    await churn;
    assert.deepEqual(failed, []);
    assert.ok(changes > 5, `${changes} changes`);
  });
});

describe('what is told of TCP streams', () => {
  it('counters by listener and route, and a line of the log', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'portolan-l4-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const accessLog = join(folder, 'access.log');
    const behind = await tcpBackend(t, ({ socket }) => {
      socket.once('data', () => socket.end('longer answer'));
    });
    const gateway = await serveStreams(t, worldTo(behind.port), { accessLog });
    const active = 'portolan_streams_active{listener="test/gateway/tcp"}';
    const client = dialIn(t, gateway.port);
    await firstEnd(behind);
    await gateway.counts(active, 1);
    client.socket.end('four');
    await eventually(() => client.closed, 'the end');
    const labels = '{listener="test/gateway/tcp",route="TCPRoute/test/tcp"}';
    await eventually(async () => (await gateway.metric(`portolan_streams_total${labels}`)) === 1, 'the count');
    await gateway.counts(active, 0);
    await gateway.counts(`portolan_streams_failed_total${labels}`, 0);
    await gateway.counts(`portolan_stream_sent_bytes_total${labels}`, 13);
    await gateway.counts(`portolan_stream_received_bytes_total${labels}`, 4);
    await eventually(() => readFileSync(accessLog, 'utf8') !== '', 'a line');
    const line = JSON.parse(readFileSync(accessLog, 'utf8')) as Record<string, unknown>;
    const { scheme, sent, received, listener, route, upstream, attempts } = line;
    assert.deepEqual(
      { scheme, sent, received, listener, route, upstream, attempts },
      {
        scheme: 'tcp',
        sent: 13,
        received: 4,
        listener: 'test/gateway/tcp',
        route: 'TCPRoute/test/tcp',
        upstream: `127.0.0.1:${behind.port}`,
        attempts: 1,
      },
    );
  });
});
