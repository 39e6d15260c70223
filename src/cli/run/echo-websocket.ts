// The server side of RFC 6455, as little of it as an echo needs: every text, binary and ping message comes back.
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

const guid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const maxPayload = 1024 * 1024;

const PING = 9;
const PONG = 10;
const CLOSE = 8;

/** Answers the handshake, or any other upgrade with 501. */
export function acceptWebSocket(
  request: IncomingMessage,
  socket: Socket,
  head: Buffer,
  headers: Readonly<Record<string, string>>,
): void {
  socket.on('error', () => socket.destroy());
  const key = request.headers['sec-websocket-key'];
  if (request.headers.upgrade?.toLowerCase() !== 'websocket' || key === undefined) {
    socket.end('HTTP/1.1 501 Not Implemented\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
    return;
  }
  const accept = createHash('sha1')
    .update(key + guid)
    .digest('base64');
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'upgrade: websocket',
    'connection: Upgrade',
    `sec-websocket-accept: ${accept}`,
  ];
  const protocol = request.headers['sec-websocket-protocol']?.split(',')[0]?.trim();
  if (protocol !== undefined && /^[\w.-]+$/.test(protocol)) lines.push(`sec-websocket-protocol: ${protocol}`);
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  let buffered = head;
  const read = (chunk: Buffer): void => {
    buffered = Buffer.concat([buffered, chunk]);
    for (;;) {
      const frame = readFrame(buffered);
      if (frame === 'incomplete') return;
      if (frame === 'invalid') {
        socket.end(writeFrame(CLOSE, Buffer.from([0x03, 0xea]), true));
        return;
      }
      buffered = buffered.subarray(frame.length);
      socket.write(writeFrame(frame.opcode === PING ? PONG : frame.opcode, frame.payload, frame.final));
      if (frame.opcode === CLOSE) {
        socket.end();
        return;
      }
    }
  };
  socket.on('data', read);
  read(Buffer.alloc(0));
}

interface Frame {
  readonly final: boolean;
  readonly opcode: number;
  readonly payload: Buffer;
  /** Of the whole frame. */
  readonly length: number;
}

function readFrame(bytes: Buffer): Frame | 'incomplete' | 'invalid' {
  if (bytes.length < 2) return 'incomplete';
  const first = bytes.readUInt8(0);
  const second = bytes.readUInt8(1);
  // Clients must mask, and no extension gave the reserved bits a meaning.
  if ((second & 0x80) === 0 || (first & 0x70) !== 0) return 'invalid';
  let size = second & 0x7f;
  let offset = 2;
  if (size === 126) {
    if (bytes.length < 4) return 'incomplete';
    size = bytes.readUInt16BE(2);
    offset = 4;
  } else if (size === 127) {
    if (bytes.length < 10) return 'incomplete';
    const long = bytes.readBigUInt64BE(2);
    if (long > BigInt(maxPayload)) return 'invalid';
    size = Number(long);
    offset = 10;
  }
  if (bytes.length < offset + 4 + size) return 'incomplete';
  const mask = bytes.subarray(offset, offset + 4);
  const payload = Buffer.from(bytes.subarray(offset + 4, offset + 4 + size));
  for (let at = 0; at < size; at++) payload.writeUInt8(payload.readUInt8(at) ^ mask.readUInt8(at & 3), at);
  return { final: (first & 0x80) !== 0, opcode: first & 0x0f, payload, length: offset + 4 + size };
}

function writeFrame(opcode: number, payload: Buffer, final: boolean): Buffer {
  const size = payload.length;
  const head = Buffer.alloc(size < 126 ? 2 : size < 65_536 ? 4 : 10);
  head.writeUInt8((final ? 0x80 : 0) | opcode, 0);
  if (size < 126) head.writeUInt8(size, 1);
  else if (size < 65_536) {
    head.writeUInt8(126, 1);
    head.writeUInt16BE(size, 2);
  } else {
    head.writeUInt8(127, 1);
    head.writeBigUInt64BE(BigInt(size), 2);
  }
  return Buffer.concat([head, payload]);
}
