// Why a message of HTTP/1.1 is refused: one number per class, so that the parser returns it without allocating, and per
// number the status that the client gets and the name that logs, metrics and tests use. Which bytes belong to which
// class is parser.ts and body.ts.

/** Zero or positive results of a parser are not refusals. */
export const INCOMPLETE = 0;
export const DONE = 1;

export const BAD_METHOD = -1;
export const METHOD_TOO_LONG = -2;
export const BAD_TARGET = -3;
export const FRAGMENT = -4;
export const TARGET_TOO_LONG = -5;
export const BAD_VERSION = -6;
export const UNSUPPORTED_VERSION = -7;
export const NO_VERSION = -8;
export const BAD_STATUS = -9;
export const BARE_CR = -10;
export const BARE_LF = -11;
export const EMPTY_NAME = -12;
export const BAD_NAME = -13;
export const SPACE_IN_NAME = -14;
export const OBS_FOLD = -15;
export const BAD_VALUE = -16;
export const HEAD_TOO_LARGE = -17;
export const TOO_MANY_FIELDS = -18;
export const MISSING_HOST = -19;
export const DUPLICATE_HOST = -20;
export const BAD_HOST = -21;
export const HOST_MISMATCH = -22;
export const BAD_CONTENT_LENGTH = -23;
export const DUPLICATE_CONTENT_LENGTH = -24;
export const LENGTH_AND_ENCODING = -25;
export const BAD_TRANSFER_ENCODING = -26;
export const UNKNOWN_TRANSFER_ENCODING = -27;
export const ENCODING_ON_1_0 = -28;
export const BAD_CONNECTION = -29;
export const BAD_CHUNK_SIZE = -30;
export const BAD_CHUNK_EXTENSION = -31;
export const CHUNK_OVERHEAD = -32;
export const BAD_CHUNK_END = -33;
export const BAD_TRAILER = -34;
export const TRAILERS_TOO_LARGE = -35;

export interface Refusal {
  /** For a request. Any refused response is 502 to the client. */
  readonly status: 400 | 414 | 431 | 501 | 505;
  /** Stable, for logs and metric labels. */
  readonly reason: string;
}

const refusals: readonly Refusal[] = [
  { status: 400, reason: 'refused' },
  { status: 400, reason: 'bad-method' },
  { status: 501, reason: 'method-too-long' },
  { status: 400, reason: 'bad-target' },
  { status: 400, reason: 'fragment-in-target' },
  { status: 414, reason: 'target-too-long' },
  { status: 400, reason: 'bad-version' },
  { status: 505, reason: 'unsupported-version' },
  { status: 400, reason: 'no-version' },
  { status: 400, reason: 'bad-status' },
  { status: 400, reason: 'bare-cr' },
  { status: 400, reason: 'bare-lf' },
  { status: 400, reason: 'empty-field-name' },
  { status: 400, reason: 'bad-field-name' },
  { status: 400, reason: 'space-in-field-name' },
  { status: 400, reason: 'line-folding' },
  { status: 400, reason: 'bad-field-value' },
  { status: 431, reason: 'head-too-large' },
  { status: 431, reason: 'too-many-fields' },
  { status: 400, reason: 'missing-host' },
  { status: 400, reason: 'duplicate-host' },
  { status: 400, reason: 'bad-host' },
  { status: 400, reason: 'host-differs-from-target' },
  { status: 400, reason: 'bad-content-length' },
  { status: 400, reason: 'duplicate-content-length' },
  { status: 400, reason: 'content-length-with-transfer-encoding' },
  { status: 400, reason: 'bad-transfer-encoding' },
  { status: 501, reason: 'unknown-transfer-encoding' },
  { status: 400, reason: 'transfer-encoding-on-http-1.0' },
  { status: 400, reason: 'bad-connection' },
  { status: 400, reason: 'bad-chunk-size' },
  { status: 400, reason: 'bad-chunk-extension' },
  { status: 400, reason: 'chunk-overhead' },
  { status: 400, reason: 'bad-chunk-end' },
  { status: 400, reason: 'bad-trailer' },
  { status: 431, reason: 'trailers-too-large' },
];

/** @param code one of the negative numbers above */
export function refusalOf(code: number): Refusal {
  return refusals[-code] ?? (refusals[0] as Refusal);
}
