// Frames of WebSocket as the Autobahn suite sends them, right ones and wrong ones (RFC 6455 section 5): the octets that arrive behind
// the proxy are those that were sent, in both directions at once, wherever they are cut. What they mean is for the peers to say.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import type net from 'node:net';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import type { Engine } from '../../src/engines/embedded/engine.ts';
import { runs } from '../fuzz/http1-messages.ts';
import { attackers, leave } from './attackers.ts';
import { type Backend, startBackend } from './backend.ts';
import { startProxy } from './proxy.ts';
import { eventually } from '../eventually.ts';

const CONTINUATION = 0;
const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

interface Form {
  readonly fin?: boolean;
  /** The three reserved bits. */
  readonly reserved?: number;
  readonly mask?: string | null;
  /** Octets of the extended length: more than the payload needs is wrong, and passes. */
  readonly width?: 0 | 2 | 8;
  /** Said to be that long, whatever follows. */
  readonly length?: bigint;
}

function frame(opcode: number, payload: Buffer | string, form: Form = {}): Buffer {
  const data = typeof payload === 'string' ? Buffer.from(payload) : payload;
  const { fin = true, reserved = 0, mask = '37fa213d', length = BigInt(data.length) } = form;
  const { width = length < 126n ? 0 : length < 65_536n ? 2 : 8 } = form;
  const size = width === 0 ? Number(length) : width === 2 ? 126 : 127;
  const extended = Buffer.alloc(width);
  if (width === 2) extended.writeUInt16BE(Number(length));
  if (width === 8) extended.writeBigUInt64BE(length);
  const head = Buffer.from([(fin ? 0x80 : 0) | (reserved << 4) | opcode, (mask === null ? 0 : 0x80) | size]);
  if (mask === null) return Buffer.concat([head, extended, data]);
  const key = Buffer.from(mask, 'hex');
  const masked = Buffer.from(data).map((octet, i) => octet ^ (key[i % 4] as number));
  return Buffer.concat([head, extended, key, masked]);
}

function closing(code: number, reason: Buffer | string = ''): Buffer {
  const octets = Buffer.alloc(2);
  octets.writeUInt16BE(code);
  return frame(CLOSE, Buffer.concat([octets, typeof reason === 'string' ? Buffer.from(reason) : reason]));
}

const cases: Readonly<Record<string, readonly Buffer[]>> = {
  'every length form': [0, 1, 125, 126, 127, 65_535, 65_536, 70_000].map((size) =>
    frame(BINARY, Buffer.alloc(size, 0xfe)),
  ),
  'lengths longer than they need to be': [frame(TEXT, 'a', { width: 2 }), frame(TEXT, 'b', { width: 8 })],
  'a length of 64 bits that nobody has': [frame(BINARY, 'abc', { width: 8, length: 0x7fffffffffffffffn })],
  'a length whose highest bit is set': [frame(BINARY, 'abc', { width: 8, length: 0xffffffffffffffffn })],
  'every opcode, reserved ones too': Array.from({ length: 16 }, (_, opcode) => frame(opcode, `opcode ${opcode}`)),
  'every reserved bit': Array.from({ length: 8 }, (_, reserved) => frame(TEXT, 'x', { reserved })),
  'masked and not masked': [frame(TEXT, 'x', { mask: null }), frame(TEXT, 'x', { mask: '00000000' }), frame(PONG, 'x')],
  'ping and pong, empty and full': [
    frame(PING, ''),
    frame(PING, Buffer.alloc(125, 0xff)),
    frame(PONG, ''),
    frame(PONG, 'x'),
  ],
  'control frames that are too large': [frame(PING, Buffer.alloc(126)), frame(CLOSE, Buffer.alloc(130))],
  'control frames in fragments': [frame(PING, 'a', { fin: false }), frame(CONTINUATION, 'b')],
  'a message in fragments': [
    frame(TEXT, 'frag', { fin: false }),
    frame(CONTINUATION, '', { fin: false }),
    frame(CONTINUATION, 'ment'),
  ],
  'control frames between fragments': [
    frame(TEXT, 'frag', { fin: false }),
    frame(PING, 'between'),
    frame(CONTINUATION, 'm', { fin: false }),
    frame(PONG, 'between'),
    frame(CONTINUATION, 'ent'),
  ],
  'fragments of nothing': [frame(CONTINUATION, 'x'), frame(CONTINUATION, 'y', { fin: false })],
  'a message within a message': [frame(TEXT, 'a', { fin: false }), frame(TEXT, 'b')],
  'text in UTF-8, cut within a character': [
    frame(TEXT, Buffer.from('κόσμε').subarray(0, 3), { fin: false }),
    frame(CONTINUATION, Buffer.from('κόσμε').subarray(3)),
  ],
  'text that is no UTF-8': ['ff', 'c0af', 'eda080', 'f4908080', 'c3', 'fe', 'e0809f'].map((octets) =>
    frame(TEXT, Buffer.from(octets, 'hex')),
  ),
  'what looks like HTTP': [frame(TEXT, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'), Buffer.from('HTTP/1.1 200 OK\r\n\r\n')],
  ...Object.fromEntries(
    [0, 999, 1000, 1001, 1004, 1005, 1006, 1011, 1015, 1016, 2999, 3000, 4999, 5000, 65_535].map((code) => [
      `closing with ${code}`,
      [closing(code, 'why')],
    ]),
  ),
  'closing without a code, with half of one, with a reason that is no UTF-8': [
    frame(CLOSE, ''),
    frame(CLOSE, Buffer.from([3])),
    closing(1000, Buffer.from([0xff, 0xfe])),
  ],
  'frames after the close': [closing(1000), frame(TEXT, 'still here'), frame(PING, 'x')],
  'many small messages': Array.from({ length: 1000 }, (_, i) => frame(TEXT, `message ${i}`)),
  'a large message': [frame(BINARY, randomBytes(1_000_000))],
};

/** Connections by the path that they ask for. */
const behind = new Map<string, { received: Buffer[]; socket: net.Socket }>();
let engine: Engine;
let port: number;
let backend: Backend;
before(async () => {
  backend = await startBackend((socket) => {
    let head = '';
    const shake = (octets: Buffer): void => {
      head += octets.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      socket.off('data', shake);
      const key = /\r\nsec-websocket-key: *(\S+)/i.exec(head)?.[1] ?? '';
      const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
      const received: Buffer[] = [Buffer.from(head.slice(end + 4), 'latin1')];
      socket.on('data', (more: Buffer) => received.push(more));
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      );
      behind.set(head.slice(4, head.indexOf(' HTTP')), { received, socket });
    };
    socket.on('data', shake);
  });
  ({ engine, port } = await startProxy({ routes: [{ backends: [{ to: backend.port }] }] }));
});
after(async () => {
  await engine.close();
  backend.close();
});

describe('a WebSocket passes on', () => {
  let path = 0;
  for (const [what, frames] of Object.entries(cases)) {
    it(what, () =>
      fc.assert(
        fc.asyncProperty(
          fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 }),
          fc.boolean(),
          async (cuts, early) => {
            const octets = Buffer.concat(frames);
            const pieces = cut(octets, cuts);
            const target = `/${path++}`;
            const handshake = `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`;
            // A client that does not wait for the answer to its handshake may: what it says then is the tunnel's.
            const first = [Buffer.from(handshake), ...(early ? pieces.splice(0, 1) : [])];
            const received: Buffer[] = [];
            const [client] = await attackers(1, port);
            if (client === undefined) throw new Error('no connection');
            client.socket.on('data', (piece: Buffer) => received.push(piece));
            client.socket.write(Buffer.concat(first));
            await eventually(() => behind.has(target));
            const { received: arrived, socket } = behind.get(target) ?? assert.fail();
            await Promise.all([say(client.socket, pieces), say(socket, cut(octets, cuts.toReversed()))]);
            const content = (): Buffer => {
              const all = Buffer.concat(received);
              return all.subarray(all.indexOf('\r\n\r\n') + 4);
            };
            await eventually(() => sizeOf(arrived) >= octets.length && content().length >= octets.length);
            assert.ok(Buffer.concat(arrived).equals(octets), 'from the client');
            assert.ok(content().equals(octets), 'from the backend');
            leave([client]);
            behind.delete(target);
          },
        ),
        { ...runs(3) },
      ),
    );
  }
});

function cut(octets: Buffer, cuts: readonly number[]): Buffer[] {
  const at = cuts.map((where) => Math.floor(where * octets.length)).toSorted((a, b) => a - b);
  return [0, ...at].map((from, i) => octets.subarray(from, at[i] ?? octets.length)).filter(({ length }) => length > 0);
}

async function say(socket: net.Socket, pieces: readonly Buffer[]): Promise<void> {
  for (const piece of pieces) {
    socket.write(piece);
    await new Promise(setImmediate);
  }
}

function sizeOf(pieces: readonly Buffer[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0);
}
