// HTTP/2 frames by hand, for what a well-behaved client would not send: RFC 9113 section 4, header fields as HPACK literals
// (RFC 7541 section 6.2.2).
import net from 'node:net';
import { atEnd } from './http2-gateway.ts';

export const DATA = 0;
export const HEADERS = 1;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PING = 6;
export const GOAWAY = 7;
export const WINDOW_UPDATE = 8;
export const CONTINUATION = 9;

export const END_STREAM = 1;
export const END_HEADERS = 4;
export const ACK = 1;

export const PREFACE: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

export function uint32(value: number): Buffer {
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE(value);
  return octets;
}

/** Names and values in a row, latin1. */
export function fields(...list: readonly string[]): Buffer {
  const pieces: Buffer[] = [];
  for (let i = 0; i < list.length; i += 2) {
    pieces.push(Buffer.from([0]), literal(list[i] as string), literal(list[i + 1] as string));
  }
  return Buffer.concat(pieces);
}

function literal(text: string): Buffer {
  const octets = Buffer.from(text, 'latin1');
  const length: number[] = [];
  let rest = octets.length;
  if (rest < 127) {
    length.push(rest);
  } else {
    length.push(127);
    for (rest -= 127; rest >= 128; rest >>= 7) length.push((rest & 127) | 128);
    length.push(rest);
  }
  return Buffer.concat([Buffer.from(length), octets]);
}

export const get: readonly string[] = [':method', 'GET', ':scheme', 'http', ':authority', 'h1.test', ':path', '/'];
export const post: readonly string[] = [':method', 'POST', ':scheme', 'http', ':authority', 'h1.test', ':path', '/'];

/** A connection that shows the frames it gets. */
export class RawConnection {
  readonly frames: Frame[] = [];
  readonly socket: net.Socket;
  closed = false;
  #rest: Buffer = Buffer.alloc(0);
  #changed: () => void = () => {};

  constructor(port: number, settings: Buffer = Buffer.alloc(0)) {
    this.socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.on('error', () => {});
    this.socket.on('data', (octets: Buffer) => this.#read(octets));
    this.socket.on('close', () => {
      this.closed = true;
      this.#changed();
    });
    this.socket.write(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0, settings)]));
    atEnd(() => this.socket.destroy());
  }

  send(...frames: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  /** The first frame that satisfies; fails when the connection closes, or after ten seconds, without one. */
  async wait(test: (frame: Frame) => boolean): Promise<Frame> {
    const end = performance.now() + 10_000;
    for (;;) {
      const found = this.frames.find(test);
      if (found !== undefined) return found;
      if (this.closed || performance.now() > end) {
        throw new Error(`no such frame among ${this.frames.map(({ type, stream }) => `${type}@${stream}`).join(' ')}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100);
        this.#changed = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** What ends a stream: the code of RST_STREAM, or 0 for END_STREAM. */
  async outcome(stream: number): Promise<number> {
    const last = await this.wait(
      (each) =>
        each.stream === stream &&
        (each.type === RST_STREAM || (each.type <= HEADERS && (each.flags & END_STREAM) !== 0)),
    );
    return last.type === RST_STREAM ? last.payload.readUInt32BE() : 0;
  }

  async goaway(): Promise<{ readonly last: number; readonly code: number }> {
    const { payload } = await this.wait(({ type }) => type === GOAWAY);
    return { last: payload.readUInt32BE(0), code: payload.readUInt32BE(4) };
  }

  async end(): Promise<void> {
    if (!this.closed) await new Promise((resolve) => this.socket.once('close', resolve));
  }

  /** Octets of content on a stream so far. */
  received(stream: number): number {
    let size = 0;
    for (const { type, stream: of, payload } of this.frames) if (type === DATA && of === stream) size += payload.length;
    return size;
  }

  #read(octets: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, octets]);
    while (this.#rest.length >= 9) {
      const size = this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < 9 + size) break;
      this.frames.push({
        type: this.#rest[3] as number,
        flags: this.#rest[4] as number,
        stream: this.#rest.readUInt32BE(5),
        payload: this.#rest.subarray(9, 9 + size),
      });
      this.#rest = this.#rest.subarray(9 + size);
    }
    this.#changed();
  }
}
