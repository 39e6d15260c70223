// Requests to an API server: JSON in and out, and watches as lines. Errors of the server keep its status and reason; everything
// has a time limit.
import http from 'node:http';
import https from 'node:https';
import type { IncomingMessage } from 'node:http';
import { record, text } from '../../support/untrusted.ts';
import type { Access } from './access.ts';

/** What the server answered instead of doing it. */
export class ApiError extends Error {
  readonly code = 'API_ERROR';
  readonly status: number;
  /** `NotFound`, `Conflict`, `Expired`… */
  readonly reason: string;

  constructor(status: number, reason: string, message: string) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface ApiRequest {
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Of the body; default application/json. */
  readonly type?: string;
  readonly signal?: AbortSignal;
}

/** Milliseconds. */
const TIMEOUT = 30_000;
/** Octets of an answer, or of one line of a watch. */
const LONGEST = 256 * 1_048_576;

export class KubeClient {
  readonly access: Access;
  readonly #agent: http.Agent;
  readonly #agentOptions: https.AgentOptions;
  #identity = '';

  constructor(access: Access) {
    this.access = access;
    this.#agentOptions = {
      keepAlive: true,
      keepAliveMsecs: 30_000,
      maxSockets: 64,
      ...(access.authorities === undefined ? {} : { ca: access.authorities }),
      ...(access.serverName === undefined ? {} : { servername: access.serverName }),
      rejectUnauthorized: !access.insecure,
    };
    this.#agent = access.server.startsWith('https:')
      ? new https.Agent(this.#agentOptions)
      : new http.Agent({ keepAlive: true, keepAliveMsecs: 30_000, maxSockets: 64 });
  }

  /** The answer's body. @throws ApiError, or an error of the connection */
  async request<T = unknown>(method: Method, path: string, request: ApiRequest = {}): Promise<T> {
    const response = await this.#send(method, path, request, TIMEOUT);
    const body = await bodyOf(response);
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return (body === '' ? undefined : JSON.parse(body)) as T;
    throw errorOf(status, body);
  }

  /**
   * A watch: `line` is called with every event, in order. Resolves when the server ends it.
   * @param silence milliseconds without an octet after which it is taken for dead
   */
  async watch(
    path: string,
    request: ApiRequest,
    {
      line,
      opened,
      silence,
    }: { readonly line: (event: unknown) => void; readonly opened?: () => void; readonly silence: number },
  ): Promise<void> {
    const response = await this.#send('GET', path, request, TIMEOUT);
    const status = response.statusCode ?? 0;
    if (status !== 200) throw errorOf(status, await bodyOf(response));
    opened?.();
    response.socket.setTimeout(silence, () => response.destroy(new Error('the watch fell silent')));
    let pending: Buffer[] = [];
    let size = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      let from = 0;
      for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
        const last = chunk.subarray(from, end);
        const whole = pending.length === 0 ? last : Buffer.concat([...pending, last]);
        pending = [];
        size = 0;
        from = end + 1;
        if (whole.length > 0) line(JSON.parse(whole.toString('utf8')));
      }
      if (from === chunk.length) continue;
      pending.push(chunk.subarray(from));
      size += chunk.length - from;
      if (size > LONGEST) throw new Error('an event of the watch is too long');
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  async #send(method: Method, path: string, request: ApiRequest, timeout: number): Promise<IncomingMessage> {
    const { authorization, certificate, key } = await this.access.credentials();
    this.#identify(certificate, key);
    const { server } = this.access;
    const query = new URLSearchParams(request.query).toString();
    const body = request.body === undefined ? undefined : JSON.stringify(request.body);
    const options: http.RequestOptions = {
      method,
      agent: this.#agent,
      timeout,
      ...(request.signal === undefined ? {} : { signal: request.signal }),
      headers: {
        accept: 'application/json',
        'user-agent': 'portolan',
        ...(authorization === undefined ? {} : { authorization }),
        ...(body === undefined
          ? {}
          : { 'content-type': request.type ?? 'application/json', 'content-length': Buffer.byteLength(body) }),
      },
    };
    const url = `${server}${path}${query === '' ? '' : `?${query}`}`;
    return new Promise((done, fail) => {
      const sent = (server.startsWith('https:') ? https : http).request(url, options, done);
      sent.on('error', fail);
      sent.on('timeout', () => sent.destroy(new Error(`no answer from the API server within ${timeout / 1000} s`)));
      sent.end(body);
    });
  }

  /** New connections show the new certificate; those that stand go on. */
  #identify(certificate: string | undefined, key: string | undefined): void {
    const identity = `${certificate ?? ''}${key ?? ''}`;
    if (identity === this.#identity) return;
    this.#identity = identity;
    Object.assign((this.#agent as https.Agent).options, { cert: certificate, key });
  }
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > LONGEST) throw new Error('the answer of the API server is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function errorOf(status: number, body: string): ApiError {
  try {
    const { reason, message } = record(JSON.parse(body));
    return new ApiError(status, text(reason) ?? '', text(message) ?? `the API server answered ${status}`);
  } catch {
    return new ApiError(status, '', `the API server answered ${status}`);
  }
}
