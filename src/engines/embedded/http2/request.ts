// A request of HTTP/2 as an exchange reads it: the field list that nghttp2 decoded and checked, with its pseudo-header
// fields turned into method, authority and target; or why it is refused.
import { lengthAt } from '../http1/values.ts';
import { countsHops, forwarded, maxForwards } from '../hops.ts';
import type { Limits } from '../options.ts';
import type { IncomingRequest } from '../sides.ts';
import { UNKNOWN_LENGTH } from '../sides.ts';
import { isFramingField, isHost, isTarget } from './fields.ts';

export interface Refused {
  readonly status: 200 | 400 | 414 | 417 | 431 | 501;
  /** As http1/refusals.ts names them. */
  readonly reason: string;
}

/** Of every request: method, scheme, authority, path. */
export const PSEUDO_FIELDS = 4;

export class Http2Request implements IncomingRequest {
  readonly version = '2';
  method = '';
  authority = '';
  target = '';
  length: number = UNKNOWN_LENGTH;
  acceptsTrailers = false;
  readonly upgrade = '';
  expectsContinue = false;
  /** Octets of the field list. */
  size = 0;
  readonly #raw: readonly string[];
  /** Where the first field that is no pseudo-header field stands; nghttp2 made sure that none follows. */
  #from = 0;

  constructor(raw: readonly string[]) {
    this.#raw = raw;
  }

  /**
   * nghttp2 holds clients to SETTINGS_MAX_HEADER_LIST_SIZE once they have acknowledged it; others are held to the limits here.
   * @param ended no body follows
   */
  read(ended: boolean, limits: Pick<Limits, 'headBytes' | 'headFields' | 'targetBytes'>): Refused | undefined {
    const raw = this.#raw;
    if (raw.length / 2 > limits.headFields + PSEUDO_FIELDS) return { status: 431, reason: 'too-many-fields' };
    let size = 0;
    for (let k = 0; k < raw.length; k++) size += (raw[k] as string).length + 2;
    this.size = size;
    if (size > limits.headBytes) return { status: 431, reason: 'head-too-large' };
    let i = 0;
    for (; i < raw.length && (raw[i] as string).charCodeAt(0) === 0x3a; i += 2) {
      const value = raw[i + 1] as string;
      if (raw[i] === ':method') this.method = value;
      else if (raw[i] === ':authority') this.authority = value;
      else if (raw[i] === ':path') this.target = value;
    }
    this.#from = i;
    let host: string | undefined;
    let hosts = 0;
    let expectation: string | undefined;
    for (; i < raw.length; i += 2) {
      const value = raw[i + 1] as string;
      switch (raw[i]) {
        case 'host':
          host = value;
          hosts++;
          break;
        case 'content-length':
          this.length = lengthOf(value);
          if (this.length < 0) return { status: 400, reason: 'bad-content-length' };
          break;
        case 'te':
          if (value.toLowerCase() === 'trailers') this.acceptsTrailers = true;
          break;
        case 'expect':
          expectation = expectation === undefined ? value.toLowerCase() : 'several';
          break;
        default:
      }
    }
    if (ended) this.length = 0;
    if (this.method === 'CONNECT') return { status: 501, reason: 'connect' };
    if (hosts > 1) return { status: 400, reason: 'duplicate-host' };
    // RFC 9113 section 8.3.1: a Host that differs from :authority makes the request malformed.
    if (host !== undefined && this.authority === '') this.authority = host;
    else if (host !== undefined && host.toLowerCase() !== this.authority.toLowerCase()) {
      return { status: 400, reason: 'host-differs-from-target' };
    }
    if (this.authority === '') return { status: 400, reason: 'missing-host' };
    if (!isHost(this.authority)) return { status: 400, reason: 'bad-host' };
    if (this.target.length > limits.targetBytes) return { status: 414, reason: 'target-too-long' };
    if (!isTarget(this.target, this.method)) return { status: 400, reason: 'bad-target' };
    if (expectation !== undefined && expectation !== '100-continue')
      return { status: 417, reason: 'unknown-expectation' };
    this.expectsContinue = expectation !== undefined;
    if (countsHops(this.method) && maxForwards(this.field('max-forwards')) === 0)
      return { status: this.method === 'OPTIONS' ? 200 : 501, reason: 'max-forwards' };
    return undefined;
  }

  field(name: string): string | undefined {
    const raw = this.#raw;
    let joined: string | undefined;
    for (let i = this.#from; i < raw.length; i += 2) {
      if (raw[i] !== name) continue;
      const value = raw[i + 1] as string;
      joined = joined === undefined ? value : `${joined}${name === 'cookie' ? '; ' : ', '}${value}`;
    }
    return joined;
  }

  rewritten(): undefined {
    return undefined;
  }

  fields(): string[] {
    const raw = this.#raw;
    const list: string[] = [];
    let cookieAt = -1;
    for (let i = this.#from; i < raw.length; i += 2) {
      const name = raw[i] as string;
      const value = raw[i + 1] as string;
      if (name === 'host' || isFramingField(name)) continue;
      // RFC 9113 section 8.2.3: crumbs are one field outside of HTTP/2.
      if (name === 'cookie' && cookieAt >= 0) list[cookieAt] = `${list[cookieAt] as string}; ${value}`;
      else {
        if (name === 'cookie') cookieAt = list.length + 1;
        list.push(name, value);
      }
    }
    return forwarded(this.method, list);
  }
}

function lengthOf(value: string): number {
  const octets = Buffer.from(value, 'latin1');
  return lengthAt(octets, 0, octets.length);
}
