// A request of HTTP/1 as an exchange reads it: the octets of its head as one string, and the parser's spans. One object per
// connection; the spans are the parser's and hold until the exchange has begun.
import { countsHops, forwarded, maxForwards } from '../hops.ts';
import type { HeadEdit, IncomingRequest } from '../sides.ts';
import { UNKNOWN_LENGTH } from '../sides.ts';
import {
  CONTENT_LENGTH,
  EXPECT,
  fieldNames,
  FORWARDED,
  HOST,
  TRANSFER_ENCODING,
  UPGRADE,
  X_FORWARDED_FOR,
  X_FORWARDED_HOST,
  X_FORWARDED_PORT,
  X_FORWARDED_PROTO,
} from './fields.ts';
import { FIELD_ID, NAME_END, STRIDE, VALUE_END, VALUE_START } from './lines.ts';
import {
  ABSOLUTE_FORM,
  CHUNKED,
  CONNECT,
  EXPECT_CONTINUE,
  type Head,
  METHOD_OTHER,
  methodNames,
  NO_BODY,
  OPTIONS,
} from './parser.ts';

/** What forwarding writes anew; and what it leaves out when it does not trust the client. */
const replaced: readonly number[] = [X_FORWARDED_FOR, X_FORWARDED_PROTO, X_FORWARDED_HOST];
const REPLACED: number = (1 << X_FORWARDED_FOR) | (1 << X_FORWARDED_PROTO) | (1 << X_FORWARDED_HOST);
const UNTRUSTED: number = (1 << X_FORWARDED_PORT) | (1 << FORWARDED);

/** Of the names that the parser recognises it is known without a search when they are absent. */
const ids: ReadonlyMap<string, number> = new Map(fieldNames.map((name, id) => [name, id] as const).slice(1));

export class Http1Request implements IncomingRequest {
  version: '1.0' | '1.1' = '1.1';
  method = '';
  authority = '';
  target = '';
  length = 0;
  acceptsTrailers = false;
  upgrade = '';
  expectsContinue = false;
  /** Not to be forwarded: it has passed as many intermediaries as it may. */
  spent = false;
  #text = '';
  #head: Head;
  #buf: Buffer;

  constructor(head: Head) {
    this.#head = head;
    this.#buf = nothing;
  }

  /** Takes over what was parsed. `head.base` is where the octets of the head begin in `buf`. */
  read(head: Head, buf: Buffer): void {
    const text = buf.toString('latin1', head.base, head.base + head.size);
    this.#text = text;
    this.#head = head;
    this.#buf = buf;
    this.version = head.minor === 0 ? '1.0' : '1.1';
    this.method =
      head.method === METHOD_OTHER
        ? text.slice(head.methodStart, head.methodEnd)
        : (methodNames[head.method] as string);
    this.authority = text.slice(head.hostStart, head.hostEnd);
    this.target = head.form === ABSOLUTE_FORM ? this.#originForm(head) : text.slice(head.targetStart, head.targetEnd);
    this.length = head.framing === NO_BODY ? 0 : head.framing === CHUNKED ? UNKNOWN_LENGTH : head.length;
    this.acceptsTrailers = head.acceptsTrailers;
    this.upgrade = head.upgrade && this.length === 0 && head.method !== CONNECT ? this.#upgradeOf(head) : '';
    this.expectsContinue = head.expect === EXPECT_CONTINUE;
    this.spent = countsHops(this.method) && maxForwards(this.field('max-forwards')) === 0;
  }

  field(name: string): string | undefined {
    const id = ids.get(name);
    if (id !== undefined && (this.#head.seen & (1 << id)) === 0) return undefined;
    const { fields } = this.#head;
    const text = this.#text;
    let line = this.#head.find(this.#buf, name);
    if (line < 0) return undefined;
    let value = text.slice(fields[line * STRIDE + VALUE_START], fields[line * STRIDE + VALUE_END]);
    while ((line = this.#head.find(this.#buf, name, line + 1)) >= 0) {
      const next = text.slice(fields[line * STRIDE + VALUE_START], fields[line * STRIDE + VALUE_END]);
      value += (name === 'cookie' ? '; ' : ', ') + next;
    }
    return value;
  }

  fields(): string[] {
    const head = this.#head;
    const { fields, cut, count } = head;
    const text = this.#text;
    const list: string[] = [];
    for (let i = 0; i < count; i++) {
      const k = i * STRIDE;
      const id = fields[k + FIELD_ID] as number;
      if (cut[i] !== 0 || id === HOST || id === CONTENT_LENGTH || id === TRANSFER_ENCODING) continue;
      const name = text.slice(fields[k], fields[k + NAME_END]);
      list.push(name, text.slice(fields[k + VALUE_START], fields[k + VALUE_END]));
    }
    return forwarded(this.method, list);
  }

  rewritten(edit: HeadEdit): string {
    const head = this.#head;
    const text = this.#text;
    for (let i = 0; i < edit.dropped.length; i++) cutField(head, this.#buf, edit.dropped[i] as string);
    if ((head.seen & REPLACED) !== 0) for (let i = 0; i < replaced.length; i++) head.cutAll(replaced[i] as number);
    if (!edit.trusted && (head.seen & UNTRUSTED) !== 0) {
      head.cutAll(X_FORWARDED_PORT);
      head.cutAll(FORWARDED);
    }
    let { added } = edit;
    // Of an HTTP/1.0 request; or of one that goes to another host.
    if (edit.authority !== this.authority || (head.seen & (1 << HOST)) === 0) {
      head.cutAll(HOST);
      added += `Host: ${edit.authority}\r\n`;
    }
    if (this.upgrade !== '') added += `Connection: Upgrade\r\nUpgrade: ${this.upgrade}\r\n`;
    if (this.expectsContinue && head.minor === 0) head.cutAll(EXPECT);
    if (countsHops(this.method)) added += this.#hopsLine(head);
    if (head.odd) added += head.reframed(head.length);
    const same = edit.path === this.target && head.form !== ABSOLUTE_FORM && head.minor === 1;
    const pairs = head.kept();
    const { runs } = head;
    let from = 0;
    let out = '';
    if (same && pairs > 0 && runs[0] === head.fieldsStart) {
      out = text.slice(head.methodStart, runs[1]);
      from = 1;
    } else {
      out = same ? text.slice(head.methodStart, head.fieldsStart) : `${this.method} ${edit.path} HTTP/1.1\r\n`;
    }
    for (let i = from; i < pairs; i++) out += text.slice(runs[i * 2], runs[i * 2 + 1]);
    return `${out}${added}\r\n`;
  }

  #hopsLine(head: Head): string {
    const left = maxForwards(this.field('max-forwards'));
    if (left === undefined) return '';
    cutField(head, this.#buf, 'max-forwards');
    return `Max-Forwards: ${Math.max(0, left - 1)}\r\n`;
  }

  /** RFC 9112 section 3.2.2 and 3.2.4: without its authority; without a path it is `/`, or `*` for OPTIONS. */
  #originForm(head: Head): string {
    const path = this.#text.slice(head.pathStart, head.targetEnd);
    if (path.startsWith('/')) return path;
    return path === '' && head.method === OPTIONS ? '*' : `/${path}`;
  }

  /** What Upgrade asks for. `h2c` is ignored (RFC 9113 section 3.1 withdrew it), alone or among others. */
  #upgradeOf(head: Head): string {
    const k = head.line(UPGRADE) * STRIDE;
    const value = this.#text.slice(head.fields[k + VALUE_START], head.fields[k + VALUE_END]);
    return value.toLowerCase().includes('h2c') || head.line(UPGRADE, head.line(UPGRADE) + 1) >= 0 ? '' : value;
  }
}

const nothing: Buffer = Buffer.alloc(0);

/** Marks every line of that name, in lower case, as not to be forwarded. */
export function cutField(head: Head, buf: Buffer, name: string): void {
  for (let line = head.find(buf, name); line >= 0; line = head.find(buf, name, line + 1)) head.cut[line] = 1;
}
