// The two ends of a request under comparison: backends that say what reached them, and a client that says what came back.
// Both sides are Node's own HTTP; only what is meant to be equal on every data plane is kept.
import http from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Asked } from './models.ts';

/** What an engine made of one request. */
export interface Seen {
  readonly status: number;
  /** Lower case; of the fields that routes change, those of CORS, and what redirects and gRPC say. */
  readonly fields: Readonly<Record<string, string>>;
  /** What the backend got; absent when none was asked. */
  readonly backend?: Received;
}

export interface Received {
  readonly name: string;
  readonly method: string;
  readonly target: string;
  readonly host: string;
  readonly fields: Readonly<Record<string, string>>;
}

const compared = /^(x-(a|b|c|rule|forwarded-(for|proto|host))|access-control-.*|origin|location|vary|grpc-status)$/;

/** Of a call of gRPC that is redirected. */
export const REDIRECTED = -1;

export interface Backend {
  readonly port: number;
  close(): void;
}

/** Over HTTP/1.1, or over HTTP/2 by prior knowledge, where it answers as a gRPC server. */
export async function startBackend(name: string, protocol: 'http1' | 'h2c'): Promise<Backend> {
  const respond = (request: http.IncomingMessage | http2.Http2ServerRequest): Record<string, string> => {
    const host = request.headers[':authority'] ?? request.headers.host ?? '';
    const received: Received = {
      name,
      method: request.method ?? '',
      target: request.url ?? '',
      host: String(host),
      fields: kept(request.headers),
    };
    return {
      'x-echo': Buffer.from(JSON.stringify(received)).toString('base64url'),
      'x-b': 'backend',
      'x-c': 'backend',
    };
  };
  if (protocol === 'h2c') {
    const sessions = new Set<http2.ServerHttp2Session>();
    const server = http2.createServer((request, response) => {
      request.resume();
      response.writeHead(200, { ...respond(request), 'content-type': 'application/grpc' });
      response.addTrailers({ 'grpc-status': '0' });
      response.end();
    });
    server.on('session', (session) => sessions.add(session));
    await listening(server);
    const close = (): void => {
      for (const session of sessions) session.destroy();
      server.close();
    };
    return { port: (server.address() as AddressInfo).port, close };
  }
  const server = http.createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    request.resume();
    response.writeHead(200, respond(request));
    response.end('done');
  });
  await listening(server);
  const close = (): void => {
    server.closeAllConnections();
    server.close();
  };
  return { port: (server.address() as AddressInfo).port, close };
}

function listening(server: http.Server | http2.Http2Server): Promise<void> {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
}

function kept(fields: http.IncomingHttpHeaders): Record<string, string> {
  const all = Object.entries(fields).filter(([name]) => compared.test(name));
  // Members of a list may have spaces between them, or none (RFC 9110 section 5.6.1).
  return Object.fromEntries(all.map(([name, value]) => [name, String(value).replaceAll(/\s*,\s*/g, ', ')]));
}

/** Asks one engine, over connections that are kept. */
export class Client {
  readonly #port: number;
  readonly #agent: http.Agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
  #session: http2.ClientHttp2Session | undefined;

  constructor(port: number) {
    this.#port = port;
  }

  ask(asked: Asked): Promise<Seen> {
    return asked.grpc ? this.#call(asked) : this.#request(asked);
  }

  close(): void {
    this.#agent.destroy();
    this.#session?.destroy();
  }

  #request({ host, target, method, headers }: Asked): Promise<Seen> {
    return new Promise((resolve, reject) => {
      const lines = ['Host', host, ...headers.flat(), ...(method === 'POST' ? ['Content-Length', '0'] : [])];
      const request = http.request(
        {
          host: '127.0.0.1',
          port: this.#port,
          path: target,
          method,
          headers: lines,
          agent: this.#agent,
          setHost: false,
        },
        (response) => {
          response.resume();
          response.on('error', reject);
          response.on('end', () => resolve(seen(response.statusCode ?? 0, response.headers)));
        },
      );
      request.on('error', reject);
      request.setTimeout(10_000, () => request.destroy(new Error('no answer in 10 s')));
      request.end();
    });
  }

  #call({ host, target, headers }: Asked): Promise<Seen> {
    if (this.#session === undefined || this.#session.closed || this.#session.destroyed) {
      this.#session = http2.connect(`http://127.0.0.1:${this.#port}`);
      this.#session.on('error', () => {});
    }
    const fields: Record<string, string[]> = {};
    for (const [name, value] of headers) (fields[name.toLowerCase()] ??= []).push(value);
    const joined = Object.fromEntries(Object.entries(fields).map(([name, all]) => [name, all.join(', ')]));
    const stream = this.#session.request({
      ':method': 'POST',
      ':path': target,
      ':authority': host,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...joined,
    });
    return new Promise((resolve, reject) => {
      let answer: http2.IncomingHttpHeaders = {};
      let trailers: http2.IncomingHttpHeaders = {};
      stream.on('response', (all) => (answer = all));
      stream.on('trailers', (all) => (trailers = all));
      stream.on('error', reject);
      stream.setTimeout(10_000, () => stream.destroy(new Error('no answer in 10 s')));
      stream.on('end', () => {
        const { location } = answer;
        // Envoy says it in the words of gRPC, which has none for it; no client follows either.
        if (location !== undefined) resolve({ status: REDIRECTED, fields: { location } });
        else resolve(seen(Number(answer[':status']), { ...answer, ...trailers }));
      });
      stream.resume();
      stream.end();
    });
  }
}

function seen(status: number, fields: http.IncomingHttpHeaders): Seen {
  const echoed = fields['x-echo'];
  if (typeof echoed !== 'string') {
    // Envoy puts what a rule adds to responses on answers of its own, too (docs/reference/envoy-differences.md).
    const all = Object.entries(kept(fields)).filter(([name]) => !name.startsWith('x-'));
    return { status, fields: Object.fromEntries(all) };
  }
  return {
    status,
    fields: kept(fields),
    backend: JSON.parse(Buffer.from(echoed, 'base64url').toString()) as Received,
  };
}
