// One request to a backend over HTTP/2: a stream of a connection (connection.ts). Head and body out, response and trailers
// in; what became of it is told to the receiver, resets by their codes.
import http2 from 'node:http2';
import type { Failure, FieldList, OutgoingRequest, Receiver, Taken, Upstream } from '../sides.ts';
import { FULL, KEPT, noFields, TAKEN, UNKNOWN_LENGTH } from '../sides.ts';
import { lengthAt } from '../http1/values.ts';
import type { Http2Connection } from './connection.ts';
import { fieldObject, isFramingField, trailerFields } from './fields.ts';
import { cancelStream } from './reset.ts';

/** Interim responses to one request. */
const INTERIM_LIMIT = 32;

const { NGHTTP2_FLAG_END_STREAM, NGHTTP2_PROTOCOL_ERROR, NGHTTP2_REFUSED_STREAM } = http2.constants;
/** What nghttp2 closes a stream with when the peer broke the rules, or a peer says when we did. */
const violations: ReadonlySet<number> = new Set([
  NGHTTP2_PROTOCOL_ERROR,
  http2.constants.NGHTTP2_FLOW_CONTROL_ERROR,
  http2.constants.NGHTTP2_FRAME_SIZE_ERROR,
  http2.constants.NGHTTP2_COMPRESSION_ERROR,
]);

export class Http2Upstream implements Upstream {
  readonly #connection: Http2Connection;
  readonly #stream: http2.ClientHttp2Stream | null;
  #receiver: Receiver | null;
  #interims = 0;
  #headed = false;
  #paused = false;
  /** The peer itself said that the response is complete. */
  #complete = false;
  #requestTrailers: FieldList = noFields;
  #responseTrailers: FieldList = noFields;
  #deadline: number;

  constructor(connection: Http2Connection, request: OutgoingRequest, receiver: Receiver) {
    this.#connection = connection;
    this.#receiver = receiver;
    const { sweeper, limits } = connection.thread;
    this.#deadline = sweeper.now + limits.responseTimeout + (connection.connected ? 0 : limits.connectTimeout);
    this.#stream = this.#open(request);
    if (this.#stream === null) process.nextTick(() => this.#fail('malformed'));
  }

  /** Null when Node refuses the head. */
  #open(request: OutgoingRequest): http2.ClientHttp2Stream | null {
    let stream: http2.ClientHttp2Stream;
    try {
      stream = this.#connection.session.request(headOf(request), {
        endStream: request.length === 0,
        waitForTrailers: request.length === UNKNOWN_LENGTH,
      });
    } catch {
      return null;
    }
    const push = stream.push.bind(stream);
    // The end of the readable side means END_STREAM, or a reset that Node takes for harmless (RST_STREAM with NO_ERROR,
    // in the middle of the response): only the former comes before the stream is closed.
    stream.push = (chunk: unknown, encoding?: BufferEncoding) => {
      if (chunk === null && !stream.closed) this.#complete = true;
      return push(chunk, encoding);
    };
    stream.on('headers', (headers, _flags, raw) => this.#informed(headers[':status'] ?? 0, raw));
    stream.on('response', (headers, flags, raw) => this.#responded(headers[':status'] ?? 0, flags, raw));
    stream.on('data', (octets: Buffer) => this.#received(octets));
    stream.on('trailers', (_headers, _flags, raw) => {
      this.#responseTrailers = trailerFields(raw);
    });
    stream.on('end', () => this.#ended());
    stream.on('drain', () => this.#receiver?.sendable());
    stream.on('wantTrailers', () => this.#sendTrailers());
    stream.on('error', ignore);
    stream.on('close', () => this.#closed());
    return stream;
  }

  // ---- The request.

  write(octets: Buffer): Taken {
    const stream = this.#stream;
    if (stream === null || !this.#writable(stream)) return TAKEN;
    this.#touch();
    return stream.write(octets) ? KEPT : FULL;
  }

  end(trailers: FieldList): void {
    this.#requestTrailers = trailers;
    if (this.#stream !== null && this.#writable(this.#stream)) this.#stream.end();
  }

  flush(): void {
    // Nothing is held back: Node writes once per turn of the loop.
  }

  #sendTrailers(): void {
    try {
      this.#stream?.sendTrailers(fieldObject(this.#requestTrailers));
    } catch {
      if (this.#stream !== null) cancelStream(this.#stream);
    }
  }

  #writable(stream: http2.ClientHttp2Stream): boolean {
    return !stream.destroyed && !stream.closed && !stream.writableEnded;
  }

  // ---- The response.

  pauseResponse(): void {
    this.#paused = true;
    this.#stream?.pause();
  }

  resumeResponse(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#touch();
    this.#stream?.resume();
  }

  #informed(status: number, raw: readonly string[]): void {
    this.#touch();
    if (++this.#interims > INTERIM_LIMIT || status === 101) this.#refuse();
    else this.#receiver?.informed(status, responseFields(raw));
  }

  #responded(status: number, flags: number, raw: readonly string[]): void {
    this.#touch();
    this.#headed = true;
    if (status < 200 || status > 599) {
      this.#refuse();
      return;
    }
    const ended = (flags & NGHTTP2_FLAG_END_STREAM) !== 0;
    this.#receiver?.responded(status, responseFields(raw), lengthOf(raw, ended));
  }

  #received(octets: Buffer): void {
    this.#touch();
    if (this.#receiver?.received(octets) === FULL && this.#receiver !== null) this.pauseResponse();
  }

  #ended(): void {
    const receiver = this.#receiver;
    if (receiver === null || !this.#complete || !this.#headed) return;
    this.#receiver = null;
    const stream = this.#stream as http2.ClientHttp2Stream;
    // The backend has said everything; what is left of the request is of no use to it.
    if (!stream.writableEnded) cancelStream(stream);
    receiver.completed(this.#responseTrailers);
  }

  #closed(): void {
    const connection = this.#connection;
    const { alert } = connection;
    connection.forget(this);
    if (alert !== '' && !this.#headed) this.#fail('tls', alert);
    else this.#fail(this.#failureOf(this.#stream as http2.ClientHttp2Stream), connection.detail);
  }

  #failureOf(stream: http2.ClientHttp2Stream): Failure {
    const connection = this.#connection;
    if (!connection.connected) return connection.failure;
    if (this.#headed || this.#interims > 0) return violations.has(stream.rstCode) ? 'malformed' : 'reset';
    const unprocessed = stream.id === undefined || stream.id > connection.lastStream;
    if (stream.rstCode === NGHTTP2_REFUSED_STREAM || unprocessed) return 'refused-stream';
    if (violations.has(stream.rstCode) || connection.broken) return 'malformed';
    return connection.closed && connection.proven ? 'stale' : 'reset';
  }

  /** Against the rules. */
  #refuse(): void {
    this.#fail('malformed');
    if (this.#stream !== null) cancelStream(this.#stream);
  }

  #fail(failure: Failure, detail?: string): void {
    const receiver = this.#receiver;
    this.#receiver = null;
    receiver?.failed(failure, detail);
  }

  // ---- The end.

  cancel(): void {
    if (this.#receiver === null) return;
    this.#receiver = null;
    this.#connection.doubt();
    if (this.#stream !== null) cancelStream(this.#stream);
  }

  sweep(now: number): void {
    if (this.#paused || this.#receiver === null || now <= this.#deadline) return;
    this.#connection.doubt();
    this.#fail('idle-timeout');
    if (this.#stream !== null) cancelStream(this.#stream);
  }

  #touch(): void {
    const { sweeper, limits } = this.#connection.thread;
    this.#connection.heard = sweeper.now;
    this.#deadline = sweeper.now + limits.responseTimeout;
  }
}

function headOf(request: OutgoingRequest): string[] {
  const head = [
    ':method',
    request.method,
    ':scheme',
    request.scheme,
    ':authority',
    request.authority,
    ':path',
    request.path,
  ];
  if (request.length > 0) head.push('content-length', String(request.length));
  if (request.acceptsTrailers) head.push('te', 'trailers');
  const fields = request.list();
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    if (name !== 'host' && !isFramingField(name)) head.push(name, fields[i + 1] as string);
  }
  return head;
}

function responseFields(raw: readonly string[]): FieldList {
  const fields: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string;
    if (name.charCodeAt(0) !== 0x3a && !isFramingField(name)) fields.push(name, raw[i + 1] as string);
  }
  return fields;
}

/** As Downstream.respond wants it. nghttp2 holds the content to its Content-Length. */
function lengthOf(raw: readonly string[], ended: boolean): number {
  const at = raw.indexOf('content-length');
  if (at < 0 || at % 2 === 1) return ended ? 0 : UNKNOWN_LENGTH;
  const octets = Buffer.from(raw[at + 1] as string, 'latin1');
  const length = lengthAt(octets, 0, octets.length);
  return length < 0 ? UNKNOWN_LENGTH : length;
}

function ignore(): void {
  // 'close' follows, and says what there is to say.
}
