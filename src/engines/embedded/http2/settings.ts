// What Portolan allows on a connection over HTTP/2, in numbers: for clients (server sessions) and for backends (client
// sessions). Frames that break the protocol, floods of them included, are nghttp2's to answer.
import type { ClientSessionOptions, ServerOptions } from 'node:http2';
import type { Limits } from '../options.ts';
import { PSEUDO_FIELDS } from './request.ts';

/** Streams that a client may have open at once on a connection; more are refused (REFUSED_STREAM). */
export const CLIENT_STREAMS = 256;
/** Octets that a client may send ahead on one stream, and on the whole connection: what a stalled backend leaves in memory. */
export const STREAM_WINDOW = 131_072;
export const CONNECTION_WINDOW = 1_048_576;
/**
 * Streams that a client may reset: so many at once, then so many per second. Over it the connection ends with GOAWAY
 * (CVE-2023-44487, rapid reset; with the streams that it makes us reset, CVE-2025-8671).
 */
export const RESET_BURST = 200;
export const RESET_RATE = 20;
/** Frames that nghttp2 had to answer with an error, and streams that we refused, before the connection ends. */
export const INVALID_FRAMES = 100;
export const REJECTED_STREAMS = 100;
/**
 * Octets that a client may send on a connection beyond OVERHEAD_FACTOR for each octet of requests that we took and of content in either
 * direction: a burst, then so many per second. Frames that ask for nothing (PRIORITY, WINDOW_UPDATE, unknown ones, requests that are
 * refused) are what is left; nghttp2 bounds only those that make it answer. WINDOW_UPDATE for each small DATA frame stays far below.
 */
export const OVERHEAD_FACTOR = 8;
export const OVERHEAD_BURST = 131_072;
export const OVERHEAD_RATE = 16_384;
/** Megabytes that one connection may occupy in nghttp2: header tables, queued frames, data not yet taken. */
export const SESSION_MEMORY = 32;
/** Entries of one SETTINGS frame. */
export const SETTINGS_ENTRIES = 32;

/** Streams on one connection to a backend, if its own limit is not lower; then another connection is opened. */
export const BACKEND_STREAMS = 256;
/** Before a backend's SETTINGS came: what RFC 9113 section 6.5.2 asks for as the least. */
export const PRESUMED_STREAMS = 100;

/** Of a client's connection. */
export function serverOptions(limits: Limits): ServerOptions {
  return {
    maxHeaderListPairs: limits.headFields + PSEUDO_FIELDS,
    maxSessionMemory: SESSION_MEMORY,
    maxSessionInvalidFrames: INVALID_FRAMES,
    maxSessionRejectedStreams: REJECTED_STREAMS,
    maxSettings: SETTINGS_ENTRIES,
    streamResetBurst: RESET_BURST,
    streamResetRate: RESET_RATE,
    // What a backend sends twice is its business; refusing it here would lose the whole response.
    strictSingleValueFields: false,
    settings: {
      enableConnectProtocol: false,
      initialWindowSize: STREAM_WINDOW,
      maxConcurrentStreams: CLIENT_STREAMS,
      maxHeaderListSize: limits.headBytes,
    },
  };
}

/** Of a connection to a backend. */
export function clientOptions(limits: Limits): ClientSessionOptions & { strictSingleValueFields: boolean } {
  return {
    maxHeaderListPairs: limits.headFields + 1,
    maxSessionMemory: SESSION_MEMORY,
    maxSettings: SETTINGS_ENTRIES,
    strictSingleValueFields: false,
    settings: { enablePush: false, initialWindowSize: STREAM_WINDOW, maxHeaderListSize: limits.headBytes },
  };
}
