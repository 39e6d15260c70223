// Load of mixed kinds on a listener in the clear and one over TLS, of which no request may fail: kept and new connections, bodies,
// handshakes, HTTP/2. Every answer has to be 200 and from a backend that was named to the engine.
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';

export interface LoadOptions {
  readonly clear: number;
  readonly secure: number;
  readonly host: string;
  /** Requests a second of each kind. */
  readonly rate: number;
}

export interface LoadResult {
  /** By kind, of those that were answered 200. */
  readonly done: Readonly<Record<string, number>>;
  /** By kind and what went wrong. */
  readonly failed: Readonly<Record<string, number>>;
}

const TICK = 50;
const PATIENCE = 10_000;

export class Load {
  readonly #options: LoadOptions;
  readonly #done = new Map<string, number>();
  readonly #failed = new Map<string, number>();
  readonly #under = new Set<Promise<void>>();
  readonly #clear = new http.Agent({ keepAlive: true, maxSockets: 8 });
  readonly #secure = new https.Agent({ keepAlive: true, maxSockets: 8 });
  readonly #timer: NodeJS.Timeout;
  #session: http2.ClientHttp2Session | undefined;
  #owed = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#tick(), TICK);
  }

  async stop(): Promise<LoadResult> {
    clearInterval(this.#timer);
    await Promise.all(this.#under);
    this.#clear.destroy();
    this.#secure.destroy();
    this.#session?.destroy();
    return { done: Object.fromEntries(this.#done), failed: Object.fromEntries(this.#failed) };
  }

  #tick(): void {
    const { clear, secure, host, rate } = this.#options;
    const plain = { port: clear, headers: { host } };
    // Named, since the server's name decides the listener.
    const tls = { port: secure, headers: { host }, servername: host, rejectUnauthorized: false };
    const kinds: Readonly<Record<string, () => Promise<void>>> = {
      kept: () => asked(http.request({ ...plain, agent: this.#clear })),
      // What a gateway may not repeat by itself.
      'with a body': () => asked(http.request({ ...plain, method: 'POST', agent: this.#clear }), 'x'.repeat(2000)),
      'new connections': () => asked(http.request({ ...plain, agent: false })),
      'over TLS': () => asked(https.request({ ...tls, agent: this.#secure })),
      handshakes: () => asked(https.request({ ...tls, agent: false })),
      streams: () => this.#stream(),
    };
    this.#owed += (rate * TICK) / 1000;
    for (; this.#owed >= 1; this.#owed--) for (const [kind, one] of Object.entries(kinds)) this.#run(kind, one);
  }

  #run(kind: string, one: () => Promise<void>): void {
    const request = one().then(
      () => count(this.#done, kind),
      (error: Error) => count(this.#failed, `${kind}: ${error.message}`),
    );
    this.#under.add(request);
    void request.then(() => this.#under.delete(request));
  }

  /** On a session for all of them, until the gateway wants no more of it. */
  #stream(): Promise<void> {
    let session = this.#session;
    if (session === undefined || session.closed || session.destroyed) {
      const { secure, host } = this.#options;
      session = http2.connect(`https://127.0.0.1:${secure}`, { servername: host, rejectUnauthorized: false });
      session.on('error', () => {});
      this.#session = session;
    }
    const request = session.request({ ':path': '/', ':authority': this.#options.host });
    return new Promise((resolve, reject) => {
      let status = 0;
      request.on('response', (headers) => (status = headers[':status'] ?? 0));
      request.on('error', reject);
      request.on('close', () => (status === 200 ? resolve() : reject(new Error(`status ${status}`))));
      request.setTimeout(PATIENCE, () => request.close(http2.constants.NGHTTP2_CANCEL));
      request.resume();
      request.end();
    });
  }
}

function asked(request: http.ClientRequest, body?: string): Promise<void> {
  return new Promise((resolve, reject) => {
    request.setTimeout(PATIENCE, () => request.destroy(new Error('no answer in time')));
    request.on('error', reject);
    request.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => (text += piece));
      response.on('error', reject);
      response.on('end', () =>
        response.statusCode === 200 ? resolve() : reject(new Error(`${response.statusCode} ${text.slice(0, 80)}`)),
      );
    });
    request.end(body);
  });
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
