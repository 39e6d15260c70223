// Frames that make no sense, from clients and from backends: whatever comes, no worker dies, nobody else notices, and nothing
// is left behind.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { before, describe, it } from './engine-tests.ts';
import * as fc from 'fast-check';
import {
  ACK,
  CONTINUATION,
  END_HEADERS,
  END_STREAM,
  fields,
  frame,
  get,
  post,
  PREFACE,
  SETTINGS,
} from './http2-frames.ts';
import { eventually } from '../eventually.ts';
import { type Gateway, listen, plainGateway, service, startGateway } from './http2-gateway.ts';

/** PORTOLAN_FUZZ_RUNS=10000 for a long run. */
const numRuns = Number(process.env['PORTOLAN_FUZZ_RUNS'] ?? 60);

const crashes: Error[] = [];
let gateway: Gateway;
/** Backends over h2c that are asked at the same time: what leaves the gateway without an answer costs a second. */
const lanes = ['strange-0', 'strange-1', 'strange-2', 'strange-3', 'strange-4', 'strange-5'];
/** What each of them sends to whoever connects. */
const nonsense = new Map<string, Buffer>();

before(async () => {
  const sound = await listen(
    http.createServer((request, response) => {
      request.resume();
      response.end('ok');
    }),
  );
  const strange = async (name: string): Promise<string> => {
    const server = net.createServer((socket) => {
      socket.on('error', () => {});
      socket.write(frame(SETTINGS, 0, 0));
      socket.once('data', () => socket.end(nonsense.get(name) ?? ''));
    });
    return service(name, await listen(server), 'kubernetes.io/h2c');
  };
  gateway = await startGateway(
    plainGateway('h1', ...lanes) + service('h1', sound) + (await Promise.all(lanes.map(strange))).join(''),
    {
      limits: { headTimeout: 500, idleTimeout: 500, responseTimeout: 500, connectTimeout: 500 },
      onCrash: (error) => crashes.push(error),
    },
  );
});

const header = fc.constantFrom(
  fields(...get),
  fields(...post),
  fields(...post, 'content-length', '5'),
  fields(...get.slice(0, 7), '*'),
  fields(':status', '200'),
  fields(':status', '200', 'content-length', '3'),
  fields(':status', '103', 'link', 'x'),
  fields(':status', '204'),
  fields('x-trailer', '1'),
  fields('cookie', 'a'.repeat(5000)),
  Buffer.from([0x82, 0x86, 0x84, 0x41, 0x8a]),
  Buffer.from([0x3f, 0xff, 0xff, 0xff, 0x7f]),
);
const stream = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(1, 3, 5) },
  { weight: 1, arbitrary: fc.constantFrom(0, 2, 7, 0x7fffffff) },
);
const flags = fc.constantFrom(0, ACK, END_STREAM, END_HEADERS, END_HEADERS | END_STREAM, 8, 0x20, 0xff);
const payload = fc.oneof(
  header,
  fc.uint8Array({ maxLength: 30 }).map((octets) => Buffer.from(octets)),
);
const anyFrame = fc.oneof(
  fc.tuple(fc.nat(12), flags, stream, payload).map(([type, flag, id, data]) => frame(type, flag, id, data)),
  fc.tuple(stream, header).map(([id, data]) => frame(1, END_HEADERS, id, data)),
  fc.tuple(stream, header).map(([id, data]) => frame(1, END_HEADERS | END_STREAM, id, data)),
  fc.tuple(stream, fc.nat(20_000)).map(([id, size]) => frame(0, 0, id, Buffer.alloc(size))),
  fc.tuple(stream, fc.nat(13)).map(([id, code]) => frame(3, 0, id, Buffer.from([0, 0, 0, code]))),
  fc.constant(frame(SETTINGS, ACK, 0)),
  fc.constant(frame(CONTINUATION, END_HEADERS, 1, fields('x', 'y'))),
);
const frames = fc.array(anyFrame, { maxLength: 25 }).map((list) => Buffer.concat(list));

function ask(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const options = { port: gateway.port(80), host: '127.0.0.1', agent: false, headers: { host } } as const;
    http
      .get(options, (response) => {
        response.on('error', () => {});
        response.resume();
        response.on('close', () => resolve(response.statusCode as number));
      })
      .on('error', (error: NodeJS.ErrnoException) => (error.code === 'ECONNRESET' ? resolve(0) : reject(error)));
  });
}

describe('frames that make no sense', () => {
  it('from clients', async () => {
    await fc.assert(
      fc.asyncProperty(frames, fc.boolean(), async (octets, abrupt) => {
        const socket = net.connect(gateway.port(80), '127.0.0.1');
        socket.on('error', () => {});
        socket.resume();
        await once(socket, 'connect');
        socket.write(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0), octets]));
        await new Promise((resolve) => setTimeout(resolve, 5));
        if (abrupt) socket.resetAndDestroy();
        else socket.end();
      }),
      { numRuns },
    );
    assert.equal(await ask('h1.test'), 200);
    assert.deepEqual(crashes, []);
  });

  it('from backends', async () => {
    await fc.assert(
      fc.asyncProperty(fc.tuple(...lanes.map(() => frames)), async (all) => {
        all.forEach((octets, at) => nonsense.set(lanes[at] as string, octets));
        for (const status of await Promise.all(lanes.map((name) => ask(`${name}.test`))))
          assert.ok(status === 0 || (status >= 200 && status < 600), String(status));
      }),
      { numRuns: numRuns / lanes.length },
    );
    assert.equal(await ask('h1.test'), 200);
    assert.deepEqual(crashes, []);
  });

  it('leave no connection behind', async () => {
    // What is idle, or never acknowledged our SETTINGS, goes within half a second and a sweep.
    let text = '';
    const isOver = async (): Promise<boolean> => {
      text = await gateway.engine.metrics();
      const active = [...text.matchAll(/^portolan_(?:client_connections|requests)_active\S* (\d+)$/gm)];
      return active.length > 0 && active.every(([, number]) => number === '0');
    };
    await eventually(isOver, () => text);
    assert.match(text, /^portolan_client_connections_active 0$/m);
  });
});
