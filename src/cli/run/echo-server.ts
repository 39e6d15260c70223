// Stands in for backends that do not run here: answers every request with JSON that names the Service it came for and what
// arrived. HTTP/1.1, HTTP/2, gRPC (an empty message and status 0) and WebSocket (every message comes back) on one port per
// Service port, since only the port tells for whom a request is. What is no request, a stream of octets, comes back as it is.
// Clients may speak TLS: where ALPN agrees on HTTP the answer is that of HTTP.
import type { EventEmitter } from 'node:events';
import { createServer as createHttp1 } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createHttp2 } from 'node:http2';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { EchoTls } from './echo-tls.ts';
import { acceptWebSocket } from './echo-websocket.ts';

export interface EchoedService {
  readonly namespace: string;
  readonly service: string;
  readonly port: number;
}

export interface Echo {
  readonly address: string;
  readonly port: number;
  close(): void;
}

/** Octets of a request body that are shown. */
const shownBody = 4096;
const preface = Buffer.from('PRI * HTTP/2.0');
/** The type of the first record of a TLS connection (RFC 8446 section 5.1). */
const handshake = 22;

export interface EchoOptions {
  /** What clients that agree on nothing by ALPN speak. */
  readonly spoken: 'http' | 'stream';
  /** Absent: TLS is not answered. */
  readonly tls?: EchoTls;
}

/** Listens on a free port of the loopback address. */
export function startEcho(of: EchoedService, { spoken, tls }: EchoOptions = { spoken: 'http' }): Promise<Echo> {
  const { http1, http2 } = httpServers(of);
  const plain = (socket: Socket, head: Buffer): void => {
    socket.unshift(head);
    if (spoken === 'stream') socket.pipe(socket);
    else (isPreface(head) ? http2 : http1).emit('connection', socket);
  };
  const isEnough = (head: Buffer): boolean => spoken === 'stream' || head.length >= preface.length || !isPreface(head);
  const secured = tls?.acceptor((socket, agreed) => {
    if (agreed === undefined) sniff(socket, isEnough, (head) => plain(socket, head));
    else (agreed === 'h2' ? http2 : http1).emit('connection', socket);
  });
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    sniff(socket, isEnough, (head) => {
      if (secured === undefined || head[0] !== handshake) return plain(socket, head);
      socket.unshift(head);
      secured(socket);
    });
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { address, port } = server.address() as AddressInfo;
      resolve({ address, port, close: () => closeAll(server, sockets) });
    });
  });
}

function httpServers(of: EchoedService): { readonly http1: EventEmitter; readonly http2: EventEmitter } {
  const http1 = createHttp1((request, response) => void answer(of, request, response));
  http1.on('upgrade', (request, socket: Socket, head) => acceptWebSocket(request, socket, head, headersOf(of)));
  // The compatibility API of node:http2 offers what is used here of http's messages.
  const http2 = createHttp2(
    (request, response) =>
      void answer(of, request as unknown as IncomingMessage, response as unknown as ServerResponse),
  );
  http2.on('sessionError', () => {});
  return { http1, http2 };
}

function closeAll(server: Server, sockets: ReadonlySet<Socket>): void {
  server.close();
  for (const socket of sockets) socket.destroy();
}

/** Waits for octets enough to know what is spoken. */
function sniff(socket: Socket, isEnough: (head: Buffer) => boolean, use: (head: Buffer) => void): void {
  let head: Buffer = Buffer.alloc(0);
  const look = (): void => {
    for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read() as Buffer | null) {
      head = Buffer.concat([head, chunk]);
    }
    if (head.length === 0 || !isEnough(head)) return;
    socket.removeListener('readable', look);
    use(head);
  };
  socket.on('readable', look);
}

/** Or the beginning of one. */
function isPreface(head: Buffer): boolean {
  const length = Math.min(head.length, preface.length);
  return head.subarray(0, length).equals(preface.subarray(0, length));
}

function headersOf({ namespace, service, port }: EchoedService): Readonly<Record<string, string>> {
  return { 'x-echo-service': service, 'x-echo-namespace': namespace, 'x-echo-port': String(port) };
}

async function answer(of: EchoedService, request: IncomingMessage, response: ServerResponse): Promise<void> {
  request.on('error', () => {});
  response.on('error', () => {});
  if (request.httpVersionMajor === 2 && request.headers['content-type']?.startsWith('application/grpc') === true) {
    answerGrpc(of, request, response);
    return;
  }
  const body = await readBody(request);
  if (response.destroyed) return;
  const { ':authority': authority, ...headers } = request.headers as IncomingHttpHeaders & { ':authority'?: string };
  const text = JSON.stringify(
    {
      namespace: of.namespace,
      service: of.service,
      port: of.port,
      method: request.method,
      host: authority ?? headers.host ?? '',
      path: request.url,
      httpVersion: request.httpVersion,
      headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith(':'))),
      ...(body === '' ? {} : { body }),
    },
    undefined,
    2,
  );
  const payload = Buffer.from(`${text}\n`);
  const fields = { ...headersOf(of), 'content-type': 'application/json', 'content-length': String(payload.length) };
  response.writeHead(200, fields);
  response.end(request.method === 'HEAD' ? undefined : payload);
}

function answerGrpc(of: EchoedService, request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  request.on('end', () => {
    if (response.destroyed) return;
    response.writeHead(200, { ...headersOf(of), 'content-type': 'application/grpc' });
    response.addTrailers({ 'grpc-status': '0' });
    // One message of no length: every field of it has its default.
    response.end(Buffer.alloc(5));
  });
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      if (length < shownBody) chunks.push(chunk.subarray(0, shownBody - length));
      length += chunk.length;
    }
  } catch {
    // The client went away; there is nobody to answer.
  }
  const shown = Buffer.concat(chunks).toString();
  return length > shownBody ? `${shown}… (${length} octets)` : shown;
}
