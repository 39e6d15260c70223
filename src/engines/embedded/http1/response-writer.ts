// Responses onto a client's connection over HTTP/1: heads edited in place or composed, content framed as the client can take it.
// Which response is written when is downstream.ts.
import type net from 'node:net';
import type { FieldList, Taken } from '../sides.ts';
import { FULL, KEPT, TAKEN } from '../sides.ts';
import type { Thread } from '../thread.ts';
import { TRANSFER_ENCODING } from './fields.ts';
import { HEADROOM } from './gathered.ts';
import { CHUNKED, type Head, UNTIL_CLOSE } from './parser.ts';
import { CLOSE, compose, composeFrom, editInPlace, KEEP, switchedLines } from './response.ts';
import { chunkEnd, chunkStart, fieldPairs, LAST_CHUNK } from './text.ts';

/** A head and content up to this size are written as one string: cheaper than a vector of two. */
const JOINED = 16_384;

export class ResponseWriter {
  /** The connection stays for another request. */
  keepAlive = true;
  /** Chunked content is written as it comes, chunk lines and all. */
  framed = true;
  /** By when the client must have taken what is buffered for it. */
  deadline: number = Number.POSITIVE_INFINITY;
  readonly #thread: Thread;
  readonly #socket: net.Socket;
  #minor = 1;
  #toHead = false;
  #chunking = false;
  /** A head that waits for content to be written with it. */
  #held = '';
  #flushing = false;
  readonly #flushLater = (): void => {
    this.#flushing = false;
    this.flush();
  };

  constructor(thread: Thread, socket: net.Socket) {
    this.#thread = thread;
    this.#socket = socket;
  }

  /** The next response answers a request of `HTTP/1.minor`. */
  begin(minor: number, toHead: boolean, keepAlive: boolean): void {
    this.#minor = minor;
    this.#toHead = toHead;
    this.keepAlive = keepAlive;
    this.#chunking = false;
  }

  inform(status: number, fields: FieldList): void {
    if (this.#minor === 1) this.#socket.write(compose(status, fields, ''), 'latin1');
  }

  /** See Downstream.respondInPlace. */
  respondInPlace(head: Head, buf: Buffer, framing: number, added: string): number {
    if (this.#thread.retiring) this.keepAlive = false;
    if (head.status === 101) {
      this.#hold(composeFrom(head, buf, switchedLines(head, buf) + added));
      return head.base + head.size;
    }
    this.framed = framing === CHUNKED && this.#minor === 1;
    const plain = this.keepAlive && this.#minor === 1 && framing !== UNTIL_CLOSE && head.reasonStart >= 0;
    const unknown = framing === UNTIL_CLOSE || framing === CHUNKED;
    const own = unknown && !plain ? this.#frameUnknown(head, framing) : '';
    const lines = head.odd ? added + head.reframed(head.length) : added;
    if (plain && lines.length <= HEADROOM) return editInPlace(head, buf, lines);
    this.#hold(composeFrom(head, buf, lines + own + this.#connectionLine()));
    return head.base + head.size;
  }

  /** Content whose length is not known is chunked for a client that can take it; else it ends with the connection. */
  #frameUnknown(head: Head, framing: number): string {
    if (framing === CHUNKED && this.#minor === 1) return '';
    if (framing === CHUNKED) head.cutAll(TRANSFER_ENCODING);
    if (this.#minor === 1) {
      this.#chunking = true;
      return 'Transfer-Encoding: chunked\r\n';
    }
    this.keepAlive = false;
    return '';
  }

  /** See Downstream.respond. */
  respond(status: number, fields: FieldList, length: number): void {
    if (this.#thread.retiring) this.keepAlive = false;
    const bodiless = this.#toHead || status === 204 || status === 304;
    let framing = '';
    if (length >= 0) {
      if (status !== 204 && !(status === 304 && length === 0)) framing = `Content-Length: ${length}\r\n`;
    } else if (!bodiless && this.#minor === 1) {
      this.#chunking = true;
      framing = 'Transfer-Encoding: chunked\r\n';
    } else if (!bodiless) {
      this.keepAlive = false;
    }
    this.#hold(compose(status, fields, framing + this.#connectionLine()));
  }

  write(octets: Buffer): Taken {
    const socket = this.#socket;
    const held = this.#held;
    let room: boolean;
    if (this.#chunking || (held !== '' && octets.length > JOINED)) {
      socket.cork();
      if (held !== '') socket.write(held, 'latin1');
      if (this.#chunking) socket.write(chunkStart(octets.length), 'latin1');
      room = socket.write(octets);
      if (this.#chunking) room = socket.write(chunkEnd, 'latin1');
      socket.uncork();
    } else if (held === '') {
      room = socket.write(octets);
    } else {
      room = socket.write(held + octets.toString('latin1', 0, octets.length), 'latin1');
    }
    this.#held = '';
    if (room) return socket.writableLength === 0 ? TAKEN : KEPT;
    this.deadline = this.#thread.sweeper.now + this.#thread.limits.writeTimeout;
    return FULL;
  }

  end(trailers: FieldList): void {
    if (this.#chunking) this.#held += `${LAST_CHUNK}${fieldPairs(trailers)}\r\n`;
    this.flush();
  }

  /** A whole response, after which nothing is read any more. */
  refuse(status: number, fields: FieldList, text: string): void {
    const head = compose(status, fields, `Content-Length: ${text.length}\r\n${CLOSE}`);
    this.#socket.write(this.#toHead ? head : head + text, 'latin1');
  }

  flush(): void {
    if (this.#held === '') return;
    const held = this.#held;
    this.#held = '';
    this.#socket.write(held, 'latin1');
  }

  /** Writes a head with the content that follows in this turn, else by itself. */
  #hold(text: string): void {
    this.#held = text;
    if (this.#flushing) return;
    this.#flushing = true;
    process.nextTick(this.#flushLater);
  }

  #connectionLine(): string {
    if (!this.keepAlive) return CLOSE;
    return this.#minor === 0 ? KEEP : '';
  }
}
