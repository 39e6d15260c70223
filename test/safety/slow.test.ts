// Clients and backends that are slow, silent or gone, in every phase of HTTP/1.1 and of the handshake: connections end in time,
// memory and descriptors come back, and other clients are served meanwhile. Limits are small so that the tests are short.
import assert from 'node:assert/strict';
import type net from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { Limits } from '../../src/engines/embedded/options.ts';
import type { CertificateSet } from '../../src/routing/model.ts';
import { ACK, END_HEADERS, END_STREAM, fields, frame, HEADERS, PREFACE, SETTINGS } from '../features/http2-frames.ts';
import { certificateFor } from '../features/tls-certificates.ts';
import { type Attacker, attackers, ends, leave, plain, secure, stubborn, trickle } from './attackers.ts';
import { startBackend } from './backend.ts';
import { Bystander, type Cost, measure, MeasuredProxy, scale } from './measured.ts';

/** What V8 has not collected yet (the young generation of a worker grows to some 48 MiB), whoever made it. */
const GARBAGE = 64 * 1_048_576;
const MEGA = 1_048_576;
const COUNT = 100 * scale;
/** The innocent waits no longer on a busy machine: milliseconds. */
const PATIENCE = 5000;
/** Beyond the limit: half a second of the sweep, two to linger, and a busy machine. */
const GRACE = 5000;

const limits: Partial<Limits> = {
  headTimeout: 600,
  idleTimeout: 600,
  bodyTimeout: 600,
  writeTimeout: 600,
  responseTimeout: 1000,
  connectTimeout: 500,
  poolTimeout: 500,
};

const endless = Buffer.alloc(16 * MEGA, 'x');
let proxy: MeasuredProxy;
let secured: MeasuredProxy;
let innocent: Bystander;
let certificate: CertificateSet;
const closers: (() => unknown)[] = [];

before(async () => {
  innocent = await Bystander.start();
  const [silent, deaf, chatty] = await Promise.all([
    backend((socket) => socket.resume()),
    backend((socket) => socket.pause()),
    backend((socket) => {
      // More than anybody takes, and not so much that the system's buffers fill the memory.
      socket.once('data', () => socket.write(Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\n\r\n'), endless])));
    }),
  ]);
  const routes = [
    { backends: [{ to: innocent.backend }] },
    { path: '/silent', backends: [{ to: silent }] },
    { path: '/deaf', backends: [{ to: deaf }] },
    { path: '/endless', backends: [{ to: chatty }] },
  ];
  certificate = await certificateFor('test/safe', ['safe.test']);
  proxy = await MeasuredProxy.start({ routes }, { limits });
  secured = await MeasuredProxy.start({ routes }, { limits }, certificate);
});
after(async () => {
  await Promise.all([proxy.close(), secured.close(), innocent.close()]);
  for (const close of closers) close();
});

/** @param octets of memory that each attacker may cost at most */
function acceptable(cost: Cost, octets: number, count = COUNT): void {
  assert.ok(cost.left <= 0, `${cost.left} descriptors stay`);
  assert.ok(cost.slowest < PATIENCE, `an innocent client waited ${cost.slowest} ms`);
  const each = (cost.peak - cost.before - GARBAGE) / count;
  assert.ok(each < octets, `${Math.round(each)} octets for each attacker`);
}

describe('a client that', () => {
  const phases: Readonly<Record<string, string>> = {
    'connects and says nothing': '',
    'stops in the method': 'GE',
    'stops in its head': 'GET / HTTP/1.1\r\nHost: a\r\nX-',
    'stops before the last octet of its head': 'GET / HTTP/1.1\r\nHost: a\r\n\r',
    'stops in the preface of HTTP/2': 'PRI * HTTP/2.0\r\n\r\nS',
    'stops before its body': 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n',
    'stops in its body': 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345',
    'stops in the size of a chunk': 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1',
    'stops in a trailer': 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ',
    'asks once and then says nothing': 'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  };
  it('stops anywhere in a request is let go', async () => {
    const places = Object.entries(phases);
    const count = Math.ceil(COUNT / 2);
    const what = `${places.length * count} clients that stop in ${places.length} places of a request`;
    const cost = await measure(what, proxy, innocent, async () => {
      const groups = places.map(async ([place, octets]) => {
        const all = await attackers(count, proxy.port, octets);
        await ends(all, 600 + GRACE).catch((error: unknown) => {
          throw new Error(`a client that ${place}`, { cause: error });
        });
      });
      await Promise.all(groups);
    });
    acceptable(cost, 65_536, places.length * count);
  });

  it('sends its head octet by octet is let go when its time is over', async () => {
    const cost = await measure(`${COUNT} clients: head octet by octet`, proxy, innocent, async () => {
      const all = await attackers(COUNT, proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\nX: ');
      await trickle(all, 50, 600 + GRACE, (socket) => socket.write('x'));
      await ends(all, GRACE);
      assert.ok(all.every(({ text }) => text === '' || text.startsWith('HTTP/1.1 408 ')));
    });
    acceptable(cost, 65_536);
  });

  it('sends one field after the other is refused when they are too many', async () => {
    const cost = await measure(`${COUNT} clients: endless head`, proxy, innocent, async () => {
      const all = await attackers(COUNT, proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n');
      await trickle(all, 1, GRACE, (socket) => socket.write('X: y\r\n'.repeat(40)));
      await ends(all, GRACE);
    });
    acceptable(cost, 131_072);
  });

  it('sends one endless field is refused', async () => {
    const cost = await measure(`${COUNT} clients: one endless field`, proxy, innocent, async () => {
      const all = await attackers(COUNT, proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\nX: ');
      await trickle(all, 1, GRACE, (socket) => socket.write('x'.repeat(16_384)));
      await ends(all, GRACE);
    });
    acceptable(cost, 262_144);
  });

  it('sends huge extensions of chunks is refused', async () => {
    const head = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
    const extensions = {
      'one long extension of a chunk': `1;${'x'.repeat(2000)}\r\na\r\n`,
      'long extensions of many small chunks': `1;${'x'.repeat(900)}\r\na\r\n`.repeat(40),
    };
    for (const [what, line] of Object.entries(extensions)) {
      const cost = await measure(`${COUNT} clients: ${what}`, proxy, innocent, async () => {
        const all = await attackers(COUNT, proxy.port, head + line);
        await ends(all, GRACE);
        assert.ok(all.every(({ text }) => text === '' || / 400 /.test(text.slice(0, 20))));
      });
      acceptable(cost, 65_536);
    }
  });

  it('never reads its response is let go', async () => {
    const count = Math.ceil(COUNT / 5);
    const cost = await measure(`${count} clients: endless response never read`, proxy, innocent, async () => {
      const all = await attackers(count, proxy.port, '', (port) => plain(port).pause());
      for (const { socket } of all) socket.write('GET /endless HTTP/1.1\r\nHost: a\r\n\r\n');
      await new Promise((resolve) => setTimeout(resolve, 300));
      assert.ok(proxy.descriptors > 2 * count, 'they and their backends are connected');
      await released(all);
      leave(all);
    });
    acceptable(cost, 393_216, count);
  });

  it('closes its side and never the other is let go', async () => {
    const cost = await measure(`${COUNT} clients: half-open`, proxy, innocent, async () => {
      const all = await attackers(COUNT, proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', stubborn);
      for (const { socket } of all) socket.end();
      await ends(all, 600 + GRACE);
      assert.ok(all.every(({ text }) => text.startsWith('HTTP/1.1 200 ')));
    });
    acceptable(cost, 65_536);
  });

  it('never closes its side after ours is let go', async () => {
    const cost = await measure(`${COUNT} clients: refused and never closing`, proxy, innocent, async () => {
      const all = await attackers(COUNT, proxy.port, 'GET / HTTP/9.9\r\n\r\n', stubborn);
      await released(all);
      leave(all);
    });
    acceptable(cost, 65_536);
  });
});

describe('a client of TLS that', () => {
  const hello = Buffer.from('16030100c8010000c40303', 'hex');
  it('stalls the handshake is let go', async () => {
    const what = `${2 * COUNT} TLS clients: nothing, or the beginning of a ClientHello`;
    const cost = await measure(what, secured, innocent, async () => {
      const groups = ['', hello].map((octets) => attackers(COUNT, secured.port, octets));
      await ends((await Promise.all(groups)).flat(), 600 + GRACE);
    });
    acceptable(cost, 65_536, 2 * COUNT);
  });

  it('shakes hands and says nothing is let go, on either protocol', async () => {
    for (const protocol of ['http/1.1', 'h2'] as const) {
      const cost = await measure(`${COUNT} TLS clients (${protocol}): silence`, secured, innocent, async () => {
        await ends(await attackers(COUNT, secured.port, '', secure(protocol)), 600 + GRACE);
      });
      acceptable(cost, 131_072);
    }
  });
});

describe('a backend that', () => {
  it('never answers costs 504', async () => {
    const cost = await measure(`${COUNT} requests to a backend that never answers`, proxy, innocent, async () => {
      const all = await attackers(COUNT, proxy.port, 'GET /silent HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
      await ends(all, 1000 + GRACE);
      assert.ok(all.every(({ text }) => text.startsWith('HTTP/1.1 504 ')));
    });
    acceptable(cost, 131_072);
  });

  it('never reads holds the upload back, and then costs 504', async () => {
    const body = Buffer.alloc(262_144, 'x');
    const count = COUNT / 4;
    const cost = await measure(`${count} uploads to a backend that never reads`, proxy, innocent, async () => {
      const all = await attackers(
        count,
        proxy.port,
        'POST /deaf HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n',
      );
      for (const { socket } of all) socket.write(body);
      await ends(all, 1600 + GRACE);
    });
    acceptable(cost, 524_288, count);
  });

  it('is gone in the middle of a response breaks it off, and nothing else', async () => {
    const cost = await measure(`${COUNT} endless responses, broken off by the client`, proxy, innocent, async () => {
      const all = await attackers(COUNT, proxy.port, 'GET /endless HTTP/1.1\r\nHost: a\r\n\r\n');
      await new Promise((resolve) => setTimeout(resolve, 200));
      leave(all);
    });
    acceptable(cost, 393_216);
  });
});

describe('idle connections', () => {
  const asked = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
  const block = fields(':method', 'GET', ':scheme', 'https', ':authority', 'a', ':path', '/');
  const askedTwo = Buffer.concat([
    PREFACE,
    frame(SETTINGS, 0, 0),
    frame(SETTINGS, ACK, 0),
    frame(HEADERS, END_HEADERS | END_STREAM, 1, block),
  ]);
  const kinds = [
    { name: 'HTTP/1.1', count: 1000, octets: 16_384, first: asked, open: plain },
    { name: 'HTTP/1.1 over TLS', count: 200, octets: 98_304, first: asked, open: secure('http/1.1') },
    { name: 'HTTP/2 over TLS', count: 200, octets: 131_072, first: askedTwo, open: secure('h2') },
  ];
  for (const { name, count: usual, octets, first, open } of kinds) {
    it(`of ${name} cost little, and no descriptor when they are gone`, async () => {
      const count = usual * scale;
      const patient = await MeasuredProxy.start(
        { routes: [{ backends: [{ to: innocent.backend }] }] },
        { limits: { headTimeout: 60_000, poolTimeout: 500 } },
        open === plain ? undefined : certificate,
      );
      closers.push(() => patient.close());
      const cost = await measure(`${count} idle connections of ${name}`, patient, innocent, async () => {
        const all = await attackers(count, patient.port, first, open);
        while (all.some(({ received, closed }) => received < 70 && !closed))
          await new Promise((resolve) => setTimeout(resolve, 20));
        await new Promise((resolve) => setTimeout(resolve, 300));
        assert.ok(all.every(({ closed }) => !closed));
        leave(all);
      });
      acceptable(cost, octets, count);
    });
  }
});

/** The proxy has let them go, whether they have seen it or not: what is on its way to those who do not read stays so. */
async function released(all: readonly Attacker[]): Promise<void> {
  const end = performance.now() + 2000 + 2 * GRACE;
  while (proxy.descriptors > 60 && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.ok(proxy.descriptors <= 60, `${proxy.descriptors} descriptors in use for ${all.length} clients`);
}

async function backend(accept: (socket: net.Socket) => void): Promise<number> {
  const started = await startBackend(accept);
  closers.push(() => started.close());
  return started.port;
}
