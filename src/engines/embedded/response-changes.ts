// What a rule changes in the head of a response: response header modifiers and CORS, on spans (HTTP/1 to HTTP/1) or as a list.
import { type CompiledCors, corsHeaders, corsResponseHeaders } from '../../routing/filters/cors.ts';
import type { HeaderPlan } from '../../routing/filters/header-changes.ts';
import { FIXED_LENGTH, type Head, NO_BODY } from './http1/parser.ts';
import { cutField } from './http1/request.ts';
import { fieldList, fieldPairs } from './http1/text.ts';
import type { HeaderEdit } from './plan.ts';
import { type FieldList, UNKNOWN_LENGTH } from './sides.ts';

const corsNames: readonly string[] = [...corsResponseHeaders];

/** Marks the lines that do not go on. */
export function cutFields(head: Head, buf: Buffer, edit: HeaderEdit, cors: boolean): void {
  for (let i = 0; i < edit.dropped.length; i++) cutField(head, buf, edit.dropped[i] as string);
  if (cors) for (let i = 0; i < corsNames.length; i++) cutField(head, buf, corsNames[i] as string);
}

/** The lines that come, as text. */
export function addedLines(edit: HeaderEdit, cors: CompiledCors, origin: string): string {
  return fieldPairs(corsHeaders(cors, origin)) + edit.text;
}

/** After `cutFields`: all lines of the response as a list, names in lower case. */
export function changedFields(head: Head, buf: Buffer, added: FieldList): FieldList {
  const list = fieldList(head, buf);
  for (let i = 0; i < list.length; i += 2) list[i] = (list[i] as string).toLowerCase();
  list.push(...added);
  return list;
}

/** The same from a list with names in lower case. */
export function changedList(fields: FieldList, edit: HeaderEdit, cors: boolean, added: FieldList): FieldList {
  if (edit.dropped.length === 0 && !cors && added.length === 0) return fields;
  const list: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    if (edit.dropped.includes(name) || (cors && corsResponseHeaders.has(name))) continue;
    list.push(name, fields[i + 1] as string);
  }
  list.push(...added);
  return list;
}

/** The lines that come, as a list with names in lower case. */
export function addedFields(edit: HeaderEdit, cors: CompiledCors | null, origin: string | undefined): FieldList {
  if (cors === null || origin === undefined) return edit.lowered;
  const list = [...corsHeaders(cors, origin)];
  for (let i = 0; i < list.length; i += 2) list[i] = (list[i] as string).toLowerCase();
  return [...list, ...edit.lowered];
}

/** As Downstream.respond wants it. */
export function contentLength(head: Head, framing: number): number {
  if (framing === FIXED_LENGTH) return head.length;
  if (framing !== NO_BODY) return UNKNOWN_LENGTH;
  return head.status === 204 ? 0 : head.length;
}

/** With what is special about one response: changes by an auth service, and the token of a session. */
export function extendedEdit(edit: HeaderEdit, plan: HeaderPlan, token: FieldList): HeaderEdit {
  const added = [...plan.appended, ...token];
  if (plan.dropped.size === 0 && added.length === 0) return edit;
  return {
    dropped: [...edit.dropped, ...plan.dropped],
    lowered: [...edit.lowered, ...added.map((part, i) => (i % 2 === 0 ? part.toLowerCase() : part))],
    text: edit.text + fieldPairs(added),
  };
}

/** The fields of an answer that denies, as scripts of other origins may read it; without the service's own of CORS. */
export function deniedFields(fields: FieldList, cors: CompiledCors | null, origin: string | undefined): FieldList {
  if (cors === null || origin === undefined) return fields;
  return changedList(fields, noEdit, true, addedFields(noEdit, cors, origin));
}

const noEdit: HeaderEdit = { dropped: [], lowered: [], text: '' };

/** The fields that do not describe content, nor say what became of a call of gRPC. Names in lower case. */
export function withoutContent(fields: FieldList): FieldList {
  const list: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = (fields[i] as string).toLowerCase();
    if (!name.startsWith('content-') && !name.startsWith('grpc-')) list.push(name, fields[i + 1] as string);
  }
  return list;
}
