// The head of a response on its way to an HTTP/1 client: edited where it was read, so that head and content go out as one
// piece of memory; or, where that cannot be, composed as text.
import { UPGRADE } from './fields.ts';
import { VALUE_END, VALUE_START, STRIDE } from './lines.ts';
import type { Head } from './parser.ts';
import { fieldPairs, reasonOf } from './text.ts';
import type { FieldList } from '../sides.ts';

/** What the client's connection adds, by whether it stays and whether the client would think so. */
export const CLOSE = 'Connection: close\r\n';
export const KEEP = 'Connection: keep-alive\r\n';

/**
 * Slides what is kept of the head up to its end, and `added` in behind the last line. There must be room for `added` in front.
 * @returns where the head begins now
 */
export function editInPlace(head: Head, buf: Buffer, added: string): number {
  const { base, size, fieldsStart } = head;
  // A backend may speak HTTP/1.0; the client is told our own version (RFC 9110 section 2.5).
  if (head.minor === 0) buf[base + 7] = 0x31;
  const pairs = head.kept();
  const { runs } = head;
  const end = base + size - 2;
  let at = end;
  for (let i = pairs - 1; i >= 0; i--) {
    const from = base + (runs[i * 2] as number);
    const to = base + (runs[i * 2 + 1] as number);
    at -= to - from;
    if (at !== from) buf.copyWithin(at, from, to);
  }
  at -= fieldsStart;
  if (at !== base) buf.copyWithin(at, base, base + fieldsStart);
  if (added !== '') {
    const { length } = added;
    buf.copyWithin(at - length, at, end);
    buf.write(added, end - length, 'latin1');
    at -= length;
  }
  return at;
}

/** The head of a response as text, with the final empty line. Lines that are cut are left out. */
export function composeFrom(head: Head, buf: Buffer, added: string): string {
  const { base } = head;
  const reason = head.reasonStart < 0 ? '' : buf.toString('latin1', base + head.reasonStart, base + head.reasonEnd);
  let text = `HTTP/1.1 ${head.status} ${reason}\r\n`;
  const pairs = head.kept();
  for (let i = 0; i < pairs; i++) {
    text += buf.toString('latin1', base + (head.runs[i * 2] as number), base + (head.runs[i * 2 + 1] as number));
  }
  return `${text}${added}\r\n`;
}

/** The same from a list. */
export function compose(status: number, fields: FieldList, added: string): string {
  return `HTTP/1.1 ${status} ${reasonOf(status)}\r\n${fieldPairs(fields)}${added}\r\n`;
}

/** The lines that tell the client of a switch of protocols, which are hop-by-hop and so were cut. */
export function switchedLines(head: Head, buf: Buffer): string {
  const line = head.line(UPGRADE);
  if (line < 0) return 'Connection: Upgrade\r\n';
  const { fields, base } = head;
  const from = base + (fields[line * STRIDE + VALUE_START] as number);
  const to = base + (fields[line * STRIDE + VALUE_END] as number);
  return `Connection: Upgrade\r\nUpgrade: ${buf.toString('latin1', from, to)}\r\n`;
}
