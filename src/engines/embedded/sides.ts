// The two sides of an exchange: what a client's connection or stream (Downstream) and one attempt at a backend (Upstream)
// offer to exchange.ts, and what they call in return. HTTP/1 and HTTP/2 each implement both; exchange.ts joins any two.
//
// Octets: a Buffer given to `write` or `received` may be reused by its owner as soon as the call returns, unless the call
// says KEPT. Back-pressure: FULL, then `resume…` from the other side. Nothing here throws; nothing is called back from
// within a constructor.
import type { Head } from './http1/parser.ts';

/** Result of taking octets: they are written (or copied) and the caller may reuse the memory. */
export const TAKEN = 0;
/** They are still referred to: the caller must not write over them. More may follow. */
export const KEPT = 1;
/** As KEPT; and the caller has to stop until it is resumed. What it delivers all the same is taken, without bound on its side. */
export const FULL = 3;
export type Taken = typeof TAKEN | typeof KEPT | typeof FULL;

/** Length of a body: not known before its end. */
export const UNKNOWN_LENGTH = -1;

/** Field lines in a row: name, value, name, value… */
export type FieldList = readonly string[];

export const noFields: FieldList = [];

/**
 * A request as it came in. Valid until its exchange begins the next one: HTTP/1 reuses one object per connection, and its
 * fields may be read only until `Transaction.begin` returns.
 */
export interface IncomingRequest {
  readonly version: '1.0' | '1.1' | '2';
  /** Case-sensitive token. */
  readonly method: string;
  /** Host and port: `:authority`, or the Host field, or of an absolute-form target; '' only with HTTP/1.0. */
  readonly authority: string;
  /** Origin form: path and query as sent, first octet `/`; or `*`. */
  readonly target: string;
  /** Octets of the body: 0 = no body, UNKNOWN_LENGTH = until its end. */
  readonly length: number;
  /** `TE: trailers`. */
  readonly acceptsTrailers: boolean;
  /** The protocol that `Upgrade` asks for, '' if none; never with HTTP/2. */
  readonly upgrade: string;
  /** `Expect: 100-continue`: the client waits with the body. */
  readonly expectsContinue: boolean;
  /** The value of a field, several lines joined by `, ` (cookies by `; `). @param name in lower case */
  field(name: string): string | undefined;
  /**
   * The head in HTTP/1.1 form, edited from the octets that came, with the final empty line; undefined when there are none, so that
   * it is composed of what the other members tell.
   */
  rewritten(edit: HeadEdit): string | undefined;
  /**
   * What is to be forwarded, names as sent: without hop-by-hop fields, those that Connection names, Host, pseudo-header
   * fields and Content-Length.
   */
  fields(): string[];
}

/** The client's side of one exchange. Its owner calls the members of Transaction. */
export interface Downstream {
  /** An interim response other than 101. HTTP/1.0 clients ignore it. */
  inform(status: number, fields: FieldList): void;
  /**
   * Begins the final response. Fields are those of end-to-end meaning; framing and connection are the downstream's own.
   * @param length octets of content that follow, 0 = none and `end` comes next, UNKNOWN_LENGTH = until `end`. For HEAD and
   * 304 it is what Content-Length has to say, and no content follows.
   */
  respond(status: number, fields: FieldList, length: number): void;
  /**
   * The final response as HTTP/1 delivered it; of HTTP/1 only, absent in others. `head` has the lines cut that do not go on,
   * `added` are lines to add.
   * @returns as Receiver.respondedInPlace
   */
  respondInPlace?(head: Head, buf: Buffer, framing: number, added: string): number;
  /** As in Receiver: asked for after `respondInPlace`. */
  readonly framedResponse?: boolean;
  /** Octets of content. FULL: no more until the downstream called Transaction.resumeResponse. */
  write(octets: Buffer): Taken;
  /** The response is complete. Trailers that HTTP/1 without chunked coding cannot carry are left out. */
  end(trailers: FieldList): void;
  /** The response cannot be completed: HTTP/1 closes the connection, HTTP/2 resets the stream. */
  abort(): void;
  /** Stop and go on reading the request's body. Idempotent. */
  pauseRequest(): void;
  resumeRequest(): void;
}

/** What forwarding changes in the head of a request. */
export interface HeadEdit {
  /** Path and query that go on. */
  readonly path: string;
  /** Host that goes on. */
  readonly authority: string;
  /** Names in lower case of lines that do not; beside those that forwarding itself replaces (forwarded.ts). */
  readonly dropped: readonly string[];
  /** X-Forwarded-Port and Forwarded of a client that is not trusted do not go on. */
  readonly trusted: boolean;
  /** Lines to add, each with its line end. */
  readonly added: string;
}

/** What is known of a client's connection, for as long as it lasts. */
export interface Client {
  /** Key of the bind that accepted it. */
  readonly bind: string;
  readonly scheme: 'http' | 'https';
  /** Of the TLS handshake; undefined without TLS or without SNI. */
  readonly serverName: string | undefined;
  /** What was asked of it in the TLS handshake (tls/client-trust.ts); absent or '': nothing. */
  readonly validation?: string;
  /** The peer's address and port. */
  readonly address: string;
  readonly port: number;
  /** Our address and port that it came to, as an authority. */
  readonly localAuthority: string;
  /** X-Forwarded-For and X-Forwarded-Proto as lines, for when what the request says of them does not count. */
  readonly forwarded: string;
}

/**
 * What a downstream calls on its exchange (exchange.ts), which it creates with `new Exchange(worker, client, downstream)`; HTTP/1
 * uses one per connection for one request after the other, HTTP/2 one per stream. Order: begin, body*, bodyEnd; `gone` at
 * any time. The downstream's respond, write, end and abort may be called from within each of them.
 */
export interface Transaction {
  /** Routes the request and opens an attempt, or answers. */
  begin(request: IncomingRequest): void;
  /**
   * Octets of the request's body, which the caller leaves alone from then on. FULL: no more until `resumeRequest`.
   * After the response is complete they are dropped.
   */
  body(octets: Buffer): Taken;
  /** The request is complete; to be called also when it has no body, right after `begin`. */
  bodyEnd(trailers: FieldList): void;
  /** Nothing more of the body follows for now: what is held back to be written at once is sent. */
  flush(): void;
  /** The client went away, or broke the protocol: gives up. Nothing is called on the downstream any more. */
  gone(): void;
  /** The client takes octets again after Downstream.write said FULL. */
  resumeResponse(): void;
  /** Whether the body is to be delivered as the chunked coding itself (HTTP/1 only); known after `begin`. */
  readonly framedRequest: boolean;
}

/** A request as it goes to a backend, filters applied; the same for every attempt. */
export interface OutgoingRequest {
  readonly method: string;
  readonly scheme: 'http' | 'https';
  readonly authority: string;
  /** Origin form or `*`. */
  readonly path: string;
  /** Octets of the body: 0 = none, UNKNOWN_LENGTH = until its end. */
  readonly length: number;
  readonly acceptsTrailers: boolean;
  /** RFC 9110 section 9.2.2: sending it twice does no harm. */
  readonly repeatable: boolean;
  /** A kept connection failed: take a new one. */
  readonly anew: boolean;
  /** '' or the protocol asked for; such requests only go to HTTP/1 clusters. */
  readonly upgrade: string;
  /**
   * The octets of the body are the chunked coding itself, with trailers and the final empty line. Never for HTTP/2 clusters:
   * these get payload.
   */
  readonly framed: boolean;
  /** The whole head in HTTP/1.1 form, latin1, with the final empty line. */
  http1(): string;
  /** All fields but pseudo-header fields, Host, Content-Length and TE, names in lower case. */
  list(): FieldList;
}

/** One attempt at a backend: a request on a connection of a pool. */
export interface Upstream {
  /** Octets of the request's body. FULL: no more until the receiver's `sendable` was called. */
  write(octets: Buffer): Taken;
  /** The request is complete. Called exactly once, also without a body, unless the attempt ended before. */
  end(trailers: FieldList): void;
  /** Sends what `open` and `write` held back to join it with what follows. Called when nothing follows for now. */
  flush(): void;
  /** Stop and go on delivering the response. Idempotent. */
  pauseResponse(): void;
  resumeResponse(): void;
  /** Gives up: the receiver is not called again. A connection that is in the middle of a message is closed. */
  cancel(): void;
}

/** Why an attempt failed, as logs and metrics name it. */
export type Failure =
  /** Not connected: refused, unreachable, connect timeout. Nothing was sent: safe to repeat. */
  | 'refused'
  | 'connect-timeout'
  /** TLS with the backend failed, or is not to be had: it is not who it should be, or we have nothing to show. Nothing was sent. */
  | 'tls'
  /** A kept-alive connection ended before an octet of the response came; or a stream refused before it was processed. */
  | 'stale'
  | 'refused-stream'
  /** Ended, or broke, in the middle. */
  | 'reset'
  /** The backend does not speak the protocol, or breaks its rules. */
  | 'malformed'
  /** Silent for longer than the idle limit. */
  | 'idle-timeout';

/** Whom an attempt reports to: an exchange, or a mirror that drops everything. */
export interface Receiver {
  /** The request's body may go on. */
  sendable(): void;
  /** An interim response, 101 excepted. */
  informed(status: number, fields: FieldList): void;
  /** The head of the final response, from HTTP/2. Names in lower case. @param length as in Downstream.respond */
  responded(status: number, fields: FieldList, length: number): void;
  /**
   * The head of the final response, from HTTP/1, still in the buffer that it was read into: `head` holds its spans. The receiver
   * may edit it in place.
   * Up to Gathered's HEADROOM octets before the head are free.
   * @returns from where on the octets of `buf` up to the end of the head are to be delivered by `received`, together with the
   * content that follows; the end of the head if they are not; REJECTED if the response is not wanted (the receiver gave up
   * the upstream and tries again)
   */
  respondedInPlace(head: Head, buf: Buffer, framing: number): number;
  /** Of a chunked response, asked for behind its head: content comes as the chunked coding itself, with trailers and all. */
  readonly framedResponse: boolean;
  /** Octets of content. FULL: no more until `resumeResponse` of the upstream. */
  received(octets: Buffer): Taken;
  /** The response is complete; the upstream is gone, or back in its pool. */
  completed(trailers: FieldList): void;
  /** The upstream is gone. @param detail what the system or OpenSSL says of it */
  failed(failure: Failure, detail?: string): void;
}

export const REJECTED = -1;

/** Opens attempts at one endpoint. */
export interface Connector {
  /** Sends the head. The receiver hears nothing before this returned. */
  open(request: OutgoingRequest, receiver: Receiver): Upstream;
  /** The endpoint is gone: idle connections close now, the others after what they have in flight. */
  close(): void;
}
