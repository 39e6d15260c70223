// Small pieces of HTTP/1 text: chunk lines, field lines, reason phrases; and the lines of a head as a list.
import { STATUS_CODES } from 'node:http';
import type { FieldList } from '../sides.ts';
import { CONTENT_LENGTH, TRANSFER_ENCODING } from './fields.ts';
import { FIELD_ID, NAME_END, STRIDE, VALUE_END, VALUE_START } from './lines.ts';
import type { Head } from './parser.ts';

export const chunkEnd = '\r\n';
/** To be followed by trailers and an empty line. */
export const LAST_CHUNK = '0\r\n';

export function chunkStart(size: number): string {
  return `${size.toString(16)}\r\n`;
}

/** `Name: value` lines. The caller vouches for the octets. */
export function fieldPairs(fields: FieldList): string {
  let text = '';
  for (let i = 0; i < fields.length; i += 2) text += `${fields[i] as string}: ${fields[i + 1] as string}\r\n`;
  return text;
}

/** RFC 9110 section 15 and the registry; '' for statuses without one. */
export function reasonOf(status: number): string {
  return reasons[status] ?? '';
}

const reasons: Readonly<Record<number, string>> = STATUS_CODES as Readonly<Record<number, string>>;

/** The field lines of a head that are not cut and do not frame the message, as a list. */
export function fieldList(head: Head, buf: Buffer): string[] {
  const { base, fields, cut, count } = head;
  const list: string[] = [];
  for (let i = 0; i < count; i++) {
    const k = i * STRIDE;
    const id = fields[k + FIELD_ID] as number;
    if (cut[i] !== 0 || id === CONTENT_LENGTH || id === TRANSFER_ENCODING) continue;
    list.push(
      buf.toString('latin1', base + (fields[k] as number), base + (fields[k + NAME_END] as number)),
      buf.toString('latin1', base + (fields[k + VALUE_START] as number), base + (fields[k + VALUE_END] as number)),
    );
  }
  return list;
}
