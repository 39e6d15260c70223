// The clients of the conformance cases: HTTP/1.1 and HTTP/2, with TLS or without, gRPC and WebSockets. Each answer says what
// the backend received, when one answered.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import { Client, Metadata, credentials, type ServiceError } from '@grpc/grpc-js';
import { WebSocket } from 'ws';
import { grpcReceivedHeader, type Received } from './backends.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly received: Received | undefined;
}

export interface Asked {
  readonly port: number;
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** HTTP/2; without TLS by prior knowledge. */
  readonly http2?: boolean;
  readonly tls?: { readonly serverName: string; readonly ca: string };
}

const timeout = 10_000;

/** One request on a connection of its own. Redirects are not followed. */
export function ask(asked: Asked): Promise<Answer> {
  return asked.http2 === true ? askHttp2(asked) : askHttp1(asked);
}

async function askHttp1({ port, method, host, path, headers, body, tls }: Asked): Promise<Answer> {
  const options = { host: '127.0.0.1', port, method, path, agent: false, timeout, headers: { ...headers, host } };
  const request =
    tls === undefined ? http.request(options) : https.request({ ...options, servername: tls.serverName, ca: tls.ca });
  request.on('timeout', () => request.destroy(new Error(`no answer within ${timeout} ms`)));
  request.end(body);
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  let text = '';
  for await (const chunk of response) text += String(chunk);
  const distinct = Object.entries(response.headersDistinct as Record<string, string[]>);
  return {
    status: response.statusCode ?? 0,
    headers: Object.fromEntries(distinct.map(([name, values]) => [name, values.join(',')])),
    received: parsed(text),
  };
}

async function askHttp2({ port, method, host, path, headers, body, tls }: Asked): Promise<Answer> {
  const session =
    tls === undefined
      ? http2.connect(`http://127.0.0.1:${port}`)
      : http2.connect(`https://127.0.0.1:${port}`, { servername: tls.serverName, ca: tls.ca });
  try {
    await once(session, 'connect', { signal: AbortSignal.timeout(timeout) });
    const stream = session.request({
      ':method': method,
      ':path': path,
      ':authority': host,
      ':scheme': tls === undefined ? 'http' : 'https',
      ...headers,
    });
    stream.setTimeout(timeout, () => stream.destroy(new Error(`no answer within ${timeout} ms`)));
    stream.end(body);
    const [fields] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader];
    let text = '';
    for await (const chunk of stream) text += String(chunk);
    return {
      status: fields[':status'] ?? 0,
      headers: Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, String(value)])),
      received: parsed(text),
    };
  } finally {
    session.destroy();
  }
}

/** What the backends answer is JSON with the name of the backend; what the gateway answers itself is not. */
function parsed(text: string): Received | undefined {
  return text.startsWith('{"backend"') ? (JSON.parse(text) as Received) : undefined;
}

export interface Called {
  /** A code of gRPC: 0 is OK. */
  readonly code: number;
  readonly received: Received | undefined;
}

export interface Call {
  readonly port: number;
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly authority: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** A unary call with an empty message, on a connection of its own. */
export function call({ port, path, authority, metadata }: Call): Promise<Called> {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
    'grpc.default_authority': authority,
    'grpc.use_local_subchannel_pool': 1,
  });
  const sent = new Metadata();
  for (const [name, value] of Object.entries(metadata)) sent.set(name, value);
  return new Promise((resolve) => {
    let received: Received | undefined;
    const request = client.makeUnaryRequest(
      path,
      () => Buffer.alloc(0),
      (bytes) => bytes,
      undefined,
      sent,
      { deadline: Date.now() + timeout },
      (error: ServiceError | null) => {
        client.close();
        resolve({ code: error === null ? 0 : error.code, received });
      },
    );
    request.on('metadata', (answer: Metadata) => {
      const encoded = answer.get(grpcReceivedHeader)[0];
      if (encoded !== undefined) received = JSON.parse(Buffer.from(String(encoded), 'base64').toString()) as Received;
    });
  });
}

/** A text and a binary message must come back as they went. */
export async function converse(port: number, path: string): Promise<void> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { handshakeTimeout: timeout });
  try {
    await once(socket, 'open');
    for (const message of ['a text', Buffer.of(1, 2, 3, 250)]) {
      const answered = once(socket, 'message', { signal: AbortSignal.timeout(timeout) });
      socket.send(message);
      const [data, isBinary] = (await answered) as [Buffer, boolean];
      assert.equal(isBinary, typeof message !== 'string');
      assert.deepEqual(data, Buffer.from(message));
    }
  } finally {
    socket.terminate();
  }
}
