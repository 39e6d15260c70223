// The field lines of one head: spans, recognised ids, and which lines are to be forwarded. parser.ts fills it; forwarding
// reads it.
import * as field from './fields.ts';
import * as octet from './octets.ts';

/** Numbers per line in `Head.fields`: name start, name end, value start, value end, field id. */
export const STRIDE = 5;
export const NAME_START = 0;
export const NAME_END = 1;
export const VALUE_START = 2;
export const VALUE_END = 3;
export const FIELD_ID = 4;

/** A `Connection` option cannot take these away: the proxy itself answers for what they say. */
const PROTECTED: number =
  (1 << field.CONTENT_LENGTH) |
  (1 << field.TRANSFER_ENCODING) |
  (1 << field.HOST) |
  (1 << field.X_FORWARDED_FOR) |
  (1 << field.X_FORWARDED_PROTO) |
  (1 << field.X_FORWARDED_HOST);

export class FieldLines {
  /** Where the head begins in the buffer of the last call. */
  base = 0;
  /** Octets of the whole head; the body begins at `base + size`. */
  size = 0;
  count = 0;
  /** See STRIDE. Grows up to the limit of fields. */
  fields: Int32Array = new Int32Array(STRIDE * 32);
  /** 1 for a line that must not be forwarded. Callers may mark more before they ask for `kept`. */
  cut: Uint8Array = new Uint8Array(32);
  /** Pairs that `kept` wrote. */
  runs: Int32Array = new Int32Array(34);
  /** Bit n: a field of id n is there. */
  seen = 0;
  /** A line that frames the message is written in a way that not everyone reads alike: see `reframed`. */
  odd = false;

  /** Index of the first line of that id from line `from` on, -1 if there is none. */
  line(id: number, from = 0): number {
    if ((this.seen & (1 << id)) === 0) return -1;
    for (let i = from; i < this.count; i++) if (this.fields[i * STRIDE + FIELD_ID] === id) return i;
    return -1;
  }

  /** The same for any name, in lower case; `buf` and `base` as in the last call of `parse`. */
  find(buf: Uint8Array, name: string, from = 0): number {
    const id = field.fieldIds.get(name);
    if (id !== undefined) return this.line(id, from);
    const base = this.base;
    for (let i = from, k = from * STRIDE; i < this.count; i++, k += STRIDE) {
      const start = base + (this.fields[k] as number);
      if (octet.equalsIgnoringCase(buf, start, base + (this.fields[k + NAME_END] as number), name)) return i;
    }
    return -1;
  }

  /** Marks every line of that id as not to be forwarded. */
  cutAll(id: number): void {
    for (let i = this.line(id); i >= 0; i = this.line(id, i + 1)) this.cut[i] = 1;
  }

  /**
   * Of the last line, which frames the message: one space before the value and none behind it, for tabs are not white space
   * to everyone; and no zeros in front, which mean octal to some.
   */
  checkSpelling(buf: Uint8Array, zeros: boolean): void {
    const k = (this.count - 1) * STRIDE;
    const { base, fields } = this;
    const colon = fields[k + NAME_END] as number;
    const spaced = fields[k + VALUE_START] === colon + 2 && buf[base + colon + 1] === octet.SP;
    if (zeros || !spaced || buf[base + (fields[k + VALUE_END] as number)] !== octet.CR) this.odd = true;
  }

  /** Cuts the lines that frame the message and are not cut yet; returns those to send in their place. */
  reframed(length: number): string {
    let text = '';
    const lengthAt = this.line(field.CONTENT_LENGTH);
    const codingAt = this.line(field.TRANSFER_ENCODING);
    if (lengthAt >= 0 && this.cut[lengthAt] === 0) text += `Content-Length: ${length}\r\n`;
    if (codingAt >= 0 && this.cut[codingAt] === 0) text += 'Transfer-Encoding: chunked\r\n';
    if (lengthAt >= 0) this.cut[lengthAt] = 1;
    if (codingAt >= 0) this.cut[codingAt] = 1;
    return text;
  }

  /** Writes the field lines that are not cut into `runs`, as pairs of start and end, and returns how many pairs. */
  kept(): number {
    const { fields, cut, runs, count } = this;
    let pairs = 0;
    for (let i = 0; i < count; i++) {
      if (cut[i] !== 0) continue;
      runs[pairs * 2] = fields[i * STRIDE] as number;
      while (i + 1 < count && cut[i + 1] === 0) i++;
      runs[pairs * 2 + 1] = i + 1 < count ? (fields[(i + 1) * STRIDE] as number) : this.size - 2;
      pairs++;
    }
    return pairs;
  }

  /** Marks the lines that Connection names (RFC 9110 section 7.6.1). */
  cutNominated(buf: Uint8Array): void {
    const { base, fields } = this;
    for (let c = this.line(field.CONNECTION); c >= 0; c = this.line(field.CONNECTION, c + 1)) {
      const end = base + (fields[c * STRIDE + VALUE_END] as number);
      let i = base + (fields[c * STRIDE + VALUE_START] as number);
      while (i < end) {
        const from = i;
        while (i < end && octet.token[buf[i] as number] !== 0) i++;
        if (i > from) this.#cutNamed(buf, from, i);
        else i++;
      }
    }
  }

  #cutNamed(buf: Uint8Array, start: number, end: number): void {
    const { base, fields } = this;
    for (let i = 0, k = 0; i < this.count; i++, k += STRIDE) {
      const id = fields[k + FIELD_ID] as number;
      const nameStart = base + (fields[k] as number);
      const sameLength = (fields[k + NAME_END] as number) - (fields[k] as number) === end - start;
      if (sameLength && (PROTECTED & (1 << id)) === 0 && octet.sameIgnoringCase(buf, nameStart, start, end - start)) {
        this.cut[i] = 1;
      }
    }
  }

  /** Makes room for twice as many lines. */
  grow(): void {
    const lines = this.cut.length * 2;
    const fields = new Int32Array(lines * STRIDE);
    fields.set(this.fields);
    this.fields = fields;
    const cut = new Uint8Array(lines);
    cut.set(this.cut);
    this.cut = cut;
    this.runs = new Int32Array(lines + 2);
  }
}
