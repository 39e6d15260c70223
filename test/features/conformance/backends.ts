// The workloads of the conformance cases: one server per port of a Service, on loopback. It answers with JSON of what it
// received, keeps what it received for the cases to ask, and behaves as a request wants it to: late, failing a few times
// first, with extra response headers. HTTP/1.1 with WebSockets, HTTP/2 without TLS, and gRPC.
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo, Server, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocketServer } from 'ws';

export interface Received {
  /** `namespace/service`. */
  readonly backend: string;
  readonly protocol: string;
  readonly method: string;
  readonly host: string;
  readonly path: string;
  /** Names in lower case, values of one name joined by a comma. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Names a request in `received`; every request of the cases has one of its own. */
export const idHeader = 'x-case-request';
/** A JSON object of headers that the answer shall have. */
export const answerHeader = 'x-answer-headers';
/** In the answer to a call: what the server received, as base64 of JSON. */
export const grpcReceivedHeader = 'x-received';

export class Backends {
  /** What arrived, by the id of the request. */
  readonly received: Map<string, Received[]> = new Map();
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();

  /** Starts a server and gives its port. @param backend `namespace/service` */
  async start(backend: string, kind: 'http' | 'h2c' | 'grpc'): Promise<number> {
    const server = kind === 'http' ? this.#http(backend) : http2.createServer();
    if (kind !== 'http')
      server.on('stream', (...args) => void this.#stream(backend, kind, ...(args as unknown as StreamEvent)));
    return this.#listen(server as Server);
  }

  /** How many requests with this id the backend got. */
  count(backend: string, id: string): number {
    return (this.received.get(id) ?? []).filter((one) => one.backend === backend).length;
  }

  close(): void {
    for (const server of this.#servers) server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  async #listen(server: Server): Promise<number> {
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => this.#sockets.delete(socket));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.#servers.push(server);
    return (server.address() as AddressInfo).port;
  }

  #http(backend: string): http.Server {
    const server = http.createServer((request, response) => {
      const headers = joined(request.headersDistinct);
      const { method = '', url = '', httpVersion } = request;
      const received = { backend, protocol: httpVersion, method, host: headers['host'] ?? '', path: url, headers };
      request.resume();
      void this.#behave(received).then((status) => {
        for (const [name, value] of Object.entries(extraHeaders(headers))) response.setHeader(name, value);
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(JSON.stringify(received));
      });
    });
    const sockets = new WebSocketServer({ server });
    sockets.on('connection', (socket) =>
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })),
    );
    return server;
  }

  async #stream(backend: string, kind: 'h2c' | 'grpc', ...[stream, fields]: StreamEvent): Promise<void> {
    stream.on('error', () => {});
    stream.resume();
    const headers = joined(fields);
    const { ':method': method = '', ':authority': host = '', ':path': path = '' } = headers;
    const received = { backend, protocol: '2', method, host, path, headers };
    const status = await this.#behave(received);
    if (stream.destroyed) return;
    if (kind === 'h2c') {
      stream.respond({ ':status': status, 'content-type': 'application/json' });
      stream.end(JSON.stringify(received));
      return;
    }
    const encoded = Buffer.from(JSON.stringify(received)).toString('base64');
    stream.respond(
      { ':status': 200, 'content-type': 'application/grpc', [grpcReceivedHeader]: encoded },
      { waitForTrailers: true },
    );
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    // One message without content.
    stream.end(Buffer.alloc(5));
  }

  /**
   * As the query asks: `delay=MS` waits; `fail=CODE&times=N` answers CODE to the first N requests with the same id, each
   * but the first after `failDelay=MS`.
   */
  async #behave(received: Received): Promise<number> {
    const id = received.headers[idHeader] ?? '';
    const before = this.received.get(id) ?? [];
    this.received.set(id, [...before, received]);
    const query = new URLSearchParams(received.path.split('?')[1] ?? '');
    const tries = before.filter(({ backend }) => backend === received.backend).length;
    const wait = Number(query.get('delay') ?? 0) + (tries > 0 ? Number(query.get('failDelay') ?? 0) : 0);
    if (wait > 0) await sleep(wait);
    return tries < Number(query.get('times') ?? 0) ? Number(query.get('fail')) : 200;
  }
}

type StreamEvent = readonly [http2.ServerHttp2Stream, http2.IncomingHttpHeaders];

function joined(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name.toLowerCase(),
      Array.isArray(value) ? value.join(',') : String(value),
    ]),
  );
}

function extraHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  return JSON.parse(headers[answerHeader] ?? '{}') as Record<string, string>;
}
