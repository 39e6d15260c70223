// Stands in for backends that do not run here: answers every request with JSON that names the Service it came for and what
// arrived. HTTP/1.1, HTTP/2 without TLS, gRPC (an empty message and status 0) and WebSocket (every message comes back) on
// one port per Service port, since only the port tells for whom a request is.
import { createServer as createHttp1 } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createHttp2 } from 'node:http2';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
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

/** Listens on a free port of the loopback address. */
export function startEcho(of: EchoedService): Promise<Echo> {
  const http1 = createHttp1((request, response) => void answer(of, request, response));
  http1.on('upgrade', (request, socket: Socket, head) => acceptWebSocket(request, socket, head, headersOf(of)));
  // The compatibility API of node:http2 offers what is used here of http's messages.
  const http2 = createHttp2(
    (request, response) =>
      void answer(of, request as unknown as IncomingMessage, response as unknown as ServerResponse),
  );
  http2.on('sessionError', () => {});
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    sniff(socket, (isHttp2) => (isHttp2 ? http2 : http1).emit('connection', socket));
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { address, port } = server.address() as AddressInfo;
      resolve({ address, port, close: () => closeAll(server, sockets) });
    });
  });
}

function closeAll(server: Server, sockets: ReadonlySet<Socket>): void {
  server.close();
  for (const socket of sockets) socket.destroy();
}

/** Looks at the first octets and puts them back. */
function sniff(socket: Socket, use: (isHttp2: boolean) => void): void {
  let head: Buffer = Buffer.alloc(0);
  const look = (): void => {
    for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read() as Buffer | null) {
      head = Buffer.concat([head, chunk]);
    }
    const length = Math.min(head.length, preface.length);
    const maybe = head.subarray(0, length).equals(preface.subarray(0, length));
    if (maybe && length < preface.length) return;
    socket.removeListener('readable', look);
    socket.unshift(head);
    use(maybe);
  };
  socket.on('readable', look);
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
