// A client's connection over HTTP/1: octets in -> requests, one after the other, given to the connection's exchange; responses
// out, in the same order. Keep-alive, pipelining, timeouts and refusals are decided here; where a request goes is exchange.ts,
// what its octets mean parser.ts, and how a response is written response-writer.ts.
import type net from 'node:net';
import { Exchange } from '../exchange.ts';
import { Http2Downstream } from '../http2/downstream.ts';
import { recordRefusal } from '../record.ts';
import type { Client, Downstream, FieldList, Taken } from '../sides.ts';
import { FULL, KEPT, noFields, TAKEN } from '../sides.ts';
import type { ClientConnection, Thread } from '../thread.ts';
import { ChunkScanner } from './body.ts';
import { Gathered } from './gathered.ts';
import { CONNECT, EXPECT_UNKNOWN, FIXED_LENGTH, type Head, NO_BODY, OPTIONS } from './parser.ts';
import { DONE, INCOMPLETE, refusalOf } from './refusals.ts';
import { Http1Request } from './request.ts';
import { ResponseWriter } from './response-writer.ts';
import { reasonOf } from './text.ts';

/** What a client may still send of a body whose response is complete, to keep its connection. */
const DISCARD_LIMIT = 262_144;
/** For a client to close its side after we closed ours. */
const LINGER = 2000;
/** Octets of a response over TLS that are copied to be written. */
const COPIED = 16_384;
/** `PRI * HTTP/2.0…`: the first octets of HTTP/2 by prior knowledge (RFC 9113 section 3.4). */
const PREFACE: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
/** So many octets tell it from a method such as PRINT. */
const PREFACE_PREFIX = 4;

const HEAD = 0;
const FIXED = 1;
const CHUNKS = 2;
const TUNNEL = 3;
/** Nothing more is read. */
const OVER = 4;

export class Http1Downstream implements Downstream, ClientConnection {
  readonly client: Client;
  readonly #secure: boolean;
  readonly #thread: Thread;
  readonly #socket: net.Socket;
  readonly #request: Http1Request;
  readonly #exchange: Exchange;
  readonly #writer: ResponseWriter;

  /** What is being read. */
  #reading = HEAD;
  #first = true;
  /** A request's response is not complete yet. */
  #busy = false;
  /** Its head has been written or is about to be. */
  #responding = false;
  #requestDone = true;
  #expectsContinue = false;
  #remaining = 0;
  #bodySize = 0;
  #discarded = 0;
  #scanner: ChunkScanner | null = null;
  #framedScanner: ChunkScanner | null = null;
  #payloadScanner: ChunkScanner | null = null;
  #gathered: Gathered | null = null;
  #head: Head | null = null;
  /** Octets of the next request, which came before the response to this one was complete. */
  #left: Buffer | null = null;
  #paused = false;

  /** Of the client; Infinity while it is the backend's turn. */
  #deadline: number;
  #closing = false;
  /** The client says no more. */
  #halfClosed = false;

  constructor(thread: Thread, socket: net.Socket, client: Client) {
    this.client = client;
    this.#secure = client.scheme === 'https';
    this.#thread = thread;
    this.#socket = socket;
    this.#request = new Http1Request(thread.requestHead);
    this.#exchange = new Exchange(thread, client, this);
    this.#writer = new ResponseWriter(thread, socket);
    this.#deadline = thread.sweeper.read() + thread.limits.headTimeout;
    socket.on('data', this.#data);
    socket.on('drain', this.#drained);
    socket.on('end', this.#ended);
    socket.on('close', this.#closed);
    thread.open(this);
  }

  // Arrow functions: a socket that turns out to speak HTTP/2 is given away without them.
  readonly #data = (octets: Buffer): void => {
    if (this.#reading === TUNNEL) this.#tunnel(octets);
    else if (this.#left !== null) this.#left = Buffer.concat([this.#left, octets]);
    else this.#drive(octets);
  };

  readonly #drained = (): void => {
    this.#writer.deadline = Number.POSITIVE_INFINITY;
    if (this.#busy) this.#exchange.resumeResponse();
  };

  readonly #ended = (): void => {
    if (this.#reading === TUNNEL) {
      this.#exchange.bodyEnd(noFields);
    } else if (this.#busy && this.#requestDone) {
      // A client may close its side as soon as it has said everything; it still gets its answers.
      this.#halfClosed = true;
    } else if (this.#requestDone && this.#gathered === null && !this.#socket.destroyed) {
      this.#socket.end();
    } else {
      this.#socket.destroy();
    }
  };

  readonly #closed = (): void => {
    this.#reading = OVER;
    this.#thread.closed(this);
    if (this.#busy) this.#exchange.gone();
    this.#busy = false;
  };

  // ---- Reading requests.

  #drive(buf: Buffer): void {
    let pos = 0;
    while (pos < buf.length) {
      switch (this.#reading) {
        case HEAD:
          if (this.#busy) {
            this.#left = pos === 0 ? buf : buf.subarray(pos);
            this.#pause();
            return;
          }
          pos = this.#readHead(buf, pos);
          break;
        case FIXED:
          pos = this.#readFixed(buf, pos);
          break;
        case CHUNKS:
          pos = this.#readChunks(buf, pos);
          break;
        case TUNNEL:
          this.#tunnel(buf.subarray(pos));
          return;
        default:
          return;
      }
    }
  }

  /** Returns where to go on in `buf`. */
  #readHead(chunk: Buffer, pos: number): number {
    let buf = chunk;
    let from = pos;
    let end = chunk.length;
    if (this.#gathered !== null) {
      this.#gathered.append(chunk, pos, end);
      ({ buf, start: from, end } = this.#gathered);
    }
    if (this.#first && buf[from] === 0x50 && this.#isPreface(buf, from, end)) {
      this.#giveAway(buf, from, end);
      return chunk.length;
    }
    const head = this.#head ?? this.#thread.requestHead;
    const result = head.parse(buf, from, end);
    if (result === INCOMPLETE) {
      this.#gather(head, buf, from, end);
      return chunk.length;
    }
    if (this.#head !== null) this.#thread.requestHead = this.#head;
    this.#head = this.#gathered = null;
    if (result < 0) {
      this.#refuse(refusalOf(result).status, refusalOf(result).reason);
      return chunk.length;
    }
    this.#first = false;
    const left = end - from - head.size;
    this.#begin(head, buf, left === 0);
    return chunk.length - left;
  }

  #gather(head: Head, buf: Buffer, from: number, end: number): void {
    if (this.#head === null) {
      this.#head = head;
      this.#thread.requestHead = this.#thread.newHead('request');
    }
    if (this.#gathered !== null) return;
    this.#gathered = new Gathered(buf, from, end);
    if (!this.#first) this.#deadline = this.#thread.sweeper.now + this.#thread.limits.headTimeout;
  }

  #isPreface(buf: Buffer, from: number, end: number): boolean {
    const size = Math.min(PREFACE.length, end - from);
    return size >= PREFACE_PREFIX && PREFACE.compare(buf, from, from + size, 0, size) === 0;
  }

  /** To whoever speaks HTTP/2; octets read so far are pushed back. */
  #giveAway(buf: Buffer, from: number, end: number): void {
    const socket = this.#socket;
    socket.off('data', this.#data);
    socket.off('drain', this.#drained);
    socket.off('end', this.#ended);
    socket.off('close', this.#closed);
    this.#head?.reset();
    this.#reading = OVER;
    this.#thread.closed(this);
    // Registers itself with the thread.
    void new Http2Downstream(this.#thread, socket, this.client, buf.subarray(from, end));
  }

  #begin(head: Head, buf: Buffer, last: boolean): void {
    const request = this.#request;
    request.read(head, buf);
    this.#writer.begin(head.minor, request.method === 'HEAD', head.keepAlive);
    this.#expectsContinue = request.expectsContinue;
    this.#deadline = Number.POSITIVE_INFINITY;
    const { bodyBytes } = this.#thread.limits;
    if (head.method === CONNECT) {
      this.#refuse(501, 'connect');
    } else if (head.expect === EXPECT_UNKNOWN) {
      this.#refuse(417, 'unknown-expectation');
    } else if (request.spent) {
      this.#refuse(head.method === OPTIONS ? 200 : 501, 'max-forwards');
    } else if (bodyBytes > 0 && request.length > bodyBytes) {
      this.#refuse(413, 'body-too-large');
    } else {
      this.#busy = true;
      this.#responding = false;
      this.#requestDone = head.framing === NO_BODY;
      const { framing, length } = head;
      this.#exchange.begin(request);
      if (framing === NO_BODY) this.#exchange.bodyEnd(noFields);
      else this.#expectBody(framing, length, last);
    }
  }

  #expectBody(framing: number, length: number, last: boolean): void {
    if (this.#reading === OVER) return;
    this.#bodySize = 0;
    if (framing === FIXED_LENGTH) {
      this.#remaining = length;
      this.#reading = FIXED;
      if (length === 0) this.#bodyRead(noFields);
    } else {
      this.#reading = CHUNKS;
      this.#scanner = this.#exchange.framedRequest
        ? (this.#framedScanner ??= new ChunkScanner('framed'))
        : (this.#payloadScanner ??= new ChunkScanner('payload'));
      this.#scanner.reset();
    }
    if (this.#requestDone) return;
    this.#deadline = this.#thread.sweeper.now + this.#thread.limits.bodyTimeout;
    if (last) this.#exchange.flush();
  }

  #readFixed(buf: Buffer, pos: number): number {
    const size = Math.min(this.#remaining, buf.length - pos);
    this.#remaining -= size;
    this.#deliver(size === buf.length ? buf : buf.subarray(pos, pos + size));
    if (this.#remaining === 0 && this.#reading === FIXED) this.#bodyRead(noFields);
    return pos + size;
  }

  #readChunks(buf: Buffer, pos: number): number {
    const scanner = this.#scanner as ChunkScanner;
    const framed = scanner === this.#framedScanner;
    const result = scanner.scan(buf, pos, buf.length);
    if (result < 0) {
      this.#breakOff(refusalOf(result).status, refusalOf(result).reason);
      return buf.length;
    }
    let { to } = scanner;
    // Without trailers the empty line that ends the body stands right behind the last chunk.
    const whole = framed && result === DONE && scanner.trailers.length === 0 && scanner.next - to === 2;
    if (whole) to = scanner.next;
    if (to > scanner.from) this.#deliver(buf.subarray(scanner.from, to));
    if (result === DONE && this.#reading === CHUNKS) {
      if (framed && !whole) this.#deliver(Buffer.from(scanner.trailerSection(), 'latin1'));
      this.#bodyRead(framed ? noFields : scanner.trailers);
    }
    return scanner.next;
  }

  #deliver(octets: Buffer): void {
    const { limits, sweeper } = this.#thread;
    if (!this.#busy) {
      this.#discarded += octets.length;
      if (this.#discarded > DISCARD_LIMIT) this.#close();
      return;
    }
    this.#bodySize += octets.length;
    if (limits.bodyBytes > 0 && this.#bodySize > limits.bodyBytes) {
      this.#breakOff(413, 'body-too-large');
      return;
    }
    this.#deadline = sweeper.now + limits.bodyTimeout;
    if (this.#exchange.body(octets) === FULL) this.pauseRequest();
  }

  #bodyRead(trailers: FieldList): void {
    this.#reading = HEAD;
    this.#requestDone = true;
    this.#deadline = Number.POSITIVE_INFINITY;
    if (this.#busy) this.#exchange.bodyEnd(trailers);
    else this.#ready();
  }

  #openTunnel(): void {
    this.#reading = TUNNEL;
    const left = this.#left;
    if (left === null && !this.#halfClosed) return;
    // What the client said without waiting for the answer was no request, then.
    setImmediate(() => {
      this.#left = null;
      if (this.#reading !== TUNNEL) return;
      this.#resume();
      if (left !== null) this.#tunnel(left);
      if (this.#halfClosed) this.#exchange.bodyEnd(noFields);
    });
  }

  #tunnel(octets: Buffer): void {
    if (this.#busy && this.#exchange.body(octets) === FULL) this.pauseRequest();
  }

  // ---- Responses.

  get framedResponse(): boolean {
    return this.#writer.framed;
  }

  inform(status: number, fields: FieldList): void {
    this.#writer.inform(status, fields);
  }

  respondInPlace(head: Head, buf: Buffer, framing: number, added: string): number {
    this.#responding = true;
    if (head.status === 101) this.#openTunnel();
    return this.#writer.respondInPlace(head, buf, framing, added);
  }

  respond(status: number, fields: FieldList, length: number): void {
    this.#responding = true;
    this.#writer.respond(status, fields, length);
  }

  write(octets: Buffer): Taken {
    if (!this.#secure || octets.length > COPIED) return this.#writer.write(octets);
    // A socket with TLS says in the next turn what it has written: a copy costs less than new memory for each response.
    const taken = this.#writer.write(Buffer.from(octets));
    return taken === KEPT ? TAKEN : taken;
  }

  end(trailers: FieldList): void {
    this.#writer.end(trailers);
    if (this.#reading === TUNNEL) this.#socket.end();
    else this.#responded();
  }

  abort(): void {
    this.#busy = false;
    this.#reading = OVER;
    this.#socket.destroy();
  }

  pauseRequest(): void {
    this.#pause();
    this.#deadline = Number.POSITIVE_INFINITY;
  }

  resumeRequest(): void {
    if (!this.#paused) return;
    if (!this.#requestDone) this.#deadline = this.#thread.sweeper.now + this.#thread.limits.bodyTimeout;
    if (this.#left === null) this.#resume();
  }

  // ---- From one request to the next, and the end.

  #responded(): void {
    this.#busy = false;
    if (!this.#writer.keepAlive || (!this.#requestDone && this.#expectsContinue)) {
      // A client that waits to be told to continue may send the body or not: what comes next could be either.
      this.#close();
    } else if (this.#requestDone) {
      this.#ready();
    } else {
      this.#discarded = 0;
      this.#deadline = this.#thread.sweeper.now + this.#thread.limits.bodyTimeout;
      this.#resume();
    }
  }

  /** For the next request. */
  #ready(): void {
    const { sweeper, limits } = this.#thread;
    this.#deadline = sweeper.now + limits.idleTimeout;
    const left = this.#left;
    if (left !== null) {
      this.#left = null;
      // From the stack of whoever completed the response; one answer after the other must not deepen it.
      setImmediate(() => {
        this.#drive(left);
        if (this.#left === null) this.#resume();
      });
    } else if (this.#halfClosed) {
      this.#close();
    } else {
      this.#resume();
    }
  }

  /** Answers what is no request. */
  #refuse(status: number, reason: string): void {
    recordRefusal(this.#thread, this.client, status, reason);
    const text = `${status} ${reasonOf(status)}: ${reason}\n`;
    this.#writer.refuse(status, ['content-type', 'text/plain; charset=utf-8'], text);
    this.#requestDone = false;
    this.#close();
  }

  /** A request that turned out wrong, or too slow, in its body. */
  #breakOff(status: number, reason: string): void {
    if (this.#busy) this.#exchange.gone();
    this.#busy = false;
    if (this.#responding) {
      this.#thread.metrics.refused(reason);
      this.abort();
    } else {
      this.#refuse(status, reason);
    }
  }

  /** Says no more. What the client still sends is read and dropped, so that its system does not drop our answer unread. */
  #close(): void {
    this.#reading = OVER;
    this.#left = null;
    this.#closing = true;
    this.#deadline = this.#thread.sweeper.now + LINGER;
    this.#socket.end();
    this.#resume();
  }

  drain(): void {
    this.#writer.keepAlive = false;
    if (!this.#busy && this.#requestDone && this.#gathered === null && !this.#closing) this.#close();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  sweep(now: number): void {
    if (now > this.#writer.deadline) this.#socket.destroy();
    if (now <= this.#deadline) return;
    this.#deadline = Number.POSITIVE_INFINITY;
    if (this.#closing) this.#socket.destroy();
    else if (this.#gathered !== null) this.#refuse(408, 'slow-head');
    else if (!this.#requestDone) this.#breakOff(408, 'slow-body');
    else this.#close();
  }

  #pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket.resume();
  }
}
