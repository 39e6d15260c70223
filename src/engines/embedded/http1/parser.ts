// Octets of a request or response head -> spans of its parts, how its body is framed, and which lines must not be
// forwarded; in the strict sense of RFC 9112, resumable at any octet, without allocating. Bodies are body.ts; what a
// method, a target or a status means is the caller's.
import * as field from './fields.ts';
import { FIELD_ID, FieldLines, NAME_END, STRIDE, VALUE_END, VALUE_START } from './lines.ts';
import * as octet from './octets.ts';
import * as refusal from './refusals.ts';
import * as value from './values.ts';

// V8 folds constants of this module but not imported ones: what the loops over octets use is made local.
const { CR, LF, SP, TAB, COLON, COMMA, token, fieldValue, targetPath, targetQuery } = octet;
const stride: number = STRIDE;
const nameEnd: number = NAME_END;
const valueStart: number = VALUE_START;
const valueEnd: number = VALUE_END;
const fieldId: number = FIELD_ID;

export interface HeadLimits {
  /** Octets of the whole head, with its last empty line. */
  readonly bytes: number;
  readonly fields: number;
  /** Octets of the request target. */
  readonly target: number;
}

export const defaultHeadLimits: HeadLimits = { bytes: 65_536, fields: 128, target: 16_384 };

const METHOD_LIMIT = 64;
const CONNECTION_OPTIONS_LIMIT = 64;

export const METHOD_OTHER = 0;
export const GET = 1;
export const HEAD = 2;
export const POST = 3;
export const PUT = 4;
export const DELETE = 5;
export const CONNECT = 6;
export const OPTIONS = 7;
export const TRACE = 8;
export const PATCH = 9;
/** Method by number. */
export const methodNames: readonly string[] = [
  '',
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'CONNECT',
  'OPTIONS',
  'TRACE',
  'PATCH',
];

/** Forms of a target, RFC 9112 section 3.2. */
export const ORIGIN_FORM = 0;
export const ABSOLUTE_FORM = 1;
export const ASTERISK_FORM = 2;
export const AUTHORITY_FORM = 3;

/** How the body is framed. */
export const NO_BODY = 0;
export const FIXED_LENGTH = 1;
export const CHUNKED = 2;
export const UNTIL_CLOSE = 3;

/** `Expect`: absent, `100-continue`, or something that must be answered with 417. */
export const EXPECT_NOTHING = 0;
export const EXPECT_CONTINUE = 1;
export const EXPECT_UNKNOWN = 2;

const FRESH = 0;
const METHOD = 1;
const PATH = 2;
const QUERY = 3;
const VERSION = 4;
const STATUS = 5;
const REASON = 6;
const LINE = 7;
const NAME = 8;
const BEFORE_VALUE = 9;
const VALUE = 10;

const SUSPENDED = -1000;
/**
 * One head, reused from message to message. Its lines are FieldLines. All offsets are relative to `base`, the first octet given
 * to `parse`, so the octets may move between two calls.
 */
export class Head extends FieldLines {
  readonly request: boolean;
  readonly limits: HeadLimits;
  /** Minor version: 0 or 1. */
  minor = 1;
  method: number = METHOD_OTHER;
  methodStart = 0;
  methodEnd = 0;
  targetStart = 0;
  targetEnd = 0;
  form: number = ORIGIN_FORM;
  /** Path without query. Empty in an absolute-form target that has none, which means `/` (with OPTIONS: `*`). */
  pathStart = 0;
  pathEnd = 0;
  /** Host and port: of the Host field, or of an absolute-form target on HTTP/1.0 without one. Empty: HTTP/1.0 without. */
  hostStart = 0;
  hostEnd = 0;
  status = 0;
  /** Equal to reasonEnd if there is none; -1 if even the space before it was missing, so that the line must be rewritten. */
  reasonStart = 0;
  reasonEnd = 0;
  fieldsStart = 0;
  /** Value of Content-Length, -1 without. */
  length = -1;
  chunked = false;
  /** Framing of a request's body. Of a response's: see `responseFraming`. */
  framing: number = NO_BODY;
  /** What the message says about its connection, its version considered. */
  keepAlive = true;
  /** An Upgrade field that Connection names too, on HTTP/1.1. */
  upgrade = false;
  /** `TE: trailers`. */
  acceptsTrailers = false;
  expect: number = EXPECT_NOTHING;

  #phase = FRESH;
  /** Relative to base. */
  #at = 0;
  #options = 0;
  #nominations = false;
  #close = false;
  #persist = false;
  #wantsUpgrade = false;

  constructor(kind: 'request' | 'response', limits: HeadLimits = defaultHeadLimits) {
    super();
    this.request = kind === 'request';
    this.limits = limits;
  }

  /**
   * Parses `buf[base..end)`. After INCOMPLETE call again with the same octets, and more behind them, at any base; octets
   * already seen are not looked at again. Any other result ends the message and the next call begins a new one.
   * @returns DONE, INCOMPLETE, or the number of a refusal
   */
  parse(buf: Uint8Array, base: number, end: number): number {
    if (this.#phase === FRESH) this.#begin();
    this.base = base;
    const ceiling = base + this.limits.bytes;
    const limit = end < ceiling ? end : ceiling;
    let result: number = base + this.#at;
    if (this.#phase < LINE) result = this.request ? this.#requestLine(buf, limit) : this.#statusLine(buf, limit);
    if (result >= 0) result = this.#lines(buf, result, limit);
    if (result >= 0) {
      this.size = result - base;
      result = this.#conclude(buf);
    } else if (result === SUSPENDED) {
      if (limit < ceiling) return refusal.INCOMPLETE;
      result = refusal.HEAD_TOO_LARGE;
    }
    this.#phase = FRESH;
    return result;
  }

  /** Forgets a head that was begun. */
  reset(): void {
    this.#phase = FRESH;
  }

  /** True between INCOMPLETE and the next result. */
  get begun(): boolean {
    return this.#phase !== FRESH;
  }

  /** RFC 9112 section 6.3, for a response. @param toHead the request's method was HEAD */
  responseFraming(toHead: boolean): number {
    if (toHead || this.status < 200 || this.status === 204 || this.status === 304) return NO_BODY;
    if (this.chunked) return CHUNKED;
    return this.length >= 0 ? FIXED_LENGTH : UNTIL_CLOSE;
  }

  #begin(): void {
    this.#at = 0;
    this.#options = 0;
    this.#phase = this.request ? METHOD : STATUS;
    this.methodStart = this.methodEnd = this.targetStart = this.hostStart = this.hostEnd = 0;
    this.count = this.seen = 0;
    this.length = -1;
    this.form = ORIGIN_FORM;
    this.expect = EXPECT_NOTHING;
    this.chunked = this.odd = this.upgrade = this.acceptsTrailers = false;
    this.#nominations = this.#close = this.#persist = this.#wantsUpgrade = false;
  }

  #suspend(phase: number, at: number): number {
    this.#phase = phase;
    this.#at = at - this.base;
    return SUSPENDED;
  }

  #requestLine(buf: Uint8Array, limit: number): number {
    const base = this.base;
    let i = base + this.#at;
    if (this.#phase === METHOD) {
      // RFC 9112 section 2.2: one empty line before a request is passed over.
      if (i === base && i < limit && buf[i] === CR) {
        if (i + 1 >= limit) return this.#suspend(METHOD, i);
        if (buf[i + 1] !== LF) return refusal.BARE_CR;
        i += 2;
        this.methodStart = 2;
      }
      while (i < limit && token[buf[i] as number] !== 0) i++;
      if (i - base - this.methodStart > METHOD_LIMIT) return refusal.METHOD_TOO_LONG;
      if (i >= limit) return this.#suspend(METHOD, i);
      this.methodEnd = i - base;
      if (this.methodEnd === this.methodStart || buf[i] !== SP) return refusal.BAD_METHOD;
      this.method = value.methodAt(buf, base + this.methodStart, i);
      this.targetStart = ++i - base;
      this.#phase = PATH;
    }
    if (this.#phase < VERSION) {
      i = this.#target(buf, i, limit);
      if (i < 0) return i;
    }
    if (limit - i < 10) return this.#suspend(VERSION, i);
    const minor = value.versionAt(buf, i);
    if (minor < 0) return minor;
    if (buf[i + 8] !== CR) return buf[i + 8] === LF ? refusal.BARE_LF : refusal.BAD_VERSION;
    if (buf[i + 9] !== LF) return refusal.BARE_CR;
    this.minor = minor;
    this.#phase = LINE;
    this.fieldsStart = i + 10 - base;
    return i + 10;
  }

  /** Returns the position after the space behind the target. */
  #target(buf: Uint8Array, from: number, limit: number): number {
    const longest = this.base + this.targetStart + this.limits.target;
    const stop = limit <= longest ? limit : longest + 1;
    let i = from;
    if (this.#phase === PATH) {
      while (i < stop && targetPath[buf[i] as number] !== 0) i++;
      this.pathEnd = i - this.base;
      if (i < stop && buf[i] === 0x3f) {
        i++;
        this.#phase = QUERY;
      }
    }
    if (this.#phase === QUERY) while (i < stop && targetQuery[buf[i] as number] !== 0) i++;
    if (i > longest) return refusal.TARGET_TOO_LONG;
    if (i >= limit) return this.#suspend(this.#phase, i);
    const c = buf[i] as number;
    if (c === CR || c === LF) return refusal.NO_VERSION;
    if (c === 0x23) return refusal.FRAGMENT;
    this.targetEnd = i - this.base;
    if (c !== SP || this.targetEnd === this.targetStart || !this.#targetForm(buf)) return refusal.BAD_TARGET;
    this.#phase = VERSION;
    return i + 1;
  }

  /** RFC 9112 section 3.2: which form the target has; false if it has none, or one that does not go with the method. */
  #targetForm(buf: Uint8Array): boolean {
    const start = this.base + this.targetStart;
    const end = this.base + this.targetEnd;
    this.pathStart = this.targetStart;
    if (this.method === CONNECT) {
      this.form = AUTHORITY_FORM;
      return octet.isAuthority(buf, start, end);
    }
    if (buf[start] === 0x2f) return true;
    if (buf[start] === 0x2a && end === start + 1) {
      this.form = ASTERISK_FORM;
      return this.method === OPTIONS;
    }
    const tls = octet.equalsIgnoringCase(buf, start, start + 8, 'https://');
    if (!tls && !octet.equalsIgnoringCase(buf, start, start + 7, 'http://')) return false;
    this.form = ABSOLUTE_FORM;
    const from = start + (tls ? 8 : 7);
    let to = from;
    while (to < this.base + this.pathEnd && buf[to] !== 0x2f) to++;
    this.pathStart = to - this.base;
    if (!octet.isAuthority(buf, from, to)) return false;
    this.hostStart = from - this.base;
    this.hostEnd = to - this.base;
    return true;
  }

  #statusLine(buf: Uint8Array, limit: number): number {
    let i = this.base + this.#at;
    if (this.#phase === STATUS) {
      if (limit - i < 13) return this.#suspend(STATUS, i);
      const minor = value.versionAt(buf, i);
      if (minor < 0) return minor;
      const hundreds = (buf[i + 9] as number) - 0x30;
      const tens = (buf[i + 10] as number) - 0x30;
      const ones = (buf[i + 11] as number) - 0x30;
      // RFC 9110 section 15: 100 to 599.
      const digits = hundreds >= 1 && hundreds <= 5 && tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9;
      if (buf[i + 8] !== SP || !digits) return refusal.BAD_STATUS;
      this.minor = minor;
      this.status = hundreds * 100 + tens * 10 + ones;
      i += 12;
      // The space is required even before an empty reason; servers that leave it out are common and do no harm.
      this.reasonStart = buf[i] === SP ? 13 : -1;
      if (buf[i] === SP) i++;
      else if (buf[i] !== CR && buf[i] !== LF) return refusal.BAD_STATUS;
      this.#phase = REASON;
    }
    while (i < limit && fieldValue[buf[i] as number] !== 0) i++;
    if (i + 1 >= limit && (i >= limit || buf[i] === CR)) return this.#suspend(REASON, i);
    if (buf[i] !== CR) return buf[i] === LF ? refusal.BARE_LF : refusal.BAD_VALUE;
    if (buf[i + 1] !== LF) return refusal.BARE_CR;
    this.reasonEnd = this.reasonStart < 0 ? -1 : i - this.base;
    this.#phase = LINE;
    this.fieldsStart = i + 2 - this.base;
    return i + 2;
  }

  /** The field lines and the empty line; returns the position behind them. */
  #lines(buf: Uint8Array, from: number, limit: number): number {
    const base = this.base;
    let i = from;
    let phase = this.#phase;
    let { count, fields } = this;
    let k = count * stride;
    for (;;) {
      if (phase === LINE) {
        if (i >= limit) break;
        const c = buf[i] as number;
        if (c === CR) {
          if (i + 1 >= limit) break;
          this.count = count;
          return buf[i + 1] === LF ? i + 2 : refusal.BARE_CR;
        }
        if (token[c] === 0) return value.lineRefusal(c);
        if (count >= this.limits.fields) return refusal.TOO_MANY_FIELDS;
        if (k === fields.length) {
          this.grow();
          fields = this.fields;
        }
        fields[k] = i - base;
        phase = NAME;
      }
      if (phase === NAME) {
        while (i < limit && token[buf[i] as number] !== 0) i++;
        if (i >= limit) break;
        if (buf[i] !== COLON) return buf[i] === SP || buf[i] === TAB ? refusal.SPACE_IN_NAME : refusal.BAD_NAME;
        fields[k + nameEnd] = i - base;
        fields[k + fieldId] = field.fieldIdOf(buf, base + (fields[k] as number), i);
        i++;
        phase = BEFORE_VALUE;
      }
      if (phase === BEFORE_VALUE) {
        while (i < limit && (buf[i] === SP || buf[i] === TAB)) i++;
        if (i >= limit) break;
        fields[k + valueStart] = i - base;
        phase = VALUE;
      }
      while (i < limit && fieldValue[buf[i] as number] !== 0) i++;
      if (i >= limit) break;
      if (buf[i] !== CR) return buf[i] === LF ? refusal.BARE_LF : refusal.BAD_VALUE;
      if (i + 1 >= limit) break;
      if (buf[i + 1] !== LF) return refusal.BARE_CR;
      const first = fields[k + valueStart] as number;
      let last = i - base;
      while (last > first && (buf[base + last - 1] === SP || buf[base + last - 1] === TAB)) last--;
      fields[k + valueEnd] = last;
      this.cut[count++] = 0;
      i += 2;
      phase = LINE;
      const id = fields[k + fieldId] as number;
      k += stride;
      if (id === 0) continue;
      this.count = count;
      const refused = this.#recognise(buf, id, base + first, base + last);
      if (refused < 0) return refused;
    }
    this.count = count;
    return this.#suspend(phase, i);
  }

  /** A field that concerns the connection or the framing. */
  #recognise(buf: Uint8Array, id: number, start: number, end: number): number {
    const again = (this.seen & (1 << id)) !== 0;
    this.seen |= 1 << id;
    switch (id) {
      case field.HOST:
        if (!this.request) return 0;
        if (again) return refusal.DUPLICATE_HOST;
        if (!octet.isAuthority(buf, start, end)) return refusal.BAD_HOST;
        if (this.form === ABSOLUTE_FORM && !value.authorityAgrees(buf, start, end, this.base + this.hostStart))
          return refusal.HOST_MISMATCH;
        this.hostStart = start - this.base;
        this.hostEnd = end - this.base;
        return 0;
      case field.CONTENT_LENGTH:
        if (again) return refusal.DUPLICATE_CONTENT_LENGTH;
        this.length = value.lengthAt(buf, start, end);
        this.checkSpelling(buf, end - start > 1 && buf[start] === 0x30);
        return this.length < 0 ? refusal.BAD_CONTENT_LENGTH : 0;
      case field.TRANSFER_ENCODING:
        if (again) return refusal.BAD_TRANSFER_ENCODING;
        this.chunked = octet.equalsIgnoringCase(buf, start, end, 'chunked');
        this.checkSpelling(buf, false);
        return this.chunked ? 0 : value.encodingRefusal(buf, start, end);
      case field.CONNECTION:
        this.cut[this.count - 1] = 1;
        return this.#connection(buf, start, end);
      case field.TE:
        this.cut[this.count - 1] = 1;
        if (octet.equalsIgnoringCase(buf, start, end, 'trailers')) this.acceptsTrailers = true;
        return 0;
      case field.UPGRADE:
      case field.KEEP_ALIVE:
      case field.PROXY_CONNECTION:
      case field.HTTP2_SETTINGS:
        this.cut[this.count - 1] = 1;
        return 0;
      case field.EXPECT: {
        const known = octet.equalsIgnoringCase(buf, start, end, '100-continue');
        this.expect = known && this.expect !== EXPECT_UNKNOWN ? EXPECT_CONTINUE : EXPECT_UNKNOWN;
        return 0;
      }
      default:
        return 0;
    }
  }

  /** RFC 9110 section 7.6.1: close, keep-alive, upgrade, and names of fields that are for the next hop only. */
  #connection(buf: Uint8Array, start: number, end: number): number {
    let i = start;
    while (i < end) {
      while (i < end && (buf[i] === SP || buf[i] === TAB || buf[i] === COMMA)) i++;
      const from = i;
      while (i < end && token[buf[i] as number] !== 0) i++;
      if (i === from) {
        if (i < end) return refusal.BAD_CONNECTION;
        break;
      }
      if (++this.#options > CONNECTION_OPTIONS_LIMIT) return refusal.BAD_CONNECTION;
      if (octet.equalsIgnoringCase(buf, from, i, 'close')) this.#close = true;
      else if (octet.equalsIgnoringCase(buf, from, i, 'keep-alive')) this.#persist = true;
      else if (octet.equalsIgnoringCase(buf, from, i, 'upgrade')) this.#wantsUpgrade = true;
      else this.#nominations = true;
      while (i < end && (buf[i] === SP || buf[i] === TAB)) i++;
      if (i < end && buf[i] !== COMMA) return refusal.BAD_CONNECTION;
    }
    return 0;
  }

  /** What only the whole head shows. */
  #conclude(buf: Uint8Array): number {
    if (this.chunked && this.length >= 0) return refusal.LENGTH_AND_ENCODING;
    if (this.chunked && this.minor === 0) return refusal.ENCODING_ON_1_0;
    if (this.#nominations) this.cutNominated(buf);
    this.keepAlive = !this.#close && (this.minor === 1 || this.#persist);
    if (this.request) {
      if (this.minor === 1 && (this.seen & (1 << field.HOST)) === 0) return refusal.MISSING_HOST;
      if (this.minor === 0) this.expect = EXPECT_NOTHING;
      this.framing = this.chunked ? CHUNKED : this.length >= 0 ? FIXED_LENGTH : NO_BODY;
    } else {
      // RFC 9112 section 6.3: no body whatever they say, and RFC 9110 section 8.6: they may not say it.
      if (this.status < 200 || this.status === 204) this.cutAll(field.CONTENT_LENGTH);
      if (this.status < 200 || this.status === 204 || this.status === 304) this.cutAll(field.TRANSFER_ENCODING);
    }
    this.upgrade = this.#wantsUpgrade && this.minor === 1 && (this.seen & (1 << field.UPGRADE)) !== 0;
    return refusal.DONE;
  }
}
