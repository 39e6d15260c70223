// A fast reader for YAML as manifests are usually written: block mappings and sequences of single-line scalars. It gives
// up (undefined) on anything else, valid or not, and the caller then asks the complete parser; so it must never read a
// text differently from that one, which a property test shows. It takes a fortieth of the time: 10,000 routes.
import { resolvePlain } from './plain-scalar.ts';

/** The value of one document without its `---` line, or undefined when the text needs the complete parser. */
export function readBlockYaml(text: string): { readonly value: unknown } | undefined {
  const reader = new Reader(text);
  try {
    return { value: reader.document() };
  } catch (error) {
    if (error === beyond) return undefined;
    throw error;
  }
}

/** Thrown, without a stack, where the text leaves the subset. */
const beyond: unique symbol = Symbol('beyond the subset');
const deepest = 64;

type Mutable = Record<string, unknown>;

const SPACE = 32;
const HASH = 35;
const DASH = 45;
const COLON = 58;
const RETURN = 13;

class Reader {
  readonly #text: string;
  /** The line being read: its column of content, where that content starts and ends. */
  #indent = 0;
  #at = 0;
  #end = 0;
  #next = 0;
  #done = false;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): unknown {
    this.#advance();
    if (this.#done) return null;
    const value = this.#block(this.#indent);
    if (!this.#done) throw beyond;
    return value;
  }

  /** To the next line that holds more than space and comment. */
  #advance(): void {
    const text = this.#text;
    for (;;) {
      const start = this.#next;
      if (start >= text.length) {
        this.#done = true;
        this.#indent = -1;
        return;
      }
      let end = text.indexOf('\n', start);
      if (end < 0) end = text.length;
      else if (end > start && text.charCodeAt(end - 1) === RETURN) end--;
      this.#next = end + (text.charCodeAt(end) === RETURN ? 2 : 1);
      let at = start;
      while (at < end && text.charCodeAt(at) === SPACE) at++;
      if (at === end || text.charCodeAt(at) === HASH) {
        if (at < end) this.#printable(at, end);
        continue;
      }
      this.#indent = at - start;
      this.#at = at;
      this.#end = end;
      return;
    }
  }

  #block(indent: number): unknown {
    if (++this.#depth > deepest) throw beyond;
    const value = this.#atDash() ? this.#sequence(indent) : this.#mapping(indent);
    this.#depth--;
    return value;
  }

  #atDash(): boolean {
    return this.#text.charCodeAt(this.#at) === DASH && this.#spaceOrEnd(this.#at + 1);
  }

  #spaceOrEnd(at: number): boolean {
    return at >= this.#end || this.#text.charCodeAt(at) === SPACE;
  }

  #mapping(indent: number): Mutable {
    const value: Mutable = {};
    while (!this.#done && this.#indent === indent) {
      const colon = this.#keyEnd(this.#at);
      if (colon < 0) throw beyond;
      const key = this.#text.slice(this.#at, colon);
      // Keys that are not text (on, 80) and repeated ones are for the complete parser.
      if (typeof resolvePlain(key) !== 'string' || key === '__proto__' || Object.hasOwn(value, key)) throw beyond;
      const content = this.#skipSpace(colon + 1);
      value[key] = content < 0 ? this.#nested(indent, true) : this.#inline(content, indent);
    }
    if (!this.#done && this.#indent > indent) throw beyond;
    return value;
  }

  #sequence(indent: number): unknown[] {
    const value: unknown[] = [];
    while (!this.#done && this.#indent === indent && this.#atDash()) {
      const content = this.#skipSpace(this.#at + 1);
      if (content < 0) {
        value.push(this.#nested(indent, false));
        continue;
      }
      const column = indent + content - this.#at;
      const dash = this.#text.charCodeAt(content) === DASH && this.#spaceOrEnd(content + 1);
      if (dash || this.#keyEnd(content) >= 0) {
        this.#indent = column;
        this.#at = content;
        value.push(this.#block(column));
      } else {
        value.push(this.#inline(content, indent));
      }
    }
    if (!this.#done && this.#indent > indent) throw beyond;
    return value;
  }

  /** What stands on the lines below a key or dash. A sequence may stand at the column of its key. */
  #nested(indent: number, ofKey: boolean): unknown {
    this.#advance();
    if (this.#done) return null;
    if (this.#indent > indent) return this.#block(this.#indent);
    return ofKey && this.#indent === indent && this.#atDash() ? this.#sequence(indent) : null;
  }

  /** A scalar that ends on its line, and then the next line, which must not continue it. */
  #inline(content: number, indent: number): unknown {
    const value = this.#scalar(content);
    this.#advance();
    if (this.#indent > indent) throw beyond;
    return value;
  }

  /** The position of the colon when a plain key of the subset stands here, else -1. */
  #keyEnd(from: number): number {
    const text = this.#text;
    let at = from;
    while (at < this.#end && isKeyCharacter(text.charCodeAt(at))) at++;
    if (at === from || at >= this.#end || text.charCodeAt(at) !== COLON || !this.#spaceOrEnd(at + 1)) return -1;
    return text.charCodeAt(from) === DASH ? -1 : at;
  }

  /** Where the content after a key or dash begins; -1 when there is none but perhaps a comment. */
  #skipSpace(from: number): number {
    let at = from;
    while (at < this.#end && this.#text.charCodeAt(at) === SPACE) at++;
    if (at === this.#end) return -1;
    if (this.#text.charCodeAt(at) !== HASH) return at;
    this.#printable(at, this.#end);
    return -1;
  }

  #scalar(at: number): unknown {
    switch (this.#text[at] ?? '') {
      case '"':
      case "'": {
        const [value, end] = this.#quoted(at);
        if (this.#skipSpace(end) >= 0 || (end < this.#end && this.#text.charCodeAt(end) !== SPACE)) throw beyond;
        return value;
      }
      case '[':
      case '{': {
        const [value, end] = this.#flow(at);
        if (this.#skipSpace(end) >= 0 || (end < this.#end && this.#text.charCodeAt(end) !== SPACE)) throw beyond;
        return value;
      }
      default:
        return this.#plain(at);
    }
  }

  #plain(from: number): unknown {
    const text = this.#text;
    if (!startsPlain(text.charCodeAt(from)) || (text.charCodeAt(from) === DASH && this.#spaceOrEnd(from + 1))) {
      throw beyond;
    }
    let last = from;
    for (let at = from; at < this.#end; at++) {
      const code = text.charCodeAt(at);
      if (code === SPACE) continue;
      if (code < 33 || code > 126) throw beyond;
      if (code === COLON && this.#spaceOrEnd(at + 1)) throw beyond;
      if (code === HASH && text.charCodeAt(at - 1) === SPACE) {
        this.#printable(at, this.#end);
        break;
      }
      last = at;
    }
    return finite(resolvePlain(text.slice(from, last + 1)));
  }

  /** The value of a quoted scalar on one line, and the position behind it. */
  #quoted(from: number): [value: string, end: number] {
    const text = this.#text;
    const quote = text.charCodeAt(from);
    const double = quote === 34;
    let plain = true;
    for (let at = from + 1; at < this.#end; at++) {
      const code = text.charCodeAt(at);
      if (code < 32 || code > 126) throw beyond;
      if (double && code === 92) {
        plain = false;
        at++;
        if ((text.charCodeAt(at) !== 34 && text.charCodeAt(at) !== 92) || at >= this.#end) throw beyond;
      } else if (code === quote) {
        if (!double && text.charCodeAt(at + 1) === quote && at + 1 < this.#end) {
          plain = false;
          at++;
          continue;
        }
        const inner = text.slice(from + 1, at);
        if (plain) return [inner, at + 1];
        return [double ? inner.replace(/\\(.)/g, '$1') : inner.replaceAll("''", "'"), at + 1];
      }
    }
    throw beyond;
  }

  /** `[a, "b"]` or `{a: 1, b: [c]}` on one line, of plain scalars free of all that flow style gives a meaning. */
  #flow(from: number): [value: unknown, end: number] {
    if (++this.#depth > deepest) throw beyond;
    const isMap = this.#text[from] === '{';
    const close = isMap ? '}' : ']';
    const record: Mutable = {};
    const items: unknown[] = [];
    let at = this.#onLine(from + 1);
    while (this.#text[at] !== close) {
      if (isMap) at = this.#flowPair(at, record);
      else {
        const [value, end] = this.#flowValue(at);
        items.push(value);
        at = end;
      }
      at = this.#onLine(at);
      if (this.#text[at] === close) break;
      if (this.#text[at] !== ',' || this.#text.charCodeAt(at + 1) !== SPACE) throw beyond;
      at = this.#onLine(at + 1);
      if (this.#text[at] === close) throw beyond;
    }
    this.#depth--;
    return [isMap ? record : items, at + 1];
  }

  #flowPair(from: number, record: Mutable): number {
    const colon = this.#keyEnd(from);
    if (colon < 0) throw beyond;
    const key = this.#text.slice(from, colon);
    if (typeof resolvePlain(key) !== 'string' || key === '__proto__' || Object.hasOwn(record, key)) throw beyond;
    const [value, end] = this.#flowValue(this.#onLine(colon + 1));
    record[key] = value;
    return end;
  }

  #flowValue(at: number): [value: unknown, end: number] {
    const text = this.#text;
    switch (text[at] ?? '') {
      case '"':
      case "'":
        return this.#quoted(at);
      case '[':
      case '{':
        return this.#flow(at);
      default: {
        let end = at;
        while (end < this.#end && isFlowCharacter(text.charCodeAt(end))) end++;
        if (end === at || !startsPlain(text.charCodeAt(at)) || text.charCodeAt(at) === DASH) throw beyond;
        return [finite(resolvePlain(text.slice(at, end))), end];
      }
    }
  }

  /** What comes next on the line, which must not end here. */
  #onLine(from: number): number {
    const at = this.#skipSpace(from);
    if (at < 0) throw beyond;
    return at;
  }

  /** Control characters are errors even in a comment, and the rest of Unicode has line ends of its own. */
  #printable(from: number, to: number): void {
    for (let at = from; at < to; at++) {
      const code = this.#text.charCodeAt(at);
      if (code < SPACE || code > 126) throw beyond;
    }
  }
}

function finite<T>(value: T): T {
  if (typeof value === 'number' && !Number.isFinite(value)) throw beyond;
  return value;
}

function isWord(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 48 && code <= 57) || (code >= 65 && code <= 90);
}

/** Letters, digits and `-._/`. */
function isKeyCharacter(code: number): boolean {
  return isWord(code) || (code >= DASH && code <= 47) || code === 95;
}

/** As keys, with `*` and `$`. */
function isFlowCharacter(code: number): boolean {
  return isKeyCharacter(code) || code === 42 || code === 36;
}

/** Letters, digits and `-./_$^(~+\`: none of the indicators of YAML. */
function startsPlain(code: number): boolean {
  switch (code) {
    case DASH:
    case 46:
    case 47:
    case 95:
    case 36:
    case 94:
    case 40:
    case 126:
    case 43:
    case 92:
      return true;
    default:
      return isWord(code);
  }
}
