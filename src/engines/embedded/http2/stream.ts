// One stream of a client's connection over HTTP/2: request in, response out, joined by an exchange.
import type http2 from 'node:http2';
import { Exchange } from '../exchange.ts';
import { reasonOf } from '../http1/text.ts';
import type { Downstream, FieldList, Taken } from '../sides.ts';
import { FULL, KEPT, noFields, TAKEN, UNKNOWN_LENGTH } from '../sides.ts';
import type { Http2Downstream } from './downstream.ts';
import { fieldObject, isFramingField, trailerFields } from './fields.ts';
import { Http2Request } from './request.ts';
import { breakStream, cancelStream } from './reset.ts';

/** Octets up to this size are copied, so that the connection that read them goes on reading into the same memory. */
const COPIED = 16_384;
/** What a client may still send of a body whose response is complete, before its stream is reset. */
const DISCARD_LIMIT = 262_144;

export class Http2Stream implements Downstream {
  readonly #connection: Http2Downstream;
  readonly #stream: http2.ServerHttp2Stream;
  readonly #exchange: Exchange;
  #toHead = false;
  /** The exchange goes on. */
  #busy = false;
  #requestDone = false;
  /** Octets of the body are listened to. */
  #reading = false;
  /** Its END_STREAM went out together with the head. */
  #responseDone = false;
  #bodySize = 0;
  #discarded = 0;
  #requestTrailers: FieldList = noFields;
  #responseTrailers: FieldList = noFields;
  /** For the client to send more of its body; Infinity while it is somebody else's turn. */
  #readDeadline: number = Number.POSITIVE_INFINITY;
  /** For the client to take what is buffered for it. */
  #writeDeadline: number = Number.POSITIVE_INFINITY;

  constructor(connection: Http2Downstream, stream: http2.ServerHttp2Stream) {
    this.#connection = connection;
    this.#stream = stream;
    this.#exchange = new Exchange(connection.thread, connection.client, this);
    stream.on('error', ignore);
    stream.on('aborted', () => this.#gone());
    stream.on('close', () => {
      this.#gone();
      connection.forget(this);
    });
  }

  begin(raw: readonly string[], ended: boolean): void {
    const { limits } = this.#connection.thread;
    const request = new Http2Request(raw);
    const refused = request.read(ended, limits);
    this.#toHead = request.method === 'HEAD';
    this.#requestDone = ended;
    if (refused !== undefined) {
      this.#refuse(refused.status, refused.reason);
    } else if (limits.bodyBytes > 0 && request.length > limits.bodyBytes) {
      this.#refuse(413, 'body-too-large');
    } else {
      this.#connection.useful += request.size;
      this.#busy = true;
      this.#stream.on('drain', () => this.#drained());
      this.#exchange.begin(request);
      if (!ended) this.#readBody();
      else if (this.#busy) this.#exchange.bodyEnd(noFields);
    }
  }

  sweep(now: number): void {
    if (now > this.#writeDeadline) {
      cancelStream(this.#stream);
    } else if (now > this.#readDeadline) {
      this.#readDeadline = Number.POSITIVE_INFINITY;
      if (this.#busy) this.#breakOff(408, 'slow-body');
      else cancelStream(this.#stream);
    }
  }

  /** No more of the request's body can come. */
  cutShort(): void {
    if (!this.#requestDone) cancelStream(this.#stream);
  }

  // ---- The request's body.

  #readBody(): void {
    const stream = this.#stream;
    this.#awaitBody();
    if (this.#reading) return;
    this.#reading = true;
    stream.on('data', (octets: Buffer) => this.#deliver(octets));
    stream.on('trailers', (_headers, _flags, raw) => {
      this.#requestTrailers = trailerFields(raw);
    });
    // A reset ends the readable side as well, but as 'aborted' first.
    stream.on('end', () => this.#ended());
  }

  #ended(): void {
    if (this.#requestDone || this.#stream.aborted) return;
    this.#requestDone = true;
    this.#readDeadline = Number.POSITIVE_INFINITY;
    if (this.#busy) this.#exchange.bodyEnd(this.#requestTrailers);
  }

  #deliver(octets: Buffer): void {
    const { limits } = this.#connection.thread;
    if (!this.#busy) {
      this.#discarded += octets.length;
      if (this.#discarded > DISCARD_LIMIT) cancelStream(this.#stream);
      return;
    }
    this.#connection.useful += octets.length;
    this.#bodySize += octets.length;
    if (limits.bodyBytes > 0 && this.#bodySize > limits.bodyBytes) {
      this.#breakOff(413, 'body-too-large');
      return;
    }
    this.#awaitBody();
    if (this.#exchange.body(octets) === FULL) this.pauseRequest();
    else this.#exchange.flush();
  }

  #awaitBody(): void {
    const { sweeper, limits } = this.#connection.thread;
    this.#readDeadline = sweeper.now + limits.bodyTimeout;
  }

  pauseRequest(): void {
    this.#stream.pause();
    this.#readDeadline = Number.POSITIVE_INFINITY;
  }

  resumeRequest(): void {
    if (this.#requestDone) return;
    this.#awaitBody();
    this.#stream.resume();
  }

  // ---- The response.

  inform(status: number, fields: FieldList): void {
    if (!this.#writable() || this.#stream.headersSent) return;
    try {
      this.#stream.additionalHeaders({ ...fieldObject(fields), ':status': status });
    } catch {
      // An interim response that HTTP/2 cannot carry is one that nobody has to have.
    }
  }

  respond(status: number, fields: FieldList, length: number): void {
    if (!this.#writable()) return;
    const bodiless = this.#toHead || status === 204 || status === 304 || length === 0;
    let trailing = length === UNKNOWN_LENGTH;
    const list: string[] = [':status', String(status)];
    for (let i = 0; i < fields.length; i += 2) {
      const name = (fields[i] as string).toLowerCase();
      if (isFramingField(name)) continue;
      const value = fields[i + 1] as string;
      list.push(name, value);
      // The status of a gRPC call comes behind its content, whose length may be known all the same.
      if (name === 'content-type' && value.startsWith('application/grpc')) trailing = true;
    }
    // RFC 9110 section 8.6: 204 never has one; 304 and HEAD may.
    if (length > 0 || (length === 0 && status !== 204 && status !== 304)) list.push('content-length', String(length));
    this.#responseDone = bodiless;
    try {
      this.#stream.respond(list, { endStream: bodiless, waitForTrailers: trailing && !bodiless });
    } catch {
      this.abort();
      return;
    }
    if (trailing && !bodiless) this.#stream.on('wantTrailers', () => this.#sendTrailers());
  }

  write(octets: Buffer): Taken {
    if (!this.#writable()) return TAKEN;
    this.#connection.useful += octets.length;
    const copied = octets.length <= COPIED;
    if (this.#stream.write(copied ? Buffer.from(octets) : octets)) return copied ? TAKEN : KEPT;
    this.#awaitTaking();
    return FULL;
  }

  #awaitTaking(): void {
    const { sweeper, limits } = this.#connection.thread;
    this.#writeDeadline = sweeper.now + limits.writeTimeout;
  }

  end(trailers: FieldList): void {
    this.#busy = false;
    this.#responseTrailers = trailers;
    if (!this.#responseDone && this.#writable()) {
      this.#stream.end();
      this.#awaitTaking();
    }
    if (!this.#requestDone) {
      // What is still to come is dropped, up to a limit of octets and of time.
      this.#readBody();
      this.#stream.resume();
    }
  }

  abort(): void {
    this.#busy = false;
    breakStream(this.#stream);
  }

  #sendTrailers(): void {
    try {
      this.#stream.sendTrailers(fieldObject(this.#responseTrailers));
    } catch {
      this.abort();
    }
  }

  #drained(): void {
    this.#writeDeadline = Number.POSITIVE_INFINITY;
    if (this.#busy) this.#exchange.resumeResponse();
  }

  #writable(): boolean {
    return !this.#stream.destroyed && !this.#stream.closed;
  }

  /** Answers what is no request. */
  #refuse(status: number, reason: string): void {
    this.#connection.thread.metrics.refused(reason);
    const text = Buffer.from(`${status} ${reasonOf(status)}: ${reason}\n`);
    this.respond(status, ['content-type', 'text/plain; charset=utf-8'], text.length);
    if (!this.#responseDone) this.write(text);
    this.end(noFields);
  }

  /** A request that turned out wrong, or too slow, in its body. */
  #breakOff(status: number, reason: string): void {
    if (this.#busy) this.#exchange.gone();
    this.#busy = false;
    if (this.#stream.headersSent) {
      this.#connection.thread.metrics.refused(reason);
      cancelStream(this.#stream);
    } else {
      this.#refuse(status, reason);
    }
  }

  #gone(): void {
    this.#readDeadline = this.#writeDeadline = Number.POSITIVE_INFINITY;
    if (!this.#busy) return;
    this.#busy = false;
    this.#exchange.gone();
  }
}

function ignore(): void {
  // 'close' follows, and says what there is to say.
}
