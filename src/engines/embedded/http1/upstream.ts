// One connection to a backend over HTTP/1.1: a request's head and body out, the response's head and content in, one exchange
// at a time. Heads are parsed where they were read; content is delivered in place. Which connection takes which request
// is pool.ts; what becomes of the response is the receiver's.
import type net from 'node:net';
import type { Dial } from '../dial.ts';
import type { Failure, FieldList, OutgoingRequest, Receiver, Taken, Upstream } from '../sides.ts';
import { FULL, KEPT, noFields, REJECTED, TAKEN, UNKNOWN_LENGTH } from '../sides.ts';
import type { Thread } from '../thread.ts';
import { ChunkScanner } from './body.ts';
import { KEEP_ALIVE } from './fields.ts';
import { Gathered, HEADROOM } from './gathered.ts';
import { STRIDE, VALUE_END, VALUE_START } from './lines.ts';
import { CHUNKED, FIXED_LENGTH, NO_BODY, UNTIL_CLOSE, type Head } from './parser.ts';
import type { Http1Pool } from './pool.ts';
import { DONE, INCOMPLETE } from './refusals.ts';
import { chunkEnd, chunkStart, fieldList, fieldPairs, LAST_CHUNK } from './text.ts';

/** Read at once, behind the room in which a receiver may lengthen the head. */
const READ = 32_768;
/** Head and body over TLS up to this size are written together. */
const JOINED = 32_768;
/** Interim responses to one request. */
const INTERIM_LIMIT = 32;

const IDLE = 0;
const AWAITING_HEAD = 1;
const IN_CONTENT = 2;
const TUNNEL = 3;
const CLOSED = 4;

export class Http1Upstream implements Upstream {
  /** When it came to the pool. */
  idleSince = 0;
  /** How long the pool may keep it. */
  idleLimit = 0;
  readonly #pool: Http1Pool;
  readonly #thread: Thread;
  readonly #dial: Dial;
  readonly #socket: net.Socket;
  #receiver: Receiver | null = null;
  #state = IDLE;
  #connected = false;
  /** No exchange was completed on it yet. */
  #fresh = true;
  #deadline = 0;
  #paused = false;

  #memory: Buffer = Buffer.allocUnsafeSlow(HEADROOM + READ);
  /** The current memory is still referred to: the next read needs another. */
  #renew = false;
  #first = true;
  /** A head that did not come in one piece, and the parser that is in the middle of it. */
  #gathered: Gathered | null = null;
  #head: Head | null = null;

  #held = '';
  #chunking = false;
  #toHead = false;
  #upgrading = false;
  #requestDone = false;

  #interims = 0;
  #reusable = true;
  #framing: number = NO_BODY;
  #remaining = 0;
  #scanner: ChunkScanner | null = null;
  #framedScanner: ChunkScanner | null = null;
  #payloadScanner: ChunkScanner | null = null;
  #responseDone = false;

  constructor(pool: Http1Pool, thread: Thread) {
    this.#pool = pool;
    this.#thread = thread;
    this.#dial = pool.dial({
      onread: {
        buffer: () => this.#nextMemory(),
        callback: (size) => {
          this.#read(size);
          return true;
        },
      },
      ready: () => {
        this.#connected = true;
        this.#touch();
      },
      failed: (failure, detail) => this.#fail(failure, detail),
    });
    const { socket } = this.#dial;
    this.#socket = socket;
    socket.on('drain', () => this.#receiver?.sendable());
    socket.on('end', () => this.#ended());
    socket.on('close', () => this.#closed());
    thread.sweeper.add(this);
  }

  /** Begins an exchange. */
  send(request: OutgoingRequest, receiver: Receiver): void {
    this.#receiver = receiver;
    this.#state = AWAITING_HEAD;
    this.#toHead = request.method === 'HEAD';
    this.#upgrading = request.upgrade !== '';
    this.#chunking = request.length === UNKNOWN_LENGTH && !request.framed;
    this.#requestDone = this.#responseDone = false;
    this.#interims = 0;
    if (this.#connected) this.#touch();
    if (request.length === 0) this.#socket.write(request.http1(), 'latin1');
    else this.#held = request.http1();
  }

  write(octets: Buffer): Taken {
    if (this.#state === CLOSED) return TAKEN;
    if (this.#connected) this.#touch();
    const held = this.#held;
    this.#held = '';
    if (this.#chunking) return this.#writeChunk(held, octets);
    if (held !== '') return this.#writeWith(held, octets);
    const socket = this.#socket;
    if (!socket.write(octets)) return FULL;
    return socket.writableLength === 0 ? TAKEN : KEPT;
  }

  /** Copying some kilobytes costs less than a vector of two, or than a string of them, which is garbage afterwards. */
  #writeWith(held: string, octets: Buffer): Taken {
    const socket = this.#socket;
    const { secure } = this.#dial;
    const size = held.length + octets.length;
    // A socket with TLS has not written before the next turn, whatever it does.
    const scratch = secure ? Buffer.allocUnsafe(Math.min(size, JOINED)) : this.#thread.scratch;
    if (size > scratch.length) {
      socket.cork();
      socket.write(held, 'latin1');
      const room = socket.write(octets);
      socket.uncork();
      if (!room) return FULL;
      return socket.writableLength === 0 ? TAKEN : KEPT;
    }
    scratch.write(held, 0, 'latin1');
    octets.copy(scratch, held.length);
    const room = socket.write(scratch.subarray(0, size));
    if (!secure && socket.writableLength > 0) this.#thread.renewScratch();
    return room ? TAKEN : FULL;
  }

  #writeChunk(held: string, octets: Buffer): Taken {
    const socket = this.#socket;
    socket.cork();
    socket.write(held + chunkStart(octets.length), 'latin1');
    socket.write(octets);
    const room = socket.write(chunkEnd, 'latin1');
    socket.uncork();
    if (!room) return FULL;
    return socket.writableLength === 0 ? TAKEN : KEPT;
  }

  end(trailers: FieldList): void {
    if (this.#state === CLOSED) return;
    this.#requestDone = true;
    if (this.#chunking) this.#held += `${LAST_CHUNK}${fieldPairs(trailers)}\r\n`;
    if (this.#held !== '') this.flush();
    if (this.#state === TUNNEL) this.#socket.end();
  }

  flush(): void {
    if (this.#held === '') return;
    const held = this.#held;
    this.#held = '';
    this.#socket.write(held, 'latin1');
  }

  pauseResponse(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resumeResponse(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#touch();
    this.#socket.resume();
  }

  cancel(): void {
    this.#receiver = null;
    this.destroy();
  }

  destroy(): void {
    this.#state = CLOSED;
    this.#held = '';
    this.#socket.destroy();
  }

  sweep(now: number): void {
    if (this.#state === IDLE) {
      if (now - this.idleSince > this.idleLimit) this.destroy();
    } else if (this.#connected && this.#state !== CLOSED && !this.#paused && now > this.#deadline) {
      this.#fail('idle-timeout');
    }
  }

  #touch(): void {
    const { sweeper, limits } = this.#thread;
    this.#deadline = sweeper.now + (this.#state === TUNNEL ? limits.tunnelTimeout : limits.responseTimeout);
  }

  #nextMemory(): Uint8Array {
    if (this.#renew) {
      this.#renew = false;
      this.#memory = Buffer.allocUnsafeSlow(HEADROOM + READ);
    } else if (!this.#first) {
      // Node keeps the buffer that it has unless it gets another, and setting the same one again costs a call per read.
      return undefined as unknown as Uint8Array;
    }
    this.#first = false;
    return this.#memory.subarray(HEADROOM);
  }

  #read(size: number): void {
    if (this.#receiver === null) {
      // Octets that nobody asked for: whatever they are, the next response would be taken for another one.
      this.destroy();
      return;
    }
    this.#touch();
    const gathered = this.#gathered;
    if (gathered !== null) {
      gathered.append(this.#memory, HEADROOM, HEADROOM + size);
      this.#heads(gathered.buf, gathered.start, gathered.end);
    } else if (this.#state === AWAITING_HEAD) {
      this.#heads(this.#memory, HEADROOM, HEADROOM + size);
    } else if (this.#state !== CLOSED) {
      this.#content(this.#memory, HEADROOM, HEADROOM + size);
    }
  }

  /** Interim heads, and the final one with what content came along. */
  #heads(buf: Buffer, from: number, end: number): void {
    let pos = from;
    for (;;) {
      const head = this.#head ?? this.#thread.responseHead;
      const result = head.parse(buf, pos, end);
      if (result === INCOMPLETE) {
        this.#gather(head, buf, pos, end);
        return;
      }
      if (this.#head !== null) this.#thread.responseHead = this.#head;
      this.#head = null;
      if (result !== DONE || (head.status === 101 && !this.#upgrading)) {
        this.#fail('malformed');
        return;
      }
      if (head.status >= 200 || head.status === 101) {
        this.#gathered = null;
        this.#final(head, buf, end);
        return;
      }
      if (++this.#interims > INTERIM_LIMIT) {
        this.#fail('malformed');
        return;
      }
      pos += head.size;
      this.#receiver?.informed(head.status, fieldList(head, buf));
      if (this.#state !== AWAITING_HEAD) return;
      if (pos === end) {
        this.#gathered = null;
        return;
      }
    }
  }

  #gather(head: Head, buf: Buffer, pos: number, end: number): void {
    if (this.#head === null) {
      this.#head = head;
      this.#thread.responseHead = this.#thread.newHead('response');
    }
    if (this.#gathered === null) this.#gathered = new Gathered(buf, pos, end);
    else this.#gathered.start = pos;
  }

  #final(head: Head, buf: Buffer, end: number): void {
    const receiver = this.#receiver as Receiver;
    const switched = head.status === 101;
    const framing = switched ? UNTIL_CLOSE : head.responseFraming(this.#toHead);
    this.#framing = framing;
    this.#state = switched ? TUNNEL : IN_CONTENT;
    if (switched) this.#touch();
    // Content that 204 announces against the rules would be taken for the next response.
    const surplus = head.status === 204 && (head.chunked || head.length > 0);
    this.#reusable = head.keepAlive && framing !== UNTIL_CLOSE && !surplus;
    this.#remaining = head.length;
    const contentAt = head.base + head.size;
    if ((head.seen & (1 << KEEP_ALIVE)) !== 0) this.#readHint(head, buf);
    else this.idleLimit = this.#thread.limits.poolTimeout;
    const from = receiver.respondedInPlace(head, buf, framing);
    if (from === REJECTED || this.#receiver !== receiver) return;
    if (framing === CHUNKED) this.#scanner = this.#scannerFor(receiver.framedResponse);
    this.#deliverFrom(buf, from, contentAt, end);
  }

  #content(buf: Buffer, pos: number, end: number): void {
    this.#deliverFrom(buf, pos, pos, end);
  }

  /** `buf[from..at)` is what the receiver left of the head, `buf[at..end)` is what follows it. */
  #deliverFrom(buf: Buffer, from: number, at: number, end: number): void {
    switch (this.#framing) {
      case FIXED_LENGTH: {
        let stop = end;
        if (end - at > this.#remaining) {
          stop = at + this.#remaining;
          this.#reusable = false;
        }
        this.#remaining -= stop - at;
        const last = this.#remaining === 0;
        if (stop > from && !this.#deliver(buf, from, stop)) return;
        if (last) this.#complete(noFields);
        return;
      }
      case CHUNKED:
        this.#deliverChunks(buf, from, at, end);
        return;
      case NO_BODY:
        if (end > at) this.#reusable = false;
        if (at > from && !this.#deliver(buf, from, at)) return;
        this.#complete(noFields);
        return;
      default:
        if (end > from) this.#deliver(buf, from, end);
    }
  }

  #deliverChunks(buf: Buffer, from: number, at: number, end: number): void {
    const scanner = this.#scanner as ChunkScanner;
    const framed = scanner === this.#framedScanner;
    let pending = from;
    let i = at;
    let result = INCOMPLETE;
    while (i < end && result === INCOMPLETE) {
      result = scanner.scan(buf, i, end);
      if (result < 0) {
        if (pending < at && !this.#deliver(buf, pending, at)) return;
        this.#fail('malformed');
        return;
      }
      i = scanner.next;
      let to = scanner.to;
      // Without trailers the empty line that ends the body stands right behind the last chunk.
      const whole = framed && result === DONE && scanner.trailers.length === 0 && i - to === 2;
      if (whole) to = i;
      if (pending < at && scanner.from !== at) {
        if (!this.#deliver(buf, pending, at)) return;
      } else if (pending < at) {
        scanner.from = pending;
      }
      pending = at;
      if (to > scanner.from && !this.#deliver(buf, scanner.from, to)) return;
      if (framed && result === DONE && !whole) {
        this.#receiver?.received(Buffer.from(scanner.trailerSection(), 'latin1'));
      }
    }
    if (pending < at && !this.#deliver(buf, pending, at)) return;
    if (result === DONE) {
      if (i < end) this.#reusable = false;
      this.#complete(framed ? noFields : scanner.trailers);
    }
  }

  /** False when the exchange ended meanwhile. */
  #deliver(buf: Buffer, from: number, to: number): boolean {
    const receiver = this.#receiver as Receiver;
    const taken = receiver.received(buf.subarray(from, to));
    if (taken === TAKEN) return this.#receiver === receiver;
    if (buf === this.#memory) this.#renew = true;
    if (this.#receiver !== receiver) return false;
    if (taken === FULL) this.pauseResponse();
    return true;
  }

  #complete(trailers: FieldList): void {
    const receiver = this.#receiver as Receiver;
    this.#responseDone = true;
    this.#receiver = null;
    this.#fresh = false;
    if (this.#paused) this.resumeResponse();
    if (this.#reusable && this.#requestDone) {
      this.#state = IDLE;
      this.#pool.put(this);
    } else {
      this.destroy();
    }
    receiver.completed(trailers);
  }

  #fail(failure: Failure, detail?: string): void {
    const receiver = this.#receiver;
    this.#receiver = null;
    this.destroy();
    receiver?.failed(failure, detail);
  }

  #break(): void {
    // Of a backend that would not have our certificate, in TLS 1.3: it tells when we believe to be connected.
    if (this.#fresh && this.#state === AWAITING_HEAD && this.#dial.alert !== '') this.#fail('tls', this.#dial.alert);
    else this.#fail(this.#brokenBy());
  }

  /** The backend will say no more. */
  #ended(): void {
    if (this.#state === TUNNEL) {
      this.#responseDone = true;
      this.#receiver?.completed(noFields);
    } else if (this.#receiver === null) {
      this.destroy();
    } else if (this.#state === IN_CONTENT && this.#framing === UNTIL_CLOSE) {
      this.#complete(noFields);
    } else if (this.#connected) {
      this.#break();
    }
  }

  #closed(): void {
    this.#thread.sweeper.delete(this);
    this.#pool.forget(this);
    if (this.#receiver === null) {
      this.#state = CLOSED;
    } else if (this.#state === TUNNEL && this.#responseDone && this.#requestDone) {
      this.#receiver = null;
      this.#state = CLOSED;
    } else {
      this.#break();
    }
  }

  #brokenBy(): Failure {
    return this.#state === AWAITING_HEAD && !this.#fresh && this.#gathered === null && this.#interims === 0
      ? 'stale'
      : 'reset';
  }

  #scannerFor(framed: boolean): ChunkScanner {
    const scanner = framed
      ? (this.#framedScanner ??= new ChunkScanner('framed'))
      : (this.#payloadScanner ??= new ChunkScanner('payload'));
    scanner.reset();
    return scanner;
  }

  /** `Keep-Alive: timeout=5`: the connection is given up one second before. */
  #readHint(head: Head, buf: Buffer): void {
    const k = head.line(KEEP_ALIVE) * STRIDE;
    const end = head.base + (head.fields[k + VALUE_END] as number);
    const text = buf.toString('latin1', head.base + (head.fields[k + VALUE_START] as number), end);
    const at = text.indexOf('timeout=');
    const seconds = at < 0 ? Number.NaN : Number.parseInt(text.slice(at + 8, at + 18), 10);
    const { poolTimeout } = this.#thread.limits;
    this.idleLimit = seconds >= 0 ? Math.min(poolTimeout, Math.max(0, seconds * 1000 - 1000)) : poolTimeout;
  }
}
