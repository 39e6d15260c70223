// Trees (tree.ts) <-> the bytes of protobuf, by the descriptors of the messages. Encoders are made once per type. A field that a
// message does not have, or a value of another kind, throws: it is a mistake of ours, never of a user.
import protobuf from 'protobufjs/light.js';
import type { Message, Tree } from './tree.ts';
import { readDuration, scalarFor, writeDuration } from './scalars.ts';

type Write = (writer: protobuf.Writer, value: Tree) => void;
type Field = (writer: protobuf.Writer, value: Tree) => void;

const ANY = 'google.protobuf.Any';
const DURATION = 'google.protobuf.Duration';
const STRUCT = 'google.protobuf.Struct';
const VALUE = 'google.protobuf.Value';
const WRAPPER = /^google\.protobuf\.\w+Value$/;

const LENGTH_DELIMITED = 2;

export class Codec {
  readonly #root: protobuf.Root;
  readonly #encoders = new Map<string, ReadonlyMap<string, Field>>();

  constructor(root: protobuf.Root) {
    this.#root = root;
  }

  /** @param type full name of the message */
  encode(type: string, tree: Message): Uint8Array {
    const writer = protobuf.Writer.create();
    this.#message(type, tree, writer);
    return writer.finish();
  }

  decode(type: string, bytes: Uint8Array): Message {
    return this.#decode(type, protobuf.Reader.create(bytes), bytes.length) as Message;
  }

  #message(type: string, tree: Tree, writer: protobuf.Writer): void {
    const fields = this.#fieldsOf(type);
    for (const [name, value] of Object.entries(tree as Message)) {
      if (value === undefined || name === '@type') continue;
      const write = fields.get(name);
      if (write === undefined) throw new Error(`${type} has no field ${name}`);
      write(writer, value);
    }
  }

  #fieldsOf(type: string): ReadonlyMap<string, Field> {
    let fields = this.#encoders.get(type);
    if (fields === undefined) {
      fields = new Map(this.#root.lookupType(type).fieldsArray.map((field) => [field.name, this.#field(field)]));
      this.#encoders.set(type, fields);
    }
    return fields;
  }

  #field(field: protobuf.Field): Field {
    if (field instanceof protobuf.MapField) return this.#map(field);
    const one = this.#single(field, field.id);
    if (!field.repeated) return one;
    return (writer, value) => {
      for (const each of listOf(field, value)) one(writer, each);
    };
  }

  #map(field: protobuf.MapField): Field {
    const key = scalarFor(field.keyType);
    const value = this.#single(field as unknown as protobuf.Field, 2);
    return (writer, entries) => {
      for (const [name, each] of Object.entries(entries as Message)) {
        if (each === undefined) continue;
        writer.uint32((field.id << 3) | LENGTH_DELIMITED).fork();
        key.write(writer.uint32((1 << 3) | key.wire), name);
        value(writer, each);
        writer.ldelim();
      }
    };
  }

  #single(field: protobuf.Field, id: number): Field {
    const { resolvedType, type } = field;
    if (resolvedType instanceof protobuf.Type) {
      const write = this.#nested(resolvedType.fullName.slice(1));
      return (writer, value) => {
        writer.uint32((id << 3) | LENGTH_DELIMITED);
        // Encoded before.
        if (value instanceof Uint8Array) writer.bytes(value);
        else {
          writer.fork();
          write(writer, value);
          writer.ldelim();
        }
      };
    }
    if (resolvedType instanceof protobuf.Enum) {
      const { values } = resolvedType;
      return (writer, value) => {
        const number = values[value as string];
        if (number === undefined) throw new Error(`${field.fullName} is never ${JSON.stringify(value)}`);
        writer.uint32(id << 3).int32(number);
      };
    }
    const scalar = scalarFor(type);
    return (writer, value) => scalar.write(writer.uint32((id << 3) | scalar.wire), value);
  }

  #nested(type: string): Write {
    if (type === ANY) return (writer, value) => this.#any(writer, value as Message);
    if (type === DURATION) return (writer, value) => writeDuration(writer, value as string);
    if (type === STRUCT) return (writer, value) => this.#struct(writer, value as Message);
    if (type === VALUE) return (writer, value) => this.#value(writer, value);
    if (WRAPPER.test(type)) return (writer, value) => this.#message(type, { value }, writer);
    return (writer, value) => this.#message(type, value, writer);
  }

  #any(writer: protobuf.Writer, value: Message): void {
    const url = value['@type'];
    if (typeof url !== 'string') throw new Error('an Any needs its @type');
    writer.uint32((1 << 3) | LENGTH_DELIMITED).string(url);
    writer.uint32((2 << 3) | LENGTH_DELIMITED).fork();
    this.#message(typeOf(url), value, writer);
    writer.ldelim();
  }

  #struct(writer: protobuf.Writer, value: Message): void {
    for (const [name, each] of Object.entries(value)) {
      if (each === undefined) continue;
      writer.uint32((1 << 3) | LENGTH_DELIMITED).fork();
      writer.uint32((1 << 3) | LENGTH_DELIMITED).string(name.toWellFormed());
      writer.uint32((2 << 3) | LENGTH_DELIMITED).fork();
      this.#value(writer, each);
      writer.ldelim().ldelim();
    }
  }

  #value(writer: protobuf.Writer, value: Tree): void {
    if (typeof value === 'number') writer.uint32((2 << 3) | 1).double(value);
    else if (typeof value === 'string') writer.uint32((3 << 3) | LENGTH_DELIMITED).string(value.toWellFormed());
    else if (typeof value === 'boolean') writer.uint32(4 << 3).bool(value);
    else if (isList(value)) {
      writer.uint32((6 << 3) | LENGTH_DELIMITED).fork();
      for (const each of value) {
        writer.uint32((1 << 3) | LENGTH_DELIMITED).fork();
        this.#value(writer, each);
        writer.ldelim();
      }
      writer.ldelim();
    } else {
      writer.uint32((5 << 3) | LENGTH_DELIMITED).fork();
      this.#struct(writer, value as Message);
      writer.ldelim();
    }
  }

  #decode(type: string, reader: protobuf.Reader, end: number): Tree {
    if (type === DURATION) return readDuration(reader, end);
    const fields = this.#root.lookupType(type).fieldsById;
    const tree: Record<string, Tree> = {};
    while (reader.pos < end) {
      const tag = reader.uint32();
      const field = fields[tag >>> 3];
      if (field === undefined) reader.skipType(tag & 7);
      else this.#take(tree, field, reader, tag & 7);
    }
    if (type === ANY) return this.#opened(tree);
    if (type === STRUCT) return tree['fields'] ?? {};
    if (type === VALUE) return Object.values(tree)[0] ?? '';
    if (type === 'google.protobuf.ListValue') return tree['values'] ?? [];
    return WRAPPER.test(type) ? (tree['value'] ?? zeroOf(type)) : tree;
  }

  #opened(tree: Record<string, Tree>): Message {
    const { type_url: type } = tree;
    const url = typeof type === 'string' ? type : '';
    const held = tree['value'] instanceof Uint8Array ? tree['value'] : new Uint8Array();
    return { '@type': url, ...this.decode(typeOf(url), held) };
  }

  #take(tree: Record<string, Tree>, field: protobuf.Field, reader: protobuf.Reader, wire: number): void {
    const { name } = field;
    if (field instanceof protobuf.MapField) {
      const end = reader.uint32() + reader.pos;
      const entry: Record<string, Tree> = {};
      while (reader.pos < end) {
        if (reader.uint32() >>> 3 === 1) entry['key'] = scalarFor(field.keyType).read(reader);
        else entry['value'] = this.#one(field, reader);
      }
      tree[name] = {
        ...(tree[name] as Message | undefined),
        [typeof entry['key'] === 'string' ? entry['key'] : '']: entry['value'],
      };
    } else if (!field.repeated) {
      tree[name] = this.#one(field, reader);
    } else {
      const list = [...((tree[name] as readonly Tree[] | undefined) ?? [])];
      const isPacked =
        wire === LENGTH_DELIMITED && field.resolvedType === null && scalarFor(field.type).wire !== LENGTH_DELIMITED;
      if (isPacked) {
        const end = reader.uint32() + reader.pos;
        while (reader.pos < end) list.push(this.#one(field, reader));
      } else {
        list.push(this.#one(field, reader));
      }
      tree[name] = list;
    }
  }

  #one(field: protobuf.Field, reader: protobuf.Reader): Tree {
    const { resolvedType } = field;
    if (resolvedType instanceof protobuf.Type) {
      const length = reader.uint32();
      return this.#decode(resolvedType.fullName.slice(1), reader, reader.pos + length);
    }
    if (resolvedType instanceof protobuf.Enum) {
      const number = reader.int32();
      return resolvedType.valuesById[number] ?? number;
    }
    return scalarFor(field.type).read(reader);
  }
}

function typeOf(url: string): string {
  return url.slice(url.lastIndexOf('/') + 1);
}

function isList(value: Tree): value is readonly Tree[] {
  return Array.isArray(value);
}

function listOf(field: protobuf.Field, value: Tree): readonly Tree[] {
  if (!isList(value)) throw new Error(`${field.fullName} is a list`);
  return value;
}

function zeroOf(type: string): Tree {
  if (type.endsWith('StringValue')) return '';
  return type.endsWith('BoolValue') ? false : 0;
}
