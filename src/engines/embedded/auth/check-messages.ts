// envoy.service.auth.v3: what a service is asked -> a CheckRequest inside its gRPC frame; a CheckResponse -> a verdict. Field numbers
// are those of external_auth.proto, attribute_context.proto and base.proto; what they mean beyond that is external-auth.ts.
import { isUtf8 } from 'node:buffer';
import type { HeaderMutation, QueryChange } from '../../../routing/filters/external-auth.ts';
import { isFieldName, isFieldValue } from '../../../routing/filters/header-changes.ts';
import { toOctets } from '../../../routing/match/octets.ts';
import type { FieldList } from '../sides.ts';
import { type Field, MessageWriter, readFields } from './protobuf.ts';

export const CHECK_PATH = '/envoy.service.auth.v3.Authorization/Check';

/** What is asked about. */
export interface Asked {
  readonly id: string;
  readonly method: string;
  /** Names in any case, one character per octet. */
  readonly fields: FieldList;
  /** With the query. */
  readonly path: string;
  readonly host: string;
  readonly scheme: string;
  /** Octets of the body, -1 = not known. */
  readonly size: number;
  readonly version: '1.0' | '1.1' | '2';
  /** undefined: not told. */
  readonly body: Buffer | undefined;
  readonly source: { readonly address: string; readonly port: number };
  /** An authority. */
  readonly destination: string;
  readonly serverName: string | undefined;
}

export interface Allowed {
  readonly outcome: 'allowed';
  readonly request: readonly HeaderMutation[];
  /** Names. */
  readonly removed: readonly string[];
  readonly response: readonly HeaderMutation[];
  readonly query: QueryChange;
}

export interface Denied {
  readonly outcome: 'denied';
  readonly status: number;
  readonly mutations: readonly HeaderMutation[];
  readonly body: Buffer;
}

/** A length-prefixed message of gRPC, not compressed. */
export function encodeCheck(asked: Asked): Buffer {
  const { host, port } = splitAuthority(asked.destination);
  const http = new MessageWriter()
    .string(1, asked.id)
    .string(2, asked.method)
    .string(4, asked.path)
    .string(5, asked.host)
    .string(6, asked.scheme)
    .integer(9, asked.size)
    .string(10, asked.version === '2' ? 'HTTP/2' : `HTTP/${asked.version}`);
  for (const [name, value] of joined(asked.fields)) {
    http.message(3, new MessageWriter().string(1, name).bytes(2, utf8Of(value)));
  }
  // A string must be UTF-8; a body need not be.
  if (asked.body !== undefined) http.bytes(isUtf8(asked.body) ? 11 : 12, asked.body);
  const attributes = new MessageWriter()
    .message(1, peer(asked.source.address, asked.source.port))
    .message(2, peer(host, port))
    .message(4, new MessageWriter().message(2, http));
  if (asked.serverName !== undefined) attributes.message(12, new MessageWriter().string(1, asked.serverName));
  const message = new MessageWriter().message(1, attributes).finish();
  const prefix = Buffer.alloc(FRAME_HEAD);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** Whether it is compressed, and its length. */
const FRAME_HEAD = 5;

/** AttributeContext.Peer: address.socket_address.{address, port_value}. */
function peer(address: string, port: number): MessageWriter {
  const socket = new MessageWriter().string(2, address).integer(3, port);
  return new MessageWriter().message(1, new MessageWriter().message(1, socket));
}

function splitAuthority(authority: string): { readonly host: string; readonly port: number } {
  const colon = authority.lastIndexOf(':');
  const host = authority.slice(0, colon);
  return { host: host.startsWith('[') ? host.slice(1, -1) : host, port: Number(authority.slice(colon + 1)) };
}

/** Names in lower case, each once: a map has one value per key. */
function joined(fields: FieldList): Map<string, string> {
  const map = new Map<string, string>();
  for (let i = 0; i < fields.length; i += 2) {
    const name = (fields[i] as string).toLowerCase();
    const earlier = map.get(name);
    const value = fields[i + 1] as string;
    map.set(name, earlier === undefined ? value : `${earlier}${name === 'cookie' ? '; ' : ', '}${value}`);
  }
  return map;
}

/** What is no UTF-8 becomes `!`, as Envoy has it. */
function utf8Of(value: string): Buffer {
  const octets = Buffer.from(value, 'latin1');
  if (!isUtf8(octets)) for (let i = 0; i < octets.length; i++) if ((octets[i] as number) > 0x7f) octets[i] = 0x21;
  return octets;
}

/**
 * The verdict of a response of exactly one message; undefined when it is none, says two things at once, or names a header that
 * cannot be written.
 */
export function decodeCheck(frame: Buffer): Allowed | Denied | undefined {
  if (frame.length < FRAME_HEAD || frame[0] !== 0 || frame.readUInt32BE(1) !== frame.length - FRAME_HEAD)
    return undefined;
  try {
    return verdictOf(fieldsOf(frame.subarray(FRAME_HEAD)));
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}

/** Never leaves this file. */
class Malformed extends Error {}

/** CheckResponse. */
function verdictOf(response: readonly Field[]): Allowed | Denied {
  const status = merged(response, 1);
  const code = status === undefined ? 0 : numberAt(fieldsOf(status), 1);
  // error_response is a denial that says that the service itself failed.
  const denied = merged(response, 2) ?? merged(response, 5);
  const ok = merged(response, 3);
  if (code !== 0) return denial(denied === undefined ? [] : fieldsOf(denied));
  // It says yes and, at more length, no.
  if (denied !== undefined) throw new Malformed();
  const fields = ok === undefined ? [] : fieldsOf(ok);
  return {
    outcome: 'allowed',
    request: mutationsAt(fields, 2, 'set'),
    removed: textsAt(fields, 5),
    response: mutationsAt(fields, 6, 'set'),
    query: {
      set: messagesAt(fields, 7).map((parameter) => ({ name: textAt(parameter, 1), value: textAt(parameter, 2) })),
      removed: textsAt(fields, 8),
    },
  };
}

/** DeniedHttpResponse. */
function denial(fields: readonly Field[]): Denied {
  const status = merged(fields, 1);
  const code = status === undefined ? 0 : numberAt(fieldsOf(status), 1);
  return {
    outcome: 'denied',
    status: code >= 200 && code <= 599 ? code : 403,
    mutations: mutationsAt(fields, 2, 'set'),
    body: buffersAt(fields, 3).at(-1) ?? Buffer.alloc(0),
  };
}

/** HeaderValueOption.append_action, from 1 on. */
const actions = ['add-if-absent', 'set', 'set-if-present'] as const;

/**
 * HeaderValueOption { header { key, value, raw_value }, append, append_action }. Here, unlike elsewhere in Envoy's interfaces,
 * headers that do not say it are not appended: a client's own must not stay in front of what the service vouches for.
 */
function mutationsAt(fields: readonly Field[], number: number, otherwise: 'set'): HeaderMutation[] {
  return messagesAt(fields, number).map((option) => {
    const header = merged(option, 1);
    const parts = header === undefined ? [] : fieldsOf(header);
    const name = textAt(parts, 1);
    const raw = buffersAt(parts, 3).at(-1);
    const value = withoutSpace(raw === undefined ? toOctets(textAt(parts, 2)) : raw.toString('latin1'));
    if ((!isFieldName(name) && !name.startsWith(':')) || !isFieldValue(value)) throw new Malformed();
    const append = merged(option, 2);
    const action = actions[numberAt(option, 3) - 1] ?? otherwise;
    if (append === undefined) return { name, value, action };
    return { name, value, action: numberAt(fieldsOf(append), 1) === 0 ? 'set' : 'append' };
  });
}

/** RFC 9110 section 5.5: white space around a value is not part of it. */
function withoutSpace(value: string): string {
  return value.replaceAll(/^[ \t]+|[ \t]+$/g, '');
}

function fieldsOf(message: Buffer): Field[] {
  const fields = readFields(message);
  if (fields === undefined) throw new Malformed();
  return fields;
}

/** A message that is not repeated: several of them are parts of one. */
function merged(fields: readonly Field[], number: number): Buffer | undefined {
  const all = buffersAt(fields, number);
  return all.length > 1 ? Buffer.concat(all) : all[0];
}

function buffersAt(fields: readonly Field[], number: number): Buffer[] {
  return fields
    .filter((field) => field.number === number)
    .map(({ value }) => {
      if (typeof value === 'number') throw new Malformed();
      return value;
    });
}

function messagesAt(fields: readonly Field[], number: number): Field[][] {
  return buffersAt(fields, number).map(fieldsOf);
}

function textsAt(fields: readonly Field[], number: number): string[] {
  return buffersAt(fields, number).map((octets) => {
    if (!isUtf8(octets)) throw new Malformed();
    return octets.toString('utf8');
  });
}

function textAt(fields: readonly Field[], number: number): string {
  return textsAt(fields, number).at(-1) ?? '';
}

/** The last occurrence of a varint field, 0 without one. */
function numberAt(fields: readonly Field[], number: number): number {
  const last = fields.findLast((field) => field.number === number);
  if (last === undefined) return 0;
  if (typeof last.value !== 'number') throw new Malformed();
  return last.value;
}
