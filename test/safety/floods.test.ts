// Floods over HTTP/2: frames that cost their sender nothing. The connection ends, and other clients are served meanwhile. What one
// connection at a time does is test/features/http2-limits.test.ts.
import assert from 'node:assert/strict';
import type net from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { Limits } from '../../src/engines/embedded/options.ts';
import {
  ACK,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  fields,
  frame,
  get,
  HEADERS,
  PING,
  post,
  PREFACE,
  RST_STREAM,
  SETTINGS,
  uint32,
  WINDOW_UPDATE,
} from '../features/http2-frames.ts';
import { type Attacker, attackers, ends, leave } from './attackers.ts';
import { startBackend } from './backend.ts';
import { Bystander, type Cost, measure, MeasuredProxy, scale } from './measured.ts';

/** What V8 has not collected yet (the young generation of a worker grows to some 48 MiB), whoever made it. */
const GARBAGE = 64 * 1_048_576;
const MEGA = 1_048_576;
const COUNT = 5 * scale;
/** The innocent waits no longer on a busy machine: milliseconds. */
const PATIENCE = 5000;
const GRACE = 6000;
const PRIORITY = 2;
const UNKNOWN = 0xbe;

const limits: Partial<Limits> = {
  headTimeout: 600,
  idleTimeout: 600,
  bodyTimeout: 600,
  writeTimeout: 600,
  poolTimeout: 500,
};
const start = Buffer.concat([PREFACE, frame(SETTINGS, 0, 0), frame(SETTINGS, ACK, 0)]);
const endless = Buffer.alloc(262_144, 'x');

let proxy: MeasuredProxy;
let innocent: Bystander;
const closers: (() => unknown)[] = [];
before(async () => {
  innocent = await Bystander.start();
  const chatty = await backend((socket) => {
    // More than anybody takes, and not so much that the system's buffers fill the memory.
    socket.once('data', () => socket.write(Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\n\r\n'), endless])));
  });
  const silent = await backend((socket) => socket.resume());
  const deaf = await backend((socket) => socket.pause());
  proxy = await MeasuredProxy.start(
    {
      routes: [
        { backends: [{ to: innocent.backend }] },
        { path: '/endless', backends: [{ to: chatty }] },
        { path: '/silent', backends: [{ to: silent }] },
        { path: '/deaf', backends: [{ to: deaf }] },
      ],
    },
    { limits },
  );
});
after(async () => {
  await Promise.all([proxy.close(), innocent.close()]);
  for (const close of closers) close();
});

function acceptable(cost: Cost, octets: number, count = COUNT): void {
  assert.ok(cost.left <= 0, `${cost.left} descriptors stay`);
  assert.ok(cost.slowest < PATIENCE, `an innocent client waited ${cost.slowest} ms`);
  const each = (cost.peak - cost.before - GARBAGE) / count;
  assert.ok(each < octets, `${Math.round(each)} octets for each attacker`);
}

describe('a connection that', () => {
  const stalls: Readonly<Record<string, Buffer>> = {
    'ends its preface and says nothing': PREFACE,
    'never acknowledges our SETTINGS': Buffer.concat([PREFACE, frame(SETTINGS, 0, 0)]),
    'asks for nothing': start,
    'stops in the head of a frame': Buffer.concat([start, Buffer.from('000010', 'hex')]),
    'stops in a frame': Buffer.concat([
      start,
      frame(HEADERS, END_HEADERS | END_STREAM, 1, fields(...get)).subarray(0, 20),
    ]),
    'stops in a header block': Buffer.concat([start, frame(HEADERS, END_STREAM, 1, fields(...get))]),
    'stops in a body': Buffer.concat([
      start,
      frame(HEADERS, END_HEADERS, 1, fields(...post)),
      frame(DATA, 0, 1, Buffer.alloc(9)),
    ]),
  };
  it('stops anywhere is let go', async () => {
    const places = Object.entries(stalls);
    const what = `${places.length * COUNT} HTTP/2 connections that stop in ${places.length} places`;
    const cost = await measure(what, proxy, innocent, async () => {
      const groups = places.map(async ([place, octets]) => {
        const all = await attackers(COUNT, proxy.port, octets);
        await ends(all, 600 + GRACE).catch((error: unknown) => {
          throw new Error(`a connection that ${place}`, { cause: error });
        });
      });
      await Promise.all(groups);
    });
    acceptable(cost, 131_072, places.length * COUNT);
  });

  // Made once: what it costs to make a flood would look as if the proxy were slow.
  const ping = frame(PING, 0, 0, Buffer.alloc(8));
  const pong = frame(PING, ACK, 0, Buffer.alloc(8));
  const settings = frame(SETTINGS, 0, 0);
  const entries = frame(SETTINGS, 0, 0, Buffer.alloc(180, Buffer.from('000300000064', 'hex')));
  const update = frame(WINDOW_UPDATE, 0, 0, uint32(1));
  const reset = frame(RST_STREAM, 0, 1, uint32(8));
  const unknown = frame(UNKNOWN, 0, 0, Buffer.alloc(1));
  const noData = frame(DATA, 0, 3);
  const nothing = frame(CONTINUATION, 0, 3);
  const something = frame(CONTINUATION, 0, 3, fields('x', 'y'));
  const sound = fields(...get);
  const malformed = fields(':method', 'GET', 'x', 'y');
  const many = fields(...get, ...Array.from({ length: 600 }, () => 'x'));
  const large = fields(...get, 'x', 'x'.repeat(15_000));
  // One long field in the dynamic table (RFC 7541 section 6.2.1), then named again and again by one octet (section 6.1).
  const bomb = Buffer.concat([sound, Buffer.from([0x40]), fields('x', 'x'.repeat(4000)).subarray(1)]);
  const bombs = Buffer.concat([sound, Buffer.alloc(120, 0xbe)]);
  const request = (turn: number, block: Buffer): Buffer =>
    frame(HEADERS, END_HEADERS | END_STREAM, 2 * turn + 3, block);
  const floods: Readonly<Record<string, (turn: number) => Buffer>> = {
    PING: () => ping,
    'PING that acknowledges nothing': () => pong,
    SETTINGS: () => settings,
    'SETTINGS full of entries': () => entries,
    'WINDOW_UPDATE of the connection': () => update,
    PRIORITY: (turn) => frame(PRIORITY, 0, (2 * turn + 3) % 2_000_000_000, Buffer.alloc(5)),
    'RST_STREAM of a stream that is closed': () => reset,
    'frames of no known type': () => unknown,
    'empty CONTINUATION': (turn) => (turn === 0 ? frame(HEADERS, 0, 3) : nothing),
    'CONTINUATION with fields': (turn) => (turn === 0 ? frame(HEADERS, 0, 3) : something),
    'empty DATA': (turn) => (turn === 0 ? frame(HEADERS, END_HEADERS, 3, fields(...post)) : noData),
    'requests reset at once': (turn) =>
      Buffer.concat([request(turn, sound), frame(RST_STREAM, 0, 2 * turn + 3, uint32(8))]),
    'requests that break the protocol': (turn) => request(turn, malformed),
    'requests with too many fields': (turn) => request(turn, many),
    'requests with too large fields': (turn) => request(turn, large),
    'compressed fields that are huge': (turn) => request(turn, turn === 0 ? bomb : bombs),
    'requests and no interest in answers': (turn) => request(turn, sound),
  };
  for (const [what, piece] of Object.entries(floods)) {
    it(`floods with ${what} is ended`, async () => {
      const cost = await measure(`${COUNT} HTTP/2 connections: flood of ${what}`, proxy, innocent, async () => {
        // A request under way keeps the connection from being idle.
        const pending = frame(HEADERS, END_HEADERS | END_STREAM, 1, fields(...get.slice(0, 7), '/silent'));
        const all = await attackers(COUNT, proxy.port, Buffer.concat([start, pending]));
        await Promise.all(all.map((one) => flood(one, piece)));
        await ends(all, GRACE);
      });
      acceptable(cost, 16 * MEGA);
    });
  }
});

describe('a connection that is no flood', () => {
  it('uploads to backends that do not read, as far as its windows go, and stays', async () => {
    const streams = Array.from({ length: 7 }, (_, i) => 2 * i + 1);
    const octets = streams.flatMap((stream) => [
      frame(HEADERS, END_HEADERS, stream, fields(...post.slice(0, 7), '/deaf')),
      ...Array.from({ length: 8 }, () => frame(DATA, 0, stream, Buffer.alloc(16_000))),
    ]);
    const [one] = await attackers(1, proxy.port, start);
    if (one === undefined) throw new Error('no connection');
    // Our windows are open once our SETTINGS have come.
    while (one.received < 50) await new Promise((resolve) => setTimeout(resolve, 5));
    one.socket.write(Buffer.concat(octets));
    await new Promise((resolve) => setTimeout(resolve, 1500));
    assert.ok(!one.closed, one.text);
    leave([one]);
  });
});

describe('a connection that takes nothing', () => {
  const asks = (count: number): Buffer =>
    Buffer.concat(
      Array.from({ length: count }, (_, i) =>
        frame(HEADERS, END_HEADERS | END_STREAM, 2 * i + 1, fields(...get.slice(0, 7), '/endless')),
      ),
    );
  // One closes its windows; the other opens them and does not read.
  const windows = [
    [Buffer.from('000400000000', 'hex'), false],
    [Buffer.from('00047fffffff', 'hex'), true],
  ] as const;

  it('is let go, and its backends with it', async () => {
    const streams = 50;
    const what = `${2 * COUNT} × ${streams} endless responses over HTTP/2, windows closed or connection not read`;
    const cost = await measure(what, proxy, innocent, async () => {
      const base = proxy.descriptors;
      const groups = windows.map(async ([settings, paused]) => {
        const first = [PREFACE, frame(SETTINGS, 0, 0, settings), frame(SETTINGS, ACK, 0), asks(streams)];
        const all = await attackers(COUNT, proxy.port, Buffer.concat(first));
        if (paused) for (const { socket } of all) socket.pause();
        return all;
      });
      const all = (await Promise.all(groups)).flat();
      await new Promise((resolve) => setTimeout(resolve, 300));
      const end = performance.now() + 3 * GRACE;
      while (proxy.descriptors > base && performance.now() < end)
        await new Promise((resolve) => setTimeout(resolve, 50));
      const { descriptors } = proxy;
      leave(all);
      assert.ok(descriptors <= base, `${descriptors - base} descriptors in use`);
    });
    acceptable(cost, 262_144, 2 * COUNT * streams);
    assert.ok(cost.descriptors > COUNT, 'they were connected');
  });
});

/** As fast as the other side takes it, for at most ten seconds. */
async function flood({ socket }: Attacker, piece: (turn: number) => Buffer): Promise<void> {
  const end = performance.now() + 10_000;
  let turn = 0;
  while (!socket.destroyed && socket.writable && performance.now() < end) {
    const pieces: Buffer[] = [];
    for (let size = 0; size < 32_768; turn++) {
      const next = piece(turn);
      pieces.push(next);
      size += next.length;
    }
    if (socket.write(Buffer.concat(pieces))) await new Promise(setImmediate);
    else await taken(socket);
  }
}

function taken(socket: net.Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done).off('close', done);
      resolve();
    };
    socket.on('drain', done).on('close', done);
  });
}

async function backend(accept: (socket: net.Socket) => void): Promise<number> {
  const started = await startBackend(accept);
  closers.push(() => started.close());
  return started.port;
}
